"""The pace: never more than the account allows, whatever the latencies, and not much less."""

from __future__ import annotations

import heapq
import json
import math
import random
import threading
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsync.copper.pace import PATIENCE, Pacer, Permit, allowed, delay, shrunk
from crmsync.copper.rhythm import LEAST, Call, Rhythm
from crmsync.copper.shared import Stamp
from tests.copper.conftest import Time


@pytest.mark.parametrize(
    ("stamps", "in_flight", "limit", "expected"),
    [
        ([], 0, 3, 0.0),
        ([], 2, 3, 0.0),
        ([], 3, 3, math.inf),
        ([90.0, 95.0], 0, 3, 0.0),
        ([90.0, 95.0, 99.0], 0, 3, 50.05),
        ([90.0, 95.0], 1, 3, 50.05),
        ([90.0], 4, 3, math.inf),
        ([90.0, 95.0, 99.0], 1, 3, 55.05),
        ([40.5, 41.0, 99.0], 0, 3, 0.55),
        ([39.9, 41.0, 99.0], 0, 3, 0.0),
    ],
)
def test_the_delay_follows_the_log(stamps, in_flight, limit, expected):
    """What is under way and what was answered in the last 60 seconds counts; the oldest gives way first."""
    assert pytest.approx(expected) == delay(100.0, [Stamp(at, 1, at) for at in stamps], in_flight, limit)


def test_answers_that_were_kept_together_count_together():
    """Three answers in one stamp give way as one."""
    stamps = [Stamp(90.0, 3, 89.96), Stamp(95.0, 1, 95.0)]

    assert [pytest.approx(50.05), pytest.approx(55.05)] == [delay(100.0, stamps, 0, limit) for limit in (4, 1)]


def test_the_limit_grows_back():
    """Slowly at first, then faster: an hour later, and after three and a half minutes, it is whole."""
    limits = [allowed(60.0 * minutes, 180, 135.0, 0.0) for minutes in (0, 1, 2, 3, 3.5, 60)]

    assert limits == [135, 136, 147, 175, 180, 180]
    assert allowed(0.0, 180, 0.2, 0.0) == 1
    assert allowed(0.0, 180, math.inf, -math.inf) == 180


@pytest.mark.parametrize(
    ("limit", "count", "expected"),
    [(180, 140, 138.0), (140, 140, 138.0), (140, 160, 138.0), (180, 20, 135.0), (1, 1, 1.0)],
)
def test_a_refusal_says_what_is_left(limit, count, expected):
    """What was in the window when it was full is ours; a quarter of the limit is the most that one refusal takes."""
    assert expected == shrunk(limit, count)


def test_a_margin_is_found_at_which_few_calls_are_refused():
    """Each refusal widens the margin, each success takes back a little of that; it stays above the spread of latencies."""
    once = Rhythm().refused(Call(10.0, 10.3))
    calm = once
    for second in range(200):
        calm = calm.answered(Call(20.0 + second, 20.3 + second))

    assert pytest.approx(LEAST + 0.084) == once.margin
    assert LEAST < calm.margin < once.margin
    assert once.refused(Call(10.1, 10.4)).margin == once.margin
    assert Rhythm(spread=0.1).answered(Call(0.0, 0.3)).margin == pytest.approx(0.12)


@pytest.mark.parametrize(
    ("sent", "answered", "expected"),
    [(1.02, 1.32, False), (0.9, 1.2, True), (1.1, 1.25, True), (1.29, 1.59, False)],
)
def test_a_refusal_is_laid_to_the_second_or_to_the_minute(sent, answered, expected):
    """A call that came a second after the third before it, whether sendings are compared or answers, was not too soon."""
    calls = [Call(third / 3, third / 3 + 0.3) for third in range(3)]

    assert expected == Rhythm(latency=0.3).explains(Call(sent, answered), calls, 3)


