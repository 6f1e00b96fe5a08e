"""
Transactions on the file of an SQLite state: one moment of it to read, all of it to change, and what is told of either.

The file is opened when it is needed. One that was replaced meanwhile is not written to, and of a commit whose end is not
known the file itself tells, read anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock

from crmsync.model.store import Unusable
from crmsync.state.sqlitefile import connect, explained, is_there, naming


class Unclear(Unusable):
    """The end of a transaction is not known; reading back tells."""


class Transactions:
    """Those on the file at *path*, one at a time: *lock* is held by the thread that is at it. All raise Unusable."""

    def __init__(self, path: Path, busy_seconds: float) -> None:
        self.lock = RLock()
        self._path = path
        self._busy_seconds = busy_seconds
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    def close(self) -> None:
        """Close the file; the next transaction opens it again."""
        with self.lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def change(self, change: Callable[[sqlite3.Connection], None], is_done: Callable[[sqlite3.Connection], bool]) -> None:
        """Bring *change* about in one transaction; where its end is unclear, ask *is_done* on a new connection."""
        try:
            with self.writing() as connection:
                change(connection)
        except Unclear as unclear:
            self.close()
            with self.reading() as fresh:
                is_written = fresh is not None and is_done(fresh)
            if not is_written:
                raise Unusable(str(unclear)) from unclear

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """Give a connection that sees one moment of the file, or None while there is no file."""
        with self.lock, naming(self._path, self._busy_seconds):
            connection = self._opened()
            if connection is None:
                yield None
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                _roll_back(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that holds the file for itself, and commit at the end."""
        with self.lock, naming(self._path, self._busy_seconds):
            connection = self._opened()
            if connection is None:
                raise Unusable("It does not exist, and this command creates none. Run: crmsync apply")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                self._commit(connection)
            finally:
                _roll_back(connection)

    def _commit(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise Unclear(explained(error, self._busy_seconds)) from error

    def _opened(self) -> sqlite3.Connection | None:
        if self._connection is None and is_there(self._path):
            self._inode = self._path.stat().st_ino
            self._connection = connect(self._path, self._busy_seconds)
        elif self._connection is not None and (not is_there(self._path) or self._path.stat().st_ino != self._inode):
            # What is written to a deleted file is gone with the process, acknowledged or not.
            raise Unusable("It was moved away or replaced while in use. Put it back and run again.")
        return self._connection


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
