"""The brakes: the arithmetic of limits, and who would be left behind by a delete."""

from __future__ import annotations

import pytest

from crmsync.catalogue import CATALOGUE
from crmsync.model.address import Address
from crmsync.model.plan import Action, Breach, Cause, Change, Delta, FieldChange
from crmsync.model.records import Observed
from crmsync.model.settings import Limit, Limits
from crmsync.model.values import Member, Members
from crmsync.plan.guard import breaches, dependants, missing, overwrites


def changes(action: Action, count: int) -> list[Change]:
    field = FieldChange("title", "theirs", "ours", Cause.ADOPTED)
    return [Change(Address("people", f"p{n}"), action, n, "", (field,), None, "") for n in range(count)]


@pytest.mark.parametrize(
    ("action", "limits", "total", "most"),
    [
        # deletes: 5 percent above 20 records, at most 3 below
        (Action.DELETE, Limits(), 3, 3),
        (Action.DELETE, Limits(), 20, 3),
        (Action.DELETE, Limits(), 21, 3),
        (Action.DELETE, Limits(), 100, 5),
        (Action.DELETE, Limits(), 119, 5),
        (Action.DELETE, Limits(), 120, 6),
        (Action.DELETE, Limits(deletes=Limit(0)), 100, 0),
        (Action.DELETE, Limits(deletes=Limit(50)), 10, 50),
        # updates: 30 percent above 20 records, all below
        (Action.UPDATE, Limits(), 20, 20),
        (Action.UPDATE, Limits(), 21, 6),
        (Action.UPDATE, Limits(), 1000, 300),
        (Action.UPDATE, Limits(updates=Limit(5)), 10, 5),
        (Action.UPDATE, Limits(apply_from=5), 10, 3),
        # adoptions that overwrite: a number
        (Action.ADOPT, Limits(), 1000, 100),
        (Action.ADOPT, Limits(adopts=Limit(10, True)), 100, 10),
        # creating and forgetting have none
        (Action.CREATE, Limits(), 10, None),
        (Action.FORGET, Limits(), 10, None),
    ],
)
def test_limits(action: Action, limits: Limits, total: int, most: int | None) -> None:
    """So many changes pass, and one more does not."""
    names = {Action.DELETE: "deletes", Action.UPDATE: "updates", Action.ADOPT: "adopts"}
    if most is None:
        assert breaches(changes(action, 500), {"people": total}, limits) == ()
        return
    kind = names[action]
    over = Breach(kind, "people", most + 1, total, str(getattr(limits, kind)), f"--allow-{kind} {most + 1}")

    assert breaches(changes(action, most), {"people": total}, limits) == ()
    assert breaches(changes(action, most + 1), {"people": total}, limits) == (over,)


TAGS = Members((Member("x", "x"),))


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (FieldChange("title", "theirs", "ours", Cause.ADOPTED), True),
        (FieldChange("title", None, "ours", Cause.ADOPTED), False),
        (FieldChange("tags", TAGS, TAGS, Cause.ADOPTED, None, Delta(added=TAGS)), False),
        (FieldChange("tags", TAGS, Members(), Cause.ADOPTED), True),
    ],
)
def test_overwriting(field: FieldChange, expected: bool) -> None:
    """Filling an empty field and adding a member overwrite nothing."""
    assert overwrites(Change(Address("people", "p"), Action.ADOPT, 1, "", (field,), None, "")) == expected


@pytest.mark.parametrize(
    ("related", "relinked", "expected"),
    [
        ((("person", 1),), (), (("people", 1),)),
        ((("person", 2),), (), ()),  # related, but it names another company
        ((("person", 9),), (), (("people", 9),)),  # nobody has seen it
        ((("opportunity", 3), ("person", 1)), (), (("opportunities", 3), ("people", 1))),
        ((("person", 1),), (("people", 1, "company"),), ()),
        ((("opportunity", 3),), (("opportunities", 3, "primary_contact"),), (("opportunities", 3),)),
        ((("task", 5), ("project", 6)), (), ()),
    ],
)
def test_dependants(
    related: tuple[tuple[str, int], ...], relinked: tuple[tuple[str, int, str], ...], expected: tuple[tuple[str, int], ...]
) -> None:
    """Those that name the record as their company or contact, unless the plan sets that very link."""
    observed = {
        ("people", 1): Observed("people", 1, {"company": 7}),
        ("people", 2): Observed("people", 2, {"company": 8}),
        ("opportunities", 3): Observed("opportunities", 3, {"company": 7, "primary_contact": 1}),
    }
    company = Observed("companies", 7, {"name": "A"})

    assert dependants(company, related, observed, CATALOGUE, relinked) == expected


@pytest.mark.parametrize(
    ("bound", "absent", "expected"),
    [
        ({"people": 10}, {"people": 2}, []),
        ({"people": 30}, {"people": 3}, []),
        ({"people": 29}, {"people": 3}, [("people", 3, 29)]),
        ({"people": 3}, {"people": 3}, [("people", 3, 3)]),
        # two of each type are few, four of all are not
        ({"people": 5, "companies": 5}, {"people": 2, "companies": 2}, [("records", 4, 10)]),
        ({"people": 5, "companies": 500}, {"people": 3, "companies": 2}, [("people", 3, 5)]),
    ],
)
def test_missing(bound: dict[str, int], absent: dict[str, int], expected: list[tuple[str, int, int]]) -> None:
    """More than a tenth of the managed records missing, and at least three, are no accident."""
    gone = {Address(name, f"r{n}") for name, count in absent.items() for n in range(count)}

    assert expected == [(each.type, each.count, each.of) for each in missing(bound, gone)]
