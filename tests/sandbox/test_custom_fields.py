"""Custom field values in and out, by type (copper-api.md 5.3, copper-field.md 2.7)."""

from __future__ import annotations

import pytest

PACIFIC_MIDNIGHT = 1_608_019_200  # 2020-12-15, as recorded


@pytest.mark.parametrize(
    ("name", "sent", "read"),
    [
        ("Code", "abc", "abc"),
        ("Code", None, None),
        ("Notes", "a\nb" * 200, "a\nb" * 200),
        ("Website link", "acme", "acme"),
        ("Tier", 120_002, 120_002),
        ("Tier", "120002", 120_002),
        ("Tier", "", None),
        ("Regions", [120_006, 120_004, 120_006], [120_004, 120_006]),
        ("Regions", 120_006, [120_006]),
        ("Regions", None, []),
        ("Renewal date", PACIFIC_MIDNIGHT, PACIFIC_MIDNIGHT),
        ("Renewal date", PACIFIC_MIDNIGHT + 3600 * 23, PACIFIC_MIDNIGHT),
        ("Renewal date", "12/15/2020", PACIFIC_MIDNIGHT),
        ("VIP", True, True),
        ("VIP", False, False),
        ("VIP", None, False),
        ("Score", 42, 42.0),
        ("Score", 0, 0.0),
        ("Annual revenue", "55.5", 55.5),
        ("Probability", 95, 95),
        ("Probability", 0.34, 0),
        ("Partner", [], []),
    ],
)
def test_values_read_back(api, name, sent, read):
    """What is sent to a custom field and what GET shows then."""
    id = api.new("companies", custom_fields=[api.custom(name, sent)])

    value = api.value("companies", id, name)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("Code", "x" * 256),
        ("Code", 7),
        ("Tier", 120_004),
        ("Tier", "Gold"),
        ("Regions", [120_001]),
        ("Renewal date", "2020-12-15"),
        ("Renewal date", True),
        ("VIP", "true"),
        ("VIP", 1),
        ("Score", "high"),
        ("Probability", 101),
        ("Partner", [5]),
    ],
)
def test_values_refused(api, name, sent):
    """An option must exist, a String has at most 255 characters, types must fit."""
    body = {"name": "x", "custom_fields": [api.custom(name, sent)]}

    assert api.status("POST", "/companies", body) == 422


@pytest.mark.parametrize(
    "item",
    [
        {"custom_field_definition_id": 5, "value": 1},
        {"custom_field_definition_id": 100_001},
        {"custom_field_definition_id": 100_001, "value": None, "name": "Tier"},
        "Tier",
    ],
)
def test_entries_refused(api, item):
    """An entry names a definition of the type, and a value."""
    assert api.status("POST", "/companies", {"name": "x", "custom_fields": [item]}) == 422


def test_a_put_with_one_entry_leaves_the_others(api):
    """Custom fields are merged by id (7.2); null clears."""
    id = api.new("people", custom_fields=[api.custom("Score", 1), api.custom("Code", "a")])
    api("PUT", f"/people/{id}", {"custom_fields": [api.custom("Code", None)]})

    assert (api.value("people", id, "Score"), api.value("people", id, "Code")) == (1.0, None)


def test_set_fields_come_first_and_the_rest_in_no_order(api):
    """The order is not stable across calls (section 3)."""
    id = api.new("people", custom_fields=[api.custom("Notes", "a"), api.custom("Tier", 120_001)])
    orders = {tuple(i["custom_field_definition_id"] for i in api("GET", f"/people/{id}")["custom_fields"]) for _ in range(5)}

    assert {(100_001, 100_009)} == {order[:2] for order in orders}
    assert len(orders) > 1


def test_computed_values_are_labels(api):
    """With custom_field_computed_values=true options come with their labels (5.4)."""
    id = api.new("people", custom_fields=[api.custom("Regions", [120_004, 120_005]), api.custom("Score", 2)])
    shown = api("GET", f"/people/{id}?custom_field_computed_values=true")["custom_fields"]

    computed = {item["custom_field_definition_id"]: item["computed_value"] for item in shown}
    assert (computed[100_002], computed[100_005], computed[100_001]) == (["EMEA", "APAC"], 2.0, None)
