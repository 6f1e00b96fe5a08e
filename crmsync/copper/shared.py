"""The log of recent requests that a pacer looks at: in memory, or in a small file that processes share under a lock."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, Protocol

try:
    import fcntl
except ImportError:  # Windows: each process paces itself
    fcntl = None  # type: ignore[assignment]


@dataclass(slots=True)
class Log:
    """
    When recent requests were answered, oldest first; which are under way, by token, and since when.

    *last_bulk* is when the last bulk call went out.
    """

    stamps: list[float] = field(default_factory=list)
    in_flight: dict[str, float] = field(default_factory=dict)
    last_bulk: float = -math.inf

    def tidy(self, now: float, window: float, patience: float) -> None:
        """Drop what is older than *window*; take requests older than *patience* as answered then."""
        for token, sent_at in list(self.in_flight.items()):
            if not 0 <= now - sent_at <= patience:
                self.stamps.append(sent_at + patience)
                del self.in_flight[token]
        # Times to come are from before the machine was started.
        self.stamps = sorted(stamp for stamp in self.stamps if 0 <= now - stamp < window)
        if self.last_bulk > now:
            self.last_bulk = -math.inf


class Shelf(Protocol):
    """Where a log is kept."""

    def open(self) -> AbstractContextManager[Log]:
        """Give the log to one user at a time, and keep what it changes."""


def shelf(path: Path | None) -> Shelf:
    """Return the shelf for *path*, or one in memory."""
    return MemoryShelf() if path is None or fcntl is None else FileShelf(path)


class MemoryShelf:
    """A log that the threads of one process share."""

    def __init__(self) -> None:
        self._log = Log()
        self._lock = Lock()

    @contextmanager
    def open(self) -> Iterator[Log]:
        """Give the log to one thread at a time."""
        with self._lock:
            yield self._log


class FileShelf:
    """A log that processes share. What is in the file only saves waiting: odd content counts as none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()

    @contextmanager
    def open(self) -> Iterator[Log]:
        """Give the log to one thread of one process at a time, and write it back."""
        with self._lock, self._locked() as file:
            log = _read(file.read())
            yield log
            file.seek(0)
            file.truncate()
            file.write(_written(log))

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # closing gives it back
            yield file


def _written(log: Log) -> bytes:
    last_bulk = None if log.last_bulk == -math.inf else log.last_bulk
    return json.dumps({"stamps": log.stamps, "in_flight": log.in_flight, "last_bulk": last_bulk}).encode()


def _read(text: bytes) -> Log:
    try:
        data: Any = json.loads(text)
        last_bulk = data["last_bulk"]
        return Log(
            [float(stamp) for stamp in data["stamps"]],
            {str(token): float(sent_at) for token, sent_at in data["in_flight"].items()},
            -math.inf if last_bulk is None else float(last_bulk),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return Log()
