"""
Records by label: what people do in the web app, and what an account file seeds.

Values are wire keys (`assignee_id=7`) or labels (`assignee="dana@ourfirm.com"`, `stage="Proposal"`,
`custom_fields.Tier="Gold"`). Every problem is a `LabelError` in one sentence.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from crmsync.sandbox.account import Definition
from crmsync.sandbox.codec import as_int, midnight, show_day
from crmsync.sandbox.replies import Invalid, Json, human
from crmsync.sandbox.store import Record, canonical
from crmsync.sandbox.tables import BY_SINGULAR, ENTITIES, EntityRow, FieldRow
from crmsync.sandbox.world import World
from crmsync.sandbox.write import create, delete, update


class LabelError(ValueError):
    """A value cannot be what was asked for; says why."""


@dataclass(frozen=True)
class SeedRecord:
    """A record of an account file: its type, its values by label, the line it is on."""

    plural: str
    values: Mapping[str, Any]
    line: int


def as_person(world: World) -> World:
    """Return the world as the web app sees it: every record, and nothing unknown about how edits behave."""
    web = replace(
        world.quirks,
        unknown_keys="refuse",
        own_read_only_keys="refuse",
        array_update="replace",
        address_update="merge",
        custom_fields_update="merge",
        person_company_put="apply",
        primary_contact="optional",
        stage_resets_probability="unless_sent",
        noop_put="keep",
    )
    return replace(world, quirks=web, sees_hidden=True)


def create_by_label(world: World, row: EntityRow, values: Mapping[str, Any]) -> Record:
    """Return the new record; an `id` among the values is taken over."""
    id = values.get("id")
    rest = {key: value for key, value in values.items() if key != "id"}
    body = to_wire(world, row, rest, {})
    if id is not None and (as_int(id) is None or world.store.get(row.plural, int(id)) is not None):
        raise LabelError(f"The id {id} cannot be given to a new {row.singular}: it is in use or not a number.")
    return _tried(lambda: create(as_person(world), row, body, id=int(id) if id is not None else None))


def edit_by_label(world: World, row: EntityRow, id: int, values: Mapping[str, Any]) -> Record:
    """Return the record after a person changed *values*."""
    record = _record(world, row, id)
    body = to_wire(world, row, values, record)
    return _tried(lambda: update(as_person(world), row, id, body))


def delete_outside(world: World, row: EntityRow, id: int) -> None:
    """Delete the record as a person would."""
    _record(world, row, id)
    delete(as_person(world), row, id)


def merge(world: World, row: EntityRow, winner: int, loser: int) -> Record:
    """
    Return the winner of a merge: it gains what it lacks, both arrays joined, and the loser's links.

    The loser is gone. Copper's own rules of merging are not documented; these are ours.
    """
    kept, gone = _record(world, row, winner), _record(world, row, loser)
    for plural, referrer, field in world.store.referrers(row.plural, loser):
        link = {"id": winner, "type": row.singular} if field == "related_resource" else winner
        world.store.put(plural, world.store.records[plural][referrer] | {field: link}, quiet=True)
    edges = world.store.edges((row.plural, loser))
    delete(as_person(world), row, loser)
    for other in edges:
        world.store.relate((row.plural, winner), other)
    merged = kept | {f.name: _joined(f, kept[f.name], gone[f.name]) for f in row.fields if f.write != "no"}
    merged["date_modified"] = world.stamp
    world.store.put(row.plural, merged)
    return merged


def clone(world: World, row: EntityRow, id: int) -> Record:
    """Return a copy of the record under a new id, without its unique values."""
    copy = dict(_record(world, row, id))
    copy |= {f.name: [] if f.kind == "items" else None for f in row.fields if f.unique}
    copy |= {"id": world.store.next_id(row.plural)}
    copy |= {"date_created": world.stamp, "date_modified": world.stamp}
    world.store.put(row.plural, copy)
    return copy


def seed(world: World, records: Iterable[SeedRecord]) -> list[tuple[int, str]]:
    """Create the records of an account file, links to later types last; return (line, problem) pairs."""
    problems: list[tuple[int, str]] = []
    later: list[tuple[EntityRow, int, dict[str, Any], int]] = []
    seeded: set[str] = set()
    by_type = list(records)
    for plural in SEED_ORDER:
        row = ENTITIES[plural]
        for record in (r for r in by_type if r.plural == plural):
            now = {k: v for k, v in record.values.items() if not _points_ahead(row, k, seeded)}
            rest = {k: v for k, v in record.values.items() if k not in now}
            try:
                made = create_by_label(world, row, now)
            except LabelError as error:
                problems.append((record.line, str(error)))
                continue
            if rest:
                later.append((row, made["id"], rest, record.line))
        seeded.add(plural)
    for row, id, rest, line in later:
        try:
            edit_by_label(world, row, id, rest)
        except LabelError as error:
            problems.append((line, str(error)))
    return problems


SEED_ORDER = ("companies", "people", "opportunities", "leads", "projects", "tasks")


def _points_ahead(row: EntityRow, key: str, seeded: set[str]) -> bool:
    wire = wire_name(row, key)
    target = row.field(wire).target if wire in row.names else ""
    return target in ENTITIES and target not in seeded


def _record(world: World, row: EntityRow, id: int) -> Record:
    record = world.store.get(row.plural, id)
    if record is None:
        raise LabelError(f"There is no {row.singular} with the id {id}.")
    return record


def _tried(act: Callable[[], Record]) -> Record:
    try:
        return act()
    except Invalid as invalid:
        lines = "; ".join(f"{human(p.field)}: {p.text}" for p in invalid.problems)
        raise LabelError(f"{lines}.") from invalid


def _joined(field: FieldRow, kept: Any, gone: Any) -> Any:
    if isinstance(kept, list):
        return kept + [item for item in gone if item not in kept]
    if isinstance(kept, dict) and isinstance(gone, dict):
        return gone | kept
    return gone if kept is None else kept


# ---- labels to wire values


def to_wire(world: World, row: EntityRow, values: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Json]:
    """Return *values* as the body of a request; *record* is what they change, {} for a new one."""
    body: dict[str, Json] = {}
    customs: list[Json] = []
    for key, value in values.items():
        if key == "custom_fields" and isinstance(value, Mapping):
            customs += [_custom(world, row, name, item) for name, item in value.items()]
        elif key.startswith("custom_fields."):
            customs.append(_custom(world, row, key.partition(".")[2], value))
        elif key == "custom_fields":
            customs += value
        else:
            wire = wire_name(row, key)
            if wire not in row.names:
                raise LabelError(f"A {row.singular} has no field called {key}.")
            body[wire] = _value(world, row.field(wire), value, {**record, **body})
    return body | ({"custom_fields": customs} if customs else {})


def wire_name(row: EntityRow, key: str) -> str:
    """Return the wire key that a person means: `assignee` is assignee_id, a lead's `status` its status_id."""
    if key == "stage":
        return "pipeline_stage_id"
    if key in row.names and (row.field(key).kind != "lead_status"):
        return key
    return f"{key}_id"


