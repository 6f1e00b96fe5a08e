"""
What was reviewed: a saved plan against the world as it is now, or no review at all.

A saved plan is not replayed. The plan is made again, now, and only what is in both is done: a change that is no longer
the one that was reviewed, because files, state or Copper moved since, is set aside.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, Field
from crmsync.model.changes import TO_EXISTING, with_action
from crmsync.model.digest import document_digest
from crmsync.model.effects import Outcome
from crmsync.model.packed import fields_caused, names_of
from crmsync.model.plan import Action, Cause, Held, Plan
from crmsync.model.settings import Limits, Pace
from crmsync.model.values import Members
from crmsync.plan import guard
from crmsync.plan.build import held_order
from crmsync.plan.narrowing import narrow, without_notes
from crmsync.plan.world import Wishes
from crmsync.project.approving import Approved
from crmsync.project.files import schema
from crmsync.project.planfile import read_plan, seal_of
from crmsync.project.planned import LabelInUse, Planned, digest_of_labels
from crmsync.project.trouble import RefusedTrouble, UsageTrouble
from crmsync.render.document import FORMAT_VERSION, change_digest, dump_line, plan_document
from crmsync.render.shown import moment

Document = Mapping[str, Any]
#: A field of a record.
About = tuple[Address, str]

#: What is said of a conflict that nobody reviewed, and how to decide it.
BOTH = "Changed in Copper and in the file."
REVIEW = "Choose in decisions.yaml, or review a plan: crmsync plan --out plan.json, then crmsync apply plan.json"


def wishes_reviewed(reviewed: Document, wishes: Wishes) -> Wishes:
    """Return *wishes* with what the saved plan was made for. Raises UsageTrouble when the command line says otherwise."""
    if wishes.only or wishes.excepted or wishes.is_destroy or wishes.recreate or wishes.may_orphan:
        text = "A saved plan says itself what it selects, destroys, recreates and orphans. Leave those options out."
        raise UsageTrouble(text)
    asked = reviewed["crmsync"]["wishes"]
    recreate = (Address.parse(text) for text in asked["recreate"])
    return replace(
        wishes,
        only=tuple(asked["only"]),
        excepted=tuple(asked["except"]),
        is_destroy=asked["destroy"],
        recreate=frozenset(address for address in recreate if address is not None),
        may_orphan=asked.get("allow_orphans", False),
    )


def load_reviewed(path: Path) -> Document:
    """Return the saved plan in *path*. Raises UsageTrouble, RefusedTrouble."""
    text = read_plan(path)
    try:
        document = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise RefusedTrouble(
            f"{path} is not a plan of crmsync, or was cut. Save one with: crmsync plan --out FILE"
        ) from error
    if not isinstance(document, dict) or "crmsync" not in document or "resource_changes" not in document:
        raise RefusedTrouble(f"{path} is not a plan of crmsync. Save one with: crmsync plan --out FILE")
    _refuse_malformed(path, document)
    return document


def _refuse_malformed(path: Path, document: Document) -> None:
    from jsonschema import Draft202012Validator  # for its cost: only saved plans are checked with it

    version = str(document.get("format_version", ""))
    if version.partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        raise RefusedTrouble(f"{path} has a format that this version of crmsync does not read. Make a new plan.")
    is_whole = Draft202012Validator(schema("plan")).is_valid(document)
    if not is_whole or document["crmsync"].get("seal") != seal_of(document):
        raise RefusedTrouble(f"{path} was changed since it was saved, and is no plan any more. Make a new plan.")


def review_id(reviewed: Document) -> str:
    """
    Return the name under which the state remembers that this plan was started.

    Not the plan's digest alone: the same changes may be planned again, after the first plan was interrupted.
    """
    ours = reviewed["crmsync"]
    return document_digest({"plan": ours["digest"], "position": ours["state_position"], "created_at": ours["created_at"]})


def addresses_of(reviewed: Document) -> frozenset[Address]:
    """Return the records that a reviewed plan changes."""
    found = (Address.parse(change["address"]) for change in reviewed["resource_changes"])
    return frozenset(address for address in found if address is not None)


class Agreed(Struct, frozen=True):
    """The part of a plan that may run; what is set aside; addresses that changed but were never reviewed."""

    plan: Plan
    set_aside: tuple[Outcome, ...] = ()
    not_reviewed: tuple[Address, ...] = ()


def agree(
    planned: Planned,
    reviewed: Document | None,
    is_auto_approved: bool,
    pace: Pace,
    limits: Limits,
    approved: Approved | None = None,
) -> Agreed:
    """Return what may run of *planned*: what was reviewed or approved; unasked, all but conflicts. Raises RefusedTrouble."""
    if reviewed is not None:
        _refuse_stale(planned, reviewed)
        return _only_reviewed(planned, reviewed, pace, limits)
    if approved is not None:
        return _only_approved(planned, approved, pace, limits)
    if is_auto_approved:
        return _without_conflicts(planned, pace, limits)
    return Agreed(planned.plan)


# --- plans that must not run at all -------------------------------------------------------------


def _refuse_stale(planned: Planned, reviewed: Document) -> None:
    ours, meta = reviewed["crmsync"], planned.meta
    if ours["account"]["id"] != meta.account_id:
        raise RefusedTrouble("The plan was made for another account. Make a new plan.")
    if ours["lineage"] != meta.lineage:
        raise RefusedTrouble("The plan was made for another project or state. Make a new plan.")
    if review_id(reviewed) in planned.state.started_plans:
        raise RefusedTrouble("This plan was started before. A plan runs once: make a new one.")
    if ours["expires_at"] is not None and ours["expires_at"] <= str(moment(meta.created_at)):
        raise RefusedTrouble(f"The plan expired at {ours['expires_at']}. Make a new plan.")
    if ours["state_was_empty"] and not planned.state.is_empty:
        raise RefusedTrouble("The plan was made on an empty state, and the state is not empty. Make a new plan.")
    if digest_of_labels(_labels_now(planned, reviewed)) != ours["labels_digest"]:
        raise RefusedTrouble(
            "A pipeline, stage, option or user that the plan relies on was renamed, replaced or removed in Copper since. "
            "Make a new plan."
        )


def _labels_now(planned: Planned, reviewed: Document) -> Iterator[LabelInUse]:
    """Yield the labels of the reviewed changes with the ids that they have now; one that is gone has the id 0."""
    catalogue = planned.account.catalogue
    fresh = {(str(change.address), each.field): each.after for change in planned.plan.changes for each in change.fields}
    for old in reviewed["resource_changes"]:
        entity = catalogue.by_name.get(old["type"])
        for each in old["crmsync"]["fields"]:
            row = None if entity is None else entity.by_name.get(each["field"])
            if row is None:
                yield "field", 0, each["field"]
            elif row.kind.is_label and row.target is not None:
                texts = each["after"] if isinstance(each["after"], list) else [each["after"]]
                now = fresh.get((old["address"], each["field"]))
                yield from (
                    (row.target, _id_of(planned, row, text, now, old), text) for text in texts if isinstance(text, str)
                )


def _id_of(planned: Planned, row: Field, text: str, now: object, old: Document) -> int:
    """Return the id of the label *text*: as planned just now, else the only one of that name beside its sibling's value."""
    catalogue, target = planned.account.catalogue, str(row.target)
    planned_ids = [member.key for member in now] if isinstance(now, Members) else [now]
    entries = {entry.id: entry for entry in catalogue.labels.get(target, ()) if entry.name == text}
    for id in planned_ids:
        if isinstance(id, int) and (id in entries or catalogue.label(target, id) == text):
            return id
    if row.within is not None and len(entries) > 1:
        observed = planned.observed.get((old["type"], old["crmsync"]["record_id"]))
        parent = observed.fields.get(row.within) if observed is not None else None
        entries = {id: entry for id, entry in entries.items() if entry.within == parent}
    return min(entries, default=0)


