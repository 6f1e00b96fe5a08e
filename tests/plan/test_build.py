"""Building a plan: what the parts come to together, and what is left of it when only some of it may run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crmsync.catalogue import CATALOGUE
from crmsync.model.address import Address
from crmsync.model.plan import Cause, Counts, Plan
from crmsync.model.settings import Pace
from crmsync.plan.cost import price
from crmsync.plan.narrowing import narrow, without_notes
from crmsync.sandbox import Fault, Quirks
from tests.simulator import Killed
from tests.world import World

FILES = """
companies: {a: {name: A, tags: [x], primary_contact: p}, b: {name: B}}
people:
  p: {name: P, emails: [p@a.example], company: a, crmsync: {protect: true}}
  q: {name: Q, emails: [q@a.example], title: ours}
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def reviewed(world: World, files: str, **wishes: Any) -> dict[str, Any]:
    """Return the plan as a saved document."""
    document: dict[str, Any] = json.loads(json.dumps(world.document(files, **wishes), default=str))
    return document


def sizes(plan: Plan) -> tuple[int, int, int]:
    return len(plan.changes), len(plan.steps), len(plan.notes)


def test_a_plan_does_nothing(world: World) -> None:
    """Planning writes nothing, to Copper or to the state."""
    position = world.store.read().position
    world.plan(FILES)

    assert (world.writes(), world.store.read().position) == ([], position)


def test_counts_are_records_by_their_first_action(world: World) -> None:
    """A follow-up is no change of its own."""
    plan = world.plan(FILES)

    assert (plan.counts, len(plan.steps)) == (Counts(add=4), 5)


def test_protection_of_a_new_record_is_remembered(world: World) -> None:
    """What the plan notes of a new record reaches the state, also when the create is found only later."""
    world.fault(Fault("timeout_after", path="people/bulk_create", nth=1))
    world.apply(FILES)

    bindings = world.store.read().bindings
    assert {str(address): binding.is_protected for address, binding in bindings.items()} == {
        "companies.a": False,
        "companies.b": False,
        "people.p": True,
        "people.q": False,
    }
    assert sizes(world.plan(FILES)) == (0, 0, 0)


def test_narrowing_keeps_what_is_named(world: World) -> None:
    """Only the named fields of the named records are left, with counts and price to match, and no notes of the rest."""
    for name, email in (("P", "p@a.example"), ("Q", "q@a.example")):
        world.sandbox.create("people", {"name": name, "emails": [email]})
    planned = world.planned(FILES)
    catalogue = planned.account.catalogue
    keep = {Address("people", "q"): frozenset({"title"}), Address("companies", "b"): frozenset({"name"})}
    left = narrow(planned.plan, keep, catalogue, Pace())

    assert {str(change.address): [each.field for each in change.fields] for change in left.changes} == {
        "companies.b": ["name"],
        "people.q": ["title"],
    }
    assert {note.address for note in left.notes} == {Address("people", "q")}
    assert left.counts == Counts(add=1, adopt=1, filled=1)
    assert left.price == price(left.steps, catalogue, Pace())
    assert sizes(narrow(planned.plan, {}, catalogue, Pace())) == (0, 0, 0)


def test_what_was_not_reviewed_is_not_done(world: World) -> None:
    """A saved plan carries out its own changes; records that came later wait for the next plan."""
    world.apply(FILES)
    world.sandbox.create("people", {"name": "Later", "emails": ["l@a.example"]})
    first = FILES.replace("title: ours", "title: new")
    document = reviewed(world, first)
    later = first.replace("  q:", "  l: {name: L, emails: [l@a.example], crmsync: {protect: true}}\n  q:")
    applied = world.apply(later, reviewed=document)

    assert applied.statuses() == {}
    assert world.record("people.q")["title"] == "new"
    assert world.names("people") == ["Later", "P", "Q"]
    assert Address("people", "l") not in world.store.read().bindings


def test_a_reviewed_field_that_moved_is_set_aside(world: World) -> None:
    """Of a saved plan the changes that are still the same are done, field by field."""
    world.apply(FILES)
    files = FILES.replace("title: ours", "title: new, details: new").replace("name: B", "name: B2")
    document = reviewed(world, files)
    world.edit("people.q", title="theirs")
    applied = world.apply(files, reviewed=document)

    assert applied.statuses() == {"people.q": "conflict"}
    q = world.record("people.q")
    assert (q["title"], q["details"], world.names("companies")) == ("theirs", "new", ["A", "B2"])


def test_auto_approval_loses_no_edit(world: World) -> None:
    """Without a review a field that changed on both sides is set aside, and what waits for it is skipped with the cause."""
    world.apply(FILES)
    files = FILES.replace("q@a.example], title: ours", "q2@a.example], title: new")
    files += "  r: {name: R, emails: [q@a.example]}\n"
    world.edit("people.q", title="theirs")
    applied = world.apply(files, auto_approve=True)

    assert applied.statuses() == {"people.q": "conflict"}
    q = world.record("people.q")
    assert (q["title"], [each["email"] for each in q["emails"]]) == ("theirs", ["q2@a.example"])


