"""
What becomes of a change once it is to be sent: what is asked, what Copper's answer confirms, and what a person moved since.

`crmsync.plan.diff` says which changes there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from crmsync.model.catalogue import EntityType, Field
from crmsync.model.digest import Digester, is_comparable
from crmsync.model.events import Applied
from crmsync.model.plan import Delta, FieldChange
from crmsync.model.records import Observed
from crmsync.model.values import Members, Value, is_empty, is_same


def compose(observed: Members, delta: Delta) -> Members:
    """Return the members after *delta*: others' keep their place, additions come last."""
    removed = {member.key for member in delta.removed}
    changed = {member.key: member for member in (*delta.changed, *delta.added)}
    stay = tuple(changed.get(member.key, member) for member in observed if member.key not in removed)
    present = {member.key for member in observed}
    return Members(stay + tuple(member for member in delta.added if member.key not in present))


def rebase(change: FieldChange, observed: Value) -> FieldChange | None:
    """
    Return *change* as it must be sent now that Copper shows *observed*, or None when a person moved the value since.

    A change that already holds comes back with ``before == after``: there is nothing left to send.
    """
    if change.delta is None or not isinstance(observed, Members) or not isinstance(change.before, Members):
        is_done = observed == change.after
        return replace(change, before=observed) if is_done or observed == change.before else None
    delta = change.delta
    for member in delta.added:
        now = observed.get(member.key)
        if now is not None and now != member and now != change.before.get(member.key):
            return None
    for member in (*delta.changed, *delta.removed):
        now, before = observed.get(member.key), change.before.get(member.key)
        is_gone = now is None and delta.removed.get(member.key) is not None
        if now != before and now != member and not is_gone:
            return None
    return replace(change, before=observed, after=compose(observed, delta))


def members_asked(field: Field, change: FieldChange, digester: Digester) -> Mapping[str, str]:
    """Return the digests of the members that are ours after *change*, by the digests of their keys; for the intent."""
    if not isinstance(change.after, Members):
        return {}
    if change.delta is None:
        return digester.pairs(field, change.after)
    asked = {key: pair[0] for key, pair in change.delta.remembered.items()}
    for member in (*change.delta.added, *change.delta.changed):
        key, digest = digester.pair(field, member)
        asked[key] = digest
    return asked


def untouched(field: Field, change: FieldChange, digester: Digester) -> Mapping[str, tuple[str, str]]:
    """Return what the state knows of our members that *change* leaves alone: in sync, kept or held."""
    if change.delta is None:
        return {}
    written = {digester.member_key(field, each) for each in (*change.delta.added, *change.delta.changed)}
    return {key: pair for key, pair in change.delta.remembered.items() if key not in written}


def confirmed(
    field: Field,
    asked: str,
    members: Mapping[str, str],
    answered: Value,
    digester: Digester,
    known: Mapping[str, tuple[str, str]] | None = None,
) -> Applied:
    """
    Return what the state learns once Copper answered *answered*: *asked* and *members* are as in the intent.

    *known* is what `untouched` tells of the change. A member that Copper does not show was removed by a person and left
    so: it stays ours.
    """
    pairs: Mapping[str, tuple[str, str]] = {}
    if isinstance(answered, Members):
        now = digester.pairs(field, answered)
        pairs = {key: (digest, now.get(key, digest)) for key, digest in members.items()} | dict(known or {})
    return Applied(asked, digester.value(field, answered), pairs)


def is_met(change: FieldChange, answered: Value) -> bool:
    """Say whether Copper's answer holds what *change* asked for: of a set that is not ours alone, our part of it."""
    if change.delta is None or not isinstance(answered, Members):
        return is_same(answered, change.after)
    delta = change.delta
    if answered is delta.added and not (delta.removed or delta.changed):
        return True
    is_removed = all(answered.get(member.key) is None for member in change.delta.removed)
    is_there = all(answered.get(member.key) == member for member in (*change.delta.added, *change.delta.changed))
    return is_removed and is_there


def moved_fields(
    applied: Mapping[str, Applied],
    record: Observed,
    entity: EntityType,
    digester: Digester,
    deleted: Iterable[tuple[str, int]] = (),
) -> tuple[str, ...]:
    """
    Return the names of the managed fields that are no longer as crmsync left them: a person's work is in them.

    A link that is empty because crmsync *deleted* what it named, by type and id, is its own doing.
    """
    moved = []
    for field_id, known in applied.items():
        row = entity.by_id.get(field_id)
        if row is None or not is_comparable(row, known.answered):
            continue
        observed = record.fields.get(row.name)
        if known.members and isinstance(observed, Members):
            now = digester.pairs(row, observed)
            is_moved = any(now.get(key) != answered for key, (_, answered) in known.members.items())
        else:
            is_moved = digester.value(row, observed) != known.answered
            if is_moved and row.target is not None and is_empty(observed):
                ours = (id for type_name, id in deleted if type_name == row.target)
                is_moved = all(digester.value(row, id) != known.answered for id in ours)
        if is_moved or known.is_kept or known.is_handed_over:
            moved.append(row.name)
    return tuple(sorted(moved))
