"""Activities: what was logged about records (copper-api.md 4.8). Their delete is soft: a stub stays."""

from __future__ import annotations

from functools import partial
from typing import Any

from crmsync.sandbox.account import SYSTEM_TYPES, show_activity_type
from crmsync.sandbox.bulk import bulk_items, bulk_outcome
from crmsync.sandbox.calls import Call, Form, path_id, thing
from crmsync.sandbox.codec import Bad, as_int, read_id
from crmsync.sandbox.finding import cut
from crmsync.sandbox.orders import Order
from crmsync.sandbox.replies import Answer, Invalid, Json, blank, not_found, wrong
from crmsync.sandbox.search import page_window, read_paging
from crmsync.sandbox.store import canonical
from crmsync.sandbox.tables import ACTIVITIES, BY_SINGULAR, EntityRow
from crmsync.sandbox.world import World

SHELF = ACTIVITIES.plural
NOTE = 0
READ_ONLY = tuple(field.name for field in ACTIVITIES.fields if field.write == "no")
CREATE_KEYS = tuple(field.name for field in ACTIVITIES.fields if field.write != "no")
SEARCH_KEYS = (
    "parent",
    "activity_types",
    "page_number",
    "page_size",
    "minimum_activity_date",
    "maximum_activity_date",
    "full_result",
)


def list_types(world: World, call: Call) -> Answer:
    """Answer the types in their two categories, which share their ids."""
    user = [show_activity_type(NOTE, "user", "Note")]
    user += [kind.show_as_activity_type() for kind in world.account.activity_types]
    system = [show_activity_type(id, "system", name) for id, name in SYSTEM_TYPES.items()]
    return Answer({"user": user, "system": system})


def get(world: World, call: Call) -> Answer:
    """Answer an activity, or the stub of a deleted one."""
    return Answer(thing(world, SHELF, path_id(world, call.parts["id"])))


def create(world: World, call: Call) -> Answer:
    """Log an activity; it may count as an interaction of its parent."""
    return Answer(_create(world, call.body, call.user_email))


def bulk_create(world: World, call: Call) -> Answer:
    """Log up to ten activities, each on its own (section 8)."""
    items = bulk_items(world, SHELF, call.body)
    return Answer([bulk_outcome(world, partial(_create, world, item, call.user_email), None) for item in items])


def update(world: World, call: Call) -> Answer:
    """Change details or date; system activities and deleted ones cannot be changed."""
    id = path_id(world, call.parts["id"])
    old = _written_by_people(world, id)
    form = Form(world, call.body, CREATE_KEYS, READ_ONLY)
    details = form.text("details", old["details"], longest=0)
    date = _date(form, old["activity_date"])
    form.settle()
    new = old | {"details": details, "activity_date": date}
    if new != old or world.quirks.noop_put == "bump":
        new["date_modified"] = world.stamp
        world.store.keep(SHELF, id, new)
    return Answer(new)


def delete(world: World, call: Call) -> Answer:
    """Leave a stub in place of the activity."""
    id = path_id(world, call.parts["id"])
    _written_by_people(world, id)
    stub = {"id": id, "is_deleted": True}
    world.store.keep(SHELF, id, stub)
    return Answer(stub)


def _written_by_people(world: World, id: int) -> dict[str, Json]:
    """Return an activity that can be changed: deleted ones are gone, those of the system are read-only (4.8)."""
    activity = thing(world, SHELF, id)
    if activity.get("is_deleted"):
        raise not_found()
    if activity["type"]["category"] == "system":
        raise Invalid([wrong("type", "an entry of the system cannot be changed")])
    return activity


def search(world: World, call: Call) -> Answer:
    """Answer activities, newest first, that meet every criterion (6.1)."""
    form = Form(world, call.criteria, SEARCH_KEYS)
    parent = _parent(world, form, form.body["parent"]) if form.body.get("parent") else None
    kinds = _kinds(form)
    low, high = (as_int(form.body.get(key)) for key in SEARCH_KEYS[4:6])
    number, size = read_paging(world, form.body, form.problems)
    form.settle()
    order = _newest_last(world)
    start, end = order.window(*((bound,) if bound is not None else None for bound in (low, high)))
    found = [world.store.things[SHELF][id] for id in order[start:end]]
    if world.quirks.deleted_activities == "omit":
        found = [activity for activity in found if not activity.get("is_deleted")]
    if parent is not None or kinds:
        found = [activity for activity in found if _fits(activity, parent, kinds)]
    if form.flag("full_result", False) and world.quirks.full_result == "repeats":
        found = [each for n, activity in enumerate(found) for each in [activity] * (1 + (n % 10 == 0))]
    start, end, total = page_window(world, len(found), number, size)
    page = list(cut(found, start, end, descending=True))
    return Answer(page, headers=(("X-PW-TOTAL", str(total)),))


