"""
The changes and the steps of a plan in little memory: rows in a pile, the values of their fields beside them.

`Changes` are found by address as well, for they stand in that order once a plan is made. A step that is all there is to do
for its change is not kept a second time: `Steps` make it of the change.
"""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from operator import attrgetter
from sys import intern

from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.model.events import Origin, WriteAction
from crmsync.model.numbered import Numbered
from crmsync.model.packed import Common, PackedFields
from crmsync.model.packing import Flat, flat_position, made_position
from crmsync.model.plan import Action, Change, FieldChange, Step, StepId
from crmsync.model.rows import TOGETHER, MemoryPile, Pile, Rows
from crmsync.model.waits import Waits
from crmsync.model.wanted import fields_aside

#: A record has at most so many steps in a plan, with numbers from 0 on, and this one writes it; see `crmsync.plan.order`.
MOST_STEPS, WRITE = 6, 1
_WRITES = {Action.CREATE: WriteAction.CREATE, Action.DELETE: WriteAction.DELETE}
_BY_ADDRESS = attrgetter("address")
#: Names of actions and origins, as `marshal` takes them.
_NAMES = {each: str(each) for each in (*Action, *WriteAction)}
_ACTION = {str(each): each for each in Action}
_WRITE_ACTION = {str(each): each for each in WriteAction}
_ORIGIN: dict[str | None, Origin | None] = {None: None, **{str(each): each for each in Origin}}


class _FieldRows:
    """What the field changes of many records have in common, kept once; the rest is in the *pile*."""

    def __init__(self, pile: Pile) -> None:
        self.pile = pile
        self._alike = Numbered[Common]()

    def flat(self, fields: Sequence[FieldChange]) -> Flat:
        """Return the number of what is alike, and that of the values; nothing for no fields."""
        if not fields:
            return None
        packed = fields if isinstance(fields, PackedFields) else PackedFields(fields)
        return self._alike.number_by(tuple(map(id, packed.alike)), packed.alike), packed.number_in(self.pile)

    def made(self, data: Flat) -> Sequence[FieldChange]:
        """Return what `flat` made *data* of."""
        return () if data is None else fields_aside(self._alike[data[0]], self.pile, data[1])


class Changes(Rows[Change]):
    """
    Changes, appended in any order, and one may take the *place* of another or leave it empty while a plan is built.

    `in_order` are those of a plan: sorted by address, so that each is found by it.
    """

    def __init__(self, pile: Pile, changes: Iterable[Change] = ()) -> None:
        super().__init__(pile)
        self.fields = _FieldRows(pile)
        self._others: dict[int, Change | None] = {}
        self._firsts: list[Address] = []
        self._runs = array("Q", [0])
        self._end = Address("", "")
        self._actions: Counter[Action] = Counter()
        self._asked: tuple[Address, int | None] | None = None
        self.extend(changes)

    def append(self, change: Change) -> None:
        """Add a change at the end."""
        address = change.address
        if address < self._end:
            self._runs.append(self.filled)
        if self.filled % TOGETHER == 0:
            self._firsts.append(address)
        self._end, self._asked = address, None
        self._actions[change.action] += 1
        super().append(change)

    def replace(self, place: int, change: Change | None) -> None:
        """Let *change* take a place, or nothing."""
        self._others[place] = change

    def places(self) -> Iterator[tuple[int, Change]]:
        """Yield the changes, each with its place."""
        for place, change in enumerate(self.since(0)):
            left = self._others.get(place, change)
            if left is not None:
                yield place, left

    def cut(self, place: int) -> None:
        """Leave the places from *place* on empty."""
        self._others.update(dict.fromkeys(range(place, self.filled)))

    def in_order(self) -> Changes:
        """Return the changes sorted by address."""
        if not self._others and len(self._runs) == 1:
            return self
        ends = [*self._runs[1:], self.filled]
        runs = [self._run(start, end) for start, end in zip(self._runs, ends, strict=True)]
        return Changes(
            self.pile, heapq.merge(*runs, key=_BY_ADDRESS) if len(runs) < _FEW_RUNS else sorted(self, key=_BY_ADDRESS)
        )

    def _run(self, start: int, end: int) -> Iterator[Change]:
        for place, change in zip(range(start, end), self.since(start), strict=False):
            left = self._others.get(place, change)
            if left is not None:
                yield left

    def with_action(self, *actions: Action) -> Iterator[Change]:
        """Yield the changes that do one of these; without a look at any where there are none."""
        return (each for each in self if each.action in actions) if any(map(self._actions.get, actions)) else iter(())

    def of_type(self, name: str) -> Iterator[tuple[int, Change]]:
        """Yield the changes of one type, each with its place in order."""
        start = TOGETHER * max(0, bisect_right(self._firsts, Address(name, "")) - 1)
        for place, change in enumerate(self.since(start), start):
            if change.address.type == name:
                yield place, change
            elif change.address.type > name:
                return

    def place(self, address: Address) -> int | None:
        """Return where in order the change of *address* stands, if there is one."""
        last = self._asked  # of other threads perhaps
        if last is None or last[0] is not address:
            self._asked = last = address, self._found(address)
        return last[1]

    def _found(self, address: Address) -> int | None:
        number = bisect_right(self._firsts, address) - 1
        if number < 0:
            return None
        pack = self.pack(number)
        at = bisect_left(pack, address, key=_BY_ADDRESS)
        return number * TOGETHER + at if at < len(pack) and pack[at].address == address else None

    def of(self, address: Address) -> Change | None:
        """Return the change of *address*, if there is one."""
        place = self.place(address)
        return None if place is None else self.at(place)

    def __len__(self) -> int:
        return self.filled - sum(change is None for change in self._others.values())

    def __iter__(self) -> Iterator[Change]:
        return (change for _, change in self.places()) if self._others else self.since(0)

    def _flattened(self, change: Change) -> Flat:
        return (
            change.address.type,
            change.address.key,
            _NAMES[change.action],
            change.record_id,
            change.name,
            self.fields.flat(change.fields),
            flat_position(change.position),
            change.reason,
            None if change.origin is None else str(change.origin),
            change.may_be_twin,
            self.fields.flat(change.along),
            change.orphans,
        )

    def _made(self, data: Flat) -> Change:
        type_name, key, action, record_id, name, fields, place, reason, origin, may_be_twin, along, orphans = data
        return Change(
            Address(intern(type_name), key),
            _ACTION[action],
            record_id,
            name,
            self.fields.made(fields),
            made_position(place),
            reason,
            _ORIGIN[origin],
            may_be_twin,
            tuple(self.fields.made(along)),
            orphans,
        )


