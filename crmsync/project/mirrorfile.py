"""
The file of a mirror: how records, heads and changes stand in SQLite, and how anything odd about them is noticed.

`crmsync.project.mirror` says what they are for.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple

from msgspec import Struct

from crmsync.copper.rowtext import text_of
from crmsync.project.heap import NewHeap

FORMAT = 5
BUSY_SECONDS = 5.0
_TABLES = (
    "CREATE TABLE head (type TEXT PRIMARY KEY, data TEXT NOT NULL, digest BLOB NOT NULL)",
    "CREATE TABLE record (type TEXT, id INTEGER, created INTEGER NOT NULL, modified INTEGER NOT NULL, "
    "content BLOB, digest INTEGER NOT NULL, body BLOB, heap INTEGER, place INTEGER, length INTEGER, PRIMARY KEY (type, id))",
    "CREATE INDEX by_creation ON record (type, created, id, digest)",
    "CREATE TABLE change (type TEXT, number INTEGER, id INTEGER NOT NULL, tag TEXT NOT NULL, digest INTEGER NOT NULL, "
    "PRIMARY KEY (type, number)) WITHOUT ROWID",
)
#: Bodies are longer than a small page has room for.
PAGES = "PRAGMA page_size = 16384"
MASK = 2**63 - 1


class Stale(Exception):
    """The mirror cannot be used: damaged or of another version, and it is dropped; or busy, and it is left alone."""

    def __init__(self, reason: str, *, is_busy: bool = False) -> None:
        super().__init__(reason)
        self.is_busy = is_busy


class Head(Struct, frozen=True):
    """
    What the mirror knows of one type as a whole.

    *seen_until* is Copper's clock: everything modified before it is in the mirror. *read_at* is when all was read.
    *changes* counts how often a bound record was found changed, which numbers the changes; *audited* is the last id that
    an audit looked at. *count* and *total* are number and sum of the rows; *heap* has the bodies that came with all.
    """

    account: int
    seen_until: float
    read_at: float
    count: int = 0
    total: int = 0
    changes: int = 0
    audited: int = 0
    heap: int = 0
    nonce: str = ""


class Mark(Struct, frozen=True):
    """Up to where the changes of a type were seen: when all was read, the number of the last one, and its *tag*."""

    read_at: float
    changes: int
    tag: str


class Known(Struct, frozen=True):
    """What the mirror knows of one record; *content* is the digest of its text, None where only dates are kept."""

    id: int
    created: int
    modified: int
    content: bytes | None


class Row(NamedTuple):
    """A record to keep; without the *text* of its body, as Copper wrote it or as it always is, only its dates."""

    id: int
    created: int
    modified: int
    text: bytes | None = None


def content_digest(body: Mapping[str, Any]) -> bytes:
    """Return the digest by which a changed body is noticed."""
    return digest_of_text(text_of(body))


def digest_of_text(text: bytes) -> bytes:
    """Return the digest by which the text of a record is known."""
    return blake2b(text, digest_size=12).digest()


INSERT = "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
WAIT = INSERT.replace("record", "waiting")
AT_DIGEST = 5
#: What is known of a record, so many columns; and where its text stands, in the row or in a heap.
COLUMNS = "id, created, modified, content, digest"
KNOWN = 5
BODY = "body, heap, place, length"
#: Of a record that is kept whole.
IS_WHOLE = "AND content IS NOT NULL"


@contextmanager
def stale() -> Iterator[None]:
    """Turn whatever goes wrong with the file into Stale."""
    try:
        yield
    except (sqlite3.Error, OSError, ValueError, TypeError, OverflowError) as error:
        is_busy = getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        raise Stale(str(error), is_busy=is_busy) from error


def connect(path: Path) -> sqlite3.Connection:
    """Open the file of a mirror, or make an empty one. Raises Stale."""
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


def row_of_file(type_name: str, row: Row, heap: NewHeap | None = None) -> tuple[Any, ...]:
    """Return how *row* is written down, with its text in itself or in a heap."""
    id, created, modified, text = row
    content = None if text is None else digest_of_text(text)
    digest = digest_of(type_name, id, created, modified, content)
    if text is None or heap is None:
        return type_name, id, created, modified, content, digest, text, None, None, None
    return type_name, id, created, modified, content, digest, None, heap.number, heap.put(text), len(text)


def checked(type_name: str, row: Sequence[Any]) -> Known:
    """Return what the columns of a row say. Raises Stale."""
    id, created, modified, content, digest = row
    if not isinstance(content, bytes | None) or digest != digest_of(type_name, id, created, modified, content):
        raise Stale(f"the row of {type_name} {id} is damaged")
    return Known(id, created, modified, content)


def digest_of(type_name: str, id: int, created: int, modified: int, content: bytes | None) -> int:
    """Return the checksum of a row, a number to be summed up."""
    data = b"%b %d %d %d %b" % (type_name.encode(), id, created, modified, content or b"")
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big") & MASK


def digest_of_change(type_name: str, number: int, id: int, tag: str) -> int:
    """Return the checksum of a change."""
    return int.from_bytes(blake2b(f"{type_name} {number} {id} {tag}".encode(), digest_size=8).digest(), "big") & MASK


def checked_text(known: Known, text: bytes) -> bytes:
    """Return the text of a record if it is the one that was kept. Raises Stale."""
    if digest_of_text(text) != known.content:
        raise Stale(f"the body of {known.id} is damaged")
    return text


@contextmanager
def beside(own: Path) -> Iterator[sqlite3.Connection]:
    """Open an empty file beside that of a mirror, as private, in one transaction; it is gone at the end."""
    path = Path(f"{own}-{token_hex(4)}")
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600))
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute(PAGES)
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"CREATE TABLE waiting (type, {COLUMNS}, {BODY})")
        connection.execute("ATTACH ? AS mirror", (str(own),))
        connection.execute("PRAGMA mirror.synchronous = OFF")
        with suppress(OSError):  # where open files can be deleted, none is left by a command that is killed
            path.unlink()
        connection.execute("BEGIN")
        yield connection
    finally:
        connection.close()
        path.unlink(missing_ok=True)
