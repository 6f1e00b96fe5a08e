"""The files of design and issue against the real catalogue."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from crmsync.catalogue import CATALOGUE
from crmsync.catalogue.schema import records_schema
from crmsync.config.document import parse
from crmsync.config.records import Declarations, read_records
from crmsync.model.address import Address
from crmsync.model.catalogue import EntityType, Write
from crmsync.model.values import Label, Lookup, Members

from .test_records import NORWEGIANS

SCHEMA = records_schema(CATALOGUE)

EXAMPLE = """
companies:
  acme:
    name: Acme Corporation
    email_domain: acme.com
    contact_type: Current Customer
    tags: [strategic]
    address: {street: 1 Main St, city: Reno, state: NV, postal_code: 00501, country: US}
    primary_contact: wile
    custom_fields: {Tier: Gold, Regions: [EMEA, APAC], Renewal date: 2026-12-31, Annual revenue: 1200000}
people:
  wile:
    emails: [wile@acme.com]
    phone_numbers: [{number: +1 415 555 0123, category: mobile}]
opportunities:
  acme-renewal:
    company: acme
    pipeline: Sales
    stage: Negotiation
    monetary_value: 50000
    close_date: 2026-12-31
"""


def read(text: str) -> Declarations:
    """Read *text* as the only record file."""
    return read_records([parse(text.encode(), "f.yaml")], CATALOGUE, None, SCHEMA)


def shown(value: object) -> object:
    """Return a declared value without its place."""
    if isinstance(value, Label):
        return f"label {value.text}"
    if isinstance(value, Lookup):
        return f"{value.by} {value.text}"
    return [member.key for member in value] if isinstance(value, Members) else value


def test_the_example_of_the_documentation_is_read() -> None:
    """A company, its contact and a deal come out as the values their fields hold."""
    expected = {
        "companies.acme": {
            "name": "Acme Corporation",
            "email_domain": "acme.com",
            "contact_type": "label Current Customer",
            "tags": ["strategic"],
            "address.street": "1 Main St",
            "address.city": "Reno",
            "address.state": "NV",
            "address.postal_code": "00501",
            "address.country": "US",
            "primary_contact": "key wile",
        },
        "people.wile": {"emails": ["wile@acme.com"], "phone_numbers": ["tel:+1-415-555-0123"]},
        "opportunities.acme-renewal": {
            "company": "key acme",
            "pipeline": "label Sales",
            "stage": "label Negotiation",
            "monetary_value": Decimal(50000),
            "close_date": date(2026, 12, 31),
        },
    }
    declarations = read(EXAMPLE)

    assert (expected, ()) == (
        {
            str(address): {name: shown(field.value) for name, field in record.fields.items()}
            for address, record in declarations.records.items()
        },
        declarations.diagnostics,
    )


@pytest.mark.parametrize("text", [text for text in NORWEGIANS if len(text) < 100])
def test_text_fields_of_copper_keep_plain_scalars(text: str) -> None:
    """Names, details and postal codes are what was written, whatever YAML makes of it."""
    declarations = read(f"companies:\n  a: {{name: {text}, details: {text}, address: {{postal_code: {text}}}}}\n")
    fields = declarations.records[Address("companies", "a")].fields

    assert ({"name": text, "details": text, "address.postal_code": text}, []) == (
        {name: field.value for name, field in fields.items()},
        [each for each in declarations.diagnostics if each.is_error],
    )


@pytest.mark.parametrize("entity", CATALOGUE.types, ids=lambda entity: entity.name)
def test_null_clears_and_emptiness_is_refused_for_every_field(entity: EntityType) -> None:
    """For each writable field of each type `null` is a value, and nothing at all is an error."""
    names = [field.name for field in entity.fields if field.write is not Write.NEVER and "." not in field.name]
    cleared = read(f"{entity.name}:\n  a: {{{', '.join(f'{name}: null' for name in names)}}}\n")
    empty = read(f"{entity.name}:\n  a:\n" + "".join(f"    {name}:\n" for name in names))

    assert (dict.fromkeys(names), (), ["CRM015"] * len(names)) == (
        {name: field.value for name, field in cleared.records[Address(entity.name, "a")].fields.items()},
        cleared.diagnostics,
        [each.code.number for each in empty.diagnostics],
    )
