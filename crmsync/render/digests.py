"""
Digests of changes and plans: what a reviewer approves.

They are taken over canonical values, not over what is shown: renaming a label in Copper does not change what will be done.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from crmsync.model.digest import canonical, document_digest
from crmsync.model.plan import Change, Counts, Delta, FieldChange


def change_digest(change: Change) -> str:
    """Return the digest of what happens to one record: the same digest, the same requests."""
    orphans = {"orphans": list(map(list, change.orphans))} if change.orphans else {}
    return document_digest(
        {
            "address": str(change.address),
            "action": change.action.value,
            "record_id": change.record_id,
            "fields": [_field(each) for each in change.fields],
            **orphans,
        }
    )


def plan_digest(changes: Iterable[str], account_id: int, lineage: str, counts: Counts) -> str:
    """Return the digest of a whole plan from the digests of its *changes*."""
    return document_digest({"account": account_id, "lineage": lineage, "changes": list(changes), "counts": asdict(counts)})


def _field(change: FieldChange) -> list[Any]:
    return [change.field, canonical(change.before), canonical(change.after), change.cause.value, _delta(change.delta)]


def _delta(delta: Delta | None) -> list[Any] | None:
    if delta is None:
        return None
    return [canonical(delta.added), canonical(delta.removed), canonical(delta.changed)]
