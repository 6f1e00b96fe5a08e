"""
The file of a ledger: how its entries, its buckets and its head stand in SQLite, and how anything odd about them is noticed.

`crmsync.project.ledger` says what they are for.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any
from zlib import crc32

from msgspec import Struct
from msgspec.structs import asdict
from xxhash import xxh3_64_digest

from crmsync.model.address import Address
from crmsync.model.structs import Partly
from crmsync.plan.restriction import Touch

FORMAT = 5
BUSY_SECONDS = 5.0
#: A new ledger in which nothing was written for so long will not be finished.
LEFT_SECONDS = 3600.0
_TABLES = (
    "CREATE TABLE head (data TEXT NOT NULL, digest BLOB NOT NULL)",
    "CREATE TABLE bucket (number INTEGER PRIMARY KEY, data BLOB NOT NULL, digest BLOB NOT NULL)",
    "CREATE TABLE entry (number INTEGER PRIMARY KEY, address TEXT NOT NULL, id INTEGER, content BLOB NOT NULL, "
    "binding TEXT NOT NULL, standing INTEGER NOT NULL, touches BLOB NOT NULL, digest BLOB NOT NULL)",
    # Entries that follow upon each other from the number *first* on, as far as they have no row of their own.
    "CREATE TABLE part (first INTEGER PRIMARY KEY, columns BLOB NOT NULL, digest BLOB NOT NULL, bindings BLOB NOT NULL)",
)

INSERT = "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
PUT = INSERT.replace("INSERT", "INSERT OR REPLACE")
FIND = "SELECT number, address, id, content, binding, standing, touches, digest FROM entry WHERE number = ?"
INSERT_PART = "INSERT INTO part VALUES (?, ?, ?, ?)"
#: The part that has a number, if any has; and what stands in it.
PART_OF = "SELECT coalesce(max(first), 0) FROM part WHERE first <= ?"
FIND_PART = "SELECT columns, digest FROM part WHERE first = ?"
#: A bucket holds hashes, and below each the number of an entry.
SHIFT = 32
NUMBER = 2**32 - 1

#: How an entry stands that is settled: 1 is one that is there, 0 any other.
_SETTLED = 2

#: Touches of the ledger's own.
OPEN: Touch = ("open",)


class Worn(Exception):
    """The ledger cannot be used: damaged or of another version, and it is dropped; or busy, and it is left alone."""

    def __init__(self, reason: str, *, is_busy: bool = False) -> None:
        super().__init__(reason)
        self.is_busy = is_busy


class Entry(Struct, frozen=True):
    """
    What is known of one record that is declared or bound.

    *record_id* is None for one that is not bound. *content* is the digest of its body where nothing else tells that it
    changed. *binding* is as the state writes it down. One that is not settled is *open*: it is judged each time.
    *is_there*: it is declared, bound, and Copper has it, so that whoever names it names that record.
    """

    address: Address
    record_id: int | None
    content: bytes
    binding: str
    is_settled: bool
    is_there: bool
    touches: frozenset[Touch] | tuple[Touch, ...] = ()


class LedgerHead(Partly, frozen=True, eq=False):
    """
    What all entries were made with, and up to where files, state and mirror were seen; all of it JSON data.

    *inputs* is the digest of what makes every verdict void when it moves. *bound* counts the bound records of each type;
    *marks* says of each type up to where its mirror was seen, None where there is none. The *nonce* is not compared.
    """

    inputs: str
    lineage: str
    position: int
    state_mark: str
    account: int
    labels: str
    files: Mapping[str, str]
    marks: Mapping[str, Sequence[Any] | None]
    bound: Mapping[str, int]
    buckets: int = 1
    last: int = 0
    nonce: str = ""
    uncompared = frozenset({"nonce"})


def put_head(connection: sqlite3.Connection, head: LedgerHead) -> None:
    """Write down what all entries were made with."""
    data = json.dumps({**asdict(head), "nonce": token_hex(8)})
    connection.execute("DELETE FROM head")
    connection.execute("INSERT INTO head VALUES (?, ?)", (data, digest_of(data.encode())))


@contextmanager
def worn() -> Iterator[None]:
    """Turn whatever goes wrong with the file into Worn."""
    try:
        yield
    except (sqlite3.Error, OSError, ValueError, TypeError, OverflowError) as error:
        is_busy = getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        raise Worn(str(error), is_busy=is_busy) from error


def connect(path: Path, *, is_new: bool = False) -> sqlite3.Connection:
    """Open the file of a ledger, or make a new one, which nobody else sees yet. Raises Worn."""
    if is_new:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600))
    elif path.is_symlink():
        raise Worn("it is a link")
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        if is_new:
            connection.execute("PRAGMA page_size = 16384")  # bindings are longer than a small page has room for
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")  # it is synced as a whole, before it is called the ledger
            for table in _TABLES:
                connection.execute(table)
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        elif connection.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
            raise Worn("it is of another version")
    except BaseException:
        connection.close()
        raise
    return connection


def sweep(path: Path) -> None:
    """Delete what commands that were killed left beside *path*; while one is filled it is written every few seconds."""
    for left in path.parent.glob(f".{path.name}.*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFT_SECONDS:
                left.unlink()


def sync(path: Path) -> None:
    """Bring a file to the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def row_of(number: int, entry: Entry, hashes: list[int]) -> tuple[Any, ...]:
    """Return how *entry* is written down, which is found under *hashes*."""
    touches = array("I", hashes).tobytes()
    standing = _SETTLED if entry.is_settled else int(entry.is_there)
    values = (str(entry.address), entry.record_id, entry.content, entry.binding, standing, touches)
    return number, *values, digest_of_entry(number, *values)


