"""
Heaps: the bodies that were read with all of a type, as Copper wrote them, in a file beside the mirror.

A mirror's row says in which heap its body stands, and where. So a hundred thousand bodies are written once, as they come,
while the mirror itself is locked for nobody. A heap is private to its owner and never changed; the one that a new reading
makes takes the place of the old one together with its rows. What stands in it is believed as little as the mirror's rows:
each of them has a checksum of its body.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import randbits
from typing import BinaryIO

#: A heap to which nothing was written for so long, and which no row is about, will not be finished.
LEFT_SECONDS = 3600.0
#: No body is longer than the longest answer.
LONGEST_BODY = 64 * 2**20
_SUFFIX = ".bodies"


class NewHeap:
    """A heap that is being filled; *number* is its name, and it stays if it *is kept*."""

    def __init__(self, number: int, file: BinaryIO) -> None:
        self.number = number
        self.is_kept = False
        self._file = file
        self._end = 0

    def put(self, text: bytes) -> int:
        """Write a body down, and return where it stands."""
        place, self._end = self._end, self._end + len(text)
        self._file.write(text)
        return place

    def flush(self) -> None:
        """Have all that was put there in the file, for others to read."""
        self._file.flush()


class Heaps:
    """The heaps of the mirror at *path*; whatever is wrong with their files raises OSError or ValueError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: dict[int, BinaryIO] = {}

    def text(self, number: int, place: int, length: int) -> bytes:
        """Return what stands at a place of a heap."""
        if not 0 <= length <= LONGEST_BODY:
            raise ValueError("no body is so long")
        file = self._opened.get(number)
        if file is None:
            path = self._named(number)
            if path.is_symlink() or not path.is_file():
                raise ValueError("there is no such file")
            file = self._opened[number] = path.open("rb", buffering=0)
        file.seek(place)
        return file.read(length)

    @contextmanager
    def new(self) -> Iterator[NewHeap]:
        """Give a new heap, of which nothing is left at the end if it is not kept."""
        number = randbits(48)
        path = self._named(number)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        with os.fdopen(descriptor, "wb", buffering=2**20) as file:
            heap = NewHeap(number, file)
            try:
                yield heap
            finally:
                if not heap.is_kept:
                    with suppress(OSError):
                        path.unlink()

    def close(self) -> None:
        """Close the files."""
        for file in self._opened.values():
            file.close()
        self._opened.clear()

    def drop(self, number: int) -> None:
        """Delete a heap, as far as that goes."""
        with suppress(OSError):
            self._named(number).unlink(missing_ok=True)

    def drop_all(self) -> None:
        """Delete every heap, as far as that goes."""
        for path in self._all():
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def sweep(self, kept: Collection[int]) -> None:
        """Delete what commands that were killed left here, all but those that are *kept*."""
        names = {self._named(number).name for number in kept}
        for path in self._all():
            with suppress(OSError):
                if path.name not in names and time.time() - path.stat().st_mtime > LEFT_SECONDS:
                    path.unlink()

    def _all(self) -> list[Path]:
        return list(self._path.parent.glob(f"{self._path.name}-*{_SUFFIX}"))

    def _named(self, number: int) -> Path:
        return Path(f"{self._path}-{number:012x}{_SUFFIX}")
