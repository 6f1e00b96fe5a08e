"""What others do with the same work on the same course: scripts of several threads, with limiters of the usual kinds."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from crmsync.model.http import json_request
from tests.pacing.course import PARALLEL, Course, Race
from tests.simulation.machine import process


class BackoffOnly:
    """No limit of its own: after a 429 it waits, twice as long each time."""

    def wait(self, now: float) -> float:
        """Return how long to wait before the next request."""
        return 0.0


@dataclass
class TokenBucket(BackoffOnly):
    """The usual bucket: as many tokens as the account has requests a minute, filled evenly."""

    size: float = 180.0
    per_second: float = 3.0
    tokens: float = 180.0
    at: float | None = None

    def wait(self, now: float) -> float:
        """Take a token, or say when there will be one."""
        self.tokens = min(self.size, self.tokens + (now - (self.at or now)) * self.per_second)
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / self.per_second


@dataclass
class Script:
    """A script that creates people, *size* a call, over several connections."""

    course: Course
    count: int
    limiter: BackoffOnly = field(default_factory=BackoffOnly)
    size: int = 10
    threads: int = PARALLEL

    def run(self) -> Race:
        """Run it, and return what was seen."""
        self.course.clock.sleep(120.0)
        self.luck = Random("script")
        people = [{"name": f"Ann {n}", "emails": [{"email": f"a{n}@x.test", "category": "work"}]} for n in range(self.count)]
        self.calls = deque(people[at : at + self.size] for at in range(0, self.count, self.size))
        return self.course.timed(self._whole)

    def _whole(self) -> Mapping[str, int]:
        mine = process()
        fibers = [mine.start(self._work) for _ in range(self.threads)]
        while any(not each.dead for each in fibers):
            mine.sleep(0.5)
        return {"applied": self.count}

    def _work(self) -> None:
        while self.calls:
            batch = self.calls.popleft()
            tries = 0
            while self._send(batch).status == 429:
                tries += 1
                process().sleep(min(60.0, 2.0**tries) * (0.5 + self.luck.random() / 2))

    def _send(self, batch: list[dict[str, Any]]) -> Any:
        while (wait := self.limiter.wait(self.course.hub.now)) > 0:
            process().sleep(wait)
        if self.size == 1:
            return self.course.travel(json_request("POST", "/people", batch[0]))
        return self.course.travel(json_request("POST", "/people/bulk_create", {"people": batch}))
