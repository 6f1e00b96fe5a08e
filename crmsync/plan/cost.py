"""
What a plan costs: requests, and minutes at the account's pace.

The steps are carried out on paper, in the same batches as the engine forms when nothing goes wrong: full calls first, a
part of one only when nothing else is left to send.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from msgspec import Struct, field

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue
from crmsync.model.changes import WRITE, waits_of
from crmsync.model.events import WriteAction
from crmsync.model.numbered import FewInARow
from crmsync.model.plan import Price, Step
from crmsync.model.settings import Pace
from crmsync.model.waits import Waits

#: Copper takes 10 records in a bulk call (developer.copper.com, bulk pages).
BULK_SIZE = 10
#: Records are re-read together when they can be written within this many seconds, 14 bulk calls; a reading is good for five.
GUARD_SECONDS = 14 / 3

_BULK_NAME = {WriteAction.CREATE: "create", WriteAction.UPDATE: "update"}
#: Requests beside the write and the guard: a delete reads the record it copies and what names it, a link is re-read.
_ALONGSIDE = {WriteAction.DELETE: 2, WriteAction.RELATE: 1, WriteAction.UNRELATE: 1}

_Key = tuple[str, WriteAction]


def price(steps: Sequence[Step], catalogue: Catalogue, pace: Pace) -> Price:
    """Return the price of carrying out *steps*: writes, guards, and one search for twins per type of new records."""
    sums = _Sums(catalogue, pace)
    sums.carry_out(steps)
    requests = sums.bulk + sums.single + sums.reads
    minutes = max(requests / pace.requests, sums.bulk / (pace.bulk * 60))
    return Price(requests, sums.bulk, minutes if requests else 0.0)


class _Sums(Struct):
    """
    The requests so far, and the steps that are ready, by type and action: their places, or None where nothing depends on it.

    *keys* are the types and actions of the steps, by place. *several* are, by place, the records that may have more steps
    than one, *written* those of them that were.
    """

    catalogue: Catalogue
    pace: Pace
    bulk: int = 0
    single: int = 0
    reads: int = 0
    ready: dict[_Key, deque[int | None]] = field(default_factory=dict)
    keys: FewInARow[_Key] = field(default_factory=FewInARow)
    several: dict[int, Address] = field(default_factory=dict)
    written: set[Address] = field(default_factory=set)

    def carry_out(self, steps: Sequence[Step]) -> None:
        """Count the requests of *steps*; one that waits for a step that is not among them never comes."""
        self._look_at(steps)
        waits = waits_of(steps)
        for place, count in enumerate(waits.counts):
            if not count:
                self._push(place, waits)
        while key := self._next():
            for done in self._calls(key):
                for place in () if done is None else waits.followers(done):
                    waits.counts[place] -= 1
                    if not waits.counts[place]:
                        self._push(place, waits)

    def _look_at(self, steps: Sequence[Step]) -> None:
        repeated: set[Address] = set()
        for step in steps:
            self.keys.append((step.address.type, step.action))
            if step.id.number != WRITE:
                repeated.add(step.address)
        if repeated:
            self.several = {place: step.address for place, step in enumerate(steps) if step.address in repeated}
        self.reads += sum(action is WriteAction.CREATE for _, action in self.keys.different)

    def _push(self, place: int, waits: Waits) -> None:
        is_alone = place not in self.several and not waits.followers(place)
        self.ready.setdefault(self.keys.at(place), deque()).append(None if is_alone else place)

    def _size(self, key: _Key) -> int:
        return BULK_SIZE if _BULK_NAME.get(key[1]) in self.catalogue[key[0]].bulk else 1

    def _next(self) -> _Key | None:
        """Return the queue to take from: one that fills a call, else the fullest."""
        keys = sorted((key for key, queue in self.ready.items() if queue), key=lambda key: (-len(self.ready[key]), key))
        return next((key for key in keys if len(self.ready[key]) >= self._size(key)), keys[0] if keys else None)

    def _calls(self, key: _Key) -> list[int | None]:
        """Take steps from a queue as the engine would, and count their requests."""
        queue, size = self.ready[key], self._size(key)
        is_guarded = key[1] not in (WriteAction.CREATE, WriteAction.DELETE)
        room = self.pace.records_in(GUARD_SECONDS, size) if is_guarded else size
        taken = [queue.popleft() for _ in range(min(room, len(queue)))]
        calls = math.ceil(len(taken) / size)
        if size > 1:
            self.bulk += calls
        else:
            self.single += calls
        self.reads += len(taken) * _ALONGSIDE.get(key[1], 0)
        again = [self.several[place] for place in taken if place in self.several]
        if is_guarded and not (len(again) == len(taken) and self.written.issuperset(again)):
            self.reads += 1
        self.written.update(again)
        return taken