# --- what stands in both plans ------------------------------------------------------------------


def _only_reviewed(planned: Planned, reviewed: Document, pace: Pace, limits: Limits) -> Agreed:
    """Keep the changes, field by field, that stand in the reviewed plan just as they stand in this one."""
    document = plan_document(planned.plan, planned.account.catalogue, planned.meta)
    fresh = {change["address"]: change for change in document["resource_changes"]}
    keep: dict[Address, frozenset[str]] = {}
    set_aside: list[Outcome] = []
    for old in reviewed["resource_changes"]:
        address = Address.parse(old["address"])
        assert address is not None
        same = _same_fields(old, fresh.get(old["address"]))
        if same is None:
            set_aside.append(_aside(address, old, ()))
            continue
        keep[address] = frozenset(same)
        moved = tuple(sorted({each["field"] for each in old["crmsync"]["fields"]} - set(same)))
        if moved:
            set_aside.append(_aside(address, old, moved))
    seen = {old["address"] for old in reviewed["resource_changes"]}
    unseen = tuple(change.address for change in planned.plan.changes if str(change.address) not in seen)
    return Agreed(_narrowed(planned, keep, pace, limits), tuple(set_aside), unseen)


def _same_fields(old: Document, now: Document | None) -> list[str] | None:
    """Return the fields that are the same in both; None when the change as a whole is another one (or is no more)."""
    if now is None:
        return None
    ours, theirs = old["crmsync"], now["crmsync"]
    if any(ours.get(key) != theirs.get(key) for key in ("action", "record_id", "orphans")):
        return None
    by_name = {each["field"]: each for each in theirs["fields"]}
    fields = [each for each in ours["fields"] if each["field"] in by_name]
    same = [each["field"] for each in fields if _is_same_field(each, by_name[each["field"]])]
    if ours["action"] == "create" and (len(same) != len(ours["fields"]) or len(same) != len(theirs["fields"])):
        return None
    if ours["action"] == "update" and not same:
        return None
    return same


