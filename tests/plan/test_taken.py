"""Unique values that a record outside the files holds: the plan sees them before Copper refuses."""

from __future__ import annotations

from pathlib import Path

from tests.world import World

BEFORE = "people:\n  ann: {name: Ann, emails: [ann@x.test]}\n"
AFTER = "people:\n  ann: {name: Anna, emails: [ann@x.test, bob@x.test]}\n"


def test_an_email_that_somebody_unknown_has_is_held_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Nobody binds the other person, so only a search for the new e-mail shows who has it."""
    world = World(tmp_path)
    world.apply(BEFORE)
    world.sandbox.create("people", {"name": "Bob", "emails": [{"email": "bob@x.test", "category": "work"}]})

    plan = world.plan(AFTER)

    why = 'Copper allows bob@x.test once, and person "Bob" (#70000002) has it. This plan does not take it from there.'
    written = [[each.field for each in change.fields] for change in plan.changes]
    reasons = [held.reason for held in plan.held]
    expected = [["name"]], [why]
    assert expected == (written, reasons)


def test_nothing_is_searched_for_while_no_unique_value_is_new(tmp_path: Path) -> None:
    """What a record has already is in nobody's way."""
    world = World(tmp_path)
    world.apply(BEFORE)
    world.plan(BEFORE)
    before = len(world.sandbox.log)

    world.plan(BEFORE.replace("name: Ann", "name: Anna"))

    searches = [each for each in world.sandbox.log[before:] if "emails" in str(each.body)]
    assert not searches
