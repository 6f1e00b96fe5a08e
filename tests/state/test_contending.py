"""
Two processes contend for one state, one of them stopped (SIGSTOP) in the middle of its append and its lease taken.

Whoever is let go again (SIGCONT) has either been in time or has lost; every position has one winner, who is on record.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from crmsync.model.events import Absent
from crmsync.state import open_store
from tests.state.conftest import PLACES

#: A run in small: it does what it is told on stdin, a word a line, and says what came of it.
PROGRAM = """
import sys
from pathlib import Path
from crmsync.model.events import Absent
from crmsync.model.store import Holder, Locked, Lost, Unusable
from crmsync.state import is_local, open_sqlite, open_store

url, root, name = sys.argv[1:]
if is_local(url):
    store = open_sqlite(Path(root) / url, "contended", create=True, busy_seconds=0.05)
else:
    store = open_store(url, root=Path(root), lineage="contended", create=True)
holder, position = Holder(name, name, "host-of-" + name, 1, 0.0, 0.0), 0

def acquire(now):
    store.acquire(holder, float(now))
    return "held"

def read():
    global position
    position = store.read().position
    return position

def append():
    global position
    position = store.append(position, [Absent(name)])
    return position

for line in sys.stdin:
    word, *rest = line.split()
    try:
        print(word, {"acquire": acquire, "read": read, "append": append}[word](*rest), flush=True)
    except (Locked, Lost, Unusable) as error:
        print(word, type(error).__name__.lower(), flush=True)
"""


class Contender:
    """One of the two processes."""

    def __init__(self, name: str, url: str, root: Path) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, url, str(root), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def ask(self, *words: Any) -> None:
        """Tell it what to do."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(map(str, words)) + "\n")

    def answer(self) -> str:
        """Return what came of the last thing that was asked."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().split()[1]

    def do(self, *words: Any) -> str:
        """Ask, and return what came of it."""
        self.ask(*words)
        return self.answer()

    def signal(self, number: int) -> None:
        """Stop it, or let it go on."""
        os.kill(self.process.pid, number)


def _contend(url: str, root: Path, rounds: int) -> tuple[int, int]:
    """Let two contend, check the log, and return how often the stopped one was too late, and in time."""
    seeded = random.Random(rounds)
    pair = []
    for name in ("a", "b"):
        pair.append(Contender(name, url, root))
        assert pair[-1].do("read") == "0"
    wins: dict[int, str] = {}
    late = in_time = 0
    try:
        for number in range(rounds):
            stopped, other = pair if number % 2 else pair[::-1]
            now = 1000.0 * (number + 1)
            assert stopped.do("acquire", now) == "held"
            stopped.do("read")
            stopped.ask("append")
            time.sleep(seeded.choice([0.0, 0.0, 0.001, 0.003, 0.01]))
            stopped.signal(signal.SIGSTOP)
            try:
                # Renewing is over: after 60 s of silence the lease may be taken, and the log goes on without the other.
                taken = other.do("acquire", now + 61)
                other.do("read")
                won = other.do("append")
            finally:
                stopped.signal(signal.SIGCONT)
            first = stopped.answer()
            for who, position in ((other, won), (stopped, first)):
                if position.isdecimal():
                    assert wins.setdefault(int(position), who.name) == who.name, "one position, two winners"
            # Where it was stopped while it held the file's own lock, the other can only say so; then nobody has lost.
            # A commit that waits for a stopped reader is unclear, which is an unusable too.
            assert taken in ("held", "unusable", "unclear"), taken
            assert won.isdecimal() or won in ("lost", "unusable"), won
            late, in_time = late + (first == "lost"), in_time + first.isdecimal()
        final = open_store(url, root=root, lineage="contended", create=False)
        assert [(position, Absent(name)) for position, name in sorted(wins.items())] == [
            (position, event) for position, _, event in final.events()
        ]
        final.close()
    finally:
        for each in pair:
            each.process.kill()
            each.process.communicate()
    return late, in_time


def test_two_contend_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is always stopped somewhere in its append."""
    late, in_time = _contend(".crmsync/state.db", tmp_path, 12)

    assert late + in_time > 0


@pytest.mark.soak
@pytest.mark.parametrize("engine", ["sqlite", "git", "postgresql", "s3"])
def test_two_contend_for_200_rounds(request: pytest.FixtureRequest, tmp_path: Path, engine: str) -> None:
    """On every engine; both ends happen."""
    url, root = (".crmsync/state.db", tmp_path) if engine == "sqlite" else PLACES[engine](request, tmp_path)
    if engine == "postgresql":
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA IF NOT EXISTS contended")
        url = f"{url}?schema=contended"
    late, in_time = _contend(url, root, 200)

    print(f"\n{engine}: the stopped one was too late {late} times and in time {in_time} times of 200")
    assert late > 0
    assert in_time > 0
