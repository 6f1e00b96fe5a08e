"""When a run compacts the log."""

from __future__ import annotations

import pytest

from crmsync.model.address import Address
from crmsync.model.events import Forgotten, Origin, Refused
from crmsync.model.state import Binding, Head, State
from crmsync.project.applying import EVENTS_OF_A_LONG_LOG, LONG_LOG, LogSize, is_overgrown
from crmsync.project.session import open_project, opened_state
from tests.desk import Desk


@pytest.mark.parametrize(
    ("segments", "bindings", "expected"),
    [(LONG_LOG, 0, False), (LONG_LOG + 1, 0, True), (1000, 4000, False), (1001, 4000, True)],
)
def test_a_log_is_overgrown_beside_what_it_binds(segments: int, bindings: int, expected: bool) -> None:
    """Not blindly each run: a snapshot of many bindings waits for a log that is worth it."""
    bound = {Address("people", str(number)): Binding(number, Origin.CREATED) for number in range(bindings)}
    state = State(Head("lineage", bytes(32)), position=7 + segments, bindings=bound, compacted_at=7)

    assert is_overgrown(state) is expected


@pytest.mark.parametrize(
    ("events", "bindings", "expected"),
    [(EVENTS_OF_A_LONG_LOG, 0, False), (EVENTS_OF_A_LONG_LOG + 1, 0, True), (9000, 9000, False), (9001, 9000, True)],
)
def test_a_log_of_few_long_segments_is_overgrown_too(events: int, bindings: int, expected: bool) -> None:
    """What is read each time are its events, and one segment of a bulk call holds many."""
    bound = {Address("people", str(number)): Binding(number, Origin.CREATED) for number in range(bindings)}
    state = State(Head("lineage", bytes(32)), bindings=bound).advance([Refused("i", "r")] * events, 3)

    assert is_overgrown(state) is expected


@pytest.mark.parametrize("calls", [1, 50, LONG_LOG, LONG_LOG + 1, 800])
@pytest.mark.parametrize("events", [1, 7])
@pytest.mark.parametrize("bindings", [0, 2000, 5600, 9000])
def test_a_run_knows_without_reading_when_its_log_is_short(calls: int, events: int, bindings: int) -> None:
    """What a run appended says that a log is not overgrown, and never where it is: whatever became of the bindings."""
    addresses = [Address("people", str(number)) for number in range(bindings)]
    bound = {address: Binding(1, Origin.CREATED) for address in addresses}
    before = State(Head("lineage", bytes(32)), position=7, bindings=bound, compacted_at=7)
    gone = [Forgotten(address, "deleted") for address in addresses[: calls * events]]
    others = [Refused("i", "r")] * (calls * events - len(gone))
    after = before.advance([*gone, *others], 7 + calls)
    size = LogSize.of(before).after([events] * calls)

    assert size.may_be_overgrown or not is_overgrown(after)
    assert not size.may_be_overgrown or calls > LONG_LOG or calls * events > EVENTS_OF_A_LONG_LOG


def test_a_run_compacts_a_long_log(desk: Desk) -> None:
    """After a run the log is a snapshot if it was long; the next plan is empty, and the next run leaves it alone."""
    files = "companies: {{a: {{name: A, details: {}}}}}\n"
    desk.write("crm/a.yaml", files.format("one"))
    desk.done("apply", "-y")
    assert desk.state().compacted_at == 0
    with opened_state(open_project(start=desk.root, environ={}), create=False) as (store, state):
        for position in range(state.position, state.position + LONG_LOG):
            store.append(position, [])
    desk.write("crm/a.yaml", files.format("two"))
    desk.done("apply", "-y")
    compacted = desk.state()
    assert compacted.compacted_at == compacted.position
    assert "No changes." in desk.done("plan")
    desk.write("crm/a.yaml", files.format("three"))
    desk.done("apply", "-y")

    assert desk.state().compacted_at == compacted.position
    assert desk.state().position > compacted.position
