"""
One bulk or single call that creates or updates, from the permit to the verified answer.

Reserve a place in the pace, re-read if the guard is stale, set aside what moved, commit the intents, send once,
verify field by field, commit the outcomes. Each function is a task for the runner and returns what became of its
steps; it changes nothing that others see.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence

from msgspec.structs import replace

from crmsync.apply import requests
from crmsync.apply.answers import confirmed_fields, unclear, verify_all
from crmsync.apply.classify import Executed, NotExecuted, Unclear, bulk_limit, classify
from crmsync.apply.reading import Guard, read_guard
from crmsync.apply.restoring import restore
from crmsync.apply.results import MOVED, Call, CallResult, Prepared, StepResult, late, stopped
from crmsync.apply.twins import besides, likeness
from crmsync.apply.work import GUARD_SECONDS, SEND_SECONDS, Work
from crmsync.model.address import Address
from crmsync.model.bodies import Sent, encode_fields
from crmsync.model.catalogue import EntityType
from crmsync.model.effects import Answer, Append, Effect, Reserve, Send
from crmsync.model.events import Event, FieldsApplied, Intent, Refused, WriteAction
from crmsync.model.http import Request
from crmsync.model.packed import fields_named, values_after
from crmsync.model.plan import FieldChange, Step
from crmsync.model.records import Observed
from crmsync.model.undo import Before
from crmsync.model.values import Members, Value, is_empty
from crmsync.plan.sent import members_asked, rebase


def create(work: Work, entity: EntityType, steps: Sequence[Step], is_bulk: bool, prefix: str) -> Call:
    """Create the records of *steps* in one call."""
    answer = yield Reserve(is_bulk)
    if answer.is_stopping:
        return stopped(steps, answer.now)
    prepared = [_prepared_new(work, entity, step, f"{prefix}-{number}", answer.now) for number, step in enumerate(steps)]
    bodies = [each.sent.body for each in prepared]
    request = requests.create(entity, bodies, is_bulk)
    return (yield from _send(work, entity, prepared, (), request, is_bulk, answer.now))


def _prepared_new(work: Work, entity: EntityType, step: Step, id: str, now: float) -> Prepared:
    """Return the create of *step*; its changes stay packed where they are sent as they are, which is nearly always."""
    changes, values = step.fields, values_after(step.fields)
    if any(map(_is_not_sent_so, values.values())):
        linked = (work.with_ids(change) for change in step.fields)
        changes = tuple(change for change in linked if not _is_not_sent_so(change.after))
        values = values_after(changes)
    body = encode_fields(entity, values, None, work.catalogue.locale)
    return Prepared(step, changes, None, _intent_to_create(work, entity, step, values, id, now), Sent(values, body))


def _is_not_sent_so(value: Value) -> bool:
    """Say whether *value* stands for an id, or is a set of nobody, which a new record has anyway."""
    return value.__class__ is Address or (isinstance(value, Members) and not value.items)


def update(
    work: Work,
    entity: EntityType,
    steps: Sequence[Step],
    guard: Guard,
    is_bulk: bool,
    prefix: str,
    *,
    may_wait: bool = False,
) -> Call:
    """
    Update the records of *steps* in one call, each with the fields that change and nothing else.

    With *may_wait* the steps are late when the guard is too old by now, and are re-read together with others.
    """
    answer = yield Reserve(is_bulk, guard.at + work.good_for if may_wait else math.inf)
    if answer.is_stopping:
        return stopped(steps, answer.now)
    if answer.value is False or (may_wait and is_old(work, guard, answer.now)):
        return late(steps, answer.now)
    guard = yield from young(work, entity, steps, guard, answer.now)
    prepared, results, events = prepare(work, entity, steps, guard, prefix, answer.now)
    if not prepared:
        if events:
            yield Append(events)
        return CallResult(tuple(results), answer.now)
    noting = answer.now
    prepared = [replace(each, sent=_update_of(work, entity, each)) for each in prepared]
    items = [(work.record_id(each.step), each.sent.body) for each in prepared]
    if events:
        yield Append(events)
    request = requests.update(entity, items, is_bulk)
    return (yield from _send(work, entity, prepared, results, request, is_bulk, noting))


def _update_of(work: Work, entity: EntityType, prepared: Prepared) -> Sent:
    values, is_whole = values_after(prepared.changes), work.replaces_custom_fields
    body = encode_fields(entity, values, prepared.observed, work.catalogue.locale, all_custom_fields=is_whole)
    return Sent(values, body)


def is_old(work: Work, guard: Guard, now: float) -> bool:
    """Say whether a write that is prepared *now* would leave more than five seconds after the reading of *guard*."""
    return now - guard.at > work.good_for


def young(
    work: Work, entity: EntityType, steps: Sequence[Step], guard: Guard, now: float
) -> Generator[Effect, Answer, Guard]:
    """Return *guard*, or a new one where it is too old to rely on."""
    if not is_old(work, guard, now):
        return guard
    return (yield from read_guard(work, entity, steps, now))


def prepare(
    work: Work, entity: EntityType, steps: Sequence[Step], guard: Guard, prefix: str, now: float
) -> tuple[list[Prepared], list[StepResult], list[Event]]:
    """Sort *steps* into those to send, those that need no request, and those that cannot go on."""
    prepared: list[Prepared] = []
    results: list[StepResult] = []
    events: list[Event] = []
    for number, step in enumerate(steps):
        observed = guard.observed.get(step.address)
        if guard.trouble:
            results.append(StepResult(step, "retry", guard.trouble))
            continue
        if observed is None:
            results.append(StepResult(step, "failed", "It is gone from Copper: deleted or merged since the plan."))
            continue
        changes, moved = _rebased(work, step, observed)
        is_any = any(change.before != change.after for change in changes)
        to_send = tuple(each for each in changes if each.before != each.after or (is_any and each.is_sent_along))
        settled = tuple(change for change in changes if change not in to_send)
        if settled:
            applied = confirmed_fields(work, entity, settled, observed)
            events.append(FieldsApplied(step.address, applied))
        if to_send:
            intent = intent_of(work, step, to_send, observed.id, f"{prefix}-{number}", now, read_at=guard.at)
            prepared.append(Prepared(replace(step, fields=to_send), to_send, observed, intent))
            results += [StepResult(step, "conflict", MOVED, set_aside=moved, is_partly=True)] if moved else []
        elif moved:
            results.append(StepResult(step, "conflict", MOVED, set_aside=moved))
        else:
            results.append(StepResult(step, "done", "already so"))
    return prepared, results, events


def _rebased(work: Work, step: Step, observed: Observed) -> tuple[tuple[FieldChange, ...], tuple[str, ...]]:
    """Return the changes as they stand on *observed*, and the names of the fields that a person moved."""
    changes, moved = [], []
    for planned in step.fields:
        change = rebase(work.with_ids(planned), observed.fields.get(planned.field))
        if change is None or _is_cleared(work, step, planned, observed):
            moved.append(planned.field)
        else:
            changes.append(change)
    rows = work.entity(step.address).by_name
    takers = {rows[name].within for name in moved}  # another pipeline would take the stage along that a person chose
    moved += [change.field for change in changes if change.field in takers and change.before != change.after]
    return tuple(change for change in changes if change.field not in moved), tuple(moved)


def _is_cleared(work: Work, step: Step, planned: FieldChange, observed: Observed) -> bool:
    """Say whether a link that the plan moves elsewhere is gone: nobody asked for the new one in the place of none."""
    if step.action is not WriteAction.UNRELATE or not is_empty(observed.fields.get(planned.field)):
        return False
    mine = fields_named(work.change(step.address).fields, (planned.field,))
    return any(not is_empty(each.after) for each in mine)


def intent_of(
    work: Work,
    step: Step,
    changes: Sequence[FieldChange],
    record_id: int | None,
    id: str,
    now: float,
    *,
    read_at: float | None = None,
) -> Intent:
    """
    Return the intent to make *changes*, good for a request that leaves within 15 seconds of *now*.

    One that relies on a reading leaves within 5 seconds of *read_at*; too late, it is read and tried again.
    """
    entity = work.entity(step.address)
    rows = [(entity.ids[change.field], entity.by_name[change.field], change) for change in changes]
    sets = {id: members_asked(row, change, work.digester) for id, row, change in rows if row.kind.is_set}
    links = {WriteAction.RELATE: "after", WriteAction.UNRELATE: "before"}
    target = getattr(changes[0], links[step.action]) if step.action in links else None
    # By these a twin is told; a record that is made although one exists (`new: true`) is told by none.
    marks = likeness(work, entity, {change.field: change.after for change in changes})
    return Intent(
        id=id,
        run=work.job.run,
        address=step.address,
        action=step.action,
        record_id=record_id,
        fields={id: work.digester.value(row, change.after) for id, row, change in rows},
        likeness={} if work.change(step.address).may_be_twin else marks,
        send_by=now + SEND_SECONDS if read_at is None else min(now + SEND_SECONDS, read_at + GUARD_SECONDS),
        server_clock=now + work.skew,
        members={name: members for name, members in sets.items() if members},
        target_id=target if isinstance(target, int) else None,
    )


def _intent_to_create(
    work: Work, entity: EntityType, step: Step, values: Mapping[str, Value], id: str, now: float
) -> Intent:
    """Return the intent to make a record of *values*: all of them, and all members, are ours."""
    digester, rows, ids = work.digester, entity.by_name, entity.ids
    sets = {name: value for name, value in values.items() if isinstance(value, Members)}
    marks = likeness(work, entity, values)
    return Intent(
        id=id,
        run=work.job.run,
        address=step.address,
        action=step.action,
        record_id=None,
        fields={ids[name]: digester.value(rows[name], value) for name, value in values.items()},
        likeness={} if work.change(step.address).may_be_twin else marks,
        send_by=now + SEND_SECONDS,
        server_clock=now + work.skew,
        members={ids[name]: digester.pairs(rows[name], value) for name, value in sets.items()},
        besides=besides(work, entity, marks),
    )


def _send(
    work: Work,
    entity: EntityType,
    prepared: Sequence[Prepared],
    results: Sequence[StepResult],
    request: Request,
    is_bulk: bool,
    noting_since: float,
) -> Call:
    """Commit the intents, send once, and make of the answer what can be made of it."""
    intents = [each.intent for each in prepared]
    leaving = yield Append(intents, [before(entity, each) for each in prepared])
    left, noting = leaving.now, leaving.now - noting_since
    answer = yield Send(request, min(intent.send_by for intent in intents))
    match classify(answer.value):
        case NotExecuted() as refusal:
            yield Append([Refused(intent.id, refusal.reason[:200]) for intent in intents])
            return CallResult(
                results=(*results, *(refused(each.step, refusal, is_bulk) for each in prepared)),
                at=answer.now,
                left=left,
                noting=noting,
                bulk_size=bulk_limit(refusal.reason) if is_bulk else None,
                is_bulk_refused=is_bulk and not refusal.may_retry and not refusal.is_fatal,
                is_bulk_missing=is_bulk and refusal.status in (404, 405),
                fatal=refusal.reason if refusal.is_fatal else "",
            )
        case Unclear(reason):
            return CallResult((*results, *(yield from unclear(prepared, reason))), answer.now, left, noting)
        case Executed(data):
            verified = yield from verify_all(work, entity, prepared, data, is_bulk)
            restored, was_replaced = yield from restore(work, entity, prepared, verified)
            # What the answer shows was so at some moment since the request left.
            return CallResult((*results, *restored), left, left, noting, replaces_custom_fields=was_replaced)
    raise AssertionError("a result is one of three")


def before(entity: EntityType, prepared: Prepared) -> Before:
    """Return what is kept of a write so that it can be undone; of a create, that there was nothing."""
    intent, is_create = prepared.intent, prepared.step.action is WriteAction.CREATE
    replaced = [] if is_create else [change for change in prepared.changes if change.before != change.after]
    fields = {entity.by_name[change.field].id: (change.before, change.after) for change in replaced}
    return Before(intent.address, intent.action, intent.record_id, intent.server_clock, fields)


def refused(step: Step, refusal: NotExecuted, is_bulk: bool) -> StepResult:
    """Return the result of a step whose request was not executed."""
    if refusal.may_retry or (is_bulk and not refusal.is_fatal):
        return StepResult(step, "retry", refusal.reason)
    return StepResult(step, "failed", f"Copper refused: {refusal.reason}" if refusal.status else refusal.reason)
