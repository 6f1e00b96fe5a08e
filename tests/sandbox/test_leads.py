"""Leads: fields, upsert and convert (copper-api.md 4.5, 7.11, 7.12)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crmsync.sandbox import DEFAULT_ACCOUNT, Sandbox

from .conftest import Client

ANN = {"name": "Ann Lee", "email": {"email": "ann@acme.com", "category": "work"}}
KEYS = (
    "id name prefix first_name last_name middle_name suffix address assignee_id company_name customer_source_id details "
    "email interaction_count monetary_unit monetary_value converted_unit converted_value socials status status_id tags "
    "title websites phone_numbers custom_fields date_created date_modified date_last_contacted converted_opportunity_id "
    "converted_contact_id converted_at"
)


def test_a_lead_with_only_a_name(api):
    """Every key of 4.5 is there; the default status is the first, shown as text and as id."""
    lead = api("POST", "/leads", {"name": "Ann Lee"})

    assert KEYS.split() == list(lead)
    assert (lead["first_name"], lead["last_name"], lead["email"]) == ("Ann", "Lee", None)
    assert (lead["status"], lead["status_id"], lead["converted_at"]) == ("New", 200_001, None)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"status_id": 200_002}, {"status": "Contacted"}),
        ({"status": "Nonsense"}, {"status": "New"}),
        ({"email": {"email": "a@b.c", "category": "other"}}, {"email": {"email": "a@b.c", "category": "other"}}),
        ({"email": None}, {"email": None}),
        ({"email": {"email": "", "category": "work"}}, {"email": None}),
        ({"company_name": "Acme"}, {"company_name": "Acme"}),
        ({"monetary_value": 5}, {"monetary_value": 5.0, "monetary_unit": "USD", "converted_value": "5.0"}),
    ],
)
def test_lead_fields_in_a_put(api, sent, read):
    """The e-mail is one object and replaced as a whole, the status is written by its id (4.5, 7.2)."""
    id = api.new("leads", **ANN)
    shown = api("PUT", f"/leads/{id}", sent)

    assert read == {key: shown[key] for key in read}


@pytest.mark.parametrize(
    "values", [{"status_id": None}, {"status_id": 5}, {"email": "a@b.c"}, {"email": {"email": "x"}}, {"emails": []}]
)
def test_lead_fields_refused(api, values):
    """What a lead does not take."""
    assert api.status("POST", "/leads", {"name": "x", **values}) == 422


def test_two_leads_may_share_an_email(api):
    """Leads are unique in nothing (7.4)."""
    assert api.new("leads", **ANN) != api.new("leads", **ANN)


@pytest.mark.parametrize("match", [("email", "ANN@acme.com"), ("name", "ann lee"), ("custom", None)])
def test_upsert_makes_then_updates(lead_api, match):
    """No match makes the lead, one match updates it (7.11)."""
    field, value = match
    if field == "custom":
        value = {"custom_field_definition_id": 100_012, "value": "K-1"}
    customs = [{"custom_field_definition_id": 100_012, "value": "K-1"}]
    body = {"properties": {**ANN, "custom_fields": customs}, "match": {"field_name": field, "field_value": value}}
    first = lead_api("PUT", "/leads/upsert", body)
    second = lead_api("PUT", "/leads/upsert", {**body, "properties": {"title": "CEO"}})

    assert (second["id"], second["title"], second["name"]) == (first["id"], "CEO", "Ann Lee")
    assert len(lead_api.found("leads")) == 1


@pytest.mark.parametrize(("count", "names_ids"), [(2, True), (30, True), (31, False)])
def test_upsert_refuses_several_matches(api, count, names_ids):
    """More than one match is 422 with the ids, more than thirty without (7.11)."""
    ids = [api.new("leads", **ANN) for _ in range(count)]
    match = {"field_name": "email", "field_value": "ann@acme.com"}
    status, message = api.problem("PUT", "/leads/upsert", {"properties": {"name": "x"}, "match": match})

    assert (status, f"{ids[-1]}" in message) == (422, names_ids)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"properties": {}, "match": {"field_name": "email", "field_value": "a@b.c"}},
        {"properties": {"name": "x"}, "match": {"field_name": "phone", "field_value": "1"}},
        {"properties": {"name": "x"}, "match": {"field_name": "email", "field_value": ""}},
        {"properties": {"name": "x"}, "match": {"field_name": "custom", "field_value": {"value": 1}}},
        {
            "properties": {"name": "x"},
            "match": {"field_name": "custom", "field_value": {"custom_field_definition_id": 100_013, "value": "x"}},
        },
    ],
)
def test_upserts_refused(lead_api, body):
    """An upsert needs properties and a match; a custom field must be a lead's and filterable (7.11)."""
    assert lead_api.status("PUT", "/leads/upsert", body) == 422


