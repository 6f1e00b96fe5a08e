"""
The difference law: what one declared field needs.

Three values meet: D, what the file says; O, what Copper shows; A, what crmsync last confirmed, remembered as
two digests: what was *asked* and what Copper *answered*. Their agreement gives a verdict, the field's policy
turns the verdict into a judgement. Because A has two digests, an account that rewrites values (asked "Acme ",
answered "ACME") stays quiet: D is as asked and O is as answered.

| D and O | D as asked | O as answered | verdict   |
|---------|------------|---------------|-----------|
| same    |            |               | in sync   |
| differ  | no A       | no A          | adopted   |
| differ  | yes        | yes           | in sync   |
| differ  | no         | yes           | edited    |
| differ  | yes        | no            | drifted   |
| differ  | no         | no            | conflict  |

A value that was kept on purpose stays kept for this D, whatever happens to O.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from crmsync.model.catalogue import EntityType, Field
from crmsync.model.digest import Digester, is_comparable
from crmsync.model.events import Applied
from crmsync.model.packed import PackedFields
from crmsync.model.plan import Cause, Delta, FieldChange
from crmsync.model.records import DesiredField, Mode, OnAdopt, OnDrift, Policy
from crmsync.model.values import Member, Members, Value, is_empty
from crmsync.model.wanted import FlatFields, NewFields, Shape
from crmsync.plan.sent import compose

#: What Copper answered of a member that a person removed, and that stays out by the user's decision.
ABSENT = ""

#: Of a set under these only our members are ours.
_OURS_ALONE = (Mode.OWN, Mode.ADD)

#: How bad a cause is; a set takes the worst of its members.
_SEVERITY = (Cause.EDITED, Cause.ADOPTED, Cause.DRIFTED, Cause.CONFLICT)


class Judgement(Struct, frozen=True):
    """
    What one field needs: a change to write, a person's value kept, a change set aside, or nothing.

    *applied* is what the state should learn without any request; None when it knows already.
    """

    change: FieldChange | None = None
    kept: FieldChange | None = None
    held: FieldChange | None = None
    observed_only: FieldChange | None = None
    applied: Applied | None = None

    @property
    def is_in_sync(self) -> bool:
        """Say whether there is nothing to write and nothing to decide."""
        return not (self.change or self.kept or self.held or self.observed_only)


#: There is nothing to say of a field.
NOTHING = Judgement()


def verdict(is_same: bool, desired: str, observed: str, applied: tuple[str, str] | None) -> Cause | None:
    """Return the verdict on a value by the table above; None means in sync. *applied* is (asked, answered)."""
    if is_same:
        return None
    if applied is None:
        return Cause.ADOPTED
    is_as_asked, is_as_answered = desired == applied[0], observed == applied[1]
    if is_as_asked:
        return None if is_as_answered else Cause.DRIFTED
    return Cause.EDITED if is_as_answered else Cause.CONFLICT


def judge(field: Field, desired: DesiredField, observed: Value, applied: Applied | None, digester: Digester) -> Judgement:
    """Return what *field* of an existing record needs."""
    if applied is not None and not is_comparable(field, applied.asked):
        applied = None
    mode = desired.policy.mode
    if mode is Mode.SEED:
        return NOTHING
    if mode in _OURS_ALONE and isinstance(desired.value, Members) and isinstance(observed, Members):
        return _judge_members(field, desired, desired.value, observed, applied, digester)
    return _judge_value(field, desired, observed, applied, digester)


def creation(field: Field, desired: DesiredField) -> FieldChange | None:
    """Return what *field* contributes to a new record; nothing when it is only observed."""
    if desired.policy.mode is Mode.OBSERVE:
        return None
    after = Members() if field.kind.is_set and desired.value is None else desired.value
    before: Value = Members() if field.kind.is_set else None
    delta = Delta(added=after) if isinstance(after, Members) and desired.policy.mode in _OURS_ALONE else None
    return FieldChange(field.name, before, after, Cause.CREATED, desired.position, delta)


def creations(
    entity: EntityType, fields: Mapping[str, DesiredField], shapes: dict[tuple[str, int], Shape] | None = None
) -> PackedFields:
    """
    Return what a new record gets of *fields*: `creation` of each, which need not be made for it where they are packed.

    *shapes* remembers what records with the same fields and rules have in common.
    """
    if not isinstance(fields, FlatFields):
        each = (creation(entity.by_name[name], each) for name, each in fields.items() if name in entity.by_name)
        return PackedFields(change for change in each if change is not None)
    known = {} if shapes is None else shapes
    about = entity.name, fields.alike
    shape = known.get(about)
    if shape is None:
        shape = known[about] = tuple(_shape(entity, fields))
    return NewFields(fields, shape)


def _shape(entity: EntityType, fields: FlatFields) -> Iterator[tuple[str, int, bool, bool]]:
    for at, (name, policy) in enumerate(zip(fields, fields.policies, strict=True)):
        row = entity.by_name.get(name)
        if row is not None and policy.mode is not Mode.OBSERVE:
            yield name, at, row.kind.is_set, row.kind.is_set and policy.mode in _OURS_ALONE


def _judge_value(
    field: Field, desired: DesiredField, observed: Value, applied: Applied | None, digester: Digester
) -> Judgement:
    target = Members() if field.kind.is_set and desired.value is None else desired.value
    asked = digester.value(field, target)
    answered = asked if target == observed else digester.value(field, observed)
    pair = None if applied is None else (applied.asked, applied.answered)
    cause = verdict(target == observed, asked, answered, pair)
    is_kept = applied is not None and applied.is_kept and asked == applied.asked and target != observed
    is_in_sync = cause is None and not is_kept
    if is_in_sync and applied is not None and (target != observed or (pair == (asked, answered) and not applied.is_kept)):
        return NOTHING  # the state knows; nearly always
    seen = Applied(asked, answered, _all_members(field, target, digester))
    if is_in_sync:
        return Judgement(applied=seen)
    change = FieldChange(field.name, observed, target, cause or Cause.DRIFTED, desired.position)
    if desired.policy.mode is Mode.OBSERVE:
        return Judgement(observed_only=change)
    if desired.policy.mode is Mode.FILL:
        return Judgement(change=change) if is_empty(observed) else NOTHING
    if is_kept:
        note = replace(seen, is_kept=True)
        return Judgement(kept=change, applied=None if note == applied else note)
    return _settle(change, desired.policy, is_empty(observed), replace(seen, is_kept=True))


def _settle(change: FieldChange, policy: Policy, was_empty: bool, kept: Applied | None) -> Judgement:
    """Return what the policy makes of a value that differs; *kept* is what the state learns when it is left."""
    if change.cause is Cause.EDITED:
        return Judgement(change=change)
    if change.cause is Cause.ADOPTED:
        if policy.on_adopt is OnAdopt.HOLD:
            return Judgement(held=change)
        if policy.on_adopt is OnAdopt.FILL and (policy.is_decided or not was_empty):
            return Judgement(kept=change, applied=kept)
        return Judgement(change=change)
    by_drift = {
        OnDrift.OVERWRITE: Judgement(change=change),
        OnDrift.KEEP: Judgement(kept=change, applied=kept),
        OnDrift.HOLD: Judgement(held=change),
    }
    return by_drift[policy.on_drift]


def _all_members(field: Field, value: Value, digester: Digester) -> Mapping[str, tuple[str, str]]:
    if not isinstance(value, Members):
        return {}
    return {digester.member_key(field, each): (digester.member(field, each),) * 2 for each in value}


class _Sorting(Struct):
    """
    The members of one set while they are sorted by what happens to them.

    *kept* and *held* are declared and differ; *kept_too* and *held_too* were ours, are not declared any more, and differ.
    """

    write: dict[str, list[Member]] = field(default_factory=lambda: {"added": [], "removed": [], "changed": []})
    kept: list[Member] = field(default_factory=list)
    held: list[Member] = field(default_factory=list)
    kept_too: list[Member] = field(default_factory=list)
    held_too: list[Member] = field(default_factory=list)
    foreign: list[Member] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)
    idle_causes: list[Cause] = field(default_factory=list)
    remembered: dict[str, tuple[str, str]] = field(default_factory=dict)


def _judge_members(
    field: Field, desired: DesiredField, wanted: Members, observed: Members, applied: Applied | None, digester: Digester
) -> Judgement:
    ours = {} if applied is None else applied.members
    sorting = _Sorting()
    for member in wanted:
        _sort_declared(field, member, observed.get(member.key), desired.policy, ours, applied is not None, digester, sorting)
    for member in observed:
        if wanted.get(member.key) is None:
            _sort_undeclared(field, member, desired.policy, ours, digester, sorting)
    return _members_judgement(field, desired, wanted, observed, applied, digester, sorting)


def _sort_declared(
    field: Field,
    member: Member,
    observed: Member | None,
    policy: Policy,
    ours: Mapping[str, tuple[str, str]],
    is_known: bool,
    digester: Digester,
    sorting: _Sorting,
) -> None:
    key, asked = digester.member_key(field, member), digester.member(field, member)
    pair = ours.get(key)
    if observed is None:
        place = "added"
        if pair == (asked, ABSENT):
            sorting.remembered[key] = pair
            sorting.kept.append(member)
            sorting.idle_causes.append(Cause.DRIFTED)
            return
        cause: Cause | None = Cause.EDITED if is_known else Cause.ADOPTED
        if pair is not None:
            cause = Cause.DRIFTED if pair[0] == asked else Cause.CONFLICT
    else:
        place = "changed"
        answered = asked if member == observed else digester.member(field, observed)
        cause = verdict(member == observed, asked, answered, pair)
        if cause is None:
            sorting.remembered[key] = pair if pair and member != observed else (asked, answered)
            return
    if pair is not None:
        sorting.remembered[key] = pair
    judgement = _settle(FieldChange(field.name, None, None, cause or Cause.EDITED), policy, observed is None, None)
    if policy.mode is Mode.OBSERVE or judgement.kept is not None:
        sorting.kept.append(member)
        sorting.idle_causes.append(cause or Cause.EDITED)
        if policy.is_decided:
            sorting.remembered[key] = (asked, ABSENT if observed is None else digester.member(field, observed))
        elif pair is not None:
            sorting.remembered[key] = (asked, pair[1])  # kept for what the file says now
    elif judgement.held is not None:
        sorting.held.append(member)
        sorting.idle_causes.append(cause or Cause.EDITED)
    else:
        sorting.write[place].append(member)
        sorting.causes.append(cause or Cause.EDITED)


def _sort_undeclared(
    field: Field,
    member: Member,
    policy: Policy,
    ours: Mapping[str, tuple[str, str]],
    digester: Digester,
    sorting: _Sorting,
) -> None:
    """Sort a member that the file does not name: others' stays, ours goes, and one that a person changed is a conflict."""
    key = digester.member_key(field, member)
    pair = ours.get(key)
    if pair is None or policy.mode is not Mode.OWN:
        sorting.foreign.append(member)
        return
    cause = Cause.EDITED if digester.member(field, member) == pair[1] else Cause.CONFLICT
    judgement = _settle(FieldChange(field.name, None, None, cause), policy, False, None)
    if judgement.kept is not None:
        sorting.kept_too.append(member)  # and it is the person's from now on
        sorting.idle_causes.append(cause)
    elif judgement.held is not None:
        sorting.remembered[key] = pair
        sorting.held_too.append(member)
        sorting.idle_causes.append(cause)
    else:
        sorting.write["removed"].append(member)
        sorting.causes.append(cause)


