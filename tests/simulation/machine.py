"""
The project's own `apply`, from the lease to the ledger, run as processes in virtual time.

Nothing of the product is rewritten: planning, reviewing, the runner with its pool, the client with its patience and its
pacer, the lease with its thread are what runs for users. Only where they touch the world, something of ours is put in
their hands: `edges` lists every such place.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

from crmsync.copper.client import Client
from crmsync.copper.pace import Pacer
from crmsync.model.address import Address
from crmsync.model.effects import Outcome, Progress
from crmsync.model.events import Event as StateEvent
from crmsync.model.events import Intent, WriteAction
from crmsync.model.plan import Plan
from crmsync.model.settings import Settings
from crmsync.model.state import State
from crmsync.model.store import NO_COPIES, Holder, Unusable
from crmsync.plan.world import Wishes
from crmsync.project import applying, forgetting, keeping, leasing, planning, reviewing, runner, together
from crmsync.project.account import Account, identify
from crmsync.project.applying import ApplyOptions, Watch
from crmsync.project.files import Sources
from crmsync.project.reading import Ahead
from crmsync.project.session import Project
from crmsync.project.trouble import Trouble
from crmsync.render.document import dump, plan_document
from crmsync.sandbox import Fault
from crmsync.state import MemoryStore
from tests.simulation.copper import ASIDE, Sent, Watched, route_of
from tests.simulation.files import Files, Reader
from tests.simulation.hub import Event, Hub, Killed, Pool, Process, fiber, first_ended, threading_of

HEADERS = {
    "X-PW-AccessToken": "sandbox-key",
    "X-PW-Application": "developer_api",
    "X-PW-UserEmail": "dana@ourfirm.com",
    "Content-Type": "application/json",
}
LINEAGE = "5f0c0000-0000-4000-8000-000000000001"


class Log(MemoryStore):
    """The state in memory, for all processes; it is folded as it grows, not again at every look."""

    def __init__(self, lineage: str, **wishes: Any) -> None:
        super().__init__(lineage, **wishes)
        self.written: list[str] = []
        self._state = super().read()

    def read(self) -> State:
        """Return the state at the head of the log."""
        return self._state

    def append(self, position: int, events: Sequence[StateEvent], copies: Mapping[str, bytes] = NO_COPIES) -> int:
        """Append, as the contract says."""
        new = super().append(position, events, copies)
        self._state = self._state.advance(events, new)
        self.written.append(self._segments[-1][2])
        return new

    def compact(self, position: int) -> int:
        """Replace the events by a snapshot."""
        new = super().compact(position)
        self._state = super().read()
        self.written.append(self._snapshot)
        return new

    def folded(self) -> State:
        """Return the state as its log alone tells it."""
        return super().read()

    def picture(self) -> Any:
        """Return everything, to go back to."""
        return self._snapshot, list(self._segments), self._position, self._state

    def go_back(self, picture: Any) -> None:
        """Be what it was: a backup was restored."""
        self._snapshot, segments, self._position, self._state = picture
        self._segments, self._known = list(segments), self._state


class Together(together.Together[StateEvent]):
    """Appends that go together; each fiber remembers what it wanted noted."""

    def write(self, items: Sequence[StateEvent]) -> None:
        """Write *items*."""
        super().write(items)
        fiber().intents = tuple(each for each in items if isinstance(each, Intent)) or fiber().intents


class Handle:
    """The state as one process has it open: at each append the process may die before, or after, or never hear of it."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._log = run.machine.log

    def read(self) -> State:
        """Return the state at the head of the log."""
        self._run.process.step()
        return self._log.read()

    def append(self, position: int, events: Any, copies: Mapping[str, bytes] = NO_COPIES) -> int:
        """Append, as the contract says."""
        run = self._run
        run.process.step()
        run.appends += 1
        self._travel()
        new = self._log.append(position, events, copies)
        run.machine.tell("append", run, position, tuple(events))
        run.machine.on_append(run, position, new, tuple(events))
        self._travel()
        if run.wish.loses_reply == run.appends:
            raise Unusable("The state could not be reached, and nobody knows whether it was written.")
        run.process.step()
        return new

    def _travel(self) -> None:
        """Let an append take its time, where the state is far away."""
        if self._run.machine.network.append_seconds:
            self._run.process.sleep(self._run.machine.network.append_seconds / 2)

    def compact(self, position: int) -> int:
        """Put a snapshot in the place of the log."""
        self._run.process.step()
        new = self._log.compact(position)
        self._run.machine.tell("compact", self._run, position)
        self._run.machine.on_compact(position, new)
        return new

    def keep(self, copies: Mapping[str, bytes]) -> None:
        """Keep copies beside the state."""
        self._log.keep(copies)

    def kept(self) -> Mapping[str, int]:
        """Return the names of the kept copies."""
        return self._log.kept()

    def drop(self, names: Iterable[str]) -> None:
        """Drop copies."""
        self._log.drop(names)

    def acquire(self, holder: Holder, now: float) -> None:
        """Take the lease."""
        self._run.process.step()
        self._log.acquire(holder, now)

    def renew(self, nonce: str, now: float) -> None:
        """Say that the holder is alive."""
        if not self._run.process.is_dead:
            self._log.renew(nonce, now)

    def release(self, nonce: str) -> None:
        """Give the lease back; the dead do not."""
        if not self._run.process.is_dead:
            self._log.release(nonce)

    def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class RunWish:
    """
    How one run shall go.

    *mode* is auto (no questions), asked (the plan is shown and agreed to), saved (of a plan made *lead* seconds before).
    *kill_at*, *stop_at* are steps; *pauses* are (step, seconds). *gap_pause* strikes between the last look at the clock
    and the request. *loses_reply* is the append whose reply is lost. *skew* is how wrong the host's clock is.
    """

    after: float = 0.0
    mode: str = "auto"
    host: str = "one"
    skew: float = 0.0
    kill_at: int | None = None
    stop_at: int | None = None
    pauses: tuple[tuple[int, float], ...] = ()
    gap_pause: tuple[int, float] | None = None
    loses_reply: int | None = None
    lead: float = 0.0
    allows: bool = True
    settle: float = 120.0
    recreate: tuple[str, ...] = ()


