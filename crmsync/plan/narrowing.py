"""A plan narrowed to the part of it that somebody agreed to."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue
from crmsync.model.changes import Changes, Steps, as_changes
from crmsync.model.events import WriteAction
from crmsync.model.packed import fields_named
from crmsync.model.plan import Action, Note, Plan, Step, StepId
from crmsync.model.settings import Pace
from crmsync.plan.build import counts_of
from crmsync.plan.cost import price
from crmsync.plan.order import pruned
from crmsync.plan.parts import along_with, with_fields

#: Which fields of which records may change.
Keep = Mapping[Address, frozenset[str]]
#: A record: its type and id.
Record = tuple[str, int | None]


def narrow(plan: Plan, keep: Keep, catalogue: Catalogue, pace: Pace) -> Plan:
    """
    Return *plan* with only the changes of the addresses in *keep*, and of those only the fields named there.

    What depends on a change that is dropped stays in the plan: the engine skips it and names the cause; so does the delete
    of a record that a link was to lead away from. What would be noted about a record that is not bound after all is dropped
    as well.
    """
    kept = ((change, keep[change.address]) for change in plan.changes if change.address in keep)
    narrowed = (with_fields(change, names, catalogue) for change, names in kept)
    changes = Changes(as_changes(plan.changes).pile, filter(None, narrowed))
    left = _left_links(plan, keep, catalogue)
    steps = Steps(changes)
    steps.extend(pruned(filter(None, (_narrow_step(step, keep, catalogue, left) for step in plan.steps))))
    binding = (Action.CREATE, Action.ADOPT)
    unbound = {change.address for change in plan.changes if change.action in binding and change.address not in keep}
    notes = tuple(note for note in plan.notes if note.address not in unbound)
    counts = counts_of(changes, len(plan.kept), len(plan.held))
    return replace(plan, changes=changes, steps=steps, notes=notes, counts=counts, price=price(steps, catalogue, pace))


def without_notes(plan: Plan, fields: Collection[tuple[Address, str]], catalogue: Catalogue) -> Plan:
    """Return *plan* without what the state would learn of *fields*: a conflict that nobody looked at stays one."""
    ids = {(address, catalogue[address.type].by_name[name].id) for address, name in fields}
    notes = []
    for note in plan.notes:
        applied = {id: known for id, known in note.applied.items() if (note.address, id) not in ids}
        left = replace(note, applied=applied)
        if left != Note(note.address):
            notes.append(left)
    return replace(plan, notes=tuple(notes))


def _left_links(plan: Plan, keep: Keep, catalogue: Catalogue) -> Mapping[Record, tuple[StepId, ...]]:
    """Return what would lead links away from records that are to be deleted and is dropped, as steps that never come."""
    found: dict[Record, tuple[StepId, ...]] = {}
    deleted = {(change.address.type, change.record_id) for change in plan.changes if change.action is Action.DELETE}
    for step in plan.steps if deleted else ():
        links = {row.name: str(row.target) for row in catalogue[step.address.type].links}
        for change in fields_named(step.fields, links.keys() - keep.get(step.address, frozenset())):
            record = links[change.field], change.before
            if record in deleted:
                found[record] = (*found.get(record, ()), StepId(step.address, -step.id.number))
    return found


def _narrow_step(step: Step, keep: Keep, catalogue: Catalogue, left: Mapping[Record, tuple[StepId, ...]]) -> Step | None:
    if step.address not in keep:
        return None
    if step.action is WriteAction.DELETE:
        return replace(step, after=(*step.after, *left.get((step.address.type, step.record_id), ())))
    fields = [each for each in step.fields if each.field in keep[step.address]]
    along = along_with(catalogue[step.address.type], fields, (each for each in step.fields if each.is_sent_along))
    return replace(step, fields=(*fields, *along))
