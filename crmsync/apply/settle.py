"""
Settling: finding out whether a request whose outcome is unknown was executed.

Updates, relations and deletes are settled by re-reading the record: at once, and where it does not show the change, once
more when the settling time has passed, for Copper may still carry it out, over what comes after. A create is settled once
the settling time after its last possible send has passed (late commits, search lag): among the unbound records created since
the intent, those whose every sent field has the digest in the intent are ours. As many as there are equal intents: bound, in
the order of ids. None, and none that shares name or natural key either: it never happened, and may be sent again. Anything
else is for a human to look at.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from crmsync.apply.answers import as_left
from crmsync.apply.reading import newest, read_one
from crmsync.apply.restoring import is_restoring
from crmsync.apply.twins import likeness
from crmsync.apply.work import ANSWER_SECONDS, SEND_SECONDS, Work
from crmsync.model.catalogue import EntityType, Field
from crmsync.model.effects import Answer, Append, Effect, Emit, Progress, Sleep
from crmsync.model.events import (
    Absent,
    Applied,
    Bound,
    Event,
    FieldsApplied,
    FieldsReleased,
    Forgotten,
    Found,
    Intent,
    Origin,
    WriteAction,
)
from crmsync.model.records import Observed
from crmsync.model.values import is_empty
from crmsync.plan.sent import confirmed

#: How far back from the intent a record may claim to be created, in seconds: clocks differ.
LOOK_BACK_SECONDS = 60
#: How often the new records are read before it is believed that one is not among them.
READINGS = 3


class Settled(Struct, frozen=True):
    """
    What became of an intent: *status* is found, absent or unknown (still), with the record where there is one.

    *released* are fields, by id, that crmsync itself emptied: the state forgets what they were, or they looked like an edit.
    """

    intent: Intent
    status: str
    observed: Observed | None = None
    detail: str = ""
    released: tuple[str, ...] = ()


Settling = Generator[Effect, Answer, list[Settled]]


def settle(work: Work, intents: Sequence[Intent], bound: set[tuple[str, int]]) -> Settling:
    """Settle *intents*, waiting where it takes time, and commit what was found out. *bound* records are somebody's."""
    settled: list[Settled] = []
    for intent in intents:
        if intent.action is not WriteAction.CREATE:
            settled.append((yield from _reread(work, intent, _last_sent(work, intent))))
    settled = yield from _reread_late(work, settled)
    creates = [intent for intent in intents if intent.action is WriteAction.CREATE]
    if creates:
        until = max(_last_sent(work, intent) for intent in creates) + work.job.settle_seconds
        lasting = f"until {work.job.settle_seconds:.0f} s after they were sent, for they may still turn up"
        yield Emit(Progress(0, len(creates), f"{len(creates)} creates had no clear answer; waiting {lasting}"))
        answer = yield Sleep(until)
        work.is_stopping = answer.is_stopping
        if answer.is_stopping:
            settled += [Settled(intent, "unknown", None, "interrupted") for intent in creates]
        else:
            settled += yield from _settle_creates(work, creates, bound)
    events = [event for each in settled for event in _events(work, each)]
    if events:
        yield Append(events)
    return settled


def _settle_creates(work: Work, creates: Sequence[Intent], bound: set[tuple[str, int]]) -> Settling:
    by_type: dict[str, list[Intent]] = {}
    for intent in creates:
        by_type.setdefault(intent.address.type, []).append(intent)
    settled: list[Settled] = []
    for type_name, group in sorted(by_type.items()):
        settled += yield from _search(work, work.catalogue[type_name], group, bound)
    return settled


def _last_sent(work: Work, intent: Intent) -> float:
    """
    Return when the request of *intent* left at the latest, on our clock.

    A process that is stopped between its last look at the clock and the request sends later than it may: that can be so
    when it took very long to hear of it. The `send_by` of another run is on the clock of its host, which may differ from
    ours by any amount. Copper's clock is the one that both know.
    """
    if intent.run == work.job.run:
        heard = work.heard.get(intent.id, 0.0)
        return heard if heard > intent.send_by + ANSWER_SECONDS else intent.send_by
    return intent.server_clock + SEND_SECONDS - work.skew


