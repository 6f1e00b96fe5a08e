"""
Calls about one record: relating, unrelating, deleting.

They go the way of every call (`crmsync.apply.writing`), one record at a time because Copper has no bulk route for them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Generator

from crmsync.apply import requests, writing
from crmsync.apply.answers import confirmed_fields, seen, unclear
from crmsync.apply.classify import NotExecuted, Unclear, classify
from crmsync.apply.reading import Guard, find_naming, read_one
from crmsync.apply.results import Call, CallResult, Prepared, StepResult, late, stopped
from crmsync.apply.work import GUARD_SECONDS, Work
from crmsync.apply.writing import before, intent_of, prepare, refused, young
from crmsync.model.catalogue import EntityType
from crmsync.model.effects import Answer, Append, Copy, Effect, Emit, Reserve, Send
from crmsync.model.events import Done, FieldsApplied, Forgotten, Refused, WriteAction
from crmsync.model.plan import Step
from crmsync.model.records import Observed
from crmsync.plan.sent import is_met, moved_fields


def route(work: Work, entity: EntityType, step: Step, guard: Guard, prefix: str, *, may_wait: bool = False) -> Call:
    """Relate or unrelate one record: the way a person's company changes once the person exists (copper-api.md 7.8)."""
    answer = yield Reserve(False, guard.at + work.good_for if may_wait else math.inf)
    if answer.is_stopping:
        return stopped([step], answer.now)
    if answer.value is False or (may_wait and writing.is_old(work, guard, answer.now)):
        return late([step], answer.now)
    guard = yield from young(work, entity, [step], guard, answer.now)
    prepared, results, events = prepare(work, entity, [step], guard, prefix, answer.now)
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
    yield Append([each.intent], [before(entity, each)])
    answer = yield Send(build(entity, id, row, target, work.catalogue), each.intent.send_by)
    outcome = classify(answer.value)
    is_undone = step.action is WriteAction.UNRELATE and isinstance(outcome, NotExecuted) and "not related" in outcome.reason
    if isinstance(outcome, NotExecuted) and not is_undone:
        yield Append([Refused(each.intent.id, outcome.reason[:200])])
        fatal = outcome.reason if outcome.is_fatal else ""
        return CallResult((refused(step, outcome, False),), answer.now, fatal=fatal)
    if isinstance(outcome, Unclear):
        return CallResult((yield from unclear(prepared, outcome.reason)), answer.now)
    record = yield from read_one(work, entity, id)
    if not isinstance(record, Observed):
        return CallResult((yield from unclear(prepared, "the link could not be re-read")), answer.now)
    if not is_met(change, seen(record, change)):
        yield Append([Refused(each.intent.id, "the link did not change")])
        failed = StepResult(step, "failed", f"Copper answered as if it had been done, but did not change {row.name}.")
        return CallResult((failed,), answer.now)
    applied = confirmed_fields(work, entity, each.changes, record)
    yield Append([Done(each.intent.id, id), FieldsApplied(step.address, applied)])
    return CallResult((StepResult(step, "done", "", record, (row.name,)),), answer.now)


def delete(work: Work, entity: EntityType, step: Step, prefix: str) -> Call:
    """Delete one record: only as crmsync left it, and with a full copy kept first."""
    id = work.record_id(step)
    answer = yield Reserve(False)
    if answer.is_stopping:
        return stopped([step], answer.now)
    left = yield from _as_left(work, entity, step)
    if not isinstance(left, Observed):
        return CallResult((left,), answer.now)
    naming = yield from find_naming(work, entity, step)
    if isinstance(naming, str):
        return CallResult((StepResult(step, "retry", naming),), answer.now)
    if naming is not None:
        singular = work.catalogue[naming.type].singular
        detail = f'The {singular} "{naming.name}" (#{naming.id}) names it since the plan was made; it is not deleted.'
        return CallResult((StepResult(step, "conflict", detail, left),), answer.now)
    looked = yield Emit(work.progress)
    if looked.now - answer.now > GUARD_SECONDS / 2:  # so many are related to it that the reading grew old
        answer, left = looked, (yield from _as_left(work, entity, step))
        if not isinstance(left, Observed):
            return CallResult((left,), answer.now)
    record = left
    yield Copy(step.address, id, _copy(record))
    intent = intent_of(work, step, (), id, f"{prefix}-0", answer.now, read_at=answer.now)
    yield Append([intent])
    answer = yield Send(requests.delete(entity, id), intent.send_by)
    outcome = classify(answer.value)
    if isinstance(outcome, NotExecuted) and not (outcome.status == 404 and (yield from read_one(work, entity, id)) is None):
        yield Append([Refused(intent.id, outcome.reason[:200])])
        fatal = outcome.reason if outcome.is_fatal else ""
        return CallResult((refused(step, outcome, False),), answer.now, fatal=fatal)
    if isinstance(outcome, Unclear):
        prepared = [Prepared(step, (), record, intent)]
        return CallResult((yield from unclear(prepared, outcome.reason)), answer.now)
    yield Append([Done(intent.id, id), Forgotten(step.address, "deleted")])
    return CallResult((StepResult(step, "done", "", record),), answer.now)


def _as_left(work: Work, entity: EntityType, step: Step) -> Generator[Effect, Answer, Observed | StepResult]:
    """Return the record as it is now, if that is how crmsync left it; else what becomes of the step."""
    record = yield from read_one(work, entity, work.record_id(step))
    if isinstance(record, str):
        return StepResult(step, "retry", record)
    if record is None:
        yield Append([Forgotten(step.address, "gone")])
        return StepResult(step, "done", "already gone")
    moved = _moved(work, entity, step, record)
    if moved:
        detail = "Changed in Copper since the plan was made; it is not deleted."
        return StepResult(step, "conflict", detail, record, set_aside=moved)
    return record


def _moved(work: Work, entity: EntityType, step: Step, record: Observed) -> tuple[str, ...]:
    """Return the fields that a person moved."""
    deleted = work.job.state.deleted | work.deleted
    return moved_fields(work.bindings[step.address].applied, record, entity, work.digester, deleted)


def _copy(record: Observed) -> bytes:
    return json.dumps(record.body, ensure_ascii=False, default=str, sort_keys=True).encode()
