"""
How fast requests may go out.

Copper allows 180 requests in any 60 seconds, and 3 bulk calls in any second
(developer.copper.com/introduction/requests.html). When a request counts is up to the server: some time between our
sending and its answer. So a request holds its slot from the moment it is sent until 60 seconds after it was *answered*;
then no window of the server can hold more than the limit. A token bucket, or stamps taken at sending, get a 429 now and
then; this gets none while nobody else uses the account.

When somebody does, each 429 shrinks what we allow ourselves to three quarters, and it grows back by 5 every 10 seconds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from crmsync.copper.shared import Log, Shelf, shelf

# A little more than 60 seconds: our clock and the server's need not run alike.
WINDOW = 60.05
# Longer than any request lives: after that a slot was forgotten by a process that died.
PATIENCE = 90.0
SHRINK, GROWTH_PER_SECOND = 0.75, 0.5
# A little more than evenly, because sleeps and networks are not exact.
EVENLY = 1.02
WIDEST = 4.0
_SHORTEST, _LONGEST = 0.001, 1.0


def delay(now: float, stamps: Sequence[float], in_flight: int, limit: int) -> float:
    """
    Return how long to wait, in seconds, before the next request may go out; infinity until one is answered.

    *stamps* holds the times of answers, oldest first, on the clock of *now*; *limit* is per 60 seconds.
    """
    recent = [stamp for stamp in stamps if now - stamp < WINDOW]
    too_many = len(recent) + in_flight - limit + 1
    if too_many <= 0:
        return 0.0
    return recent[too_many - 1] + WINDOW - now if too_many <= len(recent) else math.inf


def allowed(now: float, ceiling: int, shrunk_to: float, shrunk_at: float) -> int:
    """Return the limit at *now*: what it was shrunk to, and what has grown back since, up to *ceiling*."""
    return max(1, int(min(ceiling, shrunk_to + (now - shrunk_at) * GROWTH_PER_SECOND)))


def spacing(now: float, evenly: float, widened_to: float, widened_at: float) -> float:
    """Return the seconds between two bulk calls at *now*: wider after a 429, halved every 10 seconds until *evenly*."""
    return max(evenly, widened_to * math.pow(0.5, (now - widened_at) / 10))


@dataclass(slots=True)
class Permit:
    """One slot, from before a request is sent until it is answered. End it once, with `done` or `cancel`."""

    pacer: Pacer
    token: str
    is_bulk: bool
    sent_at: float

    def done(self, status: int | None, retry_after: float | None = None) -> None:
        """Say that the answer came, or with None that none will."""
        self.pacer.settle(self, status, retry_after)

    def cancel(self) -> None:
        """Give the slot back: nothing was sent."""
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
        self._evenly = EVENLY / bulk_per_second
        self._clock = clock
        self._sleep = sleep
        self._shelf: Shelf = shelf(path)
        self._shrunk_to, self._shrunk_at = float(requests_per_minute), -math.inf
        self._widened_to, self._widened_at = self._evenly, 0.0
        self._paused_until = -math.inf

    def reserve(self, is_bulk: bool = False) -> Permit:
        """Wait until one more request may be sent, and return its permit."""
        while True:
            with self._shelf.open() as log:
                now = self._clock()
                log.tidy(now, WINDOW, PATIENCE)
                wait = self._wait(log, now, is_bulk)
                if wait <= 0:
                    return self._permit(log, now, is_bulk)
            # In slices: an answer, or another process, may change how long it takes.
            self._sleep(min(max(wait, _SHORTEST), _LONGEST))

    def settle(self, permit: Permit, status: int | None, retry_after: float | None) -> None:
        """Stamp the answer to *permit*, and slow down after a 429."""
        with self._shelf.open() as log:
            now = self._clock()
            if log.in_flight.pop(permit.token, None) is not None:
                log.stamps.append(now)
            if status == 429:
                self._slow_down(permit, now, retry_after)

    def give_back(self, permit: Permit) -> None:
        """Free the slot of *permit*, which was not used."""
        with self._shelf.open() as log:
            log.in_flight.pop(permit.token, None)

    @property
    def limit(self) -> int:
        """How many requests in 60 seconds are allowed just now."""
        return allowed(self._clock(), self._ceiling, self._shrunk_to, self._shrunk_at)

    def _wait(self, log: Log, now: float, is_bulk: bool) -> float:
        limit = allowed(now, self._ceiling, self._shrunk_to, self._shrunk_at)
        wait = max(delay(now, log.stamps, len(log.in_flight), limit), self._paused_until - now)
        if not is_bulk:
            return wait
        return max(wait, log.last_bulk + spacing(now, self._evenly, self._widened_to, self._widened_at) - now)

    def _permit(self, log: Log, now: float, is_bulk: bool) -> Permit:
        permit = Permit(self, token_hex(8), is_bulk, now)
        log.in_flight[permit.token] = now
        if is_bulk:
            log.last_bulk = now
        return permit

    def _slow_down(self, permit: Permit, now: float, retry_after: float | None) -> None:
        if retry_after is not None:
            self._paused_until = max(self._paused_until, now + retry_after)
        if permit.is_bulk:
            wide = spacing(now, self._evenly, self._widened_to, self._widened_at)
            self._widened_to, self._widened_at = min(2 * wide, max(WIDEST, self._evenly)), now
        # Requests sent before the last shrinking tell nothing new.
        if permit.sent_at >= self._shrunk_at:
            limit = allowed(now, self._ceiling, self._shrunk_to, self._shrunk_at)
            self._shrunk_to, self._shrunk_at = limit * SHRINK, now