def _reread_late(work: Work, settled: Sequence[Settled]) -> Settling:
    """Return *settled*, of which those that did not happen so far are looked at once more after the settling time."""
    waiting = [each for each in settled if each.status == "absent" and each.observed is not None]
    if not waiting:
        return list(settled)
    lasting = f"waiting until {work.job.settle_seconds:.0f} s after they were sent, for they may still be carried out"
    yield Emit(Progress(0, len(waiting), f"{len(waiting)} writes had no clear answer; {lasting}"))
    later = []
    for each in settled:
        until = _last_sent(work, each.intent) + work.job.settle_seconds
        later.append((yield from _reread(work, each.intent, until)) if each in waiting else each)
    return later


def _reread(work: Work, intent: Intent, at: float) -> Generator[Effect, Answer, Settled]:
    """Settle a write to a record that exists by looking at it, not before *at*."""
    answer = yield Sleep(at)
    work.is_stopping = answer.is_stopping
    if answer.is_stopping:
        return Settled(intent, "unknown", None, "interrupted")
    entity = work.catalogue[intent.address.type]
    assert intent.record_id is not None
    record = yield from read_one(work, entity, intent.record_id)
    if isinstance(record, str):
        return Settled(intent, "unknown", None, record)
    is_delete = intent.action is WriteAction.DELETE
    if record is None:
        return Settled(intent, "found" if is_delete else "absent")
    if is_delete or not _is_as_sent(work, entity, intent, record):
        return Settled(intent, "absent", record)
    lost = _lost(work, entity, intent, record)
    released = tuple(sorted(row.id for row in lost)) if is_restoring(intent) else ()
    return Settled(intent, "found", record, _losses(lost, bool(released)), released)


def _lost(work: Work, entity: EntityType, intent: Intent, record: Observed) -> list[Field]:
    """
    Return the managed custom fields of which the values seem to have gone with the request.

    In the run that sent it they are written back (`crmsync.apply.restoring`); a later one does not know them. Where that
    was under way they were empty already, so that it is hardly a person who emptied them.
    """
    custom = {row.id: row for row in entity.fields if row.definition_id is not None}
    binding = work.bindings.get(intent.address)
    if binding is None or not custom.keys() & intent.fields.keys():
        return []
    known = {id: applied.answered for id, applied in binding.applied.items() if id in custom and id not in intent.fields}
    gone = [custom[id] for id, answered in known.items() if is_empty(record.fields.get(custom[id].name))]
    return sorted((row for row in gone if known[row.id] != _digest(work, row, record)), key=lambda row: row.name)


def _losses(lost: Sequence[Field], is_certain: bool) -> str:
    """Return what to say of custom values that are *lost*, or nothing."""
    if not lost:
        return ""
    names, unless = ", ".join(row.name for row in lost), "" if is_certain else ", unless their policy says otherwise"
    return (
        f"It has no {names} any more: this account seems to replace custom fields. The plan puts back what the "
        f"files declare{unless}; look in Copper for other custom values of it that went too."
    )


def _is_as_sent(work: Work, entity: EntityType, intent: Intent, record: Observed) -> bool:
    """
    Say whether every field of *record* that was sent has the digest that was sent.

    One that Copper may have reset for a sibling's sake proves nothing: the sibling does.
    """
    rows = {field_id: entity.by_id.get(field_id) for field_id in intent.fields}
    return all(
        row is not None and (_may_be_reset(entity, intent, row) or _digest(work, row, record) == intent.fields[field_id])
        for field_id, row in rows.items()
    )


def _may_be_reset(entity: EntityType, intent: Intent, row: Field) -> bool:
    is_new = intent.action is WriteAction.CREATE
    return row.reset_by is not None and (is_new or entity.by_name[row.reset_by].id in intent.fields)


def _digest(work: Work, row: Field, record: Observed) -> str:
    return work.digester.value(row, record.fields.get(row.name))


def _search(work: Work, entity: EntityType, intents: Sequence[Intent], bound: set[tuple[str, int]]) -> Settling:
    """Settle creates of one type by the records created since."""
    since = int(min(intent.server_clock for intent in intents)) - LOOK_BACK_SECONDS
    records = yield from newest(work, entity, since, bound, READINGS)
    if isinstance(records, str):
        return [Settled(intent, "unknown", None, records) for intent in intents]
    last = max(_last_sent(work, intent) for intent in intents) + work.skew + work.job.settle_seconds
    free = [record for record in records if _created(record, default=last) <= last]
    return match_creates(work, entity, intents, free)


