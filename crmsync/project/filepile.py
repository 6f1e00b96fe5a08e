"""A pile in a file, for what a large plan says: it is read seldom, one record after the other."""

from __future__ import annotations

import os
import weakref
from array import array
from collections import OrderedDict
from pathlib import Path
from tempfile import TemporaryFile

#: What is put aside stays in memory until there is so much of it.
_AT_ONCE_BYTES = 2**20
#: So much of the file is read at a time, and so many such parts are kept.
_BLOCK_BYTES, _BLOCKS = 2**16, 12


class FilePile:
    """
    A pile in a file in *folder*, or above while that is not there, that has no name, is private, and gone with the process.

    Where nothing can be written the rest stays in memory. Several threads may look at once; one puts.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ends = array("Q", [0])
        self._pending = bytearray()
        self._descriptor: int | None = None
        self._written = 0
        self._may_write = True
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def put(self, data: bytes) -> int:
        """Put *data* aside, and return the number by which it is found."""
        self._pending += data
        self._ends.append(self._ends[-1] + len(data))
        if len(self._pending) >= _AT_ONCE_BYTES and self._may_write:
            self._write()
        return len(self._ends) - 2

    def get(self, number: int) -> bytes:
        """Return what was put aside by *number*. Raises OSError."""
        start, end = self._ends[number], self._ends[number + 1]
        if start >= self._written:
            return bytes(self._pending[start - self._written : end - self._written])
        first, last = start // _BLOCK_BYTES, (end - 1) // _BLOCK_BYTES
        whole = self._block(first) if first == last else b"".join(map(self._block, range(first, last + 1)))
        return whole[start - first * _BLOCK_BYTES : end - first * _BLOCK_BYTES]

    def _block(self, number: int) -> bytes:
        """Return a part of what is in the file by now: mostly what is asked for next stands beside it."""
        found = self._blocks.get(number)
        if found is None:
            assert self._descriptor is not None
            start = number * _BLOCK_BYTES
            size = min(_BLOCK_BYTES, self._written - start)
            found = os.pread(self._descriptor, size, start)
            if len(found) < size:
                raise OSError("a temporary file of crmsync was cut off")
            if size == _BLOCK_BYTES:  # more may come to one that is not full
                self._blocks[number] = found
                if len(self._blocks) > _BLOCKS:
                    self._blocks.popitem(last=False)
        return found

    def _write(self) -> None:
        try:
            if self._descriptor is None:
                self._descriptor = self._opened()
            view, done = memoryview(self._pending), 0
            while done < len(view):
                done += os.pwrite(self._descriptor, view[done:], self._written + done)
        except OSError:
            self._may_write = False
            return
        self._written += done
        self._pending = bytearray()

    def _opened(self) -> int:
        folder = next(each for each in (self._folder, *self._folder.parents) if each.is_dir())
        file = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115, closed with this pile
        weakref.finalize(self, file.close)
        return file.fileno()
