"""
Copies for deletes and undo: whole records before they are deleted, single values before they are written over.

Under CRMSYNC_STATE_KEY they lie beside the state, sealed, where the next machine finds them; without that key only here, in
``.crmsync/runs``, readable by their owner. They hold values of people, so they are dropped when ``runs: {keep: 90d}`` has
passed, the oldest first also when they are too large together.

What a write replaces goes with the intent to write it, in the same append: that costs no request, sync or push of its own.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from msgspec import Struct

from crmsync.model.effects import Copy
from crmsync.model.store import NO_COPIES, Store, Unusable
from crmsync.model.undo import Before, read_before, write_before
from crmsync.model.values import Value
from crmsync.project.saving import TIME, append_private
from crmsync.project.session import Project
from crmsync.project.together import Together
from crmsync.project.trouble import Trouble

_encode = json.JSONEncoder(ensure_ascii=False).encode

PURPOSE = "copy"
#: What `--backup` gets, which is the user's and never dropped.
BACKUP = "deleted.jsonl"
MOST_BYTES = 64 * 2**20
#: Copper's records are far smaller; what is larger is not kept whole, and so not deleted.
LARGEST_BYTES = 4 * 2**20
#: A field of a record: its type, its id, the id of the field.
Place = tuple[str, int, str]
#: So many runs back it is looked for what was last written.
LOOKED_THROUGH = 20
#: Files of ours below `.crmsync/runs`: copies of a run, and the archive of decisions.
_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-z]+")
_OURS = re.compile(r"(\d{8}T\d{6}Z)-[0-9a-z]+\.jsonl|decisions-(\d{8})-(\d{6})\.yaml")


def state_key(environ: Mapping[str, str]) -> str | None:
    """Return the text of CRMSYNC_STATE_KEY, under which copies are sealed."""
    return environ.get("CRMSYNC_STATE_KEY") or None


class KeptCopy(Struct, frozen=True):
    """A record as it was before a run deleted it: the run's name, the address, Copper's body."""

    run: str
    address: str
    record_id: int
    body: Mapping[str, Any]


class Keeper:
    """Keeps the copies of one run, which began at *now*; several threads may use one."""

    def __init__(self, project: Project, store: Store, run: str, now: float, backup: Path | None) -> None:
        self._key = state_key(project.environ)
        self._store = store
        self._name = f"{datetime.fromtimestamp(now, UTC):{TIME}}-{run}"
        self._file = project.private / "runs" / f"{self._name}.jsonl"
        self._backup = None if backup is None else backup / BACKUP
        self._numbers = count()
        self._together: Together[Copy] = Together(self._write)

    def keep(self, copy: Copy) -> None:
        """Keep one copy, durably, before its record is deleted. Raises Unusable."""
        if len(copy.body) > LARGEST_BYTES:
            raise Unusable(f"{copy.address} is too large to keep a copy of it, so it is not deleted.")
        self._together.write([copy])

    def copies_of(self, before: Sequence[Before]) -> Mapping[str, bytes]:
        """Return what shall be kept with the next append; without the key it is kept here and now. Raises Unusable."""
        if not before:
            return NO_COPIES
        lines = [_encode(write_before(each)) for each in before]
        if self._key is not None:
            return self._sealed(["\n".join(lines)])
        _append(self._file, lines)
        return NO_COPIES

    def _write(self, copies: Sequence[Copy]) -> None:
        lines = [_line(copy) for copy in copies]
        if self._backup is not None:
            _append(self._backup, lines)
        if self._key is not None:
            self._store.keep(self._sealed(lines))
        elif self._backup is None:
            _append(self._file, lines)

    def _sealed(self, contents: Iterable[str]) -> Mapping[str, bytes]:
        from crmsync.state.sealing import encrypt

        assert self._key is not None
        return {f"{self._name}/{next(self._numbers):06}": encrypt(each.encode(), self._key, PURPOSE) for each in contents}


def _append(path: Path, lines: Iterable[str]) -> None:
    try:
        append_private(path, "".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise Unusable(f"What is there now could not be kept in {path}, so it is not changed: {error.strerror}.") from error


def _line(copy: Copy) -> str:
    return json.dumps(
        {"address": str(copy.address), "id": copy.record_id, "body": json.loads(copy.body)}, ensure_ascii=False
    )


# Looking at what was kept.


def kept_copies(store: Store, environ: Mapping[str, str]) -> Iterator[KeptCopy]:
    """Yield the copies of deleted records beside the state, the oldest first. Raises Trouble where they do not open."""
    for name in store.kept():
        for line in _opened(store, name, environ) if _RUN.fullmatch(name.partition("/")[0]) else ():
            if "body" in line:
                yield _kept_copy(name.partition("/")[0], line)


class KeptRun(Struct, frozen=True):
    """What was kept of one run: what its writes replaced, in their order, and what it deleted."""

    run: str
    before: tuple[Before, ...]
    deleted: tuple[KeptCopy, ...]


def kept_runs(project: Project, store: Store) -> dict[str, str]:
    """Return the runs of which something is kept, the oldest first, and under which name; they are not opened for that."""
    names = {name.partition("/")[0] for name in store.kept()}
    names |= {path.stem for path in (project.private / "runs").glob("*.jsonl") if _OURS.fullmatch(path.name)}
    return {name.partition("-")[2]: name for name in sorted(names) if _RUN.fullmatch(name)}


def kept_run(project: Project, store: Store, run: str) -> KeptRun:
    """Return what was kept of *run*, beside the state or here; nothing where there is nothing. Raises Trouble."""
    name = kept_runs(project, store).get(run, "")
    lines = [line for each in store.kept() if each.startswith(f"{name}/") for line in _opened(store, each, project.environ)]
    path = project.private / "runs" / f"{name}.jsonl"
    if name and path.exists():
        lines += map(json.loads, path.read_text(encoding="utf-8").splitlines())
    deleted = tuple(_kept_copy(name, line) for line in lines if "body" in line)
    return KeptRun(run, tuple(read_before(line) for line in lines if "body" not in line), deleted)


def last_written(
    project: Project, store: Store, places: Collection[tuple[str, int, str]]
) -> dict[tuple[str, int, str], Value]:
    """
    Return what was last put into fields (type, id, field id), as far as the newest copies tell it.

    It is asked for to be shown: where copies do not open, and beyond `LOOKED_THROUGH` runs, there is nothing to show.
    """
    found: dict[Place, Value] = {}
    runs = list(kept_runs(project, store)) if places else []
    for run in runs[: -LOOKED_THROUGH - 1 : -1]:
        if len(found) == len(set(places)):
            break
        with suppress(Trouble, Unusable, ValueError, KeyError, TypeError):
            for before in reversed(kept_run(project, store, run).before):
                here = {(before.address.type, before.record_id, id): new for id, (_, new) in before.fields.items()}
                found = {place: here[place] for place in places if place in here} | found
    return found


def _opened(store: Store, name: str, environ: Mapping[str, str]) -> list[Any]:
    from crmsync.state.sealing import WrongKey, decrypt

    key = state_key(environ)
    if key is None:
        raise Trouble("The copies beside the state are sealed. Export the CRMSYNC_STATE_KEY that they were kept under.")
    try:
        return [json.loads(line) for line in decrypt(store.copy(name), key, PURPOSE).splitlines()]
    except WrongKey as error:
        raise Trouble(f"The copy {name} does not open. Export the CRMSYNC_STATE_KEY that it was kept under.") from error


def _kept_copy(run: str, line: Mapping[str, Any]) -> KeptCopy:
    return KeptCopy(run, line["address"], line["id"], line["body"])


# Dropping it.


def drop_old_copies(project: Project, store: Store, clock: Callable[[], float] = time.time) -> None:
    """Drop the copies that were kept long enough, and the oldest of those that are too much; where that fails, they stay."""
    keep_days, now = project.settings.keep_days, clock()
    with suppress(Unusable):
        if expired := _expired(store.kept(), keep_days, now):
            store.drop(expired)
    files = {path.name: path for path in sorted((project.private / "runs").glob("*")) if _OURS.fullmatch(path.name)}
    with suppress(OSError):
        for name in _expired({name: path.stat().st_size for name, path in files.items()}, keep_days, now):
            files[name].unlink()


def _expired(kept: Mapping[str, int], keep_days: int, now: float) -> list[str]:
    """Return the names of what was kept long enough, and of the oldest beyond what may be kept; *kept* tells sizes."""
    began = {name: at for name in kept if (at := _began_at(name)) is not None}
    excess = sum(kept.values()) - MOST_BYTES
    expired = []
    for name in sorted(began, key=lambda name: (began[name], name)):
        if now - began[name] <= keep_days * 86400 and excess <= 0:
            break
        expired.append(name)
        excess -= kept[name]
    return expired


def _began_at(name: str) -> float | None:
    """Return when what is kept under *name* was kept, in unix seconds; a name that tells no time is not ours to drop."""
    digits = re.sub(r"^decisions-(\d{8})-(\d{6})\.yaml$", r"\1T\2Z-", name)
    try:
        return datetime.strptime(digits.partition("-")[0], TIME).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
