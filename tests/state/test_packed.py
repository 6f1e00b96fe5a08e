"""Bindings that stay as the snapshot has them until somebody asks."""

from __future__ import annotations

from copy import copy
from typing import cast

import pytest
from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.model.events import Applied, Origin
from crmsync.model.state import Binding, Head, State, record_id, record_ids
from crmsync.model.store import Unusable
from crmsync.state.codec import decode_binding, decode_state, encode_binding, encode_state
from crmsync.state.packed import RECENT, PackedBindings

HEAD = Head("lineage", bytes(32))
ACME, WILE = Address("companies", "acme"), Address("people", "wile")
BINDINGS = {
    ACME: Binding(7, Origin.CREATED, {"name": Applied("1.a", "1.a"), "tags": Applied("1.b", "1.c", {"k": ("1.d", "1.d")})}),
    WILE: Binding(9, Origin.ADOPTED, {}, is_protected=True, on_delete="never"),
}
STATE = State(HEAD, 4, 12, BINDINGS, compacted_at=4)
EVERYTHING = replace(
    STATE,
    started_plans=frozenset({"plan"}),
    has_open_run=True,
    missed=frozenset({WILE}),
    key="mark",
    deleted=frozenset({("people", 3)}),
)
FEW = [STATE, State(HEAD, 1), State(HEAD, 4, None, {ACME: BINDINGS[ACME]}, compacted_at=4), EVERYTHING]


@pytest.mark.parametrize("state", FEW)
def test_a_checked_snapshot_says_the_same(state: State) -> None:
    """Whether bindings are decoded at once or when asked for: the state is equal, both ways round."""
    text = encode_state(state)
    packed, whole = decode_state(text, HEAD, is_checked=True), decode_state(text, HEAD)

    assert isinstance(packed.bindings, PackedBindings)
    assert (whole, dict(whole.bindings)) == (packed, dict(packed.bindings))
    assert packed == whole


def test_records_are_known_without_decoding() -> None:
    """Who is bound to what is read off the text."""
    packed = decode_state(encode_state(STATE), HEAD, is_checked=True).bindings

    assert list(record_ids(packed)) == [(ACME, 7), (WILE, 9)]
    assert list(record_ids(packed)) == list(record_ids(BINDINGS))
    assert [record_id(packed, each) for each in packed] == [7, 9]


def test_a_copy_is_another_table() -> None:
    """What is folded into a copy leaves the snapshot as it was."""
    packed = decode_state(encode_state(STATE), HEAD, is_checked=True).bindings
    assert isinstance(packed, PackedBindings)
    other = copy(packed)
    other[WILE] = BINDINGS[ACME]
    del other[ACME]

    assert {WILE: BINDINGS[ACME]} == dict(other)
    assert dict(packed) == BINDINGS
    assert (other.text(WILE), packed.text(WILE) is None) == (None, False)


def test_what_was_put_in_is_pressed_and_says_the_same() -> None:
    """More bindings than stay values are a third of their texts, and the same in each way in which they are asked for."""
    put = {Address("people", f"p{n}"): replace(BINDINGS[ACME], record_id=n + 1) for n in range(2 * RECENT)}
    table = PackedBindings({}, decode_binding, encode_binding)
    for address, binding in put.items():
        table[address] = binding
    first, other = next(iter(put)), copy(table)
    other[first] = BINDINGS[WILE]
    text = encode_binding(put[first])

    assert (dict(table), dict(other)) == (put, put | {first: BINDINGS[WILE]})
    assert dict(record_ids(table)) == {address: binding.record_id for address, binding in put.items()}
    assert (table.text(first), table.written(first)) == (text, text.encode())
    assert len(cast(bytes, table._bindings[first])) < len(text) / 3


def test_what_is_set_out_otherwise_is_read_carefully() -> None:
    """A snapshot that a person set out anew is no other state."""
    text = encode_state(STATE).replace('"bindings":{', '"bindings": {')

    assert decode_state(text, HEAD, is_checked=True) == STATE


def test_a_binding_that_makes_no_sense_is_told() -> None:
    """At once, where nobody checked the text; else as soon as it is asked for."""
    text = encode_state(STATE).replace('"record_id":9', '"record_id":"9"')
    packed = decode_state(text, HEAD, is_checked=True).bindings

    with pytest.raises(Unusable, match="is not of the type int"):
        decode_state(text, HEAD)
    with pytest.raises(Unusable, match="is not of the type int"):
        list(packed.values())
