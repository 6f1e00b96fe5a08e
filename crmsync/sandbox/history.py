"""
What Copper writes down by itself: an activity of the category system for each creation and each change.

Types and ids are those seen (copper-api.md 4.8); only a change of stage says from what to what. Webhooks are told of what
people log, not of this; that is ours, no page says it.
"""

from __future__ import annotations

from collections.abc import Iterable

from crmsync.sandbox.replies import Json
from crmsync.sandbox.store import Event, Record
from crmsync.sandbox.tables import ACTIVITIES, ENTITIES
from crmsync.sandbox.world import World

CHANGED, ASSIGNED, STAGE, CREATED = 1, 2, 3, 8
QUIET = frozenset({"date_modified", "date_stage_changed", "win_probability"})


def write_history(world: World, events: Iterable[Event], user_id: int) -> None:
    """Add what the events of one request give rise to (quirk system_activities)."""
    if world.quirks.system_activities == "none":
        return
    for event in events:
        if event.table in ENTITIES and event.new is not None:
            for kind, before, after in _entries(world, event.old, event.new):
                _add(world, {"id": event.id, "type": ENTITIES[event.table].singular}, user_id, kind, before, after)


def _entries(world: World, old: Record | None, new: Record) -> Iterable[tuple[int, Json, Json]]:
    if old is None:
        yield CREATED, None, None
        return
    changed = {key for key in new if new[key] != old[key]} - QUIET
    for key, kind in (("pipeline_stage_id", STAGE), ("assignee_id", ASSIGNED)):
        if key in changed:
            changed.discard(key)
            yield kind, _named(world, kind, old[key]), _named(world, kind, new[key])
    if changed:
        yield CHANGED, None, None


def _named(world: World, kind: int, id: int | None) -> Json:
    if kind != STAGE or id is None:
        return None
    return {"id": id, "name": world.account.by_stage[id][1].name}


def _add(world: World, parent: Json, user_id: int, kind: int, before: Json, after: Json) -> None:
    id = world.store.next_id(ACTIVITIES.plural)
    activity = {
        "id": id,
        "parent": parent,
        "type": {"id": kind, "category": "system"},
        "user_id": user_id,
        "details": None,
        "activity_date": world.stamp,
        "old_value": before,
        "new_value": after,
        "date_created": world.stamp,
        "date_modified": world.stamp,
    }
    world.store.keep(ACTIVITIES.plural, id, activity, quiet=True)
