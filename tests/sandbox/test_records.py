"""Shapes, defaults and validation of single records, by the sections of copper-api.md."""

from __future__ import annotations

import json

import pytest

from .conftest import HEADERS, email

COMPANY_KEYS = [
    "id",
    "name",
    "address",
    "assignee_id",
    "contact_type_id",
    "details",
    "email_domain",
    "phone_numbers",
    "primary_contact_id",
    "socials",
    "tags",
    "websites",
    "custom_fields",
    "interaction_count",
    "date_created",
    "date_modified",
]


def test_a_company_with_only_a_name_is_the_recorded_reply(api):
    """Every key is there, in the recorded order, null or [] where nothing is set (4.3)."""
    company = api("POST", "/companies", {"name": "Demo Company"})

    assert list(company) == COMPANY_KEYS
    company.pop("custom_fields")
    assert company == {
        "id": 40_000_001,
        "name": "Demo Company",
        "address": None,
        "assignee_id": None,
        "contact_type_id": None,
        "details": None,
        "email_domain": None,
        "phone_numbers": [],
        "primary_contact_id": None,
        "socials": [],
        "tags": [],
        "websites": [],
        "interaction_count": 0,
        "date_created": 1_700_000_000,
        "date_modified": 1_700_000_000,
    }


def test_a_new_opportunity_gets_the_defaults_of_the_account(api):
    """Pipeline, stage, status, priority, probability and company are filled in (7.6)."""
    company = api.new("companies", name="Acme")
    person = api.new("people", company_id=company)
    deal = api("POST", "/opportunities", {"name": "Deal", "primary_contact_id": person, "monetary_value": 77000})

    pipeline = api("GET", "/pipelines")[0]
    assert {
        "company_id": company,
        "company_name": "Acme",
        "pipeline_id": pipeline["id"],
        "pipeline_stage_id": pipeline["stages"][0]["id"],
        "status": "Open",
        "priority": "None",
        "win_probability": 10,
        "monetary_unit": "USD",
        "converted_value": "77000.0",
    }.items() <= deal.items()


@pytest.mark.parametrize(
    ("sent", "shown"), [(77000, b"77000.0"), ("55.5", b"55.5"), (0, b"0.0"), (0.1, b"0.1"), (None, b"null")]
)
def test_money_reads_back_as_a_float(api, sent, shown):
    """Money is shown with a point and exactly as sent (section 3)."""
    body = api.send("POST", "/opportunities", {"name": "Deal", "monetary_value": sent}).body

    assert b'"monetary_value":' + shown + b"," in body


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Wile", (None, "Wile", None, None, None)),
        ("Wile Coyote", (None, "Wile", None, "Coyote", None)),
        ("Dr. Wile E. von Coyote Jr.", ("Dr.", "Wile", "E. von", "Coyote", "Jr.")),
    ],
)
def test_a_name_is_split_into_parts(api, name, parts):
    """The server splits the name of a person (4.2, copper-field.md 2.6)."""
    person = api("POST", "/people", {"name": name})

    assert parts == tuple(person[k] for k in ("prefix", "first_name", "middle_name", "last_name", "suffix"))


def test_a_put_touches_only_the_keys_sent(api):
    """A key left out stays, null clears, {} changes nothing (7.1)."""
    id = api.new("companies", details="old", email_domain="acme.com")
    before = api("GET", f"/companies/{id}")
    api.clock.now += 100

    assert api("PUT", f"/companies/{id}", {})["date_modified"] == before["date_modified"]
    after = api("PUT", f"/companies/{id}", {"details": None})
    assert (after["details"], after["email_domain"], after["date_modified"]) == (None, "acme.com", 1_700_000_100)


def test_a_whole_record_can_be_put_back(api):
    """Public clients PUT the whole record; its own read-only keys are ignored (copper-field.md 2.3)."""
    id = api.new("people", emails=[email("a@b.com")], custom_fields=[api.custom("Score", 5)])
    record = api("GET", f"/people/{id}")

    again = api("PUT", f"/people/{id}", record)
    for shown in (record, again):
        shown["custom_fields"].sort(key=lambda item: item["custom_field_definition_id"])
    assert record == again


@pytest.mark.parametrize(
    ("plural", "body", "message"),
    [
        ("companies", {"name": ""}, "Name: can't be blank"),
        ("companies", {"details": "x"}, "Name: can't be blank"),
        ("companies", {"name": "x", "foo": 1}, "Base: Unrecognized attributes specified: foo"),
        (
            "people",
            {"name": "x", "company_id": "test"},
            "Company Id: Invalid value for Company Id: IDs must be positive integers: test",
        ),
        (
            "people",
            {"name": "x", "foo": 1, "company_id": 7},
            "Base: Unrecognized attributes specified: foo\n"
            "Company Id: Invalid value for Company Id: there is none with this id: 7",
        ),
    ],
)
def test_the_messages_of_a_422(api, plural, body, message):
    """Problems are worded as recorded, one a line (section 9)."""
    assert (422, message) == api.problem("POST", f"/{plural}", body)


