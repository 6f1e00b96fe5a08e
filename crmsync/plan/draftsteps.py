"""The steps of a plan while they are put in order: of nearly every change there is one, which is not kept beside it."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from crmsync.model.catalogue import Catalogue
from crmsync.model.changes import MOST_STEPS, TO_EXISTING, WRITE, Changes, step_of
from crmsync.model.events import WriteAction
from crmsync.model.packed import PackedFields, names_of
from crmsync.model.plan import Action, Change, FieldChange, Step, StepId

#: Step numbers of one record; each waits for the lower ones.
RELEASE, _WRITE, UNRELATE, RELATE, FOLLOW_UP, FOLLOW_RELATE = range(MOST_STEPS)
assert _WRITE == WRITE, "a step that is all there is to do for a change is found by its number"

#: A step, and the place of the change that it is made of, if it is `step_of` one.
Placed = tuple[Step, int | None]


class DraftSteps:
    """
    Steps while they are put in order, by their ids.

    Of nearly every change there is one, `step_of` it, which is made when it is asked for; *others* are the rest, and those
    that became otherwise: all of a record that has several.
    """

    def __init__(self, changes: Changes, catalogue: Catalogue) -> None:
        self.changes = changes
        self.others: dict[StepId, Step] = {}
        self._routed = {entity.name: {row.name for row in entity.fields if row.route} for entity in catalogue.types}
        self._alone = len(changes)
        for change in changes.with_action(Action.UPDATE, Action.ADOPT, Action.FORGET):
            if not self._is_alone(change):
                self._alone -= 1
                self.others.update((step.id, step) for step in _steps(change, catalogue))

    def _is_alone(self, change: Change) -> bool:
        """Say whether there is one step to do for *change*, which sends all of it."""
        if change.action in (Action.CREATE, Action.DELETE):
            return True
        if change.action is Action.FORGET or change.along or not change.fields:
            return False
        return self._routed[change.address.type].isdisjoint(names_of(change.fields))

    def place(self, id: StepId) -> int | None:
        """Return the place of the change that a step is made of, if it is."""
        place = self.changes.place(id.address) if id.number == WRITE and id not in self.others else None
        return place if place is not None and self._is_alone(self.changes.at(place)) else None

    def get(self, id: StepId) -> Step | None:
        """Return the step with this id, if there is one."""
        place = self.place(id)
        return self.others.get(id) if place is None else step_of(self.changes.at(place))

    def __getitem__(self, id: StepId) -> Step:
        return self.placed(id)[0]

    def placed(self, id: StepId) -> Placed:
        """Return the step with this id, which there is, and its `place`."""
        place = self.place(id)
        return (self.others[id] if place is None else step_of(self.changes.at(place))), place

    def __setitem__(self, id: StepId, step: Step) -> None:
        self._alone -= self.place(id) is not None
        self.others[id] = step

    def __contains__(self, id: StepId) -> bool:
        return self.get(id) is not None

    def __len__(self) -> int:
        return self._alone + len(self.others)

    def __iter__(self) -> Iterator[Step]:
        """Yield the steps by address and number."""
        return (step for step, _ in self._merged(self.changes.places(), self.others))

    def of_existing(self) -> Iterator[Step]:
        """Yield the steps by address and number, but for creates that are all there is to do for their record."""
        changes = self.changes.with_action(*TO_EXISTING)
        return (step for step, _ in self._merged(((0, change) for change in changes), self.others))

    def of_type(self, name: str) -> Iterator[Placed]:
        """Yield the steps of one type by address and number, each with its `place`."""
        return self._merged(self.changes.of_type(name), (id for id in self.others if id.address.type == name))

    def _merged(self, changes: Iterable[tuple[int, Change]], ids: Iterable[StepId]) -> Iterator[Placed]:
        steps = ((step_of(change), place) for place, change in changes if self._is_alone(change))
        if not self.others:
            return steps
        alone = (each for each in steps if each[0].id not in self.others)
        others = ((self.others[id], None) for id in sorted(ids, key=in_order))
        return heapq.merge(alone, others, key=lambda each: in_order(each[0].id))


def _steps(change: Change, catalogue: Catalogue) -> list[Step]:
    """Return the steps of a change that is not alone: neither a create nor a delete."""
    entity = catalogue[change.address.type]

    def step(number: int, action: WriteAction, fields: Sequence[FieldChange]) -> Step:
        return Step(StepId(change.address, number), action, change.record_id, fields)

    if change.action is Action.FORGET:
        return []
    routed = [each for each in change.fields if entity.by_name[each.field].route]
    plain = change.fields
    if routed or change.along:
        plain = PackedFields([*(each for each in change.fields if not entity.by_name[each.field].route), *change.along])
    steps = [step(WRITE, WriteAction.UPDATE, plain)] if plain else []
    for each in routed:
        if each.before is not None:
            steps.append(step(UNRELATE, WriteAction.UNRELATE, (replace(each, after=None),)))
        if each.after is not None:
            steps.append(step(RELATE, WriteAction.RELATE, (replace(each, before=None),)))
    return steps


def in_order(id: StepId) -> tuple[str, str, int]:
    """Return what many steps are sorted by: to compare two of them takes ten times as long."""
    return id.address.type, id.address.key, id.number
