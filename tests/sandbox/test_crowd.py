"""Searches among many records: kept orders and indexes give what sorting everything would."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsync.sandbox import Sandbox, parse_counts
from crmsync.sandbox.finding import Rows, find
from crmsync.sandbox.orders import FEW, Order
from crmsync.sandbox.tables import ENTITIES

from .conftest import Client, Clock


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 30), st.none() | st.integers(0, 5)), max_size=40), max_size=5))
def test_an_order_is_what_sorting_gives(rounds):
    """Whatever is put, changed and removed between two looks."""
    table, order = {}, Order(lambda value: value)
    for changes in rounds:
        for id, value in changes:
            table[id] = value
            if value is None:
                del table[id]
            order.note(id)
        order.settle(table)

        expected = sorted((value, id) for id, value in table.items())
        assert [id for _, id in expected] == list(order) == order[:]
        start, end = order.window(2, 3)
        assert [id for value, id in expected if 2 <= value <= 3] == order[start:end]


def test_many_changes_are_sorted_in_together():
    """More than a few changes take the other way to the same end."""
    table = {n: (n * 7919) % 1009 for n in range(3 * FEW)}
    order = Order(lambda value: value)
    for id in table:
        order.note(id)
    order.settle(table)
    for id in range(2 * FEW):
        table.pop(id) if id % 2 else table.update({id: -id})
        order.note(id)
    order.settle(table)

    assert list(order) == sorted(table, key=lambda id: (table[id], id))


@pytest.fixture(scope="module")
def crowd():
    """A client of a sandbox with three hundred people and the rest."""
    counts = {plural: 300 if plural == "people" else 20 for plural in ENTITIES}
    return Client(Sandbox(clock=Clock(), populate=counts))


CRITERIA = [
    {},
    {"minimum_created_date": 1_699_990_000},
    {"minimum_created_date": 1_699_999_000, "maximum_created_date": 1_699_999_500},
    {"minimum_modified_date": 1_699_990_000, "tags": "group 3"},
    {"minimum_created_date": 1_699_990_000, "maximum_modified_date": 1_699_999_000},
    {"company_ids": [40_000_001, 40_000_002]},
    {"company_ids": [40_000_001, -2]},
    {"emails": ["ann1@crowd.test", "x@y.z"]},
    {"ids": [70_000_001, 70_000_300, 5]},
    {"city": "Reno"},
    {"contact_type_ids": [450_001], "age": 6000},
]


@pytest.mark.parametrize("criteria", CRITERIA, ids=lambda criteria: ",".join(criteria) or "all")
@pytest.mark.parametrize("sort", ["name", "date_created", "date_modified", "email", "city"])
def test_shortcuts_find_what_looking_at_everything_finds(crowd, criteria, sort):
    """An index or a stretch of an order leaves out nothing and adds nothing; pages follow one another."""
    shortcut = {"sort_by": sort, "page_size": 70, **criteria}
    pages = [crowd.found("people", **shortcut, page_number=n) for n in range(1, 6)]
    backwards = [crowd.found("people", **shortcut, page_number=n, sort_direction="desc") for n in range(1, 6)]
    crowd.sandbox.quirks, usual = type(crowd.sandbox.quirks)(search_lag=1e-9), crowd.sandbox.quirks
    slow = [crowd.found("people", **shortcut, page_number=n) for n in range(1, 6)]
    crowd.sandbox.quirks = usual

    assert slow == pages
    assert [id for page in backwards for id in page] == [id for page in slow for id in page][::-1]


def test_a_full_scan_sees_every_write_between_its_pages(crowd):
    """The order follows creations, updates and deletions that come between two pages."""
    scan = {"sort_by": "name", "page_size": 200}
    crowd.found("people", **scan)
    fresh = crowd.new("people", name="000")
    crowd("PUT", "/people/70000010", {"name": "zzz"})
    crowd("DELETE", "/people/70000011")
    ids = [id for n in (1, 2) for id in crowd.found("people", **scan, page_number=n)]

    assert (ids[0], ids[-1], 70_000_011 in ids) == (fresh, 70_000_010, False)


def test_an_order_by_another_record_follows_it(crowd):
    """Opportunities by company name move when the company is renamed."""
    by_company = {"sort_by": "company_name", "page_size": 200}
    first = crowd.found("opportunities", **by_company)[0]
    company = crowd("GET", f"/opportunities/{first}")["company_id"]
    crowd("PUT", f"/companies/{company}", {"name": "zzz"})

    assert crowd.found("opportunities", **by_company)[-1] == first


@pytest.mark.parametrize(
    ("criteria", "name"),
    [({}, "name"), ({}, "date_created"), ({"minimum_created_date": 1_699_990_000}, "date_created")],
)
def test_nothing_is_looked_at_without_need(crowd, criteria, name):
    """A scan, and a window sorted by its own date, is a stretch of a kept order: no record is tested."""
    world = crowd.sandbox._world(1_700_000_000.0)

    assert isinstance(find(world, ENTITIES["people"], criteria, {}, name), Rows)


def test_a_crowd_is_made_the_same_every_time():
    """A minute apart, the newest now, with companies to work at; a data file is filled once."""
    first, second = (Client(Sandbox(clock=Clock(), populate={"people": 3, "companies": 1})) for _ in range(2))
    people = first.sandbox.records("people")

    assert [person["date_created"] for person in people] == [1_699_999_880, 1_699_999_940, 1_700_000_000]
    assert {person["company_name"] for person in people} == {"Adler Works 1"}
    assert [p["emails"] for p in people] == [p["emails"] for p in second.sandbox.records("people")]


def test_numbers_of_records_are_parsed():
    """Every problem is named."""
    assert parse_counts(["people=3", "tasks=1", "people=2"]) == {"people": 5, "tasks": 1}
    with pytest.raises(ValueError, match=r'(?s)type "dragons".*"people" does not say how many'):
        parse_counts(["dragons=3", "people"])


@pytest.mark.soak
def test_a_hundred_thousand_people():
    """They are made, and a full scan by name sees each of them once while writes go on."""
    api = Client(Sandbox(clock=Clock(), populate={"people": 100_000}))
    scan = {"sort_by": "date_created", "page_size": 200}
    seen = []
    for n in range(1, 501):
        seen += api.found("people", **scan, page_number=n)
        api("PUT", f"/people/{70_000_000 + n * 100}", {"title": f"{n}"})

    assert seen == [70_000_001 + n for n in range(100_000)]
