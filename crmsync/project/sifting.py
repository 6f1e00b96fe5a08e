"""
Sifting: all records are looked at once, a few at a time, and what is settled at a glance is noted and let go of.

That makes a ledger of everything, and leaves to `sieving` the part that is not settled: a project of a hundred thousand
records is planned in little memory, and the plan is that of everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from itertools import islice

from crmsync import resolve
from crmsync.model.address import Address
from crmsync.model.bodies import decode_body
from crmsync.model.catalogue import Catalogue
from crmsync.model.digest import Digester
from crmsync.model.records import Declared, Desired, Observed, PolicyRule
from crmsync.model.state import Binding, State
from crmsync.plan.restriction import touches_of
from crmsync.plan.settled import is_settled
from crmsync.project.ledger import Entry
from crmsync.project.looking import Looking
from crmsync.project.reading import Reading
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
        self._reading, self._policies, self._ids = reading, policies, ids
        self._digester = Digester(state.head.digest_key)
        self._asking = asking_of(reading)
        self._left = max(FEW, LARGEST_SHARE * len(state.bindings))

    def entries(self) -> Iterator[Entry]:
        """Yield what is found of each record. Raises Unsieved when too many are not settled."""
        declared = iter(self._reading.records.values())
        seen: set[Address] = set()
        while some := {each.address: each for each in islice(declared, AT_A_TIME)}:
            seen |= some.keys()
            yield from self._sifted(some)
        for address in self._state.bindings:
            if address not in seen:
                yield self._open(address, self._state.bindings[address])

    def _sifted(self, declared: Mapping[Address, Declared]) -> Iterator[Entry]:
        resolved = resolve.resolve(
            self._reading.records, self._catalogue, self._policies, None, only=declared, holders=lambda _: ()
        )
        observed = self._observed(declared)
        for address, desired in resolved.records.items():
            binding = self._state.bindings.get(address)
            record = None if binding is None else observed.get((address.type, binding.record_id))
            if binding is None or record is None or address in self._asking:
                yield self._open(address, binding)
            else:
                yield self._entry(desired, binding, record)

    def _observed(self, addresses: Collection[Address]) -> dict[tuple[str, int], Observed]:
        found = {}
        for name, count in Counter(address.type for address in addresses).items():
            entity = self._catalogue[name]
            wanted = [self._ids[each] for each in addresses if each.type == name and each in self._ids] if count else []
            for body in self._looking.bodies(entity, wanted).values() if wanted else ():
                record = decode_body(entity, body, self._catalogue.locale)
                found[name, record.id] = record
        return found

    def _entry(self, desired: Desired, binding: Binding, record: Observed) -> Entry:
        address = desired.address
        entity = self._catalogue[address.type]
        if not is_settled(desired, binding, record, entity, self._ids, self._digester):
            return self._open(address, binding)
        values = {name: each.value for name, each in desired.fields.items()}
        touches = frozenset(touches_of(entity, values, record.fields))
        content, text = self._content(address.type, record.id), self._text(address, binding)
        return Entry(address, record.id, content, text, True, True, touches)

    def _open(self, address: Address, binding: Binding | None) -> Entry:
        self._left -= 1
        if self._left < 0:
            raise Unsieved("many records may have changed")
        if binding is None:
            return Entry(address, None, b"", "", is_settled=False, is_there=False)
        content = self._content(address.type, binding.record_id)
        is_there = address in self._ids and address in self._reading.records
        return Entry(address, binding.record_id, content, self._text(address, binding), False, is_there)

    def _text(self, address: Address, binding: Binding) -> str:
        """Return a binding as the state writes it down, as it stands there already where that is to be had."""
        bindings = self._state.bindings
        text = bindings.text(address) if isinstance(bindings, PackedBindings) else None
        return encode_binding(binding) if text is None else text

    def _content(self, type_name: str, id: int) -> bytes:
        return self._looking.small.get(type_name, {}).get(id, b"")
