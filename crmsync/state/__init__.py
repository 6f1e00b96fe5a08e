"""
[edge] What crmsync remembers: an append-only log of events, behind the contract of `crmsync.model.store`.

`codec` writes events down, `fold` reads the log back, `lease` says who may hold it, `sealing` encrypts what is kept beside
it, `places` reads the address of a state. The engines are `sqlite` (with `sqlitefile`), `memory`, and `shared`, which stands
on one of three media: `gitref` (with `gitcommand`), `postgresql` and `objects`; `entry` is how these write things down.
"""

from __future__ import annotations

from crmsync.state.memory import MemoryStore
from crmsync.state.places import is_local, open_store, shown_place
from crmsync.state.shared import SharedStore, open_shared
from crmsync.state.sqlite import SqliteStore, open_sqlite

__all__ = [
    "MemoryStore",
    "SharedStore",
    "SqliteStore",
    "is_local",
    "open_shared",
    "open_sqlite",
    "open_store",
    "shown_place",
]
