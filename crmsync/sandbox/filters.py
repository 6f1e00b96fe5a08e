"""
The filters of a search, as rows: name, how it is read and what it tests (copper-api.md 6.1).

A filter that is not in the table of its type is an unknown key. Where the page is silent about odd values
(an empty list of ids, null) the request is refused rather than answered with everything.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crmsync.sandbox.codec import Bad, as_int, local_day, read_number
from crmsync.sandbox.custom_filter import custom_filter
from crmsync.sandbox.replies import Json
from crmsync.sandbox.store import Record, canonical
from crmsync.sandbox.tables import DONE_OR_NOT, PRIORITIES, STATUSES
from crmsync.sandbox.world import World

Test = Callable[[Record], bool]
NOBODY = -2
IDS_LIMIT = 200


@dataclass(frozen=True)
class FilterRow:
    """One filter: *make* turns its value into a test of the records' *field*."""

    make: Callable[[World, FilterRow, Json], Test | None]
    field: str = ""
    words: tuple[str, ...] = ()
    allows_empty: bool = False
    plural: str = ""


def read_ids(world: World, value: Json, *, allows_empty: bool = False) -> list[int] | None:
    """Return ids, -2 for nobody included; None if an empty list means no filter at all."""
    raw = value if isinstance(value, list) else [value]
    if not raw and not allows_empty:
        if world.quirks.empty_ids == "refuse":
            raise Bad("can't be an empty list")
        return None if world.quirks.empty_ids == "all" else []
    ids = [as_int(item) for item in raw]
    if None in ids or any(id is not None and id <= 0 and id != NOBODY for id in ids):
        raise Bad(f"IDs must be positive integers: {', '.join(str(item) for item in raw)}")
    if len(ids) > IDS_LIMIT:
        raise Bad(f"at most {IDS_LIMIT} ids")
    return [id for id in ids if id is not None]


def _ids(world: World, row: FilterRow, value: Json) -> Test | None:
    ids = read_ids(world, value, allows_empty=row.allows_empty)
    if ids is None:
        return None
    # An empty list asks for records without the link (6.1, company_ids of opportunities).
    wanted = {None if id == NOBODY else id for id in ids} or {None}
    if not ids and not row.allows_empty:
        wanted = set()
    return lambda record: record[row.field] in wanted


def _related(world: World, row: FilterRow, value: Json) -> Test | None:
    ids = read_ids(world, value) or []
    wanted: set[int] = set()
    for id in ids:
        other = world.store.get(row.plural, id)
        if other is not None:
            wanted |= {i for plural, i in world.store.edges((row.plural, id)) if plural == row.words[0]}
            wanted |= {other[row.field]}
    return lambda record: record["id"] in wanted


def _name(world: World, row: FilterRow, value: Json) -> Test:
    wanted = canonical(_string(value))
    if world.quirks.name_filter == "substring":
        return lambda record: wanted in canonical(record["name"])
    return lambda record: wanted == canonical(record["name"])


def _string(value: Json) -> str:
    if not isinstance(value, str):
        raise Bad(f"must be a string: {value}")
    return value


def _strings(value: Json) -> list[str]:
    return [_string(item) for item in (value if isinstance(value, list) else [value])]


def _matches(world: World, wanted: set[str]) -> Callable[[str], bool]:
    if world.quirks.email_filter == "prefix":
        return lambda text: any(text.startswith(start) for start in wanted)
    return lambda text: text in wanted


def _emails(world: World, row: FilterRow, value: Json) -> Test:
    matches = _matches(world, {canonical(text) for text in _strings(value)})
    if row.field == "email":
        return lambda record: record["email"] is not None and matches(canonical(record["email"]["email"]))
    return lambda record: any(matches(canonical(item["email"])) for item in record["emails"])


def _domains(world: World, row: FilterRow, value: Json) -> Test:
    matches = _matches(world, {canonical(text) for text in _strings(value)})
    return lambda record: bool(record["email_domain"]) and matches(canonical(record["email_domain"]))


def _socials(world: World, row: FilterRow, value: Json) -> Test:
    wanted = {canonical(text) for text in _strings(value)}
    return lambda record: any(canonical(item["url"]) in wanted for item in record["socials"])


