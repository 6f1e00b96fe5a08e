"""
The apply engine: takes a plan to its outcomes, as a generator of effects.

It starts calls while others are in flight, releases the steps that waited for a finished one, skips those whose
prerequisite failed, and settles what is unclear before it ends. It never asks "is this a person?"; it asks the rows.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from msgspec.structs import replace

from crmsync.apply.agenda import Agenda, agenda_of, next_call
from crmsync.apply.answers import follow_reset
from crmsync.apply.opening import events_of, opening
from crmsync.apply.restoring import restore, took_effect
from crmsync.apply.results import CallResult, Prepared, StepResult
from crmsync.apply.settle import Settled, settle
from crmsync.apply.tables import Ids, Tally, Todo
from crmsync.apply.twins import find_twins
from crmsync.apply.work import Job, Work
from crmsync.model.address import Address
from crmsync.model.changes import as_changes
from crmsync.model.digest import Digester, key_mark
from crmsync.model.effects import Answer, Append, Effect, Emit, Join, Outcome, Start
from crmsync.model.events import (
    RunEnded,
    RunStarted,
    WriteAction,
)
from crmsync.model.packed import fields_caused
from crmsync.model.plan import Action, Cause, Note, Step, StepId
from crmsync.model.records import Observed
from crmsync.model.state import own_copy, record_ids

#: How often one step is tried when nothing happened each time (429, a bad bulk neighbour, a read that failed).
MAX_ATTEMPTS = 6
#: How much of the longest time that an intent took to be noted is expected of the next.
FADING = 0.9

Engine = Generator[Effect, Answer, Mapping[str, int]]
Telling = Generator[Effect, Answer, None]


def run(job: Job) -> Engine:
    """Carry out a plan and return its ledger: how many records had which outcome."""
    work = _work(job)
    agenda = agenda_of(work)
    answer = yield Emit(work.progress)
    head = job.state.head
    key = key_mark(head.digest_key, head.lineage)
    started = RunStarted(job.run, answer.now, job.account_id, job.plan_digest, job.by, key)
    for events in opening(work, started):
        yield Append(events)
    yield from _tell_opening(work)
    twins = yield from find_twins(work)
    agenda.drop({step.id for step, _ in twins})
    for step, twin in twins:
        detail = f'Somebody created "{twin.name}" (#{twin.id}) since the plan was made. Run again to adopt it.'
        yield from _fail(work, agenda, StepResult(step, "conflict", detail))
    yield from _carry_out(work, agenda)
    yield from _leave_rest(work)
    answer = yield Emit(work.progress)
    ledger = work.tally.ledger()
    yield Append([RunEnded(job.run, answer.now, ledger)])
    return ledger


def settle_open(job: Job) -> Generator[Effect, Answer, list[Settled]]:
    """Settle the intents that an earlier run left open, before anything is planned on top of them."""
    work = _work(job)
    intents = [job.state.open_intents[id] for id in sorted(job.state.open_intents)]
    bound = {(address.type, id) for address, id in work.ids.items()}
    return (yield from settle(work, intents, bound))


def _work(job: Job) -> Work:
    bindings = own_copy(job.state.bindings)
    for note in job.plan.notes:
        if note.renamed_from is not None:
            bindings[note.address] = bindings.pop(note.renamed_from)
    ids = dict(record_ids(bindings))
    changes = as_changes(job.plan.changes)
    for change in changes.with_action(Action.ADOPT):
        if change.record_id is not None:
            ids[change.address] = change.record_id
    return Work(
        job=job,
        digester=Digester(job.state.head.digest_key),
        ids=Ids(ids, changes),
        bindings=bindings,
        changes=changes,
        todo=Todo(job.plan.steps),
        tally=Tally(changes),
        notes=_by_address(job.plan.notes),
        bulk_size=job.bulk_size,
        skew=job.skew_seconds,
    )


def _by_address(notes: Sequence[Note]) -> dict[Address, list[Note]]:
    found: dict[Address, list[Note]] = {}
    for note in notes:
        found.setdefault(note.address, []).append(note)
    return found


def _carry_out(work: Work, agenda: Agenda) -> Telling:
    """Make calls until there is nothing left to do, or nothing more may be done."""
    answer = yield Emit(work.progress)
    while True:
        if work.may_go_on and agenda.in_flight < work.job.parallel:
            task = next_call(work, agenda, answer.now)
            if task is not None:
                answer = yield Start(task)
                work.is_stopping = answer.is_stopping
                continue
        if agenda.in_flight:
            answer = yield Join()
            work.is_stopping = answer.is_stopping
            agenda.absorb(answer.value, answer.now)
            if isinstance(answer.value.result, CallResult):
                yield from _absorb(work, agenda, answer.value.result)
            else:
                yield Emit(work.progress)
        elif work.unclear and work.may_go_on:
            yield from _settle_unclear(work, agenda)
            answer = yield Emit(work.progress)
        elif not work.may_go_on or not agenda.has_ready:
            return


def _tell_opening(work: Work) -> Telling:
    words = {Action.ADOPT: "adopted", Action.FORGET: "forgotten"}
    for change in work.changes.with_action(*words):
        status = words[change.action]
        yield from _tell(work, Outcome(change.address, change.action.value, status, "", change.name, change.record_id))


def _tell(work: Work, outcome: Outcome) -> Telling:
    work.tally.count(outcome)
    yield Emit(outcome)


# --- what became of it --------------------------------------------------------------------------


def _absorb(work: Work, agenda: Agenda, call: CallResult) -> Telling:
    """Take in what a call came to: what it taught about the account, then each of its steps."""
    if call.bulk_size is not None:
        work.bulk_size = min(work.bulk_size, max(call.bulk_size, 1))
    elif call.is_bulk_missing:
        first = call.results[-1].step
        work.no_bulk.add((first.address.type, first.action.value))
    elif call.is_bulk_refused:
        agenda.singly |= {result.step.id for result in call.results if result.status == "retry"}
    work.replaces_custom_fields = work.replaces_custom_fields or call.replaces_custom_fields
    if call.fatal:
        work.stop_reason = call.fatal
    work.noting = max(call.noting, FADING * work.noting)
    if call.results and call.results[0].status == "late":
        steps = [result.step for result in call.results]
        agenda.late |= {step.id for step in steps}
        agenda.read_again((steps[0].address.type, steps[0].action))
        agenda.put_back(steps)
        return
    for result in call.results:
        if result.status == "unknown" and result.prepared is not None:
            work.heard[result.prepared.intent.id] = call.at
        if result.step.action is WriteAction.DELETE and result.status in ("done", "unknown"):
            work.deleted.add((result.step.address.type, work.record_id(result.step)))
        elif result.observed is not None:
            yield from _remember(work, result, call.at)
        yield from _absorb_step(work, agenda, result)


def _remember(work: Work, result: StepResult, at: float) -> Telling:
    """Keep the record that an answer showed; a new one gets what the plan noted about it."""
    assert result.observed is not None
    address = result.step.address
    work.remember(address, result.observed, at, is_over=result.status == "done" and not result.follow)
    work.ids.learn(address, result.observed.id)
    if result.step.action is WriteAction.CREATE:
        events = [event for note in work.notes.get(address, ()) for event in events_of(note)]
        if events:
            yield Append(events)


def _absorb_step(work: Work, agenda: Agenda, result: StepResult) -> Telling:
    step = result.step
    is_created = step.action is WriteAction.CREATE and result.observed is not None
    if result.status == "done":
        yield from _finish(work, agenda, result)
    elif result.status == "unknown" and result.prepared is not None:
        work.unclear[result.prepared.intent.id] = result.prepared
    elif result.status == "retry":
        work.attempts[step.id] += 1
        if work.attempts[step.id] < MAX_ATTEMPTS and not work.stop_reason:
            agenda.push(work.todo.get(step.id) or step)
        else:
            yield from _fail(work, agenda, StepResult(step, "failed", result.detail))
    elif result.is_partly:
        yield from _tell(work, _outcome(work, result, result.status))
    elif result.status == "failed" and is_created:
        yield from _tell(work, _outcome(work, result, "failed"))
        yield from _finish(work, agenda, result, is_quiet=True)
    else:
        yield from _fail(work, agenda, result)
        _line_up(work, agenda, result)


def _finish(work: Work, agenda: Agenda, result: StepResult, *, is_quiet: bool = False) -> Telling:
    """
    Record a step that was done, and release what waited for it.

    What waited for an update that must be followed up waits for that: a value may not be released yet.
    """
    step = result.step
    work.done += 1
    work.todo.pop(step.id)
    if _is_first_half(work, step):
        work.withheld[step.address] = _outcome(work, result, "applied")
    elif not is_quiet and not (result.follow and not result.fields):
        work.withheld.pop(step.address, None)
        yield from _tell(work, _outcome(work, result, "applied"))
    _line_up(work, agenda, result)
    followers, counts = _followers(work, agenda, step.id), agenda.waits.counts
    if result.follow and step.action is not WriteAction.CREATE:
        agenda.inherited |= {follow.id: followers for follow in result.follow}
        for place in followers:
            counts[place] += len(result.follow) - 1
        return
    for place in followers:
        counts[place] -= 1
        instead = work.todo.instead(place) if not counts[place] else None
        if instead is not None:
            agenda.push(instead)
        elif not counts[place] and work.todo.is_left_at(place):
            agenda.come(place)


def _followers(work: Work, agenda: Agenda, id: StepId) -> Sequence[int]:
    """Return the places in the plan of the steps that wait for one."""
    if id in agenda.inherited:
        return agenda.inherited[id]
    place = work.todo.place(id)
    return () if place is None else agenda.waits.followers(place)


def _is_first_half(work: Work, step: Step) -> bool:
    """Say whether a step only gave up a value for another record, and the one that writes its own is still to come."""
    is_release = bool(step.fields) and len(list(fields_caused(step.fields, (Cause.RELEASED,)))) == len(step.fields)
    return is_release and work.todo.is_left(step.address)


def _tell_withheld(work: Work, address: Address) -> Telling:
    """Tell that a value was given up: what was to come after that did not."""
    if address in work.withheld:
        yield from _tell(work, work.withheld.pop(address))


def _line_up(work: Work, agenda: Agenda, result: StepResult) -> None:
    for step in result.follow:
        work.todo.line_up(step)
        agenda.singly.add(step.id)
        agenda.push(step)


def _fail(work: Work, agenda: Agenda, result: StepResult) -> Telling:
    """Record a step that was not done, and skip what waited for it, and what waited for that."""
    failing = [result]
    while failing:
        failed = failing.pop(0)
        step = failed.step
        yield from _tell_withheld(work, step.address)
        yield from _tell(work, _outcome(work, failed, failed.status))
        work.failed[step.id] = failed.detail
        work.todo.pop(step.id)
        waiting = filter(None, map(work.todo.take, _followers(work, agenda, step.id)))
        failing += [StepResult(each, "skipped", f"It waited for {step.address}.") for each in waiting]


def _outcome(work: Work, result: StepResult, status: str) -> Outcome:
    address = result.step.address
    change = work.changes.of(address)
    return Outcome(
        address=address,
        action=result.step.action,
        status=status,
        detail=result.detail,
        name=change.name if change is not None else "",
        record_id=work.ids.get(address),
        fields=result.set_aside if status == "conflict" else result.fields,
    )


def _settle_unclear(work: Work, agenda: Agenda) -> Telling:
    """Settle what is unclear now that nothing else is left to do, and go on from there."""
    unclear = dict(work.unclear)
    work.unclear.clear()
    bound = {(address.type, id) for address, id in work.ids.items()} | work.earlier
    settled = yield from settle(work, [each.intent for each in unclear.values()], bound)
    yield Emit(work.progress)
    for each in settled:
        prepared = unclear[each.intent.id]
        if each.status == "found":
            yield from _take_found(work, agenda, prepared, each.observed)
        elif each.status == "absent":
            yield from _take_absent(work, agenda, prepared, each.observed)
        else:
            yield from _fail(work, agenda, StepResult(prepared.step, "unknown", each.detail))


def _take_found(work: Work, agenda: Agenda, prepared: Prepared, observed: Observed | None) -> Telling:
    """Take in a request that was executed after all, as its answer would have been: what it undid is written again."""
    result = StepResult(prepared.step, "done", "found after an unclear answer", observed)
    if observed is not None:
        entity = work.entity(prepared.step.address)
        follow = follow_reset(entity, prepared, observed)
        again = {change.field for step in follow for change in step.fields}
        fields = tuple(change.field for change in prepared.changes if change.field not in again)
        result = replace(result, fields=fields, follow=follow)
        (result,), was_replaced = yield from restore(work, entity, [prepared], [result])
        work.replaces_custom_fields = work.replaces_custom_fields or was_replaced
        yield from _remember(work, result, 0.0)  # read while others were settled: too old to rely on
    yield from _absorb_step(work, agenda, result)


def _take_absent(work: Work, agenda: Agenda, prepared: Prepared, observed: Observed | None) -> Telling:
    """Try again what was not executed; what Copper did in part may have emptied custom fields all the same."""
    result = StepResult(prepared.step, "retry", "it was not executed", observed)
    if took_effect(prepared, observed):
        entity = work.entity(prepared.step.address)
        (result,), was_replaced = yield from restore(work, entity, [prepared], [result])
        work.replaces_custom_fields = work.replaces_custom_fields or was_replaced
    yield from _absorb_step(work, agenda, result)


def _leave_rest(work: Work) -> Telling:
    """Account for everything that was not done."""
    for prepared in work.unclear.values():
        work.todo.pop(prepared.step.id)
        result = StepResult(prepared.step, "unknown", "Its request had no clear answer; the next run settles it.")
        yield from _tell(work, _outcome(work, result, "unknown"))
    why = "interrupted" if work.is_stopping else work.stop_reason
    for address in list(work.withheld):
        yield from _tell_withheld(work, address)
    for step in work.todo:
        cause = next((work.failed[id] for id in step.after if id in work.failed), "")
        work.failed[step.id] = cause  # steps come in their order: those that waited for this one are told the same
        yield from _tell(work, _outcome(work, StepResult(step, "skipped", why or cause), "skipped"))
