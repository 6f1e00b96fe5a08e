"""Which record each declared address is: renames, bindings, the identity ladder, and what cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.model.addresses import SomeOf
from crmsync.model.catalogue import EntityType
from crmsync.model.codes import CODES
from crmsync.model.plan import FieldChange, Held, Note
from crmsync.model.records import Desired, DesiredField, Moved
from crmsync.model.source import Diagnostic
from crmsync.model.state import record_id, record_ids
from crmsync.model.values import Value
from crmsync.model.wanted import addresses_in
from crmsync.plan.identity import Find, display_name, identify, index
from crmsync.plan.world import Work, describe


def rename(work: Work) -> None:
    """
    Give bound records the addresses that `moved` says, in whatever order the lines stand.

    While nobody knows what became of a request about one end, both ends wait: the answer is noted under the old address.
    """
    waiting = [moved for moved in work.world.moved if moved.origin not in work.world.desired]
    while stuck := [moved for moved in waiting if _is_stuck(work, moved)]:
        work.unsettled |= {address for moved in stuck for address in (moved.origin, moved.destination)}
        waiting = [moved for moved in waiting if moved not in stuck]
    while free := [moved for moved in waiting if moved.origin in work.bindings and moved.destination not in work.bindings]:
        for moved in free[:1]:
            work.bindings[moved.destination] = work.bindings.pop(moved.origin)
            work.notes.append(Note(moved.destination, renamed_from=moved.origin))
            waiting.remove(moved)
    for moved in waiting:
        if moved.origin in work.bindings:
            detail = f"Both {moved.origin} and {moved.destination} are bound; a record cannot move onto another."
            work.problems.append(Diagnostic(CODES["CRM043"], detail, moved.position))


def _is_stuck(work: Work, moved: Moved) -> bool:
    is_taken = moved.destination in work.unsettled and moved.origin in work.bindings
    return moved.origin in work.unsettled or is_taken


def identify_all(work: Work) -> dict[Address, int]:
    """Find out who each declared record is; return those to adopt. Links are part of identity, so types go in order."""
    work.ids = dict(record_ids(work.bindings))
    gone = {address for address, id in work.ids.items() if not work.has_record(address, id)}
    for address in gone:
        del work.ids[address]
    adopted: dict[Address, int] = {}
    for entity in work.catalogue.types:
        there = _There(work, entity)
        for address in _those_with_ids_first(work, entity):
            if address in work.bindings:
                _check_binding(work, address, address in gone)
            elif address not in work.unsettled:
                _identify(work, address, there, adopted)
    return adopted


class _There(Struct, frozen=True, dict=True):
    """What Copper has of one type, for records of which it is not known who they are: set out when there is one."""

    work: Work
    entity: EntityType

    @cached_property
    def owner(self) -> dict[int, Address]:
        """Who each record is, as far as that is known by now."""
        return {id: address for address, id in self.work.ids.items() if address.type == self.entity.name}

    @cached_property
    def find(self) -> Find:
        """Find records by what they show."""
        return index(self.work.world.observed, self.entity)


def _those_with_ids_first(work: Work, entity: EntityType) -> Iterator[Address]:
    for says_id in (True, False):
        every = work.declared.of_type(entity.name)
        yield from (each for each in every if (work.world.options(each).id is not None) is says_id)


def _check_binding(work: Work, address: Address, is_gone: bool) -> None:
    options, id = work.world.options(address), record_id(work.bindings, address)
    if options.id is not None and options.id != id:
        detail = (
            f"{address} is bound to record {id}, the file says {options.id}. "
            f"Forget the binding first: crmsync state forget {address}"
        )
        work.problems.append(Diagnostic(CODES["CRM042"], detail, options.id_position, address))
    if is_gone and address in work.wishes.recreate:
        work.creating.add(address)
        work.note_new(work.world.desired[address])
    elif is_gone:
        work.gone.append((address, id))


def _identify(work: Work, address: Address, there: _There, adopted: dict[Address, int]) -> None:
    entity, owner = there.entity, there.owner
    desired = with_ids(work, work.world.desired[address])
    if desired.options.id is not None:
        _adopt_by_id(work, desired, owner, adopted)
        return

    def hints(name: str) -> list[Value]:
        linked = [(str(row.target), desired.fields[row.name].value) for row in entity.links if row.name in desired.fields]
        records = [work.world.observed.get((type_name, id)) for type_name, id in linked if isinstance(id, int)]
        return [record.fields.get(name) for record in records if record is not None]

    identity = identify(
        desired, entity, there.find, owner, work.world.is_declared, lambda record: describe(record, entity), hints
    )
    if identity.problem is not None:
        work.problems.append(identity.problem)
    elif identity.held is not None:
        work.held.append(identity.held)
    elif identity.record_id is not None:
        adopted[address] = work.ids[address] = identity.record_id
        owner[identity.record_id] = address
    elif address in work.world.state.missed:
        work.held.append(_missed(desired))
    else:
        work.creating.add(address)
        work.note_new(desired)


def _missed(desired: Desired) -> Held:
    return Held(
        address=desired.address,
        reason="Its record is not known, and none is created unasked: the state was rebuilt, or its creation undone.",
        cure=f"Adopt its record with `crmsync: {{id: ...}}`. To have one created: crmsync state forget {desired.address}",
        position=desired.position,
        name=display_name(desired),
    )


def _adopt_by_id(work: Work, desired: Desired, owner: dict[int, Address], adopted: dict[Address, int]) -> None:
    id = desired.options.id
    assert id is not None
    if id in owner:
        detail = f"Record {id} is bound to {owner[id]} already. One record has one address."
        work.problems.append(Diagnostic(CODES["CRM042"], detail, desired.options.id_position, desired.address))
    elif work.record(desired.address, id) is None:
        detail = f"Copper has no record {id} among its {desired.address.type}, or this key may not see it."
        work.problems.append(Diagnostic(CODES["CRM044"], detail, desired.options.id_position, desired.address))
    else:
        adopted[desired.address] = work.ids[desired.address] = id
        owner[id] = desired.address


def with_ids(work: Work, desired: Desired) -> Desired:
    """Return *desired* with the ids of the records it names, where they exist."""

    def known(each: DesiredField) -> DesiredField:
        if isinstance(each.value, Address) and each.value in work.ids:
            return replace(each, value=work.ids[each.value])
        return each

    if not any(address in work.ids for address in addresses_in(desired.fields)):
        return desired
    return replace(desired, fields={name: known(each) for name, each in desired.fields.items()})


def hold_observed(work: Work) -> None:
    """Hold the new records of which nothing would be written."""
    for address in sorted(work.creating & work.unwritten):
        desired = work.world.desired[address]
        work.creating.discard(address)
        reason = "It does not exist in Copper, and its policy says observe."
        cure = "Create it in Copper, or let its policy write."
        work.held.append(Held(address, reason, cure, position=desired.position, name=display_name(desired)))


def hold_impossible(work: Work) -> None:
    """Hold, over and over, the new records that need one which will not exist: held, gone, unsettled, or not selected."""
    if work.wishes.only or work.wishes.excepted:
        work.creating = SomeOf(work.declared, filter(work.wishes.selects, work.creating))
    while lacking := {each for each in work.naming.named if each not in work.ids and each not in work.creating}:
        stuck = [pair for pair in work.naming.pairs(lacking) if pair[0] in work.creating]
        if not stuck:
            return
        for address, target in stuck:
            if address in work.creating:
                work.creating.discard(address)
                work.held.append(waits(work, address, target))


def waits(work: Work, address: Address, target: Address, change: FieldChange | None = None) -> Held:
    desired = work.world.desired[address]
    cure = f"Run again once {target} exists."
    gone = {address for address, _ in work.gone}
    if not work.wishes.selects(target):
        cure = f"Select {target} as well."
    elif target in gone:
        cure = f"Create it again with --recreate {target}, or link another record."
    reason = f"It names {target}, which does not exist in Copper and is not created by this plan."
    return Held(address, reason, cure, change, desired.position, work.ids.get(address), display_name(desired))