@pytest.mark.parametrize(
    ("plural", "values"),
    [
        ("companies", {"assignee_id": 99}),
        ("companies", {"primary_contact_id": 99}),
        ("companies", {"contact_type_id": True}),
        ("companies", {"name": "x" * 256}),
        ("companies", {"details": 7}),
        ("companies", {"address": "1 Main St"}),
        ("companies", {"address": {"zip": "1"}}),
        ("companies", {"address": {"postal_code": 501}}),
        ("companies", {"websites": [{"url": "x", "category": "best"}]}),
        ("companies", {"tags": [1]}),
        ("people", {"emails": [{"email": "no-at-sign", "category": "work"}]}),
        ("people", {"emails": ["a@b.com"]}),
        ("people", {"emails": [{"email": "a@b.com", "category": "work", "verified": True}]}),
        ("people", {"emails": [email("a@b.com"), email("A@b.com")]}),
        ("people", {"phone_numbers": [{"number": "", "category": "work"}]}),
        ("opportunities", {"status": "open"}),
        ("opportunities", {"priority": "Urgent"}),
        ("opportunities", {"win_probability": 101}),
        ("opportunities", {"monetary_value": "a lot"}),
        ("opportunities", {"close_date": "2026-12-31"}),
        ("opportunities", {"close_date": "13/1/2026"}),
        ("opportunities", {"close_date": 1_700_000_000}),
        ("opportunities", {"pipeline_id": None}),
        ("opportunities", {"pipeline_id": 210_002, "pipeline_stage_id": 980_001}),
    ],
)
def test_what_is_refused(api, plural, values):
    """Values Copper refuses, and those where it is unknown and the sandbox is strict (section 13)."""
    assert api.status("POST", f"/{plural}", {"name": "x", **values}) == 422
    assert api.sandbox.records(plural) == []


def test_a_website_may_have_no_category(api):
    """In real data the category of a website may be null (section 3)."""
    assert api.status("POST", "/people", {"name": "x", "websites": [{"url": "x", "category": None}]}) == 200


@pytest.mark.parametrize("address", ["ann@acme.com", "ANN@acme.com", " ann@Acme.com "])
def test_no_two_people_share_an_email(api, address):
    """E-mails are unique, upper case and blanks aside (7.4)."""
    ann = api.new("people", emails=[email("ann@acme.com")])

    assert api.status("POST", "/people", {"name": "Bob", "emails": [email(address)]}) == 422
    api("PUT", f"/people/{ann}", {"emails": []})
    assert api.status("POST", "/people", {"name": "Bob", "emails": [email(address)]}) == 200


def test_no_two_companies_share_a_domain(api):
    """E-mail domains are unique, and free again once released (7.4)."""
    acme = api.new("companies", email_domain="acme.com")

    assert api.status("POST", "/companies", {"name": "y", "email_domain": "ACME.com"}) == 422
    api("DELETE", f"/companies/{acme}")
    assert api.status("POST", "/companies", {"name": "y", "email_domain": "ACME.com"}) == 200


def test_a_stage_change_sets_the_probability(api):
    """Entering a stage sets win_probability and date_stage_changed (7.7); a stage is of its pipeline."""
    id = api.new("opportunities")
    stages = api("GET", "/pipelines")[0]["stages"]
    api.clock.now += 60

    moved = api("PUT", f"/opportunities/{id}", {"pipeline_stage_id": stages[1]["id"]})
    assert (moved["win_probability"], moved["date_stage_changed"]) == (40, 1_700_000_060)
    assert api("PUT", f"/opportunities/{id}", {"win_probability": 33})["win_probability"] == 33
    renewals = api("GET", "/pipelines")[1]
    moved = api("PUT", f"/opportunities/{id}", {"pipeline_id": renewals["id"]})
    assert (renewals["stages"][0]["id"], 50) == (moved["pipeline_stage_id"], moved["win_probability"])


def test_deleting_a_record_takes_its_links_along(api):
    """Delete confirms, a second one is 404, and links to the record are null (7.10)."""
    company = api.new("companies")
    person = api.new("people", company_id=company)
    api("PUT", f"/companies/{company}", {"primary_contact_id": person})
    deal = api.new("opportunities", primary_contact_id=person)

    assert {"id": person, "is_deleted": True} == api("DELETE", f"/people/{person}")
    assert api.status("DELETE", f"/people/{person}") == 404
    assert None is api("GET", f"/companies/{company}")["primary_contact_id"]
    assert None is api("GET", f"/opportunities/{deal}")["primary_contact_id"]
    assert person + 1 == api.new("people")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "answer"),
    [
        ("GET", "/companies/5", None, 404, {"success": False, "status": 404, "message": "Resource not found"}),
        ("PUT", "/companies/5", {}, 404, {"success": False, "status": 404, "message": "Resource not found"}),
        ("GET", "/people", None, 404, {"error": "not_found"}),
        ("PATCH", "/people/5", None, 404, {"error": "not_found"}),
        ("POST", "/opportunities/bulk_update", {}, 404, {"error": "not_found"}),
        ("GET", "/people/-1", None, 500, {"success": False, "status": 500, "message": "Internal Server Error"}),
        ("POST", "/people", {}, 500, {"success": False, "status": 500, "message": "Internal Server Error"}),
    ],
)
def test_errors_by_status(api, method, path, body, status, answer):
    """The recorded error shapes (section 9)."""
    reply = api.send(method, path, body)

    assert (status, answer) == (reply.status, json.loads(reply.body))


