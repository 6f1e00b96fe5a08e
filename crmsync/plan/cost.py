"""
What a plan costs: requests, and minutes at the account's pace.

The steps are carried out on paper, in the same batches as the engine forms when nothing goes wrong: full calls first, a
part of one only when nothing else is left to send.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue
from crmsync.model.changes import waiting_steps
from crmsync.model.events import WriteAction
from crmsync.model.plan import Price, Step, StepId
from crmsync.model.settings import Pace

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


@dataclass
class _Sums:
    """The requests so far, and the steps that are ready, by type and action; one by itself, as nearly all, is nothing."""

    catalogue: Catalogue
    pace: Pace
    bulk: int = 0
    single: int = 0
    reads: int = 0
    ready: dict[_Key, deque[Step | None]] = field(default_factory=dict)
    written: set[Address] = field(default_factory=set)

    def carry_out(self, steps: Sequence[Step]) -> None:
        """Count the requests of *steps*; one that waits for a step that is not among them never comes."""
        by_id = {step.id: step for step in waiting_steps(steps)}
        waiting = {id: len(step.after) for id, step in by_id.items()}
        dependants: dict[StepId, list[StepId]] = {}
        for step in by_id.values():
            for id in step.after:
                dependants.setdefault(id, []).append(step.id)
        creating = set()
        for step in steps:
            if step.action is WriteAction.CREATE:
                creating.add(step.address.type)
            if not step.after:
                self._push(step, is_alone=step.id not in dependants)
        self.reads += len(creating)
        while key := self._next():
            for done in filter(None, self._calls(key)):
                for id in dependants.get(done.id, ()):
                    waiting[id] -= 1
                    if waiting[id] == 0:
                        self._push(by_id[id])

    def _push(self, step: Step, *, is_alone: bool = False) -> None:
        self.ready.setdefault((step.address.type, step.action), deque()).append(None if is_alone else step)

    def _size(self, key: _Key) -> int:
        return BULK_SIZE if _BULK_NAME.get(key[1]) in self.catalogue[key[0]].bulk else 1

    def _next(self) -> _Key | None:
        """Return the queue to take from: one that fills a call, else the fullest."""
        keys = sorted((key for key, queue in self.ready.items() if queue), key=lambda key: (-len(self.ready[key]), key))
        return next((key for key in keys if len(self.ready[key]) >= self._size(key)), keys[0] if keys else None)

    def _calls(self, key: _Key) -> list[Step | None]:
        """Take steps from a queue as the engine would, and count their requests. One by itself is its record's only one."""
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
        if is_guarded and any(step is None or step.address not in self.written for step in taken):
            self.reads += 1
        self.written |= {step.address for step in taken if step is not None}
        return taken
