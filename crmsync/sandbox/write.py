"""
Create, update, delete: what a write does to one record, and what Copper does besides.

Facts: copper-api.md section 7. A write is refused as a whole, with every problem named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from crmsync.sandbox.codec import Bad
from crmsync.sandbox.names import PARTS, split_name
from crmsync.sandbox.replies import Invalid, Json, Problem, bad_request, blank, not_found, unrecognized, wrong
from crmsync.sandbox.store import Record, index_keys
from crmsync.sandbox.tables import ADDRESS_PARTS, ENTITIES, RELATABLE, EntityRow, FieldRow
from crmsync.sandbox.values import read
from crmsync.sandbox.world import Ghost, World

Values = dict[str, Any]


def create(world: World, row: EntityRow, body: Json, *, id: int | None = None) -> Record:
    """Return the new record made from *body*; raise `Invalid`. Outside edits may choose the *id*."""
    record, problems = _draft(world, row, body)
    if problems:
        raise Invalid(problems)
    for effect in EFFECTS.get(row.plural, ()):
        effect(world, record)
    record["id"] = id or world.store.next_id(row.plural)
    world.store.put(row.plural, record)
    world.lag.born[row.plural, record["id"]] = world.now
    return record


def dry_run(world: World, row: EntityRow, body: Json) -> list[Problem]:
    """Return what `create` would find wrong with *body*."""
    return _draft(world, row, body)[1]


def _draft(world: World, row: EntityRow, body: Json) -> tuple[Record, list[Problem]]:
    """Return the record that *body* would make, still without an id, and what is wrong with it."""
    values, problems = read_body(world, row, body, is_new=True)
    problems += [blank(f.name) for f in row.fields if f.required and f.kind == "text" and f.name not in body]
    problems += _taken(world, row, values, None)
    record = {field.name: _default(world, field) for field in row.fields} | values
    record |= {"date_created": world.stamp, "date_modified": world.stamp}
    record["custom_fields"] = _set_only(values.get("custom_fields", {}))
    _settle(row, record)
    for rule in RULES.get(row.plural, ()):
        problems += rule(world, values, record, None)
    return record, problems


def update(world: World, row: EntityRow, id: int, body: Json) -> Record:
    """Return the record after the keys in *body* were taken over; keys left out stay (7.1)."""
    old = _existing(world, row, id)
    values, problems = read_body(world, row, body, is_new=False)
    values = {name: _merged(world, row.field(name), old[name], value) for name, value in values.items()}
    problems += _taken(world, row, values, id)
    record = old | values
    _settle(row, record)
    for rule in RULES.get(row.plural, ()):
        problems += rule(world, values, record, old)
    if problems:
        raise Invalid(problems)
    if record == old and world.quirks.noop_put == "keep":
        return old
    record["date_modified"] = world.stamp
    world.store.put(row.plural, record)
    return record


def delete(world: World, row: EntityRow, id: int) -> Json:
    """Remove the record and, unless they dangle, the links to it; return Copper's confirmation (7.10)."""
    record = _existing(world, row, id)
    if world.quirks.delete_tasks == "cascade":
        for plural, referrer, _ in world.store.referrers(row.plural, id):
            if plural == "tasks":
                delete(world, ENTITIES[plural], referrer)
    if world.quirks.delete_links == "null":
        for plural, referrer, field in world.store.referrers(row.plural, id):
            world.store.put(plural, world.store.records[plural][referrer] | {field: None}, quiet=True)
    for link_id, link in list(world.store.things["related_links"].items()):
        if {"id": id, "entity_type": row.connect_type} in (link["source"], link["target"]):
            world.store.keep("related_links", link_id, None)
    world.store.remove(row.plural, id)
    world.lag.ghosts.append(Ghost(row.plural, record, world.now))
    return {"id": id, "is_deleted": True}


def heal(world: World, row: EntityRow, record: Record) -> Record:
    """Return the record with links to deleted records nulled, and store it so (quirk delete_links)."""
    gone = {field.name: None for field in row.fields if _is_dangling(world, field, record[field.name])}
    if gone:
        record = record | gone
        world.store.put(row.plural, record, quiet=True)
    return record


def _is_dangling(world: World, field: FieldRow, value: Any) -> bool:
    if value is None or (field.kind != "resource" and field.target not in ENTITIES):
        return False
    return not world.has(*(world.ref(value) if field.kind == "resource" else (field.target, value)))


