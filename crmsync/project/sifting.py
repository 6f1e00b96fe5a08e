"""
Sifting: all records are looked at once, a few at a time, and what is settled at a glance is noted and let go of.

That makes a ledger of everything, and leaves to `sieving` the part that is not settled: a project of a hundred thousand
records is planned in little memory, and the plan is that of everything. Other processes glance at the records of a page
while the next ones come.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import islice

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, EntityType
from crmsync.model.records import PolicyRule
from crmsync.model.state import State
from crmsync.project.crew import Crew, are_known, at_work, processes_at_hand
from crmsync.project.glancing import Glance, Lot
from crmsync.project.ledger import Entry
from crmsync.project.looking import Looking
from crmsync.project.mirror import Row
from crmsync.project.reading import Reading
from crmsync.project.sheets import hash_of_address
from crmsync.project.sieving import FEW, LARGEST_SHARE, Unsieved, asking_of
from crmsync.state.codec import encode_binding
from crmsync.state.packed import PackedBindings, record_ids

#: So many records are held at a time.
AT_A_TIME = 500
#: From so many bound records on other processes look at them.
WORTH_A_CREW = 5_000
#: So many lots of records wait for a process.
WAITING = 8

Sought = Future[list[bytes | None]]


class Sifting:
    """
    One pass over all records: `present`, then `entries`, which is to be exhausted. Made by `sifting`.

    It counts every bound record as there, whether Copper has it or not: who names one that is gone is judged by `sieving`.
    """

    def __init__(
        self, looking: Looking, catalogue: Catalogue, state: State, reading: Reading, glance: Glance, crew: Crew | None
    ) -> None:
        self._looking, self._catalogue, self._state, self._reading = looking, catalogue, state, reading
        self._glance, self._crew = glance, crew
        self._asking = asking_of(reading)
        self._left = max(FEW, LARGEST_SHARE * len(state.bindings))
        self._addresses: dict[str, dict[int, Address]] = {}
        for address, id in record_ids(state.bindings):
            self._addresses.setdefault(address.type, {})[id] = address
        self._there: dict[str, frozenset[int]] = {}
        self._seen: dict[Address, bytes | None] = {}
        self._sought: deque[tuple[list[Address], Lot, Sought]] = deque()

    # What Copper shows

    def present(self) -> None:
        """Have all bound records at hand, and glance at those that come by."""
        # Those of few first: what is gone of them may have left its mark on the others.
        for name in sorted(self._addresses, key=lambda name: len(self._addresses[name])):
            self._there[name] = self._looking.prepare(self._catalogue[name], self._addresses[name], self._come_by)
        again = self._looking.unlink()
        self._looking.has_all = True
        self._gather()
        for address in list(self._seen):
            # Where there is no mirror it was asked for anew, and may look otherwise.
            if self._looking.fresh.get(address.type) is None or (address.type, self._id(address)) in again:
                del self._seen[address]

    def _come_by(self, entity: EntityType, rows: Sequence[Row]) -> None:
        addresses = self._addresses[entity.name]
        bodies = {addresses[row.id]: row.text for row in rows if row.text is not None and row.id in addresses}
        self._seek(entity.name, bodies)

    def _seek(self, type_name: str, bodies: Mapping[Address, bytes]) -> None:
        """Have somebody glance at records that look so."""
        packed = self._reading.packed(address for address in bodies if address not in self._asking)
        addresses = list(packed)
        keys, shown = [address.key for address in addresses], [bodies[address] for address in addresses]
        lot = (type_name, keys, list(packed.values()), shown, [self._text(address) for address in addresses])
        self._sought.append((addresses, lot, self._ask(lot)))
        while self._sought and self._sought[0][-1].done():
            self._note(*self._sought.popleft())

    def _ask(self, lot: Lot) -> Sought:
        if self._crew is not None:
            return self._crew.ask(lot)
        answer: Sought = Future()
        answer.set_result(self._glance.read(lot))
        return answer

    def _gather(self) -> None:
        while self._sought:
            self._note(*self._sought.popleft())

    def _note(self, addresses: list[Address], lot: Lot, answer: Sought) -> None:
        """Note what was found; what nobody answered is looked at here, which tells what is wrong."""
        found = self._glance.read(lot) if answer.exception() is not None else answer.result()
        self._seen.update(zip(addresses, found, strict=True))

    # What is noted of it

    def entries(self) -> Iterator[Entry]:
        """Yield what is found of each record. Raises Unsieved when too many are not settled."""
        bound = self._state.bindings
        declared, left = iter(self._reading.records), len(bound)
        while some := list(islice(declared, AT_A_TIME)):
            left -= sum(address in bound for address in some)
            yield from self._sifted(some)
        for address in bound if left else ():
            if address not in self._reading.records:
                yield self._open(address)

    def _sifted(self, addresses: Sequence[Address]) -> Iterator[Entry]:
        self._look_at(address for address in addresses if address not in self._seen)
        for address in addresses:
            found = self._seen.pop(address, None)
            if found is None:
                yield self._open(address)
            else:
                id, hashes = self._id(address), tuple(array("I", found))
                yield Entry(address, id, self._content(address.type, id), self._text(address), True, True, hashes=hashes)

    def _look_at(self, addresses: Iterable[Address]) -> None:
        """Glance at what did not come by."""
        wanted: dict[str, list[int]] = {}
        for address in addresses:
            id = self._id(address)
            if id in self._there.get(address.type, ()):
                wanted.setdefault(address.type, []).append(id)
        for name, ids in wanted.items():
            found = self._looking.texts(self._catalogue[name], ids)
            self._seek(name, {self._addresses[name][id]: body for id, body in found.items()})
        self._gather()

    def _open(self, address: Address) -> Entry:
        self._left -= 1
        if self._left < 0:
            raise Unsieved("many records may have changed")
        if address not in self._state.bindings:
            return Entry(address, None, b"", "", is_settled=False, is_there=False)
        id = self._id(address)
        is_there = id in self._there[address.type] and address in self._reading.records
        return Entry(address, id, self._content(address.type, id), self._text(address), False, is_there)

    def _id(self, address: Address) -> int:
        """Return the record of *address*, 0 where it has none."""
        bindings = self._state.bindings
        if address not in bindings:
            return 0
        return bindings.record_id(address) if isinstance(bindings, PackedBindings) else bindings[address].record_id

    def _text(self, address: Address) -> str:
        """Return a binding as the state writes it down, as it stands there already where that is to be had."""
        bindings = self._state.bindings
        text = bindings.text(address) if isinstance(bindings, PackedBindings) else None
        return encode_binding(bindings[address]) if text is None else text

    def _content(self, type_name: str, id: int) -> bytes:
        return self._looking.small.get(type_name, {}).get(id, b"")


@contextmanager
def sifting(
    looking: Looking, catalogue: Catalogue, state: State, reading: Reading, policies: Mapping[str, PolicyRule]
) -> Iterator[Sifting]:
    """Have all records at hand to be sifted, with other processes to look at them where they are many."""
    glance = Glance(catalogue, policies, _named(reading, state), state.head.digest_key)
    count = processes_at_hand() if len(state.bindings) >= WORTH_A_CREW and are_known(catalogue) else 0
    if not count:
        yield Sifting(looking, catalogue, state, reading, glance, None)
        return
    with at_work(glance, count, WAITING) as crew:
        yield Sifting(looking, catalogue, state, reading, glance, crew)


def _named(reading: Reading, state: State) -> dict[Address, int | None]:
    """Return the declared records that others may name, with the ids of those that are bound."""
    named = reading.targets()
    if not named:
        return {}
    ids = dict(record_ids(state.bindings))
    return {address: ids.get(address) for address in reading.records if hash_of_address(address) in named}
