"""
The ledger: what the last plans found of each record, so that the next one judges only what moved.

One SQLite file in the cache of a profile, private to its owner, thrown away whenever anything about it is odd. It says up to
where files, state and mirror were seen, and what was true then; whoever uses it asks each of them what came after.

An entry is found by what it touches (`crmsync.plan.restriction`), through buckets of short hashes: what is found too often
does no harm, and a checksum over each bucket and each entry, all of which must be there, keeps anything from being missed. A
new ledger takes the place of the old one as a whole; additions are synced, so that none is seen in part.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple
from zlib import crc32

from crmsync.model.address import Address
from crmsync.plan.restriction import Touch

FORMAT = 3
BUSY_SECONDS = 5.0
#: A new ledger in which nothing was written for so long will not be finished.
LEFT_SECONDS = 3600.0
#: So many entries of a bucket are looked through for one.
BUCKET_SIZE = 64

_TABLES = (
    "CREATE TABLE head (data TEXT NOT NULL, digest BLOB NOT NULL)",
    "CREATE TABLE bucket (number INTEGER PRIMARY KEY, data BLOB NOT NULL, digest BLOB NOT NULL)",
    "CREATE TABLE entry (number INTEGER PRIMARY KEY, address TEXT NOT NULL, id INTEGER, content BLOB NOT NULL, "
    "binding TEXT NOT NULL, standing INTEGER NOT NULL, touches BLOB NOT NULL, digest BLOB NOT NULL)",
)

#: Touches of the ledger's own.
OPEN: Touch = ("open",)


class Worn(Exception):
    """The ledger cannot be used: damaged or of another version, and it is dropped; or busy, and it is left alone."""

    def __init__(self, reason: str, *, is_busy: bool = False) -> None:
        super().__init__(reason)
        self.is_busy = is_busy


@dataclass(frozen=True, slots=True)
class Entry:
    """
    What is known of one record that is declared or bound.

    *record_id* is None for one that is not bound. *content* is the digest of its body where nothing else tells that it
    changed. *binding* is as the state writes it down. One that is not settled is *open*: it is judged each time.
    *is_there*: it is declared, bound, and Copper has it, so that whoever names it names that record. *hashes* are those
    of further touches.
    """

    address: Address
    record_id: int | None
    content: bytes
    binding: str
    is_settled: bool
    is_there: bool
    touches: frozenset[Touch] | tuple[Touch, ...] = ()
    hashes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class LedgerHead:
    """
    What all entries were made with, and up to where files, state and mirror were seen; all of it JSON data.

    *inputs* is the digest of what makes every verdict void when it moves. *bound* counts the bound records of each type;
    *marks* says of each type up to where its mirror was seen, None where there is none.
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
    nonce: str = field(default="", compare=False)


