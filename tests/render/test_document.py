"""The plan as JSON: the contract, exactness, digests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from crmsync.model.plan import Action, Cause, Delta, FieldChange, Plan
from crmsync.model.values import Members
from crmsync.render.document import dump, dump_line, dump_pieces, plan_document, with_digest

from .sample import (
    ACME,
    ADOPT,
    CATALOGUE,
    CREATE,
    DELETE,
    FORGET,
    META,
    PLAN,
    UPDATE,
    at,
    change_of,
    options,
    plan_of,
    tags,
)

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "plan.schema.json").read_text())


def document(plan: Plan = PLAN, **meta: Any) -> dict[str, Any]:
    """Return the document of *plan* in the sample account."""
    return plan_document(plan, CATALOGUE, replace(META, **meta))


def first_field(change: FieldChange) -> dict[str, Any]:
    """Return a field change as the document shows it."""
    return document(plan_of(change_of(change)))["resource_changes"][0]["crmsync"]["fields"][0]


def plain(text: str) -> Any:
    """Return JSON *text* as data with exact numbers."""
    return json.loads(text, parse_float=Decimal)


PLANS = {
    "everything": PLAN,
    "nothing": Plan(),
    "one update": plan_of(UPDATE),
    "partial": plan_of(DELETE, is_partial=True),
}


@pytest.mark.parametrize("name", PLANS)
def test_every_document_keeps_the_contract(name: str) -> None:
    """What is written validates against the published schema."""
    assert list(Draft202012Validator(SCHEMA).iter_errors(plain(dump(document(PLANS[name]))))) == []


def test_the_schema_is_itself_valid() -> None:
    """The contract is a schema of the draft it names."""
    Draft202012Validator.check_schema(SCHEMA)


def parts_of(schema: Any) -> list[Any]:
    """Return the schemas that hold together for one value: this one, what it refers to, what it combines."""
    if "$ref" in schema:
        return parts_of(SCHEMA["$defs"][schema["$ref"].split("/")[-1]])
    return [schema, *(part for each in (*schema.get("allOf", ()), *schema.get("anyOf", ())) for part in parts_of(each))]


def undescribed(value: Any, schemas: list[Any], path: str = "") -> Iterator[str]:
    """Return the keys of *value* that none of *schemas* describes; a schema without properties is open."""
    parts = [part for schema in schemas for part in parts_of(schema)]
    if isinstance(value, list):
        for each in value:
            yield from undescribed(each, [part["items"] for part in parts if "items" in part], f"{path}[]")
    if not isinstance(value, dict) or not any("properties" in part for part in parts):
        return
    for key, each in value.items():
        schemas = [part["properties"][key] for part in parts if key in part.get("properties", {})]
        if schemas:
            yield from undescribed(each, schemas, f"{path}.{key}")
        else:
            yield f"{path}.{key}"


def test_every_key_is_described() -> None:
    """A key that the schema does not know would be a promise nobody wrote down."""
    assert list(undescribed(plain(dump(document())), [SCHEMA])) == []


def test_an_undescribed_key_is_noticed() -> None:
    """The test above sees a key that was forgotten, also deep inside."""
    changed = deepcopy(document())
    changed["crmsync"]["surprise"] = 1
    changed["resource_changes"][0]["crmsync"]["surprise"] = 1

    expected = [".resource_changes[].crmsync.surprise", ".crmsync.surprise"]
    assert expected == list(undescribed(changed, [SCHEMA]))


def test_an_update_as_a_whole() -> None:
    """One change has Terraform's keys, and ours beside them."""
    entry = document(plan_of(UPDATE))["resource_changes"][0]
    digest = entry["crmsync"].pop("digest")

    def file(line: int) -> dict[str, Any]:
        return {"name": "crm/companies.yaml", "line": line, "column": 5}

    expected = {
        "address": "companies.acme",
        "type": "companies",
        "name": "acme",
        "change": {
            "actions": ["update"],
            "before": {"contact_type": "Potential Customer", "tags": ["vip", "old"], "details": "Acme Inc"},
            "after": {"contact_type": "Current Customer", "tags": ["vip", "strategic"], "details": "Acme"},
            "after_unknown": {},
        },
        "crmsync": {
            "action": "update",
            "record_id": 123,
            "display_name": "Acme Corporation",
            "link": "https://app.copper.com/companies/1234567/app#/organization/123",
            "reason": "file changed, put back: changed in Copper",
            "file": file(3),
            "fields": [
                {
                    "field": "contact_type",
                    "before": "Potential Customer",
                    "after": "Current Customer",
                    "cause": "edited",
                    "file": file(5),
                    "members": None,
                },
                {
                    "field": "tags",
                    "before": ["vip", "old"],
                    "after": ["vip", "strategic"],
                    "cause": "edited",
                    "file": file(6),
                    "members": {"added": ["strategic"], "removed": ["old"], "changed": [], "foreign": ["vip"]},
                },
                {
                    "field": "details",
                    "before": "Acme Inc",
                    "after": "Acme",
                    "cause": "drifted",
                    "file": file(7),
                    "members": None,
                },
            ],
        },
    }
    assert expected == entry
    assert len(digest) == 64