def read_body(world: World, row: EntityRow, body: Json, *, is_new: bool) -> tuple[Values, list[Problem]]:
    """Return the values of the writable keys in *body* as they are stored, and what is wrong."""
    if not isinstance(body, dict):
        raise bad_request("the body must be an object")
    refused = [key for key in body if _is_refused(world, row, key, is_new)]
    problems = [unrecognized(refused)] if refused else []
    values: Values = {}
    for field in row.fields:
        if field.name not in body or not _is_writable(world, field, is_new):
            continue
        try:
            values[field.name] = read(world, row.singular, field, body[field.name])
        except Bad as bad:
            problems.append(_problem(field, bad))
    return values, problems


def _problem(field: FieldRow, bad: Bad) -> Problem:
    # "can't be blank" and "Unrecognized ..." are recorded without a lead-in (section 9).
    if bad.code in ("blank", "unrecognized"):
        return Problem(field.name, bad.why, bad.code)
    return Problem(field.name, wrong(field.name, bad.why).text, bad.code)


def _is_writable(world: World, field: FieldRow, is_new: bool) -> bool:
    if field.quirk and getattr(world.quirks, field.quirk) != "read_only":
        return True
    if field.write == "put":
        return is_new or world.quirks.person_company_put == "apply"
    return field.write == "yes" or (field.write == "create" and is_new)


def _is_refused(world: World, row: EntityRow, key: str, is_new: bool) -> bool:
    if key not in row.names:
        return world.quirks.unknown_keys == "refuse"
    field = row.field(key)
    if _is_writable(world, field, is_new):
        return False
    if field.write == "put":
        return world.quirks.person_company_put == "refuse"
    return world.quirks.own_read_only_keys == "refuse"


EMPTY: list[Json] = []
"""One for all records that have none: records are replaced, never edited, and a million of them count."""


def _default(world: World, field: FieldRow) -> Any:
    if field.default == "first":
        choices = world.account.lookups.get(field.target, ())
        return choices[0].id if choices else None
    return EMPTY if field.default == () else field.default


def _set_only(values: dict[int, Any]) -> dict[int, Any]:
    return {id: value for id, value in values.items() if value is not None}


def _settle(row: EntityRow, record: Record) -> None:
    """Give an address all its parts, or none, so that the same address is always stored the same."""
    for field in row.fields:
        if field.kind == "address" and record[field.name] is not None:
            parts = {part: record[field.name].get(part) for part in ADDRESS_PARTS}
            record[field.name] = parts if any(parts.values()) else None


def _existing(world: World, row: EntityRow, id: int) -> Record:
    record = world.visible(row.plural, id)
    if record is None:
        raise not_found()
    return heal(world, row, record)


def _merged(world: World, field: FieldRow, old: Any, new: Any) -> Any:
    """Return the value a PUT leaves: arrays, addresses and custom fields by their quirks (7.2)."""
    merge = MERGES.get(field.kind)
    return merge(world, field, old, new) if merge else new


def _merged_custom(world: World, field: FieldRow, old: Any, new: Any) -> Any:
    base = old if world.quirks.custom_fields_update == "merge" else {}
    return _set_only(base | new)


def _merged_address(world: World, field: FieldRow, old: Any, new: Any) -> Any:
    if world.quirks.address_update == "replace" or not old or not new:
        return new
    return old | new


def _merged_array(world: World, field: FieldRow, old: Any, new: Any) -> Any:
    if world.quirks.array_update == "replace":
        return new
    known = set(_member_keys(field, old))
    return old + [item for item, key in zip(new, _member_keys(field, new), strict=True) if key not in known]


def _member_keys(field: FieldRow, items: Sequence[Any]) -> list[str]:
    return [(item[field.key] if field.key else item).strip().casefold() for item in items]


MERGES: dict[str, Callable[[World, FieldRow, Any, Any], Any]] = {
    "custom_fields": _merged_custom,
    "address": _merged_address,
    "items": _merged_array,
    "tags": _merged_array,
}


def _taken(world: World, row: EntityRow, values: Values, id: int | None) -> list[Problem]:
    """Return a problem for each unique value that another record has (7.4; the wording is invented)."""
    return [
        Problem(field.name, "has already been taken", "taken")
        for field in row.fields
        if field.unique and field.name in values and _clashes(world, row, field, values[field.name], id)
    ]


PUBLIC_DOMAINS = frozenset({"gmail.com", "yahoo.com", "outlook.com", "hotmail.com", "icloud.com"})


def _clashes(world: World, row: EntityRow, field: FieldRow, value: Any, id: int | None) -> bool:
    for key in index_keys(field, value):
        if world.quirks.public_domains == "shared" and key in PUBLIC_DOMAINS:
            continue
        others = [other for other in world.store.ids(row.plural, field.name, key) if other != id]
        if others and (field.key != "email" or world.quirks.email_case == "casefold"):
            return True
        ours = {item["email"].strip() for item in value} if others else set()
        table = world.store.records[row.plural]
        if any(item["email"].strip() in ours for other in others for item in table[other][field.name]):
            return True
    return False


