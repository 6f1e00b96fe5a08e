"""One command measured whole: wall, CPU, and the largest memory of all its processes together; see `benchmarks.spawn`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

_SPAWN = Path(__file__).with_name("spawn.py")


@dataclass(frozen=True)
class Sample:
    """What one run took; *requests* and *waited* as the command itself says with ``--timing``, None where it does not."""

    wall_seconds: float
    cpu_seconds: float
    megabytes: float
    requests: int | None
    waited_seconds: float | None
    out: str


def once(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> Sample:
    """Run *command* and return what it took. Raises RuntimeError when it fails."""
    told_by, tells = os.pipe()
    try:
        small = [sys.executable, "-I", "-S", str(_SPAWN), str(tells), *command]
        done = subprocess.run(
            small, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=(tells,), check=True
        )
        taken = json.loads(os.read(told_by, 4096))
    finally:
        os.close(told_by)
        os.close(tells)
    out = done.stdout.decode(errors="replace")
    if taken["exit_code"] != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {taken['exit_code']}:\n{out[-2000:]}")
    said = re.search(r"\d s, (\d+) requests(?:; ([\d.]+) s only waiting)?", out)
    return Sample(
        taken["wall_seconds"],
        taken["cpu_seconds"],
        taken["megabytes"],
        int(said[1]) if said else None,
        float(said[2]) if said and said[2] else None,
        out,
    )


def middle(samples: Sequence[Sample]) -> dict[str, object]:
    """Return the medians of *samples*, with the extremes of the wall clock."""
    walls = [each.wall_seconds for each in samples]
    return {
        "runs": len(samples),
        "wall_seconds": round(median(walls), 3),
        "beside_waiting_seconds": _beside(samples),
        "wall_range": [round(min(walls), 3), round(max(walls), 3)],
        "cpu_seconds": round(median(each.cpu_seconds for each in samples), 3),
        "megabytes": round(median(each.megabytes for each in samples), 1),
        "requests": samples[-1].requests,
    }


def _beside(samples: Sequence[Sample]) -> float | None:
    """Return the median of the wall clock less what was only waiting for Copper; None where that is not told."""
    told = [each.wall_seconds - each.waited_seconds for each in samples if each.waited_seconds is not None]
    return round(median(told), 3) if told else None


def repeated(runs: int, run: Callable[[], Sample], before: Callable[[], None] = lambda: None) -> dict[str, object]:
    """Return the medians of *runs* runs, each after *before*."""
    samples = []
    for _ in range(runs):
        before()
        samples.append(run())
    return middle(samples)