ACTIONS = [
    (CREATE, ["create"], False, True),
    (UPDATE, ["update"], True, True),
    (DELETE, ["delete"], True, False),
    (ADOPT, ["update"], True, True),
    (replace(ADOPT, fields=()), ["no-op"], True, True),
    (FORGET, ["no-op"], True, True),
]


@pytest.mark.parametrize(("change", "actions", "has_before", "has_after"), ACTIONS)
def test_actions_in_terraforms_words(change: Any, actions: list[str], has_before: bool, has_after: bool) -> None:
    """Tools made for Terraform's plans understand every action; what sends nothing is a no-op."""
    shown = document(plan_of(change))["resource_changes"][0]["change"]

    assert (actions, has_before, has_after) == (
        shown["actions"],
        shown["before"] is not None,
        shown["after"] is not None,
    )


VALUES = [
    ("contact_type", 1, "Potential Customer"),
    ("contact_type", 99, "#99"),
    ("custom_fields.Regions", options(72, 71), ["LATAM", "EMEA"]),
    ("custom_fields.Regions", Members(), []),
    ("custom_fields.Renewal", date(2026, 12, 31), "2026-12-31"),
    ("primary_contact", ACME, "companies.acme"),
    ("primary_contact", 9, "people.wile"),
    ("primary_contact", 77, {"id": 77, "name": "Road Runner"}),
    ("primary_contact", 78, {"id": 78}),
    ("primary_contact", None, None),
]


@pytest.mark.parametrize(("field", "value", "expected"), VALUES)
def test_values_are_shown_as_a_file_says_them(field: str, value: Any, expected: Any) -> None:
    """Labels and addresses, never an id alone where a name is known."""
    assert expected == first_field(FieldChange(field, None, value, Cause.EDITED))["after"]


NUMBERS = ["0", "-0", "1200000", "1200000.50", "0.1", "123456789012345678.123456789", "1E+3", "-2.50", "1E+400", "1E-7"]


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_are_exact(text: str) -> None:
    """A Decimal becomes a JSON number of the same value, whatever its digits."""
    written = dump(first_field(FieldChange("custom_fields.Revenue", None, Decimal(text), Cause.EDITED)))

    assert Decimal(text) == Decimal(plain(written)["after"])


def test_a_reference_to_a_new_record_is_unknown() -> None:
    """The id of a record that this plan creates is only known after apply."""
    assert document(plan_of(CREATE))["resource_changes"][0]["change"]["after_unknown"] == {"company": True}


def test_drift_shows_what_copper_has_now() -> None:
    """Fields changed in Copper are listed by record, with what becomes of them: put back, kept or held."""
    drift = [
        (each["address"], field["field"], field["before"], field["after"], field["handling"])
        for each in document()["resource_drift"]
        for field in each["crmsync"]["fields"]
    ]

    expected = [
        ("companies.acme", "details", "Acme", "Acme Inc", "overwrite"),
        ("companies.acme", "custom_fields.Revenue", Decimal(7), Decimal(5), "keep"),
        ("companies.acme", "primary_contact", "people.wile", {"id": 77, "name": "Road Runner"}, "keep"),
        ("companies.acme", "name", "Acme", "ACME", "hold"),
    ]
    assert expected == drift


def test_a_rename_names_the_earlier_address() -> None:
    """A changed record that moved carries Terraform's key for it; all renames are listed."""
    shown = document()

    assert shown["resource_changes"][0]["previous_address"] == "companies.acme-inc"
    assert shown["crmsync"]["renamed"] == [{"from": "companies.acme-inc", "to": "companies.acme"}]


STATES = [
    (plan_of(UPDATE), True, True),
    (Plan(), True, False),
    (plan_of(UPDATE, is_partial=True), False, True),
    (plan_of(UPDATE, held=PLAN.held), False, True),
    (plan_of(UPDATE, gone=PLAN.gone), False, True),
    (plan_of(UPDATE, unsettled=PLAN.unsettled), False, True),
    (plan_of(UPDATE, kept=PLAN.kept), True, True),
    (plan_of(UPDATE, breaches=PLAN.breaches), True, False),
]


@pytest.mark.parametrize(("plan", "complete", "applyable"), STATES)
def test_complete_and_applyable(plan: Plan, complete: bool, applyable: bool) -> None:
    """A plan is complete when nothing is left undone, applyable when apply would take it as it is."""
    shown = document(plan)

    assert (complete, applyable) == (shown["complete"], shown["applyable"])


