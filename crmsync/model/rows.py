"""
Rows: many values of one sort in little memory, as bytes in a pile; each is made anew when somebody looks.

What a plan of a hundred thousand changes says is read by few, one change after the other: who counts it, who prints it, who
sends it. So its parts are rows, and the pile may be a file.
"""

from __future__ import annotations

from abc import abstractmethod
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import eq
from typing import Protocol, TypeVar, overload

from crmsync.model.packing import Flat, from_bytes, to_bytes

T = TypeVar("T")

#: So many rows are packed together, and so many such packs stay values, the last ones that were looked at.
TOGETHER, _REMEMBERED = 32, 16


class Pile(Protocol):
    """Bytes that are put aside for as long as a command runs."""

    def put(self, data: bytes) -> int:
        """Put *data* aside, and return the number by which it is found."""

    def get(self, number: int) -> bytes:
        """Return what was put aside by *number*."""


class MemoryPile:
    """A pile in memory."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def put(self, data: bytes) -> int:
        """Keep *data*."""
        self._parts.append(data)
        return len(self._parts) - 1

    def get(self, number: int) -> bytes:
        """Return what was kept."""
        return self._parts[number]


class Rows(Sequence[T]):
    """Values in a pile, each made flat as `to_bytes` takes it, and anew of that. They are only added to."""

    def __init__(self, pile: Pile) -> None:
        self.pile = pile
        self._packs = array("Q")
        self._looked_at: OrderedDict[int, list[T]] = OrderedDict()
        self._last: list[T] = []
        self._flat: list[Flat] = []

    @abstractmethod
    def _flattened(self, value: T) -> Flat:
        """Return *value* as `to_bytes` takes it."""

    @abstractmethod
    def _made(self, data: Flat) -> T:
        """Return the value that *data* was made of."""

    def append(self, value: T) -> None:
        """Add a value at the end."""
        self._add(value, self._flattened(value))

    def extend(self, values: Iterable[T]) -> None:
        """Add *values* at the end."""
        for each in values:
            self.append(each)

    def _add(self, value: T, flat: Flat) -> None:
        self._last.append(value)
        self._flat.append(flat)
        if len(self._last) == TOGETHER:
            self._remember(len(self._packs), self._last)
            self._packs.append(self.pile.put(to_bytes(self._flat)))
            self._last, self._flat = [], []

    @property
    def filled(self) -> int:
        """How many values were added."""
        return len(self._packs) * TOGETHER + len(self._last)

    def pack(self, number: int) -> list[T]:
        """Return the values that are packed together as the pack *number*; of the last ones, that are not packed yet."""
        if number == len(self._packs):
            return self._last
        found = self._looked_at.get(number)
        if found is None:
            found = list(map(self._made, from_bytes(self.pile.get(self._packs[number]))))
            self._remember(number, found)
        return found

    def _remember(self, number: int, values: list[T]) -> None:
        self._looked_at[number] = values
        if len(self._looked_at) > _REMEMBERED:
            self._looked_at.popitem(last=False)

    def since(self, place: int) -> Iterator[T]:
        """Yield the values from *place* on."""
        number, first = divmod(place, TOGETHER)
        while number * TOGETHER < self.filled:
            yield from islice(self.pack(number), first, None)
            number, first = number + 1, 0

    def at(self, place: int) -> T:
        """Return the value at *place*, which is one."""
        number, place = divmod(place, TOGETHER)
        return self.pack(number)[place]

    def __len__(self) -> int:
        return self.filled

    def __iter__(self) -> Iterator[T]:
        return self.since(0)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[T, ...]: ...
    def __getitem__(self, place: int | slice) -> T | tuple[T, ...]:
        if isinstance(place, slice):
            return tuple(self)[place]
        return self.at(range(len(self))[place])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (tuple, Rows)) and len(self) == len(other) and all(map(eq, self, other))

    def __repr__(self) -> str:
        return repr(tuple(self))
