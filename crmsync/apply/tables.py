"""
The tables of a run about the records and steps of its plan: a few bytes for each, by its place in the plan.

A plan of a hundred thousand changes lies in a pile; what a run knows of each must not grow to as much again.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import ItemsView, Iterator, Mapping, Sequence, Set
from heapq import heappop, heappush
from itertools import chain

from crmsync.model.address import Address
from crmsync.model.changes import MOST_STEPS, Changes, Steps
from crmsync.model.effects import Outcome
from crmsync.model.plan import Step, StepId

#: The lines of a ledger.
LEDGER = ("applied", "adopted", "forgotten", "conflict", "failed", "skipped", "unknown")
_BITS = {status: 1 << number for number, status in enumerate(LEDGER)}
#: No record of Copper has such an id, but who knows what an answer says.
_NO_ID = 2**64


class Todo:
    """The steps that are still to be done: those of the plan, and those that came to be *lined up* since."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._lined_up: dict[StepId, Step] = {}
        self._is_over = bytearray(len(steps))
        self._places = {} if isinstance(steps, Steps) else {step.id: place for place, step in enumerate(steps)}

    def line_up(self, step: Step) -> None:
        """Add a step that another one made necessary, or that takes the place of one."""
        self._lined_up[step.id] = step

    def get(self, id: StepId) -> Step | None:
        """Return the step with this id, if it is still to be done."""
        known = self._lined_up.get(id)
        place = self._place(id) if known is None else None
        return known if place is None else self._steps[place]

    def place(self, id: StepId) -> int | None:
        """Return the place in the plan of one of its steps."""
        return self._steps.find(id) if isinstance(self._steps, Steps) else self._places.get(id)

    def is_left_at(self, place: int) -> bool:
        """Say whether the step at this place of the plan is still to be done."""
        return not self._is_over[place]

    def instead(self, place: int) -> Step | None:
        """Return the step that takes the place of one of the plan, if there is one."""
        return self._lined_up.get(self._steps[place].id) if self._lined_up else None

    def take(self, place: int) -> Step | None:
        """Take the step at this place of the plan out, as `pop` does."""
        return self.pop(self._steps[place].id)

    def pop(self, id: StepId) -> Step | None:
        """Take a step out, and return it if it was still to be done."""
        step = self.get(id)
        self._lined_up.pop(id, None)
        place = self._place(id)
        if place is not None:
            self._is_over[place] = True
        return step

    def is_left(self, address: Address) -> bool:
        """Say whether a step of a record is still to be done."""
        planned = any(self._place(StepId(address, number)) is not None for number in range(MOST_STEPS))
        return planned or any(id.address == address for id in self._lined_up)

    def __contains__(self, id: StepId) -> bool:
        return id in self._lined_up or self._place(id) is not None

    def __iter__(self) -> Iterator[Step]:
        """Yield the steps, those of the plan in its order."""
        planned = (self._steps[place] for place, is_over in enumerate(self._is_over) if not is_over)
        own = (self._lined_up.get(step.id, step) for step in planned)
        return chain(own, [step for id, step in self._lined_up.items() if self._place(id) is None])

    def _place(self, id: StepId) -> int | None:
        """Return the place in the plan of a step that is still to be done."""
        place = self.place(id)
        return place if place is None or self.is_left_at(place) else None


class Ids(Mapping[Address, int]):
    """Which record each address is: *known* ones, and those that this run learns."""

    def __init__(self, known: dict[Address, int], changes: Changes) -> None:
        self._known, self._changes = known, changes
        self._learnt = array("Q", bytes(8 * len(changes)))

    def learn(self, address: Address, id: int) -> None:
        """Take in which record an address is by now."""
        place = None if address in self._known else self._changes.place(address)
        is_kept = place is not None and 0 < id < _NO_ID
        if place is not None:
            self._learnt[place] = id if is_kept else 0
        if not is_kept:
            self._known[address] = id

    def __getitem__(self, address: Address) -> int:
        if address in self._known:
            return self._known[address]
        place = self._changes.place(address)
        if place is None or not self._learnt[place]:
            raise KeyError(address)
        return self._learnt[place]

    def __iter__(self) -> Iterator[Address]:
        return (address for address, _ in self._pairs())

    def __len__(self) -> int:
        return len(self._known) + sum(map(bool, self._learnt))

    def items(self) -> ItemsView[Address, int]:
        """Return every address with its record, without looking each up."""
        return _Items(self)

    def _pairs(self) -> Iterator[tuple[Address, int]]:
        yield from self._known.items()
        for id, change in zip(self._learnt, self._changes, strict=True) if any(self._learnt) else ():
            if id:
                yield change.address, id


class _Items(ItemsView[Address, int]):
    _mapping: Ids

    def __iter__(self) -> Iterator[tuple[Address, int]]:
        return self._mapping._pairs()


class Tally:
    """How many records had which outcome: one counts once a status."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._marks = bytearray(len(changes))
        self._others: dict[str, set[Address]] = {}

    def count(self, outcome: Outcome) -> None:
        """Add an outcome."""
        place = self._changes.place(outcome.address)
        if place is None:
            self._others.setdefault(outcome.status, set()).add(outcome.address)
        else:
            self._marks[place] |= _BITS[outcome.status]

    def ledger(self) -> dict[str, int]:
        """Return the numbers; an adopted record is not counted as applied as well."""
        counts = {name: self._number(name) for name in LEDGER}
        both = _BITS["applied"] | _BITS["adopted"]
        counts["applied"] -= sum(mark & both == both for mark in self._marks)
        counts["applied"] -= len(self._others.get("applied", set()) & self._others.get("adopted", set()))
        return counts

    def _number(self, status: str) -> int:
        bit = _BITS[status]
        return sum(bool(mark & bit) for mark in self._marks) + len(self._others.get(status, ()))


class Line:
    """
    Steps that are ready: those of the plan in its order, by their places, before and behind them others.

    Of the places only the next is looked up.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._front: deque[Step] = deque()
        self._places = array("I")
        self._next = 0
        self._late: list[int] = []  # a heap: places that came when later ones were in line
        self._back: deque[Step] = deque()

    def come(self, place: int) -> None:
        """Line up the step at this place of the plan."""
        if self._places and place < self._places[-1]:
            heappush(self._late, place)
        else:
            self._places.append(place)

    def append(self, step: Step) -> None:
        """Line up a step behind all others."""
        self._back.append(step)

    def put_back(self, steps: Sequence[Step]) -> None:
        """Line up steps before all others."""
        self._front.extendleft(reversed(steps))

    @property
    def first(self) -> Step:
        """The step whose turn it is; there is one."""
        if not self._front:
            if self._next == len(self._places) and not self._late:
                return self._back[0]
            self._front.append(self._steps[self._next_place()])
        return self._front[0]

    def _next_place(self) -> int:
        if self._late and (self._next == len(self._places) or self._late[0] < self._places[self._next]):
            return heappop(self._late)
        self._next += 1
        return self._places[self._next - 1]

    def popleft(self) -> Step:
        """Take the step whose turn it is out of the line."""
        first = self.first
        (self._front or self._back).popleft()
        return first

    def drop(self, ids: Set[StepId]) -> None:
        """Take steps out of the line."""
        self._front = deque(step for step in self._front if step.id not in ids)
        self._back = deque(step for step in self._back if step.id not in ids)
        places = (place for place in (*self._places[self._next :], *self._late) if self._steps[place].id not in ids)
        self._places, self._next, self._late = array("I", sorted(places)), 0, []

    def __len__(self) -> int:
        return len(self._front) + len(self._places) - self._next + len(self._late) + len(self._back)
