"""The plan as a document: Terraform's keys, and our own under ``crmsync``. `schemas/plan.schema.json` is the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, overload

from msgspec.structs import asdict

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue
from crmsync.model.changes import TO_EXISTING, with_action
from crmsync.model.packed import fields_caused
from crmsync.model.plan import Action, Cause, Change, Decided, Delta, FieldChange, Held, Kept, Plan
from crmsync.model.values import Plain
from crmsync.render.decisions import advice
from crmsync.render.digests import change_digest, plan_digest
from crmsync.render.jsontext import dump, dump_line, dump_pieces
from crmsync.render.shown import Meta, Showing, moment, place

__all__ = ["FORMAT_VERSION", "Meta", "change_digest", "dump", "dump_line", "dump_pieces", "plan_document", "with_digest"]

#: Minor: keys were added. Major: keys changed their meaning or went.
FORMAT_VERSION = "1.0"

#: How Terraform would call it; adopting without differences and forgetting send nothing to Copper.
_TERRAFORM = {Action.CREATE: "create", Action.UPDATE: "update", Action.DELETE: "delete"}

_DRIFT = (Cause.DRIFTED, Cause.CONFLICT)


def plan_document(plan: Plan, catalogue: Catalogue, meta: Meta, *, at_once: bool = True) -> dict[str, Any]:
    """
    Return *plan* as plain data. The same plan in the same world gives the same document.

    Not *at_once*, its changes are `Entries`, and its digest is made when it is asked for: for who only reads them, one after
    the other.
    """
    showing = Showing(catalogue, meta)
    renamed = {note.address: note.renamed_from for note in plan.notes if note.renamed_from is not None}
    changes = Entries(plan.changes, renamed, showing)
    own = _OwnPart(lambda: plan_digest(changes.digests, plan, meta.account_id, meta.lineage), _own(plan, renamed, showing))
    return {
        "format_version": FORMAT_VERSION,
        "crmsync_version": meta.crmsync_version,
        "complete": not (plan.is_partial or plan.held or plan.gone or plan.unsettled),
        "applyable": (not plan.is_empty or plan.has_notes_to_remember) and not plan.breaches,
        "resource_changes": list(changes) if at_once else changes,
        "resource_drift": _drift(plan, showing),
        "crmsync": {**own, "digest": own["digest"]} if at_once else own,
    }


def with_digest(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a *document* whose digest is made: for who copies it, or writes all of it down."""
    own = document["crmsync"]
    return {**document, "crmsync": {**own, "digest": own["digest"]}}


class _OwnPart(dict[str, Any]):
    """What is ours of a document, of which the digest is made when it is asked for."""

    def __init__(self, digest: Callable[[], str], parts: Mapping[str, Any]) -> None:
        super().__init__(parts)
        self._digest = digest

    def __missing__(self, name: str) -> Any:
        if name != "digest":
            raise KeyError(name)
        self[name] = self._digest()
        return self[name]


#: How long the digest of a change is.
_DIGEST_BYTES = 32


class Entries(Sequence[dict[str, Any]]):
    """The changes of a plan as plain data, each set out when it is looked at; as a list they take ten kilobytes a record."""

    def __init__(self, changes: Sequence[Change], renamed: Mapping[Address, Address], showing: Showing) -> None:
        self._changes, self._renamed, self._showing = changes, renamed, showing
        self._digests = bytearray(_DIGEST_BYTES * len(changes))

    @property
    def digests(self) -> Iterator[str]:
        """The digest of each change; of those that were set out it is known already."""
        return (self._known(place) or self._note(place, change_digest(self._changes[place])) for place in range(len(self)))

    def _known(self, place: int) -> str:
        found = self._digests[place * _DIGEST_BYTES : (place + 1) * _DIGEST_BYTES]
        return found.hex() if any(found) else ""

    def _note(self, place: int, digest: str) -> str:
        self._digests[place * _DIGEST_BYTES : (place + 1) * _DIGEST_BYTES] = bytes.fromhex(digest)
        return digest

    def by_address(self) -> Iterator[tuple[str, str]]:
        """Yield the address of each change, and its digest."""
        return ((str(change.address), digest) for change, digest in zip(self._changes, self.digests, strict=True))

    @property
    def actions(self) -> list[str]:
        """What is done to each record."""
        return [change.action.value for change in self._changes]

    def __len__(self) -> int:
        return len(self._changes)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self._entry, range(len(self)))

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, place: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, place: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        places = range(len(self))[place]
        return self._entry(places) if isinstance(places, int) else list(map(self._entry, places))

    def _entry(self, place: int) -> dict[str, Any]:
        change = self._changes[place]
        fields = tuple(change.fields)  # unpacked once for both
        digest = self._known(place) or self._note(place, change_digest(change, fields))
        return _change(change, fields, digest, self._renamed.get(change.address), self._showing)


