"""
The project's own `apply`, from the lease to the ledger, run as processes in virtual time.

Nothing of the product is rewritten: planning, reviewing, the runner with its pool, the client with its patience and its
pacer, the lease with its thread are what runs for users. Only where they touch the world, something of ours is put in
their hands: `tests.simulation.edges` lists every such place.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from crmsync.copper.pace import Pacer
from crmsync.model.address import Address
from crmsync.model.effects import Outcome, Progress
from crmsync.model.events import WriteAction
from crmsync.model.settings import Settings
from crmsync.plan.world import Wishes
from crmsync.project import applying, forgetting, planfile, planning
from crmsync.project.applying import ApplyOptions, Watch
from crmsync.project.session import Project
from crmsync.project.trouble import Trouble
from crmsync.render.document import dump, plan_document
from crmsync.sandbox import Fault
from tests.simulation.copper import HEADERS, Sent, Watched, route_of
from tests.simulation.files import Files
from tests.simulation.hub import Hub, Killed, fiber
from tests.simulation.log import Log
from tests.simulation.runs import Network, Run, RunWish, Send, running

LINEAGE = "5f0c0000-0000-4000-8000-000000000001"


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
        planned = planning.make_plan(
            project, applying.connect(project, may_write=False), self.log.read(), wishes, clock=run.clock
        )
        document = planfile.sealed(plan_document(planned.plan, planned.account.catalogue, planned.meta), wishes)
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

        return Watch(tell, lambda warnings, line_of: None, approve, working, run.stopping)

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
                run.process.sleep(send.gap, may_pause=False)
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
