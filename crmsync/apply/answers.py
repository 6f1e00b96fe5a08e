"""Answers: what Copper says it did, compared field by field with what was asked."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from crmsync.apply.classify import item_id, item_message
from crmsync.apply.results import MOVED, Prepared, StepResult
from crmsync.apply.work import Work
from crmsync.model.bodies import Sent, decode_body
from crmsync.model.catalogue import EntityType
from crmsync.model.effects import Answer, Append, Effect
from crmsync.model.events import (
    Applied,
    AsIntended,
    Bound,
    Done,
    Event,
    FieldsApplied,
    Intent,
    Origin,
    Refused,
    Unknown,
    WriteAction,
)
from crmsync.model.plan import Cause, FieldChange, Step, StepId
from crmsync.model.records import Observed
from crmsync.model.values import Members, Value, is_empty, is_same
from crmsync.plan.sent import confirmed, is_met, members_asked, untouched

#: Steps that an answer made necessary are numbered from here; they are not followed up again.
FOLLOW_UP = 10


def confirmed_fields(
    work: Work, entity: EntityType, changes: Sequence[FieldChange], observed: Observed, intent: Intent | None = None
) -> dict[str, Applied]:
    """
    Return what the state learns of *changes*, by field id, now that Copper shows *observed*.

    What is as it was asked for has the digests of the *intent*: to make them again is half of what an apply computes.
    """
    fields = {}
    intended = None if intent is None else AsIntended(intent.fields, intent.members)
    for change in changes:
        is_ours_alone = change.delta is None or not change.delta.remembered
        if intended is not None and is_ours_alone and is_same(seen(observed, change), change.after):
            fields[entity.ids[change.field]] = intended[entity.ids[change.field]]
            continue
        row = entity.by_name[change.field]
        asked, members = work.digester.value(row, change.after), members_asked(row, change, work.digester)
        known = untouched(row, change, work.digester)
        fields[row.id] = confirmed(row, asked, members, observed.fields.get(change.field), work.digester, known)
    return fields


def unclear(prepared: Sequence[Prepared], reason: str) -> Generator[Effect, Answer, tuple[StepResult, ...]]:
    """Note that nobody knows what became of *prepared*."""
    yield Append([Unknown(each.intent.id, reason) for each in prepared])
    return tuple(StepResult(each.step, "unknown", reason, prepared=each) for each in prepared)


def verify_all(
    work: Work, entity: EntityType, prepared: Sequence[Prepared], data: Any, is_bulk: bool
) -> Generator[Effect, Answer, tuple[StepResult, ...]]:
    items = data if is_bulk else [data]
    if not isinstance(items, list) or len(items) != len(prepared):
        return (yield from unclear(prepared, "the answer does not fit the request"))
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
        return [Unknown(intent.id, "odd answer")], _odd(prepared, "the answer is no record")
    try:
        observed = decode_body(entity, item, work.catalogue.locale, prepared.sent)
    except (ValueError, TypeError, AttributeError):
        return [Unknown(intent.id, "odd answer")], _odd(prepared, "the answer makes no sense")
    if step.action is WriteAction.CREATE and _is_as_sent(prepared.sent, observed):
        return _made_as_sent(prepared, observed)
    unmet = [change for change in prepared.changes if not is_met(change, seen(observed, change))]
    again = tuple(change for change in unmet if _needs_another(entity, prepared, change, observed, is_bulk))
    others = [change for change in unmet if change not in again]
    moved = tuple(change.field for change in others if _is_moved(entity, prepared, change, observed, is_bulk))
    failed = [change.field for change in others if change.field not in moved and _is_ignored(change, observed)]
    met = tuple(change for change in prepared.changes if change not in again and change.field not in (*moved, *failed))
    events: list[Event] = [Done(intent.id, id)]
    if step.action is WriteAction.CREATE:
        events.append(Bound(step.address, id, Origin.CREATED))
    learnt = confirmed_fields(work, entity, met, observed, intent) | reset_fields(work, entity, again, observed)
    if learnt:
        events.append(FieldsApplied(step.address, learnt))
    follow = _follow_ups(entity, step, again, observed)
    rewritten = [change.field for change in unmet if change in met]
    if failed:
        detail = f"Copper answered as if it had been done, but did not change {', '.join(failed)}."
        return events, StepResult(step, "failed", detail, observed, follow=follow)
    if moved:
        return events, StepResult(step, "conflict", MOVED, observed, set_aside=moved, follow=follow)
    detail = f"Copper wrote {', '.join(rewritten)} in its own way" if rewritten else ""
    return events, StepResult(step, "done", detail, observed, tuple(each.field for each in met), follow=follow)


def _is_as_sent(sent: Sent, observed: Observed) -> bool:
    """Say whether every value that was sent came back, and nothing with it."""
    return bool(sent.values) and all(is_same(observed.fields[name], value) for name, value in sent.values.items())


def _made_as_sent(prepared: Prepared, observed: Observed) -> tuple[list[Event], StepResult]:
    """Return what `_verify` would of a new record that is as it was sent: its changes need not be looked at for that."""
    step, intent = prepared.step, prepared.intent
    events: list[Event] = [Done(intent.id, observed.id), Bound(step.address, observed.id, Origin.CREATED)]
    events.append(FieldsApplied(step.address, AsIntended(intent.fields, intent.members)))
    return events, StepResult(step, "done", "", observed, tuple(prepared.sent.values))


def _odd(prepared: Prepared, reason: str) -> StepResult:
    return StepResult(prepared.step, "unknown", reason, prepared=prepared)


def reset_fields(work: Work, entity: EntityType, changes: Sequence[FieldChange], observed: Observed) -> dict[str, Applied]:
    """
    Return what the state learns of those *changes* that Copper overwrote for a sibling's sake, by field id.

    Copper's value counts as asked for: it is no person's work, and the file's value is still to be written.
    """
    rows = [(entity.by_name[change.field], seen(observed, change)) for change in changes]
    return {row.id: as_left(work.digester.value(row, value)) for row, value in rows if row.reset_by is not None}


def as_left(digest: str) -> Applied:
    """Return what is known of a value that crmsync caused and does not want."""
    return Applied(digest, digest)


def follow_reset(entity: EntityType, prepared: Prepared, observed: Observed) -> tuple[Step, ...]:
    """Return the steps that write once more what Copper overwrote, for a request that was found to be executed."""
    again = tuple(
        change
        for change in prepared.changes
        if _is_reset(entity, prepared, change) and _needs_another(entity, prepared, change, observed, is_bulk=False)
    )
    return _follow_ups(entity, prepared.step, again, observed)


def _is_reset(entity: EntityType, prepared: Prepared, change: FieldChange) -> bool:
    """Say whether Copper may have overwritten a field for the sake of its sibling; whatever is new enters a stage."""
    row = entity.by_name[change.field]
    is_new = prepared.step.action is WriteAction.CREATE
    return row.reset_by is not None and (is_new or any(each.field == row.reset_by for each in prepared.changes))


def seen(observed: Observed, change: FieldChange) -> Value:
    """Return what *observed* shows of the field of *change*."""
    return observed.fields.get(change.field)


def _is_ignored(change: FieldChange, observed: Observed) -> bool:
    """Say whether Copper answered with the old value, or kept members that had to go: a failure, not a rewriting."""
    answered = seen(observed, change)
    if is_met(change, answered):
        return False
    if isinstance(answered, Members) and isinstance(change.after, Members):
        gone = {member.key for member in change.before} if isinstance(change.before, Members) else set()
        gone -= {member.key for member in change.after}
        missing = {member.key for member in change.after} - {member.key for member in answered}
        return bool(missing) or any(answered.get(key) is not None for key in gone)
    if change.cause is Cause.CREATED:
        return is_empty(answered) and not is_empty(change.after)
    return answered == change.before


def _is_moved(entity: EntityType, prepared: Prepared, change: FieldChange, observed: Observed, is_bulk: bool) -> bool:
    """
    Say whether a person moved a field after it was read that the call left alone: it is neither as it was nor as asked.

    Copper has ways of its own to write a text, but none to choose another record or label.
    """
    row, answered = entity.by_name[change.field], seen(observed, change)
    if prepared.step.action is not WriteAction.UPDATE or is_met(change, answered) or _is_as_before(change, answered):
        return False
    return (row.target is not None and not row.kind.is_set) or (is_bulk and is_empty(answered))


def _is_as_before(change: FieldChange, answered: Value) -> bool:
    return answered == change.before or (is_empty(answered) and is_empty(change.before))


def _needs_another(entity: EntityType, prepared: Prepared, change: FieldChange, observed: Observed, is_bulk: bool) -> bool:
    """
    Say whether a second request helps.

    It does for a field that a sibling resets, for one with a route of its own, and for one that a bulk call left alone:
    the bulk pages omit some fields of the single ones (copper-api.md section 14, question 15).
    """
    answered = seen(observed, change)
    if is_met(change, answered) or prepared.step.id.number >= FOLLOW_UP:
        return False
    row = entity.by_name[change.field]
    is_left = is_bulk and _is_as_before(change, answered)
    return _is_reset(entity, prepared, change) or is_left or (row.route is not None and not is_empty(change.after))


def _follow_ups(entity: EntityType, step: Step, again: Sequence[FieldChange], observed: Observed) -> tuple[Step, ...]:
    """Return the steps that set *again* once more: links by their route, the rest in one update."""
    if not again:
        return ()
    changes = [replace(change, before=seen(observed, change)) for change in again]
    plain = tuple(change for change in changes if entity.by_name[change.field].route is None)
    routed = [change for change in changes if entity.by_name[change.field].route is not None]
    update = StepId(step.address, step.id.number + FOLLOW_UP)
    steps = [Step(update, WriteAction.UPDATE, observed.id, plain, (step.id,))] if plain else []
    for number, change in enumerate(routed, 2):
        relate = StepId(step.address, step.id.number + number * FOLLOW_UP)
        steps.append(Step(relate, WriteAction.RELATE, observed.id, (change,), (step.id,)))
    return tuple(steps)
