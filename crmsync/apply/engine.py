"""
The apply engine: takes a plan to its outcomes, as a generator of effects.

It starts calls while others are in flight, releases the steps that waited for a finished one, skips those whose
prerequisite failed, and settles what is unclear before it ends. It never asks "is this a person?"; it asks the rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from crmsync.apply import writing
from crmsync.apply.reading import Guard, read_guard
from crmsync.apply.settle import Settled, newest, settle
from crmsync.apply.work import Job, Work
from crmsync.apply.writing import CallResult, StepResult
from crmsync.model.address import Address
from crmsync.model.catalogue import EntityType
from crmsync.model.digest import Digester
from crmsync.model.effects import Answer, Append, Effect, Emit, Join, Outcome, Progress, Start, Task
from crmsync.model.events import (
    Bound,
    Event,
    FieldsApplied,
    FieldsReleased,
    Forgotten,
    Intent,
    Origin,
    Protected,
    Renamed,
    Ruled,
    RunEnded,
    RunStarted,
    WriteAction,
)
from crmsync.model.plan import Action, Note, Step, StepId
from crmsync.model.records import Observed

#: How often one step is tried when nothing happened each time (429, a bad bulk neighbour, a read that failed).
MAX_ATTEMPTS = 6

#: A queue of ready steps: all of one type, action and manner.
QueueKey = tuple[str, WriteAction]


@dataclass
class _Agenda:
    """Which steps are ready, which wait for others, which calls are in flight."""

    waiting: dict[StepId, int] = field(default_factory=dict)
    dependants: dict[StepId, list[StepId]] = field(default_factory=dict)
    ready: dict[QueueKey, deque[Step]] = field(default_factory=dict)
    guarded: deque[tuple[tuple[Step, ...], Guard]] = field(default_factory=deque)
    singly: set[StepId] = field(default_factory=set)
    in_flight: int = 0
    calls: int = 0

    def push(self, step: Step) -> None:
        self.ready.setdefault((step.address.type, step.action), deque()).append(step)


Engine = Generator[Effect, Answer, Mapping[str, int]]


def run(job: Job) -> Engine:
    """Carry out a plan and return its ledger: how many records had which outcome."""
    work = _work(job)
    agenda = _agenda(work)
    answer = yield Emit(Progress(0, len(job.plan.steps)))
    yield Append([RunStarted(job.run, answer.now, job.account_id, job.plan_digest, job.by), *_opening(work)])
    yield from _tell_opening(work)
    yield from _find_twins(work, agenda)
    is_stopping = False
    while True:
        if not is_stopping and not work.stop_reason and agenda.in_flight < job.parallel:
            task = yield from _next_call(work, agenda)
            if task is not None:
                agenda.in_flight += 1
                answer = yield Start(task)
                is_stopping = answer.is_stopping
                continue
        if agenda.in_flight:
            answer = yield Join()
            agenda.in_flight -= 1
            is_stopping = answer.is_stopping
            yield from _absorb(work, agenda, answer.value)
            continue
        if work.unclear and not is_stopping and not work.stop_reason:
            yield from _settle_unclear(work, agenda)
            continue
        if is_stopping or work.stop_reason or not _has_ready(agenda):
            break
    yield from _leave_rest(work, is_stopping)
    answer = yield Emit(Progress(len(work.done), len(job.plan.steps)))
    ledger = work.ledger()
    yield Append([RunEnded(job.run, answer.now, ledger)])
    return ledger


def settle_open(job: Job) -> Generator[Effect, Answer, list[Settled]]:
    """Settle the intents that an earlier run left open, before anything is planned on top of them."""
    work = _work(job)
    intents = [job.state.open_intents[id] for id in sorted(job.state.open_intents)]
    bound = {(address.type, id) for address, id in work.ids.items()}
    return (yield from settle(work, intents, bound))


def _work(job: Job) -> Work:
    return Work(
        job=job,
        digester=Digester(job.state.head.digest_key),
        ids={address: binding.record_id for address, binding in job.state.bindings.items()},
        changes={change.address: change for change in job.plan.changes},
        bulk_size=job.bulk_size,
        skew=job.skew_seconds,
    )


def _agenda(work: Work) -> _Agenda:
    agenda = _Agenda()
    work.todo = {step.id: step for step in work.job.plan.steps}
    for change in work.job.plan.changes:
        if change.action is Action.ADOPT and change.record_id is not None:
            work.ids[change.address] = change.record_id
    for step in work.job.plan.steps:
        missing = [id for id in step.after if id not in work.todo]
        for id in missing:
            work.failed.setdefault(id, "not part of this run")
        agenda.waiting[step.id] = len(step.after)
        for id in step.after:
            agenda.dependants.setdefault(id, []).append(step.id)
        if not step.after:
            agenda.push(step)
    return agenda


# --- opening: what the state learns without a request -------------------------------------------


def _opening(work: Work) -> list[Event]:
    plan = work.job.plan
    created = {change.address for change in plan.changes if change.action is Action.CREATE}
    events: list[Event] = [Renamed(note.renamed_from, note.address) for note in plan.notes if note.renamed_from is not None]
    for change in plan.changes:
        if change.action is Action.ADOPT and change.record_id is not None:
            events.append(Bound(change.address, change.record_id, Origin.ADOPTED))
        elif change.action is Action.FORGET:
            events.append(Forgotten(change.address, "forgotten"))
    for note in plan.notes:
        if note.address not in created:
            events += _note_events(note)
    return events


def _note_events(note: Note) -> list[Event]:
    events: list[Event] = []
    if note.applied:
        events.append(FieldsApplied(note.address, note.applied))
    if note.released:
        events.append(FieldsReleased(note.address, note.released))
    if note.is_protected is not None:
        events += [Protected(note.address, note.is_protected), Ruled(note.address, note.on_delete)]
    return events


def _tell_opening(work: Work) -> Generator[Effect, Answer, None]:
    words = {Action.ADOPT: "adopted", Action.FORGET: "forgotten"}
    for change in work.job.plan.changes:
        if change.action in words:
            status = words[change.action]
            yield from _tell(work, Outcome(change.address, change.action.value, status, "", change.name, change.record_id))


def _tell(work: Work, outcome: Outcome) -> Generator[Effect, Answer, None]:
    work.count(outcome)
    yield Emit(outcome)


def _find_twins(work: Work, agenda: _Agenda) -> Generator[Effect, Answer, None]:
    """Set aside the creates of which somebody made a twin since the plan: one newest-created search per type."""
    creates = [step for step in work.job.plan.steps if step.action is WriteAction.CREATE]
    bound = {(address.type, id) for address, id in work.ids.items()}
    for entity in work.catalogue.types:
        steps = [step for step in creates if step.address.type == entity.name]
        if not steps:
            continue
        records = yield from newest(work, entity, int(work.job.planned_at) - 2)
        if isinstance(records, str):
            work.stop_reason = records
            return
        twins: dict[str, Observed] = {}
        for record in records:
            if (entity.name, record.id) not in bound:
                twins |= dict.fromkeys(_key_marks(work, entity, record.fields), record)
        for step in steps:
            values = {change.field: change.after for change in step.fields}
            twin = next((twins[mark] for mark in _key_marks(work, entity, values) if mark in twins), None)
            if twin is not None:
                detail = f'Somebody created "{twin.name}" (#{twin.id}) since the plan was made. Run again to adopt it.'
                yield from _fail(work, agenda, StepResult(step, "conflict", detail))


def _key_marks(work: Work, entity: EntityType, values: Mapping[str, object]) -> list[str]:
    """Return the marks of the natural keys, without the bare name where another key makes the record."""
    marks = writing.likeness(work, entity, values)
    keys = {match.by for match in entity.match_on}
    return [digest for name, digest in marks.items() if name.partition("/")[0] in keys]


# --- choosing the next call ---------------------------------------------------------------------


def _next_call(work: Work, agenda: _Agenda) -> Generator[Effect, Answer, Task | None]:
    """Return the next call to make, or None when it is better, or only possible, to wait."""
    if agenda.guarded:
        steps, guard = agenda.guarded.popleft()
        return _guarded_call(work, agenda, steps, guard)
    for key in _queue_order(work, agenda):
        entity, action = work.catalogue[key[0]], key[1]
        queue = agenda.ready[key]
        yield from _pass_empty(work, agenda, queue)
        if not queue:
            continue
        size = _call_size(work, agenda, entity, action)
        if len(queue) < size and agenda.in_flight and size > 1:
            continue  # more may become ready; a full call costs no more than a small one
        if action is WriteAction.CREATE:
            steps = _take(agenda, queue, size)
            prefix = _prefix(work, agenda)
            return writing.create(work, entity, steps, _is_bulk(work, agenda, entity, steps), prefix)
        if action is WriteAction.DELETE:
            return writing.delete(work, entity, queue.popleft(), _prefix(work, agenda))
        yield from _guard_some(work, agenda, entity, queue, size)
        steps, guard = agenda.guarded.popleft()
        return _guarded_call(work, agenda, steps, guard)
    return None


def _pass_empty(work: Work, agenda: _Agenda, queue: deque[Step]) -> Generator[Effect, Answer, None]:
    """Finish the updates whose fields have all been postponed into follow-ups or set aside."""
    while queue and queue[0].action is WriteAction.UPDATE and not queue[0].fields:
        yield from _finish(work, agenda, StepResult(queue.popleft(), "done"), is_quiet=True)


def _queue_order(work: Work, agenda: _Agenda) -> list[QueueKey]:
    """Return the queues that hold steps, fullest first, then by name: the same every time."""
    keys = [key for key, queue in agenda.ready.items() if queue]
    return sorted(keys, key=lambda key: (-len(agenda.ready[key]), key))


def _has_ready(agenda: _Agenda) -> bool:
    return bool(agenda.guarded) or any(agenda.ready.values())


def _call_size(work: Work, agenda: _Agenda, entity: EntityType, action: WriteAction) -> int:
    name = {WriteAction.CREATE: "create", WriteAction.UPDATE: "update"}.get(action)
    return work.bulk_size if name in entity.bulk and (entity.name, name) not in work.no_bulk else 1


def _is_bulk(work: Work, agenda: _Agenda, entity: EntityType, steps: Sequence[Step]) -> bool:
    size = _call_size(work, agenda, entity, steps[0].action)
    return size > 1 and not any(step.id in agenda.singly for step in steps)


def _take(agenda: _Agenda, queue: deque[Step], size: int) -> tuple[Step, ...]:
    """Take up to *size* steps for one call; one that must go alone goes alone."""
    if queue[0].id in agenda.singly:
        return (queue.popleft(),)
    taken: list[Step] = []
    while queue and len(taken) < size and queue[0].id not in agenda.singly:
        taken.append(queue.popleft())
    return tuple(taken)


def _guard_some(
    work: Work, agenda: _Agenda, entity: EntityType, queue: deque[Step], size: int
) -> Generator[Effect, Answer, None]:
    """Re-read, in one go, as many records as can be written before the reading is too old, and line up their calls."""
    pace = work.job.pace
    per_second = pace.bulk * size if size > 1 else pace.requests / 60
    room = min(200, max(size, int(per_second * 3)))
    taken: list[tuple[Step, ...]] = []
    while queue and sum(len(each) for each in taken) < room:
        taken.append(_take(agenda, queue, size))
    answer = yield Emit(Progress(len(work.done), len(work.job.plan.steps)))
    guard = yield from read_guard(work, entity, [step for steps in taken for step in steps], answer.now)
    agenda.guarded.extend((steps, guard) for steps in taken)


def _guarded_call(work: Work, agenda: _Agenda, steps: tuple[Step, ...], guard: Guard) -> Task:
    entity = work.entity(steps[0].address)
    prefix = _prefix(work, agenda)
    if steps[0].action is WriteAction.UPDATE:
        return writing.update(work, entity, steps, guard, _is_bulk(work, agenda, entity, steps), prefix)
    return writing.route(work, entity, steps[0], guard, prefix)


def _prefix(work: Work, agenda: _Agenda) -> str:
    agenda.calls += 1
    return f"{work.job.run}-{agenda.calls:06}"


# --- what became of it --------------------------------------------------------------------------


def _absorb(work: Work, agenda: _Agenda, call: CallResult) -> Generator[Effect, Answer, None]:
    if call.bulk_size is not None:
        work.bulk_size = min(work.bulk_size, max(call.bulk_size, 1))
    elif call.is_bulk_refused:
        agenda.singly |= {result.step.id for result in call.results if result.status == "retry"}
    work.replaces_custom_fields = work.replaces_custom_fields or call.replaces_custom_fields
    if call.fatal:
        work.stop_reason = call.fatal
    after: list[Event] = []
    for result in call.results:
        if result.step.action is WriteAction.DELETE and result.status in ("done", "unknown"):
            work.deleted.add((result.step.address.type, work.record_id(result.step)))
        elif result.observed is not None:
            work.fresh[result.step.address] = (result.observed, call.at)
            work.ids[result.step.address] = result.observed.id
        if result.observed is not None and result.step.action is WriteAction.CREATE:
            after += _created_notes(work, result.step.address)
        yield from _absorb_step(work, agenda, result)
    if after:
        yield Append(after)


def _created_notes(work: Work, address: Address) -> list[Event]:
    return [event for note in work.job.plan.notes if note.address == address for event in _note_events(note)]


def _absorb_step(work: Work, agenda: _Agenda, result: StepResult) -> Generator[Effect, Answer, None]:
    step = result.step
    if result.status == "done":
        yield from _finish(work, agenda, result)
    elif result.status == "unknown" and result.intent is not None:
        work.unclear[result.intent.id] = (result.intent, step)
    elif result.status == "retry":
        work.attempts[step.id] += 1
        if work.attempts[step.id] < MAX_ATTEMPTS and not work.stop_reason:
            agenda.push(work.todo.get(step.id, step))
        else:
            yield from _fail(work, agenda, StepResult(step, "failed", result.detail))
    elif result.status == "conflict" and step.id in work.todo and _is_partly_sent(result):
        yield from _tell(work, _outcome(work, result, "conflict"))
    else:
        if result.status == "failed" and step.action is WriteAction.CREATE and step.address in work.fresh:
            yield from _finish(work, agenda, result, is_quiet=True)
            yield from _tell(work, _outcome(work, result, "failed"))
            return
        yield from _fail(work, agenda, result)


def _is_partly_sent(result: StepResult) -> bool:
    """Say whether only some fields were set aside and the rest of the step goes on."""
    return bool(result.set_aside) and len(result.set_aside) < len(result.step.fields)


def _finish(work: Work, agenda: _Agenda, result: StepResult, *, is_quiet: bool = False) -> Generator[Effect, Answer, None]:
    step = result.step
    work.done.add(step.id)
    work.todo.pop(step.id, None)
    if not is_quiet:
        yield from _tell(work, _outcome(work, result, "applied"))
    if result.follow is not None:
        work.todo[result.follow.id] = result.follow
        agenda.singly.add(result.follow.id)
        agenda.push(result.follow)
    for id in agenda.dependants.get(step.id, ()):
        agenda.waiting[id] -= 1
        if agenda.waiting[id] == 0 and id in work.todo:
            agenda.push(work.todo[id])


def _fail(work: Work, agenda: _Agenda, result: StepResult) -> Generator[Effect, Answer, None]:
    """Record a step that was not done, and skip what waited for it."""
    yield from _tell(work, _outcome(work, result, result.status))
    work.failed[result.step.id] = result.detail
    work.todo.pop(result.step.id, None)
    queue = agenda.ready.get((result.step.address.type, result.step.action))
    if queue is not None and result.step in queue:
        queue.remove(result.step)
    for id in agenda.dependants.get(result.step.id, ()):
        waiting = work.todo.get(id)
        if waiting is not None:
            yield from _fail(work, agenda, StepResult(waiting, "skipped", f"It waited for {result.step.address}."))


def _outcome(work: Work, result: StepResult, status: str) -> Outcome:
    address = result.step.address
    change = work.changes.get(address)
    return Outcome(
        address=address,
        action=result.step.action,
        status=status,
        detail=result.detail,
        name=change.name if change is not None else "",
        record_id=work.ids.get(address),
        fields=result.set_aside if status == "conflict" else result.fields,
    )


def _settle_unclear(work: Work, agenda: _Agenda) -> Generator[Effect, Answer, None]:
    """Settle what is unclear now that nothing else is left to do, and go on from there."""
    unclear = dict(work.unclear)
    work.unclear.clear()
    bound = {(address.type, id) for address, id in work.ids.items()}
    intents: Iterable[Intent] = [intent for intent, _ in unclear.values()]
    settled = yield from settle(work, list(intents), bound)
    for each in settled:
        step = unclear[each.intent.id][1]
        if each.status == "found":
            if each.observed is not None:
                work.ids[step.address] = each.observed.id
            yield from _finish(work, agenda, StepResult(step, "done", "found after an unclear answer", each.observed))
        elif each.status == "absent":
            yield from _absorb_step(work, agenda, StepResult(step, "retry", "it was not executed"))
        else:
            yield from _fail(work, agenda, StepResult(step, "unknown", each.detail))


def _leave_rest(work: Work, is_stopping: bool) -> Generator[Effect, Answer, None]:
    """Account for everything that was not done."""
    for intent, step in work.unclear.values():
        work.todo.pop(step.id, None)
        result = StepResult(step, "unknown", "Its request had no clear answer; the next run settles it.", intent=intent)
        yield from _tell(work, _outcome(work, result, "unknown"))
    why = "interrupted" if is_stopping else work.stop_reason
    for step in list(work.todo.values()):
        cause = next((work.failed[id] for id in step.after if id in work.failed), "")
        yield from _tell(work, _outcome(work, StepResult(step, "skipped", why or cause), "skipped"))