def of_row(row: Sequence[Any]) -> tuple[Entry, array[int]]:
    """Return the entry that was written down so, without what it touches, and the hashes under which it is found."""
    *values, digest = row
    _, text, id, content, binding, standing, touches = values
    address = Address.parse(text)
    if digest != digest_of_entry(*values) or address is None:
        raise Worn("an entry is damaged")
    return Entry(address, id, content, binding, standing == _SETTLED, standing > 0), array("I", touches)


def digest_of_entry(
    number: int, address: str, id: int | None, content: bytes, binding: str, standing: int, touches: bytes
) -> bytes:
    """Return the checksum of an entry."""
    text = binding.encode("utf-8", "surrogatepass")
    head = f"{address} {id} {standing} {len(content)} {len(touches)} ".encode("utf-8", "surrogatepass")
    return digest_of(b"".join((head, content, touches, text)), number)


def digest_of(data: bytes, number: int = 0) -> bytes:
    """Return the checksum of *data* that have this *number*."""
    return xxh3_64_digest(data, number)


def hashes_of(entry: Entry, is_mirrored: bool) -> list[int]:
    """Return the hashes under which *entry* is found, whose type *is mirrored* or not."""
    touches = [touch_of_address(entry.address), *entry.touches]
    if entry.record_id is not None:
        touches.append(touch_of_id(entry.address.type, entry.record_id))
        touches += [] if is_mirrored else [touch_of_unmirrored(entry.address.type)]
    touches += [] if entry.is_settled else [OPEN]
    return sorted({*map(hash_of_touch, touches)})


def hash_of_touch(touch: Touch) -> int:
    """Return the hash under which those are found that touch this, and a few others."""
    return crc32("\0".join(touch).encode("utf-8", "surrogatepass"))


def hash_with(begun: int, word: str) -> int:
    """Return the hash of a touch of which *begun* is that with an empty last word, where *word* is the last one."""
    return crc32(word.encode("utf-8", "surrogatepass"), begun)


def touch_of_address(address: Address) -> Touch:
    """Return what the entry of an address touches."""
    return "called", address.type, address.key


def touch_of_id(type_name: str, id: int) -> Touch:
    """Return what the entry of a bound record touches."""
    return "bound", type_name, str(id)


def touch_of_unmirrored(type_name: str) -> Touch:
    """Return what every bound record touches whose type has no mirror."""
    return "unmirrored", type_name
