"""The rows of the entity types: complete, documented, and of kinds that can be sent."""

from __future__ import annotations

from typing import Any

import pytest

from crmsync.catalogue import CATALOGUE, KINDS
from crmsync.model.catalogue import EntityType, Field, Locale, Write

ROWS = [(entity, field) for entity in CATALOGUE.types for field in entity.fields]
TYPES = pytest.mark.parametrize("entity", CATALOGUE.types, ids=[entity.name for entity in CATALOGUE.types])
EVERY_ROW = pytest.mark.parametrize(("entity", "field"), ROWS, ids=[f"{entity.name}.{field.name}" for entity, field in ROWS])

#: Every key that Copper shows on a record (copper-api.md 4.2 to 4.4), but for the id.
KEYS = {
    "people": (
        "name prefix first_name middle_name last_name suffix address assignee_id company_id company_name contact_type_id "
        "details emails phone_numbers socials websites tags title date_created date_modified date_last_contacted "
        "interaction_count leads_converted_from date_lead_created"
    ),
    "companies": (
        "name address assignee_id contact_type_id details email_domain phone_numbers socials websites tags "
        "primary_contact_id interaction_count date_created date_modified date_last_contacted"
    ),
    "opportunities": (
        "name primary_contact_id assignee_id company_id company_name close_date customer_source_id details loss_reason_id "
        "pipeline_id pipeline_stage_id pipeline_type pipeline_is_revenue priority status tags interaction_count "
        "monetary_value monetary_unit converted_value converted_unit win_probability date_stage_changed "
        "date_last_contacted date_lead_created leads_converted_from date_created date_modified"
    ),
}

WRITABLE = {
    "people": (
        "name emails company title contact_type assignee address.street address.city address.state address.postal_code "
        "address.country details phone_numbers socials websites tags"
    ),
    "companies": (
        "name email_domain contact_type assignee primary_contact address.street address.city address.state "
        "address.postal_code address.country details phone_numbers socials websites tags"
    ),
    "opportunities": (
        "name company primary_contact assignee pipeline stage status priority monetary_value win_probability close_date "
        "customer_source loss_reason details tags"
    ),
}


@TYPES
def test_every_key_of_copper_has_a_row(entity: EntityType) -> None:
    """What Copper shows of a record can be read, and nothing else is expected of it."""
    assert set(KEYS[entity.name].split()) == {field.key for field in entity.fields}


@TYPES
def test_what_can_be_written(entity: EntityType) -> None:
    """The writable fields are these, in the order in which a reader looks for them."""
    assert WRITABLE[entity.name].split() == [field.name for field in entity.fields if field.write is not Write.NEVER]


@TYPES
def test_names_are_unique(entity: EntityType) -> None:
    """A name leads to one field."""
    assert len(entity.fields) == len(entity.by_name)


@EVERY_ROW
def test_every_row_says_what_it_is_and_where_it_stands(entity: EntityType, field: Field) -> None:
    """A row explains its field and names the page it is from."""
    assert ". (developer.copper.com/" in field.doc


@EVERY_ROW
def test_every_row_has_a_kind_that_can_be_sent(entity: EntityType, field: Field) -> None:
    """A row's kind is one of the table, and turns nothing at all into what Copper shows for it and back."""
    locale = Locale()
    empty = field.kind.decode(None, locale)

    assert (KINDS[field.kind.name], empty) == (field.kind, field.kind.decode(field.kind.encode(empty, locale), locale))


@EVERY_ROW
def test_pointers_say_where_they_point(entity: EntityType, field: Field) -> None:
    """Labels have a table, references a type, and nothing else points anywhere."""
    tables = {"users", "contact_types", "pipelines", "stages", "customer_sources", "loss_reasons"}
    targets: set[Any] = tables if field.kind.is_label else set(CATALOGUE.by_name) if field.kind.is_reference else {None}

    assert field.target in targets


def test_the_special_columns() -> None:
    """These are all the fields that are required, unique, routed, narrowed or reset by another."""
    special = {
        f"{entity.name}.{field.name}": (field.required, field.unique, field.route, field.within, field.reset_by)
        for entity, field in ROWS
        if field.required or field.unique or field.route or field.within or field.reset_by
    }

    expected = {
        "companies.name": (True, False, None, None, None),
        "companies.email_domain": (False, True, None, None, None),
        "people.name": (True, False, None, None, None),
        "people.emails": (False, True, None, None, None),
        "people.company": (False, False, "related", None, None),
        "opportunities.name": (True, False, None, None, None),
        "opportunities.stage": (False, False, None, "pipeline", None),
        "opportunities.win_probability": (False, False, None, None, "stage"),
    }
    assert expected == special


@TYPES
def test_the_ladder_stands_on_fields_that_can_be_searched(entity: EntityType) -> None:
    """Each rung of the identity ladder names fields of the type, and Copper's search finds what it looks for."""
    names = {match.by for match in entity.match_on}
    others = {name for match in entity.match_on for name in (match.within, match.where_empty) if name is not None}

    assert names | others <= set(entity.by_name)
    assert all(entity.by_name[name].filter is not None for name in names)
