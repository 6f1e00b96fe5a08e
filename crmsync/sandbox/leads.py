"""What only leads can: upsert and convert (copper-api.md 7.11, 7.12)."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from crmsync.sandbox.calls import Call, Form, path_id
from crmsync.sandbox.codec import Bad, read_id
from crmsync.sandbox.custom import read_custom_fields
from crmsync.sandbox.replies import Answer, Invalid, Json, Problem, Unrecorded, blank, describe, not_found, wrong
from crmsync.sandbox.show import show
from crmsync.sandbox.store import Record, canonical
from crmsync.sandbox.tables import ENTITIES
from crmsync.sandbox.world import World
from crmsync.sandbox.write import create, dry_run, update

LEADS = ENTITIES["leads"]
PEOPLE = ENTITIES["people"]
COMPANIES = ENTITIES["companies"]
OPPORTUNITIES = ENTITIES["opportunities"]
MOST_IDS = 30
"""More matches than this are refused without their ids (7.11)."""


def upsert(world: World, call: Call) -> Answer:
    """Update the one lead that matches, or make it; refuse if several do."""
    form = Form(world, call.body, ("properties", "match"))
    properties, match = form.body.get("properties"), form.body.get("match")
    form.problems += [blank(key) for key in ("properties", "match") if not isinstance(form.body.get(key), dict)]
    form.settle()
    assert isinstance(properties, dict)
    assert isinstance(match, dict)
    ids = _matching(world, match)
    if len(ids) > 1:
        which = f": {', '.join(map(str, ids))}" if len(ids) <= MOST_IDS else ""
        # The body of this 422 is not known (section 9).
        raise Unrecorded(422, describe([Problem("base", f"{len(ids)} leads match{which}", "ambiguous")]))
    record = update(world, LEADS, ids[0], properties) if ids else create(world, LEADS, properties)
    return Answer(show(world, LEADS, record, computed=call.computed))


def _matching(world: World, match: Mapping[str, Json]) -> list[int]:
    name, value = match.get("field_name"), match.get("field_value")
    if name not in ("email", "name", "custom"):
        raise Invalid([wrong("field_name", f"must be one of email, name, custom: {name}")])
    if name == "custom":
        found: Collection[int] = _with_value(world, value)
    elif isinstance(value, str) and value.strip():
        found = world.store.ids("leads", name, canonical(value))
    else:
        raise Invalid([blank("field_value")])
    return [id for id in found if world.visible("leads", id) is not None]


def _with_value(world: World, entry: Json) -> list[int]:
    """Return the leads whose custom field has the value; the field must be filterable (7.11)."""
    try:
        values = read_custom_fields(world, "lead", [entry])
    except Bad as bad:
        raise Invalid([wrong("field_value", bad.why)]) from bad
    [(id, value)] = values.items()
    if not world.account.by_definition[id].is_filterable:
        raise Invalid([wrong("field_value", "the custom field is not filterable")])
    if value is None:
        raise Invalid([blank("field_value")])
    return [lead["id"] for lead in world.store.records["leads"].values() if lead["custom_fields"].get(id) == value]


def convert(world: World, call: Call) -> Answer:
    """
    Turn a lead into a person and, as asked, a company and an opportunity; the lead is gone then.

    A company name without `exact_match` that is like that of others may be answered with the candidates; in which
    words is not known (quirk convert_candidates).
    """
    lead = world.visible("leads", path_id(world, call.parts["id"]))
    if lead is None:
        raise not_found()
    form = Form(world, call.body, ("details",))
    details = form.body.get("details") or {}
    parts = _parts(form, details)
    form.settle()
    person_values = _person_values(world, lead, parts["person"])
    company, company_values = _company(world, lead, parts["company"])
    deal_values = parts["opportunity"]
    _check(world, person_values, company_values, deal_values)
    if company_values is not None:
        company = create(world, COMPANIES, company_values)
    person = create(world, PEOPLE, person_values | ({"company_id": company["id"]} if company else {}))
    deal = None
    if deal_values is not None:
        links = {"primary_contact_id": person["id"], "company_id": company["id"] if company else None}
        deal = _stamped(world, "opportunities", create(world, OPPORTUNITIES, {**deal_values, **links}), lead)
    person = _stamped(world, "people", person, lead)
    gone = {
        "converted_at": world.stamp,
        "converted_contact_id": person["id"],
        "converted_opportunity_id": deal["id"] if deal else None,
    }
    world.store.put("leads", lead | gone | {"date_modified": world.stamp})
    return Answer(
        {
            "person": show(world, PEOPLE, person, computed=call.computed),
            "company": show(world, COMPANIES, company, computed=call.computed) if company else None,
            "opportunity": show(world, OPPORTUNITIES, deal, computed=call.computed) if deal else None,
        }
    )


PART_KEYS = {
    "person": ("name", "contact_type_id", "assignee_id"),
    "company": ("id", "name", "exact_match"),
    "opportunity": ("name", "pipeline_id", "pipeline_stage_id", "monetary_value", "assignee_id"),
}


def _parts(form: Form, details: Json) -> dict[str, Any]:
    if not isinstance(details, dict):
        form.wrong("details", "must be an object")
        return dict.fromkeys(PART_KEYS)
    parts: dict[str, Any] = {}
    for name, keys in PART_KEYS.items():
        part = parts[name] = details.get(name)
        if part is not None and not isinstance(part, dict):
            form.wrong(name, "must be an object")
        elif part is not None and part.keys() - set(keys):
            form.wrong(name, f"Unrecognized attributes specified: {', '.join(sorted(part.keys() - set(keys)))}")
    unknown = sorted(details.keys() - PART_KEYS.keys())
    if unknown:
        form.wrong("details", f"Unrecognized attributes specified: {', '.join(unknown)}")
    company = parts["company"]
    if isinstance(company, dict) and {"id", "name"} <= company.keys():
        form.wrong("company", "id and name are mutually exclusive")
    return parts


def _person_values(world: World, lead: Record, part: Mapping[str, Json] | None) -> dict[str, Json]:
    """Return the body of the new person: what the lead knows, and what was asked for."""
    same = ("name", "address", "assignee_id", "details", "phone_numbers", "socials", "websites", "tags", "title")
    values: dict[str, Json] = {key: lead[key] for key in same}
    if lead["email"] is not None:
        values["emails"] = [lead["email"]]
    known = {definition.id for definition in world.account.by_type.get("person", ())}
    customs = {id: value for id, value in lead["custom_fields"].items() if id in known}
    values["custom_fields"] = [{"custom_field_definition_id": id, "value": value} for id, value in customs.items()]
    return values | dict(part or {})


def _company(world: World, lead: Record, part: Mapping[str, Json] | None) -> tuple[Record | None, dict[str, Json] | None]:
    """Return the company there is, or the body of the one to be made, or neither."""
    part = part or {}
    try:
        id = read_id(part.get("id"))
    except Bad as bad:
        raise Invalid([wrong("company", bad.why)]) from bad
    if id is not None:
        found = world.visible("companies", id)
        if found is None:
            raise Invalid([wrong("company", f"there is none with this id: {id}")])
        return found, None
    # A person-only convert still made a company live (7.12).
    fallback = lead["company_name"] if world.quirks.convert_company == "always" else None
    name = part.get("name", fallback)
    if not isinstance(name, str) or not name.strip():
        return None, None
    ids = [i for i in world.store.ids("companies", "name", canonical(name)) if world.visible("companies", i)]
    if ids:
        return world.store.get("companies", ids[0]), None
    candidates = _candidates(world, name) if part.get("name") and not part.get("exact_match") else []
    if candidates and world.quirks.convert_candidates == "refuse":
        raise Unrecorded(422, describe([wrong("company", f"candidates: {', '.join(map(str, candidates))}")]))
    return None, {"name": name}


def _candidates(world: World, name: str) -> list[int]:
    """Return the companies whose names are like *name*."""
    names = [str(key) for key in world.store.keys("companies", "name")]
    like = difflib.get_close_matches(canonical(name), names, n=5)
    return [i for key in like for i in world.store.ids("companies", "name", key) if world.visible("companies", i)]


def _check(world: World, *bodies: Json) -> None:
    """Raise what would go wrong before anything is made: a convert is done as a whole or not at all."""
    problems: list[Problem] = []
    for row, body in zip((PEOPLE, COMPANIES, OPPORTUNITIES), bodies, strict=True):
        if body is not None:
            # The contact is the person that comes of the lead.
            problems += [p for p in dry_run(world, row, body) if p.field != "primary_contact_id"]
    if problems:
        raise Invalid(problems)


def _stamped(world: World, plural: str, record: Record, lead: Record) -> Record:
    """Return the record with where it comes from, stored so."""
    origin = {"lead_id": lead["id"], "converted_timestamp": world.stamp}
    record = record | {"leads_converted_from": [origin], "date_lead_created": lead["date_created"]}
    world.store.put(plural, record, quiet=True)
    return record
