"""A plan's changes and steps as rows in a pile: what comes out is what went in, in the order of the addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.model.changes import WRITE, Changes, Steps, as_changes, step_of
from crmsync.model.events import Origin, WriteAction
from crmsync.model.packed import PackedFields
from crmsync.model.plan import Action, Cause, Change, Delta, FieldChange, Step, StepId
from crmsync.model.rows import MemoryPile
from crmsync.model.source import Position
from crmsync.model.values import Member, Members

TAGS = Members((Member("a", "A"), Member("b", "b")))
addresses = st.builds(
    Address, st.sampled_from(["companies", "people", "tasks"]), st.text("abcdefgh", min_size=1, max_size=3)
)
values = st.one_of(st.none(), st.integers(), st.text(), st.just(TAGS), addresses)
places = st.one_of(st.none(), st.builds(Position, st.just("crm/a.yaml"), st.integers(1, 9), st.integers(1, 9), st.just(1)))
fields = st.builds(
    FieldChange,
    st.sampled_from(["name", "tags", "company"]),
    values,
    values,
    st.sampled_from(list(Cause)),
    places,
    st.one_of(st.none(), st.just(Delta(added=TAGS, remembered={"x": ("1", "2")}))),
    st.booleans(),
)
several = st.lists(fields, max_size=3)
changes = st.builds(
    Change,
    addresses,
    st.sampled_from(list(Action)),
    st.one_of(st.none(), st.integers(1)),
    st.text(),
    st.one_of(several.map(tuple), several.map(PackedFields)),
    places,
    st.text(),
    st.one_of(st.none(), st.sampled_from(list(Origin))),
    st.booleans(),
    several.map(tuple),
    st.lists(st.tuples(st.just("people"), st.integers(1)), max_size=2).map(tuple),
)
plans = st.lists(changes, max_size=90, unique_by=lambda change: change.address)
ids = st.builds(StepId, addresses, st.integers(0, 5))


@given(plans, plans)
def test_changes_are_what_was_put_in(one: list[Change], other: list[Change]) -> None:
    """Also when some take the place of others, and when they were appended in runs that are sorted each."""
    known = sorted(one, key=lambda each: each.address)
    others = [each for each in other if all(each.address != mine.address for mine in known)]
    found = Changes(MemoryPile(), [*known, *others])
    assert list(found) == [*known, *others]

    for place, change in enumerate(known[:3]):
        found.replace(place, replace(change, name="other") if place else None)
    expected = [*(replace(each, name="other") for each in known[1:3]), *known[3:], *others]
    assert (list(found), len(found)) == (expected, len(expected))

    ordered = found.in_order()
    expected.sort(key=lambda each: each.address)
    assert (ordered, len(ordered), ordered[:]) == (tuple(expected), len(expected), tuple(expected))
    assert ordered.in_order() is ordered is as_changes(ordered)
    for place, change in enumerate(expected):
        assert (ordered.place(change.address), ordered.of(change.address), ordered[place]) == (place, change, change)
    assert ordered.of(Address("people", "nobody")) is None
    for name in ("companies", "leads", "people", "tasks", "zebras"):
        mine = [(place, each) for place, each in enumerate(expected) if each.address.type == name]
        assert list(ordered.of_type(name)) == mine


@given(plans)
def test_what_is_cut_off_is_gone(planned: list[Change]) -> None:
    """The changes from a place on, and no others."""
    found = Changes(MemoryPile(), planned)
    found.cut(len(planned) // 2)

    assert list(found) == planned[: len(planned) // 2]


@given(plans, st.lists(st.lists(ids, max_size=2).map(tuple), min_size=90, max_size=90), several)
def test_steps_are_what_was_put_in(planned: list[Change], after: list[tuple[StepId, ...]], more: list[FieldChange]) -> None:
    """Those that are made of their change, and those that are not; each is found by its id."""
    ordered = Changes(MemoryPile(), planned).in_order()
    found, expected = Steps(ordered), []
    for place, (change, waits) in enumerate(zip(ordered, after, strict=False)):
        step = replace(step_of(change), after=waits)
        found.add(step, place if place % 3 else None)
        expected.append(step)
        if place % 5 == 0:
            other = Step(StepId(change.address, 4), WriteAction.RELATE, None, tuple(more), (step.id,))
            found.append(other)
            expected.append(other)

    assert found == tuple(expected)
    assert [found.find(step.id) for step in expected] == list(range(len(expected)))
    assert found.find(StepId(Address("people", "nobody"), WRITE)) is None


def test_a_place_beyond_the_end_is_none() -> None:
    """As with a tuple, from both ends."""
    found = Changes(MemoryPile(), [Change(Address("people", "a"), Action.FORGET, 1, "", (), None, "")])

    assert found[-1] == found[0]
    for place in (1, -2):
        with pytest.raises(IndexError):
            found[place]
