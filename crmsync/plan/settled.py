"""
Whether a plan has nothing to say of a record: asked of each of a hundred thousand, so the common case alone is decided.

*True* means that `build` says nothing of it; the common case is that every value is as Copper shows it and as the state
knows it. *False* means that somebody must look closely. `tests/plan/test_restriction.py` holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping

from crmsync.model.address import Address
from crmsync.model.catalogue import EntityType, Field
from crmsync.model.digest import Digester, is_comparable
from crmsync.model.events import Applied
from crmsync.model.records import Desired, DesiredField, Mode, Observed
from crmsync.model.state import Binding
from crmsync.model.values import Members, Value

_EMPTY = Members()


def is_settled(
    desired: Desired,
    binding: Binding,
    record: Observed,
    entity: EntityType,
    ids: Mapping[Address, int],
    digester: Digester,
) -> bool:
    """Say whether a plan surely says nothing of a bound record; *ids* are those of the bound records that Copper has."""
    options, rule = desired.options, desired.options.policy.on_delete
    if options.id not in (None, binding.record_id) or options.is_protected != binding.is_protected:
        return False
    if (None if rule is None else rule.value) != binding.on_delete:
        return False
    known, managed = binding.applied, set()
    for name, each in desired.fields.items():
        row = entity.by_name.get(name)
        if row is None:
            continue
        managed.add(row.id)
        applied = known.get(row.id)
        if applied is not None and applied.is_handed_over:
            return False
        if each.policy.mode is Mode.SEED and not row.required:
            continue
        if applied is None or not _is_as_applied(row, each, record.fields.get(name), applied, ids, digester):
            return False
    return known.keys() <= managed


def _is_as_applied(
    row: Field, desired: DesiredField, observed: Value, applied: Applied, ids: Mapping[Address, int], digester: Digester
) -> bool:
    """Say whether a value is what Copper shows, asked for and answered as it is."""
    value = desired.value
    if isinstance(value, Address):
        value = ids.get(value)
        if value is None:
            return False
    elif value is None and row.kind.is_set:
        value = _EMPTY
    if applied.is_kept or (row.required and not value):
        return False
    if desired.policy.mode in (Mode.OWN, Mode.ADD):
        return _are_ours(row, value, observed, applied, digester)
    return value == observed and applied.asked == applied.answered == digester.value(row, value)


def _are_ours(row: Field, members: Value, observed: Value, applied: Applied, digester: Digester) -> bool:
    """Say whether the state knows exactly these members, each asked for and answered as Copper shows it, beside others'."""
    ours = applied.members
    if not (isinstance(members, Members) and isinstance(observed, Members)) or len(ours) != len(members.items):
        return False
    if not is_comparable(row, applied.asked):
        return False
    for member in members.items:
        asked = digester.member(row, member)
        if observed.get(member.key) != member or ours.get(digester.member_key(row, member)) != (asked, asked):
            return False
    return True