def with_action(changes: Iterable[Change], *actions: Action) -> Iterator[Change]:
    """Return those of *changes* that do one of these: of most plans all create, or all update."""
    if isinstance(changes, Changes):
        return changes.with_action(*actions)
    return (each for each in changes if each.action in actions)


#: All that can happen to a record that exists.
TO_EXISTING = tuple(each for each in Action if each is not Action.CREATE)


def as_changes(changes: Sequence[Change]) -> Changes:
    """Return the changes of a plan as `Changes` in order."""
    found = changes if isinstance(changes, Changes) else Changes(MemoryPile(), changes)
    return found.in_order()


#: From so many runs on sorting all is cheaper than to merge them.
_FEW_RUNS = 50


def step_of(change: Change) -> Step:
    """Return the step that is all there is to do for *change*."""
    action = _WRITES.get(change.action, WriteAction.UPDATE)
    return Step(StepId(change.address, WRITE), action, change.record_id, change.fields)


class Steps(Rows[Step]):
    """
    The steps of *changes*, which are in order.

    A step that is `step_of` its change is kept as the place of that, and found by it.
    """

    def __init__(self, changes: Changes) -> None:
        super().__init__(changes.pile)
        self._changes = changes
        self._places = array("q")
        self._others: dict[StepId, int] = {}
        self._who, self._whom = array("I"), array("I")
        self._strangers: set[int] = set()

    def add(self, step: Step, place: int | None, after: Iterable[int] = ()) -> None:
        """
        Add *step* at the end, which waits for those at the places *after*.

        With a *place* it is `step_of` the change there, but for what it waits for.
        """
        for each in after:
            self._who.append(self.filled)
            self._whom.append(each)
        if place is None:
            self._others[step.id] = self.filled
            self._add(step, self._flattened(step))
        else:
            self._add(step, (place, _flat_ids(step.after)))
        self._places.append(-1 if place is None else place)

    def waits(self) -> Waits:
        """Return which steps wait for which, by their places."""
        return Waits(self.filled, self._who, self._whom, self._strangers)

    def append(self, step: Step) -> None:
        """Add *step* at the end; what it waits for was added before, or is none of these."""
        after = [self._others[id] for id in step.after if id in self._others]
        if len(after) < len(step.after):
            self._strangers.add(self.filled)
        self.add(step, None, after)

    def find(self, id: StepId) -> int | None:
        """Return the place of a step, if there is one."""
        found = self._others.get(id)
        if found is not None or id.number != WRITE:
            return found
        place = self._changes.place(id.address)
        at = -1 if place is None else self._by_change[place]
        return None if at < 0 else at

    @cached_property
    def _by_change(self) -> array[int]:
        """The places of the steps that are `step_of` their change, by the place of that."""
        found = array("q", [-1]) * self._changes.filled
        for at, place in enumerate(self._places):
            if place >= 0:
                found[place] = at
        return found

    def _flattened(self, step: Step) -> Flat:
        fields = self._changes.fields.flat(step.fields)
        return *_flat_id(step.id), _NAMES[step.action], step.record_id, fields, _flat_ids(step.after)

    def _made(self, data: Flat) -> Step:
        if len(data) == 2:
            place, after = data
            step = step_of(self._changes.at(place))
            return replace(step, after=_made_ids(after)) if after else step
        type_name, key, number, action, record_id, fields, after = data
        id = StepId(Address(intern(type_name), key), number)
        return Step(id, _WRITE_ACTION[action], record_id, self._changes.fields.made(fields), _made_ids(after))


def waits_of(steps: Sequence[Step]) -> Waits:
    """Return which of *steps* wait for which, by their places."""
    if isinstance(steps, Steps):
        return steps.waits()
    places = {step.id: place for place, step in enumerate(steps)}
    pairs = [(place, places.get(id)) for place, step in enumerate(steps) for id in step.after]
    known = [(who, whom) for who, whom in pairs if whom is not None]
    strangers = {who for who, whom in pairs if whom is None}
    return Waits(len(steps), [who for who, _ in known], [whom for _, whom in known], strangers)


def _flat_id(id: StepId) -> Flat:
    return id.address.type, id.address.key, id.number


def _flat_ids(ids: Iterable[StepId]) -> Flat:
    return tuple(map(_flat_id, ids))


def _made_ids(data: Flat) -> tuple[StepId, ...]:
    return tuple(StepId(Address(intern(type_name), key), number) for type_name, key, number in data)
