"""
Applies at the account's pace, in virtual time: near the floor, hardly refused, and polite to who else is there.

The floor of writing N records in bulk is N / 10 calls at 3 a second, which is also 180 a minute. The figures are of a
thousand records here and of ten thousand in the long tests; they are the same on every machine.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pacing.course import Course, Race, Road, mixed, people
from tests.pacing.rivals import BackoffOnly, Script, TokenBucket

FLAT, UNEVEN, ANYWHERE = Road(), Road(0.15, 0.45), Road(0.15, 0.45, counted=None)
#: An integration that takes 40 of the 180 requests of every minute.
SHARED = Road(others=40)
MANY = 10_000

sizes = pytest.mark.parametrize("count", [1000, pytest.param(MANY, marks=pytest.mark.soak)])


def floor(count: int, per_minute: float = 180) -> float:
    """Return the least seconds in which so many records can be written in bulk."""
    return count / 10 / per_minute * 60


def created(root: Path, road: Road, count: int) -> Race:
    """Return the race of an apply that creates so many people."""
    race = Course(root, road).run(people(count))
    assert race.ledger["applied"] == count
    return race


def updated(root: Path, road: Road, count: int) -> Race:
    """Return the race of an apply that updates so many people."""
    course = Course(root, road)
    course.run(people(count))
    course.clock.sleep(600)
    race = course.run(people(count, "Seller"))
    assert race.ledger["applied"] == count
    return race


@sizes
def test_creates_take_the_floor(tmp_path: Path, count: int) -> None:
    """Ten a call, three calls a second, one search for twins: 4 % over the floor, and nothing is refused."""
    race = created(tmp_path, FLAT, count)

    assert race.requests <= 1.08 * count / 10
    assert race.seconds <= 1.04 * floor(count)
    assert race.refused == 0


@sizes
@pytest.mark.parametrize("road", [UNEVEN, ANYWHERE], ids=["uneven", "counted anywhere"])
def test_uneven_latencies_cost_few_refusals(tmp_path: Path, road: Road, count: int) -> None:
    """When calls overtake each other, the distance between them is found at which at most 2 % are refused."""
    race = created(tmp_path, road, count)

    assert race.refused <= max(3, 0.02 * race.requests)
    assert race.seconds <= 1.5 * floor(count)


@pytest.mark.soak
@pytest.mark.parametrize("road", [SHARED, Road(0.15, 0.45, others=40)], ids=["even", "uneven"])
def test_what_another_integration_leaves_is_used(tmp_path: Path, road: Road) -> None:
    """Within a tenth of what is left, at most 1 % refused, no stall, and the other hardly notices."""
    race = created(tmp_path, road, MANY)

    assert race.seconds <= 1.1 * floor(MANY, 140)
    assert race.refused_share <= 0.012
    assert race.others_refused <= 0.03 * race.others
    assert race.longest_pause < 20


def test_another_integration_is_made_room_for(tmp_path: Path) -> None:
    """The first refusal says what is left; the window that was filled until then is waited for, once."""
    race = created(tmp_path, SHARED, 2000)

    assert race.seconds <= 1.1 * floor(2000, 140)
    assert race.refused_share <= 0.01


@sizes
def test_updates_rely_on_readings_that_many_share(tmp_path: Path, count: int) -> None:
    """No reading is older than five seconds when its write leaves, and all of them are at most 8 % of the requests."""
    race = updated(tmp_path, FLAT, count)

    assert race.requests <= 1.08 * count / 10
    assert race.seconds <= 1.08 * floor(count) + 1
    assert race.refused == 0
    assert 4 < race.oldest_reading <= 5.0


def test_both_limits_stay_busy(tmp_path: Path) -> None:
    """Opportunities, which Copper updates one by one, fill the places that bulk calls leave, from the first second on."""
    course = Course(tmp_path, FLAT)
    course.run(mixed(500, 100))
    course.clock.sleep(600)
    race = course.run(mixed(500, 100, "Seller"))
    bulk = [at for at, path, _ in race.sent if "/bulk_" in path]
    single = [at for at, path, _ in race.sent if path.startswith("/opportunities/") and not path.endswith("/search")]

    assert (len(bulk), len(single), race.refused) == (50, 100, 0)
    assert race.seconds <= 1.08 * 50 / 3 + 1  # all 170 fit into the first minute: the rhythm of bulk calls is the floor


@pytest.mark.soak
def test_rivals_on_the_same_course(tmp_path: Path) -> None:
    """A token bucket and backing off are refused a lot; a request for each record takes ten times as long."""
    ours = created(tmp_path, UNEVEN, 2000)
    bucket = Script(Course(tmp_path, UNEVEN), 2000, TokenBucket()).run()
    backoff = Script(Course(tmp_path, UNEVEN), 2000, BackoffOnly()).run()
    single = Script(Course(tmp_path, UNEVEN), 2000, BackoffOnly(), size=1).run()

    assert ours.refused_share <= 0.02 < min(bucket.refused_share, backoff.refused_share)
    assert ours.seconds < min(bucket.seconds, backoff.seconds, single.seconds / 5)


@pytest.mark.soak
def test_two_thousand_creates_in_real_time(tmp_path: Path) -> None:
    """With threads and clocks as users have them: near the floor; a busy machine is uneven, and a call or two is refused."""
    course = Course(tmp_path, FLAT)
    course.become_real()
    race = course.run(people(2000))

    assert race.ledger["applied"] == 2000
    assert race.requests == 201 + race.refused
    assert race.refused <= 0.02 * race.requests
    assert race.seconds <= 1.15 * floor(2000)
