"""
A desk to work at: a project folder, the command line, and a sandbox behind a real socket.

One server serves all tests of a process; each test puts its own sandbox behind it. Commands run in this process (`run`)
or in one of their own (`spawn`), with nothing of the caller's environment.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from crmsync.cli import cli
from crmsync.cli.ending import run
from crmsync.model.address import Address
from crmsync.model.events import Intent, RunStarted, WriteAction
from crmsync.model.store import Holder
from crmsync.project.session import open_project, opened_state
from crmsync.sandbox import Sandbox
from crmsync.sandbox.server import build_server

PROJECT = "5f0c0000-0000-4000-8000-000000000001"
KEY = "sandbox-canary-5b1f93"
SETTINGS = f"crmsync: 1\nproject: {PROJECT}\nrecords: [crm/]\npace: {{requests: 6000, bulk: 100}}\n"
PROGRAM = "from crmsync.cli import main; main()"

Hook = Callable[[Sandbox, Any], Any]


class Stage:
    """The sandbox that is served just now; *hook* may stand between a request and its handling."""

    def __init__(self) -> None:
        self.sandbox = Sandbox()
        self.hook: Hook | None = None

    def handle(self, request: Any) -> Any:
        """Answer a request."""
        sandbox = self.sandbox
        return self.hook(sandbox, request) if self.hook is not None else sandbox.handle(request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sandbox, name)


@contextlib.contextmanager
def serving(stage: Stage) -> Iterator[str]:
    """Serve *stage* on a loopback port, in a thread, and give its address."""
    ready, urls = threading.Event(), list[str]()

    def on_ready(url: str) -> None:
        urls.append(url)
        ready.set()

    server, listening = build_server(stage, on_ready=on_ready)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    assert ready.wait(30), "the sandbox did not start"
    try:
        yield urls[0]
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str


@dataclass
class Desk:
    """A project in *root*, and the sandbox at *url*."""

    root: Path
    url: str
    stage: Stage
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.write("crmsync.yaml", SETTINGS)

    @property
    def sandbox(self) -> Sandbox:
        """The sandbox behind the address."""
        return self.stage.sandbox

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables that a command gets; an empty one is left out."""
        login = {"COPPER_BASE_URL": self.url, "COPPER_API_KEY": KEY, "COPPER_USER_EMAIL": "dana@ourfirm.com"}
        own = {"PATH": os.environ["PATH"], "HOME": str(self.root), "LC_ALL": "C.UTF-8", "LOGNAME": "dana", "COLUMNS": "100"}
        own |= {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        merged = {**own, **login, **self.environ, **more}
        return {name: value for name, value in merged.items() if value}

    def run(self, *arguments: str, **environ: str) -> Ran:
        """Run ``crmsync`` in this process."""
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.environment(**environ), clear=True),
            contextlib.chdir(self.root),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            mock.patch.object(sys, "stdin", io.StringIO()),
        ):
            code = run(cli, arguments)
        return Ran(code, out.getvalue(), err.getvalue())

    def done(self, *arguments: str, **environ: str) -> str:
        """Run ``crmsync`` in this process, which must succeed, and return what it printed."""
        ran = self.run(*arguments, **environ)
        assert ran.code == 0, (arguments, ran)
        return ran.out

    def spawn(
        self, *arguments: str, environ: Mapping[str, str] | None = None, program: str = PROGRAM, **settings: Any
    ) -> subprocess.Popen[str]:
        """Start ``crmsync`` in a process of its own."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.Popen(
            command, cwd=self.root, env=self.environment(**(environ or {})), text=True, **{**streams, **settings}
        )

    def call(self, *arguments: str, environ: Mapping[str, str] | None = None, **settings: Any) -> Ran:
        """Run ``crmsync`` in a process of its own to its end."""
        process = self.spawn(*arguments, environ=environ, **settings)
        out, err = process.communicate(timeout=60)
        return Ran(process.returncode, out or "", err or "")

    def state(self) -> Any:
        """Return the state as it is."""
        with opened_state(open_project(start=self.root, environ={}), create=False) as (_, state):
            return state

    def hold(self, holder: Holder) -> None:
        """Let somebody hold the state."""
        with opened_state(open_project(start=self.root, environ={}), create=True) as (store, _):
            store.acquire(holder, holder.renewed)

    def leave_open(self, address: str) -> None:
        """Let an earlier run have ended before it learnt what became of creating *address*."""
        about, hour_ago = Address.parse(address), time.time() - 3600
        assert about is not None
        intent = Intent("early-0", "early", about, WriteAction.CREATE, None, {}, {}, hour_ago, hour_ago)
        with opened_state(open_project(start=self.root, environ={}), create=True) as (store, state):
            store.append(state.position, [RunStarted("early", hour_ago, 1), intent])

    def id(self, address: str) -> int:
        """Return the id of a bound record."""
        return next(binding.record_id for bound, binding in self.state().bindings.items() if str(bound) == address)

    def names(self, type_name: str) -> list[str]:
        """Return the names of all records of a type, sorted."""
        return sorted(body["name"] for body in self.sandbox.records(type_name))
