"""Many seeds, on all cores: what broke, and what was measured on the way."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tests.simulation.schedule import simulate

SEEDS = Path(__file__).parent / "seeds.txt"
CHUNK = 25


@dataclass
class Summary:
    """What so many schedules came to, with mirrors or without."""

    has_mirrors: bool = False
    schedules: int = 0
    requests: int = 0
    runs: int = 0
    virtual_seconds: float = 0.0
    gap_losses: int = 0
    late_losses: int = 0
    gaps: list[float] = field(default_factory=list)
    broken: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def add(self, other: Summary) -> None:
        """Take in what others came to."""
        for name in ("schedules", "requests", "runs", "virtual_seconds", "gap_losses", "late_losses"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.gaps += other.gaps[: max(0, 200_000 - len(self.gaps))]
        self.broken |= other.broken

    def lines(self, seconds: float) -> Iterator[str]:
        """Yield the summary as text."""
        counts = {
            kind: sum(name in names for names in self.broken.values()) for name, kind in _WORDS.items() for kind in [kind]
        }
        told = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        pace = self.schedules / max(seconds, 0.001) * 60
        yield f"{self.schedules} schedules: {told}; {len(self.broken)} broken"
        days = self.virtual_seconds / 86_400
        took = f"{days:.0f} virtual days in {seconds:.0f} s ({pace:.0f} schedules a minute)"
        yield f"{self.runs} runs, {self.requests} requests, {took}"
        if self.gaps:
            p50, p99 = percentile(self.gaps, 50), percentile(self.gaps, 99)
            yield f"gap between reading and write: p50 {p50:.2f} s, p99 {p99:.2f} s of virtual time, {len(self.gaps)} writes"
        yield f"edits lost in that gap: {self.gap_losses}; to writes that Copper executed late: {self.late_losses}"
        yield from (f"  broken: {', '.join(names)}: {self.replay(seed)}" for seed, names in sorted(self.broken.items())[:20])

    def replay(self, seed: int) -> str:
        """Return the command that tells the history of *seed*."""
        return f"make simulate SEED={seed}{' MIRRORS=1' if self.has_mirrors else ''}"


_WORDS = {"I2": "lost", "I1": "duplicated", "I4": "overwritten", "I6": "stuck"}


def percentile(numbers: list[float], percent: int) -> float:
    """Return the value below which so many percent of *numbers* lie."""
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def summary_of(seeds: Iterable[int], *, has_mirrors: bool = False) -> Summary:
    """Carry out the schedules of *seeds* and sum up."""
    summary = Summary(has_mirrors)
    for seed in seeds:
        report = simulate(seed, has_mirrors=has_mirrors)
        summary.schedules += 1
        summary.requests += report.requests
        summary.runs += report.counts["runs"]
        summary.virtual_seconds += report.seconds
        summary.gap_losses += report.measured.gap_losses
        summary.late_losses += report.measured.late_losses
        summary.gaps += report.measured.gaps
        if report.breaches:
            summary.broken[seed] = report.invariants
    return summary


def on_all_cores(first: int, count: int, jobs: int | None = None, *, has_mirrors: bool = False) -> Iterator[Summary]:
    """Carry out the schedules of *count* seeds from *first* on, and yield the sums as they come."""
    chunks = [range(start, min(start + CHUNK, first + count)) for start in range(first, first + count, CHUNK)]
    with get_context("spawn").Pool(jobs or os.cpu_count()) as pool:
        yield from pool.imap_unordered(partial(summary_of, has_mirrors=has_mirrors), chunks)


def fresh_base() -> int:
    """Return where fresh seeds begin: another place each time, printed by whoever uses it."""
    return 1_000_000 * (int(time.time()) % 1_000_000 + 1)


def known_seeds() -> tuple[int, ...]:
    """Return the seeds that broke something once."""
    lines = (line.partition("#")[0].strip() for line in SEEDS.read_text(encoding="utf-8").splitlines())
    return tuple(int(line) for line in lines if line)
