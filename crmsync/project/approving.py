"""
Plans that were approved by their digest: `apply --approved DIGEST`.

A plan prints one digest over all its changes, which fits into the comment of a pull request. Each plan also leaves, below
`.crmsync/runs/plans`, the digests of its single changes, without a value: so that an apply can do what is left of an
approved plan when some of it changed since. `plan --for-approval` keeps them beside the state as well, where every machine
finds them. Where no such note is at hand, only the very same plan runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from crmsync.model.digest import Digester
from crmsync.model.late import late
from crmsync.model.state import Head
from crmsync.model.store import Store, Unusable
from crmsync.project.saving import TIME, write_private
from crmsync.project.session import Project, make_private, opened_store, read_state
from crmsync.project.trouble import Trouble, UsageTrouble
from crmsync.render.document import Entries

#: So many plans are remembered here; whoever approves an older one reviews again.
REMEMBERED = 50

_DIGEST = late(r"[0-9a-f]{64}")


class Approved(Struct, frozen=True):
    """
    A digest, and the digests of the single changes by address; None where they are not known here.

    Those from beside the state are keyed with the secret of its *head*: who reads copies there cannot try values.
    """

    digest: str
    changes: Mapping[str, str] | None
    head: Head | None = None

    def holds(self, address: str, change_digest: str) -> bool:
        """Say whether the approved plan had this very change."""
        digest = change_digest if self.head is None else _keyed(self.head, change_digest)
        return (self.changes or {}).get(address) == digest


def remember_plan(project: Project, document: Mapping[str, Any]) -> None:
    """Note what the plan *document* would do, so that its digest can be approved."""
    if not document["resource_changes"]:
        return
    make_private(project)
    folder = _folder(project)
    write_private(folder / f"{document['crmsync']['digest']}.json", _pieces(_changes(document)))
    notes = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
    for old in notes[:-REMEMBERED]:
        old.unlink(missing_ok=True)


def share_plan(store: Store, head: Head, document: Mapping[str, Any], now: float) -> None:
    """Keep the same beside the state, for other machines, as long as copies are kept. Raises Trouble."""
    digest = document["crmsync"]["digest"]
    changes = {address: _keyed(head, each) for address, each in _changes(document)}
    name = f"{datetime.fromtimestamp(now, UTC):{TIME}}-approval-{digest}/000000"
    try:
        if changes and not _shared(store, digest):
            store.keep({name: json.dumps({"changes": changes}).encode()})
    except Unusable as error:
        raise Trouble(f"What the plan does could not be kept beside the state. {error}") from error


def load_approved(project: Project, digest: str) -> Approved:
    """Return what *digest* approves. Raises UsageTrouble for what is no digest."""
    digest = digest.strip().lower()
    if not _DIGEST.fullmatch(digest):
        raise UsageTrouble("--approved takes the 64 digits that `crmsync plan` prints as the plan digest.")
    try:
        return Approved(digest, _read((_folder(project) / f"{digest}.json").read_bytes()))
    except OSError:
        pass
    with opened_store(project, create=False) as store:
        names = _shared(store, digest)
        changes = _read(store.copy(names[-1])) if names else None
        return Approved(digest, changes, read_state(project, store).head)


def _changes(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the address of each change, and its digest."""
    entries = document["resource_changes"]
    if isinstance(entries, Entries):
        return entries.by_address()
    return ((each["address"], each["crmsync"]["digest"]) for each in entries)


def _pieces(changes: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield what `_read` reads, change by change: there may be many."""
    yield '{"changes": {'
    for place, (address, digest) in enumerate(changes):
        yield f"{',' if place else ''}\n{json.dumps(address)}: {json.dumps(digest)}"
    yield "\n}}\n"


def _read(content: bytes) -> Mapping[str, str] | None:
    try:
        return {str(address): str(each) for address, each in json.loads(content)["changes"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _shared(store: Store, digest: str) -> list[str]:
    return [name for name in store.kept() if name.partition("/")[0].endswith(f"-approval-{digest}")]


def _keyed(head: Head, change_digest: str) -> str:
    return Digester(head.digest_key).text("approved", change_digest)


def _folder(project: Project) -> Path:
    return project.private / "runs" / "plans"
