"""
Digests of changes and plans: what a reviewer approves.

They are taken over canonical values, not over what is shown: renaming a label in Copper does not change what will be done.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from crmsync.model.digest import canonical, document_digest
from crmsync.model.plan import Cause, Change, FieldChange, Plan


def change_digest(change: Change, fields: Sequence[FieldChange] | None = None) -> str:
    """Return the digest of what happens to one record: the same digest, the same requests. *fields*: its own, unpacked."""
    orphans = {"orphans": list(map(list, change.orphans))} if change.orphans else {}
    return document_digest(
        {
            "address": str(change.address),
            "action": change.action.value,
            "record_id": change.record_id,
            "fields": [_field(each) for each in (change.fields if fields is None else fields)],
            **orphans,
        }
    )


def plan_digest(changes: Iterable[str], plan: Plan, account_id: int, lineage: str) -> str:
    """
    Return the digest of a whole plan from the digests of its *changes*.

    Conflicts that it would leave as they are count too: approving it agrees to forget what the file said.
    """
    left = [each for each in plan.kept if each.change.cause is Cause.CONFLICT and not each.is_observed]
    kept = [[str(each.address), _field(each.change)] for each in left]
    return document_digest({"account": account_id, "lineage": lineage, "changes": list(changes), "kept": kept})


def _field(change: FieldChange) -> list[Any]:
    after, delta = canonical(change.after), change.delta
    if delta is None:
        return [change.field, canonical(change.before), after, change.cause.value, None]
    added = after if delta.added is change.after else canonical(delta.added)  # all of them, in a new record
    parts = [added, canonical(delta.removed), canonical(delta.changed)]
    return [change.field, canonical(change.before), after, change.cause.value, parts]