def test_the_same_plan_is_the_same_bytes() -> None:
    """Nothing of the order of dictionaries or of the moment gets into the bytes."""
    turned = replace(META, address_of=dict(reversed(META.address_of.items())), names=dict(reversed(META.names.items())))

    assert dump(document()) == dump(plan_document(PLAN, CATALOGUE, turned))
    assert dump(document()) == dump(plain(dump(document())))


def digests(plan: Plan, **meta: Any) -> tuple[str, str]:
    """Return the digest of the first change and of the whole plan."""
    shown = document(plan, **meta)
    return shown["resource_changes"][0]["crmsync"]["digest"], shown["crmsync"]["digest"]


SAME = [
    {"created_at": 1.0, "expires_at": None, "profile": None, "crmsync_version": "9", "state_position": 9},
    {"names": {}, "address_of": {}, "web_base": "https://else.where", "account_name": "Other"},
]


@pytest.mark.parametrize("plan", [PLAN, plan_of()])
def test_in_pieces_it_is_the_same_bytes(plan: Plan) -> None:
    """Changes that are set out one at a time, while they are written, read like all of them at once."""
    whole = plan_document(plan, CATALOGUE, META)
    lazy = with_digest(plan_document(plan, CATALOGUE, META, at_once=False))

    assert [dump(whole)] * 2 == ["".join(dump_pieces(whole)), "".join(dump_pieces(lazy))]


@pytest.mark.parametrize("document", [{}, {"b": [], "a": {"x": [1, "y"]}}, {"l": [[1], {}, None], "t": "text", "n": 2}])
def test_any_document_in_pieces_is_the_same_bytes(document: dict[str, Any]) -> None:
    """Empty ones, lists in lists, texts."""
    assert dump(document) == "".join(dump_pieces(document))


@pytest.mark.parametrize("meta", SAME)
def test_digests_do_not_hang_on_the_surroundings(meta: dict[str, Any]) -> None:
    """A plan made again later, with other names of things around it, has the digest that was reviewed."""
    assert digests(PLAN) == digests(PLAN, **meta)


def test_a_line_that_moves_in_its_file_keeps_the_digest() -> None:
    """Comments added above a record do not undo a review."""
    moved = replace(UPDATE, position=at(99), fields=tuple(replace(each, position=at(99)) for each in UPDATE.fields))

    assert digests(plan_of(UPDATE)) == digests(plan_of(moved))


FIRST = UPDATE.fields[0]
OTHER = [
    replace(UPDATE, record_id=124),
    replace(UPDATE, action=Action.ADOPT),
    replace(UPDATE, fields=UPDATE.fields[:2]),
    replace(UPDATE, fields=(replace(FIRST, before=None), *UPDATE.fields[1:])),
    replace(UPDATE, fields=(replace(FIRST, after=1), *UPDATE.fields[1:])),
    replace(UPDATE, fields=(replace(FIRST, cause=Cause.CONFLICT), *UPDATE.fields[1:])),
    replace(UPDATE, fields=(FIRST, replace(UPDATE.fields[1], delta=Delta(added=tags("strategic"))), UPDATE.fields[2])),
]


@pytest.mark.parametrize("other", OTHER)
def test_another_change_has_another_digest(other: Any) -> None:
    """Whatever would be sent or expected differently shows in both digests."""
    mine, theirs = digests(plan_of(UPDATE)), digests(plan_of(other))

    assert mine[0] != theirs[0]
    assert mine[1] != theirs[1]


@pytest.mark.parametrize("meta", [{"account_id": 1}, {"lineage": "other"}])
def test_another_account_or_lineage_is_another_plan(meta: dict[str, Any]) -> None:
    """The same changes for another account are another plan."""
    assert digests(PLAN)[0] == digests(PLAN, **meta)[0]
    assert digests(PLAN)[1] != digests(PLAN, **meta)[1]


def test_json_hides_nothing_and_acts_on_nothing() -> None:
    """Text that a terminal would act on is escaped in JSON, and reads back as it was; other letters stay readable."""
    text = "Müller \x1b[2J \u202e \x9b \ud800 \U000e0041 日本 👩\u200d💻"
    line = dump_line({"text": text, "empty": {}, "none": []})

    expected = (
        '{"empty": {}, "none": [], "text": "Müller \\u001b[2J \\u202e \\u009b \\ud800 \\udb40\\udc41 日本 👩\u200d💻"}'
    )
    assert expected == line
    assert text == json.loads(line)["text"]


def test_a_digest_that_is_made_when_it_is_asked_for_is_the_same() -> None:
    """Who reads the changes one after the other finds the digests of the document that is made at once."""
    late = plan_document(PLAN, CATALOGUE, META, at_once=False)
    first = late["resource_changes"][0]
    whole = document()

    assert whole["crmsync"]["digest"] == late["crmsync"]["digest"]
    assert whole["resource_changes"] == [first, *list(late["resource_changes"])[1:]]
    with pytest.raises(KeyError):
        late["crmsync"]["nonsense"]
