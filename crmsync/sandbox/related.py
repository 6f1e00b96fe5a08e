"""Related items: reading, adding and removing the ties between records (copper-api.md 7.9)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crmsync.sandbox.codec import Bad, read_id
from crmsync.sandbox.replies import Invalid, Json, Problem, Refusal, blank, common, no_route, not_found, wrong
from crmsync.sandbox.store import Record, Ref
from crmsync.sandbox.tables import BY_SINGULAR, ENTITIES, RELATABLE, EntityRow
from crmsync.sandbox.world import World

TIES: tuple[tuple[str, str], ...] = (
    *dict.fromkeys(holder for holder in RELATABLE.values() if holder is not None),
    ("opportunities", "primary_contact_id"),
)
"""The link fields that are relations as well."""


def related(world: World, row: EntityRow, id: int, plural: str | None = None) -> list[Json]:
    """Return what the record is related to, of one type or of all, as `{"id", "type"}`."""
    if plural is not None and plural not in ENTITIES:
        raise no_route()
    if world.visible(row.plural, id) is None:
        raise not_found()
    found = dict.fromkeys(_neighbours(world, (row.plural, id)))
    return [
        {"id": other, "type": ENTITIES[kind].singular}
        for kind, other in found
        if plural in (None, kind) and world.visible(kind, other) is not None
    ]


def relate(world: World, row: EntityRow, id: int, body: Json) -> Json:
    """Tie two records; a second company, or a tie that exists, is refused (UNK, section 7.9: 422)."""
    ref, other = _pair(world, row, id, body)
    added = {"added": True, "resource": _show(other)}
    if other in set(_neighbours(world, ref)):
        if world.quirks.relate_again == "accept":
            return added
        raise Invalid([wrong("resource", "the records are related already")])
    holder = RELATABLE[frozenset({ref[0], other[0]})]
    if holder is None:
        world.store.relate(ref, other)
        return added
    plural, field = holder
    child, parent = (ref, other) if ref[0] == plural else (other, ref)
    if world.store.records[plural][child[1]][field] is None or world.quirks.second_company == "replace":
        _set(world, child, field, _link(field, parent))
    elif plural == "projects":
        # A project may have many; related_resource shows the first.
        world.store.relate(ref, other)
    else:
        raise Invalid([wrong("resource", "there is a relation already and no second is allowed")])
    return added


def unrelate(world: World, row: EntityRow, id: int, body: Json) -> Json:
    """Untie two records; untying what is not tied is refused with the recorded text (7.9)."""
    ref, other = _pair(world, row, id, body)
    if other not in set(_neighbours(world, ref)):
        status = int(world.quirks.unrelated)
        raise Refusal(status, common(status, "Invalid request: Resources are not related"))
    for plural, field in TIES:
        for child, parent in ((ref, other), (other, ref)):
            record = world.store.records[plural].get(child[1]) if child[0] == plural else None
            if record is not None and _parent(world, plural, record, field) == parent:
                _set(world, child, field, None)
    world.store.unrelate(ref, other)
    return {"removed": True, "resource": _show(other)}


def _show(ref: Ref) -> dict[str, Json]:
    return {"id": ref[1], "type": ENTITIES[ref[0]].singular}


def _link(field: str, parent: Ref) -> Json:
    return _show(parent) if field == "related_resource" else parent[1]


def _parent(world: World, plural: str, record: Record, field: str) -> Ref | None:
    """Return what a link field names, or None."""
    value = record[field]
    if value is None:
        return None
    return world.ref(value) if field == "related_resource" else (ENTITIES[plural].field(field).target, value)


def _neighbours(world: World, ref: Ref) -> Iterator[Ref]:
    plural, id = ref
    record = world.store.records[plural][id]
    for holder, field in TIES:
        parent = _parent(world, plural, record, field) if holder == plural else None
        if parent is not None:
            yield parent
        is_resource = field == "related_resource"
        if is_resource or ENTITIES[holder].field(field).target == plural:
            key = f"{ENTITIES[plural].singular}/{id}" if is_resource else id
            yield from ((holder, child) for child in world.store.ids(holder, field, key))
    yield from world.store.edges(ref)


def _set(world: World, ref: Ref, field: str, value: Any) -> None:
    plural, id = ref
    record = world.store.records[plural][id] | {field: value, "date_modified": world.stamp}
    # The text given on create gives way to the link (4.2).
    if "company_name" in record:
        record["company_name"] = None
    # Webhooks do not tell of relations (section 10).
    world.store.put(plural, record, quiet=True)


def _pair(world: World, row: EntityRow, id: int, body: Json) -> tuple[Ref, Ref]:
    if world.visible(row.plural, id) is None:
        raise not_found()
    resource = body.get("resource") if isinstance(body, dict) else None
    if not isinstance(resource, dict):
        raise Invalid([blank("resource")])
    problems: list[Problem] = []
    kind = BY_SINGULAR.get(str(resource.get("type")))
    if kind is None or frozenset({row.plural, kind.plural}) not in RELATABLE:
        problems.append(wrong("type", f"{row.singular} cannot be related to: {resource.get('type')}"))
    try:
        other = read_id(resource.get("id"))
    except Bad as bad:
        raise Invalid([*problems, wrong("id", bad.why)]) from bad
    if kind is not None and (other is None or world.visible(kind.plural, other) is None):
        problems.append(wrong("id", f"there is none with this id: {other}"))
    if problems or kind is None or other is None:
        raise Invalid(problems or [blank("id")])
    return (row.plural, id), (kind.plural, other)
