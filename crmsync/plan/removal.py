"""Records that vanished from the files: deleted, forgotten or held."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from crmsync.model.address import Address
from crmsync.model.events import Origin
from crmsync.model.packed import fields_named
from crmsync.model.plan import Action, Change, Held
from crmsync.model.records import Observed, OnDelete
from crmsync.model.state import Binding, record_id
from crmsync.plan import guard
from crmsync.plan.sent import moved_fields
from crmsync.plan.world import Work

#: Why a record stays, and what to do about it.
Unsafe = tuple[str, str]
#: Records as (type, id).
Pairs = tuple[tuple[str, int], ...]


def plan_vanished(work: Work) -> None:
    """Plan what happens to the bound records that are not declared any more."""
    is_wanted = (lambda _: False) if work.wishes.is_destroy else work.world.is_declared
    why = "--destroy" if work.wishes.is_destroy else "no longer in the files"
    vanished = [address for address in sorted(work.bindings) if not is_wanted(address) and work.wishes.selects(address)]
    rivals = {held.rival for held in work.held}
    vanished = [address for address in vanished if address not in work.unsettled and address not in rivals]
    deleting: list[tuple[Address, Observed]] = []
    for address in vanished:
        record = work.record(address, record_id(work.bindings, address))
        rule = _on_delete(work, address, work.bindings[address])
        if record is None:
            _change(work, address, None, Action.FORGET, "already gone from Copper")
        elif rule is OnDelete.FORGET:
            _change(work, address, record, Action.FORGET, f"{why}; the record stays in Copper")
        else:
            deleting.append((address, record))
    links = _links(work, deleting)
    unsafe = _unsafe(work, deleting, links)
    leaving = frozenset((record.type, record.id) for address, record in deleting if address not in unsafe)
    for address, record in deleting:
        if address in unsafe:
            reason, cure = unsafe[address]
            work.held.append(Held(address, reason, cure, None, None, record.id, record.name))
            continue
        left = _left_behind(work, address, record, leaving, links)
        names = ", ".join(_named(work, *pair) for pair in left)
        _change(work, address, record, Action.DELETE, f"{why}; leaves {names} without it" if left else why, left)


def _change(work: Work, address: Address, record: Observed | None, action: Action, reason: str, orphans: Pairs = ()) -> None:
    name = record.name if record is not None else address.key
    id = record_id(work.bindings, address)
    work.changes.append(Change(address, action, id, name, (), None, reason, orphans=orphans))


class _Links(Struct, frozen=True):
    """Links that this plan sets, as (type, id, field), and who of the records that were read names which otherwise."""

    relinked: frozenset[tuple[str, int, str]]
    named_by: guard.NamedBy


def _links(work: Work, deleting: list[tuple[Address, Observed]]) -> _Links:
    relinked = _relinked(work) if deleting else frozenset()
    named_by = guard.named_by(work.world.observed, work.catalogue, relinked) if deleting else {}
    return _Links(relinked, named_by)


def _unsafe(work: Work, deleting: list[tuple[Address, Observed]], links: _Links) -> dict[Address, Unsafe]:
    """Return the deletes that must not happen. One that is held stays, and so may hold what it would be left without."""
    if not deleting:
        return {}
    named = {} if work.wishes.is_destroy else _named_in_files(work)
    unsafe = {address: why for address, record in deleting if (why := forbidden(work, address, record, named))}
    while not work.wishes.may_orphan:
        leaving = frozenset((record.type, record.id) for address, record in deleting if address not in unsafe)
        more = {
            address: why
            for address, record in deleting
            if address not in unsafe and (why := _bereaving(work, address, record, leaving, links))
        }
        if not more:
            break
        unsafe |= more
    return unsafe


def _named_in_files(work: Work) -> dict[tuple[str, int], Address]:
    """Return who in the files names which record of Copper: a lookup may find one that is no longer declared."""
    named: dict[tuple[str, int], Address] = {}
    for address in work.declared.in_order():
        desired = work.world.desired[address]
        for row in work.catalogue[address.type].links:
            value = desired.fields[row.name].value if row.name in desired.fields else None
            if isinstance(value, int):
                named.setdefault((str(row.target), value), address)
    return named


def _relinked(work: Work) -> frozenset[tuple[str, int, str]]:
    """Return the links that this plan sets, as (type, id, field): a delete does not leave those behind."""
    found = set()
    for change in work.changes:
        links = {row.name for row in work.catalogue[change.address.type].links}
        if change.record_id is not None:
            found |= {(change.address.type, change.record_id, each.field) for each in fields_named(change.fields, links)}
    return frozenset(found)


def _on_delete(work: Work, address: Address, binding: Binding) -> OnDelete:
    """Return what happens to a vanished record by its rule, its type's, everybody's. Only what we created is deleted."""
    rules = (work.wishes.policies.get(address.type), work.wishes.policies.get("*"))
    said = [OnDelete(binding.on_delete)] if binding.on_delete else []
    said += [rule.on_delete for rule in rules if rule is not None and rule.on_delete is not None]
    wish = said[0] if said else OnDelete.DELETE
    if wish is OnDelete.DELETE and binding.origin is not Origin.CREATED:
        return OnDelete.FORGET
    return wish


def forbidden(work: Work, address: Address, record: Observed, named: Mapping[tuple[str, int], Address]) -> Unsafe | None:
    """Return why *record* must not be deleted whatever becomes of the others, or None."""
    binding = work.bindings[address]
    forget = f"Keep it in Copper with: crmsync state forget {address}"
    if binding.is_protected:
        return "It is protected.", f"Declare it again without `protect`, apply, then remove it. {forget}"
    if _on_delete(work, address, binding) is OnDelete.NEVER:
        return "Its policy says on_delete: never.", forget
    if (address.type, record.id) in named:
        cure = f"Declare it again, or link another record there. {forget}"
        return f"{named[address.type, record.id]} names it.", cure
    if not binding.applied:
        cure = f"Declare it again, apply, then remove it. {forget}"
        return "It is not known what crmsync last wrote there: the state came under another key, or to another place.", cure
    moved = moved_fields(binding.applied, record, work.catalogue[record.type], work.digester, work.world.state.deleted)
    if moved:
        return f"Changed in Copper since the last apply: {', '.join(moved)}.", f"Delete it in Copper yourself. {forget}"
    return None


def _bereaving(
    work: Work,
    address: Address,
    record: Observed,
    leaving: frozenset[tuple[str, int]],
    links: _Links,
) -> Unsafe | None:
    """Return why *record* must not be deleted for the sake of those that name it, or None."""
    left = _left_behind(work, address, record, leaving, links)
    unsettled = [f"{each} (unsettled)" for each in _unsettled_links(work, record)]
    named = ", ".join([*(_named(work, *pair) for pair in left), *unsettled])
    if not named:
        return None
    allow = "Link or remove those first, or let them be without it: --allow-orphans."
    return f"It would leave {named} without it.", f"{allow}\nKeep it in Copper with: crmsync state forget {address}"


def _unsettled_links(work: Work, record: Observed) -> list[Address]:
    """
    Return the addresses whose requests to Copper named *record*, and may have been executed.

    Which record such a create made is not known, and so not whom that names now.
    """
    naming = set()
    for intent in work.world.state.open_intents.values():
        links = [row for row in work.catalogue[intent.address.type].links if row.target == record.type]
        if intent.address in work.unsettled and any(
            intent.fields.get(row.id) == work.digester.value(row, record.id) for row in links
        ):
            naming.add(intent.address)
    return sorted(naming)


def _left_behind(
    work: Work,
    address: Address,
    record: Observed,
    leaving: frozenset[tuple[str, int]],
    links: _Links,
) -> Pairs:
    """Return the records that would be without their company or contact once *record* is deleted."""
    related = work.world.related.get((address.type, record.id), ())
    naming = guard.dependants(record, related, work.world.observed, work.catalogue, links.relinked)
    others = links.named_by.get((record.type, record.id), ())
    return tuple(pair for pair in sorted({*naming, *others}) if pair not in leaving)


def _named(work: Work, type_name: str, id: int) -> str:
    address = next((each for each, known in work.ids.items() if known == id and each.type == type_name), None)
    record = work.world.observed.get((type_name, id))
    name = f' "{record.name}"' if record is not None else ""
    return f"{address}{name}" if address is not None else f"{work.catalogue[type_name].singular}{name} #{id}"
