"""
Building a plan: the desired, the observed and the remembered come in, all that shall happen comes out.

The way: renames; who each record is; what each field needs; what vanished; the order; the brakes; the price.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, EntityType, Field
from crmsync.model.changes import TO_EXISTING, with_action
from crmsync.model.codes import CODES
from crmsync.model.digest import Digester
from crmsync.model.events import Applied, Origin, WriteAction
from crmsync.model.packed import PackedApplied, PackedFields
from crmsync.model.plan import Action, Cause, Change, Counts, FieldChange, Held, Kept, Note, Plan
from crmsync.model.records import Desired, DesiredField, Mode, Observed
from crmsync.model.source import Diagnostic, in_file_order
from crmsync.model.state import Binding, own_copy, record_id
from crmsync.model.values import Value, is_empty
from crmsync.plan import guard
from crmsync.plan.binding import hold_impossible, hold_observed, identify_all, rename, waits, with_ids
from crmsync.plan.cost import price
from crmsync.plan.deciding import is_handed_over, obey, tell_unasked
from crmsync.plan.diff import NOTHING, Judgement, creations, judge
from crmsync.plan.identity import display_name
from crmsync.plan.order import order
from crmsync.plan.parts import along_with, reason_of
from crmsync.plan.removal import plan_vanished
from crmsync.plan.taking import hold_taken
from crmsync.plan.world import Wishes, Work, World


def build(world: World, catalogue: Catalogue, wishes: Wishes) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """Return the plan, and what is wrong with the files in view of Copper; with errors the plan must not be applied."""
    digester = Digester(world.state.head.digest_key)
    work = Work(world, catalogue, wishes, digester, own_copy(world.state.bindings))
    work.unsettled = _unsettled(world)
    rename(work)
    adopted = identify_all(work) if not wishes.is_destroy else {}
    if not wishes.is_destroy:
        hold_observed(work)
        hold_impossible(work)
        for address in work.declared.in_order():
            _plan_record(work, address, adopted)
    _plan_removals(work)
    tell_unasked(work)
    return _finish(work), in_file_order(work.problems)


def _plan_removals(work: Work) -> None:
    """Plan what vanished, again as long as something is held that relied on a delete, or on which a delete relied."""
    while True:
        held, changed = len(work.held), work.changes.filled
        plan_vanished(work)
        after = len(work.held)
        if not hold_taken(work):
            return
        del work.held[held:after]
        work.changes.cut(changed)


def _unsettled(world: World) -> set[Address]:
    """
    Return the addresses about which nobody knows yet whether a request was executed: nothing is planned for them.

    Whoever says which record it is (`id`) has settled a create. `new` is no answer: it stood in the file before.
    """
    unsettled = set()
    for intent in world.state.open_intents.values():
        is_said = intent.address in world.desired and world.options(intent.address).id is not None
        if not (is_said and intent.action is WriteAction.CREATE):
            unsettled.add(intent.address)
    return unsettled


def _plan_record(work: Work, address: Address, adopted: Mapping[Address, int]) -> None:
    if not work.wishes.selects(address) or address in work.unsettled:
        return
    entity = work.catalogue[address.type]
    desired = with_ids(work, work.world.desired[address])
    if address in work.creating:
        _plan_create(work, desired, entity)
    elif address in work.ids:
        record = work.record(address, work.ids[address])
        if record is not None:
            _plan_existing(work, desired, entity, record, address in adopted)


def _plan_create(work: Work, desired: Desired, entity: EntityType) -> None:
    missing = [row.name for row in entity.fields if row.required and is_empty(_created_value(desired, row.name))]
    if any(_is_cleared(desired, name) for name in missing):
        return  # `resolve` has said so, at the line that clears it
    if missing:
        detail = f"{desired.address} does not exist in Copper yet, and a new {entity.singular} needs {', '.join(missing)}."
        work.problems.append(Diagnostic(CODES["CRM041"], detail, desired.position, desired.address))
        return
    reason = "recreated" if desired.address in work.bindings else "new"
    work.changes.append(
        Change(
            address=desired.address,
            action=Action.CREATE,
            record_id=None,
            name=display_name(desired),
            fields=creations(entity, desired.fields, work.shapes),
            position=desired.position,
            reason=reason,
            origin=Origin.CREATED,
            may_be_twin=desired.options.is_new,
        )
    )
    _note_rules(work, desired, work.bindings.get(desired.address))


def _created_value(desired: Desired, name: str) -> Value:
    each = desired.fields.get(name)
    return each.value if each is not None and each.policy.mode is not Mode.OBSERVE else None


def _is_cleared(desired: Desired, name: str) -> bool:
    each = desired.fields.get(name)
    return each is not None and is_empty(each.value) and each.policy.mode is not Mode.OBSERVE


def _plan_existing(work: Work, desired: Desired, entity: EntityType, record: Observed, is_adopted: bool) -> None:
    address = desired.address
    known = {} if is_adopted else work.bindings[address].applied
    changed: list[FieldChange] = []
    settled: list[FieldChange] = []
    learnt: dict[str, Applied] = {}
    takers: set[str | None] = set()
    for name, each in desired.fields.items():
        row = entity.by_name.get(name)
        if row is None:
            continue
        if row.required and _is_cleared(desired, name):
            continue
        if is_handed_over(work, desired, name, known.get(row.id)):
            continue
        applied = _as_recreated(work, row, each, known.get(row.id))
        judgement = judge(row, each, record.fields.get(name), applied, work.digester)
        if judgement is NOTHING and row.reset_by is None and not work.world.decisions:
            continue  # nearly always
        judgement = obey(work, desired, record, row, applied, judgement)
        _file(work, desired, record, judgement)
        if judgement.held is not None or judgement.kept is not None:
            takers.add(row.within)
        if judgement.applied is not None:
            learnt[row.id] = judgement.applied
        if judgement.change is not None:
            changed.extend(_possible(work, desired, judgement.change))
        elif row.reset_by is not None and each.policy.mode is Mode.ENFORCE and judgement.is_in_sync:
            observed = record.fields.get(name)
            settled.append(FieldChange(name, observed, each.value, Cause.EDITED, each.position, is_sent_along=True))
    for change in [each for each in changed if each.field in takers]:
        changed.remove(change)
        work.held.append(_taking_along(desired, record, change))
    managed = {entity.by_name[name].id for name in desired.fields if name in entity.by_name}
    released = tuple(sorted(set(known) - managed))
    if learnt or released:
        work.notes.append(Note(address, applied=PackedApplied(learnt, work.world.pile), released=released))
    if is_adopted or changed:
        action, origin = (Action.ADOPT, Origin.ADOPTED) if is_adopted else (Action.UPDATE, None)
        work.changes.append(
            Change(
                address=address,
                action=action,
                record_id=record.id,
                name=record.name,
                fields=PackedFields(changed),
                position=desired.position,
                reason=reason_of(changed, action),
                origin=origin,
                along=along_with(entity, changed, settled),
            )
        )
    _note_rules(work, desired, None if is_adopted else work.bindings[address])


def _taking_along(desired: Desired, record: Observed, change: FieldChange) -> Held:
    """Return the hold of a change that would take a value along which stays: another pipeline sets another stage."""
    reason = "It would take along what was changed in Copper and is left so."
    cure = "Change the file to Copper's value, or change both in Copper."
    return Held(desired.address, reason, cure, change, change.position, record.id, record.name)


def _as_recreated(work: Work, row: Field, desired: DesiredField, applied: Applied | None) -> Applied | None:
    """Return *applied* so that a link to a record that is created again counts as asked for all along."""
    id = work.bound_id(desired.value) if isinstance(desired.value, Address) else None
    if applied is None or id is None or applied.asked != work.digester.value(row, id):
        return applied
    return replace(applied, asked=work.digester.value(row, desired.value))


def _possible(work: Work, desired: Desired, change: FieldChange) -> Iterable[FieldChange]:
    """Return *change* unless it names a record that will not exist; then it is held."""
    if isinstance(change.after, Address) and change.after not in work.creating:
        work.held.append(waits(work, desired.address, change.after, change))
        return ()
    return (change,)


def _file(work: Work, desired: Desired, record: Observed, judgement: Judgement) -> None:
    """Put what is not written into its block of the plan."""
    address = desired.address
    if judgement.kept is not None:
        work.kept.append(Kept(address, record.id, record.name, judgement.kept))
    if judgement.observed_only is not None:
        work.kept.append(Kept(address, record.id, record.name, judgement.observed_only, is_observed=True))
    if judgement.held is not None:
        change = judgement.held
        work.held.append(
            Held(
                address,
                _HELD_REASONS.get(change.cause, "It differs."),
                "Change the file to Copper's value, change it in Copper, or choose in decisions.yaml after an apply.",
                change,
                change.position,
                record.id,
                record.name,
                is_question=True,
            )
        )


_HELD_REASONS = {
    Cause.DRIFTED: "It was changed in Copper, and the policy says hold.",
    Cause.CONFLICT: "It was changed in Copper and in the file, and the policy says hold.",
    Cause.ADOPTED: "It differs from the record to adopt, and the policy says hold.",
}


def _note_rules(work: Work, desired: Desired, binding: Binding | None) -> None:
    """Remember what must count when the file is gone: protect and on_delete."""
    rule = desired.options.policy.on_delete
    wanted = (desired.options.is_protected, rule.value if rule is not None else None)
    known = (binding.is_protected, binding.on_delete) if binding is not None else (False, None)
    rules = []
    if wanted[0] != known[0]:
        rules.append("protect" if wanted[0] else "no longer protect")
    if wanted[1] != known[1]:
        rules.append(f"on_delete: {wanted[1]}" if wanted[1] is not None else f"no longer on_delete: {known[1]}")
    if rules:
        work.notes.append(Note(desired.address, is_protected=wanted[0], on_delete=wanted[1], rules=tuple(rules)))


def _finish(work: Work) -> Plan:
    changes = work.changes.in_order()
    steps = order(changes, work.catalogue, work.world.observed)
    bound = _counted(work, work.bindings)
    totals = _counted(work, {*work.bindings, *(change.address for change in changes.with_action(Action.ADOPT))})
    return Plan(
        changes=changes,
        steps=steps,
        kept=tuple(sorted(work.kept, key=lambda kept: (kept.address, kept.change.field))),
        held=tuple(sorted(work.held, key=held_order)),
        gone=tuple(sorted(pair for pair in work.gone if work.wishes.selects(pair[0]))),
        unsettled=tuple(sorted(work.unsettled)),
        notes=tuple(work.notes),
        breaches=(*guard.missing(bound, _absent(work)), *guard.breaches(changes, totals, work.wishes.limits)),
        counts=counts_of(changes, len(work.kept), len(work.held)),
        price=price(steps, work.catalogue, work.wishes.pace),
        is_partial=bool(work.wishes.only or work.wishes.excepted),
        decided=tuple(sorted(work.decided, key=lambda each: each.about)),
        stale=tuple(work.stale),
    )


def _counted(work: Work, addresses: Iterable[Address]) -> dict[str, int]:
    """Return how many of *addresses*, and of the bound records outside this part of the world, are of each type."""
    totals = dict(work.world.rest.bound)
    for address in addresses:
        totals[address.type] = totals.get(address.type, 0) + 1
    return totals


def _absent(work: Work) -> set[Address]:
    """Return the bound records that Copper does not have, but for those that are to be created again."""
    settled = set(work.bindings) - work.unsettled - work.wishes.recreate
    return {address for address in settled if not work.has_record(address, record_id(work.bindings, address))}


def held_order(held: Held) -> tuple[Address, str]:
    """Return where *held* stands among its like."""
    return held.address, held.field.field if held.field else ""


def counts_of(changes: Collection[Change], kept: int, held: int) -> Counts:
    """Return how many records and values *changes* come to."""

    records: Counter[Action] = Counter()
    written = filled = 0
    for change in with_action(changes, *TO_EXISTING):
        records[change.action] += 1
        written += len(change.fields)
        filled += sum(is_empty(each.before) for each in change.fields)
    return Counts(
        add=len(changes) - records.total(),
        change=records[Action.UPDATE],
        destroy=records[Action.DELETE],
        adopt=records[Action.ADOPT],
        forget=records[Action.FORGET],
        filled=filled,
        overwritten=written - filled,
        kept=kept,
        held=held,
    )