def _is_same_field(saved: Document, fresh: Document) -> bool:
    """
    Say whether a field changes as it was reviewed.

    Of a set of which only some members are ours that is what happens to those: what others added or removed since is theirs.
    """
    ours, theirs = saved["members"], fresh["members"]
    if ours is None or theirs is None:
        return all(_alike(saved[key], fresh[key]) for key in ("before", "after", "members"))
    is_same = all(_alike(ours[key], theirs[key]) for key in ("added", "removed", "changed"))
    return is_same and (not ours["changed"] or _alike(saved["before"], fresh["before"]))


def _alike(saved: Any, fresh: Any) -> bool:
    """Say whether two shown values are the same as JSON: a number read back is a Decimal, a fresh one may be a float."""
    return dump_line(saved) == dump_line(fresh)


def _aside(address: Address, old: Document, fields: tuple[str, ...]) -> Outcome:
    ours = old["crmsync"]
    detail = "It is not as it was when the plan was made: files, state or Copper moved since. Make a new plan."
    return Outcome(address, ours["action"], "conflict", detail, ours.get("display_name") or "", ours["record_id"], fields)


def _without_conflicts(planned: Planned, pace: Pace, limits: Limits) -> Agreed:
    """
    Set aside, field by field, what was changed on both sides: without a review nobody has agreed to lose an edit.

    Neither Copper's, which would be written over, nor the file's, of which the state would remember that it was left.
    """
    plan = planned.plan
    found = _conflicts(plan, planned.account.catalogue)
    if not found:
        return Agreed(plan)
    keep: dict[Address, frozenset[str]] = {}
    for change in plan.changes:
        left = frozenset(name for name in names_of(change.fields) if (change.address, name) not in found)
        if left or change.action is not Action.UPDATE:
            keep[change.address] = left
    return _holding(planned, keep, found, pace, limits)


def _holding(
    planned: Planned, keep: Mapping[Address, frozenset[str]], found: Mapping[About, Held], pace: Pace, limits: Limits
) -> Agreed:
    """Return the plan with only what is in *keep*, and *found* held."""
    plan = planned.plan
    held = sorted([*plan.held, *found.values()], key=held_order)
    kept = tuple(each for each in plan.kept if (each.address, each.change.field) not in found)
    left_plan = without_notes(_narrowed(planned, keep, pace, limits), found, planned.account.catalogue)
    counts = replace(left_plan.counts, held=len(held), kept=len(kept))
    agreed = replace(left_plan, kept=kept, held=tuple(held), counts=counts)
    return Agreed(agreed, tuple(_set_aside(plan, address, found) for address in sorted({each for each, _ in found})))


