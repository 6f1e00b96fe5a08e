"""The parts of a change: why it happens, what goes with it, and what is left when some of its fields are taken out."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec.structs import replace

from crmsync.model.catalogue import Catalogue, EntityType
from crmsync.model.packed import PackedFields
from crmsync.model.plan import Action, Cause, Change, FieldChange

_REASONS = {
    Cause.EDITED: "file changed",
    Cause.DRIFTED: "put back: changed in Copper",
    Cause.CONFLICT: "changed in Copper and in the file",
    Cause.ADOPTED: "newly declared",
}


def reason_of(changed: Iterable[FieldChange], action: Action) -> str:
    """Return why a record changes, in words."""
    if action is Action.ADOPT:
        return "adopted"
    causes = {each.cause for each in changed}
    return ", ".join(text for cause, text in _REASONS.items() if cause in causes)


def along_with(
    entity: EntityType, changed: Iterable[FieldChange], settled: Iterable[FieldChange]
) -> tuple[FieldChange, ...]:
    """Return those of the *settled* fields that Copper resets when what is *changed* is written."""
    names = {each.field for each in changed}
    return tuple(each for each in settled if entity.by_name[each.field].reset_by in names)


def with_fields(change: Change, names: Collection[str], catalogue: Catalogue) -> Change | None:
    """Return *change* with only the fields in *names*; None for an update of nothing."""
    fields = tuple(each for each in change.fields if each.field in names)
    if not fields and change.action is Action.UPDATE:
        return None
    is_cut = change.action is Action.UPDATE and fields != change.fields
    reason = reason_of(fields, change.action) if is_cut else change.reason
    along = along_with(catalogue[change.address.type], fields, change.along)
    return replace(change, fields=PackedFields(fields), reason=reason, along=along)
