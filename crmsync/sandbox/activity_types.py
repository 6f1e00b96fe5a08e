"""Custom activity types: listed, made and changed, never deleted (copper-api.md 4.8)."""

from __future__ import annotations

from crmsync.sandbox.account import ActivityType
from crmsync.sandbox.calls import Call, Form, path_id
from crmsync.sandbox.replies import Answer, Json, not_found
from crmsync.sandbox.world import World

SHELF = "custom_activity_types"
KEYS = ("name", "icon_type", "is_disabled", "is_interaction")
READ_ONLY = ("id", "company_id", "is_default_task_type")
ICONS = (
    "Message",
    "Phone",
    "Event",
    "Assignment",
    "Assessment",
    "Group",
    "Description",
    "Speaker Notes",
    "Forum",
    "Web",
    "Loyalty",
    "Content Paste",
    "Headset",
    "Share",
    "Navigation",
    "Notification",
    "Voicemail",
    "Room",
    "Edit",
    "Send",
    "Videocam",
    "Play Arrow",
    "Grocery Store",
    "Mic",
    "Camera Mic",
    "Todo",
)
"""The icons of the 2019 page; today's closed list has about one more (4.8)."""


def list_all(world: World, call: Call) -> Answer:
    """Answer every custom activity type."""
    return Answer([kind.show(world.account.id) for kind in world.account.activity_types])


def get(world: World, call: Call) -> Answer:
    """Answer one custom activity type."""
    return Answer(_type(world, call).show(world.account.id))


def create(world: World, call: Call) -> Answer:
    """Make a type; name and icon_type are needed."""
    form = Form(world, call.body, KEYS, READ_ONLY)
    form.text("name", required=True)
    form.word("icon_type", ICONS, required=True)
    return _keep(world, form, ActivityType(_next_id(world), ""))


def update(world: World, call: Call) -> Answer:
    """Change what is sent of a type."""
    return _keep(world, Form(world, call.body, KEYS, READ_ONLY), _type(world, call))


def _next_id(world: World) -> int:
    return max([world.store.next_id(SHELF), *(kind.id + 1 for kind in world.account.activity_types)])


def _type(world: World, call: Call) -> ActivityType:
    id = path_id(world, call.parts["id"])
    found = next((kind for kind in world.account.activity_types if kind.id == id), None)
    if found is None:
        raise not_found()
    return found


def _keep(world: World, form: Form, old: ActivityType) -> Answer:
    kind = ActivityType(
        old.id,
        form.text("name", old.name),
        form.word("icon_type", ICONS, old.icon_type),
        form.flag("is_interaction", old.is_interaction),
        form.flag("is_disabled", old.is_disabled),
        old.is_task_default,
    )
    form.problems = list(dict.fromkeys(form.problems))
    form.settle()
    shown = kind.show(world.account.id)
    world.store.keep(SHELF, kind.id, shown)
    return Answer(shown)


def from_thing(thing: dict[str, Json]) -> ActivityType:
    """Return the type that was kept as a thing."""
    return ActivityType(
        thing["id"],
        thing["name"],
        thing["icon_type"],
        thing["is_interaction"],
        thing["is_disabled"],
        bool(thing["is_default_task_type"]),
    )