@dataclass
class World:
    """
    Several connections against a server with Copper's window, in virtual time.

    A request counts for the server somewhere between its sending and its answer.
    """

    rng: random.Random
    latency: float
    pacer_limit: int = 180
    server_limit: int = 180
    now: float = 0.0
    arrivals: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    refused: int = 0
    events: list[tuple[float, int, object]] = field(default_factory=list)

    def run(self, requests: int, connections: int, is_bulk: bool = False, others: list[float] | None = None) -> float:
        """Send *requests* over *connections* and return when the last was answered."""
        self.pacer = Pacer(self.pacer_limit, clock=lambda: self.now, sleep=self.sleep)
        free, sent = connections, 0
        window: list[float] = list(others or [])
        while sent < requests or self.events:
            if sent < requests and free:
                permit = self.pacer.reserve(is_bulk)
                free -= self.take_answers()  # waiting may have let answers in
                free -= 1
                sent += 1
                took = self.rng.uniform(0.0, 2 * self.latency)
                arrival = self.now + took * self.rng.random()
                heapq.heappush(self.events, (self.now + took, sent, (permit, arrival, window)))
                continue
            self.now = max(self.now, self.events[0][0])
            free -= self.take_answers()
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass, but not beyond the next answer, which may free a slot."""
        end = self.now + seconds
        self.pending = getattr(self, "pending", 0)
        while self.events and self.events[0][0] <= end:
            self.answer()
            self.pending += 1
        self.now = max(self.now, end)

    def take_answers(self) -> int:
        """Return minus how many connections came free."""
        pending, self.pending = getattr(self, "pending", 0), 0
        while self.events and self.events[0][0] <= self.now:
            self.answer()
            pending += 1
        return -pending

    def answer(self) -> None:
        at, _, (permit, arrival, window) = heapq.heappop(self.events)
        self.now = max(self.now, at)
        recent = [each for each in window if arrival - 60 < each <= arrival]
        status = 200 if len(recent) < self.server_limit else 429
        self.refused += status == 429
        if status == 200:
            window.append(arrival)
        self.arrivals.append(arrival)
        self.answers.append(at)
        permit.done(status)


OF_ANOTHER_START = {
    "stamps": [[1e9, 1, 1e9]],
    "in_flight": {"a": [1e9, True]},
    "calls": [[1e9, 1e9]],
    **dict.fromkeys(("last", "last_bulk", "shrunk_to", "shrunk_at", "paused_until"), 1e9),
    "rhythm": [0.02, 1e9, 0.3, 0.1],
}


def busiest(times: list[float], window: float) -> int:
    """Return how many of *times* fall into the fullest half-open window."""
    ordered = sorted(times)
    return max(sum(start <= each < start + window for each in ordered) for start in ordered)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), latency=st.floats(0.0, 5.0), connections=st.integers(1, 12), limit=st.integers(5, 40))
def test_no_window_holds_more_than_the_limit(seed, latency, connections, limit):
    """Wherever in its latency a request counts, no 60 seconds of the server hold more than allowed."""
    world = World(random.Random(seed), latency, pacer_limit=limit, server_limit=limit)
    world.run(3 * limit, connections)

    assert busiest(world.arrivals, 60.0) <= limit
    assert busiest(world.answers, 60.0) <= limit
    assert world.refused == 0


def test_the_whole_budget_is_used():
    """500 requests over 8 connections take little more than the two windows they have to wait for."""
    world = World(random.Random(1), 0.4)

    assert world.run(500, 8) < 130
    assert (len(world.answers), world.refused) == (500, 0)


def test_another_program_is_given_room():
    """While somebody else uses 40 requests a minute few of ours are refused."""
    world = World(random.Random(2), 0.4)
    world.run(500, 8, others=[second * 1.5 for second in range(300)])

    assert 0 < world.refused <= 25


def test_bulk_calls_are_spaced_evenly():
    """Never less than a third of a second between two bulk calls, and not much more."""
    time = Time()
    pacer = Pacer(clock=time.clock, sleep=time.sleep)
    sent = []
    for _ in range(30):
        permit = pacer.reserve(is_bulk=True)
        sent.append(time.now)
        permit.done(200)

    gaps = [later - earlier for earlier, later in pairwise(sent)]
    assert min(gaps) >= 1 / 3
    assert max(gaps) < 0.4


def test_bulk_calls_that_came_too_soon_go_further_apart():
    """A refusal that the second explains widens the margin, and leaves the limit of the minute alone."""
    time = Time()
    pacer = Pacer(clock=time.clock, sleep=time.sleep)
    started = []
    for status in [200] * 6 + [429] + [200] * 20:
        permit = pacer.reserve(is_bulk=True)
        started.append(time.now)
        time.now += 0.1 if status == 429 else 0.3
        permit.done(status)

    seconds = [later - earlier for earlier, later in zip(started, started[3:], strict=False)]
    assert (min(seconds[:3]), pacer.limit) == (pytest.approx(1.02, abs=0.03), 180)
    assert 1.05 < seconds[-1] < 1.2


def test_reads_do_not_wait_for_bulk_calls():
    """Only bulk calls are spaced."""
    time = Time()
    pacer = Pacer(clock=time.clock, sleep=time.sleep)
    pacer.reserve(is_bulk=True)
    pacer.reserve(is_bulk=False)

    assert time.slept == []


def test_what_one_process_learns_another_knows(tmp_path):
    """Limit, margin and pause are in the file, too."""
    time, path = Time(), tmp_path / "pace.json"
    first = Pacer(clock=time.clock, sleep=time.sleep, path=path)
    second = Pacer(clock=time.clock, sleep=time.sleep, path=path)
    first.reserve().done(429, 5.0)
    limit = second.limit
    second.reserve()

    assert (limit, time.now) == (135, pytest.approx(1005.0))


def test_many_answers_do_not_make_the_log_long(tmp_path):
    """An account without limits answers ten thousand requests in a minute; the file stays as small as for a thousand."""
    time, path = Time(), tmp_path / "pace.json"
    pacer = Pacer(1_000_000, 100_000, clock=time.clock, sleep=time.sleep, path=path)
    for _ in range(2000):
        permit = pacer.reserve(is_bulk=True)
        time.now += 0.001
        permit.done(200)

    assert path.stat().st_size < 5000


def test_retry_after_holds_everybody():
    """What Copper asks for is waited for by every request, once."""
    time = Time()
    pacer = Pacer(clock=time.clock, sleep=time.sleep)
    pacer.reserve().done(429, 7.0)
    pacer.reserve()

    assert time.now == pytest.approx(1007.0)


def test_one_burst_shrinks_the_limit_once():
    """Refusals of requests that were sent before the last shrinking tell nothing new; a later one does."""
    time = Time()
    pacer = Pacer(clock=time.clock, sleep=time.sleep)
    burst = [pacer.reserve() for _ in range(5)]
    time.now += 0.1
    for permit in burst:
        permit.done(429)
    once = pacer.limit
    pacer.reserve().done(429)

    assert (once, pacer.limit) == (135, 101)


def test_requests_go_evenly_while_somebody_else_is_there():
    """A burst would take the other's turn; before the first refusal there is nobody to think of."""
    time = Time()
    pacer = Pacer(clock=time.clock, sleep=time.sleep)
    pacer.reserve().done(200)
    pacer.reserve().done(429)
    alone = time.now
    for _ in range(4):
        pacer.reserve().done(200)

    assert alone == 1000
    assert time.now - alone == pytest.approx(4 * 60.05 / 135, abs=0.05)


