"""
Building a plan: the desired, the observed and the remembered come in, all that shall happen comes out.

The way: renames; who each record is; what each field needs; what vanished; the order; the brakes; the price.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, EntityType, Field
from crmsync.model.codes import CODES
from crmsync.model.digest import Digester
from crmsync.model.events import Applied, Origin, WriteAction
from crmsync.model.plan import Action, Cause, Change, Counts, FieldChange, Held, Kept, Note, Plan, Step
from crmsync.model.records import Desired, DesiredField, Observed
from crmsync.model.settings import Pace
from crmsync.model.source import Diagnostic, in_file_order
from crmsync.model.state import Binding
from crmsync.model.values import Value, is_empty
from crmsync.plan import guard
from crmsync.plan.binding import hold_impossible, identify_all, rename, waits, with_ids
from crmsync.plan.cost import price
from crmsync.plan.diff import Judgement, creation, judge
from crmsync.plan.identity import display_name
from crmsync.plan.order import order, pruned
from crmsync.plan.removal import plan_vanished
from crmsync.plan.world import Wishes, Work, World


def build(world: World, catalogue: Catalogue, wishes: Wishes) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """Return the plan, and what is wrong with the files in view of Copper; with errors the plan must not be applied."""
    digester = Digester(world.state.head.digest_key)
    work = Work(world, catalogue, wishes, digester, dict(world.state.bindings))
    work.unsettled = _unsettled(world)
    rename(work)
    adopted = identify_all(work) if not wishes.is_destroy else {}
    if not wishes.is_destroy:
        hold_impossible(work)
        for address in sorted(world.desired):
            _plan_record(work, address, adopted)
    plan_vanished(work)
    return _finish(work), in_file_order(work.problems)


def _unsettled(world: World) -> set[Address]:
    """
    Return the addresses about which nobody knows yet whether a request was executed: nothing is planned for them.

    Whoever says which record it is (`id`), or that it is none (`new`), has settled a create.
    """
    unsettled = set()
    for intent in world.state.open_intents.values():
        desired = world.desired.get(intent.address)
        is_said = desired is not None and (desired.options.id is not None or desired.options.is_new)
        if not (is_said and intent.action is WriteAction.CREATE):
            unsettled.add(intent.address)
    moved = {each.destination for each in world.moved if each.origin in unsettled and each.origin not in world.desired}
    return unsettled | moved


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
    missing = [row.name for row in entity.fields if row.required and is_empty(_desired_value(desired, row.name))]
    if missing:
        detail = f"{desired.address} does not exist in Copper yet, and a new {entity.singular} needs {', '.join(missing)}."
        work.problems.append(Diagnostic(CODES["CRM041"], detail, desired.position, desired.address))
        return
    fields = [creation(entity.by_name[name], each) for name, each in desired.fields.items() if name in entity.by_name]
    changed = tuple(each for each in fields if each is not None)
    reason = "recreated" if desired.address in work.bindings else "new"
    work.changes.append(
        Change(
            address=desired.address,
            action=Action.CREATE,
            record_id=None,
            name=display_name(desired),
            fields=changed,
            position=desired.position,
            reason=reason,
            origin=Origin.CREATED,
            may_be_twin=desired.options.is_new,
        )
    )
    _note_rules(work, desired, work.bindings.get(desired.address))


def _desired_value(desired: Desired, name: str) -> Value:
    each = desired.fields.get(name)
    return each.value if each is not None else None


def _plan_existing(work: Work, desired: Desired, entity: EntityType, record: Observed, is_adopted: bool) -> None:
    address = desired.address
    known = {} if is_adopted else work.bindings[address].applied
    changed: list[FieldChange] = []
    learnt: dict[str, Applied] = {}
    for name, each in desired.fields.items():
        row = entity.by_name.get(name)
        if row is None:
            continue
        applied = _as_recreated(work, row, each, known.get(row.id))
        judgement = judge(row, each, record.fields.get(name), applied, work.digester)
        _file(work, desired, record, judgement)
        if judgement.applied is not None:
            learnt[row.id] = judgement.applied
        if judgement.change is not None:
            changed.extend(_possible(work, desired, judgement.change))
    managed = {entity.by_name[name].id for name in desired.fields if name in entity.by_name}
    released = tuple(sorted(set(known) - managed))
    if learnt or released:
        work.notes.append(Note(address, applied=learnt, released=released))
    if is_adopted or changed:
        action, origin = (Action.ADOPT, Origin.ADOPTED) if is_adopted else (Action.UPDATE, None)
        work.changes.append(
            Change(
                address, action, record.id, record.name, tuple(changed), desired.position, _reason(changed, action), origin
            )
        )
    _note_rules(work, desired, None if is_adopted else work.bindings[address])


def _as_recreated(work: Work, row: Field, desired: DesiredField, applied: Applied | None) -> Applied | None:
    """Return *applied* so that a link to a record that is created again counts as asked for all along."""
    binding = work.bindings.get(desired.value) if isinstance(desired.value, Address) else None
    if applied is None or binding is None or applied.asked != work.digester.value(row, binding.record_id):
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
                "Change the file to Copper's value, change it in Copper, or set on_drift or on_adopt to overwrite or keep.",
                change,
                change.position,
                record.id,
                record.name,
            )
        )


_HELD_REASONS = {
    Cause.DRIFTED: "It was changed in Copper, and the policy says hold.",
    Cause.CONFLICT: "It was changed in Copper and in the file, and the policy says hold.",
    Cause.ADOPTED: "It differs from the record to adopt, and the policy says hold.",
}

_REASONS = {
    Cause.EDITED: "file changed",
    Cause.DRIFTED: "put back: changed in Copper",
    Cause.CONFLICT: "changed in Copper and in the file",
    Cause.ADOPTED: "newly declared",
}


def _reason(changed: Iterable[FieldChange], action: Action) -> str:
    if action is Action.ADOPT:
        return "adopted"
    causes = {each.cause for each in changed}
    return ", ".join(text for cause, text in _REASONS.items() if cause in causes)


def _note_rules(work: Work, desired: Desired, binding: Binding | None) -> None:
    """Remember what must count when the file is gone: protect and on_delete."""
    rule = desired.options.policy.on_delete
    wanted = (desired.options.is_protected, rule.value if rule is not None else None)
    if wanted != ((binding.is_protected, binding.on_delete) if binding is not None else (False, None)):
        work.notes.append(Note(desired.address, is_protected=wanted[0], on_delete=wanted[1]))


def _finish(work: Work) -> Plan:
    changes = tuple(sorted(work.changes, key=lambda change: change.address))
    steps = order(changes, work.catalogue, work.world.observed)
    totals: dict[str, int] = {}
    adopting = {change.address for change in changes if change.action is Action.ADOPT}
    for address in {*work.bindings, *adopting}:
        totals[address.type] = totals.get(address.type, 0) + 1
    return Plan(
        changes=changes,
        steps=steps,
        kept=tuple(sorted(work.kept, key=lambda kept: (kept.address, kept.change.field))),
        held=tuple(sorted(work.held, key=held_order)),
        gone=tuple(sorted(pair for pair in work.gone if work.wishes.selects(pair[0]))),
        unsettled=tuple(sorted(work.unsettled)),
        notes=tuple(work.notes),
        breaches=guard.breaches(changes, totals, work.wishes.limits),
        counts=_counts(changes, len(work.kept), len(work.held)),
        price=price(steps, work.catalogue, work.wishes.pace),
        is_partial=bool(work.wishes.only or work.wishes.excepted),
    )


def held_order(held: Held) -> tuple[Address, str]:
    """Return where *held* stands among its like."""
    return held.address, held.field.field if held.field else ""


def _counts(changes: Collection[Change], kept: int, held: int) -> Counts:
    def number(action: Action) -> int:
        return sum(change.action is action for change in changes)

    written = [each for change in changes if change.action is not Action.CREATE for each in change.fields]
    filled = sum(is_empty(each.before) for each in written)
    return Counts(
        add=number(Action.CREATE),
        change=number(Action.UPDATE),
        destroy=number(Action.DELETE),
        adopt=number(Action.ADOPT),
        forget=number(Action.FORGET),
        filled=filled,
        overwritten=len(written) - filled,
        kept=kept,
        held=held,
    )


def narrow(plan: Plan, keep: Mapping[Address, frozenset[str]], catalogue: Catalogue, pace: Pace) -> Plan:
    """
    Return *plan* with only the changes of the addresses in *keep*, and of those only the fields named there.

    What depends on a change that is dropped stays in the plan: the engine skips it and names the cause. What would be
    noted about a record that is not bound after all is dropped as well.
    """
    changes = []
    for change in plan.changes:
        if change.address in keep:
            fields = tuple(each for each in change.fields if each.field in keep[change.address])
            if fields or change.action is not Action.UPDATE:
                is_cut = change.action is Action.UPDATE and fields != change.fields
                reason = _reason(fields, change.action) if is_cut else change.reason
                changes.append(replace(change, fields=fields, reason=reason))
    steps = pruned(step for step in (_narrow_step(step, keep) for step in plan.steps) if step is not None)
    binding = (Action.CREATE, Action.ADOPT)
    unbound = {change.address for change in plan.changes if change.action in binding and change.address not in keep}
    notes = tuple(note for note in plan.notes if note.address not in unbound)
    counts = _counts(changes, len(plan.kept), len(plan.held))
    return replace(
        plan, changes=tuple(changes), steps=steps, notes=notes, counts=counts, price=price(steps, catalogue, pace)
    )


def _narrow_step(step: Step, keep: Mapping[Address, frozenset[str]]) -> Step | None:
    if step.address not in keep:
        return None
    return replace(step, fields=tuple(each for each in step.fields if each.field in keep[step.address]))
