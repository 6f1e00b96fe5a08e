"""The renderer beside the rows of the real catalogue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from crmsync.catalogue import CATALOGUE
from crmsync.model.address import Address
from crmsync.model.catalogue import Locale
from crmsync.model.plan import Action, Cause, Change, Delta, FieldChange
from crmsync.model.values import Members, Value
from crmsync.render.document import plan_document
from crmsync.render.text import plan_text

from .sample import META, at, plan_of

ANN = Address("people", "ann")


def decoded(field: str, data: Any) -> Value:
    """Return what Copper's *data* of a person's field means."""
    return CATALOGUE["people"].by_name[field].kind.decode(data, Locale())


def emails(**categories: str) -> Members:
    """Return e-mails as Copper sends them, decoded."""
    value = decoded("emails", [{"email": f"{name}@acme.com", "category": each} for name, each in categories.items()])
    assert isinstance(value, Members)
    return value


def line_of(change: FieldChange) -> str:
    """Return the line of one changed field of a person."""
    plan = plan_of(Change(ANN, Action.UPDATE, 102, "Ann", (change,), at(3), "file changed"))
    return plan_text(plan_document(plan, CATALOGUE, META)).splitlines()[7].strip()


LINES = [
    (
        FieldChange("emails", emails(ann="work"), emails(ann="personal"), Cause.EDITED),
        "~ emails: ~ann@acme.com -> ann@acme.com (personal)",
    ),
    (
        FieldChange("emails", emails(ann="other"), emails(ann="personal"), Cause.EDITED),
        '~ emails: ~ann@acme.com (category: "other" -> "personal")',
    ),
    (
        FieldChange(
            "emails",
            emails(ann="work", bob="work"),
            emails(ann="work", bob="personal"),
            Cause.EDITED,
            delta=Delta(changed=emails(bob="personal"), foreign=emails(ann="work")),
        ),
        "~ emails: ~bob@acme.com -> bob@acme.com (personal), keeps ann@acme.com, not ours",
    ),
    (FieldChange("emails", emails(), emails(ann="personal"), Cause.EDITED), "+ emails: [ann@acme.com (personal)]"),
    (
        FieldChange("tags", decoded("tags", ["vip", "old"]), decoded("tags", ["vip", "new"]), Cause.EDITED),
        "~ tags: +new, -old",
    ),
    (
        FieldChange("company", 123, Address("companies", "beta"), Cause.EDITED),
        '~ company: "companies.acme" -> "companies.beta"',
    ),
    (FieldChange("address.city", "Reno", None, Cause.EDITED), '- address.city: "Reno" -> null'),
]


@pytest.mark.parametrize(("change", "expected"), LINES)
def test_the_real_kinds(change: FieldChange, expected: str) -> None:
    """Sets, references and parts of an address as the catalogue shows them."""
    assert line_of(change) == expected


@pytest.mark.parametrize("entity", CATALOGUE.types, ids=lambda entity: entity.name)
def test_every_row_shows_nothing(entity: Any) -> None:
    """Every field of every type can be shown when it is empty, as before of a create."""
    fields = tuple(FieldChange(row.name, None, None, Cause.EDITED) for row in entity.fields)
    change = Change(Address(entity.name, "x"), Action.UPDATE, 1, "X", fields, at(1), "file changed")
    shown = plan_document(plan_of(change), CATALOGUE, META)["resource_changes"][0]["crmsync"]["fields"]

    empty = [row.name for row, each in zip(entity.fields, shown, strict=True) if each["before"] in (None, [], False)]
    assert [row.name for row in entity.fields] == empty


def test_money_is_exact() -> None:
    """An amount is a JSON number with all its digits."""
    change = FieldChange("monetary_value", None, Decimal("50000.10"), Cause.EDITED)
    plan = plan_of(Change(Address("opportunities", "x"), Action.UPDATE, 1, "X", (change,), at(1), "file changed"))

    assert "+ monetary_value: 50000.1" in plan_text(plan_document(plan, CATALOGUE, META))
