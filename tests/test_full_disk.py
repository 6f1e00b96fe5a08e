"""A disk that is full, streams that are closed, readers who leave: the exit code is true and nothing is half-written."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.desk import Desk, Ran

COUNT = 40
#: Under a limit Python would leave half of a compiled file for those that come after.
UNCOMPILED = {"PYTHONDONTWRITEBYTECODE": "1"}
MANY = "companies:\n" + "".join(f"  c{n}:\n    name: Company {n}\n" for n in range(COUNT))


def _limited(bytes_a_file: int) -> Callable[[], None]:
    """Return what lets a process write files of so many bytes at most: then writing fails, as on a full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, bytes_a_file))

    return limit


def _left_over(desk: Desk) -> list[str]:
    """Return the files that somebody began to write and left."""
    return [
        path.name for path in desk.root.rglob("*") if path.name.startswith((".plan", ".account")) or path.suffix == ".new"
    ]


@pytest.mark.parametrize("limit", [0, 100, 9000])
@pytest.mark.parametrize("words", [["plan", "--out", "plan.json"], ["plan", "--json", "--out", "plan.json"]], ids=" ".join)
def test_no_room_for_a_plan(desk: Desk, words: list[str], limit: int) -> None:
    """A plan that does not fit is not there, the one before it still is, and the command says so."""
    desk.write("crm/a.yaml", MANY)
    desk.done("plan", "--out", "plan.json")
    before = (desk.root / "plan.json").read_bytes()

    ran = desk.call(*words, preexec_fn=_limited(limit), environ=UNCOMPILED)

    assert ran.code == 1, ran
    assert "Traceback" not in ran.err
    assert "error:" in ran.err
    assert (desk.root / "plan.json").read_bytes() == before
    assert _left_over(desk) == []


@pytest.mark.parametrize("limit", [0, 20_000])
@pytest.mark.parametrize("more", [[], ["--json"]], ids=["text", "json"])
def test_no_room_for_the_state(desk: Desk, more: list[str], limit: int) -> None:
    """An apply whose state does not fit ends with an error; a later one completes it, and makes nothing twice."""
    desk.write("crm/a.yaml", MANY)

    ran = desk.call("apply", "-y", *more, preexec_fn=_limited(limit), environ=UNCOMPILED)
    _completes(desk, ran)


@pytest.mark.parametrize("room", [0, 4096])
def test_no_room_for_more_of_the_state(desk: Desk, room: int) -> None:
    """A state that cannot grow any more, half way through a run, ends it; nothing is made twice afterwards."""
    desk.write("crm/a.yaml", MANY)
    desk.write("crm/b.yaml", "people:\n  ann:\n    name: Ann\n    emails: [ann@acme.com]\n")
    desk.done("apply", "-y", "--only", "people.*")
    size = (desk.root / ".crmsync" / "state.db").stat().st_size

    ran = desk.call("apply", "-y", preexec_fn=_limited(size + room), environ=UNCOMPILED)
    _completes(desk, ran)


def _completes(desk: Desk, ran: Ran) -> None:
    assert ran.code in (1, 6) or (ran.code == 0 and len(desk.names("companies")) == COUNT), ran
    assert "Traceback" not in ran.err
    assert "has a fault" not in ran.err, ran
    assert _left_over(desk) == []
    for line in ran.out.splitlines():
        if line.startswith("{"):
            json.loads(line)
    desk.done("apply", "-y", "--settle", "0")
    assert desk.names("companies") == sorted(f"Company {number}" for number in range(COUNT))
    assert "No changes." in desk.done("plan")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_no_room_for_the_rest_of_the_output(desk: Desk, unbuffered: str) -> None:
    """Output that fits in part is a failure, also where Python was told not to buffer, as in many container images."""
    desk.write("crm/a.yaml", MANY)
    environ = UNCOMPILED | {"PYTHONUNBUFFERED": unbuffered}
    with (desk.root / "plan.txt").open("w", encoding="utf-8") as file:
        ran = desk.call("plan", "--no-cache", stdout=file, preexec_fn=_limited(1000), environ=environ)

    assert (ran.code, ran.err.splitlines()[-1]) == (1, "error: The output could not be written: File too large.")
    assert (desk.root / "plan.txt").stat().st_size <= 1000


SHELL = [
    ("plan | head -1", {0}),
    ("plan --json | head -1", {0}),
    ("plan 2>&- | head -1", {0}),
    ("plan <&- >/dev/null", {0}),
    ("plan --detailed-exitcode | head -1", {0, 2}),
    ("plan 2>/dev/full >/dev/null", {0}),
    ("plan >/dev/full", {1}),
    ("plan >/dev/full 2>/dev/full", {1}),
    ("plan --json >/dev/full 2>&-", {1}),
    ("plan --out p.json >/dev/full", {1}),
    ("validate >/dev/full", {1}),
    ("validate | true", {0}),
    ("nonsense 2>&-", {64}),
    ("nonsense 2>/dev/full", {64}),
    ("apply <&-", {64}),
    ("apply --json <&-", {64}),
]

WRITING = [
    ("apply -y | head -1", {0}),
    ("apply -y --json | head -1", {0}),
    ("apply -y --json | true", {0}),
    ("apply -y --json 2>&1 | true", {0}),
    ("apply -y --json >/dev/full", {1}),
    ("apply -y >/dev/full 2>/dev/full", {1}),
    ("apply -y --json <&- >&- 2>&-", {0}),
    ("apply -y 2>&-", {0}),
]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(("line", "codes"), [*SHELL, *WRITING], ids=lambda each: each if isinstance(each, str) else None)
def test_streams_that_take_nothing(desk: Desk, line: str, codes: set[int]) -> None:
    """The exit code says what was done, not who listened; an apply does all of its work; nothing is said of pipes."""
    desk.write("crm/a.yaml", MANY)

    ran = _shell(desk, line)

    assert ran.code in codes, ran
    assert "Traceback" not in ran.err
    assert "Exception ignored" not in ran.err
    assert "BrokenPipe" not in ran.err
    assert len(desk.names("companies")) == (COUNT if (line, codes) in WRITING else 0)
    assert not desk.state().open_intents
    assert _left_over(desk) == []


def _shell(desk: Desk, line: str) -> Ran:
    """Run ``crmsync`` and the rest of *line* in a shell; the exit code is that of crmsync."""
    desk.write("crmsync.sh", f"exec {sys.executable} -c 'from crmsync.cli import main; main()' \"$@\"\n")
    text = f"bash crmsync.sh {line}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", text], cwd=desk.root, env=desk.environment(), capture_output=True, text=True, timeout=120, check=False
    )
    return Ran(done.returncode, done.stdout, done.stderr)