def _created(record: Observed, default: float) -> float:
    created = record.body.get("date_created")
    return created if isinstance(created, int) else default


def match_creates(work: Work, entity: EntityType, intents: Sequence[Intent], free: Sequence[Observed]) -> list[Settled]:
    """
    Return which of *intents* are which of the *free* records.

    Those that sent the most are matched first: a record that fits a request which sent less may be that of one which
    sent more. What is matched is nobody else's, nor a likeness of anything.
    """
    settled: list[Settled] = []
    nowhere: list[Intent] = []
    left = {record.id: record for record in free}
    equal: dict[tuple[tuple[str, str], ...], list[Intent]] = {}
    for intent in sorted(intents, key=lambda each: (-len(each.fields), each.id)):
        equal.setdefault(tuple(sorted(intent.fields.items())), []).append(intent)
    for group in equal.values():
        others = {id for intent in group for id in intent.besides}
        fitting = [record for _, record in sorted(left.items()) if _is_as_sent(work, entity, group[0], record)]
        matches = [record for record in fitting if record.id not in others]
        if not matches:
            nowhere += group
        elif len(matches) == len(group):
            settled += [Settled(intent, "found", record) for intent, record in zip(group, matches, strict=True)]
        else:
            ids = ", ".join(f"#{record.id}" for record in matches)
            detail = (
                f"{len(matches)} new records fit {len(group)} requests: {ids}. Adopt the right one: crmsync: {{id: ...}}"
            )
            settled += [Settled(intent, "unknown", None, detail) for intent in group]
        left = {id: record for id, record in left.items() if record not in matches}
    return settled + [_none_matches(work, entity, intent, list(left.values())) for intent in nowhere]


def _none_matches(work: Work, entity: EntityType, intent: Intent, free: Sequence[Observed]) -> Settled:
    for record in (each for each in free if each.id not in intent.besides):
        marks = likeness(work, entity, record.fields)
        if set(marks.values()) & set(intent.likeness.values()):
            detail = (
                f'A new record "{record.name}" (#{record.id}) is like it, but not the same. '
                f"If it is this one, adopt it: crmsync: {{id: {record.id}}}"
            )
            return Settled(intent, "unknown", None, detail)
    return Settled(intent, "absent")


def _events(work: Work, settled: Settled) -> list[Event]:
    intent = settled.intent
    if settled.status == "unknown":
        return []
    if settled.status == "absent":
        return [Absent(intent.id), *_landed(work, settled)]
    if intent.action is WriteAction.DELETE:
        return [Found(intent.id, intent.record_id or 0), Forgotten(intent.address, "deleted")]
    record = settled.observed
    assert record is not None
    events: list[Event] = [Found(intent.id, record.id)]
    if intent.action is WriteAction.CREATE:
        events.append(Bound(intent.address, record.id, Origin.CREATED))
    events.append(FieldsApplied(intent.address, _applied(work, intent, record)))
    return [*events, FieldsReleased(intent.address, settled.released)] if settled.released else events


def _landed(work: Work, settled: Settled) -> list[Event]:
    """Note those fields that have what was sent although others have not: else they would look like a person's edit."""
    intent, record = settled.intent, settled.observed
    if intent.action is not WriteAction.UPDATE or record is None:
        return []
    rows = work.catalogue[intent.address.type].by_id
    sent = {id: asked for id, asked in intent.fields.items() if id in rows and _digest(work, rows[id], record) == asked}
    return [FieldsApplied(intent.address, _applied(work, replace(intent, fields=sent), record))] if sent else []


def _applied(work: Work, intent: Intent, record: Observed) -> Mapping[str, Applied]:
    entity = work.catalogue[intent.address.type]
    fields = {}
    for field_id, asked in intent.fields.items():
        row = entity.by_id.get(field_id)
        if row is None:
            continue
        value, digest = record.fields.get(row.name), _digest(work, row, record)
        if digest != asked and _may_be_reset(entity, intent, row):
            fields[field_id] = as_left(digest)
        else:
            fields[field_id] = confirmed(row, asked, intent.members.get(field_id, {}), value, work.digester)
    return fields
