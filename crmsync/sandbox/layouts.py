"""`GET /field_layouts/by_entity/{plural}` (copper-api.md 4.9): which fields a record shows, in order."""

from __future__ import annotations

from crmsync.sandbox.calls import Call
from crmsync.sandbox.codec import as_int
from crmsync.sandbox.replies import Answer, Invalid, blank, no_route, wrong
from crmsync.sandbox.tables import ENTITIES, EntityRow
from crmsync.sandbox.world import World


def layout(world: World, call: Call) -> Answer:
    """
    Answer a row for each writable field and each custom field; of opportunities, for one pipeline.

    Keys, and the name of the first field, are those that a client was tested with (4.9).
    """
    row = ENTITIES.get(call.parts["plural"])
    if row is None:
        raise no_route()
    if row.plural == "opportunities":
        pipeline = call.query.get("pipeline_id")
        if not pipeline:
            raise Invalid([blank("pipeline_id")])
        if as_int(pipeline) not in world.account.ids["pipelines"]:
            raise Invalid([wrong("pipeline_id", f"there is none with this id: {pipeline}")])
    own = [f.name for f in row.fields if f.write != "no" and f.name != "custom_fields"]
    fixed = [{"field_id": n, "field_key": _key(row, name), "field_type": "static_field"} for n, name in enumerate(own)]
    custom = [
        {"field_id": d.id, "field_key": d.canonical_name or d.name, "field_type": "custom_field"}
        for d in world.account.by_type.get(row.singular, ())
    ]
    return Answer(fixed + custom)


def _key(row: EntityRow, name: str) -> str:
    return "full_name" if name == "name" and "first_name" in row.names else name
