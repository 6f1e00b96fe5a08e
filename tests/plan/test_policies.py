"""Policies through the whole house: what becomes of a value, a member, a record that a person had a hand in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crmsync.model.plan import Plan
from crmsync.project.trouble import InputTrouble
from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def plain(plan: Plan) -> dict[str, list[str]]:
    """Return what is in each block of a plan, by address and field."""
    return {
        "changes": [f"{each.address} {each.action}" for each in plan.changes],
        "kept": [f"{each.address} {each.change.field}" for each in plan.kept],
        "held": [f"{each.address} {each.field.field if each.field else ''}".strip() for each in plan.held],
    }


def blocks(**found: Any) -> dict[str, list[str]]:
    return {"changes": [], "kept": [], "held": [], **found}


# --- members of sets ----------------------------------------------------------------------------

TAGS = "companies: {{a: {{name: A, tags: [{}]}}}}\n"


def _removed_by_a_person(world: World, policy: str) -> None:
    world.settings_text = f"policy: {{companies: {{on_drift: {policy}}}}}\n"
    world.apply(TAGS.format("x, y"))
    world.edit("companies.a", tags=["x", "theirs"])


def test_a_member_that_a_person_removed_stays_removed(world: World) -> None:
    """Under keep a declared member that a person removed is listed, not put back, now and after an apply."""
    _removed_by_a_person(world, "keep")
    files = TAGS.format("x, y")
    for _ in range(3):
        assert plain(world.plan(files)) == blocks(kept=["companies.a tags"])
        assert world.apply(files, auto_approve=True).statuses() == {}

    assert world.record("companies.a")["tags"] == ["x", "theirs"]
    assert not any(note.applied for note in world.plan(files).notes)


def test_a_kept_member_waits_for_its_own_line_of_the_file(world: World) -> None:
    """Another member that the file adds is written beside the kept removal; the removed one stays away."""
    _removed_by_a_person(world, "keep")
    world.apply(TAGS.format("x, y"), auto_approve=True)
    world.apply(TAGS.format("x, y, z"), auto_approve=True)

    assert world.record("companies.a")["tags"] == ["x", "theirs", "z"]
    assert plain(world.plan(TAGS.format("x, y, z"))) == blocks(kept=["companies.a tags"])


def test_a_kept_member_comes_back_when_the_file_says_so_anew(world: World) -> None:
    """Taken out of the file and declared again, a member that a person removed is the file's wish once more."""
    _removed_by_a_person(world, "keep")
    world.apply(TAGS.format("x, y"), auto_approve=True)
    world.apply(TAGS.format("x"), auto_approve=True)
    assert plain(world.plan(TAGS.format("x"))) == blocks()
    world.apply(TAGS.format("x, y"), auto_approve=True)

    assert world.record("companies.a")["tags"] == ["x", "theirs", "y"]
    assert plain(world.plan(TAGS.format("x, y"))) == blocks()


def test_a_member_on_hold_is_held_and_its_neighbours_go_on(world: World) -> None:
    """Under hold the removal is held in every plan, and a member that the file adds is written all the same."""
    _removed_by_a_person(world, "hold")
    assert plain(world.plan(TAGS.format("x, y"))) == blocks(held=["companies.a tags"])
    world.apply(TAGS.format("x, y, z"), auto_approve=True)

    assert world.record("companies.a")["tags"] == ["x", "theirs", "z"]
    assert plain(world.plan(TAGS.format("x, y, z"))) == blocks(held=["companies.a tags"])


PHONES = "people: {{a: {{name: A, phone_numbers: [{{number: +1 415 555 0123, category: {}}}]}}}}\n"


@pytest.mark.parametrize(
    ("policy", "block", "category"),
    [("overwrite", "changes", "work"), ("keep", "kept", "home"), ("hold", "held", "home")],
)
def test_a_member_that_a_person_changed(policy: str, block: str, category: str, world: World) -> None:
    """An own member in another category is drift, and follows the policy."""
    world.settings_text = f"policy: {{people: {{on_drift: {policy}}}}}\n"
    world.apply(PHONES.format("work"))
    world.edit("people.a", phone_numbers=[{"number": "+1 415 555 0123", "category": "home"}])
    said = "people.a update" if block == "changes" else "people.a phone_numbers"
    assert plain(world.plan(PHONES.format("work"))) == blocks(**{block: [said]})
    world.apply(PHONES.format("work"), auto_approve=True)

    assert [each["category"] for each in world.record("people.a")["phone_numbers"]] == [category]
    assert plain(world.plan(PHONES.format("work")))["changes"] == []


