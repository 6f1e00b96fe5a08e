"""
A course to run on: the sandbox with Copper's limits, latency, perhaps another integration, and virtual time.

What runs on it is the product's own engine, runner, client and pacer, with several calls in flight as for users; only
threads and clocks are those of `tests.simulation.hub`. So ten minutes at 180 requests a minute pass in seconds, the same
each time for a seed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from msgspec.structs import replace

from crmsync.apply import engine
from crmsync.copper.client import Client
from crmsync.copper.pace import Pacer
from crmsync.model.effects import Outcome, Progress
from crmsync.model.http import Request, parse_json
from crmsync.project import runner, together
from crmsync.project.applying import ApplyOptions, agreed
from crmsync.project.runner import Runner
from crmsync.sandbox import DEFAULT_ACCOUNT, Rate, Sandbox
from tests.simulation.edges import in_place
from tests.simulation.hub import Event, Hub, Pool, Process, first_ended, threading_of
from tests.simulation.runs import process
from tests.world import World

START = 1_790_000_000.0
PARALLEL = 6


class Clock:
    """The hub's clock, with the face of a clock that sleeps."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def __call__(self) -> float:
        return self._hub.now

    def sleep(self, seconds: float) -> None:
        """Let time pass while nothing runs."""
        self._hub.now += seconds


