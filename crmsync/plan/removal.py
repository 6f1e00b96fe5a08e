"""Records that vanished from the files: deleted, forgotten or held."""

from __future__ import annotations

from crmsync.model.address import Address
from crmsync.model.events import Origin
from crmsync.model.plan import Action, Change, Held
from crmsync.model.records import Observed, OnDelete
from crmsync.model.state import Binding
from crmsync.plan import guard
from crmsync.plan.diff import moved_fields
from crmsync.plan.world import Work


def plan_vanished(work: Work) -> None:
    desired = {} if work.wishes.is_destroy else work.world.desired
    vanished = [address for address in sorted(work.bindings) if address not in desired and work.wishes.selects(address)]
    vanished = [address for address in vanished if address not in work.unsettled]
    rivals = {held.rival for held in work.held}
    leaving = frozenset((address.type, work.bindings[address].record_id) for address in vanished)
    leaving |= _relinked(work)
    for address in vanished:
        if address not in rivals:
            _plan_removal(work, address, work.bindings[address], leaving)


def _relinked(work: Work) -> frozenset[tuple[str, int]]:
    """Return the records whose links this plan sets: they are not left behind by a delete."""
    found = set()
    for change in work.changes:
        links = {row.name for row in work.catalogue[change.address.type].links}
        if change.record_id is not None and any(each.field in links for each in change.fields):
            found.add((change.address.type, change.record_id))
    return frozenset(found)


def _plan_removal(work: Work, address: Address, binding: Binding, leaving: frozenset[tuple[str, int]]) -> None:
    record = work.record(address, binding.record_id)
    rule = _on_delete(work, address, binding)
    name = record.name if record is not None else address.key

    def change(action: Action, reason: str) -> Change:
        return Change(address, action, binding.record_id, name, (), None, reason)

    if record is None:
        work.changes.append(change(Action.FORGET, "already gone from Copper"))
    elif rule is OnDelete.FORGET:
        work.changes.append(change(Action.FORGET, "no longer in the files; the record stays in Copper"))
    else:
        held = _unsafe_delete(work, address, binding, record, rule, leaving)
        if held is None:
            work.changes.append(change(Action.DELETE, "no longer in the files"))
        else:
            reason, cure = held
            work.held.append(Held(address, reason, cure, None, None, record.id, name))


def _on_delete(work: Work, address: Address, binding: Binding) -> OnDelete:
    """Return what happens to a vanished record by its rule, its type's, everybody's. Only what we created is deleted."""
    rules = (work.wishes.policies.get(address.type), work.wishes.policies.get("*"))
    said = [OnDelete(binding.on_delete)] if binding.on_delete else []
    said += [rule.on_delete for rule in rules if rule is not None and rule.on_delete is not None]
    wish = said[0] if said else OnDelete.DELETE
    if wish is OnDelete.DELETE and binding.origin is not Origin.CREATED:
        return OnDelete.FORGET
    return wish


def _unsafe_delete(
    work: Work,
    address: Address,
    binding: Binding,
    record: Observed,
    rule: OnDelete,
    leaving: frozenset[tuple[str, int]],
) -> tuple[str, str] | None:
    """Return why *record* must not be deleted and what to do about it, or None."""
    forget = f"Keep it in Copper with: crmsync state forget {address}"
    if binding.is_protected:
        return "It is protected.", f"Declare it again without `protect`, apply, then remove it. {forget}"
    if rule is OnDelete.NEVER:
        return "Its policy says on_delete: never.", forget
    moved = moved_fields(binding.applied, record, work.catalogue[record.type], work.digester)
    if moved:
        return f"Changed in Copper since the last apply: {', '.join(moved)}.", f"Delete it in Copper yourself. {forget}"
    left = guard.dependants(
        record, work.world.related.get((address.type, record.id), ()), work.world.observed, work.catalogue
    )
    left = tuple(pair for pair in left if pair not in leaving)
    if left:
        named = ", ".join(_named(work, *pair) for pair in left)
        return f"It would leave {named} without it.", f"Link or remove those first. {forget}"
    return None


def _named(work: Work, type_name: str, id: int) -> str:
    address = next((each for each, known in work.ids.items() if known == id and each.type == type_name), None)
    record = work.world.observed.get((type_name, id))
    name = f' "{record.name}"' if record is not None else ""
    return f"{address}{name}" if address is not None else f"{work.catalogue[type_name].singular}{name} #{id}"
