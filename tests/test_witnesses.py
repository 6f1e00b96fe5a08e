"""
Two witnesses of one Copper: the sandbox's tables and the catalogue, written apart, must tell the same story.

Where they differ there is a line here that says why. Both are held against samples of the documentation, each with its page.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crmsync.catalogue.account import DATA_TYPES
from crmsync.catalogue.filters import SEARCHES, Form
from crmsync.catalogue.members import TAG_LENGTH
from crmsync.catalogue.others import EVERYTHING
from crmsync.model.bodies import decode_body
from crmsync.model.catalogue import EntityType, Field, Locale, Write
from crmsync.sandbox import Sandbox, account, filters, sorts, tables, values

BOTH = [entity for entity in EVERYTHING.types if entity.name in tables.EVERYTHING]
TYPES = pytest.mark.parametrize("entity", BOTH, ids=[entity.name for entity in BOTH])

#: Keys that one of them has and the other has not.
ONLY_ONE_HAS = {
    ("companies", "date_last_contacted"): "some accounts show it, no sample does (copper-api.md 4.3)",
}
#: Keys that crmsync reads under another key: the label of a lead's status stands beside its id.
READ_ELSEWHERE = {("leads", "status"): "status_id"}
#: Fields that one of them can write and the other cannot.
ONLY_ONE_WRITES = {
    ("people", "company_name"): "Copper takes it on creation and makes a company; crmsync names companies, it makes none so",
}
#: What the sandbox calls the kinds of the catalogue.
KINDS = {
    "text": {"text", "mirror", "unit", "converted_unit"},
    "long_text": {"text", "address"},
    "domain": {"text"},
    "country": {"address"},
    "choice": {"word"},
    "money": {"money", "converted", "number"},
    "percentage": {"probability"},
    "close_date": {"close_date"},
    "label": {"id"},
    "reference": {"id"},
    "emails": {"items"},
    "phone_numbers": {"items"},
    "socials": {"items"},
    "websites": {"items"},
    "tags": {"tags"},
    "email": {"email"},
    "record": {"resource"},
    "moment": {"time"},
    "activity_type": {"activity_type"},
}
#: What the sandbox calls the tables and types of the catalogue.
TARGETS = {"stages": "pipeline_stages"}


def fields_of(entity: EntityType) -> dict[str, Field]:
    """Return one row for each key of Copper's: the parts of an address are one key."""
    return {field.key: field for field in reversed(entity.fields)}


def pairs(entity: EntityType) -> Iterator[tuple[Field, tables.FieldRow]]:
    """Yield the two rows of each key."""
    row = tables.EVERYTHING[entity.name]
    for key, field in fields_of(entity).items():
        if key in row.names:
            yield field, row.field(key)


@TYPES
def test_both_know_the_same_types(entity: EntityType) -> None:
    """Names and paths are the same, and so are the bulk calls."""
    row = tables.EVERYTHING[entity.name]

    assert (entity.name, entity.singular, f"/{row.plural}", set(entity.bulk)) == (
        row.plural,
        row.singular,
        entity.path,
        set(row.bulk),
    )


@TYPES
def test_both_know_the_same_keys(entity: EntityType) -> None:
    """Every key that one shows the other reads, and the other way round."""
    mine = {"id", "custom_fields", *fields_of(entity)}
    if entity.name == "activities":
        mine -= {"custom_fields"}
    theirs = {READ_ELSEWHERE.get((entity.name, key), key) for key in tables.EVERYTHING[entity.name].names}
    differing = {key for key in mine ^ theirs if (entity.name, key) not in ONLY_ONE_HAS}

    assert differing == set()


@TYPES
def test_both_write_the_same_fields(entity: EntityType) -> None:
    """What crmsync sends, the sandbox takes; what the sandbox takes, crmsync can send."""
    differing = {
        field.key
        for field, row in pairs(entity)
        if (field.write is Write.NEVER) != (row.write == "no") and (entity.name, field.key) not in ONLY_ONE_WRITES
    }

    assert differing == set()


@TYPES
def test_both_require_the_same_fields(entity: EntityType) -> None:
    """What crmsync must send on creation is what the sandbox refuses to do without; the rest has a default there."""
    mine = {field.key for field, _ in pairs(entity) if field.required}
    theirs = {row.name for _, row in pairs(entity) if row.required and row.default is None and not row.target}

    assert mine == theirs


@TYPES
def test_both_keep_the_same_values_apart(entity: EntityType) -> None:
    """Unique for one is unique for the other."""
    assert {field.key for field, _ in pairs(entity) if field.unique} == {row.name for _, row in pairs(entity) if row.unique}


@TYPES
def test_both_mean_the_same_kind(entity: EntityType) -> None:
    """Each kind of the catalogue is one of those that the sandbox has for it, and links lead to the same place."""
    for field, row in pairs(entity):
        if field.write is not Write.NEVER and field.kind.name in KINDS:
            assert row.kind in KINDS[field.kind.name], field.name
        if field.write is not Write.NEVER and field.target is not None and row.target:
            assert row.target == TARGETS.get(field.target, field.target), field.name