def test_a_cancelled_permit_gives_its_slot_back():
    """What was never sent does not count."""
    time = Time()
    pacer = Pacer(1, clock=time.clock, sleep=time.sleep)
    pacer.reserve().cancel()
    pacer.reserve()

    assert time.slept == []


def test_a_forgotten_permit_frees_its_slot_in_the_end():
    """A slot whose request was never settled counts as answered after a while, and frees itself."""
    time = Time()
    pacer = Pacer(1, clock=time.clock, sleep=time.sleep)
    pacer.reserve()
    pacer.reserve()

    assert time.now == pytest.approx(1000 + PATIENCE + 60, abs=2)


def test_an_answer_counts_from_when_it_came_although_its_process_slept():
    """A slot that was taken for a dead process's is stamped again when its answer comes: the request left only then."""
    time = Time()
    pacer = Pacer(1, clock=time.clock, sleep=time.sleep)
    permit = pacer.reserve()
    time.now += PATIENCE + 50
    assert pacer.reserve_within(5) is None
    permit.done(200)

    assert pacer.reserve_within(55) is None
    assert pacer.reserve_within(65) is not None


def test_a_permit_is_settled_once():
    """Settling again, or after cancelling, adds nothing to the log."""
    time = Time()
    pacer = Pacer(2, clock=time.clock, sleep=time.sleep)
    permit = pacer.reserve()
    permit.done(200)
    permit.done(200)
    pacer.reserve()

    assert time.slept == []


def test_threads_share_the_pace():
    """Eight threads take no more slots than there are."""
    pacer = Pacer(50, clock=lambda: 0.0, sleep=lambda seconds: (_ for _ in ()).throw(TimeoutError))
    permits: list[Permit] = []

    def take() -> None:
        try:
            while True:
                permits.append(pacer.reserve())
        except TimeoutError:
            return

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(permits) == 50


def test_processes_share_the_pace(tmp_path):
    """Two pacers with one file keep one budget, bulk calls included, and the file is private."""
    time, path = Time(), tmp_path / ".crmsync" / "pace.json"
    first = Pacer(3, clock=time.clock, sleep=time.sleep, path=path)
    second = Pacer(3, clock=time.clock, sleep=time.sleep, path=path)
    first.reserve(is_bulk=True).done(200)
    second.reserve(is_bulk=True).done(200)
    bulk_waited = time.now - 1000
    first.reserve().done(200)
    second.reserve()

    assert 1 / 3 <= bulk_waited < 0.4
    assert time.now == pytest.approx(1060.0, abs=0.1)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"stamps":1,"in_flight":{},"last_bulk":0}',
        json.dumps({"stamps": [1e9], "in_flight": {"a": 1e9}, "last_bulk": 1e9}),
        json.dumps(OF_ANOTHER_START),
    ],
)
def test_an_odd_shared_file_counts_as_none(tmp_path, content):
    """A broken file, or one of before the machine was started, costs no waiting."""
    time, path = Time(), tmp_path / "pace.json"
    path.write_text(content)
    Pacer(1, clock=time.clock, sleep=time.sleep, path=path).reserve(is_bulk=True)

    assert time.slept == []


def test_what_another_process_wrote_meanwhile_counts(tmp_path):
    """A pacer goes on with the log that it wrote, until somebody else wrote there."""
    time, path = Time(), tmp_path / "pace.json"
    first, second = (Pacer(2, clock=time.clock, sleep=time.sleep, path=path) for _ in range(2))
    first.reserve().done(200)
    second.reserve().done(200)
    first.reserve()

    assert time.slept != []
