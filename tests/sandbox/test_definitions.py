"""Custom field definitions, Connect links and field layouts (copper-api.md 5.2, 5.5, 4.9)."""

from __future__ import annotations

import pytest

from crmsync.sandbox import Sandbox, load_account

from .conftest import Client, Clock

PATH = "/custom_field_definitions"


def test_a_definition_is_made_used_changed_and_deleted(api):
    """Records have the new field at once, and lose it with its values (5.2)."""
    body = {"name": "Size", "data_type": "Dropdown", "available_on": ["company"], "options": [{"name": "S"}, {"name": "L"}]}
    made = api("POST", PATH, body)
    options = {option["name"]: option for option in made["options"]}
    company = api.new("companies", custom_fields=[api.custom("Size", options["L"]["id"])])

    assert (made["is_filterable"], made["canonical_name"]) == (False, None)
    assert {name: option["rank"] for name, option in options.items()} == {"S": 0, "L": 1}
    assert api("GET", f"{PATH}/{made['id']}").keys() == made.keys() - {"canonical_name"}
    assert api("PUT", f"{PATH}/{made['id']}", {"name": "Format"})["options"] == made["options"]
    assert api.value("companies", company, "Format") == options["L"]["id"]
    api("PUT", f"{PATH}/{made['id']}", {"options": [{"name": "S"}]})
    assert api.value("companies", company, "Format") is None
    assert api("DELETE", f"{PATH}/{made['id']}") == {"id": made["id"], "is_deleted": True}
    assert api.status("GET", f"{PATH}/{made['id']}") == 404
    assert len(api("GET", f"/companies/{company}")["custom_fields"]) == 11


def test_definitions_are_remembered(tmp_path):
    """Definitions and types outlive the process, deletions too, and ids are not used again."""
    data = tmp_path / "data.jsonl"
    first = Client(Sandbox(clock=Clock(), data=data))
    made = first("POST", PATH, {"name": "Size", "data_type": "MultiSelect", "options": [{"name": "S"}, {"name": "L"}]})
    first("DELETE", f"{PATH}/100001")
    again = Client(Sandbox(clock=Clock(), data=data))

    assert again("GET", PATH) == first("GET", PATH)
    again("DELETE", f"{PATH}/{made['id']}")
    assert Client(Sandbox(data=data))("POST", PATH, {"name": "New", "data_type": "Text"})["id"] == made["id"] + 1


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x"},
        {"data_type": "Text"},
        {"name": "x", "data_type": "Telepathy"},
        {"name": "x", "data_type": "Connect"},
        {"name": "x", "data_type": "Dropdown"},
        {"name": "x", "data_type": "MultiSelect", "options": [{"name": "a"}]},
        {"name": "x", "data_type": "Dropdown", "options": [{}]},
        {"name": "x", "data_type": "Text", "options": [{"name": "a"}]},
        {"name": "x", "data_type": "Currency", "currency": "dollars"},
        {"name": "x", "data_type": "Text", "available_on": ["firm"]},
        {"name": "x", "data_type": "Text", "colour": "red"},
    ],
)
def test_definitions_refused(api, body):
    """What 5.2 asks of a new definition."""
    assert api.status("POST", PATH, body) == 422


PAIR = """\
users: [{name: Dana, email: dana@ourfirm.com}]
custom_fields:
  - {name: Employer, type: Connect, on: [person]}
  - {name: Staff, type: Connect, on: [company], connects: Employer}
records: {people: [{name: Ann}], companies: [{name: Acme}]}
"""
ANN = {"id": 70_000_001, "entity_type": "people"}
ACME = {"id": 40_000_001, "entity_type": "company"}


@pytest.fixture
def pair():
    """A client of an account with a person, a company, and a pair of Connect fields."""
    return Client(Sandbox(load_account(PAIR), clock=Clock()))


def test_a_link_is_there_in_both_directions(pair):
    """Made from one end, shown at both, removed at both (5.5)."""
    link = pair("POST", "/related_links", {"custom_field_definition_id": 100_001, "source": ANN, "target": ACME})
    back = pair("GET", "/related_links?source_type=company&source_id=40000001")[0]

    assert link["target"] == ACME | {"name": "Acme"}
    assert (back["custom_field_definition_id"], back["target"]) == (100_002, ANN | {"name": "Ann"})
    assert pair("GET", PATH)[0]["connected_id"] == 100_002
    assert pair.value("people", ANN["id"], "Employer") == [ACME["id"]]
    assert pair.value("companies", ACME["id"], "Staff") == [ANN["id"]]
    one = "source_type=people&source_id=70000001&custom_field_definition_id"
    assert (len(pair("GET", f"/related_links?{one}=100001")), pair("GET", f"/related_links?{one}=100002")) == (1, [])
    assert pair("DELETE", f"/related_links/{back['id']}") == {"ids": [back["id"], link["id"]], "is_deleted": True}
    assert pair.value("people", ANN["id"], "Employer") == []


@pytest.mark.parametrize("gone", ["/companies/40000001", f"{PATH}/100002"])
def test_links_end_with_their_ends(pair, gone):
    """A deleted record or definition takes its links along."""
    pair("POST", "/related_links", {"custom_field_definition_id": 100_001, "source": ANN, "target": ACME})
    pair("DELETE", gone)

    assert pair("GET", "/related_links?source_type=people&source_id=70000001") == []


@pytest.mark.parametrize(
    "changes",
    [
        {"custom_field_definition_id": 5},
        {"source": ACME},
        {"target": ANN},
        {"source": None},
        {"source": {"id": 70_000_001, "entity_type": "person"}},
        {"target": {"id": 5, "entity_type": "company"}},
    ],
)
def test_links_refused(pair, changes):
    """Ends must exist, under the types of 5.5, where their fields are available."""
    body = {"custom_field_definition_id": 100_001, "source": ANN, "target": ACME, **changes}

    assert pair.status("POST", "/related_links", body) == 422


@pytest.mark.parametrize("query", ["", "?source_type=people", "?source_type=person&source_id=1"])
def test_links_of_nothing(pair, query):
    """The source of the links has to be named."""
    assert pair.status("GET", f"/related_links{query}") == 422


def test_layouts(api):
    """Rows name each field; opportunities need their pipeline (4.9)."""
    rows = api("GET", "/field_layouts/by_entity/people")

    assert {"field_id": 0, "field_key": "full_name", "field_type": "static_field"} in rows
    assert len([row for row in rows if row["field_type"] == "custom_field"]) == 11
    assert api.status("GET", "/field_layouts/by_entity/opportunities") == 422
    assert api.status("GET", "/field_layouts/by_entity/opportunities?pipeline_id=210001") == 200
    assert api.status("GET", "/field_layouts/by_entity/opportunities?pipeline_id=5") == 422
    assert api.status("GET", "/field_layouts/by_entity/dragons") == 404
