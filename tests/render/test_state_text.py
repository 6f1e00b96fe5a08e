"""What the state remembers, as tables."""

from __future__ import annotations

from crmsync.model.address import Address
from crmsync.model.events import Applied, Intent, Origin, WriteAction
from crmsync.model.state import Binding, Head, State
from crmsync.render.state_text import binding_text, bindings_document, bindings_text

from .sample import ACME, CATALOGUE, WILE

APPLIED = Applied("1.aa", "1.aa")
STATE = State(
    Head("5f0c", b"secret"),
    7,
    bindings={
        WILE: Binding(9, Origin.ADOPTED, {"name": APPLIED}),
        ACME: Binding(
            123,
            Origin.CREATED,
            {"name": APPLIED, "custom_fields/8": Applied("1.bb", "1.cc", is_kept=True)},
            is_protected=True,
            on_delete="never",
        ),
    },
    open_intents={"i1": Intent("i1", "r1", WILE, WriteAction.UPDATE, 9, {}, {}, 0.0, 0.0)},
)


def test_the_list() -> None:
    """One line a binding, sorted, in columns, with what is special about it."""
    expected = """\
ADDRESS         RECORD  ORIGIN   FIELDS
companies.acme  #123    created  2       protected
people.wile     #9      adopted  1       waiting for an earlier request
"""
    assert expected == bindings_text(STATE)


def test_a_part_of_the_list() -> None:
    """Only the addresses asked for; those that are not bound are left out."""
    expected = """\
ADDRESS      RECORD  ORIGIN   FIELDS
people.wile  #9      adopted  1       waiting for an earlier request
"""
    assert expected == bindings_text(STATE, [Address("people", "nobody"), WILE])


def test_an_empty_list() -> None:
    """An empty state is said in a sentence."""
    assert bindings_text(State(Head("5f0c", b"secret"))) == "The state binds no records.\n"


def test_one_binding() -> None:
    """All that is known of one record; custom fields by name where the catalogue is at hand."""
    expected = """\
address    companies.acme
record     #123
origin     created
protected  yes
on_delete  never
fields
  {custom}
  name
"""
    kept = " (kept as Copper has it)"

    assert expected.format(custom=f"custom_fields.Revenue{kept}") == binding_text(STATE, ACME, CATALOGUE)
    assert expected.format(custom=f"custom_fields/8{kept}") == binding_text(STATE, ACME)
    assert "waiting    update\n" in binding_text(STATE, WILE)


def test_as_data() -> None:
    """Machines get the same, and never a digest."""
    expected = [
        {
            "address": "companies.acme",
            "record_id": 123,
            "origin": "created",
            "is_protected": True,
            "on_delete": "never",
            "fields": ["custom_fields/8", "name"],
            "kept": ["custom_fields/8"],
            "handed_over": [],
        },
        {
            "address": "people.wile",
            "record_id": 9,
            "origin": "adopted",
            "is_protected": False,
            "on_delete": None,
            "fields": ["name"],
            "kept": [],
            "handed_over": [],
        },
    ]
    assert expected == bindings_document(STATE)