def _tags(world: World, row: FilterRow, value: Json) -> Test:
    """Any of the tags; `{"option", "value"}` as well; a blank value means no tags (6.1)."""
    option = "ANY"
    if isinstance(value, dict):
        option, value = str(value.get("option", "ANY")).upper(), value.get("value", [])
    wanted = {canonical(tag) for tag in _strings(value) if tag.strip()}
    if not wanted:
        return lambda record: not record["tags"]
    if option not in SET_TESTS:
        raise Bad(f"option must be one of {', '.join(SET_TESTS)}: {option}")
    test = SET_TESTS[option]
    return lambda record: test(wanted, {canonical(tag) for tag in record["tags"]})


SET_TESTS: dict[str, Callable[[set[Any], set[Any]], bool]] = {
    "ANY": lambda wanted, have: bool(wanted & have),
    "ALL": lambda wanted, have: wanted <= have,
    "NONE": lambda wanted, have: not wanted & have,
}


def _part(world: World, row: FilterRow, value: Json) -> Test:
    wanted = canonical(_string(value))
    return lambda record: canonical((record["address"] or {}).get(row.field) or "") == wanted


def _phone(world: World, row: FilterRow, value: Json) -> Test:
    """Partial: the number ends so (default to 6 digits); fuzzy also drops leading digits (6.1)."""
    mode = None
    if isinstance(value, dict):
        value, mode = value.get("value"), value.get("match")
    digits = re.sub(r"\D", "", _string(value))
    mode = mode or ("partial" if len(digits) <= 6 else "fuzzy")
    if mode not in ("partial", "fuzzy") or not digits:
        raise Bad(f"must be digits, match partial or fuzzy: {value}")
    drops = range(7) if mode == "fuzzy" else range(1)
    ends = tuple(digits[n:] for n in drops if n == 0 or len(digits) - n >= 6)
    return lambda record: any(re.sub(r"\D", "", item["number"]).endswith(ends) for item in record["phone_numbers"])


def _followed(world: World, row: FilterRow, value: Json) -> Test:
    # Nobody follows anything here: 1 asks for followed records, 2 for the others (6.1).
    code = as_int(value)
    if code not in (1, 2):
        raise Bad(f"must be 1 or 2: {value}")
    return lambda record: code == 2


def _age(world: World, row: FilterRow, value: Json) -> Test:
    seconds = as_int(value)
    if seconds is None:
        raise Bad(f"must be a number of seconds: {value}")
    return lambda record: record["date_created"] >= world.now - seconds


def _codes(world: World, row: FilterRow, value: Json) -> Test:
    codes = [as_int(item) for item in (value if isinstance(value, list) else [value])]
    if not codes or any(code is None or not 0 <= code < len(row.words) for code in codes):
        raise Bad(f"must be codes from 0 to {len(row.words) - 1}: {value}")
    wanted = {row.words[code] for code in codes if code is not None}
    return lambda record: (record[row.field] or row.words[0]) in wanted


def _words(world: World, row: FilterRow, value: Json) -> Test:
    wanted = {canonical(text) for text in _strings(value)}
    unknown = sorted(wanted - {canonical(word) for word in row.words})
    if unknown or not wanted:
        raise Bad(f"must be some of {', '.join(row.words)}: {', '.join(unknown)}")
    return lambda record: canonical(record[row.field]) in wanted


def _parents(world: World, row: FilterRow, value: Json) -> Test | None:
    """The records a task belongs to; -2 means tasks that belong to none of the type (6.1)."""
    ids = read_ids(world, value)
    if ids is None:
        return None

    def test(record: Record) -> bool:
        resource = record["related_resource"]
        if resource is None or resource["type"] != row.words[0]:
            return NOBODY in ids
        return resource["id"] in ids

    return test


def _converted(world: World, row: FilterRow, value: Json) -> Test | None:
    # Read by `search`: without it, or with false, converted leads are left out.
    if str(value).lower() not in ("true", "false"):
        raise Bad(f"must be true or false: {value}")
    return None


def _ordinal(world: World, row: FilterRow, value: Json) -> Test:
    """Test by the place of a word, from 0: what the codes mean is documented nowhere (quirk code_filters)."""
    if world.quirks.code_filters == "refuse":
        raise Bad("the codes are not documented")
    return _codes(world, row, value)


