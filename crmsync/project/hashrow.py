"""Hashes of 64 bits in a row, each found by itself: in a dict one takes over a hundred bytes, here some twenty."""

from __future__ import annotations

from array import array
from collections.abc import Container, Iterable


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

    def place(self, hashed: int) -> int | None:
        """Return where a hash stands, the first one of several."""
        slot = hashed & self._mask
        while (place := self._index[slot]) >= 0 and self._hashes[place] != hashed:
            slot = (slot + 1) & self._mask
        return None if place < 0 else place

    def __contains__(self, hashed: object) -> bool:
        return isinstance(hashed, int) and self.place(hashed) is not None
