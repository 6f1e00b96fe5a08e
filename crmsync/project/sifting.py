"""
Sifting: all records are looked at once, a few at a time, and what is settled at a glance is noted and let go of.

That makes a ledger of everything, and leaves to `sieving` the part that is not settled: a project of a hundred thousand
records is planned in little memory, and the plan is that of everything. Other processes glance at the records of a page
while the next ones come.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import islice

from crmsync.copper.rowtext import RawRow
from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, EntityType
from crmsync.model.records import PolicyRule
from crmsync.model.state import State, record_id, record_ids
from crmsync.project.crew import Crew, are_known, at_work, processes_at_hand
from crmsync.project.glancing import Glance, Lot, Seen
from crmsync.project.ledgerfile import Entry, LedgerHead, hash_of_touch, touch_of_unmirrored
from crmsync.project.ledgerpart import Settled
from crmsync.project.looking import Looking
from crmsync.project.mirrorfile import Row
from crmsync.project.newledger import NewLedger
from crmsync.project.noting import asking_of
from crmsync.project.reading import Reading
from crmsync.project.sheets import hash_of_address
from crmsync.project.sieving import FEW, LARGEST_SHARE, Unsieved
from crmsync.project.upkeep import kept_rows
from crmsync.state.codec import encode_binding
from crmsync.state.packed import PackedBindings

#: So many records are held at a time.
AT_A_TIME = 500
#: From so many bound records on other processes look at them.
WORTH_A_CREW = 5_000
#: So many lots of records wait for a process.
WAITING = 6
#: How long a thread may keep others from running, in seconds: those that fetch pages have much to do between two answers.
TURN_SECONDS = 0.0005

Answer = Future[list[Seen]]


class Sifting:
    """
    One pass over all records: `present`, then `rest`. Made by `sifting`. What it finds goes into a ledger at once.

    It counts every bound record as there, whether Copper has it or not: who names one that is gone is judged by `sieving`.
    """

    def __init__(
        self,
        looking: Looking,
        catalogue: Catalogue,
        state: State,
        reading: Reading,
        glance: Glance,
        crew: Crew | None,
        ledger: NewLedger,
    ) -> None:
        self._looking, self._catalogue, self._state, self._reading = looking, catalogue, state, reading
        self._glance, self._crew, self._ledger = glance, crew, ledger
        self._asking = asking_of(reading)
        self._left = max(FEW, LARGEST_SHARE * len(state.bindings))
        self._addresses: dict[str, dict[int, Address]] = {}
        for address, id in record_ids(state.bindings):
            self._addresses.setdefault(address.type, {})[id] = address
        self._there: dict[str, frozenset[int]] = {}
        self._marks: Mapping[str, object] | None = None
        self._again: set[tuple[str, int]] = set()
        self._seen: dict[Address, bool] = {}

    # What Copper shows

    def present(self) -> None:
        """Have all bound records at hand, and glance at those that come by."""
        # Those of few first: what is gone of them may have left its mark on the others.
        for name in sorted(self._addresses, key=lambda name: len(self._addresses[name])):
            self._there[name] = self._looking.prepare(self._catalogue[name], self._addresses[name], self._come_by)
        self._again = self._looking.unlink()
        self._looking.has_all = True

    def _come_by(self, entity: EntityType, rows: Sequence[RawRow], wanted: Collection[int]) -> Callable[[], Sequence[Row]]:
        """Have somebody glance at a page, and note what is found when its rows are asked for."""
        mine = self._addresses[entity.name]
        sought = self._seek(entity.name, {row.id: row.text for row in rows if row.id in mine})

        def made() -> Sequence[Row]:
            self._note(*sought)
            return kept_rows(rows, wanted)

        return made

    def _seek(self, type_name: str, found: Mapping[int, bytes]) -> tuple[list[Address], Lot, Answer]:
        """Have somebody glance at records that look so."""
        ids = {self._addresses[type_name][id]: id for id in found}
        asking = self._asking
        packed = self._reading.packed([address for address in ids if address not in asking] if asking else ids)
        some = list(packed)
        mine = [ids[address] for address in some]
        shown, texts = [found[id] for id in mine], [self._written(address) for address in some]
        lot = Lot(type_name, [address.key for address in some], mine, list(packed.values()), shown, texts)
        return some, lot, self._ask(lot)

    def _ask(self, lot: Lot) -> Answer:
        """Have a process look at *lot*, or this one while the others have enough to do."""
        asked = None if self._crew is None else self._crew.ask(lot)
        if asked is not None:
            return asked
        answer: Answer = Future()
        answer.set_result(self._glance.read(lot))
        return answer

    def _note(self, some: list[Address], lot: Lot, answer: Answer) -> None:
        """Note what was found; what nobody answered is looked at here, which tells what is wrong."""
        found = self._glance.read(lot) if answer.exception() is not None else answer.result()
        name, keys, ids, _, _, bindings = lot
        contents = self._looking.small.get(name, {})
        seen = [hashes or b"" for hashes in found]
        settled = Settled(name, keys, ids, [contents.get(id, b"") for id in ids], bindings, seen)
        also = () if self._is_mirrored(name) else (hash_of_touch(touch_of_unmirrored(name)),)
        self._ledger.put_settled(settled, also)
        self._seen.update(zip(some, [hashes is not None for hashes in found], strict=True))

    # What is noted of it

    def rest(self, head: LedgerHead) -> None:
        """Note what there is to say of the records that did not come by. Raises Unsieved when too many are not settled."""
        self._marks = head.marks
        self._take_back()
        bound = self._state.bindings
        if sum(self._seen.values()) == len(self._reading.records) == len(bound):
            return  # no address need be made for nothing
        declared, left = iter(self._reading.records), len(bound)
        while some := list(islice(declared, AT_A_TIME)):
            left -= sum(address in bound for address in some)
            self._look_at(address for address in some if address not in self._seen)
            self._note_open(address for address in some if not self._seen.get(address))
        if left:
            self._note_open(address for address in bound if address not in self._reading.records)

    def _take_back(self) -> None:
        """Forget what came by and may look otherwise: it was read again, or its type has no mirror after all."""
        others = [self._addresses[name][id] for name, id in self._again if id in self._addresses.get(name, ())]
        for name, addresses in self._addresses.items():
            others += [] if self._is_mirrored(name) else addresses.values()
        for address in others:
            if self._seen.pop(address, False):
                self._ledger.take_back(address)

    def _is_mirrored(self, type_name: str) -> bool:
        """Say whether a mirror tells what changes of a type; while its pages come it will."""
        return self._marks is None or self._marks.get(type_name) is not None

    def _note_open(self, addresses: Iterable[Address]) -> None:
        self._ledger.put(map(self._open, addresses), self._is_mirrored)

    def _look_at(self, addresses: Iterable[Address]) -> None:
        """Glance at what did not come by."""
        wanted: dict[str, list[int]] = {}
        for address in addresses:
            id = self._id(address)
            if id in self._there.get(address.type, ()):
                wanted.setdefault(address.type, []).append(id)
        for name, ids in wanted.items():
            found = self._looking.texts(self._catalogue[name], ids)
            self._note(*self._seek(name, found))

    def _open(self, address: Address) -> Entry:
        self._left -= 1
        if self._left < 0:
            raise Unsieved("many records may have changed")
        if address not in self._state.bindings:
            return Entry(address, None, b"", "", is_settled=False, is_there=False)
        id = self._id(address)
        is_there = id in self._there[address.type] and address in self._reading.records
        return Entry(address, id, self._content(address.type, id), self._written(address).decode(), False, is_there)

    def _id(self, address: Address) -> int:
        """Return the record of *address*, 0 where it has none."""
        bindings = self._state.bindings
        if address not in bindings:
            return 0
        return record_id(bindings, address)

    def _written(self, address: Address) -> bytes:
        """Return a binding as the state writes it down, as it stands there already where that is to be had."""
        bindings = self._state.bindings
        text = bindings.written(address) if isinstance(bindings, PackedBindings) else None
        return encode_binding(bindings[address]).encode() if text is None else text

    def _content(self, type_name: str, id: int) -> bytes:
        return self._looking.small.get(type_name, {}).get(id, b"")


@contextmanager
def sifting(
    looking: Looking,
    catalogue: Catalogue,
    state: State,
    reading: Reading,
    policies: Mapping[str, PolicyRule],
    ledger: NewLedger,
) -> Iterator[Sifting]:
    """Have all records at hand to be sifted into *ledger*, with other processes to look at them where they are many."""
    glance = Glance(catalogue, policies, _named(reading, state), state.head.digest_key)
    count = processes_at_hand() if len(state.bindings) >= WORTH_A_CREW and are_known(catalogue) else 0
    if not count:
        yield Sifting(looking, catalogue, state, reading, glance, None, ledger)
        return
    with _short_turns(), at_work(glance, count, WAITING) as crew:
        yield Sifting(looking, catalogue, state, reading, glance, crew, ledger)


@contextmanager
def _short_turns() -> Iterator[None]:
    """Let threads take turns ten times as often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _named(reading: Reading, state: State) -> dict[Address, int | None]:
    """Return the declared records that others may name, with the ids of those that are bound."""
    named = reading.targets()
    if not named:
        return {}
    ids = dict(record_ids(state.bindings))
    return {address: ids.get(address) for address in reading.records if hash_of_address(address) in named}
