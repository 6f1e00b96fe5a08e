"""A terminal for tests: a folder, a sandbox on a loopback port, and a shell in which `crmsync` is this checkout's."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crmsync.sandbox import AccountFile, Sandbox, make_key
from crmsync.sandbox.server import build_server

CHECKOUT = Path(__file__).parents[1]
_LEAKS = ("COPPER_", "CRMSYNC_", "FORCE_COLOR", "CI")


@dataclass(frozen=True)
class Ended:
    """How a command ended, and everything it printed: stdout first."""

    code: int
    text: str


@dataclass(frozen=True)
class Terminal:
    """Runs commands in *folder* against *sandbox*."""

    folder: Path
    sandbox: Sandbox
    environ: dict[str, str]

    def run(self, command: str) -> Ended:
        """Run one line of shell."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        return Ended(done.returncode, done.stdout + done.stderr)


@contextmanager
def terminal(folder: Path, account: AccountFile | None = None) -> Iterator[Terminal]:
    """Open a terminal in *folder*, beside a sandbox that serves *account* (or the usual one)."""
    sandbox = Sandbox(account=account) if account is not None else Sandbox()
    with _served(sandbox) as url:
        programs = folder / ".programs"
        programs.mkdir()
        _write_program(programs / "crmsync")
        environ = {name: text for name, text in os.environ.items() if not name.startswith(_LEAKS)}
        environ |= {
            # Its `python` is the one that has crmsync, as where a user installed it.
            "PATH": os.pathsep.join((str(programs), str(Path(sys.executable).parent), environ["PATH"])),
            "COPPER_BASE_URL": url,
            "COPPER_API_KEY": make_key(),
            "COPPER_USER_EMAIL": sandbox.account.users[0].email,
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONUTF8": "1",
        }
        yield Terminal(folder, sandbox, environ)


@contextmanager
def _served(sandbox: Sandbox) -> Iterator[str]:
    """Serve *sandbox* in a thread and give its base URL."""
    ready, urls = threading.Event(), []

    def on_ready(url: str) -> None:
        urls.append(url)
        ready.set()

    server, listening = build_server(sandbox, on_ready=on_ready)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield urls[0]
    finally:
        server.should_exit = True
        thread.join(5)
        listening.close()


def _write_program(path: Path) -> None:
    # The package need not be installed to be tested.
    call = "from crmsync.cli import main; main()"
    path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(call)} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
