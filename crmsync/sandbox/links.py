"""Links of Connect fields: `/related_links` (copper-api.md 5.5). A link is kept as two, one each way."""

from __future__ import annotations

from crmsync.sandbox.account import Definition
from crmsync.sandbox.calls import Call, Form, path_id, thing
from crmsync.sandbox.codec import Bad, as_int, read_id
from crmsync.sandbox.replies import Answer, Invalid, Json, blank, wrong
from crmsync.sandbox.tables import ENTITIES
from crmsync.sandbox.world import World

SHELF = "related_links"
BY_CONNECT_TYPE = {row.connect_type: row for row in ENTITIES.values() if row.connect_type}
TYPES = (*BY_CONNECT_TYPE, "user")


def list_links(world: World, call: Call) -> Answer:
    """Answer the links of a record, of one field or of all."""
    kind, id = call.query.get("source_type"), as_int(call.query.get("source_id"))
    field = call.query.get("custom_field_definition_id")
    missing = [key for key in ("source_type", "source_id") if not call.query.get(key)]
    if missing:
        raise Invalid([blank(key) for key in missing])
    if kind not in TYPES or id is None:
        raise Invalid([wrong("source_type", f"{kind}/{call.query.get('source_id')}")])
    source = {"id": id, "entity_type": kind}
    links = [link for link in world.store.things[SHELF].values() if link["source"] == source]
    return Answer([_show(world, k) for k in links if field is None or k["custom_field_definition_id"] == as_int(field)])


def create(world: World, call: Call) -> Answer:
    """Link two records by a Connect field, in both directions."""
    form = Form(world, call.body, ("custom_field_definition_id", "source", "target"), ("id",))
    definition = _definition(world, form)
    source, target = (_end(world, form, name) for name in ("source", "target"))
    partner = world.account.by_definition.get(definition.partner) if definition else None
    for end, on in (("source", definition), ("target", partner)):
        kind = form.body[end]["entity_type"] if isinstance(form.body.get(end), dict) and not form.problems else "user"
        if on is not None and kind != "user" and BY_CONNECT_TYPE[kind].singular not in on.available_on:
            form.wrong(end, f"{on.name} is not available on {kind}")
    form.settle()
    assert definition is not None
    assert partner is not None
    forth = {"custom_field_definition_id": definition.id, "source": source, "target": target}
    back = {"custom_field_definition_id": partner.id, "source": target, "target": source}
    links = world.store.things[SHELF].values()
    if any(link == forth | {"id": link["id"], "partner": link["partner"]} for link in links):
        raise Invalid([wrong("target", "the records are linked already")])
    id = world.store.next_id(SHELF)
    world.store.keep(SHELF, id, {"id": id, **forth, "partner": id + 1})
    world.store.keep(SHELF, id + 1, {"id": id + 1, **back, "partner": id})
    return Answer(_show(world, world.store.things[SHELF][id]))


def delete(world: World, call: Call) -> Answer:
    """Remove a link in both directions."""
    link = thing(world, SHELF, path_id(world, call.parts["id"]))
    ids = [link["id"], link["partner"]]
    for id in ids:
        world.store.keep(SHELF, id, None)
    return Answer({"ids": ids, "is_deleted": True})


def _definition(world: World, form: Form) -> Definition | None:
    id = as_int(form.body.get("custom_field_definition_id"))
    definition = world.account.by_definition.get(id or 0)
    if definition is None or definition.data_type != "Connect":
        form.wrong("custom_field_definition_id", f"there is no Connect field with this id: {id}")
        return None
    return definition


def _end(world: World, form: Form, name: str) -> dict[str, Json]:
    value = form.body.get(name)
    if not isinstance(value, dict):
        form.problems.append(blank(name))
        return {}
    kind = value.get("entity_type")
    if kind not in TYPES:
        form.wrong(name, f"entity_type must be one of {', '.join(TYPES)}: {kind}")
        return {}
    try:
        id = read_id(value.get("id"))
    except Bad as bad:
        form.wrong(name, bad.why)
        return {}
    if id is None or _name(world, str(kind), id) is None:
        form.wrong(name, f"there is none with this id: {id}")
    return {"id": id, "entity_type": kind}


def _name(world: World, kind: str, id: int) -> str | None:
    if kind == "user":
        return next((user.name for user in world.account.users if user.id == id), None)
    record = world.visible(BY_CONNECT_TYPE[kind].plural, id)
    return record["name"] if record is not None else None


def _show(world: World, link: dict[str, Json]) -> Json:
    ends = {
        end: {**link[end], "name": _name(world, link[end]["entity_type"], link[end]["id"])} for end in ("source", "target")
    }
    return {"id": link["id"], "custom_field_definition_id": link["custom_field_definition_id"], **ends}
