"""The policy of a field, from every layer that has a word in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crmsync.model.catalogue import Field, Write
from crmsync.model.records import Mode, Policy, PolicyRule

#: The rule that has no word in it.
SAYS_NOTHING = PolicyRule()
#: The modes of lists: what of a set is ours.
SET_MODES = (Mode.OWN, Mode.ADD)


def merged_policy(field: Field, rules: Sequence[PolicyRule]) -> Policy:
    """
    Return the policy of *field* under *rules*, weakest first.

    Within a rule the entry for the field wins over the one for its group (`address`, `custom_fields`), and that over the
    rule's own words. Without any word members are owned and single values enforced; a field that cannot be written is only
    observed.
    """
    policy = Policy(mode=Mode.OWN if field.kind.is_set else Mode.ENFORCE)
    mode, on_drift, on_adopt = policy.mode, policy.on_drift, policy.on_adopt
    for rule in (each for whole in rules for each in _layers(field, whole)):
        if rule.mode is not None and (field.kind.is_set or rule.mode not in SET_MODES):
            mode = rule.mode
        on_drift = rule.on_drift or on_drift
        on_adopt = rule.on_adopt or on_adopt
    return Policy(Mode.OBSERVE if field.write is Write.NEVER else mode, on_drift, on_adopt)


def _layers(field: Field, rule: PolicyRule) -> Iterator[PolicyRule]:
    yield rule
    for name in (field.name.partition(".")[0], field.name):
        if name in rule.fields:
            yield rule.fields[name]


def named_mode(field: Field, rule: PolicyRule) -> Mode | None:
    named = rule.fields.get(field.name)
    return named.mode if named is not None else None
