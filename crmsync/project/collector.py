"""The garbage collector, set aside while millions of values are made that all stay: it would look at all again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: From so many new objects on it is worth calling them permanent. What a small plan makes costs less to look at than that.
MANY = 100_000
#: When the collector looks while a run works: after so many new objects, after so many such looks at what outlived one.
SELDOM = (20_000, 20, 20)


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


@contextmanager
def seldom_collected() -> Iterator[None]:
    """
    Let the collector look seldom, and not at what is there by now.

    A run has its plan and its state beside it all the while, and leaves few cycles: looking was a tenth of what it computed.
    Whoever finds it so already, within or beside another run, leaves it so.
    """
    before, was_frozen = gc.get_threshold(), gc.get_freeze_count() > 0
    if before == SELDOM:
        yield
        return
    gc.freeze()
    gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        if not was_frozen:
            gc.unfreeze()
