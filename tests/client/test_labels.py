"""Lookup tables, both ways: each is fetched once, and a label that there is not is told with what was meant."""

from __future__ import annotations

import pytest

from crmsync import BadInput
from crmsync.sandbox import load_account
from tests.client.conftest import Shop

TABLES = ["users", "pipelines", "contact_types", "customer_sources", "loss_reasons", "lead_statuses", "custom_fields"]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_both_ways(shop: Shop, name: str) -> None:
    """Each label leads to its id, and the id back to the label."""
    table = getattr(shop.copper.labels, name)

    assert len(table) > 1
    assert list(table.names) == [table.name(table.id(label)) for label in table.names]


def test_users_by_email(shop: Shop) -> None:
    """A user is found by name and by e-mail."""
    users = shop.copper.labels.users

    assert (users.id("lee"), users.id("lee@ourfirm.com"), users.name(50_002)) == (50_002, 50_002, "Lee")


def test_stages_of_a_pipeline(shop: Shop) -> None:
    """Stages belong to a pipeline, named by label or id; the same label in another one is another stage."""
    labels = shop.copper.labels

    assert (
        labels.stages("Renewals").names,
        labels.stages("Sales").id("Negotiation"),
        labels.stages(210_002).id("Negotiation"),
    ) == (("Upcoming", "Negotiation"), 980_003, 980_006)
    with pytest.raises(BadInput, match=r'"Negotiation" could be Negotiation \(#980003\), Negotiation \(#980006\)'):
        labels.stages().id("Negotiation")


def test_custom_fields(shop: Shop) -> None:
    """A custom field by name or id: its type, where it is, its options both ways, in their order."""
    labels = shop.copper.labels
    tier = labels.custom_field("tier")

    assert (
        tier.id,
        tier.data_type,
        tier.available_on,
        tier.options.names,
    ) == (100_001, "Dropdown", ("company", "person", "opportunity"), ("Gold", "Silver", "Bronze"))
    assert (120_002, "Silver", tier) == (
        labels.options("Tier").id("Silver"),
        labels.options(100_001).name(120_002),
        labels.custom_field(100_001, on="company"),
    )
    assert labels.options("Code").names == ()


def test_each_table_is_fetched_once(shop: Shop) -> None:
    """Asking again costs nothing; pipelines and stages are one answer; forgetting asks again."""
    labels = shop.copper.labels
    for _ in range(2):
        assert all([labels.users.names, labels.stages("Sales").names, labels.options("Tier").names])
    once = sorted(each.path for each in shop.sandbox.log)
    labels.forget()
    assert labels.users.names

    assert (once, len(shop.sandbox.log)) == (["/custom_field_definitions", "/pipelines", "/users/search"], 4)


def test_a_table_shows_what_is_in_it(shop: Shop) -> None:
    """In a notebook a table shows labels and ids."""
    assert repr(shop.copper.labels.users) == "<user: Dana #50001, Lee #50002>"


def test_a_new_custom_field_is_known_once_labels_are_forgotten(shop: Shop) -> None:
    """Forgetting the labels forgets the fields of the types as well; a call that writes does it."""
    copper = shop.copper
    before = copper.companies.get(40_000_001)
    assert "Motto" not in before
    body = {"name": "Motto", "data_type": "String", "available_on": ["company"]}
    made = copper.call("POST", "/custom_field_definitions", body)

    assert copper.companies.update(40_000_001, Motto="x")["Motto"] == "x"
    assert before.to_dict()["name"] == "Acme"
    copper.call("DELETE", f"/custom_field_definitions/{made['id']}")
    assert "Motto" not in copper.companies.get(40_000_001)


CALLS = ["/tags", "/webhooks", "/custom_activity_types", "/companies/40000001/files", "/field_layouts/by_entity/people"]


@pytest.mark.parametrize("path", CALLS)
def test_any_call(shop: Shop, path: str) -> None:
    """What has no method is a call away, answered as on the wire, also for a client that only looks."""
    assert isinstance(shop.open(may_write=False).call("get", path), list | dict)
    with pytest.raises(BadInput, match="begins with a slash"):
        shop.copper.call("GET", path[1:])


def test_unknown_labels(shop: Shop) -> None:
    """What there is not is told with the nearest that there is."""
    with pytest.raises(BadInput, match=r'no pipeline called "Sale" in this Copper account\. Did you mean "Sales"\?'):
        shop.copper.labels.stages("Sale")
    with pytest.raises(BadInput, match='There is no custom field called "Teir"'):
        shop.copper.labels.custom_field("Teir")
    assert shop.copper.labels.users.name(7) == "#7"


TWINS = """
account: {id: 1, name: Twins, timezone: UTC}
users: [{name: Dana, email: dana@ourfirm.com}, {name: Robin, email: a@x.com}, {name: Robin, email: b@x.com}]
pipelines: [{name: Sales, stages: [{name: First}]}]
custom_fields:
  - {name: Tier, type: Dropdown, on: [company], options: [Gold]}
  - {name: Tier, type: Dropdown, on: [person], options: [Iron]}
  - {name: Code, type: Float, on: [company]}
  - {name: Code, type: String, on: [company]}
"""


def test_labels_that_are_there_twice() -> None:
    """One name for two fields is resolved by the type; two users of one name by e-mail or id; else the caller is told."""
    shop = Shop(account=load_account(TWINS))
    labels = shop.copper.labels
    company = shop.copper.companies.create(name="A", Tier="Gold", assignee="#50003")
    person = shop.copper.people.create(name="B", Tier="Iron", assignee="a@x.com")

    assert [company["Tier"], person["Tier"], company.ids["assignee"], person.ids["assignee"]] == [
        "Gold",
        "Iron",
        50_003,
        50_002,
    ]
    assert labels.options("Tier", on="company").names == ("Gold",)
    with pytest.raises(BadInput, match=r'"Robin" could be Robin \(#50002\), Robin \(#50003\)'):
        shop.copper.companies.create(name="C", assignee="Robin")
    with pytest.raises(BadInput, match=r'are called "Code"\. Write one of "Code#100003", "Code#100004"'):
        shop.copper.companies.create(name="C", Code=4)
    assert shop.copper.companies.create({"name": "C", "Code#100003": 4})["Code#100003"] == 4