@dataclass(eq=False)
class Send:
    """One request of a run, from the moment it left; *intents* are those that its fiber had appended for it."""

    run: Run
    request: Any
    at: float
    number: int
    intents: tuple[Any, ...] = ()
    gap: float = 0.0
    seen: Mapping[tuple[str, int], float] = field(default_factory=dict)


@dataclass(eq=False)
class Run:
    """One process that applies, and all that is known of it."""

    machine: Machine
    number: int
    wish: RunWish
    files: Files
    process: Process = field(init=False)
    stopping: Event = field(init=False)
    is_working: bool = False
    is_forgetting: bool = False
    appends: int = 0
    writes: int = 0
    plan: Plan | None = None
    planned: Any = None
    result: Any = None
    outcomes: list[Outcome] = field(default_factory=list)
    copies: dict[tuple[str, int], Any] = field(default_factory=dict)
    seen: dict[tuple[str, int], float] = field(default_factory=dict)
    related_seen: dict[tuple[str, int], float] = field(default_factory=dict)
    planned_seen: dict[tuple[str, int], float] = field(default_factory=dict)
    agreed_at: float = 0.0
    looked_new: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.process = Process(self.machine.hub, f"run {self.number}", self._befall)
        self.process.run = self  # type: ignore[attr-defined]
        self.stopping = Event(self.process)

    @property
    def name(self) -> str:
        """What it is called in the history."""
        return self.process.name

    def clock(self) -> float:
        """Return the time by the clock of its host."""
        return self.machine.hub.now + self.wish.skew

    def _befall(self, process: Process, step: int) -> None:
        wish = self.wish
        for at, seconds in wish.pauses:
            if at == step:
                self.machine.tell("pause", self, seconds)
                process.pause(seconds)
        if wish.kill_at == step:
            self.machine.tell("kill", self, step)
            process.kill()
        elif wish.stop_at == step:
            self.machine.tell("stop", self, step)
            if self.is_working:
                self.stopping.set()
            elif fiber().number == 1:
                raise KeyboardInterrupt