@pytest.mark.parametrize("body", [b"{", b"\xff", b'"text"', b"[1]", b"NaN", b'{"name": "\\ud800"}'])
def test_a_body_that_is_not_an_object_is_a_bad_request(api, body):
    """What cannot be read answers 400 (section 9)."""
    assert api.status("POST", "/companies", body) == 400


@pytest.mark.parametrize(
    "change",
    [
        {"X-PW-AccessToken": ""},
        {"X-PW-AccessToken": "0123456789abcdef0123456789ABCDEF"},
        {"X-PW-Application": "other"},
        {"X-PW-UserEmail": "stranger@ourfirm.com"},
    ],
)
def test_who_is_unknown_is_unauthorized(api, change):
    """All three headers must fit, and a key that looks real is not wanted (section 13, auth)."""
    assert api.send("GET", "/account", headers=HEADERS | change).status == 401


def test_header_names_may_be_written_in_any_case(api):
    """HTTP header names have no case."""
    assert api.send("GET", "/account", headers={k.lower(): v for k, v in HEADERS.items()}).status == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/companies/search/", None),
        ("POST", "/companies/search", []),
        ("POST", "/companies/search?page_size=2&page_number=1", {}),
        ("POST", "/companies/search", {"ids": "40000001", "page_size": "5"}),
        ("GET", "/companies/40000001/", {}),
        ("GET", "/contact_types?page_size=100", None),
        ("PUT", "/companies/40000001", {"assignee_id": ""}),
        ("PUT", "/companies/40000001", {"assignee_id": "50001", "tags": "vip"}),
    ],
)
def test_what_live_clients_send_is_taken(api, method, path, body):
    """The tolerance list of section 13 and copper-field.md 2.3."""
    api.new("companies")

    assert api.status(method, path, body) == 200


def test_every_reply_carries_the_clock_and_the_type(api):
    """Replies have a Date from the clock, JSON as type, and a dozen headers (section 13)."""
    headers = api.send("GET", "/people/5").headers

    assert headers["Date"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert headers["Content-Type"].startswith("application/json")
    assert len(headers) >= 12


def test_the_lookups(api):
    """Lookup tables are whole lists (4.9); users have a search of their own (4.1)."""
    assert {"id", "name", "primary_timezone", "settings"} < api("GET", "/account").keys()
    assert [u["name"] for u in api("POST", "/users/search", {"page_size": 200})] == ["Dana", "Lee"]
    assert api("GET", "/users/me")["email"] == "dana@ourfirm.com"
    assert api("GET", "/users/50002")["name"] == "Lee"
    assert len(api("GET", "/pipeline_stages")) == 6
    assert [s["name"] for s in api("GET", "/pipeline_stages/pipeline/210002")] == ["Upcoming", "Negotiation"]
    assert [s["is_default"] for s in api("GET", "/lead_statuses")] == [True, False, False]
    for name in ("contact_types", "customer_sources", "loss_reasons"):
        assert {"id", "name"} == set(api("GET", f"/{name}")[0])
    assert len({d["data_type"] for d in api("GET", "/custom_field_definitions")}) == 11
    assert api("GET", "/custom_field_definitions/100001")["name"] == "Tier"


def test_tags_are_counted(api):
    """GET /tags shows counts by type, or names after a cursor (4.9)."""
    api.new("companies", tags=["a", "b"])
    api.new("people", tags=["b"])

    assert [(t["name"], t["count"], t["count_people"]) for t in api("GET", "/tags")] == [("a", 1, 0), ("b", 2, 1)]
    assert api("GET", "/tags?tag_names_only=true&last_tag_value=a") == ["b"]
    assert api("GET", "/tags?sort_by=count")[0]["name"] == "b"


def test_a_person_is_fetched_by_email(api):
    """fetch_by_email answers one person, or 404 (6.4)."""
    id = api.new("people", emails=[email("ann@acme.com")])

    assert id == api("POST", "/people/fetch_by_email", {"email": "Ann@acme.com"})["id"]
    assert api.status("POST", "/people/fetch_by_email", {"email": "bob@acme.com"}) == 404
    assert api.status("POST", "/people/fetch_by_email", {}) == 422
