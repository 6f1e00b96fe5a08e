"""
Sifting: all records are looked at once, a few at a time, and what is settled at a glance is noted and let go of.

That makes a ledger of everything, and leaves to `sieving` the part that is not settled: a project of a hundred thousand
records is planned in little memory, and the plan is that of everything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue
from crmsync.model.records import PolicyRule
from crmsync.model.state import State
from crmsync.project.glancing import Glance
from crmsync.project.ledger import Entry
from crmsync.project.looking import Looking
from crmsync.project.reading import Reading
from crmsync.project.sheets import hash_of_address
from crmsync.project.sieving import FEW, LARGEST_SHARE, Unsieved, asking_of
from crmsync.state.codec import encode_binding
from crmsync.state.packed import PackedBindings, record_ids

#: So many records are held at a time.
AT_A_TIME = 500


def present(looking: Looking, catalogue: Catalogue, state: State) -> dict[Address, int]:
    """Have all bound records at hand, and return the ids of those that Copper has."""
    ids: dict[str, set[int]] = {}
    for address, id in record_ids(state.bindings):
        ids.setdefault(address.type, set()).add(id)
    # Those of few first: what is gone of them may have left its mark on the others.
    there = {name: looking.prepare(catalogue[name], ids[name]) for name in sorted(ids, key=lambda name: len(ids[name]))}
    looking.unlink()
    looking.has_all = True
    return {address: id for address, id in record_ids(state.bindings) if id in there[address.type]}


class Sifting:
    """One pass over all records; `entries` is to be exhausted."""

    def __init__(
        self,
        looking: Looking,
        catalogue: Catalogue,
        state: State,
        reading: Reading,
        policies: Mapping[str, PolicyRule],
        ids: Mapping[Address, int],
    ) -> None:
        self._looking, self._catalogue, self._state = looking, catalogue, state
        self._reading, self._ids = reading, ids
        self._glance = Glance(catalogue, policies, self._named(), state.head.digest_key)
        self._asking = asking_of(reading)
        self._left = max(FEW, LARGEST_SHARE * len(state.bindings))

    def _named(self) -> dict[Address, int | None]:
        """Return the declared records that others may name, with their ids where Copper has them."""
        named = self._reading.targets()
        addresses = self._reading.records if named else ()
        return {address: self._ids.get(address) for address in addresses if hash_of_address(address) in named}

    def entries(self) -> Iterator[Entry]:
        """Yield what is found of each record. Raises Unsieved when too many are not settled."""
        declared = self._reading.packed()
        seen: set[Address] = set()
        while some := list(islice(declared, AT_A_TIME)):
            seen.update(address for address, _ in some)
            yield from self._sifted(some)
        for address in self._state.bindings:
            if address not in seen:
                yield self._open(address)

    def _sifted(self, declared: Sequence[tuple[Address, bytes]]) -> Iterator[Entry]:
        bodies = self._bodies([address for address, _ in declared])
        for address, packed in declared:
            id = self._ids.get(address)
            body = None if id is None or address in self._asking else bodies.get((address.type, id))
            if body is None or id is None:
                yield self._open(address)
                continue
            text = self._text(address)
            hashes = self._glance.settled(address, packed, body, text)
            if hashes is None:
                yield self._open(address)
            else:
                yield Entry(address, id, self._content(address.type, id), text, True, True, hashes=hashes)

    def _bodies(self, addresses: Collection[Address]) -> dict[tuple[str, int], bytes]:
        wanted: dict[str, list[int]] = {}
        for address in addresses:
            if address in self._ids:
                wanted.setdefault(address.type, []).append(self._ids[address])
        return {
            (name, id): body
            for name, ids in wanted.items()
            for id, body in self._looking.texts(self._catalogue[name], ids).items()
        }

    def _open(self, address: Address) -> Entry:
        self._left -= 1
        if self._left < 0:
            raise Unsieved("many records may have changed")
        if address not in self._state.bindings:
            return Entry(address, None, b"", "", is_settled=False, is_there=False)
        text = self._text(address)
        id = self._ids.get(address) or self._state.bindings[address].record_id
        is_there = address in self._ids and address in self._reading.records
        return Entry(address, id, self._content(address.type, id), text, False, is_there)

    def _text(self, address: Address) -> str:
        """Return a binding as the state writes it down, as it stands there already where that is to be had."""
        bindings = self._state.bindings
        text = bindings.text(address) if isinstance(bindings, PackedBindings) else None
        return encode_binding(bindings[address]) if text is None else text

    def _content(self, type_name: str, id: int) -> bytes:
        return self._looking.small.get(type_name, {}).get(id, b"")
