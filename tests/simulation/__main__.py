"""
Run the simulation by hand.

    python -m tests.simulation 42           one schedule: its invariants
    python -m tests.simulation 42 -v        and its whole history
    python -m tests.simulation fresh 5000   so many fresh seeds, on all cores
    python -m tests.simulation mirrored 500 the same where each host has a mirror
    python -m tests.simulation past         the seeds that broke something once
    python -m tests.simulation teeth        each mechanism switched off: which seed notices
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.many import Summary, fresh_base, known_seeds, on_all_cores, summary_of
from tests.simulation.schedule import simulate
from tests.simulation.teeth import SEEDS, TEETH
from tests.simulation.telling import story


def main() -> int:
    """Do what the command line says; 0 when nothing broke."""
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__, formatter_class=raw)
    parser.add_argument("words", nargs="*", help="seeds; or: fresh N, mirrored N, past, teeth")
    parser.add_argument("-v", "--verbose", action="store_true", help="print the history")
    parser.add_argument("--base", type=int, help="the first of them")
    parser.add_argument("--jobs", type=int, help="how many processes")
    parser.add_argument("--mirrors", action="store_true", help="let each host keep a mirror")
    wish = parser.parse_args()
    what, *rest = wish.words or ["past"]
    if what == "teeth":
        return _teeth(wish.base or 0)
    if what in ("fresh", "mirrored"):
        base = wish.base if wish.base is not None else fresh_base()
        return _many(base, int(rest[0]), wish.jobs, wish.mirrors or what == "mirrored")
    seeds = known_seeds() if what == "past" else tuple(map(int, wish.words))
    if len(seeds) == 1 or wish.verbose:
        return max(_one(seed, wish.verbose, wish.mirrors) for seed in seeds)
    started = time.monotonic()
    return _tell(summary_of(seeds, has_mirrors=wish.mirrors), started)


def _one(seed: int, is_verbose: bool, has_mirrors: bool) -> int:
    report = simulate(seed, has_mirrors=has_mirrors)
    lines = list(story(report))
    print("\n".join(lines if is_verbose else [lines[0], *lines[-len(report.breaches) - 1 :]]))
    return 1 if report.breaches else 0


def _many(base: int, count: int, jobs: int | None, has_mirrors: bool) -> int:
    print(f"seeds {base} to {base + count - 1}", flush=True)
    started, shown = time.monotonic(), time.monotonic()
    total = Summary(has_mirrors)
    for each in on_all_cores(base, count, jobs, has_mirrors=has_mirrors):
        total.add(each)
        for seed, names in each.broken.items():
            print(f"  broken: {', '.join(names)}: {total.replay(seed)}", flush=True)
        if time.monotonic() - shown > 30:
            shown = time.monotonic()
            print(f"  {total.schedules} schedules, {len(total.broken)} broken", flush=True)
    return _tell(total, started)


def _tell(total: Summary, started: float) -> int:
    print("\n".join(total.lines(time.monotonic() - started)))
    return 1 if total.broken else 0


def _teeth(base: int) -> int:
    missed = 0
    for tooth in TEETH:
        seed = tooth.first(range(base, base + SEEDS))
        missed += seed is None
        told = "nobody noticed" if seed is None else f"seed {seed}, after {seed - base + 1}"
        print(f"{tooth.name:24} {tooth.what:48} {told}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
