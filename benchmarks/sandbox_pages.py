"""
How long the sandbox works on a page of 200 people, in a crowd: python benchmarks/sandbox_pages.py [people=100000]

Times are of the processor, so that others on the machine do not count. The first request by an order puts it in order.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from crmsync.sandbox import Sandbox
from crmsync.sandbox.crowd import FIRST
from tests.sandbox.conftest import Client

PEOPLE = 70_000_001
TIMES = 30


def megabytes() -> float:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name: str, client: Client, body: Callable[[int], dict[str, Any]]) -> None:
    """Print what the requests with the bodies of 0, 1, 2 ... take."""
    taken = []
    for n in range(TIMES):
        criteria = {"page_size": 200, **body(n)}
        started = time.process_time()
        reply = client.send("POST", "/people/search", criteria)
        taken.append((time.process_time() - started) * 1000)
        assert len(json.loads(reply.body)) == 200, reply.body[:200]
    first, *rest = taken
    print(f"{name:34} first {first:8.1f} ms   then {statistics.median(rest):5.1f} ms   at most {max(rest):5.1f} ms")


def main(count: int) -> None:
    """Measure each way to a page."""
    started = time.process_time()
    client = Client(Sandbox(populate={"people": count}))
    print(f"{count:,} people made in {time.process_time() - started:.1f} s, {megabytes():,.0f} MB")
    now, middle = int(time.time()), count // 2
    emails = [f"{FIRST[n % len(FIRST)].lower()}{n + 1}@crowd.test" for n in range(count)]

    def window(low: int, hours: int) -> dict[str, Any]:
        return {"minimum_created_date": low, "maximum_created_date": low + hours * 3600}

    def after_a_write(n: int) -> dict[str, Any]:
        client("PUT", f"/people/{PEOPLE + n}", {"title": f"Number {n}"})
        return {"sort_by": "date_modified", "sort_direction": "desc", "page_number": n + 1}

    measure("by ids", client, lambda n: {"ids": [PEOPLE + (n * 977 + m * 31) % count for m in range(200)]})
    measure("by e-mail", client, lambda n: {"emails": emails[n * 200 : n * 200 + 200]})
    measure("by a window of dates", client, lambda n: window(now - 60 * (middle - n * 100), hours=24))
    measure("by dates, half of all", client, lambda n: {"minimum_created_date": now - 60 * middle, "page_number": n + 1})
    measure("full scan by date", client, lambda n: {"sort_by": "date_created", "page_number": n + 1})
    measure("full scan by name", client, lambda n: {"sort_by": "name", "page_number": n * 16 + 1})
    measure("newest first, a write before each", client, after_a_write)
    measure("by a tag", client, lambda n: {"tags": ["group 3"], "page_number": n + 1})
    print(f"{megabytes():,.0f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
