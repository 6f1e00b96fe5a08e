"""What is removed, and what never is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from crmsync.model.address import Address
from crmsync.model.settings import Limit, Limits
from tests.simulator import Killed
from tests.world import World

FILES = """
companies:
  acme: {name: Acme, email_domain: acme.com, primary_contact: wile}
  ours: {name: Ours}
people:
  wile: {name: Wile, emails: [w@acme.com], company: acme, tags: [x]}
  road: {name: Road, company: ours}
opportunities:
  deal: {name: Deal, company: acme, primary_contact: wile}
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def everything(world: World) -> dict[str, list[dict[str, object]]]:
    """Return all records but for when they were changed, and but for the order of custom fields, which means nothing."""
    return {
        name: [_plain(body) for body in world.sandbox.records(name)] for name in ("companies", "people", "opportunities")
    }


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    fields = sorted(body["custom_fields"], key=lambda each: each["custom_field_definition_id"])
    return {**body, "date_modified": None, "custom_fields": fields}


def test_destroy_leaves_what_was_there(world: World) -> None:
    """Destroying deletes all we created, forgets what we adopted, and leaves everything else as it was."""
    world.sandbox.create("people", {"name": "Somebody", "tags": ["theirs"], "emails": ["s@b.example"]})
    before = everything(world)
    files = FILES.replace("  road:", "  some: {name: Somebody, emails: [s@b.example]}\n  road:")
    world.apply(files)
    assert world.plan(files).changes == ()
    applied = world.apply(files, is_destroy=True)

    assert everything(world) == before
    assert applied.statuses() == {"people.some": "forgotten"}
    assert world.store.read().bindings == {}


def test_destroy_needs_no_readable_files(world: World) -> None:
    """Destroying does not ask what the files say."""
    world.apply(FILES)
    world.apply("companies: {acme: {nonsense: 1}}\n", is_destroy=True)

    assert everything(world) == {"companies": [], "people": [], "opportunities": []}


def test_adopted_records_are_forgotten(world: World) -> None:
    """An adopted record that leaves the files stays in Copper, with the contact that it would miss."""
    world.sandbox.create("companies", {"name": "Acme", "email_domain": "acme.com"})
    world.apply(FILES)
    plan = world.plan("companies: {ours: {name: Ours}}\npeople: {road: {name: Road, company: ours}}\n")

    assert {str(change.address): str(change.action) for change in plan.changes} == {
        "companies.acme": "forget",
        "opportunities.deal": "delete",
    }
    assert [held.reason for held in plan.held] == ['It would leave companies.acme "Acme" without it.']


def test_deletes_go_leaf_to_root(world: World) -> None:
    """A record is deleted after those that link to it; of two that link to each other the company goes last."""
    world.apply(FILES)
    world.apply("companies: {ours: {name: Ours}}\npeople: {road: {name: Road, company: ours}}\n")
    deleted = [each.path.split("/")[1] for each in world.sandbox.log if each.method == "DELETE" and each.executed]

    assert deleted == ["opportunities", "people", "companies"]


HELD = {
    "changed by a person": (
        lambda world: world.edit("people.road", name="Runner"),
        "Changed in Copper since the last apply: name.",
    ),
    "left behind": (
        lambda world: world.sandbox.create("opportunities", {"name": "Theirs", "primary_contact": world.id("people.road")}),
        'It would leave opportunity "Theirs" #20000002 without it.',
    ),
}  # fmt: skip


@pytest.mark.parametrize(("act", "reason"), HELD.values(), ids=HELD)
def test_unsafe_deletes_are_held(act, reason: str, world: World) -> None:
    """A record that a person worked on, or that others would miss, is not deleted; the rest of the plan goes on."""
    world.apply(FILES)
    act(world)
    files = FILES.replace("  road: {name: Road, company: ours}\n", "").replace("tags: [x]", "tags: [y]")
    plan = world.plan(files)

    assert [(str(held.address), held.reason) for held in plan.held] == [("people.road", reason)]
    assert [str(change.address) for change in plan.changes] == ["people.wile"]
    world.apply(files)
    assert "Wile" in world.names("people")
    assert len(world.names("people")) == 2


def test_a_held_delete_holds_what_it_names(world: World) -> None:
    """A company is not deleted either while a person whose own delete is held would lose it."""
    world.apply(FILES)
    world.edit("people.road", name="Runner")
    files = FILES.replace("  road: {name: Road, company: ours}\n", "").replace("  ours: {name: Ours}\n", "")
    plan = world.plan(files)

    assert [str(held.address) for held in plan.held] == ["companies.ours", "people.road"]
    assert plan.changes == ()


