"""
[edge] What crmsync remembers: an append-only log of events, behind the contract of `crmsync.model.store`.

`codec` writes events down, `fold` reads the log back, `lease` says who may hold it, `sealing` encrypts what is kept beside
it, `places` reads the address of a state. The engines are `sqlite` (with `sqlitefile`), `memory`, and `shared`, which stands
on one of three media: `gitref` (with `gitcommand`), `postgresql` and `objects`; `entry` is how these write things down.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crmsync.state.memory import MemoryStore as MemoryStore
    from crmsync.state.places import is_local as is_local
    from crmsync.state.places import open_store as open_store
    from crmsync.state.places import shown_place as shown_place
    from crmsync.state.shared import SharedStore as SharedStore
    from crmsync.state.shared import open_shared as open_shared
    from crmsync.state.sqlite import SqliteStore as SqliteStore
    from crmsync.state.sqlite import open_sqlite as open_sqlite

# Imported when they are first asked for: a plan needs the one engine that has its state.
_PUBLIC = {
    "MemoryStore": "memory",
    "SharedStore": "shared",
    "SqliteStore": "sqlite",
    "is_local": "places",
    "open_shared": "shared",
    "open_sqlite": "sqlite",
    "open_store": "places",
    "shown_place": "places",
}

__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
