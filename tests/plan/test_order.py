"""The order of a plan: what waits for what, cycles cut, rings broken, the same bytes every time."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmsync.catalogue import CATALOGUE
from crmsync.model.address import Address
from crmsync.model.plan import Action, Cause, Change, FieldChange, Step, StepId
from crmsync.model.records import Observed
from crmsync.model.values import Member, Members
from crmsync.plan.order import order, pruned
from tests.world import World


def emails(*texts: str) -> Members:
    return Members(tuple(Member(text, text, "work") for text in texts))


def address(text: str) -> Address:
    type_name, _, key = text.partition(".")
    return Address(type_name, key)


def change(text: str, action: Action, fields: dict[str, tuple[Any, Any]] | None = None, id: int | None = None) -> Change:
    """Return a change of the fields given as (before, after)."""
    changes = tuple(FieldChange(name, *pair, Cause.EDITED) for name, pair in (fields or {}).items())
    return Change(address(text), action, id, text, changes, None, "test")


def lines(steps: tuple[Step, ...]) -> list[str]:
    """Return steps as text: what, of whom, which fields, after what."""

    def named(id: StepId) -> str:
        return f"{id.address}/{id.number}"

    found = []
    for step in steps:
        fields = ",".join(each.field for each in step.fields)
        after = ",".join(named(id) for id in step.after)
        found.append(f"{step.action} {named(step.id)} [{fields}]" + (f" after {after}" if after else ""))
    return found


def test_links_wait_for_what_they_name() -> None:
    """A record is created after those it names; a cycle is cut at the link that an update can set."""
    changes = [
        change("companies.a", Action.CREATE, {"name": (None, "A"), "primary_contact": (None, address("people.p"))}),
        change("people.p", Action.CREATE, {"name": (None, "P"), "company": (None, address("companies.a"))}),
        change("opportunities.o", Action.CREATE, {"name": (None, "O"), "company": (None, address("companies.a"))}),
    ]

    assert lines(order(changes, CATALOGUE, {})) == [
        "create companies.a/1 [name]",
        "create people.p/1 [name,company] after companies.a/1",
        "create opportunities.o/1 [name,company] after companies.a/1",
        "update companies.a/4 [primary_contact] after companies.a/1,people.p/1",
    ]


def test_a_unique_value_is_released_before_it_is_taken() -> None:
    """An e-mail goes from one person to another by two steps, the first of which gives it up; a delete gives up, too."""
    gone = Observed("people", 3, {"name": "R", "emails": emails("c@x.example")})
    changes = [
        change("people.p", Action.UPDATE, {"emails": (emails("a@x.example"), emails("b@x.example"))}, 1),
        change("people.a", Action.CREATE, {"name": (None, "A"), "emails": (Members(), emails("a@x.example"))}),
        change("people.b", Action.UPDATE, {"emails": (emails(), emails("c@x.example"))}, 2),
        change("people.r", Action.DELETE, id=3),
    ]

    assert lines(order(changes, CATALOGUE, {("people", 3): gone})) == [
        "update people.p/1 [emails]",
        "delete people.r/1 []",
        "create people.a/1 [name,emails] after people.p/1",
        "update people.b/1 [emails] after people.r/1",
    ]


def test_a_ring_of_unique_values_is_broken() -> None:
    """Three companies that pass their domains on in a ring: one gives up its own first."""
    ring = {"a": ("a.example", "b.example"), "b": ("b.example", "c.example"), "c": ("c.example", "a.example")}
    changes = [
        change(f"companies.{key}", Action.UPDATE, {"email_domain": pair}, id)
        for id, (key, pair) in enumerate(ring.items(), 1)
    ]
    steps = order(changes, CATALOGUE, {})

    assert [(step.fields[0].before, step.fields[0].after) for step in steps if step.address.key == "b"] == [
        ("b.example", None),
        (None, "c.example"),
    ]
    assert lines(steps) == [
        "update companies.b/0 [email_domain]",
        "update companies.a/1 [email_domain] after companies.b/0",
        "update companies.c/1 [email_domain] after companies.a/1",
        "update companies.b/1 [email_domain] after companies.b/0,companies.c/1",
    ]


def test_a_ring_through_deletes_is_broken_at_a_delete() -> None:
    """A delete gives nothing up early; where deletes and handed-over values wait in a ring, a delete stops waiting."""
    observed = {
        ("people", 1): Observed("people", 1, {"name": "Q", "emails": emails("q@x.example")}),
        ("companies", 2): Observed("companies", 2, {"name": "D", "email_domain": "d.example"}),
    }
    changes = [
        change("people.q", Action.DELETE, id=1),
        change("companies.d", Action.DELETE, id=2),
        change("companies.c", Action.UPDATE, {"email_domain": (None, "d.example"), "primary_contact": (1, None)}, 3),
        change("people.r", Action.UPDATE, {"emails": (Members(), emails("q@x.example")), "company": (2, None)}, 4),
    ]
    steps = order(changes, CATALOGUE, observed)

    assert sorted(lines(steps)) == sorted(
        [
            "delete companies.d/1 []",
            "update companies.c/1 [email_domain,primary_contact] after companies.d/1",
            "delete people.q/1 [] after companies.c/1",
            "update people.r/1 [emails] after people.q/1",
            "unrelate people.r/2 [company] after people.r/1",
        ]
    )


def test_a_ring_through_a_link_to_what_goes_is_broken_by_clearing_it() -> None:
    """A link that must wait for its new record is no reason to delete the old one while it is still named."""
    observed = {("people", 1): Observed("people", 1, {"name": "P", "emails": emails("p@x.example")})}
    changes = [
        change("opportunities.y", Action.UPDATE, {"primary_contact": (1, address("people.new")), "name": ("A", "B")}, 3),
        change("people.new", Action.CREATE, {"name": (None, "N"), "emails": (Members(), emails("r@x.example"))}),
        change("people.p", Action.DELETE, id=1),
        change("people.r", Action.UPDATE, {"emails": (emails("r@x.example"), emails("p@x.example"))}, 2),
    ]
    steps = order(changes, CATALOGUE, observed)

    assert lines(steps) == [
        "update opportunities.y/1 [name,primary_contact]",
        "delete people.p/1 [] after opportunities.y/1",
        "update people.r/1 [emails] after people.p/1",
        "create people.new/1 [name,emails] after people.r/1",
        "update opportunities.y/4 [primary_contact] after opportunities.y/1,people.new/1",
    ]
    links = [(each.before, each.after) for step in steps for each in step.fields if each.field == "primary_contact"]
    assert links == [(1, None), (None, address("people.new"))]


def test_deletes_go_from_leaf_to_root() -> None:
    """A record is deleted after those that link to it; of a company and its contact the company goes last."""
    observed = {
        ("companies", 1): Observed("companies", 1, {"name": "A", "primary_contact": 2}),
        ("people", 2): Observed("people", 2, {"name": "P", "company": 1}),
        ("opportunities", 3): Observed("opportunities", 3, {"name": "O", "company": 1, "primary_contact": 2}),
    }
    deletes = [("companies.a", 1), ("people.p", 2), ("opportunities.o", 3)]
    changes = [change(text, Action.DELETE, id=id) for text, id in deletes]

    assert lines(order(changes, CATALOGUE, observed)) == [
        "delete opportunities.o/1 []",
        "delete people.p/1 [] after opportunities.o/1",
        "delete companies.a/1 [] after opportunities.o/1,people.p/1",
    ]


def test_a_person_changes_company_in_two_steps() -> None:
    """The way is through related items: away from the old company, then to the new one, after the rest."""
    changes = [change("people.p", Action.UPDATE, {"title": ("a", "b"), "company": (1, 2)}, 9)]

    assert lines(order(changes, CATALOGUE, {})) == [
        "update people.p/1 [title]",
        "unrelate people.p/2 [company] after people.p/1",
        "relate people.p/3 [company] after people.p/2",
    ]


def test_steps_with_nothing_left_are_pruned() -> None:
    """What waited for a step that has nothing to send waits for what that step waited for."""
    a, b, c = (StepId(address(f"people.{key}"), 1) for key in "abc")
    filled = (FieldChange("title", "x", "y", Cause.EDITED),)
    steps = [
        Step(a, "update", 1, filled),
        Step(b, "update", 2, (), (a,)),
        Step(c, "update", 3, filled, (b,)),
    ]  # fmt: skip

    assert lines(pruned(steps)) == ["update people.a/1 [title]", "update people.c/1 [title] after people.a/1"]


KEYS = st.sampled_from("abcdef")


@st.composite
def worlds(draw: st.DrawFn) -> list[Change]:
    """Draw creates that name each other at will, and updates that pass unique values around."""
    changes = []
    people = draw(st.sets(KEYS, min_size=1))
    companies = draw(st.sets(KEYS, min_size=1))
    for key in companies:
        contact = draw(st.sampled_from(sorted(people)))
        changes.append(
            change(
                f"companies.{key}",
                Action.CREATE,
                {"name": (None, key), "primary_contact": (None, address(f"people.{contact}"))},
            )
        )
    for key in people:
        company = draw(st.sampled_from(sorted(companies)))
        changes.append(
            change(f"people.{key}", Action.CREATE, {"name": (None, key), "company": (None, address(f"companies.{company}"))})
        )
    domains = draw(st.permutations(range(5)))
    for number, other in enumerate(domains):
        if number != other:
            pair = (f"{number}.example", f"{other}.example")
            changes.append(change(f"companies.z{number}", Action.UPDATE, {"email_domain": pair}, number + 1))
    return changes


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), st.integers(0, 99))
def test_the_order_is_the_same_and_can_be_carried_out(changes: list[Change], seed: int) -> None:
    """Shuffled changes give the same steps, each after what it waits for; no field is lost, no value taken early."""
    shuffled = Random(seed).sample(changes, len(changes))
    steps = order(changes, CATALOGUE, {})

    assert repr(order(shuffled, CATALOGUE, {})) == repr(steps)
    seen: set[StepId] = set()
    held = {f"{number}.example" for number in range(5)}
    for step in steps:
        assert set(step.after) <= seen
        seen.add(step.id)
        for each in step.fields:
            if isinstance(each.after, Address):
                assert StepId(each.after, 1) in seen
            if each.field == "email_domain":
                held -= {each.before}
                assert each.after not in held
                held |= {each.after} - {None}
    sent = {(step.address, each.field) for step in steps for each in step.fields}
    assert sent == {(each.address, field.field) for each in changes for field in each.fields}


@pytest.mark.parametrize("seed", range(3))
def test_a_plan_is_the_same_bytes(seed: int, tmp_path: Path) -> None:
    """The order of records in the files changes nothing in the plan."""
    records = [f"  p{n}: {{name: P {n}, company: c{n % 3}}}" for n in range(9)]
    companies = [f"  c{n}: {{name: C {n}, primary_contact: p{n}}}" for n in range(3)]
    chance = Random(seed)

    def files() -> str:
        shuffled = [chance.sample(part, len(part)) for part in (companies, records)]
        return "\n".join(["companies:", *shuffled[0], "people:", *shuffled[1]])

    world = World(tmp_path)
    assert lines(world.plan(files()).steps) == lines(world.plan(files()).steps)
