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
        self._before: array[int] | None = None  # of all names before, and of all

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
        if self._before is None:
            self._before = array("I", accumulate(map(len, self.text.split(b"\n")), initial=0))
        at = range(len(self._before) - 1)[place]
        return self.text[self._before[at] + at : self._before[at + 1] + at].decode()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Names) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return repr(tuple(self))
