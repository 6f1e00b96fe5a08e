"""
Steps as numbers while they are put in order, and the links for which they wait.

In a plan of many links as many steps wait: what is known of each is a few numbers, where ids and sets took a kilobyte.
"""

from __future__ import annotations

from array import array
from collections.abc import Container, Iterator
from functools import cached_property
from typing import NamedTuple

from crmsync.model.address import Address
from crmsync.model.addresses import Addresses
from crmsync.model.changes import MOST_STEPS, WRITE, Changes
from crmsync.model.numbered import FewInARow
from crmsync.model.plan import StepId


class StepNumbers:
    """The numbers of steps: one that writes its record has the place of its change, the few others those behind."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._others: dict[StepId, int] = {}
        self._ids: list[StepId] = []

    @cached_property
    def _addresses(self) -> Addresses:
        """The addresses of the changes, which are in order."""
        return Addresses(change.address for change in self._changes)

    def __len__(self) -> int:
        return len(self._changes) + len(self._ids)

    def write(self, address: Address) -> int | None:
        """Return the number of the step that writes a record, if that changes."""
        return self._addresses.place(address)

    def of(self, id: StepId) -> int:
        """Return the number of a step of a record that changes; one that was not seen before gets one."""
        if id.number == WRITE:
            return self._addresses.known(id.address)
        if id not in self._others:
            self._others[id] = len(self)
            self._ids.append(id)
        return self._others[id]

    def id(self, number: int) -> StepId:
        """Return which step has this number."""
        others = number - len(self._changes)
        return StepId(self._addresses.at(number), WRITE) if others < 0 else self._ids[others]

    def rank(self, number: int) -> int:
        """Return where a step stands among all, as their ids are sorted."""
        others = number - len(self._changes)
        if others < 0:
            return number * MOST_STEPS + WRITE
        id = self._ids[others]
        return self._addresses.known(id.address) * MOST_STEPS + id.number


class Link(NamedTuple):
    """A link that a step sets, to what another step makes; found by its *place* among all."""

    place: int
    who: int
    field: str
    whom: int


class Links:
    """The links that steps set, to what others make: *who* and *whom* are the numbers of the steps, by place."""

    def __init__(self) -> None:
        self.who, self.whom = array("I"), array("I")
        self._fields = FewInARow[str]()

    def add(self, who: int, field: str, whom: int) -> None:
        """Add a link."""
        self.who.append(who)
        self.whom.append(whom)
        self._fields.append(field)

    def move(self, place: int, who: int) -> None:
        """Let another step set a link."""
        self.who[place] = who

    def to(self, steps: Container[int]) -> Iterator[Link]:
        """Yield the links to what one of *steps* makes."""
        for place, (who, whom) in enumerate(zip(self.who, self.whom, strict=True)):
            if whom in steps:
                yield Link(place, who, self._fields.at(place), whom)

    def among(self, steps: Container[int]) -> Iterator[Link]:
        """Yield the links that one of *steps* sets to what another of them makes."""
        return (link for link in self.to(steps) if link.who in steps)
