"""
Digests of whole files, each read once for all that a command asks of it, and not even that where it looks as it did.

How a file looks is what its folder says of it: which one it is, its size, when it was written and when anything about it
was changed. The last one nobody can set, neither an editor nor a copy that keeps dates: so what looks the same holds the
same, as git takes it, too. A file that was written just before it was read may be written again within the same tick of the
clock, and then look the same: it is not remembered. Nor is any on Windows, which does not say when something was changed, or
where files are dated by another clock than ours.

Other threads read and hash, which leaves the interpreter free: a command imports meanwhile what it needs, or asks Copper.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from crmsync.project.saving import read_remembered, write_remembered

#: What was written later than so long before it was read is read again: the clocks of file systems tick every two seconds.
SETTLED_SECONDS = 3.0
_FILE = "digests.json"
#: Each time one of them has the interpreter, others wait: so these are large, and most files are read at once.
_BLOCK_BYTES = 2**20
_THREADS = 2


class Look(NamedTuple):
    """How a file looks from outside; times are nanoseconds since 1970."""

    device: int
    inode: int
    size: int
    written: int
    changed: int


class Hashed(NamedTuple):
    """What is known of a file: the digest of its content, and how many bytes that has."""

    digest: bytes
    size: int


#: What is known of files by their paths, and how they looked when that was found out.
Known = Mapping[str, tuple[Look, Hashed]]


class Hashes:
    """
    The digests of files as they were when they were first asked for, or when this was made.

    What is remembered of them is in *cache*, a folder, and put there by `close`.
    """

    def __init__(self, cache: Path, paths: Iterable[Path] = (), known: Known | None = None) -> None:
        self._file = cache / _FILE
        self._known = _remembered(self._file) if known is None else known
        self._seen: dict[str, tuple[Look, Hashed]] = {}
        self._begun: dict[Path, Hashed | Future[Hashed]] = {path: self._begin(path) for path in paths}

    def of(self, path: Path) -> Hashed:
        """Return what is known of the file at *path*. Raises OSError."""
        if path not in self._begun:
            self._begun[path] = self._begin(path)
        found = self._begun[path]
        return found if isinstance(found, Hashed) else found.result()

    def now(self) -> Hashes:
        """Return the digests of files as they are now, read again where they do not look as they did."""
        self._remember()
        return Hashes(self._file.parent, known=self._known)

    def close(self) -> None:
        """Read no more, and remember what was read."""
        if "_pool" in vars(self):
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._remember()

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(_THREADS, "hashing")

    def _begin(self, path: Path) -> Hashed | Future[Hashed]:
        known = self._known.get(str(path))
        if known is None or known[0] != _look_at(path):
            return self._pool.submit(self._read, path)
        self._seen[str(path)] = known
        return known[1]

    def _read(self, path: Path) -> Hashed:
        look, found = _looked(path)
        if look is not None:
            self._seen[str(path)] = look, found
        return found

    def _remember(self) -> None:
        """Write what was seen, where that is not what is known; a command that had no cache makes none for this."""
        seen = dict(self._seen)
        if seen == self._known or not self._file.parent.is_dir():
            return
        began = time.time()
        write_remembered(self._file, {path: [*look, found.digest.hex()] for path, (look, found) in seen.items()})
        self._known = seen if self._is_of_our_time(began) else {}
        if not self._known:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)

    def _is_of_our_time(self, began: float) -> bool:
        """Say whether what was written since *began* is dated so: with another clock nobody knows what was just written."""
        try:
            return began - 1 <= self._file.stat().st_mtime <= time.time() + 1
        except OSError:
            return False


def hashed(path: Path) -> Hashed:
    """Read the file at *path*, in parts, for one of rows may be large. Raises OSError."""
    return _looked(path)[1]


def _looked(path: Path) -> tuple[Look | None, Hashed]:
    """Read the file at *path* and return how it looked, unless it could look the same and be another one."""
    began = time.time_ns()
    digest, size, block = sha256(), 0, bytearray(_BLOCK_BYTES)
    view = memoryview(block)
    with path.open("rb", buffering=0) as file:
        before = _look_of(os.fstat(file.fileno()))
        while count := file.readinto(block):
            digest.update(view[:count])
            size += count
        after = _look_of(os.fstat(file.fileno()))
    is_settled = began - max(after.written, after.changed) >= SETTLED_SECONDS * 1e9
    is_sure = os.name != "nt" and is_settled and before == after and size == after.size
    return (after if is_sure else None), Hashed(digest.digest(), size)


def _look_at(path: Path) -> Look | None:
    try:
        return _look_of(path.stat())
    except OSError:
        return None


def _look_of(found: os.stat_result) -> Look:
    return Look(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _remembered(file: Path) -> Known:
    """Return what was written down; nothing where another version wrote it."""
    data: Any = read_remembered(file)
    try:
        return {path: (Look(*look), Hashed(bytes.fromhex(digest), look[2])) for path, (*look, digest) in data.items()}
    except (AttributeError, TypeError, ValueError):
        return {}
