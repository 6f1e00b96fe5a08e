"""
Virtual time: processes whose threads are greenlets, and one hub that says whose turn it is.

A fiber (a greenlet) runs until it waits: for time to pass, for an answer, for another fiber. Then the hub goes on with
whatever is due next. So nothing runs at the same moment as anything else, every run with the same seed is the same, and a
day passes in no time. Each wait is a *step* of its process: there it can be paused, told to stop, or killed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from greenlet import getcurrent, greenlet


class Killed(BaseException):
    """The process died here."""


class Hub:
    """The clock of everything, and the queue of what is due."""

    def __init__(self, now: float, tie: Callable[[], float]) -> None:
        self.now = now
        self.home = getcurrent()
        self._tie = tie
        self._queue: list[tuple[float, float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Let *act* happen at *when*; what is due at the same time happens in an order that the seed decides."""
        self._count += 1
        heapq.heappush(self._queue, (max(when, self.now), self._tie(), self._count, act))

    def run(self, is_over: Callable[[], bool]) -> None:
        """Let time pass until *is_over*, or until nothing is due any more."""
        while self._queue and not is_over():
            when, _, _, act = heapq.heappop(self._queue)
            self.now = max(self.now, when)
            act()


class Fiber(greenlet):
    """One thread of a process."""

    def __init__(self, run: Callable[[], None], process: Process, number: int) -> None:
        super().__init__(run, process.hub.home)
        self.process = process
        self.number = number
        self.locals: dict[tuple[int, str], Any] = {}
        self.turn = 0
        self.intents: tuple[Any, ...] = ()


def fiber() -> Fiber:
    """Return the fiber that runs now."""
    current = getcurrent()
    assert isinstance(current, Fiber), "only a fiber can wait"
    return current


class Process:
    """
    One process: its fibers, and what befalls them.

    *befall* is asked at every step, with its number; it may pause or kill the process.
    """

    def __init__(self, hub: Hub, name: str, befall: Callable[[Process, int], None] = lambda process, step: None) -> None:
        self.hub = hub
        self.name = name
        self.steps = 0
        self.is_dead = False
        self.paused_until = 0.0
        self.fibers: list[Fiber] = []
        self._befall = befall
        self._number = 0

    def start(self, run: Callable[[], Any], after: float = 0.0) -> Fiber:
        """Let *run* be a thread of this process from *after* seconds on."""

        def whole() -> None:
            try:
                if not self.is_dead:
                    run()
            except Killed:
                pass
            finally:
                if started in self.fibers:
                    self.fibers.remove(started)

        self._number += 1
        started = Fiber(whole, self, self._number)
        self.fibers.append(started)
        self._wake_at(self.hub.now + after, started, started.turn)
        return started

    def step(self, may_pause: bool = True) -> None:
        """Be at a place where the process may be killed, or paused."""
        if self.is_dead:
            raise Killed
        self.steps += 1
        self._befall(self, self.steps)
        if self.is_dead:
            raise Killed
        if may_pause and self.paused_until > self.hub.now:
            self._pass(self.paused_until - self.hub.now)

    def sleep(self, seconds: float, *, may_pause: bool = True) -> None:
        """Let time pass; unless it *may_pause*, that is all that passes, whatever befalls the process meanwhile."""
        self.step(may_pause)
        self._pass(seconds, may_pause)

    def _pass(self, seconds: float, may_pause: bool = True) -> None:
        me = fiber()
        me.turn += 1
        self._wake_at(self.hub.now + max(0.0, seconds), me, me.turn, may_pause)
        self._yield(me)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until a `waker` made beforehand is called, or until *timeout* has passed."""
        me = fiber()
        if timeout is not None:
            self._wake_at(self.hub.now + max(0.0, timeout), me, me.turn)
        self._yield(me)

    def waker(self) -> Callable[[], None]:
        """Return the function that ends the next wait of this fiber."""
        me = fiber()
        me.turn += 1
        turn = me.turn
        return lambda: self._wake_at(self.hub.now, me, turn)

    def _wake_at(self, when: float, which: Fiber, turn: int, may_pause: bool = True) -> None:
        def wake() -> None:
            if self.is_dead or which.dead or which.turn != turn:
                return
            if may_pause and self.paused_until > self.hub.now:
                self.hub.at(self.paused_until, wake)
                return
            which.turn += 1
            which.switch()

        self.hub.at(when, wake)

    def _yield(self, me: Fiber) -> None:
        me.parent.switch()
        if self.is_dead:
            raise Killed

    def pause(self, seconds: float) -> None:
        """Let nothing of this process go on for a while: SIGSTOP, or a lid that is closed."""
        self.paused_until = max(self.paused_until, self.hub.now + seconds)

    def kill(self) -> None:
        """End all fibers, wherever they are: SIGKILL. What they clean up has no effect any more."""
        self.is_dead = True

        def bury() -> None:
            for each in list(self.fibers):
                if each:
                    each.throw(Killed)
            self.fibers.clear()

        self.hub.at(self.hub.now, bury)

    @property
    def is_running(self) -> bool:
        """Say whether any thread of it is left."""
        return bool(self.fibers) and not self.is_dead


# ---- what stands in for `threading` and `concurrent.futures` in the rooms at the edge


class Event:
    """A flag that fibers wait for."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._is_set = False
        self._wakers: list[Callable[[], None]] = []

    def is_set(self) -> bool:
        """Say whether it was set."""
        return self._is_set

    def set(self) -> None:
        """Set it, and wake who waits."""
        self._is_set = True
        for waker in self._wakers:
            waker()
        self._wakers.clear()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, at most *timeout* seconds."""
        self._process.step()
        if not self._is_set:
            self._wakers.append(self._process.waker())
            self._process.wait(timeout)
        return self._is_set


class Lock:
    """A lock among fibers."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._is_held = False
        self._wakers: list[Callable[[], None]] = []

    def __enter__(self) -> None:
        while self._is_held:
            self._wakers.append(self._process.waker())
            self._process.wait()
        self._is_held = True

    def __exit__(self, *_: object) -> None:
        self._is_held = False
        if self._wakers:
            self._wakers.pop(0)()


