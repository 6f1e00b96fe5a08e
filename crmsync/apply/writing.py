"""
One call of an apply, from the permit to the verified answer.

Reserve a place in the pace, re-read if the guard is stale, set aside what moved, commit the intents, send once,
verify field by field, commit the outcomes. Each function is a task for the runner and returns what became of its
steps; it changes nothing that others see.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from crmsync.apply import requests
from crmsync.apply.classify import Executed, NotExecuted, Unclear, bulk_limit, classify, item_id, item_message
from crmsync.apply.reading import Guard, read_guard, read_one
from crmsync.apply.work import GUARD_SECONDS, SEND_SECONDS, Work
from crmsync.model.bodies import decode_body, encode_fields
from crmsync.model.catalogue import EntityType
from crmsync.model.effects import Answer, Append, Copy, Effect, Reserve, Send
from crmsync.model.events import (
    Applied,
    Bound,
    Done,
    Event,
    FieldsApplied,
    Forgotten,
    Intent,
    Origin,
    Refused,
    Unknown,
    WriteAction,
)
from crmsync.model.http import Request
from crmsync.model.plan import Cause, FieldChange, Step, StepId
from crmsync.model.records import Observed
from crmsync.model.values import Members, is_empty
from crmsync.plan.diff import confirmed, is_met, members_asked, moved_fields, rebase

#: Steps that an answer made necessary are numbered from here; they are not followed up again.
FOLLOW_UP = 10


@dataclass(frozen=True, slots=True)
class StepResult:
    """
    What became of one step.

    *status* is done, conflict, failed, unknown, or retry (nothing happened, it may be tried again).
    *set_aside* names fields that a person moved since the plan; *follow* is a step that this one made necessary.
    """

    step: Step
    status: str
    detail: str = ""
    observed: Observed | None = None
    fields: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()
    intent: Intent | None = None
    follow: Step | None = None


@dataclass(frozen=True, slots=True)
class CallResult:
    """What became of one call, and what it taught: a smaller bulk limit, no bulk at all, an account that replaces."""

    results: tuple[StepResult, ...]
    at: float
    bulk_size: int | None = None
    is_bulk_refused: bool = False
    replaces_custom_fields: bool = False
    fatal: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A step ready to be sent: its changes as they stand now, the record as re-read, and its intent."""

    step: Step
    changes: tuple[FieldChange, ...]
    observed: Observed | None
    intent: Intent


Call = Generator[Effect, Answer, CallResult]


def create(work: Work, entity: EntityType, steps: Sequence[Step], is_bulk: bool, prefix: str) -> Call:
    """Create the records of *steps* in one call."""
    answer = yield Reserve(is_bulk)
    prepared = []
    for number, step in enumerate(steps):
        changes = tuple(work.with_ids(change) for change in step.fields)
        sent = tuple(change for change in changes if not (isinstance(change.after, Members) and not change.after))
        intent = _intent(work, step, sent, None, f"{prefix}-{number}", answer.now)
        prepared.append(Prepared(step, sent, None, intent))
    values = [{change.field: change.after for change in each.changes} for each in prepared]
    bodies = [encode_fields(entity, each, None, work.catalogue.locale) for each in values]
    request = requests.create(entity, bodies, is_bulk)
    return (yield from _send(work, entity, prepared, (), request, is_bulk, answer.now))


def update(work: Work, entity: EntityType, steps: Sequence[Step], guard: Guard, is_bulk: bool, prefix: str) -> Call:
    """Update the records of *steps* in one call, each with the fields that change and nothing else."""
    answer = yield Reserve(is_bulk)
    guard = yield from _young(work, entity, steps, guard, answer.now)
    prepared, results, events = _prepare(work, entity, steps, guard, prefix, answer.now)
    if not prepared:
        if events:
            yield Append(events)
        return CallResult(tuple(results), answer.now)
    items = []
    for each in prepared:
        values = {change.field: change.after for change in each.changes}
        body = encode_fields(
            entity, values, each.observed, work.catalogue.locale, all_custom_fields=work.replaces_custom_fields
        )
        items.append((work.record_id(each.step), body))
    if events:
        yield Append(events)
    request = requests.update(entity, items, is_bulk)
    call = yield from _send(work, entity, prepared, results, request, is_bulk, answer.now)
    return call