class RealClock:
    """The clock of this machine."""

    def __call__(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass(frozen=True)
class Road:
    """
    How far Copper is: a request and its answer take between *low* and *high* seconds together.

    Copper counts it after so much of that (*counted*); None: anywhere, others each time. *others* are the requests that
    another integration makes a minute.
    """

    low: float = 0.3
    high: float = 0.3
    counted: float | None = 0.5
    others: float = 0.0


class KeepsNothing:
    """Keeps no copies: nothing is deleted here."""

    def keep(self, copy: Any) -> None:
        """Keep nothing."""

    def copies_of(self, before: Any) -> dict[str, bytes]:
        """Return nothing to keep."""
        return {}


@dataclass
class Race:
    """What was seen of one run."""

    seconds: float = 0.0
    requests: int = 0
    refused: int = 0
    bulk: int = 0
    reads: int = 0
    ledger: Mapping[str, int] = field(default_factory=dict)
    others: int = 0
    others_refused: int = 0
    longest_pause: float = 0.0
    oldest_reading: float = 0.0
    sent: list[tuple[float, str, int]] = field(default_factory=list)

    @property
    def refused_share(self) -> float:
        """Which part of the requests was answered with 429."""
        return self.refused / max(1, self.requests)


class Course(World):
    """One account behind its limits, and a road to it."""

    def __init__(self, root: Path, road: Road = Road(), *, seed: int = 0) -> None:
        super().__init__(root, seed=seed)
        self.road = road
        self.luck = Random(f"road/{seed}")
        self.hub = Hub(START, self.luck.random)
        self.clock = Clock(self.hub)
        self.sandbox = Sandbox(DEFAULT_ACCOUNT, clock=self.clock, rate=Rate(), seed=seed)
        self.race = Race()
        self.is_real = False
        self._seen: dict[tuple[str, int], float] = {}

    def become_real(self) -> None:
        """Run with real threads, clocks and waiting from now on, alone on the account."""
        self.is_real = True
        self.clock = RealClock()
        self.sandbox = Sandbox(DEFAULT_ACCOUNT, clock=self.clock, rate=Rate(), seed=self.seed)

    def client(self, *, may_write: bool = False) -> Client:
        """Return a client to plan with: alone, one request after the other, at the pace."""
        pacer = Pacer(clock=self.clock, sleep=self.clock.sleep)
        return Client(self.send, pacer, clock=self.clock, sleep=self.clock.sleep, may_write=may_write)

    def run(self, records: str | Mapping[str, str], *, pacer: Any = None, parallel: int = PARALLEL) -> Race:
        """Plan for *records*, wait until the account is rested, and apply the plan against the clock."""
        planned = self.planned(records)
        plan, _ = agreed(planned, ApplyOptions())
        job = replace(self._job(planned, plan, 120.0), parallel=parallel)
        self.clock.sleep(61.0 if self.is_real else 120.0)
        return self._timed_for_real(job) if self.is_real else self.timed(lambda: self._apply(job, pacer, parallel))

    def _timed_for_real(self, job: Any) -> Race:
        self.race = Race()
        client = Client(self._travel_for_real, Pacer(), may_write=True)
        stopping = threading.Event()
        started = time.monotonic()
        running = Runner(
            client, self.store, job.state.position, lambda seen: None, KeepsNothing(), stopping, self.clock, PARALLEL
        )
        self.race.ledger = dict(running.run(engine.run(job)))
        self.race.seconds = time.monotonic() - started
        return self.race

    def _travel_for_real(self, request: Any) -> Any:
        latency = self.luck.uniform(self.road.low, self.road.high)
        time.sleep(latency / 2)
        answer = self.send(request)
        time.sleep(latency / 2)
        self.race.sent.append((time.monotonic(), request.path, answer.status))
        self.race.requests = len(self.race.sent)
        self.race.refused += answer.status == 429
        return answer

    def _apply(self, job: Any, pacer: Any, parallel: int) -> Mapping[str, int]:
        pacer = pacer or Pacer(clock=self.clock, sleep=lambda seconds: process().sleep(seconds))
        client = Client(self.travel, pacer, clock=self.clock, sleep=lambda seconds: process().sleep(seconds), may_write=True)
        outcomes: list[Outcome | Progress] = []
        stopping: Any = Event(process())
        running = Runner(
            client, self.store, job.state.position, outcomes.append, KeepsNothing(), stopping, self.clock, parallel
        )
        return dict(running.run(engine.run(job)))

    def timed(self, run: Callable[[], Mapping[str, int]]) -> Race:
        """Let *run* be a process, and another integration be one beside it, and return what was seen."""
        self.race = Race()
        self._seen.clear()
        ours = Process(self.hub, "ours")
        started = self.hub.now
        is_over: list[bool] = []

        def whole() -> None:
            self.race.ledger = run()
            self.race.seconds = self.hub.now - started
            is_over.append(True)

        if self.road.others:
            # Where an account is shared, the other was there before.
            self.hub.at(started, lambda: self._others(is_over))
        with in_place(_edges()):
            ours.start(whole, after=60.0 if self.road.others else 0.0)
            started = self.hub.now + (60.0 if self.road.others else 0.0)
            self.hub.run(lambda: bool(is_over))
        return self.race

    def _others(self, is_over: list[bool]) -> None:
        if is_over:
            return
        self.race.others += 1
        self.race.others_refused += self.send(Request("GET", "/account")).status == 429
        self.hub.at(self.hub.now + 60.0 / self.road.others, lambda: self._others(is_over))

    def _note_reading(self, request: Request, sent_at: float) -> None:
        body = parse_json(request.body) if request.body else {}
        for id in body.get("ids", ()):
            self._seen[request.path.split("/")[1], id] = sent_at

    def _look_at_reading(self, request: Request) -> None:
        """Note how old the reading is that an update relies on."""
        kind, _, place = request.path.strip("/").partition("/")
        ids = [each["id"] for each in parse_json(request.body)[kind]] if place == "bulk_update" else []
        ids += [int(place)] if request.method == "PUT" else []
        ages = [self.hub.now - self._seen[kind, id] for id in ids]
        self.race.oldest_reading = max([self.race.oldest_reading, *ages])

    def travel(self, request: Any) -> Any:
        """Send a request of the running process over the road, and return what comes back."""
        latency = self.luck.uniform(self.road.low, self.road.high)
        counted = self.luck.random() if self.road.counted is None else self.road.counted
        is_bulk = "/bulk_" in request.path
        before = [at for at, _, _ in self.race.sent[-1:]]
        self.race.longest_pause = max(self.race.longest_pause, *(self.hub.now - at for at in before), 0.0)
        self._look_at_reading(request)
        answer: list[Any] = []
        sent_at = self.hub.now
        waker = process().waker()

        def arrive() -> None:
            answer.append(self.send(request))
            self.hub.at(sent_at + latency, waker)

        self.hub.at(sent_at + counted * latency, arrive)
        process().wait()
        self._note_reading(request, sent_at)
        self.race.requests += 1
        self.race.bulk += is_bulk
        self.race.reads += request.path.endswith("/search") or request.method == "GET"
        self.race.refused += answer[0].status == 429
        self.race.sent.append((sent_at, request.path, answer[0].status))
        return answer[0]


def mixed(count: int, deals: int, word: str = "Buyer") -> str:
    """Return files with so many people and opportunities."""
    rows = (f"  d{n:05}: {{name: Deal {n}, details: {word}}}\n" for n in range(deals))
    return people(count, word) + "opportunities:\n" + "".join(rows)


def _edges() -> dict[tuple[Any, str], Any]:
    """Return what stands in the place of threads in the rooms at the edge."""
    hub_threading = threading_of(process)
    return {
        (together, "threading"): hub_threading,
        (runner, "threading"): hub_threading,
        (runner, "ThreadPoolExecutor"): lambda max_workers, **_: Pool(process(), max_workers),
        (runner, "wait"): lambda futures, **_: first_ended(process(), futures),
    }


def people(count: int, title: str = "Buyer") -> str:
    """Return files with so many people."""
    rows = (f"  p{n:05}: {{name: Ann {n}, emails: [a{n}@x.test], title: {title}}}\n" for n in range(count))
    return "people:\n" + "".join(rows)
