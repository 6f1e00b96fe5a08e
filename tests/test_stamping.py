"""The stamp: a field like any other, made once, and the first thing by which a record is known."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from crmsync.config.packing import pack, unpack, with_text
from crmsync.model.address import Address
from crmsync.model.catalogue import STAMP
from crmsync.model.records import Declared, DeclaredField, RecordOptions
from crmsync.model.source import Position
from crmsync.model.values import Lookup, Member, Members
from crmsync.project.stamping import stamp_of
from tests.desk import PROJECT, SETTINGS, Desk

FILES = """
companies:
  acme: {name: Acme}
  other: {name: Acme, crmsync: {new: true}}
"""
ACME = Address("companies", "acme")


def _stamped(desk: Desk) -> None:
    desk.write("crmsync.yaml", f"{SETTINGS}stamp: true\n")
    desk.write("crm/a.yaml", FILES)
    desk.done("apply", "-y")
    desk.done("apply", "-y")


def _entry(desk: Desk, record_id: int, value: str) -> int | None:
    """Return the custom field of a record that has *value*."""
    body = desk.sandbox.record("companies", record_id)
    assert body is not None
    return next((each["custom_field_definition_id"] for each in body["custom_fields"] if each["value"] == value), None)


def test_a_stamp_says_the_address_to_those_who_know_it() -> None:
    """It is the same everywhere for one project, and another one elsewhere."""
    stamps = {stamp_of(lineage, Address(type, "acme")) for lineage in ("a", "b") for type in ("companies", "people")}

    assert len(stamps) == 4
    assert stamp_of("a", Address("companies", "acme")) in stamps


START = Position("crm/a.yaml", 7, 3, 4)
FIELDS = {
    "none": {},
    "one": {"name": "Acme"},
    "odd": {"name": 'A "quoted", [odd] \\ name]\n\ud83d', "tags": Members((Member("a,b", "A,b"), Member("]", "]")))},
    "several": {"assignee": Lookup("email", "dana@ourfirm.com", START), "employees": Decimal("1.5"), "details": STAMP[1:]},
}


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
@pytest.mark.parametrize("options", [RecordOptions(), RecordOptions(id=5, is_new=True)], ids=["plain", "with options"])
def test_a_packed_record_gets_the_same_stamp(fields: dict[str, Any], options: RecordOptions) -> None:
    """A record is stamped as it is packed just as it is when it is made."""
    declared = {name: DeclaredField(value, Position("crm/a.yaml", 8, 5, 9)) for name, value in fields.items()}
    stamped = {**declared, STAMP: DeclaredField("0123456789abcdef", START)}

    packed = with_text(pack(Declared(ACME, declared, START, options)), STAMP, "0123456789abcdef")

    assert unpack(packed, ACME, START.file, START.line) == Declared(ACME, stamped, START, options)
    assert with_text(packed, STAMP, "another") == packed


def test_twins_are_told_apart(desk: Desk) -> None:
    """Two records of one name, which no natural key tells apart, are found again each by its own stamp."""
    _stamped(desk)
    ids = {str(address): binding.record_id for address, binding in desk.state().bindings.items()}
    (desk.root / ".crmsync" / "state.db").unlink()

    desk.done("state", "rebuild")

    assert ids == {str(address): binding.record_id for address, binding in desk.state().bindings.items()}
    assert "No changes." in desk.done("plan")


def test_a_lost_state_without_rebuild_creates_nothing_twice(desk: Desk) -> None:
    """The stamp is a rung of the ladder of every plan, not of a rebuild alone."""
    _stamped(desk)
    (desk.root / ".crmsync" / "state.db").unlink()

    desk.done("apply", "-y")

    assert desk.names("companies") == ["Acme", "Acme"]


def test_a_renamed_address_gets_its_new_stamp(desk: Desk) -> None:
    """After `moved` the record is found under its new name."""
    _stamped(desk)
    moved = "moved: [{from: companies.acme, to: companies.corp}]\n"
    desk.write("crm/a.yaml", FILES.replace("acme: {", "corp: {") + moved)

    desk.done("apply", "-y")

    assert _entry(desk, desk.id("companies.corp"), stamp_of(PROJECT, Address("companies", "corp"))) is not None


def test_a_stamp_that_was_changed_is_put_back(desk: Desk) -> None:
    """It is a field under management."""
    _stamped(desk)
    id = desk.id("companies.acme")
    field = _entry(desk, id, stamp_of(PROJECT, ACME))
    desk.sandbox.edit("companies", id, {"custom_fields": [{"custom_field_definition_id": field, "value": "x"}]})

    desk.done("apply", "-y")

    assert _entry(desk, id, stamp_of(PROJECT, ACME)) == field