# Rules fill and check a record before it is stored; effects act on other records once all rules hold.


def _name_parts(world: World, sent: Values, record: Record, old: Record | None) -> list[Problem]:
    """Split the name into its parts, or join it of them where they can be written (quirk name_parts)."""
    if sent.keys() & set(PARTS) and ("name" not in sent or world.quirks.name_parts == "parts"):
        record["name"] = " ".join(record[part] for part in PARTS if record[part])
        return [] if record["name"] else [blank("name")]
    if record["name"]:
        record |= split_name(record["name"])
    return []


def _company_text(world: World, sent: Values, record: Record, old: Record | None) -> list[Problem]:
    # A link outranks the text; unlinking does not bring the text back.
    if record["company_id"] is not None or (old and old["company_id"] is not None):
        record["company_name"] = None
    return []


def _company_by_name(world: World, record: Record) -> None:
    """Link a new person to the company called so, or make one (4.2, a claim; quirk company_name)."""
    name = record["company_name"]
    if world.quirks.company_name == "text" or not (name or "").strip():
        return
    ids = world.store.ids("companies", "name", name.strip().casefold())
    found = [i for i in ids if world.store.records["companies"][i]["name"] == name]
    record["company_id"] = found[0] if found else create(world, ENTITIES["companies"], {"name": name})["id"]
    record["company_name"] = None


def _company_of_contact(world: World, sent: Values, record: Record, old: Record | None) -> list[Problem]:
    if old is not None:
        return []
    contact = world.store.get("people", record["primary_contact_id"] or 0)
    if "company_id" not in sent and contact and world.quirks.opportunity_company == "copy":
        record["company_id"] = contact["company_id"]
    if record["primary_contact_id"] is None and world.quirks.primary_contact == "required":
        return [blank("primary_contact_id")]
    return []


def _place_in_pipeline(world: World, sent: Values, record: Record, old: Record | None) -> list[Problem]:
    """Choose pipeline and stage where left out, and let the stage set win_probability (7.6, 7.7)."""
    if not world.account.pipelines:
        return [wrong("pipeline_id", "the account has no pipelines")]
    before = old or {"pipeline_id": None, "pipeline_stage_id": None}
    record["pipeline_id"] = record["pipeline_id"] or world.account.pipelines[0].id
    pipeline = next(p for p in world.account.pipelines if p.id == record["pipeline_id"])
    if "pipeline_stage_id" not in sent and record["pipeline_id"] != before["pipeline_id"]:
        record["pipeline_stage_id"] = pipeline.stages[0].id
    home, stage = world.account.by_stage[record["pipeline_stage_id"]]
    if home.id != pipeline.id:
        return [wrong("pipeline_stage_id", f"the stage is not of the pipeline {pipeline.id}: {stage.id}")]
    if stage.id == before["pipeline_stage_id"]:
        return []
    record["date_stage_changed"] = world.stamp
    if "win_probability" not in sent or world.quirks.stage_resets_probability == "always":
        record["win_probability"] = stage.win_probability
    return []


def _lead_name(world: World, sent: Values, record: Record, old: Record | None) -> list[Problem]:
    if record["status_id"] is None and world.account.lookups.get("lead_statuses"):
        return [blank("status_id")]
    return _name_parts(world, sent, record, old)


def _relatable(row: EntityRow) -> Rule:
    """Return the rule that a task or project belongs only to what it can be related to (7.9)."""

    def rule(world: World, sent: Values, record: Record, old: Record | None) -> list[Problem]:
        resource = sent.get("related_resource")
        if resource and frozenset({row.plural, world.ref(resource)[0]}) not in RELATABLE:
            return [wrong("related_resource", f"{row.singular} cannot be related to: {resource['type']}")]
        return []

    return rule


def _completion(world: World, sent: Values, record: Record, old: Record | None) -> list[Problem]:
    """Stamp completed_date when a task is completed, and clear it when it is opened again (7.7)."""
    if old is None or record["status"] != old["status"]:
        record["completed_date"] = world.stamp if record["status"] == "Completed" else None
    return []


Rule = Callable[[World, Values, Record, Record | None], list[Problem]]
RULES: Mapping[str, tuple[Rule, ...]] = {
    "people": (_name_parts, _company_text),
    "opportunities": (_company_of_contact, _place_in_pipeline),
    "leads": (_lead_name,),
    "projects": (_relatable(ENTITIES["projects"]),),
    "tasks": (_relatable(ENTITIES["tasks"]), _completion),
}
EFFECTS: Mapping[str, tuple[Callable[[World, Record], None], ...]] = {"people": (_company_by_name,)}
