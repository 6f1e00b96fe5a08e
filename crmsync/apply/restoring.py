"""
Writing back custom values that vanished because the account replaces the whole list instead of merging it.

Which of the two Copper does is not documented (copper-api.md section 14, question 2). The first update of a run that
sends custom fields finds out; from then on the run sends the others along.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from crmsync.apply import requests
from crmsync.apply.classify import Executed, NotExecuted, classify
from crmsync.apply.reading import read_one
from crmsync.apply.results import Prepared, StepResult
from crmsync.apply.work import GUARD_SECONDS, Work
from crmsync.model.bodies import decode_body, encode_fields
from crmsync.model.catalogue import EntityType
from crmsync.model.effects import Answer, Append, Effect, Reserve, Send
from crmsync.model.events import Absent, Done, FieldsReleased, Found, Intent, Refused, Unknown
from crmsync.model.records import Observed
from crmsync.model.values import is_empty
from crmsync.plan.sent import is_met

#: How often the values of one record are written back before it is given up and said.
TRIES = 4

Restoring = Generator[Effect, Answer, Observed | None]


def restore(
    work: Work, entity: EntityType, prepared: Sequence[Prepared], results: Sequence[StepResult]
) -> Generator[Effect, Answer, tuple[tuple[StepResult, ...], bool]]:
    """Return *results* with the records as they are after what was lost is written back, and whether anything was."""
    restored = []
    was_replaced = False
    for each, result in zip(prepared, results, strict=True):
        lost = _lost(entity, each, result.observed)
        if lost:
            was_replaced = True
            record = yield from _write_back(work, entity, each)
            if record is None:
                yield from _let_go(work, entity, each, lost)
                detail = f"Copper replaced all custom fields, and these could not be written back: {', '.join(lost)}."
                result = replace(result, status="failed", detail=detail)
            else:
                result = replace(result, observed=record)
        restored.append(result)
    return tuple(restored), was_replaced


def took_effect(prepared: Prepared, now: Observed | None) -> bool:
    """Say whether *now* shows any of what was sent and was not so before: the request was carried out, at least in part."""
    changes = (change for change in prepared.changes if change.before != change.after)
    return now is not None and any(is_met(change, now.fields.get(change.field)) for change in changes)


def is_restoring(intent: Intent) -> bool:
    """Say whether *intent* was to write back what an update had emptied: a number of its own follows that of the update."""
    return "r" in intent.id.rpartition("-")[2]


def _lost(entity: EntityType, prepared: Prepared, now: Observed | None) -> tuple[str, ...]:
    """Return the custom fields that had a value, were not sent, and are empty now."""
    if prepared.observed is None or now is None:
        return ()
    custom = {row.name for row in entity.fields if row.definition_id is not None}
    sent = {change.field for change in prepared.changes}
    if not custom & sent:
        return ()
    before = prepared.observed.fields
    return tuple(name for name in sorted(custom - sent) if not is_empty(before.get(name)) and is_empty(now.fields.get(name)))


def _write_back(work: Work, entity: EntityType, prepared: Prepared) -> Restoring:
    """
    Send all custom values of one record, as they should be; return the record after that.

    Each try looks first: a refusal that was waited out, or a request settled long after it was sent, leaves a reading that
    is too old. What a person did since stays, also a value that they gave to a field that had been emptied.
    """
    before = prepared.observed
    assert before is not None
    for number in range(TRIES):
        answer = yield Reserve(False)
        now = yield from read_one(work, entity, before.id)
        if not isinstance(now, Observed):
            continue
        if not _lost(entity, prepared, now):
            return now
        send_by = answer.now + GUARD_SECONDS
        intent = replace(prepared.intent, id=f"{prepared.intent.id}r{number}", send_by=send_by)
        yield Append([intent])
        body = _body(work, entity, prepared, now)
        answer = yield Send(requests.update(entity, [(before.id, body)], False), intent.send_by)
        outcome = classify(answer.value)
        if isinstance(outcome, NotExecuted):
            yield Append([Refused(intent.id, outcome.reason[:200])])
            if not outcome.may_retry:
                return None
            continue
        record = _record(work, entity, outcome.data) if isinstance(outcome, Executed) else None
        if record is not None and not _lost(entity, prepared, record):
            yield Append([Done(intent.id, before.id)])
            return record
        yield Append([Unknown(intent.id, "restoring custom fields")])
        seen = yield from read_one(work, entity, before.id)
        if isinstance(seen, Observed) and not _lost(entity, prepared, seen):
            yield Append([Found(intent.id, before.id)])
            return seen
        yield Append([Absent(intent.id)])
    return None


def _let_go(work: Work, entity: EntityType, prepared: Prepared, lost: Sequence[str]) -> Generator[Effect, Answer, None]:
    """Have the state forget what managed fields were that crmsync itself emptied: they would look like a person's edit."""
    binding = work.bindings.get(prepared.intent.address)
    known = binding.applied if binding is not None else {}
    released = tuple(row.id for row in map(entity.by_name.__getitem__, lost) if row.id in known)
    if released:
        yield Append([FieldsReleased(prepared.intent.address, released)])


def _body(work: Work, entity: EntityType, prepared: Prepared, now: Observed) -> dict[str, Any]:
    """Return the custom values that the record has *now*, and over them the lost ones, as they were before."""
    assert prepared.observed is not None
    custom = [row.name for row in entity.fields if row.definition_id is not None]
    sent = {change.field for change in prepared.changes}
    mine = {name: now.fields.get(name) for name in custom if name in sent}
    mine |= {name: prepared.observed.fields.get(name) for name in _lost(entity, prepared, now)}
    return encode_fields(entity, mine, now, work.catalogue.locale, all_custom_fields=True)


def _record(work: Work, entity: EntityType, data: object) -> Observed | None:
    if not isinstance(data, Mapping):
        return None
    try:
        return decode_body(entity, data, work.catalogue.locale)
    except (ValueError, TypeError, AttributeError):
        return None
