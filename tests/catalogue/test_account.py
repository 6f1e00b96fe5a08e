"""What an account adds: custom fields, label tables, and the document that keeps them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crmsync.catalogue import CATALOGUE, kinds
from crmsync.catalogue.account import account_document, catalogue_from_document, read_account_document, with_account
from crmsync.model.catalogue import Entry, Field, Write
from tests.catalogue.accounts import ACCOUNT, DEFINITIONS, LOCALE, TABLES, definition

PAGE = "(developer.copper.com/custom-fields/general/list-custom-field-definitions.html)"


def _custom(*definitions: dict[str, Any], type: str = "companies") -> list[tuple[str, str, int | None]]:
    """Return names, kinds and ids of the custom fields of a type."""
    catalogue = with_account(CATALOGUE, definitions, {}, LOCALE)
    return [
        (field.name, field.kind.name, field.definition_id)
        for field in catalogue[type].fields
        if field.definition_id is not None
    ]


@pytest.mark.parametrize(
    ("data_type", "kind", "write"),
    [
        ("String", "text", Write.ALWAYS),
        ("Text", "long_text", Write.ALWAYS),
        ("Dropdown", "label", Write.ALWAYS),
        ("Date", "date", Write.ALWAYS),
        ("Checkbox", "checkbox", Write.ALWAYS),
        ("Float", "number", Write.ALWAYS),
        ("URL", "url", Write.ALWAYS),
        ("Percentage", "percentage", Write.ALWAYS),
        ("Currency", "money", Write.ALWAYS),
        ("MultiSelect", "options", Write.ALWAYS),
        ("Connect", "connect", Write.NEVER),
        ("Hologram", "opaque", Write.NEVER),
    ],
)
def test_every_type_of_custom_field_is_a_field(data_type: str, kind: str, write: Write) -> None:
    """Each of Copper's types has its kind; one that is new to us is only looked at."""
    catalogue = with_account(CATALOGUE, [definition(7, "X", data_type)], {}, LOCALE)
    expected = Field(
        name="custom_fields.X",
        kind=kinds.KINDS[kind],
        key="custom_fields",
        doc=f"A custom field of this account, type {data_type}, definition 7. {PAGE}",
        target="options/7" if kind in ("label", "options") else None,
        write=write,
        definition_id=7,
        max_length=255 if data_type == "String" else None,
    )

    assert [expected] * 3 == [entity.fields[-1] for entity in catalogue.types]


def test_a_custom_field_is_where_it_is_available() -> None:
    """One definition serves the types it names."""
    here = definition(7, "X", "Text", ["person"])

    assert (_custom(here), _custom(here, type="people")) == ([], [("custom_fields.X", "long_text", 7)])


def test_custom_fields_of_one_name_are_told_apart_by_id() -> None:
    """Both rows stay, under names of their own, so that neither shows the other's value."""
    twins = definition(7, "Tier", "Text"), definition(8, " Tier", "Float"), definition(9, "Tier", "Date", ["person"])

    assert _custom(*twins) == [("custom_fields.Tier#7", "long_text", 7), ("custom_fields.Tier#8", "number", 8)]


def test_an_account_replaces_an_earlier_one() -> None:
    """Adding an account to a catalogue that has one leaves nothing of the old one's fields."""
    assert ACCOUNT.types == with_account(ACCOUNT, DEFINITIONS, TABLES, LOCALE).types


def test_label_tables() -> None:
    """Each table lists its entries in Copper's order, options by rank; users have their e-mail as a further name."""
    expected = {
        "users": (
            Entry(1, "Dana", also=("dana@ourfirm.com",)),
            Entry(2, "Robin", also=("robin.a@ourfirm.com",)),
            Entry(3, "Robin", also=("robin.b@ourfirm.com",)),
        ),
        "pipelines": (Entry(10, "Sales"), Entry(11, "Renewals")),
        "stages": (
            Entry(100, "First", 10),
            Entry(101, "Negotiation", 10),
            Entry(110, "First", 11),
            Entry(111, "Kickoff", 11),
        ),
        "contact_types": (Entry(20, "Current Customer"), Entry(21, "Vendor")),
        "customer_sources": (Entry(30, "Fair"),),
        "loss_reasons": (Entry(40, "Price"),),
        "options/50": (Entry(501, "Gold"), Entry(502, "Silver")),
        "options/60": (Entry(601, "EMEA"), Entry(602, "APAC")),
    }

    assert expected == ACCOUNT.labels


def test_the_document_keeps_the_account() -> None:
    """What is kept as JSON makes the same catalogue again."""
    document = json.loads(json.dumps(account_document(DEFINITIONS, TABLES, LOCALE)))

    assert read_account_document(document) == (DEFINITIONS, TABLES, LOCALE)
    assert catalogue_from_document(CATALOGUE, document) == ACCOUNT


@pytest.mark.parametrize(
    "damage",
    [
        {"format": 99},
        {"tables": None},
        {"tables": {"users": [[1]]}},
        {"locale": {}},
        {"locale": {"zone": "Mars/Olympus", "close_date_order": "mdy", "phone_region": "US"}},
        {"definitions": [7]},
        {"definitions": [{"id": 7, "available_on": ["company"]}]},
        {"definitions": [{"id": "x", "name": "X", "data_type": "Text", "available_on": ["company"]}]},
    ],
)
def test_a_damaged_document_is_refused(damage: dict[str, Any]) -> None:
    """A document that is not whole is an error, never half an account."""
    with pytest.raises(ValueError, match=r"."):
        catalogue_from_document(CATALOGUE, {**account_document(DEFINITIONS, TABLES, LOCALE), **damage})


@pytest.mark.parametrize("document", [None, [], "text", {}])
def test_what_is_no_document_is_refused(document: Any) -> None:
    """Anything else is an error as well."""
    with pytest.raises(ValueError, match="damaged"):
        read_account_document(document)
