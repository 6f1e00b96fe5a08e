"""Which steps of a plan wait for which, a few bytes for each: in a plan of many links nearly all do."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence
from itertools import accumulate


class Waits:
    """
    Which of so many steps, each a number, wait for which: *who* waits for *whom*, in pairs; *strangers* for none of them.

    *counts* says how many each waits for, of strangers one too many; who carries the steps out counts them down.
    """

    def __init__(self, count: int, who: Sequence[int], whom: Sequence[int], strangers: Collection[int] = ()) -> None:
        self.strangers = strangers
        self.counts = _zeros(count)
        self._followers = _zeros(len(who))
        self._ends = _zeros(count + 1)
        for one, other in zip(who, whom, strict=True):
            self.counts[one] += 1
            self._ends[other + 1] += 1
        for each in strangers:
            self.counts[each] += 1
        self._ends = array("I", accumulate(self._ends))
        at = self._ends[:]
        for one, other in zip(who, whom, strict=True):
            self._followers[at[other]] = one
            at[other] += 1

    def __bool__(self) -> bool:
        return bool(self._followers)

    def followers(self, number: int) -> Sequence[int]:
        """Return the steps that wait for one."""
        return self._followers[self._ends[number] : self._ends[number + 1]]

    def entangled(self) -> set[int]:
        """Return the steps that wait for themselves, by way of others, and those that wait for such ones."""
        counts = self.counts[:]
        free = array("I", (number for number, count in enumerate(counts) if not count))
        while free:
            for each in self.followers(free.pop()):
                counts[each] -= 1
                if not counts[each]:
                    free.append(each)
        return {number for number, count in enumerate(counts) if count}


def _zeros(count: int) -> array[int]:
    return array("I", bytes(4 * count))