class Ledger:
    """One file; use it within `opened`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._buckets: dict[int, list[int]] = {}
        self._found: dict[int, _Found] = {}
        self._count = 1

    @contextmanager
    def opened(self) -> Iterator[Ledger]:
        """Open the file. Whatever is wrong with it raises Worn."""
        with _worn():
            self._connection = _connect(self._path)
            self._connection.execute("BEGIN")
        self._buckets, self._found = {}, {}
        try:
            yield self
        finally:
            self._connection.close()
            self._connection = None

    @property
    def is_there(self) -> bool:
        """Whether there is a ledger at all."""
        return self._path.is_file()

    def drop(self) -> None:
        """Delete the file, as far as that goes."""
        for path in (self._path, Path(f"{self._path}-journal")):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    # What it says

    def head(self) -> LedgerHead:
        """Return what all entries were made with. Raises Worn."""
        with _worn():
            data, digest = self._sql("SELECT data, digest FROM head").fetchone() or ("", b"")
            if digest != _digest(data):
                raise Worn("its head is damaged")
            head = LedgerHead(**json.loads(data))
        self._count = head.buckets
        return head

    def at(self, type_name: str, id: int) -> Address | None:
        """Return the settled record that is bound to *id*. Raises Worn."""
        found = self.bound_to(type_name, [id])
        return found[0].address if found and found[0].is_settled else None

    def touching(self, touches: Collection[Touch]) -> set[Address]:
        """Return the settled records that touch any of *touches*, and perhaps some others. Raises Worn."""
        return {entry.address for entry in self._entries(touches) if entry.is_settled}

    def bound_to(self, type_name: str, ids: Iterable[int]) -> list[Entry]:
        """Return what is known of the records that are bound to *ids*. Raises Worn."""
        wanted = set(ids)
        found = self._entries([_bound(type_name, id) for id in wanted])
        return [each for each in found if each.address.type == type_name and each.record_id in wanted]

    def find(self, addresses: Iterable[Address]) -> dict[Address, Entry]:
        """Return what is known of *addresses*, of those of which anything is. Raises Worn."""
        wanted = set(addresses)
        found = self._entries([_called(address) for address in wanted])
        return {each.address: each for each in found if each.address in wanted}

    def open(self) -> list[Entry]:
        """Return the records that are judged each time. Raises Worn."""
        return [each for each in self._entries([OPEN]) if not each.is_settled]

    def of_type(self, type_name: str) -> list[Entry]:
        """Return the bound records of a type that has no mirror. Raises Worn."""
        return [each for each in self._entries([_unmirrored(type_name)]) if each.address.type == type_name]

    def _entries(self, touches: Iterable[Touch]) -> list[Entry]:
        numbers: set[int] = set()
        with _worn():
            for hashed in set(map(hash_of_touch, touches)):
                numbers |= {each & _NUMBER for each in self._bucket(hashed % self._count) if each >> _SHIFT == hashed}
            return [self._at(number).entry for number in sorted(numbers)]

    def _bucket(self, place: int) -> list[int]:
        if place not in self._buckets:
            row = self._sql("SELECT data, digest FROM bucket WHERE number = ?", (place,)).fetchone()
            if row is None or row[1] != _digest(place, row[0]):
                raise Worn("a part of it is damaged")
            self._buckets[place] = array("Q", row[0]).tolist()
        return self._buckets[place]

    def _at(self, number: int) -> _Found:
        if number not in self._found:
            row = self._sql(_FIND, (number,)).fetchone()
            if row is None or row[-1] != _digest_of_row(*row[:-1]):
                raise Worn("an entry is damaged")
            _, text, id, content, binding, standing, touches, _ = row
            address = Address.parse(text)
            if address is None:
                raise Worn("an entry is damaged")
            entry = Entry(address, id, content, binding, standing == 2, standing > 0)
            self._found[number] = _Found(entry, array("I", touches), row)
        return self._found[number]

    # What is put into it

    def replace(self, head: LedgerHead, entries: Iterable[Entry]) -> None:
        """Put a new ledger in the place of the old one. Raises Worn."""
        with self.renewed(sum(head.bound.values())) as new:
            new.put(entries, lambda type_name: head.marks.get(type_name) is not None)
            new.finish(head)

    @contextmanager
    def renewed(self, bound: int) -> Iterator[NewLedger]:
        """Give a new ledger for so many *bound* records, which takes the place of the old one at the end. Raises Worn."""
        beside = self._path.with_name(f".{self._path.name}.{token_hex(4)}")
        with _worn():
            _sweep(self._path)
            try:
                connection = _connect(beside, is_new=True)
                try:
                    yield NewLedger(connection, max(1, bound * 6 // BUCKET_SIZE))
                finally:
                    connection.close()
                _sync(beside)
                beside.replace(self._path)
            finally:
                beside.unlink(missing_ok=True)

    def update(self, before: LedgerHead, head: LedgerHead, entries: Iterable[Entry], gone: Iterable[Address]) -> bool:
        """
        Put *entries* in the place of what was known of their addresses, forget *gone*, and say whether that was done.

        False, and nothing is, when another command changed the ledger since *before* was looked at. Raises Worn.
        """
        with _worn():
            self._sql("ROLLBACK")
            self._sql("BEGIN IMMEDIATE")
            if self.head().nonce != before.nonce:
                return False
            # Nobody wrote meanwhile, so all is as it was read. Most of it stays so, and is not written again.
            new = {entry.address: entry for entry in entries}
            numbers = self._numbered({*new, *gone})
            changed, last = set[int](), before.last
            for address in numbers.keys() - new.keys():
                changed |= self._take_out(numbers[address])
            for address, entry in new.items():
                last += address not in numbers
                is_mirrored = head.marks.get(address.type) is not None
                changed |= self._put(numbers.get(address, last), entry, is_mirrored)
            for place in changed:
                data = array("Q", self._buckets[place]).tobytes()
                self._sql("UPDATE bucket SET data = ?, digest = ? WHERE number = ?", (data, _digest(place, data), place))
            _put_head(self._opened(), replace(head, buckets=before.buckets, last=last))
            self._sql("COMMIT")
            return True

    def _numbered(self, addresses: Collection[Address]) -> dict[Address, int]:
        """Return the numbers of those of *addresses* of which anything is known."""
        found = {}
        for hashed in {hash_of_touch(_called(address)) for address in addresses}:
            for each in self._bucket(hashed % self._count):
                if each >> _SHIFT == hashed:
                    number = each & _NUMBER
                    found[self._at(number).entry.address] = number
        return {address: number for address, number in found.items() if address in addresses}

    def _take_out(self, number: int) -> set[int]:
        """Forget an entry, and return the buckets in which that is noted."""
        self._sql("DELETE FROM entry WHERE number = ?", (number,))
        return self._refile(number, self._found.pop(number).hashes, ())

    def _put(self, number: int, entry: Entry, is_mirrored: bool) -> set[int]:
        """Put an entry in the place of what had its number, and return the buckets in which that is noted."""
        hashes = _hashes(entry, is_mirrored)
        row, before = _row(number, entry, hashes), self._found.pop(number, None)
        if before is not None and before.row == row:
            return set()
        self._sql(_PUT, row)
        return self._refile(number, () if before is None else before.hashes, hashes)

    def _refile(self, number: int, before: Collection[int], after: Collection[int]) -> set[int]:
        """Let an entry be found under other hashes than *before*, and return the buckets in which that is noted."""
        gone, come = set(before).difference(after), set(after).difference(before)
        for hashed in gone:
            self._bucket(hashed % self._count).remove(hashed << _SHIFT | number)
        for hashed in come:
            self._bucket(hashed % self._count).append(hashed << _SHIFT | number)
        return {hashed % self._count for hashed in gone | come}

    def _sql(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self._opened().execute(sql, values)

    def _opened(self) -> sqlite3.Connection:
        assert self._connection is not None, "the ledger is open"
        return self._connection


class _Found(NamedTuple):
    """An entry as it was read: the hashes under which it is found, and its row."""

    entry: Entry
    hashes: Sequence[int]
    row: tuple[Any, ...]


class NewLedger:
    """A ledger that is being filled, beside the one it will take the place of."""

    def __init__(self, connection: sqlite3.Connection, count: int) -> None:
        self._connection = connection
        self._buckets: list[array[int]] = [array("Q") for _ in range(count)]
        self._last = 0
        connection.execute("BEGIN")

    def put(self, entries: Iterable[Entry], is_mirrored: Callable[[str], bool]) -> None:
        """Put *entries* into it; *is_mirrored* says of a type whether a mirror tells what changed."""
        self._connection.executemany(_INSERT, self._rows(entries, is_mirrored))

    def _rows(self, entries: Iterable[Entry], is_mirrored: Callable[[str], bool]) -> Iterator[tuple[Any, ...]]:
        buckets, count = self._buckets, len(self._buckets)
        for entry in entries:
            self._last += 1
            hashes = _hashes(entry, is_mirrored(entry.address.type))
            for hashed in hashes:
                buckets[hashed % count].append(hashed << _SHIFT | self._last)
            yield _row(self._last, entry, hashes)

    def take_back(self, address: Address) -> None:
        """Take out what was put into it about *address*."""
        called = hash_of_touch(_called(address))
        bucket = self._buckets[called % len(self._buckets)]
        for number in [each & _NUMBER for each in bucket if each >> _SHIFT == called]:
            text, hashes = self._connection.execute(_FIND_HASHES, (number,)).fetchone()
            if text == str(address):
                self._connection.execute("DELETE FROM entry WHERE number = ?", (number,))
                for hashed in array("I", hashes):
                    self._buckets[hashed % len(self._buckets)].remove(hashed << _SHIFT | number)

    def finish(self, head: LedgerHead) -> None:
        """Write down what is found where, and with what all of it was made."""
        filled = ((place, bucket.tobytes()) for place, bucket in enumerate(self._buckets))
        rows = ((place, data, _digest(place, data)) for place, data in filled)
        self._connection.executemany("INSERT INTO bucket VALUES (?, ?, ?)", rows)
        _put_head(self._connection, replace(head, buckets=len(self._buckets), last=self._last))
        self._connection.execute("COMMIT")


def _put_head(connection: sqlite3.Connection, head: LedgerHead) -> None:
    data = json.dumps({**asdict(head), "nonce": token_hex(8)})
    connection.execute("DELETE FROM head")
    connection.execute("INSERT INTO head VALUES (?, ?)", (data, _digest(data)))


_INSERT = "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_FIND_HASHES = "SELECT address, touches FROM entry WHERE number = ?"
_PUT = _INSERT.replace("INSERT", "INSERT OR REPLACE")
_FIND = "SELECT number, address, id, content, binding, standing, touches, digest FROM entry WHERE number = ?"
_SHIFT = 32
_NUMBER = 2**32 - 1


@contextmanager
def _worn() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, ValueError, TypeError, OverflowError) as error:
        is_busy = getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        raise Worn(str(error), is_busy=is_busy) from error


def _connect(path: Path, *, is_new: bool = False) -> sqlite3.Connection:
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


def _sweep(path: Path) -> None:
    """Delete what commands that were killed left beside *path*; while one is filled it is written every few seconds."""
    for left in path.parent.glob(f".{path.name}.*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFT_SECONDS:
                left.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _row(number: int, entry: Entry, hashes: list[int]) -> tuple[Any, ...]:
    touches = array("I", hashes).tobytes()
    standing = 2 if entry.is_settled else int(entry.is_there)
    values = (str(entry.address), entry.record_id, entry.content, entry.binding, standing, touches)
    return number, *values, _digest_of_row(number, *values)


def _digest_of_row(
    number: int, address: str, id: int | None, content: bytes, binding: str, standing: int, touches: bytes
) -> bytes:
    """Return what `_digest` would be good for as well, for rows with a long text in half the time."""
    head = f"{number} {address} {id} {standing} {len(content)} {len(touches)} {binding}"
    return blake2b(b"".join((head.encode("utf-8", "surrogatepass"), content, touches)), digest_size=8).digest()


def _digest(*parts: object) -> bytes:
    return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _hashes(entry: Entry, is_mirrored: bool) -> list[int]:
    """Return the hashes under which *entry* is found, whose type *is mirrored* or not."""
    touches = [_called(entry.address), *entry.touches]
    if entry.record_id is not None:
        touches.append(_bound(entry.address.type, entry.record_id))
        touches += [] if is_mirrored else [_unmirrored(entry.address.type)]
    touches += [] if entry.is_settled else [OPEN]
    return sorted({*entry.hashes, *map(hash_of_touch, touches)})


def hash_of_touch(touch: Touch) -> int:
    """Return the hash under which those are found that touch this, and a few others."""
    return crc32("\0".join(touch).encode("utf-8", "surrogatepass"))


def _called(address: Address) -> Touch:
    return "called", address.type, address.key


def _bound(type_name: str, id: int) -> Touch:
    return "bound", type_name, str(id)


def _unmirrored(type_name: str) -> Touch:
    return "unmirrored", type_name
