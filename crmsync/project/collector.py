"""The garbage collector, set aside while millions of values are made that all stay: it would look at all again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """Pause the collector; what is there at the end counts as permanent, until the next pause."""
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
        gc.freeze()
        gc.enable()