def _bound(is_minimum: bool) -> Callable[[World, FilterRow, Json], Test]:
    def make(world: World, row: FilterRow, value: Json) -> Test:
        bound = read_number(value)
        if bound is None:
            raise Bad("must be a number")
        # Whole numbers are compared many times faster.
        limit = int(bound) if bound == int(bound) else bound
        # Bounds are inclusive (6.1).
        if is_minimum:
            return lambda record: record[row.field] is not None and record[row.field] >= limit
        return lambda record: record[row.field] is not None and record[row.field] <= limit

    return make


def _close_bound(is_minimum: bool) -> Callable[[World, FilterRow, Json], Test]:
    def make(world: World, row: FilterRow, value: Json) -> Test:
        bound = as_int(value)
        if bound is None:
            raise Bad(f"must be unix seconds: {value}")
        day = local_day(bound, world.account.zone)

        def test(record: Record) -> bool:
            if record["close_date"] is None:
                return False
            date = datetime.date.fromisoformat(record["close_date"])
            return date >= day if is_minimum else date <= day

        return test

    return make


def _between(name: str, field: str, make: Callable[[bool], Any] = _bound) -> dict[str, FilterRow]:
    return {f"minimum_{name}": FilterRow(make(True), field), f"maximum_{name}": FilterRow(make(False), field)}


def _id_lists(*names: str) -> dict[str, FilterRow]:
    return {f"{name}s": FilterRow(_ids, name) for name in names}


BASE: dict[str, FilterRow] = {
    "ids": FilterRow(_ids, "id"),
    **_id_lists("assignee_id"),
    "tags": FilterRow(_tags),
    "followed": FilterRow(_followed),
    "custom_fields": FilterRow(custom_filter),
    **_between("created_date", "date_created"),
    **_between("modified_date", "date_modified"),
}
NAMED: dict[str, FilterRow] = {**BASE, "name": FilterRow(_name, "name")}
COMMON: dict[str, FilterRow] = {**NAMED, **_between("interaction_count", "interaction_count")}
PLACES: dict[str, FilterRow] = {
    "phone_number": FilterRow(_phone),
    **{part: FilterRow(_part, part) for part in ("city", "state", "postal_code", "country")},
    "age": FilterRow(_age),
}
CONTACTS: dict[str, FilterRow] = {**PLACES, **_id_lists("contact_type_id"), "socials": FilterRow(_socials)}
INTERACTED = _between("interaction_date", "date_last_contacted")

FILTERS: Mapping[str, Mapping[str, FilterRow]] = {
    "people": {
        **COMMON,
        **CONTACTS,
        "emails": FilterRow(_emails),
        **_id_lists("company_id"),
        "opportunity_ids": FilterRow(_related, "primary_contact_id", ("people",), plural="opportunities"),
        **INTERACTED,
    },
    "companies": {**COMMON, **CONTACTS, "email_domains": FilterRow(_domains)},
    "opportunities": {
        **COMMON,
        "company_ids": FilterRow(_ids, "company_id", allows_empty=True),
        **_id_lists("primary_contact_id", "pipeline_id", "pipeline_stage_id", "customer_source_id", "loss_reason_id"),
        "status_ids": FilterRow(_codes, "status", STATUSES),
        "priority_ids": FilterRow(_ordinal, "priority", PRIORITIES),
        **_between("monetary_value", "monetary_value"),
        **_between("close_date", "close_date", _close_bound),
        **_between("stage_change_date", "date_stage_changed"),
        **INTERACTED,
    },
    "leads": {
        **COMMON,
        **PLACES,
        "emails": FilterRow(_emails, "email"),
        "status_ids": FilterRow(_ids, "status_id"),
        **_id_lists("customer_source_id"),
        **_between("monetary_value", "monetary_value"),
        **INTERACTED,
        "include_converted_leads": FilterRow(_converted),
    },
    "projects": {**NAMED, "status_ids": FilterRow(_ordinal, "status", DONE_OR_NOT)},
    "tasks": {
        **BASE,
        "opportunity_ids": FilterRow(_parents, words=("opportunity",)),
        "project_ids": FilterRow(_parents, words=("project",)),
        "statuses": FilterRow(_words, "status", DONE_OR_NOT),
        **_between("due_date", "due_date"),
    },
}
MODIFIED = ("minimum_modified_date", "maximum_modified_date")
UNDOCUMENTED_MODIFIED = ("people", "companies")