@pytest.fixture
def lead_api():
    """A client of an account with custom fields on leads, the second not filterable."""
    code = replace(DEFAULT_ACCOUNT.account.definitions[7], id=100_012, available_on=("lead", "person"))
    secret = replace(code, id=100_013, is_filterable=False)
    return Client(Sandbox(replace(DEFAULT_ACCOUNT.account, definitions=(code, secret)), clock=lambda: 1_700_000_000.0))


def test_a_lead_is_converted(api):
    """Person, company and opportunity are made and tied, the lead is gone (7.12)."""
    lead = api.new("leads", **ANN, company_name="Acme", title="CEO", tags=["vip"])
    api.clock.now += 60
    details = {"person": {"assignee_id": 50_002}, "opportunity": {"name": "Deal", "monetary_value": 5}}
    made = api("POST", f"/leads/{lead}/convert", {"details": details})
    person, company, deal = made["person"], made["company"], made["opportunity"]

    assert (person["name"], person["title"], person["tags"], person["assignee_id"]) == ("Ann Lee", "CEO", ["vip"], 50_002)
    assert (person["emails"], person["company_id"]) == ([ANN["email"]], company["id"])
    assert (person["date_lead_created"], person["date_created"]) == (1_700_000_000, 1_700_000_060)
    assert (company["name"], deal["company_id"], deal["primary_contact_id"]) == ("Acme", company["id"], person["id"])
    assert api.status("GET", f"/leads/{lead}") == api.status("POST", f"/leads/{lead}/convert", {}) == 404
    assert (api.found("leads"), api.found("leads", include_converted_leads=True)) == ([], [lead])
    assert api("GET", f"/people/{person['id']}")["company_name"] == "Acme"


@pytest.mark.parametrize(
    ("company", "expected"),
    [
        ({"name": ""}, None),
        ({"name": "Globex"}, "Globex"),
        ({"name": "old corp", "exact_match": True}, "Old Corp"),
        ({}, "Acme"),
    ],
)
def test_the_company_of_a_convert(api, company, expected):
    """An empty name makes none, a known name links, a new one is made (7.12)."""
    api.new("companies", name="Old Corp")
    lead = api.new("leads", **ANN, company_name="Acme")
    made = api("POST", f"/leads/{lead}/convert", {"details": {"company": company}})

    assert expected == made["person"]["company_name"]
    assert made["opportunity"] is None


@pytest.mark.parametrize(
    "details",
    [
        {"person": {"email": "x"}},
        {"company": {"id": 5}},
        {"company": {"id": 40_000_001, "name": "x"}},
        {"opportunity": {}},
        {"opportunity": {"name": "x", "pipeline_id": 5}},
        {"people": {}},
        7,
    ],
)
def test_a_convert_is_done_as_a_whole_or_not_at_all(api, details):
    """What cannot be made leaves the lead, and nothing else is made."""
    api.new("companies")
    lead = api.new("leads", **ANN, company_name="Acme")

    assert api.status("POST", f"/leads/{lead}/convert", {"details": details}) == 422
    assert api.status("GET", f"/leads/{lead}") == 200
    assert (len(api.found("companies")), api.found("people")) == (1, [])


def test_leads_switched_off():
    """Every lead call is refused where the account has no leads (4.1)."""
    api = Client(Sandbox(replace(DEFAULT_ACCOUNT.account, leads=False)))

    assert api.problem("POST", "/leads", {"name": "x"}) == (403, "Feature not enabled")
    assert [api.status("GET", path) for path in ("/leads/1", "/leads/1/related", "/lead_statuses")] == [403, 403, 200]


@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        ({"emails": "ANN@acme.com"}, [0]),
        ({"emails": ["ann@acme.com", "x@y.z"]}, [0]),
        ({"status_ids": [200_002]}, [1]),
        ({"customer_source_ids": [-2]}, [0, 1]),
        ({"tags": {"option": "ANY", "value": ["a"]}}, [1]),
        ({"minimum_monetary_value": 5}, [1]),
        ({"name": "bob"}, [1]),
        ({"sort_by": "value"}, [1, 0]),
        ({"sort_by": "email", "sort_direction": "desc"}, [1, 0]),
    ],
)
def test_lead_filters(api, criteria, found):
    """The filters and sorts of leads (6.1, 6.3)."""
    ids = [api.new("leads", **ANN), api.new("leads", name="Bob", status_id=200_002, tags=["a"], monetary_value=9)]

    assert [ids[n] for n in found] == api.found("leads", **criteria)
