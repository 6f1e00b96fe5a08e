"""The tables of a run say what a dict, a set and a queue would, in a few bytes for each change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsync.apply.tables import LEDGER, Ids, Line, Tally, Todo
from crmsync.model.address import Address
from crmsync.model.changes import WRITE, Changes, Steps, step_of
from crmsync.model.effects import Outcome
from crmsync.model.events import WriteAction
from crmsync.model.plan import Action, Change, Step, StepId
from crmsync.model.rows import MemoryPile

#: More than one pack of rows.
COUNT = 70
PLANNED = [Address("people", f"p{number:03}") for number in range(COUNT)]
OTHERS = [Address("companies", "a"), Address("people", "p010b"), Address("people", "zz")]
addresses = st.sampled_from([*PLANNED, *OTHERS])


def changes() -> Changes:
    """Return a plan of new people."""
    return Changes(MemoryPile(), (Change(each, Action.CREATE, None, "", (), None, "new") for each in PLANNED))


def steps(*, is_packed: bool) -> Steps | tuple[Step, ...]:
    """Return its steps, of which some are not made of their change."""
    found = Steps(changes())
    for place, change in enumerate(changes()):
        step = step_of(change)
        found.add(step, None if place % 7 == 0 else place)
        if place % 10 == 0:
            found.append(follow_up(change.address))
    return found if is_packed else tuple(found)


def follow_up(address: Address) -> Step:
    """Return a second step of a record."""
    return Step(StepId(address, 4), WriteAction.UPDATE, 7, (), (StepId(address, WRITE),))


ids = st.builds(StepId, addresses, st.sampled_from([WRITE, 4]))
deeds = st.lists(st.tuples(st.sampled_from(["pop", "take", "line up", "get"]), ids), max_size=60)


@pytest.mark.parametrize("is_packed", [True, False])
@given(deeds=deeds)
def test_what_is_to_be_done_is_as_in_a_dict(is_packed: bool, deeds: list[tuple[str, StepId]]) -> None:
    """Whatever is taken out, lined up anew or asked for, in the order of the plan."""
    planned = steps(is_packed=is_packed)
    todo, known = Todo(planned), {step.id: step for step in planned}
    for deed, id in deeds:
        if deed == "pop":
            assert todo.pop(id) == known.pop(id, None)
        elif deed == "line up":
            step = Step(id, WriteAction.UPDATE, 9, ())
            todo.line_up(step)
            known[id] = step
        assert (todo.get(id), id in todo) == (known.get(id), id in known)
        assert todo.is_left(id.address) == any(each.address == id.address for each in known)
        place = todo.place(id)
        if place is not None:
            found = todo.instead(place) or (planned[place] if todo.is_left_at(place) else None)
            assert (planned[place].id, found) == (id, known.get(id))
        if place is not None and deed == "take":
            assert todo.take(place) == known.pop(id, None)
    assert sorted(todo, key=lambda step: step.id) == sorted(known.values(), key=lambda step: step.id)
    left = [step.id for step in planned if step.id in known]
    assert [step.id for step in todo if step.id in left][: len(left)] == left or deeds


@given(st.lists(st.tuples(addresses, st.sampled_from([3, 2**63, 2**64, 10**30, -1])), max_size=40))
def test_ids_are_as_in_a_dict(learnt: list[tuple[Address, int]]) -> None:
    """Of a record that was known before as of one that is created, and whatever an answer says an id is."""
    known = {PLANNED[3]: 5, OTHERS[0]: 6}
    found = Ids(dict(known), changes())
    for address, id in learnt:
        found.learn(address, id)
        known[address] = id

    assert dict(found.items()) == known == {address: found[address] for address in found}
    assert len(found) == len(known)
    assert {each: found.get(each) for each in (*PLANNED, *OTHERS)} == {each: known.get(each) for each in (*PLANNED, *OTHERS)}


@given(st.lists(st.tuples(addresses, st.sampled_from(LEDGER)), max_size=60))
def test_a_record_counts_once_a_status(told: list[tuple[Address, str]]) -> None:
    """And one that was adopted is not applied as well."""
    tally, seen = Tally(changes()), {status: set() for status in LEDGER}
    for address, status in told:
        tally.count(Outcome(address, WriteAction.CREATE, status))
        seen[status].add(address)
    expected = {status: len(found) for status, found in seen.items()}

    assert tally.ledger() == expected | {"applied": len(seen["applied"] - seen["adopted"])}


lines = st.lists(
    st.tuples(st.sampled_from(["take", "first", "come", "back", "front", "drop"]), st.integers(0, COUNT - 1)), max_size=60
)


class Queue:
    """A line as lists: what is before all, the places of the plan that came, what is behind all."""

    def __init__(self, planned: Steps) -> None:
        self.planned, self.front, self.places, self.back = planned, list[Step](), list[int](), list[Step]()

    def first(self) -> Step:
        """Return the step whose turn it is: it stays the first, whatever comes."""
        if not self.front and self.places:
            self.front = [self.planned[self.places.pop(0)]]
        return (self.front or self.back)[0]

    def take(self) -> Step:
        """Take it out."""
        self.first()
        return (self.front or self.back).pop(0)

    def drop(self, step: Step) -> None:
        """Take a step out wherever it is."""
        self.front, self.back = ([each for each in part if each.id != step.id] for part in (self.front, self.back))
        self.places = [place for place in self.places if self.planned[place].id != step.id]

    def __len__(self) -> int:
        return len(self.front) + len(self.places) + len(self.back)


@given(st.sets(st.integers(0, COUNT - 1)), lines)
def test_a_line_is_a_queue(at_first: set[int], deeds: list[tuple[str, int]]) -> None:
    """Steps of the plan stand in its order whenever they come, what is put back before them, all others behind."""
    planned = steps(is_packed=True)
    line, queue = Line(planned), Queue(planned)
    come = set(at_first)
    for place in sorted(at_first):
        line.come(place)
    queue.places = sorted(at_first)
    for deed, number in deeds:
        step = follow_up(PLANNED[number])
        if deed == "take" and len(queue):
            assert line.popleft() == queue.take()
        elif deed == "first" and len(queue):
            assert line.first == queue.first()
        elif deed == "come" and number not in come:
            come.add(number)
            line.come(number)
            queue.places = sorted([*queue.places, number])
        elif deed == "back":
            line.append(step)
            queue.back.append(step)
        elif deed == "front":
            line.put_back([step, follow_up(PLANNED[0])])
            queue.front[:0] = [step, follow_up(PLANNED[0])]
        elif deed == "drop":
            line.drop({planned[number].id})
            queue.drop(planned[number])
        assert len(line) == len(queue)
    assert [line.popleft() for _ in range(len(line))] == [queue.take() for _ in range(len(queue))]
