"""A ledger that is being filled, beside the one whose place it will take: entries, parts, then what is found where."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.project.ledgerfile import (
    FIND,
    FIND_PART,
    INSERT,
    INSERT_PART,
    NUMBER,
    PART_OF,
    SHIFT,
    Entry,
    LedgerHead,
    digest_of,
    hash_of_touch,
    hashes_of,
    of_row,
    put_head,
    row_of,
    touch_of_address,
)
from crmsync.project.ledgerpart import Part, Settled, part_of


class NewLedger:
    """Made by `Ledger.renewed`; nothing is found in it before it is finished."""

    def __init__(self, connection: sqlite3.Connection, count: int) -> None:
        self._connection = connection
        self._buckets: list[array[int]] = [array("Q") for _ in range(count)]
        self._last = 0
        connection.execute("BEGIN")

    def put(self, entries: Iterable[Entry], is_mirrored: Callable[[str], bool]) -> None:
        """Put *entries* into it; *is_mirrored* says of a type whether a mirror tells what changed."""
        self._connection.executemany(INSERT, self._rows(entries, is_mirrored))

    def _rows(self, entries: Iterable[Entry], is_mirrored: Callable[[str], bool]) -> Iterator[tuple[Any, ...]]:
        for entry in entries:
            hashes = hashes_of(entry, is_mirrored(entry.address.type))
            yield row_of(self._filed(hashes), entry, hashes)

    def put_settled(self, settled: Settled, also: Collection[int] = ()) -> None:
        """Put into it those records that are settled, to be found under the hashes *also* as well."""
        kept = settled.sifted(also)
        if not kept.keys:
            return
        first, columns = self._last + 1, Part.of(kept).written()
        for touches in kept.touches:
            self._filed(array("I", touches))
        self._connection.execute(INSERT_PART, (first, columns, digest_of(columns, first), b"".join(kept.bindings)))

    def _filed(self, hashes: Iterable[int]) -> int:
        """Return the number of one more entry, which is found under these hashes."""
        self._last = number = self._last + 1
        buckets, count = self._buckets, len(self._buckets)
        for hashed in hashes:
            buckets[hashed % count].append(hashed << SHIFT | number)
        return number

    def take_back(self, address: Address) -> None:
        """Let what was put into it about *address* be found no more."""
        called = hash_of_touch(touch_of_address(address))
        bucket = self._buckets[called % len(self._buckets)]
        for number in [each & NUMBER for each in bucket if each >> SHIFT == called]:
            found, hashes = self._at(number)
            if found == address:
                for hashed in hashes:
                    self._buckets[hashed % len(self._buckets)].remove(hashed << SHIFT | number)

    def _at(self, number: int) -> tuple[Address, Iterable[int]]:
        row = self._connection.execute(FIND, (number,)).fetchone()
        if row is not None:
            entry, hashes = of_row(row)
            return entry.address, hashes
        first = self._connection.execute(PART_OF, (number,)).fetchone()[0]
        part = part_of(self._connection.execute(FIND_PART, (first,)).fetchone()[0])
        return part.address(number - first), part.hashes(number - first)

    def finish(self, head: LedgerHead) -> None:
        """Write down what is found where, and with what all of it was made."""
        filled = ((place, bucket.tobytes()) for place, bucket in enumerate(self._buckets))
        rows = ((place, data, digest_of(data, place)) for place, data in filled)
        self._connection.executemany("INSERT INTO bucket VALUES (?, ?, ?)", rows)
        put_head(self._connection, replace(head, buckets=len(self._buckets), last=self._last))
        self._connection.execute("COMMIT")
