"""
Copies of records, kept before they are deleted.

Under CRMSYNC_STATE_KEY they lie beside the state, sealed, where the next machine finds them; without that key only here, in
``.crmsync/runs``, readable by their owner. They hold values of people, so they are dropped when ``runs: {keep: 90d}`` has
passed, the oldest first also when they are too large together.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crmsync.model.effects import Copy
from crmsync.model.store import Store, Unusable
from crmsync.project.saving import append_private
from crmsync.project.session import Project
from crmsync.project.together import Together
from crmsync.project.trouble import Trouble

PURPOSE = "copy"
FILE = "deleted.jsonl"
MOST_BYTES = 64 * 2**20
#: Copper's records are far smaller; what is larger is not kept whole, and so not deleted.
LARGEST_BYTES = 4 * 2**20
_TIME = "%Y%m%dT%H%M%SZ"


def state_key(environ: Mapping[str, str]) -> str | None:
    """Return the text of CRMSYNC_STATE_KEY, under which copies are sealed."""
    return environ.get("CRMSYNC_STATE_KEY") or None


@dataclass(frozen=True)
class KeptCopy:
    """A record as it was before a run deleted it: the run's name, the address, Copper's body."""

    run: str
    address: str
    record_id: int
    body: Mapping[str, Any]


class Keeper:
    """Keeps the copies of one run, which began at *now*; several threads may use one."""

    def __init__(self, project: Project, store: Store, run: str, now: float, backup: Path | None) -> None:
        self._folder = backup or (None if state_key(project.environ) else project.private / "runs")
        self._key = state_key(project.environ)
        self._store = store
        self._name = f"{datetime.fromtimestamp(now, UTC):{_TIME}}-{run}"
        self._count = 0
        self._together: Together[Copy] = Together(self._write)

    def keep(self, copy: Copy) -> None:
        """Keep one copy, durably, before its record is deleted. Raises Unusable."""
        if len(copy.body) > LARGEST_BYTES:
            raise Unusable(f"{copy.address} is too large to keep a copy of it, so it is not deleted.")
        self._together.write([copy])

    def _write(self, copies: Sequence[Copy]) -> None:
        lines = [_line(copy) for copy in copies]
        if self._folder is not None:
            append_private(self._folder / FILE, "".join(f"{line}\n" for line in lines))
        if self._key is not None:
            from crmsync.state.sealing import encrypt

            start, self._count = self._count, self._count + len(lines)
            names = [f"{self._name}/{number:06}" for number in range(start, self._count)]
            sealed = [encrypt(line.encode(), self._key, PURPOSE) for line in lines]
            self._store.keep(dict(zip(names, sealed, strict=True)))


def _line(copy: Copy) -> str:
    return json.dumps(
        {"address": str(copy.address), "id": copy.record_id, "body": json.loads(copy.body)}, ensure_ascii=False
    )


def kept_copies(store: Store, environ: Mapping[str, str]) -> Iterator[KeptCopy]:
    """Yield the copies beside the state, the oldest first. Raises Trouble where they cannot be opened."""
    from crmsync.state.sealing import WrongKey, decrypt

    key = state_key(environ)
    for name in store.kept():
        if key is None:
            raise Trouble("The copies beside the state are sealed. Export the CRMSYNC_STATE_KEY that they were kept under.")
        try:
            line = json.loads(decrypt(store.copy(name), key, PURPOSE))
        except WrongKey as error:
            raise Trouble(f"The copy {name} does not open. Export the CRMSYNC_STATE_KEY that it was kept under.") from error
        yield KeptCopy(name.partition("/")[0], line["address"], line["id"], line["body"])


def drop_old_copies(store: Store, keep_days: int, clock: Callable[[], float] = time.time) -> None:
    """Drop the copies that were kept long enough, and the oldest of those that are too much; where that fails, they stay."""
    with suppress(Unusable):
        kept = store.kept()
        expired = [name for name in kept if _age_days(name, clock()) > keep_days]
        rest = {name: size for name, size in kept.items() if name not in set(expired)}
        excess = sum(rest.values()) - MOST_BYTES
        for name, size in rest.items():
            if excess <= 0:
                break
            expired.append(name)
            excess -= size
        if expired:
            store.drop(expired)


def _age_days(name: str, now: float) -> float:
    """Return how old a copy is; one whose name tells no time is not ours to drop."""
    try:
        made = datetime.strptime(name.partition("-")[0], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return 0.0
    return (now - made.timestamp()) / 86400
