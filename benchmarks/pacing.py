"""
Applies at the account's pace, and their rivals, in virtual time: `python -m benchmarks.pacing [RECORDS]` tells them as JSON.

What runs is the product on the course of `tests.pacing`; the figures are the same on every machine.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.pacing.course import Course, Race, Road, people
from tests.pacing.rivals import BackoffOnly, Script, TokenBucket

FLAT, UNEVEN, SHARED = Road(), Road(0.15, 0.45), Road(others=40)


def created(road: Road, count: int) -> Race:
    """Return the race of an apply that creates so many people."""
    return Course(folder(), road).run(people(count))


def updated(road: Road, count: int) -> Race:
    """Return the race of an apply that updates so many people."""
    course = Course(folder(), road)
    course.run(people(count))
    course.clock.sleep(600)
    return course.run(people(count, "Seller"))


def rival(limiter: BackoffOnly, size: int = 10) -> Callable[[Road, int], Race]:
    """Return the race of a script with that limiter."""
    return lambda road, count: Script(Course(folder(), road), count, limiter, size).run()


def folder() -> Path:
    """Return an empty folder."""
    return Path(tempfile.mkdtemp(prefix="course-", dir=_ROOT.name))


#: What is raced: a name, who, on which road, how many requests a minute are ours.
RACES: tuple[tuple[str, Callable[[Road, int], Race], Road, int], ...] = (
    ("creates, latency 0.3 s", created, FLAT, 180),
    ("creates, latency 0.15 to 0.45 s", created, UNEVEN, 180),
    ("- a token bucket (180, 3 a second)", rival(TokenBucket()), UNEVEN, 180),
    ("- backing off only", rival(BackoffOnly()), UNEVEN, 180),
    ("creates, another takes 40 a minute", created, SHARED, 140),
    ("- a token bucket (180, 3 a second)", rival(TokenBucket()), SHARED, 140),
    ("- backing off only", rival(BackoffOnly()), SHARED, 140),
    ("bulk updates, latency 0.3 s", updated, FLAT, 180),
    ("- a request for each record", rival(BackoffOnly(), size=1), FLAT, 180),
)


def raced(count: int) -> list[dict[str, Any]]:
    """Return what was seen of every race of so many records."""
    rows = []
    for name, run, road, per_minute in RACES:
        race = run(road, count)
        floor = count / 10 / per_minute * 60
        rows.append(
            {
                "name": name,
                "records": count,
                "seconds": round(race.seconds, 1),
                "floor": round(race.seconds / floor, 3),
                "requests": race.requests,
                "refused": race.refused,
                "others": f"{race.others_refused} of {race.others}" if race.others else "-",
                "reading": round(race.oldest_reading, 2) or "-",
            }
        )
        print(name, rows[-1], file=sys.stderr, flush=True)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return *rows* as Markdown."""
    lines = [f"{rows[0]['records']:,} records each, 180 requests a minute and 3 bulk calls a second, in virtual time.", ""]
    lines += ["| what | seconds | of the floor | requests | 429 | the other's 429 | oldest reading |", "|---" * 7 + "|"]
    lines += [
        f"| {row['name']} | {row['seconds']} | {row['floor']:.3f} | {row['requests']} | {row['refused']} "
        f"| {row['others']} | {row['reading']} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


_ROOT = tempfile.TemporaryDirectory(prefix="crmsync-course-")

if __name__ == "__main__":
    found = raced(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
    print(json.dumps({"rows": found, "table": table(found)}))