def _only_approved(planned: Planned, approved: Approved, pace: Pace, limits: Limits) -> Agreed:
    """Keep the whole plan when its digest was approved, else those changes that are the same as in the approved one."""
    plan = planned.plan
    document = plan_document(plan, planned.account.catalogue, planned.meta)
    digest = document["crmsync"]["digest"]
    if digest == approved.digest:
        return Agreed(plan)
    if approved.changes is None and plan.changes:
        raise RefusedTrouble(
            "The plan is not the one that was approved, and what that one would have done is not known on this machine "
            "(plan --for-approval keeps it where all find it). "
            f"Review the plan as it is now; its digest is {digest}"
        )
    same = [change for change in plan.changes if approved.holds(str(change.address), change_digest(change))]
    keep = {change.address: frozenset(names_of(change.fields)) for change in same}
    found = {
        about: held
        for about, held in _conflicts(plan, planned.account.catalogue).items()
        if about[1] not in keep.get(about[0], ())
    }
    agreed = _holding(planned, keep, found, pace, limits)
    return replace(agreed, not_reviewed=tuple(each.address for each in plan.changes if each.address not in keep))


def _conflicts(plan: Plan, catalogue: Catalogue) -> dict[About, Held]:
    """Return what was changed on both sides and would be written or kept, by address and field."""
    found: dict[About, Held] = {}
    for change in with_action(plan.changes, *TO_EXISTING):
        for each in fields_caused(change.fields, (Cause.CONFLICT,)):
            record = change.record_id, change.name
            held = Held(change.address, BOTH, REVIEW, each, each.position, *record, is_question=True)
            found[change.address, each.field] = held
    for kept in plan.kept:
        each = kept.change
        if each.cause is Cause.CONFLICT and not kept.is_observed:
            held = Held(kept.address, BOTH, REVIEW, each, each.position, kept.record_id, kept.name, is_question=True)
            found.setdefault((kept.address, each.field), held)
    decided = {each.about for each in plan.decided}
    found = {about: held for about, held in found.items() if about not in decided}
    return found | _takers(plan, found, catalogue)


def _takers(plan: Plan, found: Mapping[About, Held], catalogue: Catalogue) -> dict[About, Held]:
    """Return the changes that would take along what is in *found*: another pipeline sets another stage."""
    if not found:
        return {}
    takers = {(address, catalogue[address.type].by_name[name].within): held for (address, name), held in found.items()}
    changes = ((change.address, each) for change in plan.changes for each in change.fields)
    return {
        (address, each.field): replace(takers[address, each.field], field=each, position=each.position, is_question=False)
        for address, each in changes
        if (address, each.field) in takers and (address, each.field) not in found
    }


def _set_aside(plan: Plan, address: Address, found: Mapping[About, Held]) -> Outcome:
    actions = (change.action for change in plan.changes if change.address == address)
    fields = tuple(name for each, name in found if each == address)
    held = found[address, fields[0]]
    action = next(actions, Action.UPDATE).value
    return Outcome(address, action, "conflict", BOTH, held.name, held.record_id, fields)


def _narrowed(planned: Planned, keep: Mapping[Address, frozenset[str]], pace: Pace, limits: Limits) -> Plan:
    """Return the plan with only what is in *keep*, under the limits that this much of it exceeds."""
    plan = narrow(planned.plan, keep, planned.account.catalogue, pace)
    totals: dict[str, int] = {}
    for address in {*planned.state.bindings, *(each.address for each in plan.changes if each.action is Action.ADOPT)}:
        totals[address.type] = totals.get(address.type, 0) + 1
    missing = (each for each in planned.plan.breaches if each.kind == "missing")
    return replace(plan, breaches=(*missing, *guard.breaches(plan.changes, totals, limits)))