def test_links_to_a_record_created_again_are_put_back(world: World) -> None:
    """A record that is created again gets its links back: that is drift, not a conflict."""
    world.apply(FILES)
    world.sandbox.delete("companies", world.id("companies.a"))
    plan = world.plan(FILES, recreate=frozenset({Address("companies", "a")}))

    causes = {(str(each.address), field.field): field.cause for each in plan.changes for field in each.fields}
    assert causes["people.p", "company"] == Cause.DRIFTED
    assert world.apply(FILES, auto_approve=True, recreate=frozenset({Address("companies", "a")})).statuses() == {}
    assert world.plan(FILES).changes == ()


def test_an_address_with_an_open_intent_is_left_alone(world: World) -> None:
    """Nothing is planned for a record of which nobody knows whether it was created, under its new name neither."""
    world.fault(Fault("timeout_before", path="bulk_create"))

    def kill(number: int, effect: object) -> None:
        if type(effect).__name__ == "Sleep":
            raise Killed

    with pytest.raises(Killed):
        world.apply("people: {a: {name: A}}\n", scheduler={"kill": kill})
    moved = "moved: [{from: people.a, to: people.b}]\npeople: {b: {name: A}, c: {name: C}}\n"
    plan = world.plan(moved)

    assert ([str(change.address) for change in plan.changes], [str(each) for each in plan.unsettled]) == (
        ["people.c"],
        ["people.a", "people.b"],
    )
    world.fault()
    world.apply(moved)
    assert world.names("people") == ["A", "C"]
    assert world.plan(moved).changes == ()


def test_an_explicit_id_comes_before_a_likeness(world: World) -> None:
    """A record that is claimed by its id is not taken by another address because it looks like it."""
    id = world.sandbox.create("companies", {"name": "Same"})
    files = f"companies: {{a: {{name: Same}}, b: {{name: Same, crmsync: {{id: {id}}}}}}}\n"
    plan = world.plan(files.replace("a: {name: Same}", "a: {name: Same, details: x}"))

    assert {str(change.address): (str(change.action), change.record_id) for change in plan.changes} == {
        "companies.a": ("create", None),
        "companies.b": ("adopt", id),
    }


@pytest.mark.parametrize("quirk", ["unless_sent", "always"])
def test_a_field_that_copper_resets_is_sent_along(quirk: str, tmp_path: Path) -> None:
    """A new stage resets the probability in Copper: the declared one goes with it, and the plan does not list it."""
    world = World(tmp_path, quirks=Quirks(stage_resets_probability=quirk))
    files = "opportunities: {{o: {{name: O, pipeline: Sales, stage: {}, win_probability: 50}}}}\n"
    world.apply(files.format("Qualifying"))
    document = reviewed(world, files.format("Negotiation"))
    world.apply(files.format("Negotiation"), reviewed=document)

    assert [each["field"] for each in document["resource_changes"][0]["crmsync"]["fields"]] == ["stage"]
    assert world.record("opportunities.o")["win_probability"] == 50
    assert world.plan(files.format("Negotiation")).is_empty


def test_a_kept_conflict_can_be_told_from_kept_drift(world: World) -> None:
    """Whoever approves unseen must be able to set a conflict aside although the policy keeps the person's value."""
    world.settings_text = "policy: {people: {on_drift: keep}}\n"
    files = "people: {{a: {{name: A, title: {}}}}}\n"
    world.apply(files.format("ours"))
    world.edit("people.a", title="theirs")
    drift = world.plan(files.format("ours"))
    conflict = world.plan(files.format("new"))
    left = without_notes(conflict, {(each.address, each.change.field) for each in conflict.kept}, CATALOGUE)

    assert [each.change.cause for each in (*drift.kept, *conflict.kept)] == [Cause.DRIFTED, Cause.CONFLICT]
    assert [len(note.applied) for note in conflict.notes] == [1]
    assert left.notes == ()


def test_rules_and_names_alone_are_something_to_remember(world: World) -> None:
    """A plan that changes nothing in Copper still says that the state will learn something."""
    world.apply("people: {a: {name: A}, b: {name: B}}\n")
    renamed = world.document("moved: [{from: people.b, to: people.c}]\npeople: {a: {name: A}, c: {name: B}}\n")
    assert world.last is not None

    assert (world.last.plan.is_empty, world.last.plan.has_notes_to_remember) == (True, True)
    assert renamed["crmsync"]["notes"] == [{"address": "people.c", "text": "renamed from people.b"}]
    assert not world.plan("people: {a: {name: A}, b: {name: B}}\n").has_notes_to_remember


def test_a_delete_waits_for_a_relinking_that_is_held(world: World) -> None:
    """What was to leave a company for a new one that cannot be created keeps the old one."""
    world.apply("companies: {a: {name: A}, h: {name: H, email_domain: h.example}}\npeople: {p: {name: P, company: a}}\n")
    world.settings_text = "policy: {companies: {fields: {email_domain: seed}}}\n"
    plan = world.plan(
        "companies: {h: {name: H}, n: {name: N, email_domain: h.example, crmsync: {new: true}}}\n"
        "people: {p: {name: P, company: n}}\n"
    )

    assert plan.changes == ()
    assert [str(held.address) for held in plan.held] == ["companies.a", "companies.n", "people.p"]
