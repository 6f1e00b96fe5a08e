"""
The state in one SQLite file: the engine for one machine, and the default.

Four tables. ``head`` is one row: lineage, digest key, position. ``segment`` is the log since the last compaction,
``snapshot`` what came before, ``lease`` who holds it; a fifth, ``copy``, is made with the first copy kept. An
append inserts the segment and moves the head from n to n + 1 in one transaction, so that of two writers exactly one
succeeds.

Rollback journal and ``synchronous=EXTRA``, because what was acknowledged has to survive a power cut; WAL would need a
shared memory file beside it. `sqlitefile` makes, opens and checks the file; here each row's checksum is compared, and
positions without a gap show that nothing is missing.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from crmsync.model.events import Event
from crmsync.model.state import Head, State
from crmsync.model.store import NO_COPIES, Holder, Locked, Lost, Tail, Unusable
from crmsync.state.codec import (
    DAMAGED,
    decode_events,
    decode_state,
    empty_state,
    empty_state_on_disk,
    encode_events,
    state_pieces,
)
from crmsync.state.compressing import compressed_pieces
from crmsync.state.fold import Known, extended, fold
from crmsync.state.lease import may_take, process_is_alive
from crmsync.state.ondisk import NoRoom
from crmsync.state.sqlitefile import (
    BUSY_SECONDS,
    COPIES,
    LAYOUT,
    build,
    checksum,
    naming,
    text_of_snapshot,
    write_snapshot,
)
from crmsync.state.transactions import Transactions


def open_sqlite(
    path: Path,
    lineage: str,
    *,
    create: bool,
    digest_key: bytes | None = None,
    seed: bytes | None = None,
    clock: Callable[[], float] = time.time,
    is_alive: Callable[[int], bool] = process_is_alive,
    busy_seconds: float = BUSY_SECONDS,
) -> SqliteStore:
    """
    Return the store in the file *path*, which belongs to *lineage*.

    A missing file is created, its folder with it, or with *create* false reads as empty for as long as it is missing.
    *digest_key* takes the place of the secret in the head; *seed* is the secret of a new one. Raises Unusable.
    """
    if create:
        with naming(path, busy_seconds):
            build(path, lineage, seed)
    store = SqliteStore(path, lineage, digest_key=digest_key, clock=clock, is_alive=is_alive, busy_seconds=busy_seconds)
    try:
        store.read_head()
    except Unusable:
        store.close()
        raise
    return store


#: Makes the state of a log of nothing.
Empty = Callable[[Head], State]


class SqliteStore:
    """The contract of `crmsync.model.store.Store` on one file; several threads may share it."""

    def __init__(
        self,
        path: Path,
        lineage: str,
        *,
        digest_key: bytes | None,
        clock: Callable[[], float],
        is_alive: Callable[[int], bool],
        busy_seconds: float,
    ) -> None:
        self._path = path
        self._empty = Head(lineage, digest_key or secrets.token_bytes(32))
        self._digest_key = digest_key
        self._clock = clock
        self._is_alive = is_alive
        self._file = Transactions(path, busy_seconds)
        self._known: State | Known | None = None
        self._known_mark: str | None = None

    def read(self) -> State:
        """Return the state at the head of the log. Raises Unusable."""
        with self._file.reading() as connection:
            self._known = None  # what it was made of may be large
            state = self._known = State(self._empty) if connection is None else self._state(connection)
            self._known_mark = None if connection is None else self._mark(connection, state.position)
            return state

    def read_head(self) -> Head:
        """Return whose log it is, without reading the log. Raises Unusable."""
        with self._file.reading() as connection:
            return self._empty if connection is None else self._head(connection)[0]

    def peek(self) -> tuple[Head, int]:
        """Return whose log it is and how long, without reading it. Raises Unusable."""
        with self._file.reading() as connection:
            return (self._empty, 0) if connection is None else self._head(connection)

    def events(self) -> Sequence[tuple[int, float, Event]]:
        """Return the events since the last compaction: position, time of appending (unix seconds), event."""
        with self._file.reading() as connection:
            segments = () if connection is None else self._segments(connection)
            return [(position, at, event) for position, at, events in segments for event in events]

    def mark(self, position: int) -> str | None:
        """Return what tells a log that reached *position* from every other: who wrote there, or what the snapshot holds."""
        with self._file.reading() as connection:
            return None if connection is None else self._mark(connection, position)

    def since(self, position: int, mark: str) -> Tail | None:
        """Return what came after *position*; None when the log is not that of *mark*, or was compacted. Raises Unusable."""
        with self._file.reading() as connection:
            if connection is None or self._mark(connection, position) != mark:
                return None
            head, end = self._head(connection)
            segments = list(self._segments(connection, position))
            if [each for each, _, _ in segments] != list(range(position + 1, end + 1)):
                raise Unusable(f"The log has a gap before position {end}. {DAMAGED}")
            events = tuple(event for _, _, events in segments for event in events)
            return Tail(head, end, self._mark(connection, end) or "", events)

    def append(self, position: int, events: Sequence[Event], copies: Mapping[str, bytes] = NO_COPIES) -> int:
        """Append *events* and keep *copies* if the log is still at *position*; return the new one. Raises Lost, Unusable."""
        text, writer, at = encode_events(events), secrets.token_hex(8), float(self._clock())
        row = (position + 1, at, text, writer, checksum(self._empty.lineage, position + 1, at, text, writer))

        def change(connection: sqlite3.Connection) -> None:
            known = self._known
            self._move_on_from(connection, position)
            if known is None or known.position != position:
                # The head moved in this transaction already; the segments still end at *position*.
                known = self._state(connection, position)
            grown.append(extended(known, events))
            connection.execute("INSERT INTO segment VALUES (?, ?, ?, ?, ?)", row)
            _keep(connection, copies)

        grown: list[Known] = []
        with self._file.lock:
            self._file.change(change, lambda connection: self._writer_of(connection, position + 1) == writer)
            self._known = grown[-1]
        return position + 1

    def compact(self, position: int) -> int:
        """Replace the events up to *position* by a snapshot, and return the new position. Raises Lost, Unusable."""
        with self._file.lock:
            known, self._known = self._known, None
            read = known if isinstance(known, State) and known.position == position else None

            def state(connection: sqlite3.Connection) -> State:
                """Return what was read just now, if the log is still the one that it was read from."""
                is_same = read is not None and self._mark(connection, position) == self._known_mark
                return read if read is not None and is_same else self._state(connection)

            return self._snapshot_at(position, state)

    def compact_overgrown(self, is_overgrown: Callable[[State], bool]) -> int:
        """Replace the log by a snapshot if the state *is overgrown*, and return the position. Raises Lost, Unusable."""
        with self._file.lock:
            self._known = None
            try:
                return self._compact_overgrown(is_overgrown, empty_state_on_disk)
            except NoRoom:
                return self._compact_overgrown(is_overgrown, empty_state)

    def _compact_overgrown(self, is_overgrown: Callable[[State], bool], empty: Empty) -> int:
        positions: list[int] = []

        def change(connection: sqlite3.Connection) -> None:
            state = self._state(connection, empty=empty)
            positions.append(state.position)
            if is_overgrown(state):
                positions.append(self._put_snapshot(connection, state))

        def is_done(connection: sqlite3.Connection) -> bool:
            return len(positions) == 1 or self._snapshot(connection, self._empty).position == positions[-1]

        self._file.change(change, is_done)
        return positions[-1]

    def replace(self, position: int, state: State) -> int:
        """Put *state* in the place of everything up to *position*, and return the new position. Raises Lost, Unusable."""
        with self._file.lock:
            self._known = None
            return self._snapshot_at(position, lambda _: state)

    def _snapshot_at(self, position: int, what: Callable[[sqlite3.Connection], State]) -> int:
        def change(connection: sqlite3.Connection) -> None:
            self._put_snapshot(connection, replace(what(connection), position=position))

        self._file.change(change, lambda connection: self._snapshot(connection, self._empty).position == position + 1)
        return position + 1

    def _put_snapshot(self, connection: sqlite3.Connection, state: State) -> int:
        """Put *state* in the place of everything up to its position, and return the new one. Raises Lost."""
        new = state.position + 1
        self._move_on_from(connection, state.position)
        pieces = (each.encode("ascii") for each in state_pieces(replace(state, position=new)))
        write_snapshot(connection, self._path, self._empty.lineage, compressed_pieces(pieces))
        connection.execute(f"PRAGMA user_version = {LAYOUT}")
        connection.execute("DELETE FROM segment")
        return new

    def acquire(self, holder: Holder, now: float) -> None:
        """Take the lease for *holder*; over one silent for 60 s, or whose process here is dead. Raises Locked."""
        with self._file.writing() as connection:
            current = _holder(connection)
            if current is not None and not may_take(current, holder, now, self._is_alive):
                raise Locked(current)
            row = (holder.nonce, holder.who, holder.host, holder.pid, holder.since, now)
            connection.execute("INSERT OR REPLACE INTO lease VALUES (1, ?, ?, ?, ?, ?, ?)", row)

    def renew(self, nonce: str, now: float) -> None:
        """Say that the holder is alive. Raises Lost when the lease was taken over."""
        with self._file.writing() as connection:
            if connection.execute("UPDATE lease SET renewed = ? WHERE nonce = ?", (now, nonce)).rowcount != 1:
                raise Lost

    def release(self, nonce: str) -> None:
        """Give the lease back, if it is still ours."""
        with self._file.writing() as connection:
            connection.execute("DELETE FROM lease WHERE nonce = ?", (nonce,))

    def holder(self) -> Holder | None:
        """Return who holds the lease."""
        with self._file.reading() as connection:
            return None if connection is None else _holder(connection)

    def break_lease(self) -> Holder | None:
        """Take the lease from whoever holds it and return them."""
        with self._file.writing() as connection:
            holder = _holder(connection)
            connection.execute("DELETE FROM lease")
        return holder

    def keep(self, copies: Mapping[str, bytes]) -> None:
        """Keep *copies*, sealed before, durably and by name. Raises Unusable, also for a name that is taken."""
        self._file.change(
            lambda connection: _keep(connection, copies),
            lambda connection: all(_copy(connection, each) == copies[each] for each in copies),
        )

    def kept(self) -> Mapping[str, int]:
        """Return the names of the kept copies with their sizes in bytes, in the order of the names."""
        with self._file.reading() as connection:
            if connection is None or not _has_copies(connection):
                return {}
            return dict(connection.execute("SELECT name, length(content) FROM copy ORDER BY name").fetchall())

    def copy(self, name: str) -> bytes:
        """Return one kept copy. Raises KeyError, Unusable."""
        with self._file.reading() as connection:
            content = None if connection is None else _copy(connection, name)
        if content is None:
            raise KeyError(name)
        return content

    def drop(self, names: Iterable[str]) -> None:
        """Keep these copies no longer; a name that is not there is fine."""
        with self._file.writing() as connection:
            if _has_copies(connection):
                connection.executemany("DELETE FROM copy WHERE name = ?", [(name,) for name in names])

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self._file.close()

    # What the rows say.

    def _head(self, connection: sqlite3.Connection) -> tuple[Head, int]:
        row = connection.execute("SELECT lineage, digest_key, position, digest FROM head").fetchone()
        if row is None or row[3] != checksum(*row[:3]):
            raise Unusable(f"Its head is damaged. {DAMAGED}")
        lineage, key, position, _ = row
        if lineage != self._empty.lineage:
            raise Unusable(
                f"It belongs to the project {lineage}, and this one is {self._empty.lineage}. "
                "Check `project` and `state` in crmsync.yaml, also in the profile."
            )
        return Head(lineage, self._digest_key or key), position

    def _state(self, connection: sqlite3.Connection, at: int | None = None, empty: Empty = empty_state) -> State:
        """Return the state that the rows tell, at the head or at an earlier position where they end."""
        head, position = self._head(connection)
        segments = ((each, events) for each, _, events in self._segments(connection))
        return fold(self._snapshot(connection, head, empty), segments, position if at is None else at)

    def _snapshot(self, connection: sqlite3.Connection, head: Head, empty: Empty = empty_state) -> State:
        row = connection.execute("SELECT state, digest FROM snapshot").fetchone()
        if row is None:
            return empty(head)
        return decode_state(text_of_snapshot(self._empty.lineage, *row), head, is_checked=True)

    def _segments(self, connection: sqlite3.Connection, after: int = 0) -> Iterator[tuple[int, float, tuple[Event, ...]]]:
        """Yield the segments after a position: where one begins, when it was appended, its events. Raises Unusable."""
        sql = "SELECT position, at, events, writer, digest FROM segment WHERE position > ? ORDER BY position"
        for position, at, text, writer, digest in connection.execute(sql, (after,)):
            if digest != checksum(self._empty.lineage, position, at, text, writer):
                raise Unusable(f"Its entry {position} is damaged. {DAMAGED}")
            yield position, at, decode_events(text)

    def _mark(self, connection: sqlite3.Connection, position: int) -> str | None:
        writer = self._writer_of(connection, position)
        if writer is not None:
            return writer
        first = connection.execute("SELECT min(position) FROM segment").fetchone()[0]
        at_snapshot = self._head(connection)[1] if first is None else first - 1
        row = connection.execute("SELECT digest FROM snapshot").fetchone() if position == at_snapshot else None
        return None if row is None else bytes(row[0]).hex()

    def _writer_of(self, connection: sqlite3.Connection, position: int) -> str | None:
        row = connection.execute("SELECT writer FROM segment WHERE position = ?", (position,)).fetchone()
        return None if row is None else str(row[0])

    def _move_on_from(self, connection: sqlite3.Connection, position: int) -> None:
        self._head(connection)
        row = connection.execute("SELECT lineage, digest_key FROM head WHERE position = ?", (position,)).fetchone()
        if row is None:
            raise Lost
        digest = checksum(*row, position + 1)
        connection.execute("UPDATE head SET position = ?, digest = ?", (position + 1, digest))


def _holder(connection: sqlite3.Connection) -> Holder | None:
    row = connection.execute("SELECT nonce, who, host, pid, since, renewed FROM lease").fetchone()
    return None if row is None else Holder(*row)


def _has_copies(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'copy'").fetchone() is not None


def _keep(connection: sqlite3.Connection, copies: Mapping[str, bytes]) -> None:
    if copies:
        connection.execute(COPIES)
    for name, content in copies.items():
        connection.execute("INSERT OR IGNORE INTO copy VALUES (?, ?)", (name, content))
        if _copy(connection, name) != content:
            raise Unusable(f"There is a copy {name} already.")


def _copy(connection: sqlite3.Connection, name: str) -> bytes | None:
    if not _has_copies(connection):
        return None
    row = connection.execute("SELECT content FROM copy WHERE name = ?", (name,)).fetchone()
    return None if row is None else bytes(row[0])
