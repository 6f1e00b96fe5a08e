"""
Bindings in a file of their own while a log is folded for its snapshot, so that those of a large run need not be in memory.

The file is one of SQLite's temporary ones: it has no name, and is gone with the process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator

from crmsync.model.address import Address
from crmsync.model.state import Binding, BindingTable
from crmsync.model.store import Unusable
from crmsync.state.packed import RECENT


class NoRoom(Unusable):
    """The file cannot be written."""


class BindingsOnDisk(BindingTable):
    """
    Bindings by address; of the last that were put in the values are kept, the others are text in the file.

    Whatever is done to them may raise NoRoom.
    """

    def __init__(self, decode: Callable[[str], Binding], encode: Callable[[Binding], str]) -> None:
        self._decode, self._encode = decode, encode
        self._recent: dict[Address, Binding] = {}
        self._opened: sqlite3.Connection | None = None

    def __getitem__(self, address: Address) -> Binding:
        known = self._recent.get(address)
        return self._decode(self._found(address)) if known is None else known

    def __setitem__(self, address: Address, binding: Binding) -> None:
        self._recent[address] = binding
        if len(self._recent) > RECENT:
            self._put_aside()

    def __delitem__(self, address: Address) -> None:
        is_known = self._recent.pop(address, None) is not None
        if self._opened is not None:
            deleted = self._opened.execute("DELETE FROM binding WHERE name = ?", (str(address),)).rowcount
            is_known = is_known or deleted > 0
        if not is_known:
            raise KeyError(address)

    def __iter__(self) -> Iterator[Address]:
        return (address for address, _ in self.texts())

    def __len__(self) -> int:
        count: int = self._file.execute("SELECT count(*) FROM binding").fetchone()[0]
        return count

    def __copy__(self) -> BindingsOnDisk:
        if self._recent or self._opened is not None:
            raise TypeError("what is on disk is there once")
        return BindingsOnDisk(self._decode, self._encode)

    def record_id(self, address: Address) -> int:
        """Return the record of *address*. Raises KeyError."""
        return self[address].record_id

    def texts(self) -> Iterator[tuple[Address, str]]:
        """Yield each binding as text, in the order in which they came."""
        for name, text in self._file.execute("SELECT name, text FROM binding ORDER BY rowid"):
            address = Address.parse(name)
            assert address is not None, name
            yield address, text

    @property
    def _file(self) -> sqlite3.Connection:
        """The file, with all that is known."""
        self._put_aside()
        assert self._opened is not None
        return self._opened

    def _put_aside(self) -> None:
        try:
            self._write()
        except sqlite3.Error as error:
            raise NoRoom(f"A temporary file of SQLite cannot be written: {error}.") from error

    def _write(self) -> None:
        if self._opened is None:
            self._opened = sqlite3.connect("", isolation_level=None)
            self._opened.execute("PRAGMA journal_mode = OFF")
            self._opened.execute("CREATE TABLE binding (name TEXT UNIQUE NOT NULL, text TEXT NOT NULL)")
        rows = ((str(address), self._encode(binding)) for address, binding in self._recent.items())
        sql = "INSERT INTO binding VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET text = excluded.text"
        self._opened.execute("BEGIN")
        self._opened.executemany(sql, rows)
        self._opened.execute("COMMIT")
        self._recent.clear()

    def _found(self, address: Address) -> str:
        sql = "SELECT text FROM binding WHERE name = ?"
        row = None if self._opened is None else self._opened.execute(sql, (str(address),)).fetchone()
        if row is None:
            raise KeyError(address)
        return str(row[0])
