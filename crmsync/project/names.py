"""Names in a row, in hardly more memory than they are long: a sheet has one for each record, and few are looked at."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import overload


class Names(Sequence[str]):
    """Names without line ends, none of them empty, one on each line of a *text*."""

    __slots__ = ("_before", "text")

    def __init__(self, names: Iterable[str] = (), *, text: bytes | None = None) -> None:
        self.text = "\n".join(names).encode() if text is None else text
        self._before: array[int] | None = None  # how long all names before one are together, and all of them

    def __len__(self) -> int:
        return self.text.count(b"\n") + 1 if self.text else 0

    def __iter__(self) -> Iterator[str]:
        return iter(self.text.decode().split("\n") if self.text else ())

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...
    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        if isinstance(place, slice):
            return tuple(self)[place]
        at = range(len(self))[place] if place < 0 else place
        return self.between(at, at + 1)[0]

    def between(self, start: int, stop: int) -> list[str]:
        """Return the names from one place to another, of which there must be some. Raises IndexError."""
        if self._before is None:
            self._before = array("I", accumulate(map(len, self.text.split(b"\n") if self.text else ()), initial=0))
        return self.text[self._before[start] + start : self._before[stop] + stop - 1].decode().split("\n")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Names) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return repr(tuple(self))