@pytest.mark.parametrize(("policy", "left"), [("overwrite", []), ("keep", ["home"]), ("hold", ["home"])])
def test_a_changed_member_that_leaves_the_file(policy: str, left: list[str], world: World) -> None:
    """A member that a person changed and the file drops was changed on both sides; reviewed, it follows the policy."""
    world.settings_text = f"policy: {{people: {{on_drift: {policy}}}}}\n"
    world.apply(PHONES.format("work"))
    world.edit("people.a", phone_numbers=[{"number": "+1 415 555 0123", "category": "home"}])
    files = "people: {a: {name: A, phone_numbers: []}}\n"
    world.apply(files)

    assert [each["category"] for each in world.record("people.a")["phone_numbers"]] == left
    assert plain(world.plan(files)) == blocks(held=["people.a phone_numbers"] if policy == "hold" else [])


# --- conflicts that nobody reviewed ---------------------------------------------------------------


def test_a_conflict_under_keep_is_set_aside_unreviewed(world: World) -> None:
    """Changed on both sides, and approved unseen: set aside although the policy keeps, until somebody reviews it."""
    world.settings_text = "policy: {people: {on_drift: keep}}\n"
    files = "people: {{a: {{name: A, title: {}}}}}\n"
    world.apply(files.format("ours"))
    world.edit("people.a", title="theirs")
    for _ in range(2):
        assert world.apply(files.format("new"), auto_approve=True).statuses() == {"people.a": "conflict"}
    assert world.apply(files.format("new")).statuses() == {}
    assert world.apply(files.format("new"), auto_approve=True).statuses() == {}

    assert world.record("people.a")["title"] == "theirs"
    assert plain(world.plan(files.format("new"))) == blocks(kept=["people.a title"])


def test_a_member_in_conflict_under_keep_is_set_aside_unreviewed(world: World) -> None:
    """The same for a member: its set waits as a whole, because nobody saw what would be remembered of it."""
    world.settings_text = "policy: {people: {on_drift: keep}}\n"
    world.apply(PHONES.format("work"))
    world.edit("people.a", phone_numbers=[{"number": "+1 415 555 0123", "category": "home"}])
    files = PHONES.format("mobile").replace("name: A,", "name: A, title: new,")
    for _ in range(2):
        assert world.apply(files, auto_approve=True).statuses() == {"people.a": "conflict"}
    assert (world.record("people.a")["title"], world.record("people.a")["phone_numbers"][0]["category"]) == ("new", "home")
    assert world.apply(files).statuses() == {}
    assert world.apply(files, auto_approve=True).statuses() == {}


# --- observe ------------------------------------------------------------------------------------


def test_observe_never_writes(world: World) -> None:
    """An observed field is reported, not written: on an adopted record, a new one, and after a person's edit."""
    world.settings_text = "policy: {companies: {fields: {details: observe}}}\n"
    world.sandbox.create("companies", {"name": "Here", "details": "theirs"})
    files = "companies: {here: {name: Here, details: ours}, new: {name: New, details: ours}}\n"
    world.apply(files)

    assert (world.record("companies.here")["details"], world.record("companies.new")["details"]) == ("theirs", None)
    assert plain(world.plan(files)) == blocks(kept=["companies.here details", "companies.new details"])


def test_a_record_that_is_only_observed_is_not_created(world: World) -> None:
    """A record that is observed through and through and absent is held, and what names it waits."""
    world.settings_text = "policy: {companies: {mode: observe}}\n"
    files = "companies: {a: {name: A}}\npeople: {p: {name: P, company: a}}\n"
    plan = world.plan(files)

    assert plain(plan) == blocks(held=["companies.a", "people.p"])
    assert world.apply(files).ledger == {}
    assert world.names("companies") == []


# --- required fields, identity, removal -----------------------------------------------------------


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "existing"])
def test_a_required_field_cannot_be_cleared(is_new: bool, world: World) -> None:
    """`name: null` is an error at its line, whether the record exists or not."""
    if not is_new:
        world.apply("companies: {a: {name: A}}\n")
    with pytest.raises(InputTrouble) as trouble:
        world.plan("companies:\n  a:\n    name: null\n    details: x\n")

    assert [(each.code.number, each.position.line) for each in trouble.value.diagnostics] == [("CRM041", 3)]


