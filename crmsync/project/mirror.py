"""
The mirror: what Copper last showed, so that a plan asks only for what changed since.

One SQLite file in the cache of a profile, private to its owner, thrown away whenever anything about it is odd. Every row
carries a checksum, and the head of a type their number and sum, so that a damaged file is noticed and never believed.
Records that are bound are kept whole; of the others only the id and the dates. Bodies that came with all of a type stand in
a heap beside it (`crmsync.project.heap`), those that came later in their rows. What changed of the records that are kept
whole is numbered, so that whoever remembers a number can ask what came after it.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from secrets import token_hex
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from crmsync.model.http import parse_json
from crmsync.project.heap import Heaps
from crmsync.project.mirrorfile import (
    AT_DIGEST,
    BODY,
    COLUMNS,
    INSERT,
    IS_WHOLE,
    KNOWN,
    MASK,
    WAIT,
    Head,
    Known,
    Mark,
    Row,
    Stale,
    beside,
    checked,
    checked_text,
    connect,
    digest_of_change,
    row_of_file,
    stale,
)

#: SQLite takes so many values in a statement wherever it was built.
IDS_AT_ONCE = 500
#: So many changes are remembered by their numbers; who comes later than that looks at everything.
KEPT_CHANGES = 100_000


class Mirror:
    """One file; use it within `opened`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._heaps = Heaps(path)
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def opened(self) -> Iterator[Mirror]:
        """Open the file. Whatever is wrong with it raises Stale."""
        with stale():
            self._connection = connect(self._path)
        try:
            yield self
        finally:
            self._connection.close()
            self._connection = None
            self._heaps.close()

    def drop(self) -> None:
        """Delete the file and its heaps, as far as that goes."""
        for path in (self._path, Path(f"{self._path}-journal")):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        self._heaps.drop_all()

    def head(self, type_name: str) -> Head | None:
        """Return what is known of a type as a whole; None when nothing is. Raises Stale."""
        with stale():
            row = self._sql("SELECT data, digest FROM head WHERE type = ?", (type_name,)).fetchone()
            if row is None:
                return None
            if blake2b(f"{type_name} {row[0]}".encode(), digest_size=16).digest() != row[1]:
                raise Stale("its head is damaged")
            return Head(**json.loads(row[0]))

    def known(self, type_name: str, ids: Sequence[int]) -> dict[int, Known]:
        """Return what is known of *ids*, those that are. Raises Stale."""
        with stale():
            return {row[0]: checked(type_name, row) for row in self._rows(COLUMNS, type_name, ids)}

    def bodies(self, type_name: str, ids: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Return the bodies of *ids*, as far as they are kept. Raises Stale."""
        with stale():
            return {id: parse_json(text) for id, text in self.texts(type_name, ids).items()}

    def texts(self, type_name: str, ids: Iterable[int]) -> dict[int, bytes]:
        """Return the bodies of *ids* as their texts, as far as they are kept. Raises Stale."""
        with stale():
            return {
                row[0]: checked_text(checked(type_name, row[:KNOWN]), self._body(*row[KNOWN:]))
                for row in self._rows(f"{COLUMNS}, {BODY}", type_name, ids, IS_WHOLE)
            }

    def _rows(self, columns: str, type_name: str, ids: Iterable[int], which: str = "") -> Iterator[tuple[Any, ...]]:
        """Yield what is there of *ids*, in their order; hundreds in a statement, for each statement locks the file."""
        rest = iter(ids)
        while some := tuple(islice(rest, IDS_AT_ONCE)):
            places = ", ".join("?" * len(some))
            sql = f"SELECT {columns} FROM record WHERE type = ? AND id IN ({places}) {which}"
            found = {row[0]: row for row in self._sql(sql, (type_name, *some))}
            yield from (found[id] for id in some if id in found)

    def _body(self, body: bytes | None, *where: int) -> bytes:
        return self._heaps.text(*where) if body is None else body

    def in_order(self, type_name: str, head: Head) -> list[int]:
        """Return the ids of all records in the order of their creation. Raises Stale when some are missing."""
        with stale():
            sql = "SELECT id, digest FROM record WHERE type = ? ORDER BY created, id"
            rows = self._sql(sql, (type_name,)).fetchall()
        if len(rows) != head.count or sum(digest for _, digest in rows) & MASK != head.total:
            raise Stale("rows are missing")
        return [id for id, _ in rows]

    def kept_after(self, type_name: str, id: int, limit: int) -> list[int]:
        """Return the next bound ids after *id*, from the beginning again after the last. Raises Stale."""
        with stale():
            sql = "SELECT id FROM record WHERE type = ? AND id > ? AND content IS NOT NULL ORDER BY id LIMIT ?"
            return [row[0] for row in self._sql(sql, (type_name, id, limit))]

    def kept(self, type_name: str) -> frozenset[int]:
        """Return the bound records of a type. Raises Stale."""
        with stale():
            sql = "SELECT id FROM record WHERE type = ? AND content IS NOT NULL"
            return frozenset(chain.from_iterable(self._sql(sql, (type_name,))))

    def naming(self, type_name: str, key: str, ids: Collection[int]) -> list[int]:
        """Return the bound records whose bodies have one of *ids* under *key*. Raises Stale."""
        named = re.compile(rb'"%s"\s*:\s*(\d+)' % re.escape(key.encode())).findall
        wanted = {str(id).encode() for id in ids}
        with stale():
            sql = f"SELECT id, {BODY} FROM record WHERE type = ? AND content IS NOT NULL"
            rows = self._sql(sql, (type_name,)) if wanted else ()
            return [id for id, *where in rows if not wanted.isdisjoint(named(self._body(*where)))]

    def mark(self, type_name: str, head: Head) -> Mark:
        """Return from where on `changed` is to be asked next time, if what *head* tells has been seen. Raises Stale."""
        with stale():
            sql = "SELECT tag FROM change WHERE type = ? AND number = ?"
            row = self._sql(sql, (type_name, head.changes)).fetchone()
        if row is None and head.changes:
            raise Stale("changes are missing")
        return Mark(head.read_at, head.changes, "" if row is None else str(row[0]))

    def changed(self, type_name: str, head: Head, mark: Mark) -> frozenset[int] | None:
        """Return the bound records that changed since *mark*; None when nobody knows any more. Raises Stale."""
        if head.read_at != mark.read_at or not head.changes - KEPT_CHANGES < mark.changes <= head.changes:
            return None
        with stale():
            sql = "SELECT number, id, tag, digest FROM change WHERE type = ? AND number >= ? ORDER BY number"
            rows = self._sql(sql, (type_name, mark.changes)).fetchall()
        if [row[0] for row in rows] != list(range(max(mark.changes, 1), head.changes + 1)):
            raise Stale("changes are missing")
        if any(row[-1] != digest_of_change(type_name, *row[:-1]) for row in rows):
            raise Stale("a change is damaged")
        if mark.changes and rows[0][2] != mark.tag:
            return None  # a copy of the mirror was put back, and grew again
        return frozenset(id for number, id, _, _ in rows if number > mark.changes)

    def last(self, type_name: str, limit: int) -> list[int]:
        """Return the ids of the records created last, oldest first. Raises Stale."""
        with stale():
            sql = "SELECT id FROM record WHERE type = ? ORDER BY created DESC, id DESC LIMIT ?"
            return [row[0] for row in self._sql(sql, (type_name, limit))][::-1]

    def fill(self, type_name: str, head: Head, rows: Iterable[Row]) -> Head:
        """
        Keep *rows* and nothing else of a type, and return the head as it is kept. Raises Stale.

        Nothing is locked while the rows come, which takes Copper minutes: bodies go into a heap at once, and what else
        there is to say of them waits in a file of its own.
        """
        with stale(), self._heaps.new() as heap, beside(self._path) as waiting:
            sums = _Sums()
            waiting.executemany(WAIT, sums.counted(row_of_file(type_name, row, heap) for row in rows))
            waiting.execute("COMMIT")
            heap.flush()
            kept = replace(head, count=sums.count, total=sums.total, changes=0, heap=heap.number)
            with self._through(waiting):
                kept = self._exchanged(type_name, kept)
            heap.is_kept = True
            self._heaps.sweep(self._heaps_in_use())
            return kept

    def _exchanged(self, type_name: str, head: Head) -> Head:
        """Let what waits take the place of all that was known of a type."""
        with self._writing():
            before = self.head(type_name)
            self._sql("DELETE FROM record WHERE type = ?", (type_name,))
            self._sql("DELETE FROM change WHERE type = ?", (type_name,))
            self._sql("INSERT INTO record SELECT * FROM waiting")
            kept = self._add(type_name, head, ())
        if before is not None:
            self._heaps.drop(before.heap)
        return kept

    def _heaps_in_use(self) -> list[int]:
        heads = (self.head(name) for (name,) in self._sql("SELECT type FROM head").fetchall())
        return [head.heap for head in heads if head is not None]

    @contextmanager
    def _through(self, beside: sqlite3.Connection) -> Iterator[None]:
        """Let *beside* do it, which has both files: it copies a hundred thousand rows in one statement."""
        own, self._connection = self._connection, beside
        try:
            yield
        finally:
            self._connection = own

    def update(self, type_name: str, head: Head, rows: Sequence[Row], gone: Iterable[int] = ()) -> Head | None:
        """
        Keep *rows*, forget *gone*, and return the head as it is kept. Raises Stale.

        None, and nothing is kept, when another command changed the type since *head* was looked at.
        """
        with stale(), self._writing():
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
            row = (type_name, changes, id, tag, digest_of_change(type_name, changes, id, tag))
            self._sql("INSERT INTO change VALUES (?, ?, ?, ?, ?)", row)
        self._sql("DELETE FROM change WHERE type = ? AND number <= ?", (type_name, changes - KEPT_CHANGES))
        return changes

    def _add(self, type_name: str, head: Head, rows: Iterable[Row]) -> Head:
        assert self._connection is not None
        sums = _Sums(head.count, head.total)
        self._connection.executemany(INSERT, sums.counted(row_of_file(type_name, row) for row in rows))
        kept = replace(head, count=sums.count, total=sums.total & MASK, nonce=token_hex(8))
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


class _Sums(Struct):
    """Number and sum of rows, while they go by."""

    count: int = 0
    total: int = 0

    def counted(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """Yield *rows*, and count them."""
        for values in rows:
            self.count, self.total = self.count + 1, self.total + values[AT_DIGEST]
            yield values
