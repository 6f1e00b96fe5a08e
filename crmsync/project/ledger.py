"""
The ledger: what the last plans found of each record, so that the next one judges only what moved.

One SQLite file in the cache of a profile, private to its owner, thrown away whenever anything about it is odd. It says up to
where files, state and mirror were seen, and what was true then; whoever uses it asks each of them what came after.

An entry is found by what it touches (`crmsync.plan.restriction`), through buckets of short hashes: what is found too often
does no harm, and a checksum over each bucket and each entry, all of which must be there, keeps anything from being missed.
Entries that one look found settled stand together in parts (`crmsync.project.ledgerpart`), until one of them changes. A new
ledger takes the place of the old one as a whole; additions are synced, so that none is seen in part.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple

from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.plan.restriction import Touch
from crmsync.project.ledgerfile import (
    FIND,
    FIND_PART,
    NUMBER,
    OPEN,
    PART_OF,
    PUT,
    SHIFT,
    Entry,
    LedgerHead,
    Worn,
    connect,
    digest_of,
    hash_of_touch,
    hashes_of,
    of_row,
    put_head,
    row_of,
    sweep,
    sync,
    touch_of_address,
    touch_of_id,
    touch_of_unmirrored,
    worn,
)
from crmsync.project.ledgerpart import Part, part_of
from crmsync.project.newledger import NewLedger

#: So many entries of a bucket are looked through for one.
BUCKET_SIZE = 64


class Ledger:
    """One file; use it within `opened`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._buckets: dict[int, list[int]] = {}
        self._found: dict[int, _Found] = {}
        self._parts: dict[int, Part] = {}
        self._count = 1

    @contextmanager
    def opened(self) -> Iterator[Ledger]:
        """Open the file. Whatever is wrong with it raises Worn."""
        with worn():
            self._connection = connect(self._path)
            self._connection.execute("BEGIN")
        self._buckets, self._found, self._parts = {}, {}, {}
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
        with worn():
            data, digest = self._sql("SELECT data, digest FROM head").fetchone() or ("", b"")
            if digest != digest_of(data.encode()):
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
        found = self._entries([touch_of_id(type_name, id) for id in wanted])
        return [each for each in found if each.address.type == type_name and each.record_id in wanted]

    def find(self, addresses: Iterable[Address]) -> dict[Address, Entry]:
        """Return what is known of *addresses*, of those of which anything is. Raises Worn."""
        wanted = set(addresses)
        found = self._entries([touch_of_address(address) for address in wanted])
        return {each.address: each for each in found if each.address in wanted}

    def open(self) -> list[Entry]:
        """Return the records that are judged each time. Raises Worn."""
        return [each for each in self._entries([OPEN]) if not each.is_settled]

    def of_type(self, type_name: str) -> list[Entry]:
        """Return the bound records of a type that has no mirror. Raises Worn."""
        return [each for each in self._entries([touch_of_unmirrored(type_name)]) if each.address.type == type_name]

    def _entries(self, touches: Iterable[Touch]) -> list[Entry]:
        numbers: set[int] = set()
        with worn():
            for hashed in set(map(hash_of_touch, touches)):
                numbers |= {each & NUMBER for each in self._bucket(hashed % self._count) if each >> SHIFT == hashed}
            return [self._at(number).entry for number in sorted(numbers)]

    def _bucket(self, place: int) -> list[int]:
        if place not in self._buckets:
            row = self._sql("SELECT data, digest FROM bucket WHERE number = ?", (place,)).fetchone()
            if row is None or row[1] != digest_of(row[0], place):
                raise Worn("a part of it is damaged")
            self._buckets[place] = array("Q", row[0]).tolist()
        return self._buckets[place]

    def _at(self, number: int) -> _Found:
        if number not in self._found:
            row = self._sql(FIND, (number,)).fetchone()
            self._found[number] = self._of_part(number) if row is None else _Found(*of_row(row))
        return self._found[number]

    def _of_part(self, number: int) -> _Found:
        first, part = self._part(number)
        try:
            start, end = part.place(number - first)
            with self._opened().blobopen("part", "bindings", first, readonly=True) as bindings:
                bindings.seek(start)
                return _Found(part.entry(number - first, bindings.read(end - start)), part.hashes(number - first))
        except IndexError as error:
            raise Worn("an entry is missing") from error

    def _part(self, number: int) -> tuple[int, Part]:
        """Return the part that has this number, if any has, and the first number in it."""
        first = self._sql(PART_OF, (number,)).fetchone()[0]
        if first not in self._parts:
            columns, digest = self._sql(FIND_PART, (first,)).fetchone() or (b"", b"")
            if digest != digest_of(columns, first):
                raise Worn("a part of it is damaged")
            self._parts[first] = part_of(columns)
        return first, self._parts[first]

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
        with worn():
            sweep(self._path)
            try:
                connection = connect(beside, is_new=True)
                try:
                    yield NewLedger(connection, max(1, bound * 6 // BUCKET_SIZE))
                finally:
                    connection.close()
                sync(beside)
                beside.replace(self._path)
            finally:
                beside.unlink(missing_ok=True)

    def update(self, before: LedgerHead, head: LedgerHead, entries: Iterable[Entry], gone: Iterable[Address]) -> bool:
        """
        Put *entries* in the place of what was known of their addresses, forget *gone*, and say whether that was done.

        False, and nothing is, when another command changed the ledger since *before* was looked at. Raises Worn.
        """
        with worn():
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
                self._sql("UPDATE bucket SET data = ?, digest = ? WHERE number = ?", (data, digest_of(data, place), place))
            put_head(self._opened(), replace(head, buckets=before.buckets, last=last))
            self._sql("COMMIT")
            return True

    def _numbered(self, addresses: Collection[Address]) -> dict[Address, int]:
        """Return the numbers of those of *addresses* of which anything is known."""
        found = {}
        for hashed in {hash_of_touch(touch_of_address(address)) for address in addresses}:
            for each in self._bucket(hashed % self._count):
                if each >> SHIFT == hashed:
                    number = each & NUMBER
                    found[self._at(number).entry.address] = number
        return {address: number for address, number in found.items() if address in addresses}

    def _take_out(self, number: int) -> set[int]:
        """Forget an entry, and return the buckets in which that is noted."""
        self._sql("DELETE FROM entry WHERE number = ?", (number,))
        return self._refile(number, self._found.pop(number).hashes, ())

    def _put(self, number: int, entry: Entry, is_mirrored: bool) -> set[int]:
        """Put an entry in the place of what had its number, and return the buckets in which that is noted."""
        hashes = hashes_of(entry, is_mirrored)
        before = self._found.pop(number, None)
        if before == (replace(entry, touches=()), array("I", hashes)):
            return set()
        self._sql(PUT, row_of(number, entry, hashes))
        return self._refile(number, () if before is None else before.hashes, hashes)

    def _refile(self, number: int, before: Collection[int], after: Collection[int]) -> set[int]:
        """Let an entry be found under other hashes than *before*, and return the buckets in which that is noted."""
        gone, come = set(before).difference(after), set(after).difference(before)
        for hashed in gone:
            self._bucket(hashed % self._count).remove(hashed << SHIFT | number)
        for hashed in come:
            self._bucket(hashed % self._count).append(hashed << SHIFT | number)
        return {hashed % self._count for hashed in gone | come}

    def _sql(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self._opened().execute(sql, values)

    def _opened(self) -> sqlite3.Connection:
        assert self._connection is not None, "the ledger is open"
        return self._connection


class _Found(NamedTuple):
    """An entry as it was read, and the hashes under which it is found."""

    entry: Entry
    hashes: array[int]