def _young(
    work: Work, entity: EntityType, steps: Sequence[Step], guard: Guard, now: float
) -> Generator[Effect, Answer, Guard]:
    if now - guard.at <= GUARD_SECONDS - 1:
        return guard
    return (yield from read_guard(work, entity, steps, now))


def _prepare(
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
        to_send = tuple(change for change in changes if change.before != change.after)
        settled = tuple(change for change in changes if change.before == change.after)
        if settled:
            applied = _confirmed_fields(work, entity, settled, observed)
            events.append(FieldsApplied(step.address, applied))
        if to_send:
            intent = _intent(work, step, to_send, observed.id, f"{prefix}-{number}", now)
            prepared.append(Prepared(replace(step, fields=to_send), to_send, observed, intent))
            results += [StepResult(step, "conflict", set_aside=moved)] if moved else []
        elif moved:
            results.append(StepResult(step, "conflict", "Changed in Copper since the plan was made.", set_aside=moved))
        else:
            results.append(StepResult(step, "done", "already so", observed))
    return prepared, results, events


def _rebased(work: Work, step: Step, observed: Observed) -> tuple[tuple[FieldChange, ...], tuple[str, ...]]:
    """Return the changes as they stand on *observed*, and the names of the fields that a person moved."""
    changes, moved = [], []
    for planned in step.fields:
        change = rebase(work.with_ids(planned), observed.fields.get(planned.field))
        if change is None:
            moved.append(planned.field)
        else:
            changes.append(change)
    return tuple(changes), tuple(moved)


def _confirmed_fields(
    work: Work, entity: EntityType, changes: Sequence[FieldChange], observed: Observed
) -> dict[str, Applied]:
    fields = {}
    for change in changes:
        row = entity.by_name[change.field]
        asked, members = work.digester.value(row, change.after), members_asked(row, change, work.digester)
        fields[row.id] = confirmed(row, asked, members, observed.fields.get(change.field), work.digester)
    return fields


def _intent(work: Work, step: Step, changes: Sequence[FieldChange], record_id: int | None, id: str, now: float) -> Intent:
    entity = work.entity(step.address)
    rows = [(entity.by_name[change.field], change) for change in changes]
    sets = {row.id: members_asked(row, change, work.digester) for row, change in rows if row.kind.is_set}
    target = changes[0].after if step.action is WriteAction.RELATE else None
    return Intent(
        id=id,
        run=work.job.run,
        address=step.address,
        action=step.action,
        record_id=record_id,
        fields={row.id: work.digester.value(row, change.after) for row, change in rows},
        likeness=likeness(work, entity, {change.field: change.after for change in changes}),
        send_by=now + SEND_SECONDS,
        server_clock=now + work.skew,
        members={name: members for name, members in sets.items() if members},
        target_id=target if isinstance(target, int) else None,
    )


def likeness(work: Work, entity: EntityType, values: Mapping[str, Any]) -> dict[str, str]:
    """Return digests of the name and of each natural key in *values*: two records that share one may be twins."""
    names = {"name", *(match.by for match in entity.match_on)}
    marks = {}
    for name in sorted(names & set(values)):
        value = values[name]
        keys = [member.key for member in value] if isinstance(value, Members) else [value]
        for number, key in enumerate(key for key in keys if key is not None):
            marks[f"{name}/{number}"] = work.digester.text(name, str(key))
    return marks


def _send(
    work: Work,
    entity: EntityType,
    prepared: Sequence[Prepared],
    results: Sequence[StepResult],
    request: Request,
    is_bulk: bool,
    now: float,
) -> Call:
    """Commit the intents, send once, and make of the answer what can be made of it."""
    intents = [each.intent for each in prepared]
    answer = yield Append(intents)
    answer = yield Send(request, now + SEND_SECONDS)
    match classify(answer.value):
        case NotExecuted() as refusal:
            yield Append([Refused(intent.id, refusal.reason[:200]) for intent in intents])
            refused = tuple(_refused(each.step, refusal, is_bulk) for each in prepared)
            return CallResult(
                results=(*results, *refused),
                at=answer.now,
                bulk_size=bulk_limit(refusal.reason) if is_bulk else None,
                is_bulk_refused=is_bulk and not refusal.may_retry and not refusal.is_fatal,
                fatal=refusal.reason if refusal.is_fatal else "",
            )
        case Unclear(reason):
            unclear = yield from _unclear(prepared, reason)
            return CallResult((*results, *unclear), answer.now)
        case Executed(data):
            verified = yield from _verify_all(work, entity, prepared, data, is_bulk)
            restored = yield from _restore(work, entity, prepared, verified, answer.now)
            return CallResult((*results, *verified), answer.now, replaces_custom_fields=restored)
    raise AssertionError("a result is one of three")


def _refused(step: Step, refusal: NotExecuted, is_bulk: bool) -> StepResult:
    if refusal.may_retry or (is_bulk and not refusal.is_fatal):
        return StepResult(step, "retry", refusal.reason)
    return StepResult(step, "failed", f"Copper refused: {refusal.reason}" if refusal.status else refusal.reason)


def _unclear(prepared: Sequence[Prepared], reason: str) -> Generator[Effect, Answer, tuple[StepResult, ...]]:
    yield Append([Unknown(each.intent.id, reason) for each in prepared])
    return tuple(StepResult(each.step, "unknown", reason, intent=each.intent) for each in prepared)


def _verify_all(
    work: Work, entity: EntityType, prepared: Sequence[Prepared], data: Any, is_bulk: bool
) -> Generator[Effect, Answer, tuple[StepResult, ...]]:
    items = data if is_bulk else [data]
    if not isinstance(items, list) or len(items) != len(prepared):
        return (yield from _unclear(prepared, "the answer does not fit the request"))
    events: list[Event] = []
    results = []
    for each, item in zip(prepared, items, strict=True):
        new_events, result = _verify(work, entity, each, item, is_bulk)
        events += new_events
        results.append(result)
    yield Append(events)
    return tuple(results)


def _verify(work: Work, entity: EntityType, prepared: Prepared, item: Any, is_bulk: bool) -> tuple[list[Event], StepResult]:
    """Return the events and the result of one record's answer, compared field by field with what was asked."""
    step, intent = prepared.step, prepared.intent
    if isinstance(item, Mapping) and item.get("success") is False:
        message = item_message(item)
        return [Refused(intent.id, message[:200])], StepResult(step, "failed", f"Copper refused: {message}")
    id = item_id(item)
    if id is None or (intent.record_id is not None and id != intent.record_id):
        return [Unknown(intent.id, "odd answer")], StepResult(step, "unknown", "the answer is no record", intent=intent)
    try:
        observed = decode_body(entity, item, work.catalogue.locale)
    except (ValueError, TypeError, AttributeError):
        return [Unknown(intent.id, "odd answer")], StepResult(step, "unknown", "the answer makes no sense", intent=intent)
    ignored = tuple(change for change in prepared.changes if _is_ignored(change, observed))
    met = tuple(change for change in prepared.changes if change not in ignored)
    events: list[Event] = [Done(intent.id, id)]
    if step.action is WriteAction.CREATE:
        events.append(Bound(step.address, id, Origin.CREATED))
    if met:
        events.append(FieldsApplied(step.address, _confirmed_fields(work, entity, met, observed)))
    again = tuple(change for change in prepared.changes if _needs_another(entity, prepared, change, observed, is_bulk))
    follow = _follow_up(work, entity, step, again, observed)
    failed = [change.field for change in ignored if change not in again]
    rewritten = [change.field for change in met if change not in again and not is_met(change, _seen(observed, change))]
    if failed:
        detail = f"Copper answered as if it had been done, but did not change {', '.join(failed)}."
        return events, StepResult(step, "failed", detail, observed, follow=follow)
    detail = f"Copper wrote {', '.join(rewritten)} in its own way" if rewritten else ""
    return events, StepResult(step, "done", detail, observed, tuple(each.field for each in met), follow=follow)


def _seen(observed: Observed, change: FieldChange) -> Any:
    return observed.fields.get(change.field)


def _is_ignored(change: FieldChange, observed: Observed) -> bool:
    """Say whether Copper answered with the old value, or kept members that had to go: a failure, not a rewriting."""
    answered = _seen(observed, change)
    if is_met(change, answered):
        return False
    if isinstance(answered, Members) and isinstance(change.after, Members):
        gone = {member.key for member in change.before} if isinstance(change.before, Members) else set()
        gone -= {member.key for member in change.after}
        missing = {member.key for member in change.after} - {member.key for member in answered}
        return bool(missing) or any(answered.get(key) is not None for key in gone)
    return change.cause is not Cause.CREATED and answered == change.before


def _needs_another(entity: EntityType, prepared: Prepared, change: FieldChange, observed: Observed, is_bulk: bool) -> bool:
    """
    Say whether a second request helps.

    It does for a field that a sibling resets, for one with a route of its own, and for one that a bulk call left alone:
    the bulk pages omit some fields of the single ones (copper-api.md section 14, question 15).
    """
    answered = _seen(observed, change)
    if is_met(change, answered) or prepared.step.id.number >= FOLLOW_UP:
        return False
    row = entity.by_name[change.field]
    is_reset = row.reset_by is not None and any(each.field == row.reset_by for each in prepared.changes)
    is_left = is_bulk and (answered == change.before or is_empty(answered))
    return is_reset or is_left or (row.route is not None and not is_empty(change.after))


def _follow_up(work: Work, entity: EntityType, step: Step, again: Sequence[FieldChange], observed: Observed) -> Step | None:
    if not again:
        return None
    routed = tuple(change for change in again if entity.by_name[change.field].route is not None)
    is_routed = bool(routed)
    wanted = routed[:1] or tuple(again)
    fields = tuple(replace(change, before=_seen(observed, change)) for change in wanted)
    action = WriteAction.RELATE if is_routed else WriteAction.UPDATE
    return Step(StepId(step.address, step.id.number + FOLLOW_UP), action, observed.id, fields, (step.id,))


def _restore(
    work: Work, entity: EntityType, prepared: Sequence[Prepared], results: Sequence[StepResult], now: float
) -> Generator[Effect, Answer, bool]:
    """
    Write back custom values that vanished because the account replaces the whole list instead of merging it.

    Which of the two Copper does is not documented (copper-api.md section 14, question 2).
    Return whether it was seen to replace.
    """
    was_seen = False
    for each, result in zip(prepared, results, strict=True):
        lost = _lost(entity, each, result)
        if not lost or each.observed is None:
            continue
        was_seen = True
        answer = yield Reserve(False)
        sent = {change.field: change.after for change in each.changes}
        mine = {name: value for name, value in sent.items() if entity.by_name[name].definition_id is not None}
        body = encode_fields(entity, mine, each.observed, work.catalogue.locale, all_custom_fields=True)
        intent = replace(each.intent, id=f"{each.intent.id}r", send_by=answer.now + SEND_SECONDS)
        yield Append([intent])
        answer = yield Send(requests.update(entity, [(each.observed.id, body)], False), intent.send_by)
        is_done = isinstance(classify(answer.value), Executed)
        yield Append([Done(intent.id, each.observed.id) if is_done else Unknown(intent.id, "restoring custom fields")])
    return was_seen


def _lost(entity: EntityType, prepared: Prepared, result: StepResult) -> bool:
    if prepared.observed is None or result.observed is None:
        return False
    sent = {change.field for change in prepared.changes}
    custom = [row.name for row in entity.fields if row.definition_id is not None and row.name not in sent]
    if not any(entity.by_name[name].definition_id is not None for name in sent):
        return False
    before, after = prepared.observed.fields, result.observed.fields
    return any(not is_empty(before.get(name)) and is_empty(after.get(name)) for name in custom)


def route(work: Work, entity: EntityType, step: Step, guard: Guard, prefix: str) -> Call:
    """Relate or unrelate one record: the way a person's company changes once the person exists (copper-api.md 7.8)."""
    answer = yield Reserve(False)
    guard = yield from _young(work, entity, [step], guard, answer.now)
    prepared, results, events = _prepare(work, entity, [step], guard, prefix, answer.now)
    if events:
        yield Append(events)
    if not prepared:
        return CallResult(tuple(results), answer.now)
    (each,) = prepared
    (change,) = each.changes
    row, id = entity.by_name[change.field], work.record_id(step)
    build = requests.relate if step.action is WriteAction.RELATE else requests.unrelate
    target = change.after if step.action is WriteAction.RELATE else change.before
    assert isinstance(target, int)
    yield Append([each.intent])
    answer = yield Send(build(entity, id, row, target, work.catalogue), each.intent.send_by)
    outcome = classify(answer.value)
    is_undone = step.action is WriteAction.UNRELATE and isinstance(outcome, NotExecuted) and "not related" in outcome.reason
    if isinstance(outcome, NotExecuted) and not is_undone:
        yield Append([Refused(each.intent.id, outcome.reason[:200])])
        fatal = outcome.reason if outcome.is_fatal else ""
        return CallResult((_refused(step, outcome, False),), answer.now, fatal=fatal)
    if isinstance(outcome, Unclear):
        return CallResult((yield from _unclear(prepared, outcome.reason)), answer.now)
    record = yield from read_one(work, entity, id)
    if not isinstance(record, Observed):
        return CallResult((yield from _unclear(prepared, "the link could not be re-read")), answer.now)
    if not is_met(change, _seen(record, change)):
        yield Append([Refused(each.intent.id, "the link did not change")])
        failed = StepResult(step, "failed", f"Copper answered as if it had been done, but did not change {row.name}.")
        return CallResult((failed,), answer.now)
    applied = _confirmed_fields(work, entity, each.changes, record)
    yield Append([Done(each.intent.id, id), FieldsApplied(step.address, applied)])
    return CallResult((StepResult(step, "done", "", record, (row.name,)),), answer.now)


def delete(work: Work, entity: EntityType, step: Step, prefix: str) -> Call:
    """Delete one record: only as crmsync left it, and with a full copy kept first."""
    id = work.record_id(step)
    answer = yield Reserve(False)
    record = yield from read_one(work, entity, id)
    if isinstance(record, str):
        return CallResult((StepResult(step, "retry", record),), answer.now)
    if record is None:
        yield Append([Forgotten(step.address, "gone")])
        return CallResult((StepResult(step, "done", "already gone"),), answer.now)
    moved = _moved(work, entity, step, record)
    if moved:
        detail = "Changed in Copper since the plan was made; it is not deleted."
        return CallResult((StepResult(step, "conflict", detail, record, set_aside=moved),), answer.now)
    yield Copy(step.address, id, encode_copy(record))
    intent = _intent(work, step, (), id, f"{prefix}-0", answer.now)
    yield Append([intent])
    answer = yield Send(requests.delete(entity, id), intent.send_by)
    outcome = classify(answer.value)
    is_gone = isinstance(outcome, NotExecuted) and outcome.status == 404
    if isinstance(outcome, NotExecuted) and not is_gone:
        yield Append([Refused(intent.id, outcome.reason[:200])])
        fatal = outcome.reason if outcome.is_fatal else ""
        return CallResult((_refused(step, outcome, False),), answer.now, fatal=fatal)
    if isinstance(outcome, Unclear):
        prepared = [Prepared(step, (), record, intent)]
        return CallResult((yield from _unclear(prepared, outcome.reason)), answer.now)
    yield Append([Done(intent.id, id), Forgotten(step.address, "deleted")])
    return CallResult((StepResult(step, "done", "", record),), answer.now)


def _moved(work: Work, entity: EntityType, step: Step, record: Observed) -> tuple[str, ...]:
    """Return the fields that a person moved; a link that went because this run deleted its target is our own doing."""
    known = work.job.state.bindings[step.address].applied
    found = []
    for name in moved_fields(known, record, entity, work.digester):
        row = entity.by_name[name]
        ours = {work.digester.value(row, id) for type_name, id in work.deleted if type_name == row.target}
        if not (is_empty(record.fields.get(name)) and known[row.id].answered in ours):
            found.append(name)
    return tuple(found)


def encode_copy(record: Observed) -> bytes:
    """Return the whole record as Copper showed it, as JSON."""
    return json.dumps(record.body, ensure_ascii=False, default=str, sort_keys=True).encode()
