"""How records go out: every key of the samples, in their order, null or [] where nothing is set."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

from crmsync.sandbox.codec import show_day
from crmsync.sandbox.custom import dump_custom_fields, dump_each, dump_in_order, show_custom_fields
from crmsync.sandbox.replies import Json, dump_text, raw
from crmsync.sandbox.store import Record
from crmsync.sandbox.tables import ADDRESS_PARTS, OWN_STATUSES, STATUSES, EntityRow
from crmsync.sandbox.world import World


def show(world: World, row: EntityRow, record: Record, *, computed: bool = False) -> dict[str, Json]:
    """Return the record as Copper shows it; *computed* adds computed_value to custom fields (5.4)."""
    shown: dict[str, Json] = {}
    for field in row.fields:
        value = record[field.name]
        writer = WRITERS.get(field.kind)
        shown[field.name] = writer(world, record, value) if writer else value
    shown["custom_fields"] = show_custom_fields(
        world, row.singular, record["id"], record["custom_fields"], computed=computed
    )
    return shown if _is_plain(world) else _odd(world, row, shown)


def show_rows(world: World, row: EntityRow, records: Iterable[Record]) -> list[Json]:
    """Return what `show` does for many records, as values that are only fit to be sent."""
    return _plain_rows(world, row, records) if _is_plain(world) else _odd_rows(world, row, records)


def _plain_rows(world: World, row: EntityRow, records: Iterable[Record]) -> list[Json]:
    """
    Return rows as texts. What stands before and behind the custom fields is made once for each version of a record.

    It depends on the record, on the company it is linked to, on account and quirks. So do the custom fields, one by one,
    while nothing is connected, but they have another order each time.
    """
    basis, kept = world.store.rendered.get(row.plural, (None, {}))
    if basis is None or basis[0] is not world.account or basis[1] != world.quirks:
        kept = {}
        world.store.rendered[row.plural] = (world.account, world.quirks), kept
    companies, has_links = world.store.records["companies"], bool(world.store.things["related_links"])
    rows = []
    for record in records:
        id, company = record["id"], companies.get(record.get("company_id") or 0)
        made = kept.get(id)
        if made is None or made[0] is not record or made[1] is not company:
            [whole] = _odd_rows(world, row, (record,), custom=_HERE)
            before, _, after = dump_text(whole).partition(_HERE_TEXT)
            made = record, company, before, after, dump_each(world, row.singular, record["custom_fields"])
            if len(kept) < MOST_KEPT:
                kept[id] = made
        if has_links:
            custom = dump_custom_fields(world, row.singular, id, record["custom_fields"])
        else:
            custom = dump_in_order(world, *made[4])
        rows.append(raw(f"{made[2]}{custom}{made[3]}"))
    return rows


#: So many rows of a type are kept as texts.
MOST_KEPT = 200_000
_HERE = "\0here\0"
_HERE_TEXT = dump_text(_HERE)


def _odd_rows(world: World, row: EntityRow, records: Iterable[Record], custom: Json = None) -> list[Json]:
    """Return rows as values, with *custom* in the place of the custom fields."""
    names = [field.name for field in row.fields]
    values = itemgetter(*names)
    writers = [(f.name, WRITERS[f.kind]) for f in row.fields if f.kind in WRITERS and f.kind not in COPIED]
    rows = []
    for record in records:
        shown = dict(zip(names, values(record), strict=True))
        for name, writer in writers:
            shown[name] = writer(world, record, shown[name])
        fields = custom or raw(dump_custom_fields(world, row.singular, record["id"], record["custom_fields"]))
        shown["custom_fields"] = fields
        rows.append(shown if _is_plain(world) else _odd(world, row, shown))
    return rows


def _is_plain(world: World) -> bool:
    return world.quirks.empty_text == "null" and world.quirks.new_keys == "none"


def _odd(world: World, row: EntityRow, shown: dict[str, Json]) -> dict[str, Json]:
    """Return the record with "" for texts without a value, and with keys of tomorrow, as the quirks have it."""
    if world.quirks.empty_text == "blank":
        texts = {field.name for field in row.fields if field.kind == "text" and field.write == "yes"}
        shown = {key: "" if value is None and key in texts else value for key, value in shown.items()}
    if world.quirks.new_keys == "some":
        shown = {
            **shown,
            "date_last_contacted": shown.get("date_last_contacted"),
            "key_of_tomorrow": {"ids": [1], "x": None},
        }
    return shown


def _list(world: World, record: Record, value: Any) -> Json:
    return list(value)


def _items(world: World, record: Record, value: Any) -> Json:
    return [dict(item) for item in value]


def _address(world: World, record: Record, value: Any) -> Json:
    style = world.quirks.empty_address
    filler = "" if style == "strings" else None
    if not value or not any(value.values()):
        return None if style == "null" else dict.fromkeys(ADDRESS_PARTS, filler)
    # A partly set address comes back with the other keys null (copper-field.md 2.6).
    return {part: filler if value.get(part) is None else value[part] for part in ADDRESS_PARTS}


def _close_date(world: World, record: Record, value: Any) -> Json:
    if value is None:
        return None
    return show_day(datetime.date.fromisoformat(value), world.quirks.close_date_order)


def _company_name(world: World, record: Record, value: Any) -> Json:
    """Return the linked company's name, or the text given on create (4.2)."""
    if record["company_id"] is None:
        return value
    company = world.store.get("companies", record["company_id"])
    return company["name"] if company else None


