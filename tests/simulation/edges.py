"""What is put into the hands of the product, wherever it touches the world: `edges` lists every such place."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from crmsync.copper.client import Client
from crmsync.copper.pace import Pacer
from crmsync.model.state import State
from crmsync.model.store import Unusable
from crmsync.project import account as accounts
from crmsync.project import applying, forgetting, keeping, leasing, planned, planning, reviewing, runner, together
from crmsync.project.account import Account, identify
from crmsync.project.files import Sources
from crmsync.project.mirror import Mirror
from crmsync.project.reading import Ahead
from crmsync.project.session import Project
from crmsync.project.trouble import Trouble
from tests.simulation.copper import ASIDE, HEADERS, Sent, Watched
from tests.simulation.files import Reader
from tests.simulation.hub import Pool, first_ended, threading_of
from tests.simulation.log import Handle, Together
from tests.simulation.runs import process, running

#: So many accounts that people changed are kept read, each about a megabyte; most schedules have the usual one.
MOST_ACCOUNTS = 30
_READERS: dict[int, tuple[Account, Reader]] = {}


def reader_of(account: Account) -> Reader:
    """Return the reader for the rows of *account*."""
    known = _READERS.get(id(account))
    if known is None:
        if len(_READERS) > MOST_ACCOUNTS:
            _READERS.clear()
        known = _READERS[id(account)] = (account, Reader(account.catalogue))
    return known[1]


def connect(project: Project, *, may_write: bool) -> Client:
    """Return a client of the sandbox, in virtual time."""
    run = running()
    machine = run.machine
    pace = project.settings.pace
    pacer = machine.pacers.get(run.wish.host)
    if pacer is None:

        def sleep(seconds: float) -> None:
            process().sleep(seconds)

        pacer = machine.pacers[run.wish.host] = Pacer(pace.requests, pace.bulk, clock=lambda: machine.hub.now, sleep=sleep)
    return Client(
        machine.send, pacer, clock=run.clock, sleep=run.process.sleep, may_write=may_write, chance=machine.rng.random
    )


@contextlib.contextmanager
def opened_state(project: Project, *, create: bool) -> Iterator[tuple[Any, State]]:
    """Open the state that all processes share, and read it."""
    handle = Handle(running())
    try:
        yield handle, handle.read()
    except Unusable as error:
        raise Trouble(str(error)) from error


@contextlib.contextmanager
def opened_store(project: Project, *, create: bool) -> Iterator[Any]:
    """Open the state that all processes share; that is a place where a process may be killed."""
    with opened_state(project, create=create) as (handle, _):
        yield handle


def read_account(project: Project, client: Client, pinned: int | None, types: Any = None) -> Account:
    """Return the account; its labels are read once for all schedules, and its identity each time."""
    machine = running().machine
    if machine.real_reads:
        return REAL_READ_ACCOUNT(project, client, pinned)
    identify(client, project.settings, pinned)
    return account_of(machine.sandbox, project, machine.hub.now)


_ACCOUNTS: dict[int, tuple[Any, Account]] = {}
REAL_READ_ACCOUNT = accounts.read_account


def account_of(sandbox: Watched, project: Project, now: float) -> Account:
    """Return what the project's own reading makes of the account as it is."""
    known = _ACCOUNTS.get(id(sandbox.account))
    if known is not None:
        return known[1]

    def send(request: Any) -> Any:
        return sandbox.handle(Sent(request.method, request.path, request.body, HEADERS, ASIDE))

    faults, sandbox.faults = sandbox.faults, []
    client = Client(send, Pacer(10_000, 1_000, clock=lambda: now), clock=lambda: now)
    account = REAL_READ_ACCOUNT(project, client, None)
    sandbox.faults = faults
    if len(_ACCOUNTS) > MOST_ACCOUNTS:
        _ACCOUNTS.clear()
    _ACCOUNTS[id(sandbox.account)] = (sandbox.account, account)
    return account


