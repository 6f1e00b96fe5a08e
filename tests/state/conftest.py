"""Stores to test, one fixture for every engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from crmsync.model.store import Store
from crmsync.state import MemoryStore, open_sqlite


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock of the stores."""
    return Clock()


@pytest.fixture
def dead() -> set[int]:
    """The processes that have died."""
    return set()


@pytest.fixture(params=["memory", "sqlite"])
def open_again(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, dead: set[int]):
    """A function that opens one and the same store, each time as another process would."""
    if request.param == "memory":
        shared = MemoryStore("lineage", clock=clock, is_alive=lambda pid: pid not in dead)
        yield lambda: shared
        return
    opened: list[Store] = []

    def open_file() -> Store:
        path = tmp_path / "private" / "state.db"
        opened.append(open_sqlite(path, "lineage", create=True, clock=clock, is_alive=lambda pid: pid not in dead))
        return opened[-1]

    yield open_file
    for store in opened:
        store.close()


@pytest.fixture
def store(open_again: Callable[[], Store]) -> Store:
    """One store."""
    return open_again()
