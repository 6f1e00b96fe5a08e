"""Cost follows change: how many requests an apply sends, counted, never timed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world of its own."""
    return World(tmp_path)


def _people(count: int, title: str = "Buyer") -> str:
    return "people:\n" + "".join(f"  p{n}: {{name: Ann {n}, emails: [a{n}@x.test], title: {title}}}\n" for n in range(count))


def _requests_of_apply(world: World, files: str) -> int:
    """Return how many requests the engine sends for *files*, beside those that plan."""
    world.planned(files)
    before = len(world.sandbox.log)
    world.planned(files)
    planning = len(world.sandbox.log) - before
    world.apply(files)
    return len(world.sandbox.log) - before - 2 * planning


@pytest.mark.parametrize("count", [10, 250])
def test_creates_go_ten_a_call_and_one_search_looks_for_twins(world: World, count: int) -> None:
    """The floor is a call for ten; at most 8 % are added to it, and one search."""
    calls = math.ceil(count / 10)

    assert _requests_of_apply(world, _people(count)) <= 1.08 * calls + 1


def test_one_guard_read_serves_many_updates(world: World) -> None:
    """Updates of two hundred records are twenty calls and the readings they rely on."""
    world.apply(_people(200))
    world.clock.sleep(600)

    assert _requests_of_apply(world, _people(200, "Seller")) <= 1.08 * 20 + 2


def test_nothing_to_do_sends_nothing(world: World) -> None:
    """An apply of an empty plan costs its plan."""
    world.apply(_people(30))

    assert _requests_of_apply(world, _people(30)) == 0
