"""Webhook subscriptions (copper-api.md section 10). What they tell of is in `notices`."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from crmsync.sandbox.calls import Call, Form, path_id, thing
from crmsync.sandbox.replies import Answer, Json, Refusal, common, wrong
from crmsync.sandbox.world import World

SHELF = "webhooks"
KEYS = ("target", "type", "event", "secret", "headers", "custom_field_computed_values")
READ_ONLY = ("id", "created_at")
TYPES = ("lead", "person", "company", "opportunity", "project", "task", "activity_log")
EVENTS = ("new", "update", "delete")
MOST = 100


def list_all(world: World, call: Call) -> Answer:
    """Answer every subscription."""
    return Answer(list(world.store.things[SHELF].values()))


def get(world: World, call: Call) -> Answer:
    """Answer one subscription."""
    return Answer(thing(world, SHELF, path_id(world, call.parts["id"])))


def create(world: World, call: Call) -> Answer:
    """Subscribe; an account has at most 100 subscriptions."""
    form = Form(world, call.body, KEYS, READ_ONLY)
    form.text("target", required=True, longest=0)
    form.word("type", TYPES, required=True)
    form.word("event", EVENTS, required=True)
    if len(world.store.things[SHELF]) >= MOST:
        form.problems.append(wrong("base", f"an account has at most {MOST} webhooks"))
    id = world.store.next_id(SHELF)
    return _keep(world, form, dict.fromkeys(KEYS) | {"id": id, "custom_field_computed_values": False})


def update(world: World, call: Call) -> Answer:
    """Change what is sent of a subscription."""
    return _keep(world, Form(world, call.body, KEYS, READ_ONLY), thing(world, SHELF, path_id(world, call.parts["id"])))


def delete(world: World, call: Call) -> Answer:
    """End a subscription."""
    id = path_id(world, call.parts["id"])
    thing(world, SHELF, id)
    world.store.keep(SHELF, id, None)
    return Answer({"id": id})


def _keep(world: World, form: Form, old: dict[str, Json]) -> Answer:
    target = form.text("target", old["target"], longest=0)
    hook = {
        "id": old["id"],
        "target": target,
        "type": form.word("type", TYPES, old["type"]),
        "event": form.word("event", EVENTS, old["event"]),
        "secret": form.mapping("secret", old["secret"]),
        "headers": form.mapping("headers", old["headers"]),
        "custom_field_computed_values": form.flag("custom_field_computed_values", old["custom_field_computed_values"]),
        "created_at": old.get("created_at", world.stamp),
    }
    form.problems = list(dict.fromkeys(form.problems))
    form.settle()
    if not _is_target(str(target)):
        # Recorded, and in no other shape than this (section 9).
        raise Refusal(422, common(422, "Invalid input: Invalid URI For External Request"))
    world.store.keep(SHELF, hook["id"], hook)
    return Answer(hook)


def _is_target(target: str) -> bool:
    """Return whether Copper would take the address: https, or here this computer."""
    try:
        parts = urlsplit(target)
        is_complete = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return is_complete and (parts.scheme == "https" or is_loopback(target))


def is_loopback(target: str) -> bool:
    """Return whether the address is on this computer, by number or as localhost."""
    parts = urlsplit(target)
    if parts.scheme not in ("http", "https"):
        return False
    if parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
