"""What an append must know: the same verdict as reading the log would give, for the price of the batch."""

from __future__ import annotations

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
from crmsync.model.state import Head, State
from crmsync.model.store import Unusable
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
        assert expected == (known.bound() if isinstance(known, Known) else set())


def test_an_append_costs_what_it_holds() -> None:
    """However many addresses are bound, no append copies them: all work on one set."""
    bound = {Address("people", f"p{number}") for number in range(1000)}
    known = Known(0, bound, {})
    for number in range(10):
        known = extended(known, [Bound(Address("people", f"n{number}"), number, Origin.CREATED)])

    assert known.bound() is bound
    assert (known.position, len(bound)) == (10, 1010)


def test_a_batch_that_was_not_stored_leaves_no_trace() -> None:
    """What an append asked and then did not store is as if it had never been asked."""
    known = extended(State(HEAD), [Bound(Address("people", "a"), 1, Origin.CREATED)])
    extended(known, [Forgotten(Address("people", "a"), "gone")])

    assert extended(known, [Protected(Address("people", "a"), True)]).bound() == {Address("people", "a")}
    with pytest.raises(Unusable):
        extended(known, [Protected(Address("people", "b"), True)])