def _value(world: World, field: FieldRow, value: Any, record: Mapping[str, Any]) -> Json:
    convert = CONVERTERS.get(field.kind)
    return convert(world, field, value, record) if convert and value is not None else value


def _to_id(world: World, field: FieldRow, value: Any, record: Mapping[str, Any]) -> Json:
    id = as_int(value)
    if id is not None:
        return id
    candidates = NAMED.get(field.target, _named_choices)(world, field.target, str(value), record)
    if len(candidates) == 1:
        return candidates[0]
    what = "several" if candidates else "no"
    raise LabelError(f"There are {what} {field.target} called {value!r}.".replace("'", '"'))


def _named_choices(world: World, target: str, label: str, record: Mapping[str, Any]) -> list[int]:
    return _called(label, [(row.id, (row.name,)) for row in world.account.lookups.get(target, ())])


def _named_users(world: World, target: str, label: str, record: Mapping[str, Any]) -> list[int]:
    return _called(label, [(user.id, (user.email, user.name)) for user in world.account.users])


def _named_pipelines(world: World, target: str, label: str, record: Mapping[str, Any]) -> list[int]:
    return _called(label, [(pipeline.id, (pipeline.name,)) for pipeline in world.account.pipelines])


def _named_stages(world: World, target: str, label: str, record: Mapping[str, Any]) -> list[int]:
    home = record.get("pipeline_id")
    stages = [s for p in world.account.pipelines if home in (None, p.id) for s in p.stages]
    return _called(label, [(stage.id, (stage.name,)) for stage in stages])


def _named_records(world: World, target: str, label: str, record: Mapping[str, Any]) -> list[int]:
    row = ENTITIES[target]
    found: dict[int, None] = {}
    for field in row.fields:
        if field.index and (field.unique or field.name == "name"):
            found |= dict.fromkeys(world.store.ids(target, field.name, canonical(label)))
    return list(found)


