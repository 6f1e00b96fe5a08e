"""
The gap between the last reading and the write, in real time: the command's own runner, threads and sockets.

`python -m tests.simulation.gap` applies changes to 200 people of a sandbox on loopback, whose every answer takes so many
milliseconds, and measures at the sandbox: from the end of the reading that showed a record to the beginning of its write.
What a person changes within that time is lost; Copper has no way to refuse.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from crmsync.project.applying import ApplyOptions, Watch, apply
from crmsync.project.session import open_project
from crmsync.sandbox import DEFAULT_ACCOUNT, Sandbox, make_key
from tests.desk import serving
from tests.simulation.copper import route_of
from tests.simulation.many import percentile

LINEAGE = "5f0c0000-0000-4000-8000-000000000001"


class Slow(Sandbox):
    """A sandbox that takes its time, and notes when it showed each record and when it was asked to write it."""

    def __init__(self, milliseconds: float) -> None:
        super().__init__(DEFAULT_ACCOUNT)
        self.pause = milliseconds / 1000
        self.shown: dict[int, float] = {}
        self.gaps: list[float] = []

    def handle(self, request: Any) -> Any:
        """Answer a request, half of the time before and half after it is executed."""
        time.sleep(self.pause / 2)
        route = route_of(request.method, request.path)
        arrived = time.monotonic()
        if route is not None and route.action == "update":
            body = json.loads(request.body)
            ids = [item["id"] for item in body["people"]] if route.is_bulk else [route.id]
            self.gaps += [arrived - self.shown[id] for id in ids if id in self.shown]
        reply = super().handle(request)
        if route is not None and route.action is None and reply.status == 200:
            data = json.loads(reply.body)
            rows = data if isinstance(data, list) else [data]
            self.shown.update((row["id"], time.monotonic()) for row in rows if isinstance(row, dict) and "id" in row)
        time.sleep(self.pause / 2)
        return reply


def files(count: int, title: str) -> str:
    """Return a record file of people who have a title."""
    rows = "".join(f"  p{n}: {{name: Person {n}, emails: [p{n}@a.example], title: {title}}}\n" for n in range(count))
    return f"people:\n{rows}"


def measure(count: int, milliseconds: float) -> list[float]:
    """Return the gaps, in seconds, of so many updates."""
    from contextlib import nullcontext

    sandbox = Slow(0)
    watch = Watch(lambda seen: None, lambda warnings, line_of: None, lambda document: True, nullcontext, threading.Event())
    with tempfile.TemporaryDirectory() as folder, serving(sandbox) as url:
        root = Path(folder)
        pace = "pace: {requests: 100000, bulk: 3}\n"
        (root / "crmsync.yaml").write_text(f"crmsync: 1\nproject: {LINEAGE}\nrecords: [crm/]\n{pace}")
        (root / "crm").mkdir()
        environ = {
            "COPPER_API_KEY": make_key(),
            "COPPER_USER_EMAIL": "dana@ourfirm.com",
            "COPPER_BASE_URL": url,
        }
        allowed = dict.fromkeys(("updates", "deletes", "adopts"), count)
        for title in ("old", "new"):
            (root / "crm" / "people.yaml").write_text(files(count, title))
            sandbox.pause = milliseconds / 1000 if title == "new" else 0
            project = open_project(start=root, environ={**os.environ, **environ})
            apply(project, ApplyOptions(is_auto_approved=True, allowed=allowed), watch)
    return sandbox.gaps


def main() -> int:
    """Measure, and print p50 and p99."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--milliseconds", type=float, nargs="*", default=[0.0, 150.0])
    wish = parser.parse_args()
    for each in wish.milliseconds:
        gaps = measure(wish.count, each)
        p50, p99 = percentile(gaps, 50), percentile(gaps, 99)
        print(f"answers take {each:.0f} ms: {len(gaps)} updates, gap p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
