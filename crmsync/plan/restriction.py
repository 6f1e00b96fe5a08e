"""
Which part of a world has the same plan as the whole.

A record is *settled* when a plan says nothing of it: declared and bound, in Copper, nothing to change, keep, hold, note or
complain of. That verdict is made of what its file says, what the state knows of it, what Copper shows of it, and which
records those are that it names. While none of these moves it stays settled, whatever becomes of the others; so a plan needs
to judge only the rest, *open* records and those that moved, and these:

- records that name one which is another record than before, or none: created, deleted, forgotten, bound anew;

and it must see, but not judge, the settled records that those meet:

- which they name, or show links to;
- whose unique values they want;
- which Copper shows when it is asked who a new record may be.

`tests/plan/test_restriction.py` holds over random worlds that the plan of the part is that of the whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Protocol

from msgspec import Struct

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, EntityType, Field
from crmsync.model.plan import Plan
from crmsync.model.records import Desired, Observed
from crmsync.model.source import Diagnostic
from crmsync.model.values import Value
from crmsync.plan.identity import keys_of

#: One thing by which records meet: ``("names", "companies.acme")``, ``("links", "companies", "17")``,
#: ``("has", "people", "emails", "ann@acme.com")``.
Touch = tuple[str, ...]


class Settled(Protocol):
    """The settled records, by what they are and by what they touch."""

    def at(self, type_name: str, id: int) -> Address | None:
        """Return the settled record that is bound to *id*."""

    def touching(self, touches: Collection[Touch]) -> Iterable[Address]:
        """Return the settled records that touch any of *touches*; one too many does no harm."""


def said_of(plan: Plan, problems: Iterable[Diagnostic]) -> frozenset[Address]:
    """Return every address of which *plan* or its *problems* say anything. The others are settled, if they are bound."""
    found: set[Address | None] = {each.address for each in problems}
    for entries in (plan.changes, plan.kept, plan.held, plan.notes, plan.stale):
        found |= {each.address for each in entries}
    found |= {each.rival for each in plan.held} | {each.renamed_from for each in plan.notes}
    found |= {address for address, _ in (*plan.gone, *(each.about for each in plan.decided))}
    found |= {Address.parse(text) for breach in plan.breaches for text in breach.addresses}
    return frozenset(address for address in {*found, *plan.unsettled} if address is not None)


def touches_of(entity: EntityType, desired: Mapping[str, Value], observed: Mapping[str, Value]) -> Iterator[Touch]:
    """Yield by what a settled record can be met: what it should name, what it shows links to, its unique values."""
    for row in entity.links:
        for value in {desired.get(row.name), observed.get(row.name)}:
            if isinstance(value, Address):
                yield names(value)
            elif isinstance(value, int):
                yield links(str(row.target), value)
    yield from _unique(entity, observed)


def names(address: Address) -> Touch:
    """Return the touch of naming *address* in a file."""
    return "names", str(address)


def links(type_name: str, id: int) -> Touch:
    """Return the touch of a link to a record of Copper."""
    return "links", type_name, str(id)


def has(entity: EntityType, row: Field, key: Value) -> Touch:
    """Return the touch of having a value that Copper allows once."""
    return "has", entity.name, row.name, str(key)


def _unique(entity: EntityType, values: Mapping[str, Value]) -> Iterator[Touch]:
    for row in entity.uniques:
        for key in keys_of(values.get(row.name)):
            if key is not None:
                yield has(entity, row, key)


class Replaced(Struct, frozen=True):
    """An address that is another record than before, or none, or was none: *ids* are all that it is and was bound to."""

    address: Address
    ids: tuple[int, ...] = ()


def naming(replaced: Iterable[Replaced], settled: Settled) -> frozenset[Address]:
    """Return the settled records that must be judged again, because of what became of those that they name."""
    touches = {names(each.address) for each in replaced}
    touches |= {links(each.address.type, id) for each in replaced for id in each.ids}
    return frozenset(settled.touching(touches))


def met(
    desired: Iterable[Desired], observed: Iterable[Observed], catalogue: Catalogue, settled: Settled
) -> frozenset[Address]:
    """Return the settled records that a plan must see when it judges *desired* and Copper showed *observed*."""
    found: set[Address | None] = set()
    wanted: set[Touch] = set()
    for each in desired:
        entity = catalogue[each.address.type]
        values = {name: field.value for name, field in each.fields.items()}
        wanted.update(_unique(entity, values))
        found |= set(_named(entity, values, settled))
        found |= {settled.at(entity.name, each.options.id)} if each.options.id is not None else set()
    for record in observed:
        found.add(settled.at(record.type, record.id))
        found |= set(_named(catalogue[record.type], record.fields, settled))
    return frozenset(address for address in {*found, *settled.touching(wanted)} if address is not None)


def _named(entity: EntityType, values: Mapping[str, Value], settled: Settled) -> Iterator[Address | None]:
    for row in entity.links:
        value = values.get(row.name)
        if isinstance(value, Address):
            yield value
        elif isinstance(value, int):
            yield settled.at(str(row.target), value)
