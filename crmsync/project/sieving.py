"""
Sieving: of all records only those are judged that moved since the last plan, and what they meet is looked at.

The ledger says up to where files, state and Copper were seen, and which records were settled then; each of the three is
asked what came after. What they name is put together as a part of the world of which the plan is that of the whole
(`crmsync.plan.restriction`). Where that cannot be had, where something is wrong with the files, or where so much moved that
it does not pay, there is none, and the whole plan is made: it is the one that counts, and `--no-cache` makes no other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from crmsync import resolve
from crmsync.model.address import Address
from crmsync.model.bodies import decode_body
from crmsync.model.catalogue import STAMP, Catalogue
from crmsync.model.digest import Digester, key_mark
from crmsync.model.events import (
    Bound,
    Event,
    FieldsApplied,
    FieldsReleased,
    Forgotten,
    Intent,
    Missed,
    Protected,
    Renamed,
    Ruled,
)
from crmsync.model.records import Declared, Desired, PolicyRule
from crmsync.model.source import Diagnostic
from crmsync.model.state import State, record_id
from crmsync.model.store import Tail
from crmsync.model.values import is_empty
from crmsync.plan import restriction
from crmsync.plan.restriction import Replaced
from crmsync.plan.sent import moved_fields
from crmsync.plan.world import Rest, World
from crmsync.project.gather import Gathered, gather
from crmsync.project.inputs import labels_of
from crmsync.project.ledger import Ledger
from crmsync.project.ledgerfile import Entry, LedgerHead
from crmsync.project.looking import Looking
from crmsync.project.mirrorfile import Mark, content_digest
from crmsync.project.noting import plain_mark
from crmsync.project.reading import Reading
from crmsync.state.codec import decode_binding, encode_binding
from crmsync.state.packed import PackedBindings

#: More than this share of all records is not judged as a part, if it is more than `FEW`.
LARGEST_SHARE = 0.3
FEW = 1000


class Unsieved(Exception):
    """There is no part of which the plan would be that of the whole; the message says why, for `-v`."""


class Part(Struct, frozen=True):
    """
    A part of the world, with what it was made from.

    *warnings* are about all files, *judged* are the addresses that its plan may say something of. *before* is the head of
    the ledger, *after* what it will be when these are noted.
    """

    world: World
    warnings: tuple[Diagnostic, ...]
    gathered: Gathered
    judged: frozenset[Address]
    before: LedgerHead
    after: LedgerHead


def part_of(
    ledger: Ledger,
    known: LedgerHead,
    tail: Tail,
    looking: Looking,
    catalogue: Catalogue,
    reading: Reading,
    policies: Mapping[str, PolicyRule],
    also: Collection[Address] = (),
) -> Part:
    """
    Return the part of the world that must be planned, with the records in *also* that are known.

    Raises Unsieved, Worn, and what looking at Copper raises.
    """
    sieve = _Sieve(ledger, known, tail, looking, catalogue, reading, policies, also)
    sieve.refuse()
    return sieve.part()


class _Sieve(Struct):
    """The tables of one part while it is put together; *entries* is what the ledger knows of those that are looked at."""

    ledger: Ledger
    known: LedgerHead
    tail: Tail
    looking: Looking
    catalogue: Catalogue
    reading: Reading
    policies: Mapping[str, PolicyRule]
    also: Collection[Address]
    marks: dict[str, Sequence[Any] | None] = field(default_factory=dict)
    entries: dict[Address, Entry] = field(default_factory=dict)
    bindings: PackedBindings = field(default_factory=lambda: PackedBindings({}, decode_binding, encode_binding))

    def refuse(self) -> None:
        """Raise Unsieved where the whole must be looked at."""
        reading, known = self.reading, self.known
        if any(each.is_error for each in reading.diagnostics) or not reading.is_sound:
            raise Unsieved("something is wrong with the files")
        if reading.moved:
            raise Unsieved("records are renamed")
        if known.labels != labels_of(self.catalogue, known.marks):
            raise Unsieved("the labels of the account are others")
        if not sum(known.bound.values()):
            raise Unsieved("nothing is bound")

    def part(self) -> Part:
        """Return the part of the world that must be planned."""
        moved = self._moved()
        self._learn(moved)
        self.reading.seek(moved)
        if self.tail.events:
            self._fold()
        judged = moved | restriction.naming(self._replaced(moved), self.ledger) | self._meaning_others(moved)
        self._learn(judged - moved)
        self.reading.seek(judged - moved)
        self._refuse_many(len(judged))
        declared = {address: self.reading.records[address] for address in judged if address in self.reading.records}
        self._refuse_stamped(declared)
        gathered = gather(self.looking, self.catalogue, declared, self._state(), (), False, self.reading.holding)
        self._refuse_unlinked(judged - declared.keys(), gathered)
        records = self._resolved(declared, gathered)
        context = restriction.met(records.values(), gathered.observed.values(), self.catalogue, self.ledger) - judged
        self._see(context, gathered)
        whole = self._whole(moved)
        here = Counter(address.type for address in self.bindings)
        rest = Rest(context, {name: count - here[name] for name, count in whole.items()})
        world = World(records, gathered.observed, self._state(), (), gathered.related, {}, rest)
        marks = dict(self.marks)
        after = replace(
            self.known,
            position=self.tail.position,
            state_mark=self.tail.mark,
            files=self.reading.mark(),
            marks=marks,
            bound=whole,
        )
        return Part(world, self.reading.diagnostics, gathered, judged, self.known, after)

    # What moved

    def _moved(self) -> frozenset[Address]:
        changes = self.reading.since(self.known.files)
        if changes is None:
            raise Unsieved("nobody knows which files changed")
        touched = _touched(self.tail.events)
        known = self.ledger.find(self.also)
        moved = {*(entry.address for entry in self.ledger.open()), *changes.changed, *changes.removed, *touched, *known}
        others = {address.type for address in moved} - set(self.known.marks)
        if others:
            raise Unsieved(f"{', '.join(sorted(others))} are new")
        return frozenset(moved | self._moved_in_copper())

    def _moved_in_copper(self) -> set[Address]:
        """Return the records that look different; those of types without a mirror first, for they may be gone as well."""
        moved: set[Address] = set()
        for name, mark in sorted(self.known.marks.items(), key=lambda each: each[1] is not None):
            entity = self.catalogue[name]
            if mark is None:
                moved |= self._differing(name)
            else:
                ids = self.looking.changed(entity, Mark(*mark))
                if ids is None:
                    raise Unsieved(f"nobody knows which {name} changed in Copper")
                moved |= {entry.address for entry in self.ledger.bound_to(name, ids)}
            self.marks[name] = plain_mark(self.looking.mark(entity))
        self.looking.has_all = True
        return moved

    def _differing(self, name: str) -> set[Address]:
        """Ask for all records of a type without a mirror, and return those that look different."""
        entries = self.ledger.of_type(name)
        ids = [entry.record_id for entry in entries if entry.record_id is not None]
        asked = self.looking.asked.get(name, {})
        if not asked.keys() >= set(ids):
            bodies = self.looking.bodies(self.catalogue[name], ids)
            asked = self.looking.asked[name] = {id: bodies.get(id) for id in ids}
        now = {id: content_digest(body) for id, body in asked.items() if body is not None}
        return {entry.address for entry in entries if now.get(entry.record_id or 0) != entry.content}

    def _replaced(self, moved: Iterable[Address]) -> list[Replaced]:
        """Return those of *moved* that are another record than before, or none."""
        bound = {address: record_id(self.bindings, address) for address in moved if address in self.bindings}
        there: set[tuple[str, int]] = set()
        for entity in self.catalogue.types:
            mine = [id for address, id in bound.items() if address.type == entity.name]
            there |= {(entity.name, id) for id in (self.looking.texts(entity, mine) if mine else ())}
        found = []
        for address in moved:
            entry, id = self.entries.get(address), bound.get(address)
            ids = {each for each in (None if entry is None else entry.record_id, id) if each is not None}
            is_there = (address.type, id) in there
            is_same = entry is not None and entry.is_there and len(ids) == 1
            if not (is_same and is_there and address in self.reading.records):
                found.append(Replaced(address, tuple(sorted(ids))))
        return found

    def _meaning_others(self, moved: Iterable[Address]) -> frozenset[Address]:
        """Return the records that may name another one since a file declares it, or does no longer."""
        were = {address for address, entry in self.entries.items() if entry.is_there}
        others = [address for address in moved if address not in were or address not in self.reading.records]
        return frozenset(self.reading.naming(others)) if others else frozenset()

    def _refuse_many(self, count: int) -> None:
        if count > max(FEW, LARGEST_SHARE * sum(self.known.bound.values())):
            raise Unsieved(f"{count} records may have changed")

    def _refuse_stamped(self, declared: Collection[Address]) -> None:
        """Raise Unsieved where all records are looked at, to find the stamp of a new one."""
        stamped = {entity.name for entity in self.catalogue.types if any(match.by == STAMP for match in entity.match_on)}
        new = next((each for each in declared if each.type in stamped and each not in self.bindings), None)
        if new is not None:
            raise Unsieved(f"{new} is new and may be known by its stamp")

    def _refuse_unlinked(self, vanished: Iterable[Address], gathered: Gathered) -> None:
        """Raise Unsieved where a link went: whether crmsync deleted what it named, the state alone knows."""
        digester = Digester(self.tail.head.digest_key)
        for address in vanished:
            entity, binding = self.catalogue[address.type], self.bindings.get(address)
            record = None if binding is None else gathered.observed.get((address.type, binding.record_id))
            if binding is None or record is None:
                continue
            moved = moved_fields(binding.applied, record, entity, digester)
            if any(entity.by_name[name].target is not None and is_empty(record.fields.get(name)) for name in moved):
                raise Unsieved(f"{address} lost a link")

    # What is known of them

    def _learn(self, addresses: Collection[Address]) -> None:
        """Look *addresses* up in the ledger, and bring their bindings to the end of the log."""
        found = self.ledger.find(addresses)
        self.entries |= found
        self.bindings.take({address: each.binding for address, each in found.items() if each.record_id is not None})

    def _fold(self) -> None:
        state = State(self.tail.head, bindings=self.bindings)
        try:
            state = state.advance(self.tail.events, self.tail.position)
        except KeyError as error:
            raise Unsieved("the state speaks of what the ledger does not know") from error
        if state.open_intents or state.missed:
            raise Unsieved("requests of an earlier run are open")
        if state.key not in (None, key_mark(self.tail.head.digest_key, self.tail.head.lineage)):
            raise Unsieved("the state was written under another key")
        assert isinstance(state.bindings, PackedBindings), "they come from those"
        self.bindings = state.bindings

    def _state(self) -> State:
        return State(self.tail.head, self.tail.position, self.known.account, copy(self.bindings))

    def _whole(self, moved: Collection[Address]) -> dict[str, int]:
        """Return how many records of each type are bound now."""
        counts = Counter(self.known.bound)
        for address in moved:
            was = address in self.entries and self.entries[address].record_id is not None
            counts[address.type] += (address in self.bindings) - was
        return dict(counts)

    # What they should be, and what they meet

    def _resolved(self, declared: Mapping[Address, Declared], gathered: Gathered) -> Mapping[Address, Desired]:
        resolved = resolve.resolve(
            self.reading.records, self.catalogue, self.policies, gathered.found, only=declared, holders=self.reading.holding
        )
        if any(each.is_error for each in resolved.diagnostics):
            raise Unsieved("something is wrong with the files")
        return resolved.records

    def _see(self, context: Collection[Address], gathered: Gathered) -> None:
        """See the settled records that the judged ones meet."""
        self._learn(context)
        for entity in self.catalogue.types:
            mine = {record_id(self.bindings, each) for each in context if each.type == entity.name and each in self.bindings}
            for body in self.looking.bodies(entity, mine).values() if mine else ():
                record = decode_body(entity, body, self.catalogue.locale)
                gathered.observed[entity.name, record.id] = record
        for address in context:
            is_bound = address in self.bindings
            if not is_bound or (address.type, record_id(self.bindings, address)) not in gathered.observed:
                raise Unsieved(f"{address} is not what it was")


def _touched(events: Iterable[Event]) -> set[Address]:
    """Return the addresses of which the state knows something else after *events*."""
    found: set[Address] = set()
    for event in events:
        match event:
            case Renamed(origin, destination):
                found |= {origin, destination}
            case Bound() | FieldsApplied() | FieldsReleased() | Forgotten() | Protected() | Ruled() | Intent() | Missed():
                found.add(event.address)
    return found