def _members_judgement(
    field: Field,
    desired: DesiredField,
    wanted: Members,
    observed: Members,
    applied: Applied | None,
    digester: Digester,
    sorting: _Sorting,
) -> Judgement:
    is_known = applied is not None and applied.members == sorting.remembered
    if is_known and not (sorting.causes or sorting.idle_causes):
        return NOTHING
    delta = Delta(
        added=Members(tuple(sorting.write["added"])),
        removed=Members(tuple(sorting.write["removed"])),
        changed=Members(tuple(sorting.write["changed"])),
        foreign=Members(tuple(sorting.foreign)),
        remembered=sorting.remembered,
    )
    change = None
    if sorting.causes:
        worst = max(sorting.causes, key=_SEVERITY.index)
        change = FieldChange(field.name, observed, compose(observed, delta), worst, desired.position, delta)
    idle = max(sorting.idle_causes, key=_SEVERITY.index) if sorting.idle_causes else Cause.DRIFTED

    def left(members: list[Member], undeclared: list[Member]) -> FieldChange | None:
        if not (members or undeclared):
            return None
        wish = Delta(added=Members(tuple(members)), removed=Members(tuple(undeclared)), foreign=delta.foreign)
        return FieldChange(field.name, observed, compose(observed, wish), idle, desired.position, wish)

    is_open = applied is None and bool(sorting.held)  # what is noted of a set makes its new members file changes
    applied_now = None
    if change is None and not is_known and not is_open:
        applied_now = Applied(digester.value(field, wanted), digester.value(field, observed), sorting.remembered)
    return Judgement(
        change=change,
        kept=left(sorting.kept, sorting.kept_too),
        held=left(sorting.held, sorting.held_too),
        applied=applied_now,
    )