@TYPES
def test_both_know_the_same_words(entity: EntityType) -> None:
    """Closed lists of words are the same lists."""
    for field, row in pairs(entity):
        if field.choices:
            assert set(field.choices) == {word for word in row.words if word is not None}, field.name


def test_a_tag_is_as_long_for_both() -> None:
    """Tags have the same greatest length."""
    assert TAG_LENGTH == values.TAG_LENGTH


def test_every_difference_is_still_there() -> None:
    """A line that excuses a difference goes when the difference goes."""
    by_name = {entity.name: entity for entity in BOTH}
    shown = {name: tables.EVERYTHING[name].names for name in by_name}
    keys = {(name, key) for name, key in ONLY_ONE_HAS if (key in fields_of(by_name[name])) != (key in shown[name])}
    writes = {
        (name, key)
        for name, key in ONLY_ONE_WRITES
        if (fields_of(by_name[name])[key].write is Write.NEVER) != (tables.EVERYTHING[name].field(key).write == "no")
    }
    answered = {name: set(filters.FILTERS.get(name, ())) for name in by_name}
    asked = {(name, key) for name, key in ONLY_ONE_FILTERS if (key in keys_asked(by_name[name])) != (key in answered[name])}

    assert (keys, writes, asked) == (set(ONLY_ONE_HAS), set(ONLY_ONE_WRITES), set(ONLY_ONE_FILTERS))


# ---- search

#: Filters that only one of them has.
ONLY_ONE_FILTERS = {
    ("opportunities", "priority_ids"): "the codes are not documented, so crmsync never asks",
    ("projects", "status_ids"): "the codes are not documented, so crmsync never asks",
}


def keys_asked(entity: EntityType) -> set[str]:
    """Return every key that the client may send in a search of a type."""
    keys = {"ids", "custom_fields"}
    for criterion in SEARCHES[entity.name].criteria.values():
        bounds = {f"{bound}_{criterion.key}" for bound in ("minimum", "maximum")}
        keys |= bounds if criterion.form is Form.RANGE else {criterion.key}
    return keys


SEARCHED = [entity for entity in BOTH if entity.name in filters.FILTERS]
SEARCHED_TYPES = pytest.mark.parametrize("entity", SEARCHED, ids=[entity.name for entity in SEARCHED])


@SEARCHED_TYPES
def test_both_know_the_same_filters(entity: EntityType) -> None:
    """What the client asks, the sandbox answers; what the sandbox answers, the client asks."""
    differing = {
        key
        for key in keys_asked(entity) ^ set(filters.FILTERS[entity.name])
        if (entity.name, key.replace("maximum_", "minimum_")) not in ONLY_ONE_FILTERS
    }

    assert differing == set()


@SEARCHED_TYPES
def test_both_sort_by_the_same_words(entity: EntityType) -> None:
    """Every sort word of the client is one of the sandbox's; the rest are words for what no field of crmsync's holds."""
    mine, theirs = set(SEARCHES[entity.name].sorts.values()), set(sorts.SORTS.get(entity.name, ()))
    no_field = {"contact_first_name", "contact_last_name", "inactive_days"}

    assert (set(), set()) == (mine - theirs, theirs - mine - no_field)


@SEARCHED_TYPES
def test_what_a_search_names_are_fields(entity: EntityType) -> None:
    """Filters that no field answers say so; all others, sorts and columns name fields."""
    search = SEARCHES[entity.name]
    asked = {criterion.name for criterion in search.criteria.values() if not criterion.aside}

    assert asked | set(search.sorts) | (set(search.columns) - {"id"}) <= set(entity.by_name)


def test_both_know_the_same_custom_fields() -> None:
    """The types of custom field are the same."""
    assert set(DATA_TYPES) == set(account.DATA_TYPES)


# ---- the documentation