def read_declarations(project: Project, sources: Any, catalogue: Any, *ahead: Any) -> Any:
    """Return what the files of the running process declare."""
    run = running()
    key = id(run.files), id(catalogue)
    declarations = run.machine.read_files.get(key)
    if declarations is None:
        account = next((each for _, each in _ACCOUNTS.values() if each.catalogue is catalogue), None)
        reader = reader_of(account) if account is not None else Reader(catalogue)
        declarations = run.machine.read_files[key] = reader.declarations(run.files)
    return declarations


def replan(project: Project, client: Client, store: Any, wishes: Any, *, clock: Any, state: State, **_: Any) -> Any:
    """Return the plan of everything: what a part of the world comes to is compared with that by tests/test_sieving.py."""
    return planning.make_plan(project, client, state, wishes, clock=clock, mirror=mirror_of(project))


def mirror_of(project: Project) -> Mirror | None:
    """Return no mirror: a host has one only in schedules with mirrors."""
    return None


def agree(planned: Any, reviewed: Any, *rest: Any) -> Any:
    """Agree as the product does, and remember what was agreed to."""
    agreed = reviewing.agree(planned, reviewed, *rest)
    run = running()
    run.planned, run.plan = planned, agreed.plan
    # Settling, and bringing a mirror up to date, shows records that the plan does not ask for.
    run.planned_seen = {place: at for place, at in run.seen.items() if place in planned.observed}
    run.agreed_at = run.machine.hub.now
    run.machine.tell("agreed", run, agreed.plan)
    run.machine.on_agreed(run)
    return agreed


def append_private(path: Path, text: str) -> None:
    """Keep copies of records that are going to be deleted."""
    run = running()
    lines = [line for line in map(json.loads, text.splitlines()) if "body" in line]  # the rest is for an undo
    if lines:
        run.process.step()
    for line in lines:
        run.copies[line["address"].partition(".")[0], line["id"]] = line["body"]
        run.machine.tell("copy", run, line["address"], line["id"])


def token_hex(size: int) -> str:
    """Return a name that no other has, the same in each replay."""
    machine = running().machine
    machine.tokens += 1
    return f"{machine.tokens:0{2 * size}x}"


def edges() -> dict[tuple[Any, str], Any]:
    """Return everything that is put in the place of something of the product: module and name, and what stands there."""
    threading = threading_of(process)
    return {
        (applying, "opened_store"): opened_store,
        (applying, "connect"): connect,
        (applying, "read_account"): read_account,
        (applying, "agree"): agree,
        (applying, "replan"): replan,
        (applying, "_leave_questions"): lambda run, planned, agreed: ("decisions.yaml", 0),
        (keeping, "append_private"): append_private,
        (applying, "who"): lambda: "dana",
        (applying, "secrets"): SimpleNamespace(token_hex=token_hex),
        (forgetting, "opened_state"): opened_state,
        (planned, "read_account"): read_account,
        (planning, "read_declarations"): read_declarations,
        (planning, "load_project_sources"): lambda project: Sources((), ()),
        (accounts, "make_private"): lambda project: None,
        (accounts, "write_json"): lambda path, data: None,
        (planning, "refuse_unreadable"): lambda *_: Ahead(),
        (leasing, "threading"): threading,
        (leasing, "secrets"): SimpleNamespace(token_hex=token_hex),
        (leasing, "socket"): SimpleNamespace(gethostname=lambda: running().wish.host),
        (leasing, "os"): SimpleNamespace(getpid=lambda: running().number),
        (leasing, "who"): lambda: "dana",
        (together, "threading"): threading,
        (runner, "threading"): threading,
        (runner, "Together"): Together,
        (runner, "ThreadPoolExecutor"): lambda max_workers, **_: Pool(process(), max_workers),
        (runner, "wait"): lambda futures, **_: first_ended(process(), futures),
    }


@contextlib.contextmanager
def in_place(stand_ins: Mapping[tuple[Any, str], Any]) -> Iterator[None]:
    """Put *stand_ins* in their places for as long as the block runs."""
    before = {place: getattr(*place) for place in stand_ins}
    for (module, name), each in stand_ins.items():
        setattr(module, name, each)
    try:
        yield
    finally:
        for (module, name), each in before.items():
            setattr(module, name, each)
