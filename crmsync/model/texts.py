"""Many texts in little memory, each found by itself: in a set one takes a hundred bytes, here a dozen beside its letters."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise

from xxhash import xxh3_64_intdigest as hash_of_bytes  # the same in each run, so that each takes as many steps

#: So large is the index at first; one half of it stays empty, so that few texts stand in each other's way.
_FIRST_SIZE, _ROOM = 64, 2


class Texts(Collection[str]):
    """Texts in a row, none twice, of which none is taken out: each has a place, counted from 0 on, where it is made anew."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._letters = bytearray()
        self._ends = array("I", [0])
        self._index = array("i", [-1]) * _FIRST_SIZE
        self._order: Sequence[int] | None = None
        for each in texts:
            self.add(each)

    def add(self, text: str) -> int:
        """Return the place of *text*, at the end of the row where it has none yet."""
        data = _bytes(text)
        slot = self._slot(data)
        place = self._index[slot]
        if place < 0:
            self._index[slot] = place = len(self)
            self._letters += data
            self._ends.append(len(self._letters))
            self._order = None
            if len(self) * _ROOM > len(self._index):
                self._grow()
        return place

    def place(self, text: str) -> int | None:
        """Return the place of *text*, if it has one."""
        found = self._index[self._slot(_bytes(text))]
        return None if found < 0 else found

    def at(self, place: int) -> str:
        """Return the text that has this place."""
        return self._data(place).decode("utf-8", "surrogatepass")

    def places_in_order(self) -> Sequence[int]:
        """Return the places of the texts as they are sorted."""
        if self._order is None:
            every = range(len(self))
            is_in_order = all(one < other for one, other in pairwise(map(self._data, every)))  # mostly, for files are
            self._order = every if is_in_order else array("I", sorted(every, key=self._data))
        return self._order

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[str]:
        return map(self.at, range(len(self)))

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and self.place(text) is not None

    def _data(self, place: int) -> bytearray:
        return self._letters[self._ends[place] : self._ends[place + 1]]

    def _slot(self, data: bytes) -> int:
        """Return where in the index the place of a text stands, or would."""
        index, mask = self._index, len(self._index) - 1
        slot = hash_of_bytes(data) & mask
        while (place := index[slot]) >= 0 and self._data(place) != data:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        index = array("i", [-1]) * (2 * len(self._index))
        mask = len(index) - 1
        for place in range(len(self)):
            slot = hash_of_bytes(self._data(place)) & mask
            while index[slot] >= 0:
                slot = (slot + 1) & mask
            index[slot] = place
        self._index = index


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # which sort as texts do