def test_the_same_name_with_another_domain_is_held(world: World) -> None:
    """A company of that name with a domain of its own may be another one: held, unless the file says `new: true`."""
    world.sandbox.create("companies", {"name": "Acme", "email_domain": "other.example"})
    files = "companies: {{a: {{name: Acme, email_domain: acme.example{}}}}}\n"
    assert plain(world.plan(files.format(""))) == blocks(held=["companies.a"])
    assert plain(world.plan("companies: {a: {name: Acme}}\n")) == blocks(held=["companies.a"])
    world.apply(files.format(", crmsync: {new: true}"))

    assert world.names("companies") == ["Acme", "Acme"]
    assert plain(world.plan(files.format(", crmsync: {new: true}"))) == blocks()


def test_a_bound_company_keeps_its_identity(world: World) -> None:
    """Renamed and moved to another domain by a person, a bound company is still the same record."""
    files = "companies: {a: {name: Acme, email_domain: acme.example}}\n"
    world.apply(files)
    world.edit("companies.a", name="Bcme", email_domain="bcme.example")

    assert plain(world.plan(files)) == blocks(changes=["companies.a update"])


def test_an_opportunity_without_a_company_is_known_by_name(world: World) -> None:
    """Among those without a company the name decides; one with a company is held; a contact's company is a hint."""
    acme = world.sandbox.create("companies", {"name": "Acme"})
    ann = world.sandbox.create(
        "people", {"name": "Ann", "emails": [{"email": "a@a.example", "category": "work"}], "company_id": acme}
    )
    free = world.sandbox.create("opportunities", {"name": "Free"})
    world.sandbox.create("opportunities", {"name": "Owned", "company_id": acme})
    hinted = world.sandbox.create("opportunities", {"name": "Hinted", "company_id": acme, "primary_contact_id": ann})
    plan = world.plan(
        "people: {ann: {name: Ann, emails: [a@a.example]}}\n"
        "opportunities: {f: {name: Free}, o: {name: Owned}, h: {name: Hinted, primary_contact: ann}}\n"
    )

    assert {str(each.address): each.record_id for each in plan.changes if each.address.type == "opportunities"} == {
        "opportunities.f": free,
        "opportunities.h": hinted,
    }
    assert [str(each.address) for each in plan.held] == ["opportunities.o"]


def test_a_record_that_the_files_name_is_not_deleted(world: World) -> None:
    """A vanished record that another one looks up, or is being linked to, stays and says who names it."""
    world.apply("companies: {a: {name: A}, b: {name: B}}\npeople: {p: {name: P, company: b}}\n")
    plan = world.plan("companies: {b: {name: B}}\npeople: {p: {name: P, company: {name: A}}}\n")

    assert plain(plan) == blocks(changes=["people.p update"], held=["companies.a"])
    assert "people.p names it" in plan.held[0].reason


def test_deletes_respect_what_moves_meanwhile(world: World) -> None:
    """Of two records that left the files, the one that keeps a dependant stays; the free one goes."""
    world.apply("companies: {a: {name: A}, b: {name: B}}\npeople: {p: {name: P, company: a}}\n")
    plan = world.plan("people: {p: {name: P}}\n")

    assert plain(plan) == blocks(changes=["companies.b delete"], held=["companies.a"])


# --- addresses that cannot be who they say --------------------------------------------------------


def _codes(world: World, files: str) -> list[tuple[str, int]]:
    with pytest.raises(InputTrouble) as trouble:
        world.plan(files)
    return [(str(each.code), each.position.line) for each in trouble.value.diagnostics if each.position]


def test_an_id_that_contradicts_the_state(world: World) -> None:
    """`id` of another record than the bound one is an error at its line; so is one record under two addresses."""
    world.apply("companies: {a: {name: A}, b: {name: B}}\n")
    a, b = world.id("companies.a"), world.id("companies.b")

    assert _codes(world, f"companies:\n  a: {{name: A, crmsync: {{id: {b}}}}}\n  b: {{name: B}}\n") == [("CRM042", 2)]
    twice = f"companies:\n  a: {{name: A}}\n  b: {{name: B}}\n  c:\n    name: C\n    crmsync: {{id: {a}}}\n"
    assert _codes(world, twice) == [("CRM042", 6)]


def test_an_id_that_copper_does_not_have(world: World) -> None:
    """`id` of a record that nobody shows is an error at its line, and nothing is created in its place."""
    assert _codes(world, "companies:\n  a: {name: A, crmsync: {id: 123}}\n") == [("CRM044", 2)]