def _own(plan: Plan, renamed: Mapping[Address, Address], showing: Showing) -> dict[str, Any]:
    meta = showing.meta
    return {
        "account": {"id": meta.account_id, "name": meta.account_name},
        "profile": meta.profile,
        "lineage": meta.lineage,
        "state_position": meta.state_position,
        "state_was_empty": meta.state_was_empty,
        "labels_digest": meta.labels_digest,
        "created_at": moment(meta.created_at),
        "expires_at": moment(meta.expires_at),
        "is_partial": plan.is_partial,
        "renamed": [{"from": str(origin), "to": str(address)} for address, origin in sorted(renamed.items())],
        "notes": _notes(plan),
        "kept": [_kept(kept, showing) for kept in plan.kept],
        "held": [_held(held, showing) for held in plan.held],
        "decided": [_decided(each, showing) for each in plan.decided],
        "gone": [_record(address, id, meta.names.get((address.type, id), ""), showing) for address, id in plan.gone],
        "unsettled": [str(address) for address in plan.unsettled],
        "breaches": [asdict(breach) for breach in plan.breaches],
        "counts": asdict(plan.counts),
        "price": {
            "requests": plan.price.requests,
            "bulk": plan.price.bulk,
            "minutes": round(plan.price.minutes, 2),
        },
    }


def _notes(plan: Plan) -> list[dict[str, Any]]:
    """Return what applying makes the state remember of records that were bound before, without any request."""
    noted, found = plan.noted, []
    for note in plan.notes:
        texts = [f"renamed from {note.renamed_from}"] if note.renamed_from is not None else []
        if note.address in noted:
            found += [{"address": str(note.address), "text": text} for text in (*texts, *note.rules)]
    return sorted(found, key=lambda each: each["address"])


def _change(
    change: Change, changes: Sequence[FieldChange], digest: str, renamed_from: Address | None, showing: Showing
) -> dict[str, Any]:
    fields = [_field(change.address, each, showing) for each in changes]
    action = _TERRAFORM.get(change.action, "update" if fields else "no-op")
    is_new, is_gone = change.action is Action.CREATE, change.action is Action.DELETE
    entry: dict[str, Any] = {
        **_address(change.address),
        "change": {
            "actions": [action],
            "before": None if is_new else {each["field"]: each["before"] for each in fields},
            "after": None if is_gone else {each["field"]: each["after"] for each in fields},
            "after_unknown": {each.field: True for each in changes if isinstance(each.after, Address)},
        },
        "crmsync": {
            "action": change.action.value,
            "record_id": change.record_id,
            "display_name": change.name,
            "link": showing.link(change.address, change.record_id),
            "reason": change.reason,
            "file": place(change.position),
            "fields": fields,
            "digest": digest,
        },
    }
    if change.orphans:
        entry["crmsync"]["orphans"] = [{"type": type_name, "record_id": id} for type_name, id in change.orphans]
    return entry if renamed_from is None else {**entry, "previous_address": str(renamed_from)}


def _address(address: Address) -> dict[str, Any]:
    return {"address": str(address), "type": address.type, "name": address.key}


