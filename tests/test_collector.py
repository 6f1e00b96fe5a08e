"""The pauses of the garbage collector."""

from __future__ import annotations

import gc
from weakref import ref

from crmsync.project.collector import without_collector


class Cycle:
    """Something that only the collector can free."""

    def __init__(self) -> None:
        self.me = self


def test_the_cycles_of_a_plan_are_gone_when_the_next_one_was_made() -> None:
    """A process that plans many times, as a notebook or a test does, does not grow by each."""
    with without_collector():
        cycle = ref(Cycle())
    with without_collector():
        pass

    assert (cycle(), gc.isenabled()) == (None, True)


def test_a_collector_that_somebody_stopped_stays_stopped() -> None:
    """The caller may have reasons of their own."""
    gc.disable()
    try:
        with without_collector():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
