"""Bulk calls: up to ten records, each done or refused on its own (copper-api.md section 8)."""

from __future__ import annotations

from collections.abc import Callable

from crmsync.sandbox.codec import Bad, read_id
from crmsync.sandbox.replies import (
    Invalid,
    Json,
    Problem,
    Refusal,
    bad_request,
    blank,
    describe,
    not_found,
    unrecognized,
)
from crmsync.sandbox.show import show
from crmsync.sandbox.tables import EntityRow
from crmsync.sandbox.world import World
from crmsync.sandbox.write import create, update


def bulk_create(world: World, row: EntityRow, body: Json, *, computed: bool = False) -> list[Json]:
    """Return, in the order sent, each new record or why it was refused."""
    return [_one_create(world, row, item, computed) for item in bulk_items(world, row.plural, body)]


def bulk_update(world: World, row: EntityRow, body: Json, *, computed: bool = False) -> list[Json]:
    """Return, in the order sent, each record after its update or why it was refused."""
    items = bulk_items(world, row.plural, body)
    if world.quirks.bulk_unknown_id == "call":
        for item in items:
            id = _id_of(item)
            if id is not None and world.visible(row.plural, id) is None:
                raise not_found()
    return [_one_update(world, row, item, computed) for item in items]


def bulk_items(world: World, root: str, body: Json) -> list[Json]:
    """Return the entries of a bulk call; raise the refusal of a call that is not well-formed."""
    if not isinstance(body, dict):
        raise bad_request("the body must be an object")
    unknown = [key for key in body if key != root]
    if unknown and world.quirks.unknown_keys == "refuse":
        raise Invalid([unrecognized(unknown)])
    items = body.get(root)
    # What an empty list or a missing root key does is not known (section 8): refused.
    if not items and world.quirks.bulk_empty == "accept":
        return []
    if not isinstance(items, list) or not items:
        raise Invalid([blank(root)])
    limit = int(world.quirks.bulk_limit)
    if len(items) > limit:
        raise Refusal(422, {"error": f"Request size too large, limit is {limit}"})
    return items


def _one_create(world: World, row: EntityRow, item: Json, computed: bool) -> Json:
    return bulk_outcome(world, lambda: show(world, row, create(world, row, item), computed=computed), None)


def _one_update(world: World, row: EntityRow, item: Json, computed: bool) -> Json:
    id = _id_of(item)
    if id is None:
        return _failure(world, [blank("id")], None)
    if world.visible(row.plural, id) is None:
        return _failure(world, [Problem("base", "Resource not found", "not_found")], id)
    skipped = row.bulk_undocumented if world.quirks.bulk_company_links == "ignore" else ()
    changes = {key: value for key, value in item.items() if key != "id" and key not in skipped}
    return bulk_outcome(world, lambda: show(world, row, update(world, row, id, changes), computed=computed), id)


def _id_of(item: Json) -> int | None:
    try:
        return read_id(item.get("id")) if isinstance(item, dict) else None
    except Bad:
        return None


def bulk_outcome(world: World, act: Callable[[], Json], id: int | None) -> Json:
    """Return what *act* returns, or the failed item that it became."""
    try:
        return act()
    except Invalid as invalid:
        return _failure(world, list(invalid.problems), id)
    except Refusal:
        return _failure(world, [Problem("base", "must be an object")], id)


def _failure(world: World, problems: list[Problem], id: int | None) -> Json:
    """Return a failed item: the message an object of codes by field (section 8, documented)."""
    message: Json = describe(problems)
    if world.quirks.bulk_item_message == "object":
        message = {}
        for problem in problems:
            message.setdefault(problem.field, []).append({"error": problem.code})
    failed = {"success": False, "message": message}
    return failed if id is None else {**failed, "id": id}
