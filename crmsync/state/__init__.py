"""
[edge] What crmsync remembers: an append-only log of events, behind the contract of `crmsync.model.store`.

`codec` writes events down, `fold` reads the log back, `lease` says who may hold it; the engines are `sqlite`
(with `sqlitefile`) and `memory`.
"""

from __future__ import annotations

import re
from pathlib import Path

from crmsync.model.store import Store, Unusable
from crmsync.state.memory import MemoryStore
from crmsync.state.sqlite import SqliteStore, open_sqlite

__all__ = ["MemoryStore", "SqliteStore", "open_sqlite", "open_store"]

# Two letters at least: `C:\crm\state.db` is a path.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+):")


def open_store(url: str, *, root: Path, lineage: str, create: bool, digest_key: bytes | None = None) -> Store:
    """
    Return the store that ``state:`` of the settings names; a path is relative to *root*.

    With *create* false nothing is written: a state that does not exist yet reads as empty.
    Raises Unusable.
    """
    scheme = _SCHEME.match(url)
    if scheme:
        raise Unusable(
            f"The state cannot be kept in {scheme[1]}: this version of crmsync has SQLite only. "
            "Give the path of a file, such as state: .crmsync/state.db"
        )
    return open_sqlite(root / url, lineage, create=create, digest_key=digest_key)
