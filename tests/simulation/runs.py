"""One process that applies: how it shall go, what it sends, and all that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crmsync.model.effects import Outcome
from crmsync.model.plan import Plan
from tests.simulation.files import Files
from tests.simulation.hub import Event, Process, fiber

if TYPE_CHECKING:
    from tests.simulation.machine import Machine


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
        self.process.run = self
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


def running() -> Run:
    """Return the run whose fiber runs now."""
    run: Run = fiber().process.run
    return run


def process() -> Process:
    """Return the process that runs now."""
    return fiber().process
