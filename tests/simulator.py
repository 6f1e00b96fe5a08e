"""
The apply engine in virtual time: the same effects as the real runner performs, repeatable from a seed.

Calls overlap as they would with threads: each effect takes some virtual time, and which task goes on next is decided by
time and seed.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from crmsync.model.effects import (
    Answer,
    Append,
    Copy,
    Effect,
    Emit,
    Failed,
    Join,
    NotSent,
    Outcome,
    Progress,
    Read,
    Reserve,
    Send,
    Sleep,
    Start,
    Task,
)
from crmsync.model.http import Request
from crmsync.model.http import Send as Seam
from crmsync.model.store import Store
from crmsync.model.undo import Before


@dataclass
class VirtualClock:
    """A clock that only the scheduler moves."""

    now: float = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class Killed(BaseException):
    """The process died here."""


@dataclass(order=True)
class _Waiting:
    at: float
    tie: float
    task: Task = field(compare=False)
    value: Any = field(compare=False, default=None)


@dataclass
class Scheduler:
    """
    Drives one engine against a `send`.

    *kill* is asked before each effect with its number and may raise `Killed`;
    *stop_after* sets the stop flag after so many effects.
    """

    send: Seam
    store: Store
    clock: VirtualClock
    position: int
    seed: int = 0
    latency_seconds: float = 0.2
    kill: Callable[[int, Effect], None] = lambda number, effect: None
    stop_after: int | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    before: list[Before] = field(default_factory=list)
    effects: int = 0

    def run(self, engine: Task) -> Any:
        """Drive *engine* to its end and return its value."""
        self._random = random.Random(self.seed)
        self._queue: list[_Waiting] = []
        self._finished: list[Any] = []
        self._joining = False
        self._children = 0
        self._main = engine
        self._push(engine, None, 0.0, is_first=True)
        while self._queue:
            waiting = heapq.heappop(self._queue)
            self.clock.now = max(self.clock.now, waiting.at)
            ended = self._resume(waiting)
            if ended is not None:
                return ended[0]
        raise AssertionError("the engine waits for a task, and none runs")

    def _resume(self, waiting: _Waiting) -> tuple[Any] | None:
        is_stopping = self.stop_after is not None and self.effects >= self.stop_after
        answer = None if waiting.value is _FIRST else Answer(self.clock.now, waiting.value, is_stopping)
        try:
            effect = waiting.task.send(answer)
        except StopIteration as end:
            if waiting.task is self._main:
                return (end.value,)
            self._finish(end.value)
            return None
        self.effects += 1
        self.kill(self.effects, effect)
        self._perform(waiting.task, effect)
        return None

    def _finish(self, value: Any) -> None:
        self._children -= 1
        self._finished.append(value)
        self._wake()

    def _wake(self) -> None:
        if self._joining and self._finished:
            self._joining = False
            self._push(self._main, self._finished.pop(0), 0.0)

    def _push(self, task: Task, value: Any, seconds: float, *, is_first: bool = False) -> None:
        at = self.clock.now + seconds
        heapq.heappush(self._queue, _Waiting(at, self._random.random(), task, _FIRST if is_first else value))

    def _perform(self, task: Task, effect: Effect) -> None:
        value, seconds = None, 0.0
        match effect:
            case Append(events, before):
                self.before += before
                self.position = self.store.append(self.position, list(events))
            case Read(request):
                value, seconds = self._read(request)
            case Send(request, send_by):
                seconds = self._lag()
                value = self._write(request) if self.clock.now <= send_by else NotSent("late", is_late=True)
            case Copy():
                self.copies.append(effect)
            case Sleep(until):
                seconds = max(0.0, until - self.clock.now)
            case Emit(outcome):
                (self.outcomes if isinstance(outcome, Outcome) else self.progress).append(outcome)
            case Start(child):
                self._children += 1
                self._push(child, None, 0.0, is_first=True)
            case Join():
                self._joining = True
                self._wake()
                return
            case Reserve():
                pass
        self._push(task, value, seconds)

    def _lag(self) -> float:
        return self.latency_seconds * (0.5 + self._random.random())

    def _write(self, request: Request) -> Any:
        try:
            return self.send(request)
        except ConnectionRefusedError as error:
            return NotSent(str(error) or "refused")
        except (ConnectionResetError, TimeoutError) as error:
            return Failed(type(error).__name__)

    def _read(self, request: Request) -> tuple[Any, float]:
        """Read with the client's patience: four tries."""
        seconds = 0.0
        value: Any = None
        for _ in range(4):
            seconds += self._lag()
            value = self._write(request)
            if not isinstance(value, NotSent | Failed) and value.status < 429:
                return value, seconds
            seconds += 2.0
        return (value if isinstance(value, Failed) else Failed("no answer")), seconds


_FIRST = object()
