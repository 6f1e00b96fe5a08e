"""Related items and bulk calls (copper-api.md 7.8, 7.9 and section 8)."""

from __future__ import annotations

import json

import pytest

from .conftest import email


def _tie(id, kind):
    return {"resource": {"id": id, "type": kind}}


def test_a_person_changes_company_by_related_items(api):
    """Unrelate, then relate: company_id and company_name follow (7.8); one company at most."""
    acme, globex = api.new("companies", name="Acme"), api.new("companies", name="Globex")
    person = api.new("people", company_id=acme)
    path = f"/people/{person}/related"

    assert api.status("POST", path, _tie(globex, "company")) == 422
    assert api("DELETE", path, _tie(acme, "company")) == {"removed": True, **_tie(acme, "company")}
    assert api.problem("DELETE", path, _tie(acme, "company")) == (
        400,
        "Invalid request: Resources are not related",
    )
    assert api("POST", path, _tie(globex, "company")) == {"added": True, **_tie(globex, "company")}
    shown = api("GET", f"/people/{person}")
    assert (shown["company_id"], shown["company_name"]) == (globex, "Globex")
    assert api("GET", path) == [{"id": globex, "type": "company"}]
    assert api("GET", f"/companies/{globex}/related/people") == [{"id": person, "type": "person"}]


def test_people_and_opportunities_are_tied_both_ways(api):
    """A person may have many opportunities; the primary contact is related as well (7.9)."""
    ann, bob = api.new("people"), api.new("people")
    deal = api.new("opportunities", primary_contact_id=ann)
    api("POST", f"/opportunities/{deal}/related", _tie(bob, "person"))

    people = [{"id": ann, "type": "person"}, {"id": bob, "type": "person"}]
    assert api("GET", f"/opportunities/{deal}/related/people") == people
    assert api("GET", f"/people/{bob}/related") == [{"id": deal, "type": "opportunity"}]
    assert set(api.found("people", opportunity_ids=[deal])) == {ann, bob}
    assert api.status("POST", f"/people/{bob}/related", _tie(deal, "opportunity")) == 422
    api("DELETE", f"/people/{ann}/related", _tie(deal, "opportunity"))
    assert api("GET", f"/opportunities/{deal}")["primary_contact_id"] is None
    api("DELETE", f"/people/{bob}")
    assert api("GET", f"/opportunities/{deal}/related") == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/people/5/related", None, 404),
        ("POST", "/people/5/related", _tie(1, "company"), 404),
        ("GET", "/people/70000001/related/dragons", None, 404),
        ("POST", "/people/70000001/related", {}, 422),
        ("POST", "/people/70000001/related", _tie(1, "person"), 422),
        ("POST", "/people/70000001/related", _tie(1, "companies"), 422),
        ("POST", "/people/70000001/related", _tie(1, "company"), 422),
        ("POST", "/people/70000001/related", _tie("x", "company"), 422),
    ],
)
def test_ties_refused(api, method, path, body, status):
    """What cannot be related."""
    api.new("people")

    assert api.status(method, path, body) == status


def test_bulk_items_are_done_or_refused_one_by_one(api):
    """A well-formed call answers 200 with a bare array in the order sent (section 8)."""
    items = [
        {"name": "Ann", "emails": [email("ann@acme.com")]},
        {"name": "Bob", "emails": [email("ANN@acme.com")]},
        {"emails": []},
        {"name": "Cid", "foo": 1},
        {"name": "Dan"},
    ]
    reply = api.send("POST", "/people/bulk_create", {"people": items})
    ann, *failed, dan = json.loads(reply.body)

    assert (reply.status, ann["name"], dan["name"]) == (200, "Ann", "Dan")
    assert failed == [
        {"success": False, "message": {"emails": [{"error": "taken"}]}},
        {"success": False, "message": {"name": [{"error": "blank"}]}},
        {"success": False, "message": {"base": [{"error": "unrecognized"}]}},
    ]


def test_bulk_updates(api):
    """Failed updates carry their id, an unknown id fails alone (section 8, section 13)."""
    id = api.new("companies")
    items = [{"id": id, "tags": ["A"]}, {"id": id, "name": ""}, {"id": 5}, {"name": "x"}]
    done, *failed = api("POST", "/companies/bulk_update", {"companies": items})

    assert (done["id"], done["tags"]) == (id, ["a"])
    assert failed == [
        {"success": False, "message": {"name": [{"error": "blank"}]}, "id": id},
        {"success": False, "message": {"base": [{"error": "not_found"}]}, "id": 5},
        {"success": False, "message": {"id": [{"error": "blank"}]}},
    ]


@pytest.mark.parametrize("body", [{}, {"companies": []}, {"people": [{"name": "x"}]}, {"companies": {}}])
def test_bulk_calls_without_records_are_refused(api, body):
    """What Copper does with them is not known (section 8): 422."""
    assert api.status("POST", "/companies/bulk_create", body) == 422


def test_a_bulk_call_holds_ten_records(api):
    """Eleven are refused in a shape of its own (section 8)."""
    reply = api.send("POST", "/opportunities/bulk_create", {"opportunities": [{"name": "x"}] * 11})

    assert (reply.status, json.loads(reply.body)) == (
        422,
        {"error": "Request size too large, limit is 10"},
    )
    assert len(api("POST", "/opportunities/bulk_create", {"opportunities": [{"name": "x"}] * 10})) == 10