@dataclass
class Network:
    """What the network does: the chance of each fault for a read, for a write, and how long things take."""

    reads: Mapping[str, float] = field(default_factory=dict)
    writes: Mapping[str, float] = field(default_factory=dict)
    latency: float = 0.2
    append_seconds: float = 0.0


class Machine:
    """One account, one state, one project, and everybody who touches them."""

    def __init__(self, sandbox: Watched, hub: Hub, rng: Random, settings: Settings, network: Network) -> None:
        self.hub = hub
        self.sandbox = sandbox
        self.rng = rng
        self.settings = settings
        self.network = network
        self.log = Log(LINEAGE, clock=lambda: hub.now, is_alive=self._is_alive)
        sandbox.known = lambda: self.log.read().address_of
        self.history: list[tuple[Any, ...]] = []
        self.runs: list[Run] = []
        self.requests: list[float] = []
        self.before_request: Callable[[int], None] = lambda number: None
        self.while_looking: Callable[[Run], None] = lambda run: None
        self.shown = 0
        self.short_pages = 0
        self.on_append: Callable[[Run, int, int, tuple[Any, ...]], None] = lambda run, position, new, events: None
        self.on_compact: Callable[[int, int], None] = lambda position, new: None
        self.on_agreed: Callable[[Run], None] = lambda run: None
        self.sends: list[Send] = []
        self.pacers: dict[str, Pacer] = {}
        self.real_reads = False
        self.tokens = 0
        self.crash: Exception | None = None
        self.read_files: dict[tuple[int, int], Any] = {}
        self.has_mirrors = False

    def tell(self, kind: str, *what: Any) -> None:
        """Put something into the history."""
        self.history.append((self.hub.now, kind, *what))

    def _is_alive(self, pid: int) -> bool:
        return any(run.number == pid and run.process.is_running for run in self.runs)

    # ---- runs

    def start(self, wish: RunWish, files: Files) -> Run:
        """Start a process that applies *files*."""
        run = Run(self, len(self.runs) + 1, wish, files)
        self.runs.append(run)
        run.process.start(lambda: self._live(run), wish.after)
        return run

    def _live(self, run: Run) -> None:
        self.tell("start", run, run.wish)
        project = Project(Path("/nowhere"), self.settings, {})
        wishes = Wishes(
            limits=self.settings.limits,
            pace=self.settings.pace,
            policies=self.settings.policies,
            recreate=frozenset(address for address in run.files.records if str(address) in run.wish.recreate),
        )
        allowed = dict.fromkeys(("updates", "deletes", "adopts", "missing"), 10_000 if run.wish.allows else 0)
        try:
            reviewed = self._saved(run, project, wishes) if run.wish.mode == "saved" else None
            options = ApplyOptions(
                wishes=wishes,
                reviewed=reviewed,
                is_auto_approved=run.wish.mode == "auto",
                settle_seconds=run.wish.settle,
                allowed=allowed,
            )
            run.result = applying.apply(project, options, self._watch(run), clock=run.clock)
        except (Trouble, KeyboardInterrupt) as error:
            run.result = error
        except Killed:
            run.result = "killed"
            raise
        except Exception as error:
            run.result = error
            self.tell("crash", run, error)
            self.crash = error
        finally:
            self.tell("end", run, run.result)

    def forget(self, wish: RunWish, files: Files, addresses: tuple[Address, ...]) -> Run:
        """Start a process that forgets *addresses*: ``crmsync state forget``."""
        run = Run(self, len(self.runs) + 1, wish, files)
        self.runs.append(run)
        run.is_forgetting = True

        def live() -> None:
            self.tell("forget", run, *addresses)
            run.result = forgetting.forget_addresses(Project(Path("/nowhere"), self.settings, {}), addresses)

        run.process.start(live)
        return run

    def _saved(self, run: Run, project: Project, wishes: Wishes) -> Mapping[str, Any]:
        """Return a plan made a while before, as it is read back from its file."""
        planned = applying.make_plan(project, connect(project, may_write=False), self.log.read(), wishes, clock=run.clock)
        document = reviewing.sealed(plan_document(planned.plan, planned.account.catalogue, planned.meta), wishes)
        run.process.sleep(run.wish.lead)
        reviewed: Mapping[str, Any] = json.loads(dump(document), parse_float=Decimal)
        return reviewed

    def _watch(self, run: Run) -> Watch:
        @contextlib.contextmanager
        def working() -> Iterator[None]:
            run.is_working = True
            try:
                yield
            finally:
                run.is_working = False

        def tell(seen: Outcome | Progress) -> None:
            if isinstance(seen, Outcome):
                run.outcomes.append(seen)
                self.tell("outcome", run, seen)

        def approve(document: Mapping[str, Any]) -> bool:
            run.process.step()
            if run.plan is not None and run.plan.changes:
                self.shown += 1
                self.while_looking(run)
            if run.wish.mode == "asked":
                run.process.sleep(self.rng.choice((1.0, 20.0)))
            return True

        return Watch(tell, lambda warnings, line_of: None, approve, working, run.stopping)  # type: ignore[arg-type]

    # ---- requests

    def send(self, request: Any) -> Any:
        """Send a request of the running process, and return or raise what comes back."""
        run = running()
        route = route_of(request.method, request.path)
        is_write = route is not None and route.action is not None
        send = Send(run, request, self.hub.now, len(self.sends) + 1)
        if is_write:
            send.intents, fiber().intents = fiber().intents, ()
            run.writes += 1
            if run.wish.gap_pause is not None and run.wish.gap_pause[0] == run.writes:
                send.gap = run.wish.gap_pause[1]
                self.tell("pause", run, send.gap)
                run.process.sleep(send.gap)
        # Between the last look at the clock and the request nothing can stop a process that sleeps there; see docs.
        run.process.step(may_pause=not is_write)
        send.seen = dict(run.seen) if is_write else {}
        self.sends.append(send)
        sent = Sent(request.method, request.path, request.body, HEADERS, send)
        waker = run.process.waker()
        answer: list[Any] = []
        self.hub.at(self.hub.now + self._lag(), lambda: self._arrive(sent, answer, waker))
        run.process.wait()
        kind, value, at = answer[0]
        if kind == "error":
            raise value
        self._note_seen(run, request, route, value, at)
        return value

    def _lag(self) -> float:
        return self.network.latency * (0.25 + self.rng.random() / 2)

    def _arrive(self, sent: Sent, answer: list[Any], waker: Callable[[], None]) -> None:
        """Let Copper take the request, and send the answer back."""
        self.requests.append(self.hub.now)
        self.before_request(len(self.requests))
        fault = self._fault(sent)
        lag = self._lag()
        self.sandbox.faults = [fault] if fault is not None else []
        at = self.hub.now
        try:
            reply = self.sandbox.handle(sent)
            answer.append(("reply", reply, at))
            told: Any = reply.status
        except OSError as error:
            answer.append(("error", error, at))
            told = type(error).__name__
            if isinstance(error, TimeoutError):
                lag += self.rng.choice((5.0, 30.0))
        self.tell("request", sent, fault.kind if fault is not None else "", told)
        self.hub.at(self.hub.now + lag, waker)

    def _fault(self, sent: Sent) -> Fault | None:
        route = route_of(sent.method, sent.path)
        chances = self.network.writes if route is not None and route.action is not None else self.network.reads
        if not sent.path.endswith("/search"):  # only an index may lag, or leave rows out
            chances = {kind: chance for kind, chance in chances.items() if kind not in _OF_SEARCHES}
        if not chances:
            return None
        drawn = self.rng.random()
        for kind, chance in chances.items():
            drawn -= chance
            if drawn < 0:
                return None if self._is_too_much(kind) else self._made(kind)
        return None

    def _is_too_much(self, kind: str) -> bool:
        """Say whether pages were short often enough: what three readings in a row leave out, nobody can find."""
        self.short_pages += kind in _OF_SEARCHES
        return kind in _OF_SEARCHES and self.short_pages > 2

    def _made(self, kind: str) -> Fault:
        name, _, status = kind.partition(":")
        delay = self.rng.choice((1.0, 10.0, 30.0, 60.0))
        is_done = name == "html" and self.rng.random() < 0.5
        return Fault(name, nth=1, status=int(status) if status else None, delay=delay, executed=is_done)

    def _note_seen(self, run: Run, request: Any, route: Any, reply: Any, at: float) -> None:
        """Note which records the process has seen by now, as they were at *at*."""
        if route is None or reply.status != 200 or route.action in _BLIND:
            return
        if request.path.endswith("/related"):
            run.related_seen[route.type, route.id] = at
            return
        try:
            data = json.loads(reply.body)
        except ValueError:
            return
        if b"minimum_created_date" in request.body:
            run.looked_new.setdefault(route.type, at)
        for row in data if isinstance(data, list) else [data]:
            if isinstance(row, dict) and "name" in row and isinstance(row.get("id"), int):
                run.seen[route.type, row["id"]] = at


