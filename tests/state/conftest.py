"""Stores to test, one fixture for every engine."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from crmsync.model.store import Store
from crmsync.state import MemoryStore, open_shared, open_sqlite
from crmsync.state.places import medium_of
from tests.state import servers


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


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL of this session."""
    with servers.running_postgresql() as url:
        yield url


@pytest.fixture(scope="session")
def pooler(postgresql: str) -> Iterator[str]:
    """The URL of a pooler in transaction mode before it."""
    with servers.running_pooler(postgresql) as url:
        yield url


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of an S3 of this session, which obstore finds in the environment."""
    with servers.running_s3() as url, pytest.MonkeyPatch.context() as patch:
        for name, value in servers.s3_environment(url).items():
            patch.setenv(name, value)
        yield url


@pytest.fixture(scope="session")
def git_http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """An address where git is served over HTTP, and the folder of its repositories."""
    root = tmp_path_factory.mktemp("served")
    with servers.git_over_http(root) as url:
        yield url, root


#: Where a new state is, by engine: its URL and the folder of the project.
Place = tuple[str, Path]


def _git_file(request: pytest.FixtureRequest, root: Path) -> Place:
    bare = servers.bare_repository(root / "remote.git")
    return "git:refs/crmsync/main", servers.clone_of(str(bare), root / "clone")


def _git_http(request: pytest.FixtureRequest, root: Path) -> Place:
    url, served = request.getfixturevalue("git_http")
    bare = servers.bare_repository(served / f"{secrets.token_hex(6)}.git")
    return f"git:{url}/{bare.name}#refs/crmsync/main", servers.clone_of("nowhere", root / "clone")


def _postgresql(request: pytest.FixtureRequest, root: Path) -> Place:
    return request.getfixturevalue("postgresql"), root


def _pooler(request: pytest.FixtureRequest, root: Path) -> Place:
    return request.getfixturevalue("pooler"), root


def _s3(request: pytest.FixtureRequest, root: Path) -> Place:
    request.getfixturevalue("s3")
    return f"s3://bucket/{secrets.token_hex(6)}", root


PLACES: dict[str, Callable[[pytest.FixtureRequest, Path], Place]] = {
    "git": _git_file,
    "git-http": _git_http,
    "postgresql": _postgresql,
    "pgbouncer": _pooler,
    "s3": _s3,
}


@pytest.fixture
def lineage(request: pytest.FixtureRequest) -> str:
    """The lineage of this test's state: one of its own, because a database keeps those of all tests."""
    return f"lineage-{secrets.token_hex(6)}"


#: Every engine, those that are quick by themselves; the slow ways to one are for `make soak`, but for the self-test.
SLOW = ("git-http", "pgbouncer")
SHARED = [pytest.param(name, marks=pytest.mark.soak) if name in SLOW else name for name in PLACES]

#: What a shared engine may be wrapped in, to lose its answers.
Wrap = Callable[[Any], Any]


@pytest.fixture(params=SHARED)
def open_wrapped(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, lineage: str
) -> Iterator[Callable[[Wrap], Store]]:
    """A function that opens a shared store on its medium, wrapped in whatever the test wants."""
    url, root = PLACES[request.param](request, tmp_path)
    with contextlib.ExitStack() as opened:

        def open_one(wrap: Wrap = lambda medium: medium) -> Store:
            store = open_shared(wrap(medium_of(url, root, lineage)), lineage, create=True, clock=clock)
            opened.callback(store.close)
            return store

        yield open_one


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """The URL of a shared state that does not exist yet, and the folder of its project."""
    return PLACES[request.param](request, tmp_path)


@pytest.fixture(params=["memory", "sqlite", *SHARED])
def open_again(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, dead: set[int], lineage: str
) -> Iterator[Callable[[], Store]]:
    """A function that opens one and the same store, each time as another process would."""
    about: Any = {"clock": clock, "is_alive": lambda pid: pid not in dead}
    if request.param == "memory":
        shared = MemoryStore(lineage, **about)
        yield lambda: shared
        return
    if request.param == "sqlite":
        file = tmp_path / "private" / "state.db"
        make: Callable[[], Store] = partial(open_sqlite, file, lineage, create=True, **about)
    else:
        url, root = PLACES[request.param](request, tmp_path)

        def make() -> Store:
            return open_shared(medium_of(url, root, lineage), lineage, create=True, **about)

    with contextlib.ExitStack() as opened:

        def open_one() -> Store:
            store = make()
            opened.callback(store.close)
            return store

        yield open_one


@pytest.fixture
def store(open_again: Callable[[], Store]) -> Store:
    """One store."""
    return open_again()
