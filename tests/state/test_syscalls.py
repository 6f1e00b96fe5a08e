"""
A sweep over the system calls by which an SQLite state is written: killed at each, or told that the disk is full or broken.

strace does it to a real process. What was acknowledged must be there afterwards; what was not may or may not be; and a
process that lives on says what is wrong in a sentence.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crmsync.state import open_sqlite
from tests.state.servers import missing

CALLS = "pwrite64,write,fdatasync,fsync,ftruncate,unlink"
APPENDS = 6
PROGRAM = """
import sys
from pathlib import Path
from crmsync.model.events import Absent
from crmsync.model.store import Unusable
from crmsync.state import open_sqlite

store = open_sqlite(Path(sys.argv[1]), "swept", create=True)
for position in range(%d):
    try:
        got = store.append(position, [Absent("x" * 3000)])
    except Unusable as error:
        sys.stderr.write(f"told: {error}\\n")
        sys.exit(9)
    sys.stdout.write(f"{got}\\n")
    sys.stdout.flush()
"""


def _swept(folder: Path, inject: str) -> tuple[int, int, str]:
    """Run the program with *inject* on the state's files; return its code, the last acknowledged position, what it told."""
    path = folder / "state.db"
    open_sqlite(path, "swept", create=True).close()
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", str(path), "-P", f"{path}-journal", "-e", f"trace={CALLS}"]
    command += ["-e", f"inject={inject}", sys.executable, "-c", PROGRAM % APPENDS, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    acknowledged = [int(line) for line in done.stdout.split()]
    return done.returncode, acknowledged[-1] if acknowledged else 0, done.stderr


def _check(folder: Path, acknowledged: int) -> None:
    """Everything acknowledged is there, and at most the one append that was under way besides."""
    store = open_sqlite(folder / "state.db", "swept", create=False)
    position = store.read().position
    assert acknowledged <= position <= acknowledged + 1
    assert store.append(position, []) == position + 1
    store.close()


@pytest.fixture
def strace() -> None:
    """strace, which is for Linux."""
    if shutil.which("strace") is None:
        missing("strace")


def _sweep(tmp_path: Path, fault: str, numbers: range) -> int:
    """Inject *fault* at each of *numbers*; return how many of these calls there were."""
    for number in numbers:
        folder = tmp_path / f"{fault.replace(':', '-').replace('=', '-')}-{number}"
        folder.mkdir()
        code, acknowledged, told = _swept(folder, f"{CALLS}:{fault}:when={number}")
        _check(folder, acknowledged)
        if code == 0:
            return number - numbers.start
        if "SIGKILL" in fault:
            assert code in (-9, 137), told
        else:
            assert (code, "Traceback" in told, "told: Cannot use the state file" in told) == (9, False, True), told
    return len(numbers)


@pytest.mark.usefixtures("strace")
@pytest.mark.parametrize("fault", ["signal=SIGKILL", "error=ENOSPC", "error=EIO"])
def test_some_calls(tmp_path: Path, fault: str) -> None:
    """A sample: the calls of the second append."""
    assert _sweep(tmp_path, fault, range(14, 18)) > 0


@pytest.mark.soak
@pytest.mark.usefixtures("strace")
@pytest.mark.parametrize("fault", ["signal=SIGKILL", "error=ENOSPC", "error=EIO"])
def test_every_call(tmp_path: Path, fault: str) -> None:
    """All of them, until a run has fewer."""
    count = _sweep(tmp_path, fault, range(1, 1000))

    print(f"\n{fault}: {count} calls, 0 acknowledged appends lost")
    assert count > 5 * APPENDS
