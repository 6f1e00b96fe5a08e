"""What a plan is made of, what the user asked for, and the tables of a plan while it is built."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, MutableMapping
from fnmatch import fnmatchcase

from msgspec import Struct, field

from crmsync.model.address import Address
from crmsync.model.addresses import Addresses, Naming, SomeOf
from crmsync.model.catalogue import Catalogue, EntityType
from crmsync.model.changes import Changes
from crmsync.model.decisions import Decision
from crmsync.model.digest import Digester
from crmsync.model.plan import Decided, Held, Kept, Note
from crmsync.model.records import Desired, Mode, Moved, Observed, PolicyRule, RecordOptions
from crmsync.model.rows import MemoryPile, Pile
from crmsync.model.settings import Limits, Pace
from crmsync.model.source import Diagnostic
from crmsync.model.state import Binding, State, record_id
from crmsync.model.wanted import PackedDesired, Shape, addresses_in, policies_of


class Rest(Struct, frozen=True):
    """
    What the part of a world knows of the rest: records that are declared and bound, and of which nothing is to be said.

    *settled* are those of them that are in the part because others meet them: by a link, by a unique value. *bound* counts
    those that are not in it, by type.
    """

    settled: frozenset[Address] = frozenset()
    bound: Mapping[str, int] = field(default_factory=dict)


class World(Struct, frozen=True):
    """
    What a plan is made of, whole or as a part of which the plan is the same; see `crmsync.plan.restriction`.

    *observed* holds every bound record that Copper still has, and the candidates for adoption, by (type, id).
    *related* holds, for each record that may be deleted, what Copper relates to it, as (singular type, id).
    *decisions* are those of which the user has chosen, by address and field. What the plan says may be put aside in *pile*.
    """

    desired: Mapping[Address, Desired]
    observed: Mapping[tuple[str, int], Observed]
    state: State
    moved: tuple[Moved, ...] = ()
    related: Mapping[tuple[str, int], tuple[tuple[str, int], ...]] = field(default_factory=dict)
    decisions: Mapping[tuple[Address, str], Decision] = field(default_factory=dict)
    rest: Rest = field(default_factory=Rest)
    pile: Pile = field(default_factory=MemoryPile)

    def options(self, address: Address) -> RecordOptions:
        """Return what the file says of a declared record beside its fields."""
        desired = self.desired
        return desired.options(address) if isinstance(desired, PackedDesired) else desired[address].options

    def is_declared(self, address: Address) -> bool:
        """Say whether a file declares *address*, as far as anybody asks."""
        return address in self.desired or address in self.rest.settled


class Wishes(Struct, frozen=True):
    """What the user asked for on the command line and in the settings, beside the records."""

    only: tuple[str, ...] = ()
    excepted: tuple[str, ...] = ()
    is_destroy: bool = False
    recreate: frozenset[Address] = frozenset()
    may_orphan: bool = False
    limits: Limits = Limits()
    pace: Pace = Pace()
    policies: Mapping[str, PolicyRule] = field(default_factory=dict)

    def selects(self, address: Address) -> bool:
        """Say whether the plan may touch *address*: globs over addresses."""
        name = str(address)
        is_in = not self.only or any(fnmatchcase(name, glob) for glob in self.only)
        return is_in and not any(fnmatchcase(name, glob) for glob in self.excepted)


@dataclasses.dataclass
class Work:
    """
    The tables of a plan while it is built.

    Of the new records *unwritten* are those of which nothing would be written; *naming* says which others they name;
    *shapes* is what many have in common.
    """

    world: World
    catalogue: Catalogue
    wishes: Wishes
    digester: Digester
    bindings: MutableMapping[Address, Binding]
    changes: Changes = dataclasses.field(init=False)
    kept: list[Kept] = dataclasses.field(default_factory=list)
    held: list[Held] = dataclasses.field(default_factory=list)
    gone: list[tuple[Address, int]] = dataclasses.field(default_factory=list)
    notes: list[Note] = dataclasses.field(default_factory=list)
    problems: list[Diagnostic] = dataclasses.field(default_factory=list)
    ids: dict[Address, int] = dataclasses.field(default_factory=dict)
    declared: Addresses = dataclasses.field(init=False)
    creating: SomeOf = dataclasses.field(init=False)
    unwritten: set[Address] = dataclasses.field(default_factory=set)
    naming: Naming = dataclasses.field(init=False)
    unsettled: set[Address] = dataclasses.field(default_factory=set)
    decided: list[Decided] = dataclasses.field(default_factory=list)
    stale: list[Decision] = dataclasses.field(default_factory=list)
    shapes: dict[tuple[str, int], Shape] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        desired = self.world.desired
        self.changes = Changes(self.world.pile)
        self.declared = desired.addresses if isinstance(desired, PackedDesired) else Addresses(desired)
        self.creating, self.naming = SomeOf(self.declared), Naming(self.declared)

    def note_new(self, desired: Desired) -> None:
        """Keep what decides, once all are known, whether a new record can be created: what it names, if it is written."""
        self.naming.add(desired.address, addresses_in(desired.fields))
        if desired.fields and all(policy.mode is Mode.OBSERVE for policy in policies_of(desired.fields)):
            self.unwritten.add(desired.address)

    def bound_id(self, address: Address) -> int | None:
        """Return the record that *address* is bound to."""
        return record_id(self.bindings, address) if address in self.bindings else None

    def has_record(self, address: Address, id: int) -> bool:
        return (address.type, id) in self.world.observed

    def record(self, address: Address, id: int) -> Observed | None:
        return self.world.observed.get((address.type, id))


def describe(record: Observed, entity: EntityType) -> str:
    """Return how a record of Copper is named in a message: type, name, id."""
    return f'{entity.singular} "{record.name}" (#{record.id})'
