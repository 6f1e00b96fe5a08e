"""How many requests the account allows."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Rate:
    """Copper's limits: requests in any 60 seconds, and bulk calls in any second (copper-api.md 1.1)."""

    per_minute: int = 180
    bulk_per_second: int = 3


def turnstile(rate: Rate | None, limit: str) -> Turnstile | None:
    """Return the turnstile of a limit as it was given, or as the quirk rate_limit lowers it."""
    if limit == str(Rate.per_minute):
        return Turnstile(rate) if rate is not None else None
    rate = rate or Rate()
    return Turnstile(replace(rate, per_minute=min(rate.per_minute, int(limit))))


class Turnstile:
    """
    Counts the requests let through and says how long the next one would have to wait.

    A refused request does not count. Whether it does with Copper is not known.
    """

    def __init__(self, rate: Rate) -> None:
        self._windows = ((60.0, rate.per_minute, deque[float]()), (1.0, rate.bulk_per_second, deque[float]()))

    def wait(self, now: float, *, is_bulk: bool) -> float:
        """Return 0.0 and count the request, or return the seconds until it would be let through."""
        windows = self._windows if is_bulk else self._windows[:1]
        waits = []
        for length, limit, times in windows:
            while times and times[0] <= now - length:
                times.popleft()
            waits.append(times[0] + length - now if len(times) >= limit else 0.0)
        if max(waits) > 0:
            return max(waits)
        for _, _, times in windows:
            times.append(now)
        return 0.0