def of_record(row: EntityRow, world: World, call: Call) -> Answer:
    """Answer the activities of one record, newest first, of some types or of all."""
    id = path_id(world, call.parts["id"])
    if world.visible(row.plural, id) is None:
        raise not_found()
    form = Form(world, call.body, ("activity_types",))
    kinds = _kinds(form)
    form.settle()
    parent = {"id": id, "type": row.singular}
    things = world.store.things[SHELF]
    return Answer([things[id] for id in reversed(list(_newest_last(world))) if _fits(things[id], parent, kinds)])


def _newest_last(world: World) -> Order:
    return world.store.in_order(SHELF, "activity_date", lambda activity: (activity.get("activity_date", 0),))


def _fits(activity: dict[str, Json], parent: Json, kinds: list[tuple[str, int]]) -> bool:
    if parent is not None and activity.get("parent") != parent:
        return False
    kind = activity.get("type") or {}
    return not kinds or (kind.get("category"), kind.get("id")) in kinds


def _create(world: World, body: Json, email: str) -> Json:
    form = Form(world, body, CREATE_KEYS, READ_ONLY)
    form.problems += [blank(key) for key in ("parent", "type") if not form.body.get(key)]
    parent = _parent(world, form, form.body["parent"]) if form.body.get("parent") else None
    kind = _kind(world, form, form.body["type"]) if form.body.get("type") else None
    details = form.text("details", required=True, longest=0)
    date = _date(form, world.stamp)
    me = next((user.id for user in world.account.users if canonical(user.email) == canonical(email)), None)
    user_id = as_int(form.body.get("user_id")) or me
    if user_id not in world.account.ids["users"]:
        form.wrong("user_id", f"there is none with this id: {user_id}")
    form.settle()
    assert parent is not None
    assert kind is not None
    activity = {
        "id": world.store.next_id(SHELF),
        "parent": parent,
        "type": kind,
        "user_id": user_id,
        "details": details,
        "activity_date": date,
        "old_value": None,
        "new_value": None,
        "date_created": world.stamp,
        "date_modified": world.stamp,
    }
    world.store.keep(SHELF, activity["id"], activity)
    _count(world, activity)
    return activity


def _count(world: World, activity: dict[str, Any]) -> None:
    """Let the parent show the interaction, if the activity's type counts as one."""
    kind = next((k for k in world.account.activity_types if k.id == activity["type"]["id"]), None)
    plural, id = world.ref(activity["parent"])
    record = world.store.records[plural][id]
    if kind is None or not kind.is_interaction or "interaction_count" not in record:
        return
    shown: dict[str, Any] = {"interaction_count": record["interaction_count"] + 1}
    if "date_last_contacted" in record:
        shown["date_last_contacted"] = max(record["date_last_contacted"] or 0, activity["activity_date"])
    # Update events do not tell of activities (section 10).
    world.store.put(plural, record | shown, quiet=True)


def _date(form: Form, default: int) -> int:
    value = form.body.get("activity_date")
    stamp = default if value is None else as_int(value)
    if stamp is None or stamp < 0:
        form.wrong("activity_date", f"must be unix seconds: {value}")
    return stamp or 0


def _parent(world: World, form: Form, value: Json) -> dict[str, Json]:
    """Return the record an activity is about, as `{"id", "type"}`."""
    row = BY_SINGULAR.get(str(value.get("type"))) if isinstance(value, dict) else None
    try:
        id = read_id(value.get("id")) if row is not None else None
    except Bad as bad:
        form.wrong("parent", bad.why)
        return {}
    if row is None:
        form.wrong("parent", f"type must be one of {', '.join(BY_SINGULAR)}")
        return {}
    if id is None or world.visible(row.plural, id) is None:
        form.wrong("parent", f"there is none with this id: {id}")
    return {"id": id, "type": row.singular}


def _kind(world: World, form: Form, value: Json) -> dict[str, Json]:
    """Return the type of a new activity: of the category user, and not switched off."""
    id = as_int(value.get("id")) if isinstance(value, dict) else None
    if not isinstance(value, dict) or value.get("category") != "user":
        form.wrong("type", "category must be user")
    elif id != NOTE and id not in {kind.id for kind in world.account.activity_types if not kind.is_disabled}:
        form.wrong("type", f"there is none with this id: {value.get('id')}")
    return {"id": id, "category": "user"}


def _kinds(form: Form) -> list[tuple[str, int]]:
    value = form.body.get("activity_types") or []
    kinds = []
    for item in value if isinstance(value, list) else [value]:
        id = as_int(item.get("id")) if isinstance(item, dict) else None
        if id is None or item.get("category") not in ("user", "system"):
            form.wrong("activity_types", "each must be an object with id and category")
        else:
            kinds.append((str(item["category"]), id))
    return kinds
