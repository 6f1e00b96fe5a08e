"""
The memory of a sandbox started with `data=PATH`: one JSON line for each executed write.

A line holds the changes of one request and is flushed before the reply goes out, so that a killed process
loses nothing it confirmed; a line cut off by the kill was not confirmed and is dropped. Starting replays the
file and, when it has grown past what it describes, rewrites it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import simplejson

from crmsync.sandbox.replies import Json, dump
from crmsync.sandbox.store import Store

FORMAT = 1


class JournalError(ValueError):
    """The file is not the memory of this account's sandbox."""


class Journal:
    """Appends changes to a file and replays them."""

    def __init__(self, path: Path, account_id: int) -> None:
        self._path = path
        self._header = {"crmsync_sandbox": FORMAT, "account": account_id}
        self._file: BinaryIO | None = None

    def open(self, store: Store) -> bool:
        """Replay the file into the empty *store*; return False if there was nothing yet."""
        lines, length = self._lines()
        if lines and lines[0] != self._header:
            raise JournalError(
                f"{self._path} is not the data of a sandbox of account {self._header['account']}. "
                "Give another file, or remove it to start anew."
            )
        changes = [change for line in lines[1:] for change in line]
        for change in changes:
            store.replay(change)
        present = sum(1 for _ in store.snapshot())
        if not lines or len(changes) > 2 * present + 1000:
            self._rewrite(store)
        else:
            os.truncate(self._path, length)
        self._file = self._path.open("ab")
        return bool(lines)

    def append(self, changes: Iterable[Json]) -> None:
        """Write the changes of one request as one line."""
        assert self._file is not None
        self._file.write(dump(list(changes)) + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _lines(self) -> tuple[list[Json], int]:
        """Return the whole lines of the file and their length in bytes."""
        raw = self._path.read_bytes() if self._path.exists() else b""
        whole = raw[: raw.rfind(b"\n") + 1]
        try:
            lines = [simplejson.loads(line, use_decimal=True) for line in whole.splitlines()]
        except ValueError as error:
            raise JournalError(f"{self._path} cannot be read: it holds something else than JSON lines.") from error
        return lines, len(whole)

    def _rewrite(self, store: Store) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(f"{self._path.name}.new")
        with fresh.open("wb") as file:
            file.write(dump(self._header) + b"\n")
            for change in store.snapshot():
                file.write(dump([change]) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
