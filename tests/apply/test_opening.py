"""What a run notes before its first request: in portions, wherever it dies between two of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from crmsync.apply import opening
from crmsync.model.effects import Append
from crmsync.model.events import Bound, FieldsApplied
from tests.simulator import Killed
from tests.world import World

COUNT = 7
FILES = "people:\n" + "".join(f"  p{n}: {{name: P {n}, emails: [p{n}@x.test], title: T {n}}}\n" for n in range(COUNT))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An account that has everybody, of whom the state knows nothing."""
    world = World(tmp_path)
    for n in range(COUNT):
        world.sandbox.create("people", {"name": f"P {n}", "emails": [f"p{n}@x.test"], "title": f"T {n}"})
    world.clock.sleep(600)
    return world


def openings(world: World) -> list[list[type]]:
    """Return the kinds of events of each entry of the log that binds records."""
    entries: dict[int, list[type]] = {}
    for position, _, event in world.store.events():
        entries.setdefault(position, []).append(type(event))
    return [kinds for kinds in entries.values() if Bound in kinds]


def test_a_large_opening_is_several_entries(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of a record is noted with its binding, and no more than a portion of it all goes together."""
    monkeypatch.setattr(opening, "PORTION", 4)
    world.apply(FILES)

    assert [kinds.count(Bound) for kinds in openings(world)] == [2, 2, 2, 1]
    assert all(kinds.count(Bound) == kinds.count(FieldsApplied) for kinds in openings(world))
    assert world.plan(FILES).changes == ()


@pytest.mark.parametrize("dies_at", range(4))
def test_a_run_that_dies_in_its_opening_is_taken_up(world: World, monkeypatch: pytest.MonkeyPatch, dies_at: int) -> None:
    """Whoever was adopted by then stays so, the next run adopts the others, and nobody is created."""
    monkeypatch.setattr(opening, "PORTION", 4)
    appends = 0

    def kill(number: int, effect: object) -> None:
        nonlocal appends
        if isinstance(effect, Append):
            if appends == dies_at:
                raise Killed
            appends += 1

    with pytest.raises(Killed):
        world.apply(FILES, scheduler={"kill": kill})
    known = len(world.store.read().bindings)
    told = world.apply(FILES).statuses()

    assert (known, len(told)) == (2 * dies_at, COUNT - 2 * dies_at)
    assert set(told.values()) == {"adopted"}
    assert (len(world.names("people")), world.plan(FILES).changes) == (COUNT, ())
