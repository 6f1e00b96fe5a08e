"""
The crash test: `crmsync apply` is killed before and after each request that writes, and run again.

The process is a real one, so is its death (SIGKILL), so are the sockets and the state file. A hook in the served sandbox
kills the client before it executes a write, or after that and before the reply; each write has its turn at both. The next
run must leave exactly the declared records, each once. In the default tests that run has all clocks some minutes ahead,
for settling takes time; under soak it is the command itself, which waits.

`pytest -s tests/test_crash.py` prints the table.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from crmsync.project import applying
from crmsync.project.runner import steady_clock
from crmsync.sandbox import Sandbox
from tests.desk import PROGRAM, Desk, Stage, serving

BEFORE = """
companies:
  acme: {name: Acme, email_domain: acme.com, details: Old}
  late: {name: Late Inc, email_domain: late.com}
people:
  pat: {name: Pat, emails: [pat@acme.com], company: acme}
"""
AFTER = """
companies:
  acme: {name: Acme, email_domain: acme.com, details: New, primary_contact: wile}
  beta: {name: Beta, email_domain: beta.com, tags: [a, b]}
  gamma: {name: Gamma, email_domain: gamma.com, custom_fields: {Tier: Gold}}
  delta: {name: Delta, email_domain: delta.com, primary_contact: dora}
people:
  wile: {name: Wile, emails: [wile@acme.com], company: acme}
  bea: {name: Bea, emails: [bea@beta.com], company: beta}
  gus: {name: Gus, emails: [gus@gamma.com]}
  dora: {name: Dora, emails: [dora@delta.com], company: delta}
  pat: {name: Pat, emails: [pat@acme.com], company: beta}
opportunities:
  one: {name: One, company: acme, primary_contact: wile, pipeline: Sales, stage: Proposal}
  two: {name: Two, company: beta, primary_contact: bea}
  three: {name: Three, primary_contact: dora}
"""
EXPECTED = {
    "companies": ["Acme", "Beta", "Delta", "Gamma"],
    "people": ["Bea", "Dora", "Gus", "Pat", "Wile"],
    "opportunities": ["One", "Three", "Two"],
}
LOOKS = re.compile(r"/(search|fetch_by_email)$")

#: The requests of the run that write.
WRITES = [
    "DELETE /companies/ID",
    "DELETE /people/ID/related",
    "POST /companies/bulk_create",
    "POST /companies/bulk_update",
    "POST /opportunities/bulk_create",
    "POST /people/ID/related",
    "POST /people/bulk_create",
]
COUNT = len(WRITES)
AHEAD_SECONDS = 200.0

#: The command with its clock put forward, for a run that shall be killed while it settles.
LATER = """
from crmsync.project import applying, runner
from crmsync.cli import main
clock = runner.steady_clock()
applying.steady_clock = lambda: lambda: clock() + {seconds}
main()
"""


class Ahead:
    """Clocks that can be put forward: the sandbox's, and that of a second run in this process."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        """Return the time in unix seconds."""
        return time.time() + self.seconds


def _name(request: Any) -> str:
    return re.sub(r"\d+", "ID", f"{request.method} {request.path}")


