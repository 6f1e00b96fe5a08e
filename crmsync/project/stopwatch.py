"""How long the parts of a command took, and how many requests each sent: for `--timing`."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct


class Phase(Struct, frozen=True):
    """One part of a command."""

    name: str
    seconds: float
    requests: int


class Stopwatch:
    """Takes the time between laps; *count* tells the requests sent so far."""

    def __init__(self, count: Callable[[], int], clock: Callable[[], float] = time.perf_counter) -> None:
        self.phases: tuple[Phase, ...] = ()
        self._count, self._clock = count, clock
        self._at, self._requests = clock(), count()

    def take(self, phases: tuple[Phase, ...]) -> None:
        """Take over the *phases* that another stopwatch told until now."""
        self.phases += phases
        self._at, self._requests = self._clock(), self._count()

    def lap(self, name: str) -> None:
        """End the phase *name*."""
        now, requests = self._clock(), self._count()
        self.phases += (Phase(name, now - self._at, requests - self._requests),)
        self._at, self._requests = now, requests
