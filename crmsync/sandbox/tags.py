"""`GET /tags`: the tags in use and how often (copper-api.md 4.9; the names of the counts are weakly seen)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from crmsync.sandbox.replies import Invalid, Json, wrong
from crmsync.sandbox.world import World

PAGE = 200


def list_tags(world: World, query: Mapping[str, Json]) -> list[Json]:
    """Return the tags with their counts, or only names after `last_tag_value`."""
    counts: dict[str, Counter[str]] = {}
    for plural, table in world.store.records.items():
        for id, record in table.items():
            for tag in record["tags"] if world.visible(plural, id) else ():
                counts.setdefault(tag, Counter())[plural] += 1
    if str(query.get("tag_names_only", "")).lower() == "true":
        last = str(query.get("last_tag_value", ""))
        return [name for name in sorted(counts) if name > last][:PAGE]
    order = query.get("sort_by", "name")
    if order not in ("name", "count"):
        raise Invalid([wrong("sort_by", f"{order}")])
    items: list[Json] = [_item(name, counts[name]) for name in sorted(counts)]
    return items if order == "name" else sorted(items, key=lambda item: -int(item["count"]))


def _item(name: str, count: Counter[str]) -> Json:
    kinds = ("people", "leads", "companies", "opportunities", "projects", "tasks")
    return {"name": name, "count": count.total(), **{f"count_{kind}": count[kind] for kind in kinds}}
