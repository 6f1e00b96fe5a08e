"""The agenda of a run: which steps are ready, and which of them the next call takes."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from crmsync.apply import single, writing
from crmsync.apply.reading import Guard, read_guard
from crmsync.apply.work import ROOM_SECONDS, Work
from crmsync.model.catalogue import EntityType
from crmsync.model.effects import Answer, Effect, Emit, Progress, Task
from crmsync.model.events import WriteAction
from crmsync.model.plan import Step, StepId

#: A queue of ready steps: all of one type, action and manner.
QueueKey = tuple[str, WriteAction]


@dataclass
class Agenda:
    """Which steps are ready, which wait for others, which calls are in flight."""

    waiting: dict[StepId, int] = field(default_factory=dict)
    dependants: dict[StepId, list[StepId]] = field(default_factory=dict)
    ready: dict[QueueKey, deque[Step]] = field(default_factory=dict)
    guarded: deque[tuple[tuple[Step, ...], Guard]] = field(default_factory=deque)
    singly: set[StepId] = field(default_factory=set)
    in_flight: int = 0
    calls: int = 0

    def push(self, step: Step) -> None:
        """Line up a step that waits for nothing any more."""
        self.ready.setdefault((step.address.type, step.action), deque()).append(step)

    @property
    def has_ready(self) -> bool:
        """Say whether a call could be made."""
        return bool(self.guarded) or any(self.ready.values())


def agenda_of(work: Work) -> Agenda:
    """Return the agenda of a plan; steps that wait for one that is not part of this run never become ready."""
    agenda = Agenda()
    work.todo = {step.id: step for step in work.job.plan.steps}
    for step in work.job.plan.steps:
        for id in step.after:
            agenda.dependants.setdefault(id, []).append(step.id)
            if id not in work.todo:
                work.failed.setdefault(id, f"It waited for {id.address}, which is not part of this run.")
        agenda.waiting[step.id] = len(step.after)
        if not step.after:
            agenda.push(step)
    return agenda


def next_call(work: Work, agenda: Agenda) -> Generator[Effect, Answer, Task | None]:
    """Return the next call to make, or None when it is better, or only possible, to wait."""
    if agenda.guarded:
        steps, guard = agenda.guarded.popleft()
        return _guarded_call(work, agenda, steps, guard)
    for key in _queue_order(agenda):
        entity, action = work.catalogue[key[0]], key[1]
        queue = agenda.ready[key]
        size = _call_size(work, entity, action)
        if len(queue) < size and agenda.in_flight and size > 1:
            continue  # more may become ready; a full call costs no more than a small one
        if action is WriteAction.CREATE:
            steps = _take(agenda, queue, size)
            prefix = _prefix(work, agenda)
            return writing.create(work, entity, steps, _is_bulk(work, agenda, entity, steps), prefix)
        if action is WriteAction.DELETE:
            return single.delete(work, entity, queue.popleft(), _prefix(work, agenda))
        yield from _guard_some(work, agenda, entity, queue, size)
        steps, guard = agenda.guarded.popleft()
        return _guarded_call(work, agenda, steps, guard)
    return None


def _queue_order(agenda: Agenda) -> list[QueueKey]:
    """Return the queues that hold steps, fullest first, then by name: the same every time."""
    keys = [key for key, queue in agenda.ready.items() if queue]
    return sorted(keys, key=lambda key: (-len(agenda.ready[key]), key))


def _call_size(work: Work, entity: EntityType, action: WriteAction) -> int:
    name = {WriteAction.CREATE: "create", WriteAction.UPDATE: "update"}.get(action)
    return work.bulk_size if name in entity.bulk and (entity.name, name) not in work.no_bulk else 1


def _is_bulk(work: Work, agenda: Agenda, entity: EntityType, steps: Sequence[Step]) -> bool:
    size = _call_size(work, entity, steps[0].action)
    return size > 1 and not any(step.id in agenda.singly for step in steps)


def _take(agenda: Agenda, queue: deque[Step], size: int) -> tuple[Step, ...]:
    """Take up to *size* steps for one call; one that must go alone goes alone."""
    if queue[0].id in agenda.singly:
        return (queue.popleft(),)
    taken: list[Step] = []
    while queue and len(taken) < size and queue[0].id not in agenda.singly:
        taken.append(queue.popleft())
    return tuple(taken)


def _guard_some(
    work: Work, agenda: Agenda, entity: EntityType, queue: deque[Step], size: int
) -> Generator[Effect, Answer, None]:
    """Re-read, in one go, as many records as can be written before the reading is too old, and line up their calls."""
    room = work.job.pace.records_in(ROOM_SECONDS, size)
    taken: list[tuple[Step, ...]] = []
    while queue and sum(len(each) for each in taken) < room:
        taken.append(_take(agenda, queue, size))
    answer = yield Emit(Progress(len(work.done), len(work.job.plan.steps)))
    guard = yield from read_guard(work, entity, [step for steps in taken for step in steps], answer.now)
    agenda.guarded.extend((steps, guard) for steps in taken)


def _guarded_call(work: Work, agenda: Agenda, steps: tuple[Step, ...], guard: Guard) -> Task:
    entity = work.entity(steps[0].address)
    prefix = _prefix(work, agenda)
    if steps[0].action is WriteAction.UPDATE:
        return writing.update(work, entity, steps, guard, _is_bulk(work, agenda, entity, steps), prefix)
    return single.route(work, entity, steps[0], guard, prefix)


def _prefix(work: Work, agenda: Agenda) -> str:
    agenda.calls += 1
    return f"{work.job.run}-{agenda.calls:06}"
