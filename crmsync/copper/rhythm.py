"""
How close bulk calls may follow each other.

Copper allows three in any second (developer.copper.com, bulk pages). It counts a call some time between our sending and
its answer, nobody outside knows when; so a call is taken to be counted halfway. The next one goes out so that, halfway,
it comes a second and a margin after the third before it, and never less than a third of a second after the last.

The margin is more than the usual spread of the latencies, grows when a call is refused and shrinks a little with each one
that is not: refusals and the time that is lost stay in balance, at about four in a thousand calls, however the network is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

#: The least margin, in seconds of a second: sleeps and networks are not exact.
LEAST = 0.02
MOST = 4.0
#: By how much a refusal widens the margin (seconds, and a share of it), and which part of that each success takes back.
STEP, SHARE, BACK = 0.08, 0.2, 0.004
#: How much a new latency counts in the average, and how much of the spread is a margin, and a doubt.
RECENT, SPREAD_RECENT = 0.1, 0.05
ENOUGH, DOUBT = 1.2, 1.5


class Call(NamedTuple):
    """When a bulk call was sent, and answered; infinity while it is under way."""

    sent: float
    answered: float


class Rhythm(Struct, frozen=True):
    """What was learnt: the margin and when it was widened, the usual latency (none before the first) and its spread."""

    margin: float = LEAST
    widened_at: float = -math.inf
    latency: float = math.nan
    spread: float = 0.0

    def answered(self, call: Call) -> Rhythm:
        """Return what is known after *call* was executed."""
        known = self._timed(call.answered - call.sent)
        return replace(known, margin=max(LEAST, ENOUGH * known.spread, known.margin - BACK * known._step))

    def refused(self, call: Call) -> Rhythm:
        """Return what is known after *call* came too early. One sent before the last widening tells nothing new."""
        known = self._timed(call.answered - call.sent)
        if call.sent < known.widened_at:
            return known
        return replace(known, margin=min(MOST, known.margin + known._step), widened_at=call.answered)

    def wait(self, now: float, calls: Sequence[Call], last: float, per_second: float) -> float:
        """Return how long the next call must wait after *calls* (executed or under way) and the *last* that was sent."""
        count, period = _period(per_second)
        wait = last + period / count - now
        if len(calls) < count:
            return wait
        latency = 0.0 if math.isnan(self.latency) else self.latency
        halves = sorted(_halfway(call, now, latency) for call in calls)
        return max(wait, halves[-count] + period + self.margin - latency / 2 - now)

    def explains(self, refused: Call, calls: Sequence[Call], per_second: float) -> bool:
        """
        Say whether *refused* may have come too soon after *calls*; else the requests of the minute were used up.

        Wherever between sending and answer Copper counts, it is about the same place each time, so the distance at the
        server is between that of the sendings and that of the answers.
        """
        count, period = _period(per_second)
        sent = sorted(call.sent for call in calls if call.sent <= refused.sent)
        answered = sorted(call.answered for call in calls if call.answered <= refused.answered)
        both = (refused.sent, sent), (refused.answered, answered)
        gaps = [now - times[-count] for now, times in both if len(times) >= count]
        return any(gap < period + DOUBT * self.spread for gap in gaps)

    @property
    def _step(self) -> float:
        return STEP + SHARE * self.margin

    def _timed(self, seconds: float) -> Rhythm:
        if math.isnan(self.latency):
            return replace(self, latency=seconds)
        latency = self.latency + RECENT * (seconds - self.latency)
        spread = self.spread + SPREAD_RECENT * (abs(seconds - self.latency) - self.spread)
        return replace(self, latency=latency, spread=spread)


def _period(per_second: float) -> tuple[int, float]:
    """Return how many calls may go out in how many seconds: few, or a fast account would have to remember them all."""
    count = max(1, min(int(per_second), 20))
    return count, count / per_second


def _halfway(call: Call, now: float, latency: float) -> float:
    """Return when *call* is taken to be counted."""
    if math.isinf(call.answered):
        return max(call.sent + latency / 2, (call.sent + now) / 2)
    return (call.sent + call.answered) / 2