class Killer:
    """
    Kills *process* at one of the WRITES, the *nth*: before it is executed, or after that and before the reply.

    By name and not by number: calls in flight together arrive in either order.
    """

    def __init__(self, nth: int, when: str) -> None:
        self.nth = nth
        self.when = when
        self.struck = ""
        self.process: subprocess.Popen[str] | None = None

    def __call__(self, sandbox: Sandbox, request: Any) -> Any:
        """Stand between a request and its handling."""
        if request.method == "GET" or LOOKS.search(request.path.partition("?")[0]):
            return sandbox.handle(request)
        if self.struck or self.process is None:
            raise ConnectionResetError  # from a process that is dead by now
        name = _name(request)
        if name != WRITES[self.nth - 1]:
            return sandbox.handle(request)
        self.struck = name
        if self.when == "after":
            sandbox.handle(request)
        self._kill()
        raise ConnectionResetError

    def _kill(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


@contextlib.contextmanager
def _prepared(desk: Desk) -> Iterator[Ahead]:
    ahead = Ahead()
    desk.stage.sandbox = Sandbox(clock=ahead.now)
    desk.write("crm/a.yaml", BEFORE)
    desk.done("apply", "-y")
    desk.write("crm/a.yaml", AFTER)
    yield ahead
    desk.stage.hook = None


def _killed(desk: Desk, killer: Killer, program: str = PROGRAM) -> int:
    """Let a command run into the killer, and return how it ended."""
    desk.stage.hook = killer
    killer.process = desk.spawn("apply", "-y", "--settle", "1", program=program)
    killer.process.communicate(timeout=60)
    desk.stage.hook = None
    return killer.process.returncode


def _second_run(desk: Desk, ahead: Ahead, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run again, when the settling time has passed on all clocks."""
    ahead.seconds += AHEAD_SECONDS
    clock, seconds = steady_clock(), ahead.seconds
    monkeypatch.setattr(applying, "steady_clock", lambda: lambda: clock() + seconds)
    ran = desk.run("apply", "-y", "--settle", "1")
    assert ran.code == 0, ran


def _records(desk: Desk) -> dict[str, list[str]]:
    return {type_name: desk.names(type_name) for type_name in EXPECTED}


def _check(desk: Desk) -> None:
    """Exactly the declared records, each once, as declared, and nothing left to do."""
    assert _records(desk) == EXPECTED
    assert not desk.state().open_intents
    assert "No changes." in desk.done("plan")
    acme = desk.sandbox.record("companies", desk.id("companies.acme"))
    assert acme is not None
    assert (acme["details"], acme["primary_contact_id"]) == ("New", desk.id("people.wile"))


def _row(killer: Killer, left: dict[str, list[str]], second: str) -> str:
    counts = "/".join(str(len(names)) for names in left.values())
    return f"{killer.nth:>2}  {killer.struck:<32} {killer.when:<6}  {counts:<8} {second}"


def test_the_writes(desk: Desk) -> None:
    """The run that is killed below sends these writes: creates of three types, an update, a link, a delete."""
    with _prepared(desk):
        before = len(desk.sandbox.log)
        desk.done("apply", "-y")
        sent = [each for each in desk.sandbox.log[before:] if each.executed and not LOOKS.search(each.path)]

        assert sorted(_name(each) for each in sent if each.method != "GET") == WRITES
        _check(desk)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", range(1, COUNT + 1))
def test_killed_at_each_write(desk: Desk, monkeypatch: pytest.MonkeyPatch, nth: int, when: str) -> None:
    """Whichever write the process dies at, before or after its execution, the next run completes and doubles nothing."""
    with _prepared(desk) as ahead:
        killer = Killer(nth, when)
        code = _killed(desk, killer)
        left = _records(desk)
        assert (code, len(killer.struck) > 0) == (-signal.SIGKILL, True)

        _second_run(desk, ahead, monkeypatch)
        _check(desk)
        print(f"\n{_row(killer, left, 'complete')}", end="")


@pytest.mark.parametrize(("first", "second"), [((3, "after"), (7, "after")), ((7, "before"), (7, "after"))])
def test_killed_twice(desk: Desk, monkeypatch: pytest.MonkeyPatch, first: tuple[int, str], second: tuple[int, str]) -> None:
    """A run that is killed while it completes a killed one is completed by the next."""
    _kill_twice(desk, monkeypatch, Killer(*first), Killer(*second))


def _kill_twice(desk: Desk, monkeypatch: pytest.MonkeyPatch, first: Killer, second: Killer) -> None:
    with _prepared(desk) as ahead:
        _killed(desk, first)
        ahead.seconds += AHEAD_SECONDS
        _killed(desk, second, LATER.format(seconds=ahead.seconds))
        _second_run(desk, ahead, monkeypatch)
        _check(desk)


# --- the whole thing, as a user would see it ----------------------------------------------------


@pytest.mark.soak
def test_every_kill_with_the_real_command(tmp_path: Path) -> None:
    """Both runs are the command itself, which waits out the settling time; the table goes to stdout."""

    def one(case: tuple[int, str]) -> str:
        stage = Stage()
        root = tmp_path / f"{case[1]}{case[0]}"
        root.mkdir()
        with serving(stage) as url:
            desk = Desk(root, url, stage)
            desk.write("crm/a.yaml", BEFORE)
            assert desk.call("apply", "-y").code == 0
            desk.write("crm/a.yaml", AFTER)
            killer = Killer(*case)
            assert _killed(desk, killer) == -signal.SIGKILL
            left = {type_name: desk.names(type_name) for type_name in EXPECTED}
            started = time.monotonic()
            ran = desk.call("apply", "-y", "--settle", "1")
            took = time.monotonic() - started
            assert ran.code == 0, ran
            assert "No changes." in desk.call("plan").out
            assert {name: desk.names(name) for name in EXPECTED} == EXPECTED
            return _row(killer, left, f"complete after {took:.0f} s")

    cases = [(nth, when) for nth in range(1, COUNT + 1) for when in ("before", "after")]
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(one, cases))
    print("\n n  request                          killed  left     second run", *rows, sep="\n")


@pytest.mark.soak
@pytest.mark.parametrize("second", [(nth, when) for nth in range(1, COUNT + 1) for when in ("before", "after")], ids=str)
@pytest.mark.parametrize("first", [(nth, when) for nth in range(1, COUNT + 1) for when in ("before", "after")], ids=str)
def test_killed_at_every_pair(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, first: tuple[int, str], second: tuple[int, str]
) -> None:
    """Two kills in a row, at every pair of writes."""
    _kill_twice(desk, monkeypatch, Killer(*first), Killer(*second))
