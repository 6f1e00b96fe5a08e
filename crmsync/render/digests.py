"""
Digests of changes and plans: what a reviewer approves.

They are taken over canonical values, not over what is shown: renaming a label in Copper does not change what will be done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import chain

from crmsync.model.digest import canonical_text, quoted, text_digest
from crmsync.model.plan import Cause, Change, FieldChange, Plan


def change_digest(change: Change, fields: Sequence[FieldChange] | None = None) -> str:
    """
    Return the digest of what happens to one record: the same digest, the same requests. *fields*: its own, unpacked.

    It is that of a document, which is set out here by hand: there may be a hundred thousand.
    """
    pairs = (f"[{quoted(type_name)},{id}]" for type_name, id in change.orphans)
    orphans = f',"orphans":[{",".join(pairs)}]' if change.orphans else ""
    listed = ",".join(map(_field, change.fields if fields is None else fields))
    address, id = quoted(str(change.address)), "null" if change.record_id is None else change.record_id
    head = f'"action":{quoted(change.action)},"address":{address},"fields":[{listed}]'
    return text_digest([f'{{{head}{orphans},"record_id":{id}}}'])


def plan_digest(changes: Iterable[str], plan: Plan, account_id: int, lineage: str) -> str:
    """
    Return the digest of a whole plan from the digests of its *changes*: that of a document, set out piece by piece.

    Conflicts that it would leave as they are count too: approving it agrees to forget what the file said.
    """
    left = [each for each in plan.kept if each.change.cause is Cause.CONFLICT and not each.is_observed]
    kept = [[str(each.address), json.loads(_field(each.change))] for each in left]
    after = json.dumps({"kept": kept, "lineage": lineage}, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    listed = (f'{"," if place else ""}"{digest}"' for place, digest in enumerate(changes))
    return text_digest(chain([f'{{"account":{account_id},"changes":['], listed, [f"],{after[1:]}"]))


def _field(change: FieldChange) -> str:
    """Return what a field changes to as JSON: its name, before, after, cause, and of the members those that move."""
    after, delta = canonical_text(change.after), change.delta
    parts = "null"
    if delta is not None:
        added = after if delta.added is change.after else canonical_text(delta.added)  # all of them, in a new record
        parts = f"[{added},{canonical_text(delta.removed)},{canonical_text(delta.changed)}]"
    return f"[{quoted(change.field)},{canonical_text(change.before)},{after},{quoted(change.cause)},{parts}]"