def _called(label: str, rows: Sequence[tuple[int, tuple[str, ...]]]) -> list[int]:
    return [id for id, names in rows if canonical(label) in {canonical(name) for name in names}]


NAMED: dict[str, Callable[[World, str, str, Mapping[str, Any]], list[int]]] = {
    "users": _named_users,
    "pipelines": _named_pipelines,
    "pipeline_stages": _named_stages,
    **dict.fromkeys(ENTITIES, _named_records),
}


def _to_items(world: World, field: FieldRow, value: Any, record: Mapping[str, Any]) -> Json:
    items = value if isinstance(value, list) else [value]
    category = "work" if "work" in field.words else "other"
    return [{field.key: i, "category": category} if isinstance(i, str) else {"category": category, **i} for i in items]


def _to_number(world: World, field: FieldRow, value: Any, record: Mapping[str, Any]) -> Json:
    return str(value) if isinstance(value, float) else value


def _to_close_date(world: World, field: FieldRow, value: Any, record: Mapping[str, Any]) -> Json:
    day = _day(value)
    return show_day(day, world.quirks.close_date_order) if day else value


def _to_time(world: World, field: FieldRow, value: Any, record: Mapping[str, Any]) -> Json:
    day = _day(value)
    return midnight(day, world.account.zone) if day else value


def _to_email(world: World, field: FieldRow, value: Any, record: Mapping[str, Any]) -> Json:
    return {"email": value, "category": "work"} if isinstance(value, str) else value


def _to_resource(world: World, field: FieldRow, value: Any, record: Mapping[str, Any]) -> Json:
    """Return what a task or project belongs to, written `company/Acme` or as the wire has it."""
    kind, slash, label = value.partition("/") if isinstance(value, str) else ("", "", "")
    if not slash:
        return value
    if kind not in BY_SINGULAR:
        raise LabelError(f"There is no type of record called {kind}.")
    plural = BY_SINGULAR[kind].plural
    return {"type": kind, "id": _to_id(world, FieldRow("id", target=plural), label, record)}


def _day(value: Any) -> datetime.date | None:
    if isinstance(value, datetime.date):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        try:
            return datetime.date.fromisoformat(value)
        except ValueError as error:
            raise LabelError(f"There is no date {value}.") from error
    return None


CONVERTERS: dict[str, Callable[[World, FieldRow, Any, Mapping[str, Any]], Json]] = {
    "id": _to_id,
    "items": _to_items,
    "money": _to_number,
    "close_date": _to_close_date,
    "time": _to_time,
    "email": _to_email,
    "resource": _to_resource,
}


def _custom(world: World, row: EntityRow, name: str, value: Any) -> Json:
    definitions = [d for d in world.account.by_type.get(row.singular, ()) if name in (d.name, str(d.id))]
    if len(definitions) != 1:
        what = "several custom fields" if definitions else "no custom field"
        raise LabelError(f'A {row.singular} has {what} called "{name}".')
    convert = CUSTOM.get(definitions[0].data_type)
    wire = convert(world, definitions[0], value) if convert and value is not None else value
    return {"custom_field_definition_id": definitions[0].id, "value": wire}


def _to_option(world: World, definition: Definition, value: Any) -> Json:
    ids = [option.id for option in definition.options if value in (option.name, option.id, str(option.id))]
    if len(ids) != 1:
        raise LabelError(f'{definition.name} has no option called "{value}".')
    return ids[0]


def _to_options(world: World, definition: Definition, value: Any) -> Json:
    return [_to_option(world, definition, item) for item in (value if isinstance(value, list) else [value])]


def _to_bool(world: World, definition: Definition, value: Any) -> Json:
    return {"true": True, "false": False}.get(str(value).lower(), value)


def _to_midnight(world: World, definition: Definition, value: Any) -> Json:
    day = _day(value)
    return midnight(day, world.account.zone) if day else value


def _to_decimal(world: World, definition: Definition, value: Any) -> Json:
    return Decimal(str(value)) if isinstance(value, float) else value


CUSTOM: dict[str, Callable[[World, Definition, Any], Json]] = {
    "Dropdown": _to_option,
    "MultiSelect": _to_options,
    "Checkbox": _to_bool,
    "Date": _to_midnight,
    "Float": _to_decimal,
    "Percentage": _to_decimal,
    "Currency": _to_decimal,
}
