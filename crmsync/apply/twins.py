"""Twins: records that somebody else made and that may be the one an address means."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from crmsync.apply.reading import newest
from crmsync.apply.work import Work
from crmsync.model.catalogue import EntityType, Match
from crmsync.model.effects import Answer, Effect
from crmsync.model.events import WriteAction
from crmsync.model.packed import fields_named
from crmsync.model.plan import Step
from crmsync.model.records import Observed
from crmsync.model.values import Members, Value

#: How long before the plan a record may have been created and yet not have been seen by it: search lags (section 6.5).
LOOK_BACK_SECONDS = 60


def likeness(work: Work, entity: EntityType, values: Mapping[str, Any]) -> dict[str, str]:
    """Return digests of the name and of each natural key in *values*: two records that share one may be twins."""
    names = {"name", *(match.by for match in entity.match_on)}
    marks = {}
    for name in sorted(names & set(values)):
        for number, key in enumerate(_keys(values[name])):
            marks[f"{name}/{number}"] = work.digester.text(name, str(key))
    return marks


def _keys(value: Value) -> list[Value]:
    keys = [member.key for member in value] if isinstance(value, Members) else [value]
    return [key for key in keys if key is not None]


def find_twins(work: Work) -> Generator[Effect, Answer, list[tuple[Step, Observed]]]:
    """
    Return the creates of which somebody made a twin since the plan: one newest-created search per type.

    A record that is to be created although a likeness exists (`new: true`) has no twin. What was there before the first
    request is remembered: it cannot be what a request without an answer made.
    """
    bound = {(address.type, id) for address, id in work.ids.items()}
    twins: list[tuple[Step, Observed]] = []
    for entity in work.catalogue.types:
        if entity.name not in work.creating:
            continue
        free = yield from newest(work, entity, int(work.job.planned_at) - LOOK_BACK_SECONDS, bound)
        if isinstance(free, str):
            work.stop_reason = free
            return []
        _remember(work, entity, free)
        twins += _pairs(work, entity, free)
    return twins


def _remember(work: Work, entity: EntityType, records: Sequence[Observed]) -> None:
    """Keep which *records* were there before the first request, and by which marks each is known."""
    for record in records:
        work.earlier.add((entity.name, record.id))
        for mark in likeness(work, entity, record.fields).values():
            work.earlier_by_mark.setdefault((entity.name, mark), set()).add(record.id)


def besides(work: Work, entity: EntityType, marks: Mapping[str, str]) -> tuple[int, ...]:
    """Return the ids of the records that were there before the first request and share one of the digests *marks*."""
    return tuple(sorted({id for mark in marks.values() for id in work.earlier_by_mark.get((entity.name, mark), ())}))


def _pairs(work: Work, entity: EntityType, records: Sequence[Observed]) -> list[tuple[Step, Observed]]:
    """Return the creates that one of *records* is a twin of, with that."""
    if not records:
        return []
    names = {name for match in entity.match_on for name in (match.by, match.within) if name is not None}
    table = {mark: record for record in records for mark in _marks(entity, record.fields)}
    anywhere = {mark[:2]: record for mark, record in table.items()}
    pairs = []
    for step in work.job.plan.steps:
        if step.address.type != entity.name or step.action is not WriteAction.CREATE:
            continue
        if work.change(step.address).may_be_twin:
            continue
        fields = {change.field: change.after for change in fields_named(work.change(step.address).fields, names)}
        # Without a declared company the name alone decides: whose deal it is will be a person's business.
        found = [
            anywhere.get(mark[:2]) if mark[0].within not in fields else table.get(mark) for mark in _marks(entity, fields)
        ]
        twin = next((record for record in found if record is not None), None)
        if twin is not None:
            pairs.append((step, twin))
    return pairs


def _marks(entity: EntityType, fields: Mapping[str, Value]) -> list[tuple[Match, Value, Value]]:
    """Return, by each rung of the identity ladder, the keys under which a record is the same as another."""
    return [
        (match, key, fields.get(match.within) if match.within is not None else None)
        for match in entity.match_on
        for key in _keys(fields.get(match.by))
    ]
