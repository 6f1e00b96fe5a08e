"""Hashes of 64 bits in a row, each found by itself: in a dict one takes over a hundred bytes, here some twenty."""

from __future__ import annotations

from array import array
from collections.abc import Container, Iterable, Iterator


class HashRow(Container[int]):
    """Hashes in the order of their *columns*, counted from 0 on."""

    def __init__(self, columns: Iterable[Iterable[int]]) -> None:
        hashes = array("Q")
        for column in columns:
            hashes.extend(column)
        index = array("i", [-1]) * (1 << (2 * len(hashes)).bit_length())  # half of it at least stays empty
        mask = len(index) - 1
        for place, hashed in enumerate(hashes):
            slot = hashed & mask
            while index[slot] >= 0:
                slot = (slot + 1) & mask
            index[slot] = place
        self._hashes, self._index, self._mask = hashes, index, mask

    def places(self, wanted: Iterable[int]) -> Iterator[int]:
        """Yield where each of the hashes stands that is there, the first one of several."""
        hashes, index, mask = self._hashes, self._index, self._mask
        for hashed in wanted:
            slot = hashed & mask
            while (place := index[slot]) >= 0:
                if hashes[place] == hashed:
                    yield place
                    break
                slot = (slot + 1) & mask

    def place(self, hashed: int) -> int | None:
        """Return where a hash stands, if it is there."""
        return next(self.places((hashed,)), None)

    def __contains__(self, hashed: object) -> bool:
        return isinstance(hashed, int) and self.place(hashed) is not None
