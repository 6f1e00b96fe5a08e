"""What an append must know: the same verdict as reading the log would give, for the price of the batch."""

from __future__ import annotations

import sys
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsync.model.address import Address
from crmsync.model.events import (
    Applied,
    Bound,
    Event,
    FieldsApplied,
    FieldsReleased,
    Forgotten,
    Origin,
    Protected,
    Renamed,
    Ruled,
)
from crmsync.model.state import Binding, Head, State, record_ids
from crmsync.model.store import Unusable
from crmsync.state import ondisk
from crmsync.state.codec import empty_state, empty_state_on_disk, encode_state
from crmsync.state.fold import Known, extended

HEAD = Head("lineage", bytes(32))

addresses = st.sampled_from([Address("people", key) for key in "abc"])
events = st.one_of(
    addresses.map(lambda address: Bound(address, 1, Origin.CREATED)),
    addresses.map(lambda address: FieldsApplied(address, {"name": Applied("a", "b")})),
    addresses.map(lambda address: FieldsReleased(address, ("name",))),
    addresses.map(lambda address: Forgotten(address, "gone")),
    addresses.map(lambda address: Protected(address, True)),
    addresses.map(lambda address: Ruled(address, "never")),
    st.builds(Renamed, addresses, addresses),
)


def _read(batches: list[list[Event]]) -> set[Address] | None:
    """Return what is bound after *batches* as a reader of the whole log finds it, or None where it cannot be read."""
    state = State(HEAD)
    try:
        for number, batch in enumerate(batches, 1):
            state = state.advance(batch, number)
    except KeyError:
        return None
    return set(state.bindings)


@given(st.lists(events, max_size=40), st.integers(0, 3))
def test_a_fold_on_disk_comes_to_the_same(history: list[Event], recent: int) -> None:
    """Whatever became of the records, and however few are in memory: the same state, and the same snapshot."""
    with patch.object(ondisk, "RECENT", recent):
        try:
            whole = empty_state(HEAD).advance(history, 1)
        except KeyError:
            with pytest.raises(KeyError):
                empty_state_on_disk(HEAD).advance(history, 1)
            return
        on_disk = empty_state_on_disk(HEAD).advance(history, 1)

        assert encode_state(on_disk) == encode_state(whole)
        assert dict(on_disk.bindings) == dict(whole.bindings)
        assert len(on_disk.bindings) == len(whole.bindings)
        assert list(record_ids(on_disk.bindings)) == list(record_ids(whole.bindings))


@given(st.lists(st.lists(events, max_size=4), max_size=6))
def test_an_append_is_refused_where_a_reader_would_stumble(batches: list[list[Event]]) -> None:
    """Batch after batch an append knows as bound what a reader finds, and refuses what a reader could not read."""
    known: State | Known = State(HEAD)
    try:
        for batch in batches:
            known = extended(known, batch)
    except Unusable:
        assert _read(batches) is None
    else:
        expected = _read(batches)
        assert expected == (_bound(known) if isinstance(known, Known) else set())


def _bound(known: Known) -> set[Address]:
    since = known.since()
    return {address for address in map(Address, ["people"] * 3, "abc") if since.is_bound(address)}


def test_an_append_costs_what_it_holds() -> None:
    """However many addresses are bound, no append copies them: all work on one table, and a create asks nothing of it."""
    bound = {Address("people", f"p{number}"): Binding(number, Origin.CREATED) for number in range(1000)}
    known = extended(State(HEAD, bindings=bound), [])
    since = known.since()
    before = sys.getsizeof(since.__dict__["_hashes"])
    with patch.object(since, "is_bound", side_effect=AssertionError):
        for number in range(100):
            address = Address("people", f"n{number}")
            applied = FieldsApplied(address, {"name": Applied("a", "b")})
            known = extended(known, [Bound(address, number, Origin.CREATED), applied])

    assert known.since() is since
    assert sys.getsizeof(since.__dict__["_hashes"]) - before < 100 * 16
    assert all(since.is_bound(Address("people", key)) for key in ("p0", "p999", "n0", "n99"))
    assert not since.is_bound(Address("people", "n100"))


def test_a_batch_that_was_not_stored_leaves_no_trace() -> None:
    """What an append asked and then did not store is as if it had never been asked."""
    known = extended(State(HEAD), [Bound(Address("people", "a"), 1, Origin.CREATED)])
    extended(known, [Forgotten(Address("people", "a"), "gone")])

    assert _bound(extended(known, [Protected(Address("people", "a"), True)])) == {Address("people", "a")}
    with pytest.raises(Unusable):
        extended(known, [Protected(Address("people", "b"), True)])
