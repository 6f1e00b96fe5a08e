"""What is known of one schedule: what people did, what crmsync made, and what the state has confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, Field, Write
from crmsync.model.events import Intent
from crmsync.model.records import Observed
from crmsync.model.values import Lookup, Members, Value, is_empty
from tests.simulation.copper import Act, Executed, Item
from tests.simulation.files import first_key
from tests.simulation.machine import Machine
from tests.simulation.runs import Run

#: Types that a link can name.
LINKED = ("companies", "people", "opportunities")

Place = tuple[str, int]
Spot = tuple[str, int, str]


@dataclass(frozen=True)
class Breach:
    """An invariant that did not hold, and what was seen."""

    invariant: str
    at: float
    text: str


@dataclass
class Confirmed:
    """What the state noted of a field: the file's value at that time, as written, what Copper had, and when."""

    wanted: Value
    shown: Value
    at: float


@dataclass
class Measured:
    """What is counted beside: edits lost in the gap, and how long the gaps were (seconds)."""

    gap_losses: int = 0
    late_losses: int = 0
    gaps: list[float] = field(default_factory=list)


class Witness:
    """Hears what people do, and remembers what judges need."""

    def __init__(self, machine: Machine, catalogue: Catalogue) -> None:
        self.machine = machine
        self.catalogue = catalogue
        self.breaches: list[Breach] = []
        self.measured = Measured()
        self.created: dict[Address, list[Place]] = {}
        self.ours: set[Place] = set()
        self.deleted: set[Place] = set()
        self.same: set[Place] = set()
        self.said: set[Address] = set()
        self.executions: dict[str, list[tuple[Executed, Item]]] = {}
        self.intents: dict[str, Intent] = {}
        self.made: dict[str, list[tuple[float, int]]] = {}
        self.owners: dict[str, Run] = {}
        self.edits: dict[Spot, tuple[float, Value]] = {}
        self.members: dict[Spot, dict[Any, float]] = {}
        self.confirmed: dict[tuple[Address, str], Confirmed] = {}
        self.declared_members: dict[tuple[str, str], set[Any]] = {}
        self.wiped: dict[Spot, tuple[Field, Run]] = {}
        self.position = 0
        self.is_rolled_back = False

    def breach(self, invariant: str, text: str) -> None:
        """Note a breach."""
        self.breaches.append(Breach(invariant, self.machine.hub.now, text))
        self.machine.tell("breach", invariant, text)

    def see(self, type_name: str, raw: Mapping[str, Any] | None) -> Observed | None:
        """Return a raw record as crmsync would see it."""
        return None if raw is None else self.machine.sandbox.picture(type_name, raw, self.catalogue)

    def raw(self, type_name: str, id: int) -> Mapping[str, Any] | None:
        """Return a record as Copper holds it."""
        return self.machine.sandbox.raw(type_name, id)

    def bound(self) -> Mapping[Place, Address]:
        """Return which records are bound to which address."""
        return self.machine.log.read().address_of

    def wanted(self, run: Run, address: Address, name: str) -> Value:
        """Return what the files of a run want a field to be."""
        for (files_id, _), declarations in self.machine.read_files.items():
            if files_id == id(run.files) and address in declarations.records:
                each = declarations.records[address].fields.get(name)
                return each.value if each is not None else None
        return None

    def is_out_of_reach(self, place: Place) -> bool:
        """Say whether neither Copper shows a record, nor a state knows of it that was restored to before it was made."""
        return self.is_rolled_back and self.machine.sandbox.is_hidden(*place) and place not in self.bound()

    def members_of_files(self, address: Address, row: Field) -> set[Value]:
        """Return the members of a set field that are there because a file has them, as the state last noted."""
        known = self.confirmed.get((address, row.id))
        return {member.key for member in known.wanted} if known is not None and isinstance(known.wanted, Members) else set()

    def on_act(self, act: Act) -> None:
        """Remember which values are a person's, and since when."""
        self.machine.tell("act", act)
        before, after = self.see(act.type, act.before), self.see(act.type, act.after)
        if after is None:
            return
        if before is None:
            self.made.setdefault(act.type, []).append((act.at, act.id))
        for row in self.catalogue[act.type].fields:
            old = before.fields.get(row.name) if before is not None else None
            new = after.fields.get(row.name)
            if old == new or row.write is Write.NEVER:
                continue
            if row.target in LINKED and isinstance(old, int) and new is None and self.raw(row.target, old) is None:
                continue  # what the link named was deleted, and Copper emptied the link: nobody chose that
            spot = act.type, act.id, row.name
            self.edits[spot] = act.at, new
            if isinstance(new, Members):
                had = {each.key: each for each in old} if isinstance(old, Members) else {}
                known = self.members.setdefault(spot, {})
                known.update({each.key: act.at for each in new if had.get(each.key) != each})


def is_same(one: Any, other: Any) -> bool:
    """Say whether two values are the same, written or looked up; a record that was moved is the one it was."""
    if isinstance(one, Lookup) and isinstance(other, Lookup):
        return first_key(one.text) == first_key(other.text)
    return one == other or (is_empty(one) and is_empty(other))
