"""What a search may be sorted by (copper-api.md 6.3, the current lists), and how empty values sort: last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crmsync.sandbox.store import Record
from crmsync.sandbox.world import World

Key = Callable[[World, Record], Any]


@dataclass(frozen=True)
class SortRow:
    """
    One value of sort_by: how a record is placed.

    *depends* names the one other type whose records the key looks at; *is_kept* is False where there are
    several, so that the order cannot be remembered.
    """

    key: Key
    depends: str = ""
    is_kept: bool = True


def _field(name: str) -> SortRow:
    return SortRow(lambda world, record: record[name])


def _first(array: str, key: str) -> SortRow:
    return SortRow(lambda world, record: record[array][0][key] if record[array] else None)


def _part(name: str) -> SortRow:
    return SortRow(lambda world, record: (record["address"] or {}).get(name))


def _name_of(link: str, plural: str, part: str = "name") -> SortRow:
    def key(world: World, record: Record) -> Any:
        linked = world.store.get(plural, record[link] or 0)
        return linked[part] if linked else None

    return SortRow(key, plural)


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


def _related_to(world: World, record: Record) -> Any:
    resource = record["related_resource"]
    related = world.store.get(*world.ref(resource)) if resource else None
    return related["name"] if related else None


def _lead_email(world: World, record: Record) -> Any:
    return record["email"]["email"] if record["email"] else None


def _constant(value: Any) -> SortRow:
    return SortRow(lambda world, record: value)


ASSIGNEE = SortRow(_user)
IDLE = SortRow(_idle)
RELATED_TO = SortRow(_related_to, is_kept=False)
DATES: Mapping[str, SortRow] = {name: _field(name) for name in ("date_created", "date_modified")}
PLACES: Mapping[str, SortRow] = {
    "city": _part("city"),
    "state": _part("state"),
    "country": _part("country"),
    "zip": _part("postal_code"),
    "phone": _first("phone_numbers", "number"),
    "socials": _first("socials", "url"),
}
SORTS: Mapping[str, Mapping[str, SortRow]] = {
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
        "assignee": ASSIGNEE,
        "contact_group": SortRow(_contact_group),
        "last_interaction": _constant(None),
        "interaction_count": _field("interaction_count"),
        "primary_website": _first("websites", "url"),
    },
    "opportunities": {
        **DATES,
        "name": _field("name"),
        "assignee": ASSIGNEE,
        "company_name": _name_of("company_id", "companies"),
        "customer_source_id": _field("customer_source_id"),
        "inactive_days": IDLE,
        "interaction_count": _field("interaction_count"),
        "last_interaction": _field("date_last_contacted"),
        "monetary_unit": _constant(None),
        "monetary_value": _field("monetary_value"),
        "primary_contact": _name_of("primary_contact_id", "people"),
        "priority": _field("priority"),
        "stage": SortRow(_stage),
        "status": _field("status"),
    },
    "leads": {
        **DATES,
        **PLACES,
        "name": _field("name"),
        "company_name": _field("company_name"),
        "title": _field("title"),
        "value": _field("monetary_value"),
        "email": SortRow(_lead_email),
        "inactive_days": IDLE,
    },
    "projects": {
        **DATES,
        "name": _field("name"),
        "assigned_to": ASSIGNEE,
        "related_to": RELATED_TO,
        "status": _field("status"),
    },
    "tasks": {
        **DATES,
        "name": _field("name"),
        "assigned_to": ASSIGNEE,
        "related_to": RELATED_TO,
        "status": _field("status"),
        "priority": _field("priority"),
        "due_date": _field("due_date"),
        "reminder_date": _field("reminder_date"),
        "completed_date": _field("completed_date"),
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
