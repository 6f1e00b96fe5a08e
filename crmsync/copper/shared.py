"""The log of recent requests that a pacer looks at: in memory, or in a small file that processes share under a lock."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, NamedTuple, Protocol

import msgspec
from msgspec import Struct, field
from msgspec.structs import asdict, astuple

from crmsync.copper.rhythm import Call, Rhythm

try:
    import fcntl
except ImportError:  # Windows: each process paces itself
    fcntl = None  # type: ignore[assignment] # mypy sees the module alone

#: Answers that came within so many seconds are kept as one, as of the last: a fast account must not make the log long.
TOGETHER = 0.05
#: From so many on, which no account of Copper's has in a minute, it is five times as many seconds.
MANY = 300
#: How many bulk calls are remembered: more than may go out in a second.
CALLS = 24


class Stamp(NamedTuple):
    """So many requests were answered between *first* and *at*, and count as of *at*."""

    at: float
    number: int
    first: float


class Slot(NamedTuple):
    """A request that is under way since *since*."""

    since: float
    is_bulk: bool = False


class Log(Struct):
    """
    When recent requests were answered, oldest first; which are under way, by token; and what was learnt from them.

    *calls* are the bulk calls answered last, without those refused. *last* and *last_bulk* are when one went out.
    *shrunk_to* is the limit that a 429 taught at *shrunk_at*; until *paused_until* nothing may go out.
    """

    stamps: list[Stamp] = field(default_factory=list)
    in_flight: dict[str, Slot] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    last: float = -math.inf
    last_bulk: float = -math.inf
    shrunk_to: float = math.inf
    shrunk_at: float = -math.inf
    paused_until: float = -math.inf
    rhythm: Rhythm = field(default_factory=Rhythm)

    @property
    def count(self) -> int:
        """How many requests take a place in the window: answered in it, or under way."""
        return sum(stamp.number for stamp in self.stamps) + len(self.in_flight)

    def tidy(self, now: float, window: float, patience: float) -> None:
        """Drop what is older than *window*; take requests older than *patience* as answered then."""
        # Times to come are from before the machine was started.
        if max(self.last, self.shrunk_at, *(stamp.at for stamp in self.stamps[-1:])) > now:
            self._start_anew()
        for token, slot in list(self.in_flight.items()):
            if now - slot.since > patience:
                over = slot.since + patience
                self.stamps = sorted([*self.stamps, Stamp(over, 1, over)])
                del self.in_flight[token]
        if self.stamps and now - self.stamps[0].at >= window:
            self.stamps = [stamp for stamp in self.stamps if now - stamp.at < window]

    def answered(self, now: float) -> None:
        """Note that a request was answered."""
        last = self.stamps[-1] if self.stamps else None
        together = TOGETHER if len(self.stamps) < MANY else 5 * TOGETHER
        if last is not None and now - last.first < together:
            self.stamps[-1] = Stamp(now, last.number + 1, last.first)
        else:
            self.stamps.append(Stamp(now, 1, now))

    def called(self, call: Call) -> None:
        """Note a bulk call that was answered."""
        self.calls = [*self.calls[1 - CALLS :], call]

    def _start_anew(self) -> None:
        for name, value in asdict(Log()).items():
            setattr(self, name, value)


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
    """
    A log that processes share. What is in the file only saves waiting: odd content counts as none.

    While nobody else writes there, the log that was written last is the one to go on with, and is not read again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._written: tuple[bytes, Log] | None = None

    @contextmanager
    def open(self) -> Iterator[Log]:
        """Give the log to one thread of one process at a time, and write it back."""
        with self._lock, self._locked() as file:
            text, written = file.read(), self._written
            log = written[1] if written is not None and written[0] == text else _read(text)
            self._written = None  # until what becomes of it is in the file
            yield log
            # To cut the file off first has the file system bring it to the disk at once, four milliseconds each time.
            text = _written(log).ljust(len(text))
            file.seek(0)
            file.write(text)
            self._written = text, log

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        try:
            handle = self._handle()
        except FileNotFoundError:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = self._handle()
        with os.fdopen(handle, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # closing gives it back
            yield file

    def _handle(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _written(log: Log) -> bytes:
    data = {name: getattr(log, name) for name in ("in_flight", "calls", *_TIMES)}
    rest = json.dumps({**data, "rhythm": astuple(log.rhythm)})  # infinity among it, which only this has
    return b"".join((b'{"stamps": ', _encode(log.stamps), b", ", rest[1:].encode()))


def _read(text: bytes) -> Log:
    try:
        data: Any = json.loads(text)
        return Log(
            sorted(Stamp(float(at), int(count), float(first)) for at, count, first in data["stamps"]),
            {str(token): Slot(float(since), bool(is_bulk)) for token, (since, is_bulk) in data["in_flight"].items()},
            [Call(float(sent), float(answered)) for sent, answered in data["calls"]],
            rhythm=Rhythm(*map(float, data["rhythm"])),
            **{name: float(data[name]) for name in _TIMES},
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return Log()


# A fast account has hundreds of stamps, which are written down twice for each request.
_encode = msgspec.json.Encoder().encode

_TIMES = ("last", "last_bulk", "shrunk_to", "shrunk_at", "paused_until")
