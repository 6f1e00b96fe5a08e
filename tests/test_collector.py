"""The pauses of the garbage collector."""

from __future__ import annotations

import gc
from weakref import ref

import pytest

from crmsync.project import collector
from crmsync.project.collector import SELDOM, seldom_collected, without_collector


class Cycle:
    """Something that only the collector can free."""

    def __init__(self) -> None:
        self.me = self


def test_the_cycles_of_a_plan_are_gone_when_the_next_one_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that plans many times, as a notebook or a test does, does not grow by each."""
    monkeypatch.setattr(collector, "MANY", 0)
    with without_collector():
        cycle = ref(Cycle())
    with without_collector():
        pass

    assert (cycle(), gc.isenabled()) == (None, True)


def test_a_small_plan_makes_nothing_permanent() -> None:
    """To call all objects of a process permanent, and to look at them again at the next plan, costs more than it saves."""
    gc.unfreeze()
    with without_collector():
        several = [[each] for each in range(1000)]

    assert (len(several), gc.get_freeze_count()) == (1000, 0)


def test_a_collector_that_somebody_stopped_stays_stopped() -> None:
    """The caller may have reasons of their own."""
    gc.disable()
    try:
        with without_collector():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_while_a_run_works_the_collector_looks_seldom() -> None:
    """What is there is not looked at, also by a run within; after the run all is as before."""
    gc.unfreeze()
    before = gc.get_threshold()
    with seldom_collected():
        is_frozen = gc.get_freeze_count() > 0
        with seldom_collected():
            pass
        meanwhile = gc.get_threshold()

    assert (True, SELDOM, before, 0) == (is_frozen, meanwhile, gc.get_threshold(), gc.get_freeze_count())
