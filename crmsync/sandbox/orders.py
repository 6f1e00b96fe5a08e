"""Ids kept in the order of a key, so that a page can be cut without sorting."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

FEW = 500
"""Up to so many changed ids find their places one by one; more are sorted in together."""


class Order(Sequence[int]):
    """
    The ids of a table, ascending by a key.

    Changes are only noted; the places are found when the order is next asked for, which costs about 40 µs for
    each changed id in a table of 100,000.
    """

    def __init__(self, key: Callable[[Any], Any]) -> None:
        self._key = key
        self._entries: list[tuple[Any, int]] = []
        self._keys: dict[int, Any] = {}
        self._changed: dict[int, None] = {}

    def note(self, id: int) -> None:
        """Remember that the record with this id is new, other or gone."""
        self._changed[id] = None

    def settle(self, table: Mapping[int, Any]) -> None:
        """Find the places of what has changed."""
        if len(self._changed) > FEW:
            self._settle_together(table)
        for id in self._changed:
            self._take_out(id)
            if id in table:
                self._put_in(id, self._key(table[id]))
        self._changed.clear()

    def _settle_together(self, table: Mapping[int, Any]) -> None:
        kept = [entry for entry in self._entries if entry[1] not in self._changed]
        fresh = {id: self._key(table[id]) for id in self._changed if id in table}
        gone = self._changed.keys() - fresh.keys()
        self._keys = {id: key for id, key in self._keys.items() if id not in gone} | fresh
        self._entries = sorted(kept + [(key, id) for id, key in fresh.items()])
        self._changed.clear()

    def _take_out(self, id: int) -> None:
        if id in self._keys:
            del self._entries[bisect_left(self._entries, (self._keys.pop(id), id))]

    def _put_in(self, id: int, key: Any) -> None:
        self._keys[id] = key
        # Most writes are the newest of all.
        if not self._entries or self._entries[-1] < (key, id):
            self._entries.append((key, id))
        else:
            self._entries.insert(bisect_left(self._entries, (key, id)), (key, id))

    def window(self, low: Any, high: Any) -> tuple[int, int]:
        """Return the positions between which the keys are from *low* to *high*; None is no bound."""
        start = 0 if low is None else bisect_left(self._entries, low, key=lambda entry: entry[0])
        end = len(self._entries) if high is None else bisect_right(self._entries, high, key=lambda entry: entry[0])
        return start, max(start, end)

    def __iter__(self) -> Iterator[int]:
        return (id for _, id in self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [id for _, id in self._entries[at]]
        return self._entries[at][1]