_OF_SEARCHES = ("short_page", "stale_search")
_BLIND = (WriteAction.RELATE, WriteAction.UNRELATE, WriteAction.DELETE)

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


def running() -> Run:
    """Return the run whose fiber runs now."""
    run: Run = fiber().process.run  # type: ignore[attr-defined]
    return run


def process() -> Process:
    """Return the process that runs now."""
    return fiber().process


# ---- what is put into the hands of the product


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
    """Open the state that all processes share."""
    handle = Handle(running())
    try:
        yield handle, handle.read()
    except Unusable as error:
        raise Trouble(str(error)) from error


def read_account(project: Project, client: Client, pinned: int | None, types: Any = None) -> Account:
    """Return the account; its labels are read once for all schedules, and its identity each time."""
    machine = running().machine
    if machine.real_reads:
        return REAL_READ_ACCOUNT(project, client, pinned)
    identify(client, project.settings, pinned)
    return account_of(machine.sandbox, project, machine.hub.now)


_ACCOUNTS: dict[int, tuple[Any, Account]] = {}
REAL_READ_ACCOUNT = planning.read_account


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


def agree(planned: Any, reviewed: Any, *rest: Any) -> Any:
    """Agree as the product does, and remember what was agreed to."""
    agreed = reviewing.agree(planned, reviewed, *rest)
    run = running()
    run.planned, run.plan = planned, agreed.plan
    # Bringing a mirror up to date shows records that the plan does not ask it for, and of which it keeps no more than dates.
    is_read = planned.observed if run.machine.has_mirrors else run.seen
    run.planned_seen = {place: at for place, at in run.seen.items() if place in is_read}
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
        (applying, "opened_state"): opened_state,
        (applying, "connect"): connect,
        (applying, "read_account"): read_account,
        (applying, "agree"): agree,
        (applying, "mirror_of"): lambda project: None,
        (applying, "_leave_questions"): lambda run, planned, agreed: ("decisions.yaml", 0),
        (keeping, "append_private"): append_private,
        (applying, "who"): lambda: "dana",
        (applying, "secrets"): SimpleNamespace(token_hex=token_hex),
        (forgetting, "opened_state"): opened_state,
        (planning, "read_account"): read_account,
        (planning, "read_declarations"): read_declarations,
        (planning, "load_project_sources"): lambda project: Sources((), ()),
        (planning, "make_private"): lambda project: None,
        (planning, "write_json"): lambda path, data: None,
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
