"""
Performs the effects of the engine for real: threads, a clock, the log, the network.

The engine's main generator runs in the calling thread, the calls it starts in a small pool. Appends are serialised, those
that wait for one go together in the next: each stands on the position that the one before it reached, so that losing the log
to another writer is noticed at the next append, before anything is sent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Protocol

from msgspec import Struct

from crmsync.copper.client import Client
from crmsync.copper.errors import CopperError
from crmsync.copper.pace import Permit
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
from crmsync.model.events import Event
from crmsync.model.store import Store
from crmsync.model.undo import Before
from crmsync.project.together import Together


def steady_clock() -> Callable[[], float]:
    """Return a clock in unix seconds that never jumps and counts the time a computer was suspended."""
    source = getattr(time, "CLOCK_BOOTTIME", None)
    ticks = time.monotonic if source is None else lambda: time.clock_gettime(source)
    offset = time.time() - ticks()
    return lambda: ticks() + offset


class Reply(Struct, frozen=True):
    """A response made from an error of the client, for an engine that looks at statuses."""

    status: int
    body: bytes = b""

    @property
    def headers(self) -> dict[str, str]:
        """No headers are known."""
        return {}


class Keeping(Protocol):
    """Keeps copies of what the run replaces or deletes; several threads may use one."""

    def keep(self, copy: Copy) -> None:
        """Keep one copy, durably, before its record is deleted. Raises Unusable."""

    def copies_of(self, before: Sequence[Before]) -> Mapping[str, bytes]:
        """Return what shall be kept with the next append; what is kept elsewhere is kept by now. Raises Unusable."""


class Runner:
    """
    Drives one run; *stopping* is set from outside (a signal) to let the calls in flight end and start no more.

    *position* is where the log ends, *appended* how many events each append had.
    """

    def __init__(
        self,
        client: Client,
        store: Store,
        position: int,
        emit: Callable[[Outcome | Progress], None],
        keeper: Keeping,
        stopping: threading.Event,
        clock: Callable[[], float],
        parallel: int = 4,
    ) -> None:
        self._client = client
        self._store = store
        self.position = position
        self.appended: list[int] = []
        self._emit = emit
        self._keeper = keeper
        self._stopping = stopping
        self._clock = clock
        self._log: Together[Event | Before] = Together(self._append)
        self._tell_lock = threading.Lock()
        self._permits = threading.local()
        self._pool = ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="crmsync")
        self._futures: set[Future[Any]] = set()

    def run(self, engine: Task) -> Any:
        """Drive *engine* to its end and return its value. What an effect raises ends the run after the calls in flight."""
        try:
            return self._drive(engine)
        finally:
            self._pool.shutdown(wait=True)

    def _drive(self, task: Task) -> Any:
        answer: Any = None
        try:
            while True:
                try:
                    effect = task.send(answer)
                except StopIteration as end:
                    return end.value
                value, left = self._read(effect) if isinstance(effect, Read) else (self._perform(effect), None)
                answer = Answer(self._clock(), value, self._stopping.is_set(), left)
        finally:
            self._give_back()

    def _perform(self, effect: Effect) -> Any:
        match effect:
            case Append(events, before):
                self._log.write([*events, *before])
            case Reserve(is_bulk, until):
                self._give_back()
                self._permits.permit = self._client.reserve(is_bulk, until - self._clock())
                return self._permits.permit is not None
            case Send():
                return self._send(effect)
            case Copy():
                self._keeper.keep(effect)
            case Sleep(until):
                self._stopping.wait(max(0.0, until - self._clock()))
            case Emit(outcome):
                with self._tell_lock:
                    self._emit(outcome)
            case Start(task):
                self._futures.add(self._pool.submit(self._drive, task))
            case Join():
                return self._join()
        return None

    def _append(self, items: Sequence[Event | Before]) -> None:
        events = [each for each in items if not isinstance(each, Before)]
        copies = self._keeper.copies_of([each for each in items if isinstance(each, Before)])
        self.position = self._store.append(self.position, events, copies)
        self.appended.append(len(events))

    def _read(self, effect: Read) -> tuple[Any, float | None]:
        """Return the answer, and when its request left."""
        left: list[float] = []
        answer = self._answer(effect, lambda: left.append(self._clock()))
        return answer, left[-1] if left else None

    def _answer(self, effect: Read, leaves: Callable[[], None]) -> Any:
        try:
            return self._client.read(effect.request, leaves)
        except CopperError as error:
            is_answer = error.status is not None and 400 <= error.status < 500 and error.status not in (408, 429)
            if is_answer and (error.status != 404 or getattr(error, "is_record", False)):
                return Reply(error.status or 0)
            return Failed(error.message)

    def _send(self, effect: Send) -> Any:
        permit: Permit | None = getattr(self._permits, "permit", None)
        assert permit is not None, "a write is sent under a permit that was reserved before its intent"
        if self._clock() > effect.send_by:
            self._give_back()
            return NotSent("It could not be sent in time.", is_late=True)
        self._permits.permit = None
        try:
            return self._client.write(effect.request, permit.is_bulk, permit)
        except ConnectionRefusedError:
            return NotSent("There is no connection to Copper.")
        except ConnectionResetError:
            return Failed("the connection broke before the answer was complete")
        except TimeoutError:
            return Failed("no answer came in time")

    def _give_back(self) -> None:
        permit: Permit | None = getattr(self._permits, "permit", None)
        if permit is not None:
            permit.cancel()
            self._permits.permit = None

    def _join(self) -> Any:
        done, _ = wait(self._futures, return_when=FIRST_COMPLETED)
        future = done.pop()
        self._futures.discard(future)
        return future.result()