#: Answers shown in the documentation, by the page that shows them.
SAMPLES: list[tuple[str, str, str]] = [
    (
        "people",
        "developer.copper.com/people/create-a-new-person.html",
        """{"id": 27140448, "name": "My Contact", "prefix": null, "first_name": "My", "middle_name": null,
        "last_name": "Contact", "suffix": null, "address": null, "assignee_id": null, "company_id": null,
        "company_name": null, "contact_type_id": 451492, "details": null,
        "emails": [{"email": "mycontact_1233@noemail.com", "category": "work"}],
        "phone_numbers": [{"number": "415-123-45678", "category": "mobile"}], "socials": [], "tags": [], "title": null,
        "websites": [], "custom_fields": [{"custom_field_definition_id": 100764, "value": null}],
        "date_created": 1490045450, "date_modified": 1490045450}""",
    ),
    (
        "companies",
        "developer.copper.com/companies/create-a-new-company.html",
        """{"id": 13358412, "name": "Demo Company", "address": {"street": "123 Main St", "city": "San Francisco",
        "state": "CA", "postal_code": "94105", "country": null}, "assignee_id": null, "contact_type_id": null,
        "details": "This is a demo company", "email_domain": "democompany.com",
        "phone_numbers": [{"number": "415-123-45678", "category": "work"}], "socials": [], "tags": [], "websites": [],
        "custom_fields": [{"custom_field_definition_id": 100764, "value": null}], "interaction_count": 0,
        "date_created": 1496707930, "date_modified": 1496707930}""",
    ),
    (
        "opportunities",
        "developer.copper.com/opportunities/create-a-new-opportunity.html",
        """{"id": 4956209, "name": "New Demo Opportunity", "assignee_id": null, "close_date": null,
        "company_id": 13349319, "company_name": "Noemail", "customer_source_id": 331242, "details": null,
        "loss_reason_id": null, "pipeline_id": 213214, "pipeline_stage_id": 987790, "primary_contact_id": 27140359,
        "priority": "None", "status": "Open", "tags": [], "interaction_count": 0, "monetary_value": null,
        "win_probability": 5, "date_last_contacted": null, "leads_converted_from": [], "date_created": 1502158599,
        "date_modified": 1502158599, "custom_fields": [{"custom_field_definition_id": 126240, "value": null}]}""",
    ),
    (
        "leads",
        "developer.copper.com/leads/create-a-new-lead.html",
        """{"id": 13244480, "name": "My Lead", "prefix": null, "first_name": "My", "last_name": "Lead",
        "middle_name": null, "suffix": null, "address": null, "assignee_id": null, "company_name": null,
        "customer_source_id": 331242, "details": null, "email": {"email": "mylead@noemail.com", "category": "work"},
        "interaction_count": 0, "monetary_value": null, "socials": [], "status": "New", "status_id": 208231, "tags": [],
        "title": null, "websites": [], "phone_numbers": [{"number": "415-123-45678", "category": "mobile"}],
        "custom_fields": [{"custom_field_definition_id": 128735, "value": null}], "date_created": 1502158444,
        "date_modified": 1502158444, "date_last_contacted": null}""",
    ),
    (
        "projects",
        "developer.copper.com/projects/create-a-new-project.html",
        """{"id": 208105, "name": "New Demo Project", "related_resource": null, "assignee_id": null, "status": "Open",
        "details": null, "tags": [], "custom_fields": [], "date_created": 1496713867, "date_modified": 1496713867}""",
    ),
    (
        "tasks",
        "developer.copper.com/tasks/create-a-new-task.html",
        """{"id": 3726701, "name": "Demo Task", "related_resource": {"id": null, "type": null}, "assignee_id": 137658,
        "due_date": null, "reminder_date": null, "completed_date": null, "priority": "None", "status": "Open",
        "details": null, "tags": [], "custom_fields": [], "date_created": 1496771985, "date_modified": 1496771985}""",
    ),
]
EACH_SAMPLE = pytest.mark.parametrize(("type_name", "page", "text"), SAMPLES, ids=[sample[0] for sample in SAMPLES])


@EACH_SAMPLE
def test_the_catalogue_reads_the_samples(type_name: str, page: str, text: str) -> None:
    """Every key of a sample has a row, and every value can be read by its kind."""
    body, entity = json.loads(text), EVERYTHING[type_name]
    known = {"id", "custom_fields", *fields_of(entity)}
    read = decode_body(entity, body, Locale())

    assert {key for key in body if READ_ELSEWHERE.get((type_name, key), key) not in known} == set(), page
    assert (body["id"], body["name"], body["date_modified"]) == (read.id, read.fields["name"], read.date_modified)


@EACH_SAMPLE
def test_the_sandbox_shows_the_keys_of_the_samples(type_name: str, page: str, text: str) -> None:
    """Every key of a sample is one that the sandbox shows, with a value of the same kind where both have one."""
    sandbox = Sandbox()
    shown: dict[str, Any] = sandbox.record(type_name, sandbox.create(type_name, {"name": "Sample"})) or {}
    body = json.loads(text)
    same_kind = [
        key
        for key, value in body.items()
        if key in shown and value is not None and shown[key] is not None and type(value) is not type(shown[key])
    ]

    assert (set(), []) == (set(body) - set(shown), same_kind), page


# ---- no import crosses


def test_the_witnesses_never_talk() -> None:
    """The sandbox imports nothing of crmsync's rooms, and of them only the commands import the sandbox."""
    package = Path(__file__).parents[1] / "crmsync"
    crossing = []
    for path in sorted(package.rglob("*.py")):
        room = path.relative_to(package).parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                to_sandbox = name.startswith("crmsync.sandbox")
                if (room == "sandbox" and name.startswith("crmsync") and not to_sandbox) or (
                    room not in ("sandbox", "cli") and to_sandbox
                ):
                    crossing.append(f"{path.name}: {name}")

    assert crossing == []
