"""What a search may be sorted by (copper-api.md 6.3, the current lists), and how empty values sort: last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crmsync.sandbox.store import Record
from crmsync.sandbox.world import World

Key = Callable[[World, Record], Any]


def _field(name: str) -> Key:
    return lambda world, record: record[name]


def _first(array: str, key: str) -> Key:
    return lambda world, record: record[array][0][key] if record[array] else None


def _part(name: str) -> Key:
    return lambda world, record: (record["address"] or {}).get(name)


def _name_of(link: str, plural: str, part: str = "name") -> Key:
    def key(world: World, record: Record) -> Any:
        linked = world.store.get(plural, record[link] or 0)
        return linked[part] if linked else None

    return key


def _user(world: World, record: Record) -> Any:
    return next((u.name for u in world.account.users if u.id == record["assignee_id"]), None)


def _contact_group(world: World, record: Record) -> Any:
    types = world.account.lookups.get("contact_types", ())
    return next((t.name for t in types if t.id == record["contact_type_id"]), None)


def _stage(world: World, record: Record) -> Any:
    pipelines = world.account.pipelines
    places = {s.id: (n, m) for n, p in enumerate(pipelines) for m, s in enumerate(p.stages)}
    return places[record["pipeline_stage_id"]]


def _idle(world: World, record: Record) -> Any:
    return -int(record["date_modified"])


def _constant(value: Any) -> Key:
    return lambda world, record: value


DATES: Mapping[str, Key] = {name: _field(name) for name in ("date_created", "date_modified")}
PLACES: Mapping[str, Key] = {
    "city": _part("city"),
    "state": _part("state"),
    "country": _part("country"),
    "zip": _part("postal_code"),
    "phone": _first("phone_numbers", "number"),
    "socials": _first("socials", "url"),
}
SORTS: Mapping[str, Mapping[str, Key]] = {
    "people": {
        **DATES,
        **PLACES,
        "name": _field("name"),
        "first_name": _field("first_name"),
        "title": _field("title"),
        "email": _first("emails", "email"),
    },
    "companies": {
        **DATES,
        **PLACES,
        "name": _field("name"),
        "contact": _name_of("primary_contact_id", "people"),
        "contact_first_name": _name_of("primary_contact_id", "people", "first_name"),
        "contact_last_name": _name_of("primary_contact_id", "people", "last_name"),
        "email_domain": _field("email_domain"),
        "assignee": _user,
        "contact_group": _contact_group,
        "last_interaction": _constant(None),
        "interaction_count": _field("interaction_count"),
        "primary_website": _first("websites", "url"),
    },
    "opportunities": {
        **DATES,
        "name": _field("name"),
        "assignee": _user,
        "company_name": _name_of("company_id", "companies"),
        "customer_source_id": _field("customer_source_id"),
        "inactive_days": _idle,
        "interaction_count": _field("interaction_count"),
        "last_interaction": _field("date_last_contacted"),
        "monetary_unit": _constant(None),
        "monetary_value": _field("monetary_value"),
        "primary_contact": _name_of("primary_contact_id", "people"),
        "priority": _field("priority"),
        "stage": _stage,
        "status": _field("status"),
    },
}


def sort_key(world: World, key: Key) -> Callable[[Record], Any]:
    """Return *key* for Python's sort: text without upper case, nothing last."""

    def sortable(record: Record) -> tuple[bool, Any]:
        value = key(world, record)
        if value is None:
            return True, 0
        return False, value.casefold() if isinstance(value, str) else value

    return sortable
