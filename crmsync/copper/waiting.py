"""How long a command waits for answers and does nothing else meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock


class Waiting:
    """
    Adds up the time in which requests were under way, several at once counted once, less what this process worked meanwhile.

    So a command takes as much longer than it would if Copper answered at once; work that is done beside a request counts as
    work.
    """

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, work: Callable[[], float] = time.process_time
    ) -> None:
        self.seconds = 0.0
        self._clock, self._work = clock, work
        self._lock = Lock()
        self._under_way = 0
        self._since = 0.0, 0.0

    @contextmanager
    def answer(self) -> Iterator[None]:
        """Count the time of the block, in which one request is under way."""
        with self._lock:
            if not self._under_way:
                self._since = self._clock(), self._work()
            self._under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1
                if not self._under_way:
                    since, worked = self._since
                    self.seconds += max(0.0, self._clock() - since - (self._work() - worked))
