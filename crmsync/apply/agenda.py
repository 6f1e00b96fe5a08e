"""
The agenda of a run: which steps are ready, and which of them the next call takes.

Calls go out in three lanes. Bulk calls keep the rhythm of the account, so no more of them are started than are under way
at a time; the calls that Copper knows for one record only, and the readings that writes rely on, fill the rest.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Generator, Sequence, Set
from enum import StrEnum

from msgspec import Struct, field

from crmsync.apply import single, writing
from crmsync.apply.reading import Guard, read_guard
from crmsync.apply.results import CallResult
from crmsync.apply.tables import Line
from crmsync.apply.work import GUARD_SECONDS, Work
from crmsync.model.catalogue import EntityType
from crmsync.model.changes import waits_of
from crmsync.model.effects import Answer, Effect, Task
from crmsync.model.events import WriteAction
from crmsync.model.numbered import FewInARow
from crmsync.model.plan import Step, StepId
from crmsync.model.waits import Waits

#: How many records one search by ids shows.
MOST_READ = 200
#: How much what was seen of the last calls counts when the next are started.
RECENT = 0.3

#: A queue of ready steps: all of one type, action and manner.
QueueKey = tuple[str, WriteAction]


class Lane(StrEnum):
    """What a call is that is under way."""

    BULK = "bulk"
    SINGLE = "single"
    READING = "reading"


class Batch(Struct):
    """Calls that rely on one reading, and how many records of them are on their way."""

    guard: Guard
    calls: deque[tuple[Step, ...]]
    used: int = 0


class Reading(Struct, frozen=True):
    """What a reading came to: the calls that may rely on it."""

    key: QueueKey
    batch: Batch


class Ended(Struct, frozen=True):
    """A call that ended: in which lane, when it was started, what it came to."""

    lane: Lane
    started_at: float
    result: CallResult | Reading


class Agenda(Struct):
    """
    Which steps are ready, which wait for others, which calls are under way.

    *waits* counts for how many others each step of the plan still waits, *inherited* says which wait for one that is to be
    done because another one was. *keys* are their queues, by place.
    *late* are those whose reading was too old when their turn came: they are re-read then, not put back again.
    *room* is how many records a reading of a queue takes: what can be written while it is good, as far as is known.
    *wait* and *took* are how long the last calls waited for the pace, and for Copper, in seconds.
    """

    steps: Sequence[Step] = ()
    waits: Waits = field(default_factory=lambda: Waits(0, (), ()))
    inherited: dict[StepId, Sequence[int]] = field(default_factory=dict)
    keys: FewInARow[QueueKey] = field(default_factory=FewInARow)
    ready: dict[QueueKey, Line] = field(default_factory=dict)
    read: dict[QueueKey, Batch] = field(default_factory=dict)
    reading: set[QueueKey] = field(default_factory=set)
    room: dict[QueueKey, int] = field(default_factory=dict)
    singly: set[StepId] = field(default_factory=set)
    late: set[StepId] = field(default_factory=set)
    under_way: Counter[Lane] = field(default_factory=Counter)
    calls: int = 0
    wait: dict[Lane, float] = field(default_factory=dict)
    took: dict[Lane, float] = field(default_factory=dict)

    def plan(self, step: Step) -> None:
        """Take in the next step of the plan."""
        self.keys.append((step.address.type, step.action))

    def come(self, place: int) -> None:
        """Line up a step of the plan that waits for nothing, or not any more."""
        self.line(self.keys.at(place)).come(place)

    def push(self, step: Step) -> None:
        """Line up a step behind all others."""
        self.line((step.address.type, step.action)).append(step)

    def line(self, key: QueueKey) -> Line:
        """Return the line of a queue."""
        if key not in self.ready:
            self.ready[key] = Line(self.steps)
        return self.ready[key]

    def put_back(self, steps: Sequence[Step]) -> None:
        """Line up steps of one queue once more, before all others."""
        self.line((steps[0].address.type, steps[0].action)).put_back(steps)

    def read_again(self, key: QueueKey) -> None:
        """Line up again what waits for its turn with a reading that is too old."""
        batch = self.read.pop(key, None)
        if batch is not None and batch.calls:
            self.put_back([step for steps in batch.calls for step in steps])

    def drop(self, ids: Set[StepId]) -> None:
        """Take steps out of the line."""
        for line in self.ready.values() if ids else ():
            line.drop(ids)

    @property
    def in_flight(self) -> int:
        """How many calls are under way."""
        return self.under_way.total()

    @property
    def has_ready(self) -> bool:
        """Say whether a call could be made."""
        return any(batch.calls for batch in self.read.values()) or any(self.ready.values())

    def left(self, key: QueueKey) -> int:
        """Return how many records of a queue are still to be sent."""
        batch = self.read.get(key)
        lined_up = sum(len(steps) for steps in batch.calls) if batch is not None else 0
        return lined_up + len(self.ready.get(key, ()))

    def absorb(self, ended: Ended, now: float) -> None:
        """Take in how long a call took, and what a reading showed."""
        self.under_way[ended.lane] -= 1
        result = ended.result
        if isinstance(result, Reading):
            self.reading.discard(result.key)
            self.read[result.key] = result.batch
        elif result.left is not None:
            _average(self.wait, ended.lane, result.left - ended.started_at)
            _average(self.took, ended.lane, now - result.left)


def _average(known: dict[Lane, float], lane: Lane, seconds: float) -> None:
    """Follow what was seen; one long stop, at the end of a minute, is no rule."""
    seconds = max(0.0, seconds)
    before = known.get(lane, seconds)
    known[lane] = before + RECENT * (min(seconds, 2 * before + 0.1) - before)


def agenda_of(work: Work) -> Agenda:
    """Return the agenda of a plan; steps that wait for one that is not part of this run never become ready."""
    steps = work.job.plan.steps
    agenda, several, creating = Agenda(steps, waits_of(steps)), set(), set()
    for place, step in enumerate(steps):
        agenda.plan(step)
        strange = [id for id in step.after if id not in work.todo] if place in agenda.waits.strangers else ()
        for id in strange:
            work.failed.setdefault(id, f"It waited for {id.address}, which is not part of this run.")
        # Of several steps of a record each waits for the one before it.
        if any(id.address == step.address and id not in strange for id in step.after):
            several.add(step.address)
        if step.action is WriteAction.CREATE:
            creating.add(step.address.type)
        if not step.after:
            agenda.come(place)
    work.several, work.creating = frozenset(several), frozenset(creating)
    return agenda


def next_call(work: Work, agenda: Agenda, now: float) -> Task | None:
    """Return the next call to start, or None when it is better, or only possible, to wait."""
    for key in _queue_order(work, agenda):
        found = _call_of(work, agenda, key, now)
        if found is not None:
            lane, task = found
            agenda.under_way[lane] += 1
            return _in_lane(lane, now, task)
    return None


def _in_lane(lane: Lane, now: float, task: Generator[Effect, Answer, CallResult | Reading]) -> Task:
    return Ended(lane, now, (yield from task))


def _queue_order(work: Work, agenda: Agenda) -> list[QueueKey]:
    """
    Return the queues that hold steps: those of bulk calls first, which their rhythm holds back anyway, so that the others
    fill what is left; then those with most calls to make, then by name: the same every time.
    """
    sizes = {key: _call_size(work, key) for key in {**agenda.ready, **agenda.read}}
    calls = {key: agenda.left(key) / size for key, size in sizes.items()}
    return sorted((key for key, count in calls.items() if count), key=lambda key: (sizes[key] == 1, -calls[key], key))


def _call_size(work: Work, key: QueueKey) -> int:
    entity, action = work.catalogue[key[0]], key[1]
    name = {WriteAction.CREATE: "create", WriteAction.UPDATE: "update"}.get(action)
    return work.bulk_size if name in entity.bulk and (entity.name, name) not in work.no_bulk else 1


def _call_of(
    work: Work, agenda: Agenda, key: QueueKey, now: float
) -> tuple[Lane, Generator[Effect, Answer, CallResult | Reading]] | None:
    """Return a call that takes from one queue, if one can be started now."""
    entity, action = work.catalogue[key[0]], key[1]
    queue, size = agenda.line(key), _call_size(work, key)
    if size > 1 and agenda.under_way[Lane.BULK] >= _bulk_at_a_time(work, agenda):
        return None
    batch = _good_batch(work, agenda, key, now)
    if batch is not None:
        steps = batch.calls.popleft()
        batch.used += len(steps)
        if not batch.calls and now - batch.guard.at < GUARD_SECONDS / 2:
            agenda.room[key] = min(MOST_READ, 2 * _room(work, agenda, key))
        return _lane(work, agenda, entity, steps), _guarded_call(work, agenda, entity, steps, batch.guard)
    # More may become ready; a full call costs no more than a small one.
    if not queue or key in agenda.reading or (len(queue) < size and agenda.in_flight and size > 1):
        return None
    if action is WriteAction.CREATE:
        steps = _take(agenda, queue, size)
        lane = _lane(work, agenda, entity, steps)
        return lane, writing.create(work, entity, steps, lane is Lane.BULK, _prefix(work, agenda))
    if action is WriteAction.DELETE:
        return Lane.SINGLE, single.delete(work, entity, queue.popleft(), _prefix(work, agenda))
    agenda.reading.add(key)
    return Lane.READING, _reading(work, key, entity, _take_some(work, agenda, key), now)


def _bulk_at_a_time(work: Work, agenda: Agenda) -> int:
    """Return how many bulk calls keep the pace: as many as are under way at a time, and one that waits for its turn."""
    under_way = math.ceil(agenda.took.get(Lane.BULK, 0.0) * work.job.pace.bulk)
    return max(1, min(work.job.parallel - 1, under_way + 1))


def _lane(work: Work, agenda: Agenda, entity: EntityType, steps: Sequence[Step]) -> Lane:
    size = _call_size(work, (entity.name, steps[0].action))
    return Lane.BULK if size > 1 and not any(step.id in agenda.singly for step in steps) else Lane.SINGLE


def _take(agenda: Agenda, queue: Line, size: int) -> tuple[Step, ...]:
    """Take up to *size* steps for one call; one that must go alone goes alone."""
    if queue.first.id in agenda.singly:
        return (queue.popleft(),)
    taken: list[Step] = []
    while queue and len(taken) < size and queue.first.id not in agenda.singly:
        taken.append(queue.popleft())
    return tuple(taken)


# --- calls that rely on a reading ---------------------------------------------------------------


def _good_batch(work: Work, agenda: Agenda, key: QueueKey, now: float) -> Batch | None:
    """Return the calls that a reading still serves; those that would leave when it is too old wait for another."""
    batch = agenda.read.get(key)
    if batch is None:
        return None
    lane = Lane.BULK if _call_size(work, key) > 1 else Lane.SINGLE
    # At least one call of each reading is made, or a slow account would only ever be read.
    if batch.calls and (not batch.used or not writing.is_old(work, batch.guard, now + agenda.wait.get(lane, 0.0))):
        return batch
    agenda.room[key] = math.ceil(1.25 * batch.used) if batch.calls else agenda.room.get(key, 0)
    agenda.read_again(key)
    return None


def _room(work: Work, agenda: Agenda, key: QueueKey) -> int:
    """Return how many records to read at once: a few too many cost nothing, and one too few is a request more."""
    return max(agenda.room.get(key, 0), work.job.pace.records_in(GUARD_SECONDS, _call_size(work, key)))


def _take_some(work: Work, agenda: Agenda, key: QueueKey) -> deque[tuple[Step, ...]]:
    queue, size, room = agenda.ready[key], _call_size(work, key), _room(work, agenda, key)
    taken: deque[tuple[Step, ...]] = deque()
    count = 0
    while queue and count < room:
        taken.append(_take(agenda, queue, size))
        count += len(taken[-1])
    return taken


def _reading(
    work: Work, key: QueueKey, entity: EntityType, calls: deque[tuple[Step, ...]], now: float
) -> Generator[Effect, Answer, Reading]:
    """Re-read, in one go, the records of *calls*."""
    guard = yield from read_guard(work, entity, [step for steps in calls for step in steps], now)
    return Reading(key, Batch(guard, calls))


def _guarded_call(
    work: Work, agenda: Agenda, entity: EntityType, steps: tuple[Step, ...], guard: Guard
) -> Generator[Effect, Answer, CallResult]:
    prefix = _prefix(work, agenda)
    may_wait = not any(step.id in agenda.late for step in steps)
    if steps[0].action is WriteAction.UPDATE:
        is_bulk = _lane(work, agenda, entity, steps) is Lane.BULK
        return writing.update(work, entity, steps, guard, is_bulk, prefix, may_wait=may_wait)
    return single.route(work, entity, steps[0], guard, prefix, may_wait=may_wait)


def _prefix(work: Work, agenda: Agenda) -> str:
    agenda.calls += 1
    return f"{work.job.run}-{agenda.calls:06}"
