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

from crmsync import Copper
from crmsync.catalogue.account import DATA_TYPES
from crmsync.catalogue.filters import SEARCHES, Form
from crmsync.catalogue.members import TAG_LENGTH
from crmsync.catalogue.others import EVERYTHING
from crmsync.model.bodies import decode_body
from crmsync.model.catalogue import EntityType, Field, Locale, Write
from crmsync.sandbox import Reply, Sandbox, account, filters, sorts, tables, values
from tests import samples
from tests.sandbox.conftest import HEADERS, Request

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
    "choice": {"word", "status"},
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

EACH_RECORD = pytest.mark.parametrize(
    ("type_name", "page", "text"), samples.RECORDS, ids=[sample[0] for sample in samples.RECORDS]
)
EACH_OTHER = pytest.mark.parametrize(("call", "page", "text"), samples.OTHERS, ids=[sample[0] for sample in samples.OTHERS])


@EACH_RECORD
def test_the_catalogue_reads_the_samples(type_name: str, page: str, text: str) -> None:
    """Every key of a sample has a row, and every value can be read by its kind."""
    body, entity = json.loads(text), EVERYTHING[type_name]
    known = {"id", "custom_fields", *fields_of(entity)}
    read = decode_body(entity, body, Locale())

    assert {key for key in body if READ_ELSEWHERE.get((type_name, key), key) not in known} == set(), page
    assert (body["id"], body.get("name"), body["date_modified"]) == (read.id, read.fields.get("name"), read.date_modified)


def differing(sample: Any, shown: Any, place: str = "") -> list[str]:
    """Return where *shown* lacks a key of *sample*, or has a value of another kind where both have one."""
    if sample is None or shown is None:
        return []
    if type(sample) is not type(shown):
        return [place or "."]
    if isinstance(sample, list):
        return differing(sample[0], shown[0], f"{place}[]") if sample and shown else []
    if not isinstance(sample, dict):
        return []
    lacking = [f"{place}.{key}" for key in sample if key not in shown]
    return lacking + [at for key in sample if key in shown for at in differing(sample[key], shown[key], f"{place}.{key}")]


class Asking:
    """A sandbox with a little of everything in it, asked as the client asks."""

    def __init__(self) -> None:
        self.sandbox = Sandbox()
        person = self.sandbox.create("people", {"name": "Ann"})
        deal = self.sandbox.create("opportunities", {"name": "Deal", "primary_contact_id": person})
        ends = {"source": {"id": person, "entity_type": "people"}, "target": {"id": deal, "entity_type": "opportunity"}}
        url = self("GET", f"/people/{person}/files/s3_signed_url")
        self.sandbox.upload(url["key"], b"pdf")
        secret = {"secret": "a", "key": "b"}
        hook = {"target": "https://your.endpoint.here", "type": "lead", "event": "update", "secret": secret}
        tie = {"resource": {"id": self.sandbox.create("opportunities", {"name": "More"}), "type": "opportunity"}}
        self.bodies: dict[str, Any] = {
            "POST /related_links": {"custom_field_definition_id": 100_011, **ends},
            "POST /webhooks": hook,
            "POST /people/{id}/related": tie,
            "DELETE /people/{id}/related": tie,
            "POST /people/{id}/files": {"file_name": "a.pdf", "key": url["key"]},
            "POST /activities": {"parent": {"id": person, "type": "person"}, "type": NOTE, "details": "x"},
        }
        self.ids = {"/people": person, "/related_links": 600_001}
        self.before = {"DELETE /people/{id}/related": "POST /people/{id}/related"}
        self.before["DELETE /related_links/{id}"] = "POST /related_links"

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer to one request."""
        raw = b"" if body is None else json.dumps(body).encode()
        reply = self.sandbox.handle(Request(method, path, HEADERS, raw))
        assert reply.status == 200, reply.body
        return json.loads(reply.body)

    def answer(self, call: str) -> Any:
        """Return the answer to a call of the samples, after the one that it needs."""
        if call in self.before:
            self.answer(self.before[call])
        method, path = call.split()
        base = path.partition("/{id}")[0]
        return self(method, path.replace("{id}", str(self.ids.get(base))), self.bodies.get(call))


NOTE = {"id": 0, "category": "user"}


@EACH_RECORD
def test_the_sandbox_shows_the_keys_of_the_samples(type_name: str, page: str, text: str) -> None:
    """Every key of a sample is one that the sandbox shows, with a value of the same kind where both have one."""
    ask = Asking()
    shown = ask("POST", f"/{type_name}", ask.bodies.get(f"POST /{type_name}", {"name": "Sample"}))

    assert differing(json.loads(text), shown) == [], page


@EACH_OTHER
def test_the_sandbox_answers_as_the_samples(call: str, page: str, text: str) -> None:
    """So it is with what is no record: labels, definitions, links, webhooks, files."""
    assert differing(json.loads(text), Asking().answer(call)) == [], page


#: The tables of labels that the client has, and the call whose sample they are read from.
LABELS = {
    "users": "POST /users/search",
    "pipelines": "GET /pipelines",
    "contact_types": "GET /contact_types",
    "customer_sources": "GET /customer_sources",
    "loss_reasons": "GET /loss_reasons",
    "lead_statuses": "GET /lead_statuses",
    "custom_fields": "GET /custom_field_definitions",
    "activity_types": "GET /activity_types",
}


@pytest.mark.parametrize("table", LABELS)
def test_the_client_reads_the_labels_of_the_samples(table: str) -> None:
    """Each label of a sample is found by its name and by its id."""
    answers = {call: json.loads(text) for call, _, text in samples.OTHERS}
    answers |= {"GET /account": {**answers["GET /account"], "primary_timezone": "UTC"}, "GET /users/me": {"id": 137658}}
    found = getattr(Copper(lambda request: _sample(request, answers)).labels, table)
    rows = answers[LABELS[table]]
    rows = rows["user"] if isinstance(rows, dict) else rows

    assert [(row["name"], row["id"]) for row in rows] == [(found.name(row["id"]), found.id(row["name"])) for row in rows]


def _sample(request: Any, answers: dict[str, Any]) -> Reply:
    line = f"{request.method} {request.path}"
    is_past_the_end = line.endswith("/search") and json.loads(request.body).get("page_number", 1) > 1
    return Reply(200, {"Content-Type": "application/json"}, json.dumps([] if is_past_the_end else answers[line]).encode())


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
