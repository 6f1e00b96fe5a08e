"""What a write replaces, written down and read back."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest

from crmsync.model.address import Address
from crmsync.model.events import WriteAction
from crmsync.model.undo import Before, read_before, write_before
from crmsync.model.values import Member, Members

ACME = Address("companies", "acme")
VALUES = [
    None,
    True,
    "",
    "Acme\u2028\ud800",
    7,
    Decimal("0.10"),
    Decimal("1E+3"),
    date(2026, 12, 31),
    Members(),
    Members((Member("a@acme.com", "A@acme.com", "work"), Member(5, 5))),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_back(value: object) -> None:
    """Each kind of value is the same after a way through JSON, members with how they are written."""
    before = Before(ACME, WriteAction.UPDATE, 7, 100.125, {"name": (value, None), "custom:9": ("x", value)})

    again = read_before(json.loads(json.dumps(write_before(before))))
    assert before == again
    assert repr(before) == repr(again)


def test_a_create_has_nothing_before() -> None:
    """Of a create only the record is kept: what it was given need not be put back."""
    before = Before(ACME, WriteAction.CREATE, None, 100.0)

    assert before == read_before(json.loads(json.dumps(write_before(before))))
