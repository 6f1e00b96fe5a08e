"""The garbage collector, set aside while millions of values are made that all stay: it would look at all again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: From so many new objects on it is worth calling them permanent. What a small plan makes costs less to look at than that.
MANY = 100_000


@contextmanager
def without_collector() -> Iterator[None]:
    """Pause the collector; where much was made, what is there at the end counts as permanent, until the next pause."""
    if not gc.isenabled():
        yield
        return
    if gc.get_freeze_count():
        gc.unfreeze()  # a process that plans again and again must not keep the cycles of all plans before
        gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if gc.get_count()[0] > MANY:
            gc.freeze()
        gc.enable()