def _unit(world: World, record: Record, value: Any) -> Json:
    return value or world.account.currency if record["monetary_value"] is not None else None


def _status(world: World, record: Record, value: Any) -> Json:
    if world.quirks.status_words == "same" or world.account.by_pipeline[record["pipeline_id"]].is_revenue:
        return value
    return OWN_STATUSES[STATUSES.index(value)]


def _pipeline_type(world: World, record: Record, value: Any) -> Json:
    return world.account.by_pipeline[record["pipeline_id"]].type


def _pipeline_is_revenue(world: World, record: Record, value: Any) -> Json:
    return world.account.by_pipeline[record["pipeline_id"]].is_revenue


def _converted(world: World, record: Record, value: Any) -> Json:
    # A string, unlike monetary_value (copper-field.md 2.6, recorded).
    amount = record["monetary_value"]
    return str(amount) if amount is not None and world.quirks.converted_value == "text" else None


def _converted_unit(world: World, record: Record, value: Any) -> Json:
    return _unit(world, record, None) if world.quirks.converted_value == "text" else None


def _item(world: World, record: Record, value: Any) -> Json:
    return dict(value) if value is not None else None


def _resource(world: World, record: Record, value: Any) -> Json:
    # None is null in projects and a pair of nulls in tasks (section 3, both seen).
    nothing = {"id": None, "type": None} if "due_date" in record else None
    return dict(value) if value is not None else nothing


def _lead_status(world: World, record: Record, value: Any) -> Json:
    statuses = world.account.lookups.get("lead_statuses", ())
    return next((status.name for status in statuses if status.id == record["status_id"]), None)


def _task_type(world: World, record: Record, value: Any) -> Json:
    return value or next((kind.id for kind in world.account.activity_types if kind.is_task_default), None)


def _converted_from(world: World, record: Record, value: Any) -> Json:
    return [lead["lead_id"] for lead in value] if world.quirks.leads_converted_from == "ids" else [dict(v) for v in value]


COPIED = ("tags", "items", "email")
"""Kinds whose writers only copy."""

WRITERS: dict[str, Callable[[World, Record, Any], Json]] = {
    "converted_from": _converted_from,
    "email": _item,
    "resource": _resource,
    "status": _status,
    "pipeline_type": _pipeline_type,
    "pipeline_is_revenue": _pipeline_is_revenue,
    "lead_status": _lead_status,
    "task_type": _task_type,
    "tags": _list,
    "items": _items,
    "address": _address,
    "close_date": _close_date,
    "mirror": _company_name,
    "unit": _unit,
    "converted": _converted,
    "converted_unit": _converted_unit,
}
