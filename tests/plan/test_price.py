"""The price of a plan is what a fault-free apply really takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.world import World


def _records(**types: dict[str, Any]) -> str:
    return yaml.safe_dump(types)


def _people(count: int, **values: Any) -> dict[str, Any]:
    return {f"p{n:03}": {"name": f"Person {n}", **values} for n in range(count)}


def _companies(count: int, **values: Any) -> dict[str, Any]:
    return {f"c{n:03}": {"name": f"Company {n}", **values} for n in range(count)}


def _deals(count: int, **values: Any) -> dict[str, Any]:
    return {f"d{n:03}": {"name": f"Deal {n}", **values} for n in range(count)}


#: What is there, and what is wished for.
SCENARIOS = {
    "nothing": (_records(people=_people(3)), _records(people=_people(3))),
    "creates": ("", _records(people=_people(23))),
    "creates that wait": (
        "",
        _records(companies=_companies(13), people=_people(25, company="c000"), opportunities=_deals(3)),
    ),
    "a cycle": (
        "",
        "companies: {a: {name: A, primary_contact: p}}\npeople: {p: {name: P, company: a}}\n",
    ),
    "bulk updates": (_records(people=_people(120)), _records(people=_people(120, title="new"))),
    "single updates": (_records(opportunities=_deals(20)), _records(opportunities=_deals(20, priority="High"))),
    "deletes": (_records(people=_people(7)), _records(people=_people(4))),
    "another company": (
        _records(companies=_companies(2), people=_people(3, company="c000")),
        _records(companies=_companies(2), people=_people(3, company="c001")),
    ),
    "a ring of domains": (
        "companies: {a: {name: A, email_domain: a.example}, b: {name: B, email_domain: b.example}}\n",
        "companies: {a: {name: A, email_domain: b.example}, b: {name: B, email_domain: a.example}}\n",
    ),
    "everything": (
        _records(companies=_companies(4), people=_people(12), opportunities=_deals(3)),
        _records(
            companies=_companies(15, details="x"),
            people=_people(9, company="c001", title="y"),
            opportunities=_deals(5, tags=["z"]),
        ),
    ),
}


@pytest.mark.parametrize(("before", "after"), SCENARIOS.values(), ids=SCENARIOS)
def test_price_is_what_is_counted(before: str, after: str, tmp_path: Path) -> None:
    """Requests and bulk calls of the plan equal those in the sandbox's log."""
    world = World(tmp_path)
    if before:
        world.apply(before)
    start = len(world.sandbox.log)
    price = world.plan(after).price
    planning = len(world.sandbox.log) - start
    world.apply(after)
    applying = world.sandbox.log[start + 2 * planning :]

    assert (price.requests, price.bulk) == (len(applying), sum("bulk" in each.path for each in applying))


def test_adopting_costs_what_it_writes(tmp_path: Path) -> None:
    """Records that are adopted as they are cost nothing; those that differ cost a guard and a call."""
    world = World(tmp_path)
    for n in range(12):
        world.sandbox.create("people", {"name": f"Person {n}", "emails": [f"p{n}@a.example"]})
    same = {f"p{n}": {"name": f"Person {n}", "emails": [f"p{n}@a.example"]} for n in range(12)}
    other = {key: {**record, "title": "new"} for key, record in same.items()}

    assert world.plan(_records(people=same)).price.requests == 0
    assert world.plan(_records(people=other)).price.requests == 3
    start = len(world.sandbox.log)
    world.plan(_records(people=other))
    planning = len(world.sandbox.log) - start
    world.apply(_records(people=other))
    assert len(world.sandbox.log) - start - 2 * planning == 3


def test_minutes_follow_the_pace(tmp_path: Path) -> None:
    """A plan takes as long as the slower of the two limits says."""
    world = World(tmp_path)
    plan = world.plan(_records(people=_people(200)))

    assert (plan.price.requests, plan.price.bulk, round(plan.price.minutes, 3)) == (21, 20, round(21 / 180, 3))
