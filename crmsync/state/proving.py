"""
The self-test of a place: does it refuse what crmsync relies on its refusing?

Not every store keeps what its protocol promises: some clones of S3 ignore If-None-Match, a git server may forbid what a
compaction needs. Trust would show only when two runs meet, as duplicates in Copper. So two writers are let loose on a state
of no use beside the real one, and the second must lose wherever it has to.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crmsync.model.events import RunEnded, RunStarted
from crmsync.model.store import Holder, Locked, Lost, Store, Unusable
from crmsync.state.medium import Unclear
from crmsync.state.places import is_local, medium_of, shown_place
from crmsync.state.shared import open_shared
from crmsync.state.sqlite import open_sqlite

_FIRST, _SECOND = RunStarted("probe-1", 0.0, 0), RunStarted("probe-2", 0.0, 0)


def prove(url: str, root: Path) -> None:
    """Try out the place that ``state:`` names, and leave nothing there. Raises Unusable when it breaks a promise."""
    with _scratch(url, root) as opened:
        first, second = opened(), opened()
        try:
            for promise in (_one_log, _one_entry, _compaction, _lease, _copies):
                problem = promise(first, second)
                if problem:
                    raise Unusable(
                        f"{shown_place(url)} is no place for a state: {problem}. "
                        "Two runs at once could create records twice. Keep the state elsewhere; see docs/state.md."
                    )
        finally:
            first.close()
            second.close()


def _one_log(first: Store, second: Store) -> str:
    is_one = first.read().head.digest_key == second.read().head.digest_key
    return "" if is_one else "it let one log be begun over another"


def _one_entry(first: Store, second: Store) -> str:
    first.append(0, [_FIRST])
    with suppress(Lost):
        second.append(0, [_SECOND])
        return "it took a second entry at the same position"
    told = [event for _, _, event in second.events()]
    return "" if told == [_FIRST] else "it does not show what was just written"


def _compaction(first: Store, second: Store) -> str:
    first.append(1, [RunEnded("probe-1", 0.0, {})])
    first.compact(2)
    with suppress(Lost):
        second.append(1, [_SECOND])
        return "it took an entry from a writer that had slept through a compaction"
    return "" if second.read().position == 3 else "it does not show a compaction"


def _lease(first: Store, second: Store) -> str:
    first.acquire(Holder("probe-1", "probe", "probe", 0, 0.0, 0.0), 0.0)
    try:
        second.acquire(Holder("probe-2", "probe", "probe", 0, 0.0, 0.0), 0.0)
    except Locked:
        first.release("probe-1")
        return ""
    return "it gave the lease to two"


def _copies(first: Store, second: Store) -> str:
    first.keep({"probe/1": b"first"})
    with suppress(Unusable):
        second.keep({"probe/1": b"second"})
        return "it replaced a copy"
    if second.copy("probe/1") != b"first":
        return "it does not show a copy"
    second.drop(["probe/1"])
    return "" if not first.kept() else "it does not remove a copy"


@contextmanager
def _scratch(url: str, root: Path) -> Iterator[Callable[[], Store]]:
    """Give a function that opens a state of no use in the same place, and remove it afterwards."""
    name = f"probe-{secrets.token_hex(4)}"
    if is_local(url):
        folder = next(each for each in (root / url).parents if each.is_dir())
        path = folder / f".{name}.db"
        try:
            yield lambda: open_sqlite(path, name, create=True)
        finally:
            for left in (path, path.with_name(f"{path.name}-journal")):
                left.unlink(missing_ok=True)
        return
    beside = _beside(url, name)
    try:
        yield lambda: open_shared(medium_of(beside, root, name), name, create=True)
    finally:
        medium = medium_of(beside, root, name)
        with suppress(Unusable, Unclear):  # what stays is of no use and in nobody's way
            medium.destroy()
        medium.close()


def _beside(url: str, name: str) -> str:
    """Return the address of a state beside that of *url*; in a database the lineage tells them apart."""
    scheme = url.partition(":")[0].lower()
    if scheme == "git":
        return f"{url}-{name}"
    return url if scheme.startswith("postgres") else f"{url.rstrip('/')}/{name}"
