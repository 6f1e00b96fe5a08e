"""What others do with the same work on the same course: scripts of several threads, with limiters of the usual kinds."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from crmsync.model.http import json_request
from tests.pacing.course import PARALLEL, Course, Race
from tests.simulation.runs import process


class BackoffOnly:
    """No limit of its own: after a 429 it waits, twice as long each time."""

    def wait(self, now: float) -> float:
        """Return how long to wait before the next request."""
        return 0.0


@dataclass
class Bucket:
    """So many tokens at most, filled evenly."""

    size: float
    per_second: float
    at: float | None = None

    def __post_init__(self) -> None:
        self.tokens = self.size

    def wait(self, now: float) -> float:
        """Return how long it takes until there is a token."""
        self.tokens = min(self.size, self.tokens + (now - (self.at or now)) * self.per_second)
        self.at = now
        return max(0.0, (1 - self.tokens) / self.per_second)


class TokenBucket(BackoffOnly):
    """The usual buckets: 180 tokens for the requests of a minute, 3 for the bulk calls of a second."""

    def __init__(self) -> None:
        self.buckets = Bucket(180, 3), Bucket(3, 3)

    def wait(self, now: float) -> float:
        """Take a token of each, or say when there will be one."""
        wait = max(bucket.wait(now) for bucket in self.buckets)
        if wait < 1e-6:
            for bucket in self.buckets:
                bucket.tokens -= 1
            return 0.0
        return wait


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
