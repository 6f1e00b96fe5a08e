"""The identity ladder: which record of Copper, if any, a declared record without a binding is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from crmsync.model.address import Address
from crmsync.model.catalogue import STAMP, EntityType, Field, Match
from crmsync.model.codes import CODES
from crmsync.model.plan import Held
from crmsync.model.records import Desired, Observed
from crmsync.model.source import Diagnostic
from crmsync.model.values import Members, Value


class Identity(Struct, frozen=True):
    """Who a declared record is: a record of Copper, nobody (create it), or a question that stops it."""

    record_id: int | None = None
    held: Held | None = None
    problem: Diagnostic | None = None


#: Finds the records of one type that show a value in a field: ``find(field name, key)``.
Find = Callable[[str, Value], Iterable[Observed]]


def identify(
    desired: Desired,
    entity: EntityType,
    find: Find,
    owner: Mapping[int, Address],
    is_declared: Callable[[Address], bool],
    describe: Callable[[Observed], str],
    hints: Callable[[str], Iterable[Value]] = lambda _: (),
) -> Identity:
    """
    Return who *desired* is, among the records that *find* finds.

    *owner* says which address holds a record already; *is_declared* whether a file names it. *hints* tells what an
    undeclared link will be by the records that the others name: an opportunity's company is its contact's.
    """
    # `new: true` denies likenesses; a stamp is none.
    rungs = [match for match in entity.match_on if match.by == STAMP or not desired.options.is_new]
    for match in rungs:
        value = _value(desired, match.by)
        if value is None:
            continue
        identity = _try(match, value, desired, entity, find, owner, is_declared, describe, hints)
        if identity is not None:
            return identity
    return Identity()


def _value(desired: Desired, name: str) -> Value:
    field = desired.fields.get(name)
    return field.value if field is not None and field.value not in (None, Members()) else None


def keys_of(value: Value) -> tuple[Value, ...]:
    """Return the single keys under which a value can be found: each member of a set, or the value itself."""
    return tuple(member.key for member in value) if isinstance(value, Members) else (value,)


def display_name(desired: Desired) -> str:
    """Return the name a record will have, or its key."""
    return str(_value(desired, "name") or desired.address.key)


def _try(
    match: Match,
    value: Value,
    desired: Desired,
    entity: EntityType,
    find: Find,
    owner: Mapping[int, Address],
    is_declared: Callable[[Address], bool],
    describe: Callable[[Observed], str],
    hints: Callable[[str], Iterable[Value]],
) -> Identity | None:
    alike = {record.id: record for key in keys_of(value) for record in find(match.by, key)}
    others: dict[int, Observed] = {}
    if match.within is not None:
        link = desired.fields.get(match.within)
        wanted = {link.value} if link is not None else {None, *hints(match.within)}
        others = {id: record for id, record in alike.items() if record.fields.get(match.within) not in wanted}
    if match.where_empty is not None:
        others = {id: record for id, record in alike.items() if record.fields.get(match.where_empty)}
    alike = {id: record for id, record in alike.items() if id not in others}
    if match.within in desired.fields:
        others = {}  # of another company, as the file says: another record
    for id, record in (*alike.items(), *others.items()):
        if id in owner and not is_declared(owner[id]):
            return Identity(held=_renamed(desired, owner[id], describe(record)))
    free = {id: record for id, record in alike.items() if id not in owner}
    if len(free) > 1:
        return Identity(problem=_several(desired, entity.by_name[match.by], free, describe))
    if free:
        return Identity(record_id=next(iter(free)))
    others = {id: record for id, record in others.items() if id not in owner}
    return Identity(held=_alike(desired, match, next(iter(others.values())), describe)) if others else None


def _renamed(desired: Desired, vanished: Address, description: str) -> Held:
    return Held(
        address=desired.address,
        reason=f"{description} is bound to {vanished}, which is no longer in the files.",
        cure=f"If it was renamed, add to a file:  moved: [{{from: {vanished}, to: {desired.address}}}]",
        position=desired.position,
        name=display_name(desired),
        rival=vanished,
    )


def _alike(desired: Desired, match: Match, other: Observed, describe: Callable[[Observed], str]) -> Held:
    difference = f"with another {match.where_empty}" if match.within is None else f"with a {match.within}; none is declared"
    return Held(
        address=desired.address,
        reason=f"Copper has {describe(other)} of the same {match.by} {difference}.",
        cure=f"Adopt it with `crmsync: {{id: {other.id}}}`, or write `crmsync: {{new: true}}` to create another.",
        position=desired.position,
        record_id=other.id,
        name=display_name(desired),
    )


def _several(
    desired: Desired, field: Field, records: Mapping[int, Observed], describe: Callable[[Observed], str]
) -> Diagnostic:
    listed = "; ".join(describe(record) for _, record in sorted(records.items()))
    detail = (
        f"{desired.address} could be any of these by its {field.name}: {listed}. "
        f"Say which with `crmsync: {{id: ...}}`, or `crmsync: {{new: true}}` to create another."
    )
    return Diagnostic(CODES["CRM038"], detail, desired.fields[field.name].position, desired.address)


def index(observed: Mapping[tuple[str, int], Observed], entity: EntityType) -> Find:
    """Return a `Find` over the *observed* records of a type for the fields by which they are told."""
    table: dict[tuple[str, Value], int | list[Observed]] = {}
    names = [match.by for match in entity.match_on]
    for id in sorted(id for type_name, id in observed if type_name == entity.name):
        record = observed[entity.name, id]
        for name in names:
            for key in keys_of(record.fields.get(name)):
                if key is None:
                    continue
                known = table.setdefault((name, key), id)
                if isinstance(known, list):
                    known.append(record)
                elif known != id:  # of few that several have the records are kept
                    table[name, key] = [observed[entity.name, known], record]

    def find(name: str, key: Value) -> Iterable[Observed]:
        found = table.get((name, key), [])
        return found if isinstance(found, list) else (observed[entity.name, found],)

    return find
