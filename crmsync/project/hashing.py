"""
Digests of whole files, each read once for all that a command asks of it.

Other threads read and hash, which leaves the interpreter free: a command imports meanwhile what it needs, or asks Copper.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

#: Each time one of them has the interpreter, others wait: so these are large, and most files are read at once.
_BLOCK_BYTES = 2**20
_THREADS = 2


class Hashed(NamedTuple):
    """What is known of a file: the digest of its content, and how many bytes that has."""

    digest: bytes
    size: int


class Hashes:
    """The digests of files as they were when they were first asked for, or when this was made."""

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, "hashing")
        self._begun: dict[Path, Future[Hashed]] = {path: self._pool.submit(hashed, path) for path in paths}

    def of(self, path: Path) -> Hashed:
        """Return what is known of the file at *path*. Raises OSError."""
        if path not in self._begun:
            self._begun[path] = self._pool.submit(hashed, path)
        return self._begun[path].result()

    def close(self) -> None:
        """Read no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def hashed(path: Path) -> Hashed:
    """Read the file at *path*, in parts, for one of rows may be large. Raises OSError."""
    digest, size, block = sha256(), 0, bytearray(_BLOCK_BYTES)
    view = memoryview(block)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(block):
            digest.update(view[:count])
            size += count
    return Hashed(digest.digest(), size)
