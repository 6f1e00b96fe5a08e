"""
How fast requests may go out.

Copper allows 180 requests in any 60 seconds, and 3 bulk calls in any second
(developer.copper.com/introduction/requests.html). When a request counts is up to the server: some time between our
sending and its answer. So a request holds its slot from the moment it is sent until 60 seconds after it was *answered*;
then no window of the server can hold more than the limit. A token bucket, or stamps taken at sending, get a 429 now and
then; this gets none while nobody else uses the account. Bulk calls also keep a rhythm (`crmsync.copper.rhythm`).

When somebody else does, a 429 says how much is left for us: what we had in the window is the limit from then on. Requests
then go evenly, so that the other comes to its turn. The limit grows back slowly at first, by one or two in the first
minute, in which the other is most likely still there; then faster: after three and a half it is whole again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from msgspec import Struct

from crmsync.copper.rhythm import Call
from crmsync.copper.shared import Log, Shelf, Slot, Stamp, shelf

# A little more than 60 seconds: our clock and the server's need not run alike.
WINDOW = 60.05
# Longer than any request lives: after that a slot was forgotten by a process that died.
PATIENCE = 90.0
#: What is left of the limit after a 429 at least, and which part of the ceiling grows back in a minute, in two (8 times).
SHRINK, REGROWTH = 0.75, 1 / 120
_SHORTEST, _LONGEST = 0.001, 1.0


def delay(now: float, stamps: Sequence[Stamp], in_flight: int, limit: int) -> float:
    """
    Return how long to wait, in seconds, before the next request may go out; infinity until one is answered.

    *stamps* holds the times of answers, oldest first, on the clock of *now*; *limit* is per 60 seconds.
    """
    recent = [stamp for stamp in stamps if now - stamp.at < WINDOW]
    too_many = sum(stamp.number for stamp in recent) + in_flight - limit + 1
    if too_many <= 0:
        return 0.0
    for stamp in recent:
        too_many -= stamp.number
        if too_many <= 0:
            return stamp.at + WINDOW - now
    return math.inf


def allowed(now: float, ceiling: int, shrunk_to: float, shrunk_at: float) -> int:
    """Return the limit at *now*: what it was shrunk to, and what has grown back since, up to *ceiling*."""
    if math.isinf(shrunk_at):
        return ceiling
    minutes = (now - shrunk_at) / 60
    return max(1, int(min(ceiling, shrunk_to + ceiling * REGROWTH * minutes**3)))


def shrunk(limit: int, count: int) -> float:
    """Return the limit after a 429 at which *count* requests were in the window: a little less, and not much at once."""
    return max(1.0, limit * SHRINK, min(limit, count) - max(1, round(limit / 90)))


class Permit(Struct):
    """One slot, from before a request is sent until it is answered. What ends it first, `done` or `cancel`, counts."""

    pacer: Pacer
    token: str
    is_bulk: bool
    sent_at: float
    is_over: bool = False

    def leaves(self) -> None:
        """Say that the request leaves only now, not when the permit was given."""
        self.sent_at = self.pacer.now()

    def done(self, status: int | None, retry_after: float | None = None) -> None:
        """Say that the answer came, or with None that none will."""
        if not self.is_over:
            self.is_over = True
            self.pacer.settle(self, status, retry_after)

    def cancel(self) -> None:
        """Give the slot back: nothing was sent."""
        if not self.is_over:
            self.is_over = True
            self.pacer.give_back(self)


class Pacer:
    """
    Lets requests out at the account's pace; several threads share one, and several processes with one *path*.

    *clock* must be the same for all processes and never go back while the machine is up.
    """

    def __init__(
        self,
        requests_per_minute: int = 180,
        bulk_per_second: float = 3,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        *,
        path: Path | None = None,
    ) -> None:
        self._ceiling = requests_per_minute
        self._bulk_per_second = bulk_per_second
        self._clock = clock
        self._sleep = sleep
        self._shelf: Shelf = shelf(path)

    def now(self) -> float:
        """Return the time on the clock of the pace."""
        return self._clock()

    def reserve(self, is_bulk: bool = False) -> Permit:
        """Wait until one more request may be sent, and return its permit."""
        permit = self.reserve_within(math.inf, is_bulk)
        assert permit is not None
        return permit

    def reserve_within(self, patience: float, is_bulk: bool = False) -> Permit | None:
        """Do the same, or return None as soon as it is known that it takes more than *patience* seconds."""
        until = self._clock() + patience
        while True:
            with self._opened() as (log, now):
                wait = self._wait(log, now, is_bulk)
                if wait <= 0:
                    return self._permit(log, now, is_bulk)
            # An answer that is still to come may come at any time.
            if now + (0.0 if math.isinf(wait) else wait) > until:
                return None
            # In slices: an answer, or another process, may change how long it takes.
            self._sleep(min(max(wait, _SHORTEST), _LONGEST))

    def settle(self, permit: Permit, status: int | None, retry_after: float | None) -> None:
        """Stamp the answer to *permit*, and slow down after a 429."""
        with self._opened() as (log, now):
            log.in_flight.pop(permit.token, None)  # not there when a process slept so long that it was taken for dead
            log.answered(now)
            call = Call(permit.sent_at, now)
            if status == 429:
                self._slow_down(log, permit, call, retry_after)
            elif permit.is_bulk:
                log.called(call)
                log.rhythm = log.rhythm.answered(call)

    def give_back(self, permit: Permit) -> None:
        """Free the slot of *permit*, which was not used."""
        with self._opened() as (log, _):
            log.in_flight.pop(permit.token, None)

    @property
    def limit(self) -> int:
        """How many requests in 60 seconds are allowed just now."""
        with self._opened() as (log, now):
            return self._allowed(log, now)

    @contextmanager
    def _opened(self) -> Iterator[tuple[Log, float]]:
        with self._shelf.open() as log:
            now = self._clock()
            log.tidy(now, WINDOW, PATIENCE)
            yield log, now

    def _allowed(self, log: Log, now: float) -> int:
        return allowed(now, self._ceiling, log.shrunk_to, log.shrunk_at)

    def _wait(self, log: Log, now: float, is_bulk: bool) -> float:
        limit = self._allowed(log, now)
        wait = max(delay(now, log.stamps, len(log.in_flight), limit), log.paused_until - now)
        if limit < self._ceiling:
            wait = max(wait, log.last + WINDOW / limit - now)
        if not is_bulk:
            return wait
        return max(wait, log.rhythm.wait(now, _calls(log), log.last_bulk, self._bulk_per_second))

    def _permit(self, log: Log, now: float, is_bulk: bool) -> Permit:
        permit = Permit(self, token_hex(8), is_bulk, now)
        log.in_flight[permit.token] = Slot(now, is_bulk)
        log.last = now
        log.last_bulk = now if is_bulk else log.last_bulk
        return permit

    def _slow_down(self, log: Log, permit: Permit, call: Call, retry_after: float | None) -> None:
        now = call.answered
        if retry_after is not None:
            log.paused_until = max(log.paused_until, now + retry_after)
        if permit.is_bulk and log.rhythm.explains(call, _calls(log), self._bulk_per_second):
            log.rhythm = log.rhythm.refused(call)
        # Requests sent before the last shrinking tell nothing new.
        elif permit.sent_at >= log.shrunk_at:
            log.shrunk_to, log.shrunk_at = shrunk(self._allowed(log, now), log.count), now


def _calls(log: Log) -> list[Call]:
    """Return the bulk calls of late, those under way among them."""
    return [*log.calls, *(Call(slot.since, math.inf) for slot in log.in_flight.values() if slot.is_bulk)]
