"""
The mirror: what Copper last showed, so that a plan asks only for what changed since.

One SQLite file in the cache of a profile, private to its owner, thrown away whenever anything about it is odd. Every row
carries a checksum, and the head of a type their number and sum, so that a damaged file is noticed and never believed.
Records that are bound are kept whole; of the others only the id and the dates. What changed of those that are kept whole is
numbered, so that whoever remembers a number can ask what came after it.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex
from typing import Any

from crmsync.copper.rowtext import parse, text_of

FORMAT = 3
BUSY_SECONDS = 5.0
#: So many changes are remembered by their numbers; who comes later than that looks at everything.
KEPT_CHANGES = 100_000

_TABLES = (
    "CREATE TABLE head (type TEXT PRIMARY KEY, data TEXT NOT NULL, digest BLOB NOT NULL)",
    "CREATE TABLE record (type TEXT, id INTEGER, created INTEGER NOT NULL, modified INTEGER NOT NULL, "
    "content BLOB, digest INTEGER NOT NULL, body BLOB, PRIMARY KEY (type, id))",
    "CREATE INDEX by_creation ON record (type, created, id, digest)",
    "CREATE TABLE change (type TEXT, number INTEGER, id INTEGER NOT NULL, tag TEXT NOT NULL, digest INTEGER NOT NULL, "
    "PRIMARY KEY (type, number)) WITHOUT ROWID",
)
#: Bodies are longer than a small page has room for.
PAGES = "PRAGMA page_size = 16384"
_MASK = 2**63 - 1


class Stale(Exception):
    """The mirror cannot be used: damaged or of another version, and it is dropped; or busy, and it is left alone."""

    def __init__(self, reason: str, *, is_busy: bool = False) -> None:
        super().__init__(reason)
        self.is_busy = is_busy


@dataclass(frozen=True, slots=True)
class Head:
    """
    What the mirror knows of one type as a whole.

    *seen_until* is Copper's clock: everything modified before it is in the mirror. *read_at* is when all was read.
    *changes* counts how often a bound record was found changed, which numbers the changes; *audited* is the last id that
    an audit looked at. *count* and *total* are number and sum of the rows.
    """

    account: int
    seen_until: float
    read_at: float
    count: int = 0
    total: int = 0
    changes: int = 0
    audited: int = 0
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Up to where the changes of a type were seen: when all was read, the number of the last one, and its *tag*."""

    read_at: float
    changes: int
    tag: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the mirror knows of one record; *content* is the digest of its body, None where only dates are kept."""

    id: int
    created: int
    modified: int
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Row:
    """A record to keep; without the *text* of its body only its dates."""

    id: int
    created: int
    modified: int
    text: bytes | None = None


def content_digest(body: Mapping[str, Any]) -> bytes:
    """Return the digest by which a changed body is noticed."""
    return blake2b(text_of(body), digest_size=12).digest()


class Mirror:
    """One file; use it within `opened`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def opened(self) -> Iterator[Mirror]:
        """Open the file. Whatever is wrong with it raises Stale."""
        with _stale():
            self._connection = _connect(self._path)
        try:
            yield self
        finally:
            self._connection.close()
            self._connection = None

    def drop(self) -> None:
        """Delete the file, as far as that goes."""
        for path in (self._path, Path(f"{self._path}-journal")):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def head(self, type_name: str) -> Head | None:
        """Return what is known of a type as a whole; None when nothing is. Raises Stale."""
        with _stale():
            row = self._sql("SELECT data, digest FROM head WHERE type = ?", (type_name,)).fetchone()
            if row is None:
                return None
            if blake2b(f"{type_name} {row[0]}".encode(), digest_size=16).digest() != row[1]:
                raise Stale("its head is damaged")
            return Head(**json.loads(row[0]))

    def known(self, type_name: str, ids: Sequence[int]) -> dict[int, Known]:
        """Return what is known of *ids*, those that are. Raises Stale."""
        found = {}
        with _stale():
            for id in ids:
                row = self._sql(f"SELECT {_COLUMNS} FROM record WHERE type = ? AND id = ?", (type_name, id)).fetchone()
                if row is not None:
                    found[id] = _checked(type_name, row)
        return found

    def bodies(self, type_name: str, ids: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Return the bodies of *ids*, as far as they are kept. Raises Stale."""
        with _stale():
            return {id: parse(text) for id, text in self.texts(type_name, ids).items()}

    def texts(self, type_name: str, ids: Iterable[int]) -> dict[int, bytes]:
        """Return the bodies of *ids* as their texts, as far as they are kept. Raises Stale."""
        found = {}
        with _stale():
            for id in ids:
                row = self._sql(_FIND, (type_name, id)).fetchone()
                if row is not None:
                    found[id] = _text(_checked(type_name, row[:-1]), row[-1])
        return found

    def in_order(self, type_name: str, head: Head) -> list[int]:
        """Return the ids of all records in the order of their creation. Raises Stale when some are missing."""
        with _stale():
            sql = "SELECT id, digest FROM record WHERE type = ? ORDER BY created, id"
            rows = self._sql(sql, (type_name,)).fetchall()
        if len(rows) != head.count or sum(digest for _, digest in rows) & _MASK != head.total:
            raise Stale("rows are missing")
        return [id for id, _ in rows]

    def kept_after(self, type_name: str, id: int, limit: int) -> list[int]:
        """Return the next bound ids after *id*, from the beginning again after the last. Raises Stale."""
        with _stale():
            sql = "SELECT id FROM record WHERE type = ? AND id > ? AND content IS NOT NULL ORDER BY id LIMIT ?"
            return [row[0] for row in self._sql(sql, (type_name, id, limit))]

    def kept(self, type_name: str) -> frozenset[int]:
        """Return the bound records of a type. Raises Stale."""
        with _stale():
            sql = "SELECT id FROM record WHERE type = ? AND content IS NOT NULL"
            return frozenset(row[0] for row in self._sql(sql, (type_name,)))

    def naming(self, type_name: str, key: str, id: int) -> list[int]:
        """Return the bound records whose bodies have *id* under *key*. Raises Stale."""
        with _stale():
            sql = "SELECT id FROM record WHERE type = ? AND body IS NOT NULL AND instr(body, ?)"
            return [row[0] for row in self._sql(sql, (type_name, f'"{key}":{id},'.encode()))]

    def mark(self, type_name: str, head: Head) -> Mark:
        """Return from where on `changed` is to be asked next time, if what *head* tells has been seen. Raises Stale."""
        with _stale():
            sql = "SELECT tag FROM change WHERE type = ? AND number = ?"
            row = self._sql(sql, (type_name, head.changes)).fetchone()
        if row is None and head.changes:
            raise Stale("changes are missing")
        return Mark(head.read_at, head.changes, "" if row is None else str(row[0]))

    def changed(self, type_name: str, head: Head, mark: Mark) -> frozenset[int] | None:
        """Return the bound records that changed since *mark*; None when nobody knows any more. Raises Stale."""
        if head.read_at != mark.read_at or not head.changes - KEPT_CHANGES < mark.changes <= head.changes:
            return None
        with _stale():
            sql = "SELECT number, id, tag, digest FROM change WHERE type = ? AND number >= ? ORDER BY number"
            rows = self._sql(sql, (type_name, mark.changes)).fetchall()
        if [row[0] for row in rows] != list(range(max(mark.changes, 1), head.changes + 1)):
            raise Stale("changes are missing")
        if any(row[-1] != _change_digest(type_name, *row[:-1]) for row in rows):
            raise Stale("a change is damaged")
        if mark.changes and rows[0][2] != mark.tag:
            return None  # a copy of the mirror was put back, and grew again
        return frozenset(id for number, id, _, _ in rows if number > mark.changes)

    def last(self, type_name: str, limit: int) -> list[int]:
        """Return the ids of the records created last, oldest first. Raises Stale."""
        with _stale():
            sql = "SELECT id FROM record WHERE type = ? ORDER BY created DESC, id DESC LIMIT ?"
            return [row[0] for row in self._sql(sql, (type_name, limit))][::-1]

    def fill(self, type_name: str, head: Head, rows: Iterable[Row]) -> Head:
        """
        Keep *rows* and nothing else of a type, and return the head as it is kept. Raises Stale.

        Nothing is locked while the rows come, which takes Copper minutes: they wait in a file of their own.
        """
        with _stale(), self._beside() as beside:
            sums = _Sums()
            beside.executemany(_WAIT, sums.counted(_row(type_name, row) for row in rows))
            beside.execute("COMMIT")
            with self._through(beside), self._writing():
                self._sql("DELETE FROM record WHERE type = ?", (type_name,))
                self._sql("DELETE FROM change WHERE type = ?", (type_name,))
                self._sql("INSERT INTO record SELECT * FROM waiting")
                return self._add(type_name, replace(head, count=sums.count, total=sums.total, changes=0), ())

    @contextmanager
    def _through(self, beside: sqlite3.Connection) -> Iterator[None]:
        """Let *beside* do it, which has both files: it copies a hundred thousand rows in one statement."""
        own, self._connection = self._connection, beside
        try:
            yield
        finally:
            self._connection = own

    @contextmanager
    def _beside(self) -> Iterator[sqlite3.Connection]:
        """Open an empty file beside this one, as private, in one transaction; it is gone at the end."""
        path = Path(f"{self._path}-{token_hex(4)}")
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600))
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            connection.execute(PAGES)
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("CREATE TABLE waiting (type, id, created, modified, content, digest, body)")
            connection.execute("ATTACH ? AS mirror", (str(self._path),))
            connection.execute("PRAGMA mirror.synchronous = OFF")
            with suppress(OSError):  # where open files can be deleted, none is left by a command that is killed
                path.unlink()
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.close()
            path.unlink(missing_ok=True)

    def update(self, type_name: str, head: Head, rows: Sequence[Row], gone: Iterable[int] = ()) -> Head | None:
        """
        Keep *rows*, forget *gone*, and return the head as it is kept. Raises Stale.

        None, and nothing is kept, when another command changed the type since *head* was looked at.
        """
        with _stale(), self._writing():
            now = self.head(type_name)
            if now is None or now.nonce != head.nonce:
                return None
            count, total, changed = head.count, head.total, [row.id for row in rows if row.text is not None]
            for id in (*(row.id for row in rows), *gone):
                sql = "SELECT digest, content IS NOT NULL FROM record WHERE type = ? AND id = ?"
                for digest, is_kept in self._sql(sql, (type_name, id)).fetchall():
                    count, total = count - 1, total - digest
                    changed += [id] if is_kept else []
                    self._sql("DELETE FROM record WHERE type = ? AND id = ?", (type_name, id))
            changes = self._number(type_name, head.changes, dict.fromkeys(changed))
            return self._add(type_name, replace(head, count=count, total=total, changes=changes), rows)

    def _number(self, type_name: str, changes: int, ids: Iterable[int]) -> int:
        """Number the changes of *ids*, and return the last number."""
        tag = token_hex(8)
        for id in ids:
            changes += 1
            row = (type_name, changes, id, tag, _change_digest(type_name, changes, id, tag))
            self._sql("INSERT INTO change VALUES (?, ?, ?, ?, ?)", row)
        self._sql("DELETE FROM change WHERE type = ? AND number <= ?", (type_name, changes - KEPT_CHANGES))
        return changes

    def _add(self, type_name: str, head: Head, rows: Iterable[Row]) -> Head:
        assert self._connection is not None
        sums = _Sums(head.count, head.total)
        self._connection.executemany(_INSERT, sums.counted(_row(type_name, row) for row in rows))
        kept = replace(head, count=sums.count, total=sums.total & _MASK, nonce=token_hex(8))
        self._put_head(type_name, kept)
        return kept

    def _put_head(self, type_name: str, head: Head) -> None:
        data = json.dumps(asdict(head))
        digest = blake2b(f"{type_name} {data}".encode(), digest_size=16).digest()
        self._sql("INSERT OR REPLACE INTO head VALUES (?, ?, ?)", (type_name, data, digest))

    def _sql(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        assert self._connection is not None, "the mirror is open"
        return self._connection.execute(sql, values)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._sql("BEGIN IMMEDIATE")
        try:
            yield
            self._sql("COMMIT")
        finally:
            if self._connection is not None and self._connection.in_transaction:
                self._sql("ROLLBACK")


_INSERT = "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?)"
_WAIT = "INSERT INTO waiting VALUES (?, ?, ?, ?, ?, ?, ?)"
_AT_DIGEST = 5
_COLUMNS = "id, created, modified, content, digest"
_FIND = f"SELECT {_COLUMNS}, body FROM record WHERE type = ? AND id = ? AND body IS NOT NULL"


@dataclass
class _Sums:
    """Number and sum of rows, while they go by."""

    count: int = 0
    total: int = 0

    def counted(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """Yield *rows*, and count them."""
        for values in rows:
            self.count, self.total = self.count + 1, self.total + values[_AT_DIGEST]
            yield values


@contextmanager
def _stale() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, ValueError, TypeError, OverflowError) as error:
        is_busy = getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        raise Stale(str(error), is_busy=is_busy) from error


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = OFF")  # what a power cut tears is noticed, and read again
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, FORMAT):
            raise Stale("it is of another version")
        if version == 0:
            connection.execute(PAGES)
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                for table in _TABLES:
                    connection.execute(table)
                connection.execute(f"PRAGMA user_version = {FORMAT}")
            connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _row(type_name: str, row: Row) -> tuple[Any, ...]:
    content = None if row.text is None else blake2b(row.text, digest_size=12).digest()
    digest = _digest(type_name, row.id, row.created, row.modified, content)
    return type_name, row.id, row.created, row.modified, content, digest, row.text


def _checked(type_name: str, row: Sequence[Any]) -> Known:
    id, created, modified, content, digest = row
    if not isinstance(content, bytes | None) or digest != _digest(type_name, id, created, modified, content):
        raise Stale(f"the row of {type_name} {id} is damaged")
    return Known(id, created, modified, content)


def _digest(type_name: str, id: int, created: int, modified: int, content: bytes | None) -> int:
    text = f"{type_name} {id} {created} {modified} {'' if content is None else content.hex()}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") & _MASK


def _change_digest(type_name: str, number: int, id: int, tag: str) -> int:
    return int.from_bytes(blake2b(f"{type_name} {number} {id} {tag}".encode(), digest_size=8).digest(), "big") & _MASK


def _text(known: Known, text: bytes) -> bytes:
    if blake2b(text, digest_size=12).digest() != known.content:
        raise Stale(f"the body of {known.id} is damaged")
    return text
