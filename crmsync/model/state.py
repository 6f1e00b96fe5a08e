"""The state as a value: the log folded."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from copy import copy
from functools import cached_property
from typing import cast

from msgspec import Struct, field
from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.model.events import (
    Absent,
    Applied,
    Bound,
    Done,
    Event,
    FieldsApplied,
    FieldsReleased,
    Forgotten,
    Found,
    Intent,
    Missed,
    Origin,
    Protected,
    Refused,
    Renamed,
    Ruled,
    RunEnded,
    RunStarted,
    Unknown,
)
from crmsync.model.structs import Discreet, Partly


class Head(Discreet, frozen=True):
    """What never changes in a log: whose it is, and the secret of its digests (32 random bytes)."""

    lineage: str
    digest_key: bytes
    shown = ("lineage",)


class Binding(Struct, frozen=True):
    """What the state knows of one address; *applied* is by field id."""

    record_id: int
    origin: Origin
    applied: Mapping[str, Applied] = field(default_factory=dict)
    is_protected: bool = False
    on_delete: str | None = None


class BindingTable(MutableMapping[Address, Binding]):
    """Bindings that are made when they are asked for; of which record one is, is known without that."""

    @abstractmethod
    def record_id(self, address: Address) -> int:
        """Return the record of *address*. Raises KeyError."""

    def record_ids(self) -> Iterator[tuple[Address, int]]:
        """Yield the record of each address."""
        return ((address, self.record_id(address)) for address in self)


def record_id(bindings: Mapping[Address, Binding], address: Address) -> int:
    """Return the record of *address*, at the least cost. Raises KeyError."""
    return bindings.record_id(address) if isinstance(bindings, BindingTable) else bindings[address].record_id


def record_ids(bindings: Mapping[Address, Binding]) -> Iterator[tuple[Address, int]]:
    """Yield the record of each address, at the least cost."""
    if isinstance(bindings, BindingTable):
        return bindings.record_ids()
    return ((address, binding.record_id) for address, binding in bindings.items())


def own_copy(bindings: Mapping[Address, Binding]) -> MutableMapping[Address, Binding]:
    """Return a copy to change of the bindings of a state, which are a dict or a table."""
    return cast(MutableMapping[Address, Binding], copy(bindings))


class State(Partly, frozen=True, eq=False, dict=True):
    """
    Everything crmsync remembers, at *position* of the log.

    *open_intents* are those with no outcome yet, by id; *started_plans* the digests of saved plans that were ever begun.
    *missed* are the declared addresses for which a rebuild found no record, *key* tells under which secret the digests
    were made (`crmsync.model.digest.key_mark`). *deleted* are the records that crmsync deleted,
    by type and id: that a link to one of them is empty is no person's work.
    *compacted_at* is the position of the snapshot that it was read from, *logged* the number of events since; these two
    are not compared.
    """

    head: Head
    position: int = 0
    account_id: int | None = None
    bindings: Mapping[Address, Binding] = field(default_factory=dict)
    open_intents: Mapping[str, Intent] = field(default_factory=dict)
    started_plans: frozenset[str] = frozenset()
    has_open_run: bool = False
    missed: frozenset[Address] = frozenset()
    key: str | None = None
    deleted: frozenset[tuple[str, int]] = frozenset()
    compacted_at: int = 0
    logged: int = 0
    uncompared = frozenset({"compacted_at", "logged"})

    @cached_property
    def address_of(self) -> Mapping[tuple[str, int], Address]:
        """The address of each bound record, by type and id."""
        return {(address.type, id): address for address, id in record_ids(self.bindings)}

    @property
    def is_empty(self) -> bool:
        """Say whether nothing is bound and nothing is open."""
        return not self.bindings and not self.open_intents

    def advance(self, events: Iterable[Event], position: int) -> State:
        """Return the state after *events*, which bring the log to *position*."""
        folding = _Folding(self)
        for event in events:
            folding.take(event)
        return folding.state(self, position)


class _Folding:
    """The one mutable thing: copies of the state's tables while a batch of events is folded in."""

    def __init__(self, state: State) -> None:
        self.account_id = state.account_id
        self.bindings = own_copy(state.bindings)
        self.open_intents = dict(state.open_intents)
        self.started_plans = set(state.started_plans)
        self.has_open_run = state.has_open_run
        self.missed = state.missed
        self.key = state.key
        self.deleted = state.deleted
        self.logged = state.logged

    def state(self, before: State, position: int) -> State:
        return State(
            head=before.head,
            position=position,
            account_id=self.account_id,
            bindings=self.bindings,
            open_intents=self.open_intents,
            started_plans=frozenset(self.started_plans),
            has_open_run=self.has_open_run,
            missed=self.missed,
            key=self.key,
            deleted=self.deleted,
            compacted_at=before.compacted_at,
            logged=self.logged,
        )

    def take(self, event: Event) -> None:
        self.logged += 1
        match event:
            case Bound(address, record_id, origin):
                earlier = self.bindings.get(address)
                rules = earlier or Binding(record_id, origin)
                self.bindings[address] = Binding(record_id, origin, {}, rules.is_protected, rules.on_delete)
                self._is_missed(address, False)
            case FieldsApplied(address, fields):
                binding = self.bindings[address]
                # Of a new binding nothing is known yet: it is kept as it was read, which nobody may ever look at.
                applied = {**binding.applied, **fields} if binding.applied else fields
                self.bindings[address] = replace(binding, applied=applied)
            case FieldsReleased(address, names):
                binding = self.bindings[address]
                kept = {name: applied for name, applied in binding.applied.items() if name not in names}
                self.bindings[address] = replace(binding, applied=kept)
            case Intent(id=id):
                self.open_intents[id] = event
            case Done(intent) | Refused(intent) | Found(intent) | Absent(intent):
                self.open_intents.pop(intent, None)
            case Unknown():
                pass  # stays open until it is found or absent
            case Protected(address, is_on):
                self.bindings[address] = replace(self.bindings[address], is_protected=is_on)
            case Ruled(address, on_delete):
                self.bindings[address] = replace(self.bindings[address], on_delete=on_delete)
            case Renamed(origin, destination):
                self.bindings[destination] = self.bindings.pop(origin)
                for open_intent in list(self.open_intents.values()):
                    if open_intent.address == origin:
                        self.open_intents[open_intent.id] = replace(open_intent, address=destination)
            case Forgotten(address, reason):
                if reason == "deleted" and address in self.bindings:
                    self.deleted |= {(address.type, self.bindings[address].record_id)}
                self.bindings.pop(address, None)
                self._is_missed(address, False)
            case Missed(address):
                self._is_missed(address, True)
            case RunStarted(account_id=account_id, plan=plan, key=key):
                self.account_id = account_id
                self.key = key or self.key
                self.has_open_run = True
                if plan is not None:
                    self.started_plans.add(plan)
            case RunEnded():
                self.has_open_run = False

    def _is_missed(self, address: Address, is_missed: bool) -> None:
        if is_missed != (address in self.missed):
            self.missed = self.missed ^ {address}