def test_a_forgotten_record_is_not_left_without_its_company(world: World) -> None:
    """A person that is only forgotten stays in Copper, so its company may not be deleted under it."""
    world.sandbox.create("people", {"name": "Some", "emails": ["s@b.example"]})
    both = (
        "companies: {ours: {name: Ours}, x: {name: X}}\npeople: {some: {name: Some, emails: [s@b.example], company: ours}}\n"
    )
    world.apply(both)
    plan = world.plan("companies: {x: {name: X}}\n")

    assert [str(change.action) for change in plan.changes] == ["forget"]
    assert [held.reason for held in plan.held] == ['It would leave people.some "Some" without it.']


def test_a_primary_contact_is_not_deleted(world: World) -> None:
    """A person whom a company has for its primary contact stays, although Copper does not relate the two."""
    world.apply("companies: {a: {name: A, primary_contact: p}}\npeople: {p: {name: P}, q: {name: Q}}\n")
    plan = world.plan("companies: {a: {name: A}}\npeople: {q: {name: Q}}\n")

    assert [str(held.address) for held in plan.held] == ["people.p"]
    assert plan.changes == ()


def test_a_relinked_record_does_not_hold(world: World) -> None:
    """A company goes when the plan itself gives its people another one; a link that stays still holds it."""
    world.apply(FILES)
    files = FILES.replace("  ours: {name: Ours}\n", "").replace("company: ours", "company: acme")
    assert world.apply(files).statuses() == {}

    assert world.names("companies") == ["Acme"]
    assert world.plan(files).changes == ()


def _many(count: int, **values: object) -> str:
    return yaml.safe_dump({"people": {f"p{n:02}": {"name": f"P {n}", **values} for n in range(count)}})


@pytest.mark.parametrize(
    ("before", "after", "limits", "expected"),
    [
        (_many(10), _many(7), Limits(), []),
        (_many(10), _many(6), Limits(), [("deletes", 4, 10, "--allow-deletes 4")]),
        (_many(30), _many(26), Limits(), [("deletes", 4, 30, "--allow-deletes 4")]),
        (_many(30), _many(26), Limits(deletes=Limit(4)), []),
        (_many(20), _many(20, title="x"), Limits(), []),
        (_many(21), _many(21, title="x"), Limits(), [("updates", 21, 21, "--allow-updates 21")]),
        (_many(21), _many(21, title="x"), Limits(updates=Limit(100, True)), []),
    ],
)
def test_limits(before: str, after: str, limits: Limits, expected: list[tuple[object, ...]], world: World) -> None:
    """A plan says which limits it exceeds and by which flag they are lifted; it is a plan all the same."""
    world.apply(before)
    world.settings_text = f"limits: {{updates: {limits.updates}, deletes: {limits.deletes}}}\n"
    plan = world.plan(after)

    assert [(each.kind, each.count, each.of, each.flag) for each in plan.breaches] == expected
    assert plan.changes != ()


def test_limits_refer_to_the_whole_set(world: World) -> None:
    """With `--only` a share is still a share of all records."""
    world.apply(_many(30))
    plan = world.plan(_many(30, title="x"), only=("people.p0*",))

    assert ([each.count for each in plan.breaches], plan.counts.change) == ([10], 10)


def test_overwritten_adoptions_are_limited(world: World) -> None:
    """Adopting records with other values counts against the limit; adopting them as they are does not."""
    for n in range(5):
        world.sandbox.create("people", {"name": f"P {n}", "emails": [f"p{n}@a.example"], "title": "theirs"})
    world.settings_text = "limits: {adopts: 3}\n"
    same = {f"p{n}": {"name": f"P {n}", "emails": [f"p{n}@a.example"]} for n in range(5)}
    other = {key: {**record, "title": "ours"} for key, record in same.items()}

    assert world.plan(yaml.safe_dump({"people": same})).breaches == ()
    assert [each.flag for each in world.plan(yaml.safe_dump({"people": other})).breaches] == ["--allow-adopts 5"]


@pytest.mark.parametrize("may_orphan", [False, True])
def test_what_an_unclear_create_named_stays_until_that_is_settled(may_orphan: bool, world: World) -> None:
    """A person edited the company of an unclear create: nobody knows that it is ours, but it may have the contact still."""
    world.apply("people: {road: {name: Road}}\n")

    def kill(number: int, effect: object) -> None:
        if len(world.writes()) == 2:
            raise Killed

    files = "companies: {ours: {name: Ours, details: ours, primary_contact: road}}\npeople: {road: {name: Road}}\n"
    with pytest.raises(Killed):
        world.apply(files, scheduler={"kill": kill})
    (company,) = world.sandbox.records("companies")
    world.sandbox.edit("companies", company["id"], {"details": "theirs"})
    world.clock.sleep(600)
    world.apply("companies: {other: {name: Other}}\n")
    plan = world.plan("companies: {other: {name: Other}}\n", may_orphan=may_orphan)

    assert plan.unsettled == (Address("companies", "ours"),)
    held = [] if may_orphan else ["It would leave companies.ours (unsettled) without it."]
    assert [each.reason for each in plan.held] == held
    assert world.names("people") == ["Road"]