class Local:
    """What `threading.local` is, for fibers."""

    def __getattr__(self, name: str) -> Any:
        try:
            return fiber().locals[id(self), name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        fiber().locals[id(self), name] = value


class Thread:
    """A fiber with the face of a thread."""

    def __init__(self, process: Process, target: Callable[[], Any]) -> None:
        self._process = process
        self._target = target
        self._ended = Event(process)

    def start(self) -> None:
        """Start it."""

        def run() -> None:
            try:
                self._target()
            finally:
                self._ended.set()

        self._process.start(run)

    def join(self) -> None:
        """Wait for its end."""
        if not self._process.is_dead:
            self._ended.wait()


class Future:
    """What a call in a pool comes to."""

    def __init__(self, number: int, process: Process) -> None:
        self._number = number
        self._error: BaseException | None = None
        self._value: Any = None
        self.ended = Event(process)

    def __hash__(self) -> int:
        return self._number

    def work(self, call: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Make the call."""
        try:
            self._value = call(*arguments)
        except Exception as error:
            self._error = error
        self.ended.set()

    def result(self) -> Any:
        """Return or raise what the call did."""
        if self._error is not None:
            raise self._error
        return self._value


class Pool:
    """A pool of fibers."""

    def __init__(self, process: Process, max_workers: int) -> None:
        self._process = process
        self._free = max_workers
        self._waiting: list[tuple[Future, Callable[..., Any], tuple[Any, ...]]] = []
        self._futures: list[Future] = []

    def submit(self, call: Callable[..., Any], *arguments: Any) -> Future:
        """Let the call be made as soon as a fiber is free."""
        future = Future(len(self._futures), self._process)
        self._futures.append(future)
        self._waiting.append((future, call, arguments))
        self._next()
        return future

    def _next(self) -> None:
        if self._free and self._waiting:
            self._free -= 1
            self._process.start(self._work)

    def _work(self) -> None:
        try:
            while self._waiting:
                future, call, arguments = self._waiting.pop(0)
                future.work(call, arguments)
        finally:
            self._free += 1

    def shutdown(self, wait: bool = True) -> None:
        """Wait for all calls."""
        for future in self._futures:
            if wait and not self._process.is_dead:
                future.ended.wait()


def first_ended(process: Process, futures: Iterable[Future]) -> tuple[list[Future], list[Future]]:
    """Wait until one of *futures* has ended, and return the ended and the others."""
    everything = sorted(futures, key=hash)
    process.step()
    while not any(each.ended.is_set() for each in everything):
        waker = process.waker()
        for each in everything:
            each.ended._wakers.append(waker)
        process.wait()
    ended = [each for each in everything if each.ended.is_set()]
    return ended, [each for each in everything if not each.ended.is_set()]


def threading_of(process: Callable[[], Process]) -> SimpleNamespace:
    """Return what stands in for the module `threading`, for whichever process runs."""
    return SimpleNamespace(
        Lock=lambda: Lock(process()),
        Event=lambda: Event(process()),
        Thread=lambda target, **_: Thread(process(), target),
        local=Local,
    )
