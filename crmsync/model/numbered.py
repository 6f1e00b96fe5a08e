"""Few different values that many have: each is kept once, and who has one keeps its number."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar, overload

T = TypeVar("T", bound=Hashable)


class Numbered(Sequence[T]):
    """Different values in the order in which they first came; the place of each is its *number*."""

    def __init__(self) -> None:
        self._values: list[T] = []
        self._numbers: dict[T, int] = {}
        self._very_same: dict[Hashable, int] = {}

    def number(self, value: T) -> int:
        """Return the number of *value*, a new one where it has none yet."""
        known = self._numbers.setdefault(value, len(self._values))
        if known == len(self._values):
            self._values.append(value)
        return known

    def number_by(self, identity: Hashable, value: T) -> int:
        """Return the same, found by the *identity* of its parts: mostly it is the very same, and nothing is compared."""
        known = self._very_same.get(identity)
        if known is None:
            known = self.number(value)
            if self._values[known] is value:  # it is kept, so that no other has this identity
                self._very_same[identity] = known
        return known

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def __getitem__(self, number: int) -> T: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[T]: ...
    def __getitem__(self, number: int | slice) -> T | Sequence[T]:
        return self._values[number]


class FewInARow(Generic[T]):
    """A long row of few different values: two bytes a place, counted from 0 on. *different* are the values."""

    def __init__(self) -> None:
        self.different = Numbered[T]()
        self._row = array("H")

    def append(self, value: T) -> None:
        """Put *value* at the end of the row."""
        self._row.append(self.different.number(value))

    def at(self, place: int) -> T:
        """Return the value at a place."""
        return self.different[self._row[place]]