def _field(address: Address, change: FieldChange, showing: Showing) -> dict[str, Any]:
    shown = showing.shower(address, change.field)
    after = shown(change.after)
    return {
        "field": change.field,
        "before": shown(change.before),
        "after": after,
        "cause": change.cause.value,
        "file": place(change.position),
        "members": None if change.delta is None else _members(address, change, change.delta, after, showing),
    }


def _members(address: Address, change: FieldChange, delta: Delta, after: Plain, showing: Showing) -> dict[str, Plain]:
    name = change.field
    return {
        # In a new record they are all that is there after it.
        "added": after if delta.added is change.after else showing.members(address, name, delta.added),
        "removed": showing.members(address, name, delta.removed),
        "changed": showing.members(address, name, delta.changed),
        "foreign": showing.members(address, name, delta.foreign),
    }


def _record(address: Address, record_id: int | None, name: str, showing: Showing) -> dict[str, Any]:
    return {
        "address": str(address),
        "record_id": record_id,
        "display_name": name,
        "link": showing.link(address, record_id),
    }


def _kept(kept: Kept, showing: Showing) -> dict[str, Any]:
    return {
        **_record(kept.address, kept.record_id, kept.name, showing),
        **_field(kept.address, kept.change, showing),
        "is_observed": kept.is_observed,
    }


def _decided(decided: Decided, showing: Showing) -> dict[str, Any]:
    address, choice = decided.decision.address, str(decided.decision.choice)
    field = _field(address, decided.question, showing)
    return {
        **_record(address, decided.record_id, decided.name, showing),
        **field,
        "choice": choice,
        "advice": advice(choice, field),
    }


_NO_FIELD = {"field": None, "before": None, "after": None, "cause": None, "members": None}


def _held(held: Held, showing: Showing) -> dict[str, Any]:
    return {
        **_record(held.address, held.record_id, held.name, showing),
        **(_NO_FIELD if held.field is None else _field(held.address, held.field, showing)),
        "file": place(held.position),
        "reason": held.reason,
        "cure": held.cure,
        "rival": None if held.rival is None else str(held.rival),
    }


def _drift(plan: Plan, showing: Showing) -> list[dict[str, Any]]:
    """
    Return the records that people changed in Copper, as Terraform tells it: *after* is what Copper shows now.

    *before* is the file's value: the state holds no values, so what was there earlier is not known in a conflict.
    """
    found: dict[Address, list[tuple[FieldChange, str]]] = {}
    about: dict[Address, tuple[int | None, str]] = {}

    def note(address: Address, record_id: int | None, name: str, change: FieldChange | None, handling: str) -> None:
        if change is not None and (change.cause in _DRIFT or handling == "keep"):
            found.setdefault(address, []).append((change, handling))
            about.setdefault(address, (record_id, name))

    for change in with_action(plan.changes, *TO_EXISTING):
        for each in fields_caused(change.fields, _DRIFT):
            note(change.address, change.record_id, change.name, each, "overwrite")
    for kept in plan.kept:
        note(kept.address, kept.record_id, kept.name, kept.change, "keep")
    for held in plan.held:
        note(held.address, held.record_id, held.name, held.field, "hold")
    return [_drifted(address, *about[address], found[address], showing) for address in sorted(found)]


def _drifted(
    address: Address, record_id: int | None, name: str, changes: list[tuple[FieldChange, str]], showing: Showing
) -> dict[str, Any]:
    fields = []
    for change, handling in changes:
        shown = _field(address, change, showing)
        swapped = {"before": shown["after"], "after": shown["before"], "members": None, "handling": handling}
        fields.append({**shown, **swapped})
    return {
        **_address(address),
        "change": {
            "actions": ["update"],
            "before": {each["field"]: each["before"] for each in fields},
            "after": {each["field"]: each["after"] for each in fields},
            "after_unknown": {},
        },
        "crmsync": {
            "action": None,
            "record_id": record_id,
            "display_name": name,
            "link": showing.link(address, record_id),
            "reason": "changed in Copper",
            "file": fields[0]["file"],
            "fields": fields,
            "digest": None,
        },
    }
