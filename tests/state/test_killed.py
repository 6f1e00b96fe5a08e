"""
The command is killed at named points of a run, with its state in a file, a git ref and a database, and run again.

A point is an effect of the engine (its name), how often it has come, and whether the process dies before or after it; and
likewise for what the stores do. SIGKILL is sent by the process to itself. The next run must leave exactly the declared
records, each once. `make soak` takes every point of a run on every engine, and pairs of them.
"""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from tests.desk import SETTINGS, Desk
from tests.state import servers
from tests.test_crash import AHEAD_SECONDS, Ahead, _check, _prepared, _second_run

#: The command, which dies at one point, or with no point writes down all that it passes.
PROGRAM = """
import os, signal, threading, time
from crmsync.project import applying, runner
from crmsync.state import shared, sqlite
from crmsync.cli import main

point, seconds, passed = {point!r}, {seconds}, {passed!r}
clock = runner.steady_clock()
applying.steady_clock = lambda: lambda: clock() + seconds
lock, counts = threading.Lock(), {{}}

def struck(name, when):
    with lock:
        key = (name, when)
        counts[key] = counts.get(key, 0) + 1
        if passed:
            with open(passed, "a") as file:
                file.write(f"{{name}} {{counts[key]}} {{when}}\\n")
        if point == (name, counts[key], when):
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)

def watched(name, real):
    def call(*arguments, **named):
        label = name or type(arguments[1]).__name__
        struck(label, "before")
        result = real(*arguments, **named)
        struck(label, "after")
        return result
    return call

runner.Runner._perform = watched(None, runner.Runner._perform)
for kind in (shared.SharedStore, sqlite.SqliteStore):
    for name in ("append", "compact", "compact_overgrown", "acquire", "release", "keep"):
        setattr(kind, name, watched(f"store.{{name}}", getattr(kind, name)))
main()
"""
KEY = {"CRMSYNC_STATE_KEY": "a key of many words"}
Point = tuple[str, int, str]
#: Calls in flight together end in either order: a point late in a run is met in so many runs if it ever is.
TRIES = 10


@pytest.fixture(params=["sqlite", "git", "postgresql"])
def engine(request: pytest.FixtureRequest, desk: Desk) -> str:
    """The engine that keeps the desk's state."""
    url = ""
    if request.param == "git":
        bare = servers.bare_repository(desk.root / "remote.git")
        servers._git("init", "--quiet", cwd=desk.root)
        url = f"git:{bare}#refs/crmsync/main"
    elif request.param == "postgresql":
        url = f"{request.getfixturevalue('postgresql')}?schema=s{desk.root.name.replace('-', '_')[-40:]}"
        _make_schema(request.getfixturevalue("postgresql"), url.rpartition("=")[2])
    if url:
        desk.write("crmsync.yaml", f"{SETTINGS}state: {url}\n")
    desk.environ.update(KEY)
    return str(request.param)


def _make_schema(url: str, name: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')
        connection.execute(f'CREATE SCHEMA "{name}"')


def _run(desk: Desk, ahead: Ahead, point: Point | None, passed: Path | None = None) -> int:
    program = PROGRAM.format(point=point, seconds=ahead.seconds, passed=str(passed or ""))
    process = desk.spawn("apply", "-y", "--settle", "1", program=program)
    process.communicate(timeout=90)
    return process.returncode


def _points(desk: Desk, tmp_path: Path) -> list[Point]:
    """Return all points that a whole run passes."""
    passed = tmp_path / "passed"
    with _prepared(desk) as ahead:
        assert _run(desk, ahead, None, passed) == 0
    rows = [line.split() for line in passed.read_text(encoding="utf-8").splitlines()]
    return [(name, int(count), when) for name, count, when in rows]


def _die_at(desk: Desk, monkeypatch: pytest.MonkeyPatch, *points: Point) -> list[int]:
    """Let runs die at *points*, one after the other, and a last one live; return how they ended."""
    codes = []
    with _prepared(desk) as ahead:
        for point in points:
            codes.append(_run(desk, ahead, point))
            ahead.seconds += AHEAD_SECONDS
        # Calls in flight together end in either order, so that a point late in a run is not met each time.
        assert set(codes) <= {-signal.SIGKILL, 0, 6}, points
        _second_run(desk, ahead, monkeypatch)
        _check(desk)
    return codes


@pytest.mark.parametrize(
    ("engine", "point"),
    [
        ("sqlite", ("Copy", 1, "after")),  # tests/test_crash.py kills around each write on SQLite
        ("git", ("Append", 2, "after")),
        ("git", ("store.append", 4, "before")),
        ("postgresql", ("Append", 2, "before")),
        ("postgresql", ("Copy", 1, "after")),
    ],
    indirect=["engine"],
    ids=str,
)
def test_killed_at_a_point(desk: Desk, engine: str, monkeypatch: pytest.MonkeyPatch, point: Point) -> None:
    """Wherever the state is, the next run completes what a dead one began, and doubles nothing."""
    assert _die_at(desk, monkeypatch, point) == [-signal.SIGKILL]


@pytest.mark.soak
def test_killed_at_every_point(desk: Desk, engine: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each point of a whole run, before and after; one that a run does not come by it may come by the next time."""
    points = _points(desk, tmp_path)
    missed = [point for point in points if not _is_met(desk, engine, monkeypatch, point)]
    print(f"\n{engine}: killed at {len(points) - len(missed)} of {len(points)} points")
    assert missed == []


def _is_met(desk: Desk, engine: str, monkeypatch: pytest.MonkeyPatch, point: Point) -> bool:
    """Say whether a run died at *point*."""
    for _ in range(TRIES):
        _anew(desk, engine)
        if _die_at(desk, monkeypatch, point) == [-signal.SIGKILL]:
            return True
    return False


@pytest.mark.soak
def test_killed_at_random_pairs(desk: Desk, engine: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A run that is killed while it completes a killed one: 70 pairs on each engine."""
    points, seeded = _points(desk, tmp_path), random.Random(5)
    for _ in range(70):
        _anew(desk, engine)
        _die_at(desk, monkeypatch, seeded.choice(points), seeded.choice(points))


def _anew(desk: Desk, engine: str) -> None:
    """Forget the state of the round before."""
    import shutil

    shutil.rmtree(desk.root / ".crmsync", ignore_errors=True)
    settings = (desk.root / "crmsync.yaml").read_text(encoding="utf-8")
    if engine == "git":
        shutil.rmtree(desk.root / "remote.git")
        servers.bare_repository(desk.root / "remote.git")
    elif engine == "postgresql":
        url, _, name = settings.rpartition("state: ")[2].strip().rpartition("?schema=")
        _make_schema(url, name)
