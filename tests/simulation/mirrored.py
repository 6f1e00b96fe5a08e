"""
The same schedules with mirrors: each host keeps one, as it does for users.

Pages hold three records instead of 200, and a mirror is always taken, so that a handful of records is as many pages as
thousands would be: newest changes, rank probes and audits all have their turn. One that another process has open is left
alone at once, for here nobody can wait in real time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crmsync.copper import ranks, read
from crmsync.project import looking, mirrorfile
from crmsync.project.mirror import Mirror
from crmsync.project.session import Project
from tests.simulation import edges
from tests.simulation.runs import running

SMALL_PAGE = 3


@contextmanager
def mirrors() -> Iterator[Mapping[tuple[Any, str], Any]]:
    """Yield what stands in for the product's edges so that each host has a mirror, in a folder that goes in the end."""
    with tempfile.TemporaryDirectory(prefix="crmsync-") as folder:

        def mirror_of(project: Project) -> Mirror:
            run = running()
            run.machine.has_mirrors = True
            return Mirror(Path(folder) / f"{run.wish.host}.db")

        yield {
            (edges, "mirror_of"): mirror_of,
            (read, "PAGE_SIZE"): SMALL_PAGE,
            (ranks, "PAGE_SIZE"): SMALL_PAGE,
            (looking, "MIRROR_REQUESTS"): 0,
            (mirrorfile, "BUSY_SECONDS"): 0.0,
        }
