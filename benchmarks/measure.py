"""One process measured whole: wall, CPU and the largest memory of it and its children."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Sample:
    """What one run took; *requests* as the command itself says with ``--timing``, None where it does not."""

    wall_seconds: float
    cpu_seconds: float
    megabytes: float
    requests: int | None
    out: str


def once(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> Sample:
    """Run *command* and return what it took. Raises RuntimeError when it fails."""
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        out = process.stdout.read().decode(errors="replace")
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{out[-2000:]}")
    told = re.search(r"\d s, (\d+) requests\b", out)
    return Sample(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, int(told[1]) if told else None, out)


def middle(samples: Sequence[Sample]) -> dict[str, object]:
    """Return the medians of *samples*, with the extremes of the wall clock."""
    walls = [each.wall_seconds for each in samples]
    return {
        "runs": len(samples),
        "wall_seconds": round(median(walls), 3),
        "wall_range": [round(min(walls), 3), round(max(walls), 3)],
        "cpu_seconds": round(median(each.cpu_seconds for each in samples), 3),
        "megabytes": round(median(each.megabytes for each in samples), 1),
        "requests": samples[-1].requests,
    }


def repeated(runs: int, run: Callable[[], Sample], before: Callable[[], None] = lambda: None) -> dict[str, object]:
    """Return the medians of *runs* runs, each after *before*."""
    samples = []
    for _ in range(runs):
        before()
        samples.append(run())
    return middle(samples)
