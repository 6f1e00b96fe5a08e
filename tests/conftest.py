"""What all tests share: the desk, and ``--accept``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crmsync.project import hashing
from tests.desk import Desk, Stage, serving


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--accept``: write what stories came to as what they expect."""
    parser.addoption("--accept", action="store_true", help="rewrite the expected part of story files")


@pytest.fixture(autouse=True)
def _settled_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files be known again a moment after they were written, as they are to users who were not so fast."""
    monkeypatch.setattr(hashing, "SETTLED_SECONDS", 0.01)


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[str, Stage]]:
    """A server with a stage behind it, for all tests of a process."""
    stage = Stage()
    with serving(stage) as url:
        yield url, stage


@pytest.fixture
def desk(served: tuple[str, Stage], tmp_path: Path) -> Iterator[Desk]:
    """An empty project and a new sandbox."""
    url, stage = served
    stage.__init__()
    yield Desk(tmp_path, url, stage)
    stage.hook = None
