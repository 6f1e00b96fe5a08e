"""What a run deleted, and what goes with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from crmsync.model.effects import Append
from crmsync.model.events import Forgotten
from tests.simulator import Killed
from tests.world import World

BOTH = "companies: {a: {name: A, primary_contact: p}, b: {name: B}}\npeople: {p: {name: P, company: a}}\n"


def _dying_after_a_delete(world: World, files: str) -> None:
    """Apply *files* and die once one record is deleted, and noted as that."""
    deleted: list[int] = []

    def kill(number: int, effect: object) -> None:
        if deleted:
            raise Killed
        if isinstance(effect, Append) and any(isinstance(each, Forgotten) for each in effect.events):
            deleted.append(number)

    with pytest.raises(Killed):
        world.apply(files, scheduler={"kill": kill})


def test_a_link_that_went_with_what_an_earlier_run_deleted_is_no_persons_work(tmp_path: Path) -> None:
    """Two that name each other are to go, and the run dies between them: the next one deletes the other as well."""
    world = World(tmp_path)
    world.apply(BOTH)
    _dying_after_a_delete(world, "companies: {b: {name: B}}\n")
    assert len(world.store.read().deleted) == 1
    plan = world.plan("companies: {b: {name: B}}\n")

    assert (len(plan.changes), plan.held) == (1, ())


def test_a_link_that_a_person_took_away_keeps_its_record(tmp_path: Path) -> None:
    """The record that was named is there, so somebody took the link away: what they changed is not deleted."""
    world = World(tmp_path)
    world.apply(BOTH)
    world.edit("companies.a", primary_contact_id=None)
    world.edit("people.p", company_id=None)
    plan = world.plan("companies: {b: {name: B}}\n")

    assert (plan.changes, [str(held.address) for held in plan.held]) == ((), ["companies.a", "people.p"])


def test_a_record_that_is_named_since_the_review_is_not_deleted(tmp_path: Path) -> None:
    """
    A person makes somebody a contact who was reviewed to go: nobody agreed to set another contact in their place.

    The rest of the company's change, which was reviewed, is done.
    """
    world = World(tmp_path)
    files = "companies: {{b: {{name: B, details: {}, primary_contact: r}}}}\npeople: {{r: {{name: R}}{}}}\n"
    world.apply(files.format("old", ", q: {name: Q}"))
    after = files.format("new", "")
    reviewed = world.document(after)
    world.edit("companies.b", primary_contact_id=world.id("people.q"))
    ran = world.apply(after, reviewed=reviewed)

    details = {str(each.address): (each.status, each.detail) for each in ran.outcomes}
    waited = "It waited for companies.b, which is not part of this run."
    assert details == {"companies.b": ("applied", ""), "people.q": ("skipped", waited)}
    assert world.record("companies.b")["details"] == "new"
    assert world.apply(after, auto_approve=True).statuses() == {}
    assert world.names("people") == ["R"]
