"""Unique values that a record of Copper holds and does not give up: nobody else can have them, and Copper would refuse."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from operator import attrgetter

from crmsync.model.address import Address
from crmsync.model.packed import fields_named
from crmsync.model.plan import Action, Change, FieldChange, Held
from crmsync.model.records import Observed
from crmsync.model.values import Value
from crmsync.plan.binding import waits
from crmsync.plan.identity import keys_of
from crmsync.plan.parts import with_fields
from crmsync.plan.world import Work, describe

#: A unique value of Copper: type, field, key.
_Unique = tuple[str, str, Value]


def hold_taken(work: Work) -> bool:
    """Hold, over and over, what takes a unique value that stays with its holder, and what needs a record held so."""
    is_any = False
    uniques = {entity.name: tuple(row.name for row in entity.uniques) for entity in work.catalogue.types}
    holders = _holders(work, uniques)
    while taken := next(_taken(work, uniques, holders), None):
        change, field, key, holder = taken
        owner = next((each for each, id in sorted(work.ids.items()) if (each.type, id) == (holder.type, holder.id)), None)
        who = describe(holder, work.catalogue[holder.type])
        who = f"{owner}, {who}," if owner is not None else who
        reason = f"Copper allows {key} once, and {who} has it. This plan does not take it from there."
        cure = "Take it from that record in Copper, or leave it out of the file."
        _hold(work, change, field, reason, cure)
        _hold_stranded(work)
        is_any = True
    return is_any


def _wanted(uniques: Mapping[str, Collection[str]], change: Change) -> Iterator[tuple[FieldChange, Value]]:
    """Yield the unique values that *change* takes, each with its field."""
    for field in fields_named(change.fields, uniques[change.address.type]):
        for key in sorted(set(keys_of(field.after)) - set(keys_of(field.before)) - {None}, key=str):
            yield field, key


def _holders(work: Work, uniques: Mapping[str, Collection[str]]) -> dict[_Unique, list[Observed]]:
    """Return who in Copper holds the unique values that the changes take."""
    if not work.world.observed:
        return {}
    pairs = ((change.address.type, *each) for change in work.changes for each in _wanted(uniques, change))
    wanted = {(type_name, field.field, key) for type_name, field, key in pairs}
    holders: dict[_Unique, list[Observed]] = {}
    for pair in sorted(work.world.observed) if wanted else ():
        record = work.world.observed[pair]
        for name in uniques[pair[0]]:
            for key in keys_of(record.fields.get(name)):
                if (pair[0], name, key) in wanted:
                    holders.setdefault((pair[0], name, key), []).append(record)
    return holders


def _taken(
    work: Work, uniques: Mapping[str, Collection[str]], holders: Mapping[_Unique, list[Observed]]
) -> Iterator[tuple[Change, FieldChange, Value, Observed]]:
    """Yield the changes that take a unique value which is not released, with the record that holds it."""
    if not holders:
        return
    by_record = {(each.address.type, each.record_id): each for each in work.changes if each.record_id is not None}
    for change in sorted(work.changes, key=attrgetter("address")):
        for field, key in _wanted(uniques, change):
            for holder in holders.get((change.address.type, field.field, key), ()):
                is_other = holder.id != change.record_id
                if is_other and not _releases(by_record.get((holder.type, holder.id)), field.field, key):
                    yield change, field, key, holder


def _releases(change: Change | None, name: str, key: Value) -> bool:
    if change is None:
        return False
    return change.action is Action.DELETE or any(
        key not in keys_of(each.after) for each in fields_named(change.fields, (name,))
    )


def _hold(work: Work, change: Change, field: FieldChange, reason: str, cure: str) -> None:
    """Take one field out of its change, or all of a new record."""
    position = field.position or change.position
    is_new = change.action is Action.CREATE
    held = Held(change.address, reason, cure, None if is_new else field, position, change.record_id, change.name)
    work.held.append(held)
    _drop(work, change, None if is_new else field)


def _drop(work: Work, change: Change, field: FieldChange | None) -> None:
    is_it = (change.address, change.action)
    place = next(place for place, each in work.changes.places() if (each.address, each.action) == is_it)
    left = (
        None
        if field is None
        else with_fields(change, {each.field for each in change.fields} - {field.field}, work.catalogue)
    )
    work.changes.replace(place, left)
    if change.action is Action.CREATE and left is None:
        work.creating.discard(change.address)
        work.notes = [note for note in work.notes if note.address != change.address]


def _hold_stranded(work: Work) -> None:
    """Hold the changes that name a record which is not created after all."""
    while True:
        stranded = [
            (change, field, field.after)
            for change in work.changes
            for field in change.fields
            if isinstance(field.after, Address) and field.after not in work.creating
        ]
        if not stranded:
            return
        change, field, target = stranded[0]
        is_new = change.action is Action.CREATE
        work.held.append(waits(work, change.address, target, None if is_new else field))
        _drop(work, change, None if is_new else field)
