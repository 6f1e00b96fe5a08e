"""Filters, sorts and pages of a search (copper-api.md section 6)."""

from __future__ import annotations

import json
from dataclasses import replace
from operator import itemgetter

import pytest

from .conftest import email


@pytest.fixture
def crowd(api):
    """Three people, three companies and three opportunities that differ in what filters look at."""
    acme, globex, _ = (
        api.new(
            "companies",
            name=name,
            email_domain=domain,
            tags=tags,
            address={"city": city, "country": "US"} if city else None,
            phone_numbers=[{"number": number, "category": "work"}] if number else [],
            socials=[{"url": f"x.com/{name}", "category": "twitter"}],
            assignee_id=assignee,
        )
        for name, domain, tags, city, number, assignee in (
            ("Acme", "acme.com", ["a", "b"], "Reno", "+1 (415) 854-6956", 50_001),
            ("Globex", "globex.com", ["b"], "Austin", None, 50_002),
            ("Acme Corp", None, [], None, None, None),
        )
    )
    for name, company, address in (
        ("Wile Coyote", acme, "wile@acme.com"),
        ("Hank Scorpio", globex, "hank@globex.com"),
        ("Nobody", None, None),
    ):
        api.clock.now += 10
        values = {"emails": [email(address)] if address else []}
        api.new("people", name=name, company_id=company, **values)
    wile = api.found("people", name="Wile Coyote")[0]
    for values in (
        {"primary_contact_id": wile, "monetary_value": 100, "close_date": "1/2/2027", "status": "Won"},
        {"monetary_value": 200.5, "close_date": "12/31/2026", "pipeline_id": 210_002, "loss_reason_id": 300_001},
        {"customer_source_id": 330_001, "company_id": globex},
    ):
        api.new("opportunities", **values)
    return api


C, P, D = 40_000_001, 70_000_001, 20_000_001


@pytest.mark.parametrize(
    ("plural", "criteria", "offsets"),
    [
        ("companies", {"ids": [C + 2, C]}, {0, 2}),
        ("companies", {"ids": [5]}, set()),
        ("companies", {"name": "acme"}, {0}),
        ("companies", {"email_domains": "ACME.com"}, {0}),
        ("companies", {"email_domains": ["acme.com", "globex.com"]}, {0, 1}),
        ("companies", {"tags": ["a", "z"]}, {0}),
        ("companies", {"tags": {"option": "ALL", "value": ["a", "b"]}}, {0}),
        ("companies", {"tags": ""}, {2}),
        ("companies", {"city": "reno"}, {0}),
        ("companies", {"city": ""}, {2}),
        ("companies", {"country": "US"}, {0, 1}),
        ("companies", {"assignee_ids": [50_001, -2]}, {0, 2}),
        ("companies", {"phone_number": "856956"}, set()),
        ("companies", {"phone_number": "546956"}, {0}),
        ("companies", {"phone_number": "0014158546956"}, {0}),
        ("companies", {"phone_number": {"value": "0014158546956", "match": "partial"}}, set()),
        ("companies", {"socials": "x.com/globex"}, {1}),
        ("companies", {"followed": 2}, {0, 1, 2}),
        ("companies", {"followed": 1}, set()),
        ("companies", {"city": "Reno", "tags": ["b"]}, {0}),
        ("people", {"emails": ["WILE@acme.com", "x@y.com"]}, {0}),
        ("people", {"company_ids": [C, -2]}, {0, 2}),
        ("people", {"contact_type_ids": [450_001]}, {0, 1, 2}),
        ("people", {"opportunity_ids": [D]}, {0}),
        ("people", {"minimum_created_date": 1_700_000_020}, {1, 2}),
        ("people", {"maximum_modified_date": "1700000020"}, {0, 1}),
        ("people", {"age": 10}, {1, 2}),
        ("people", {"minimum_interaction_count": 1}, set()),
        ("opportunities", {"status_ids": [1]}, {0}),
        ("opportunities", {"status_ids": 0}, {1, 2}),
        ("opportunities", {"pipeline_ids": [210_002]}, {1}),
        ("opportunities", {"pipeline_stage_ids": [980_001]}, {0, 2}),
        ("opportunities", {"primary_contact_ids": [P]}, {0}),
        ("opportunities", {"company_ids": [C]}, {0}),
        ("opportunities", {"company_ids": []}, {1}),
        ("opportunities", {"customer_source_ids": [-2]}, {0, 1}),
        ("opportunities", {"loss_reason_ids": [300_001]}, {1}),
        ("opportunities", {"minimum_monetary_value": 100, "maximum_monetary_value": "150"}, {0}),
        ("opportunities", {"minimum_close_date": 1_798_790_400}, {0}),
        ("opportunities", {"maximum_close_date": 1_798_790_400}, {1}),
        ("opportunities", {"minimum_stage_change_date": 1_700_000_031}, set()),
    ],
)
def test_filters(crowd, plural, criteria, offsets):
    """Each filter of 6.1 finds its records, and criteria are joined by and."""
    first = {"companies": C, "people": P, "opportunities": D}[plural]

    assert {first + offset for offset in offsets} == set(crowd.found(plural, **criteria))


@pytest.mark.parametrize(
    ("plural", "criteria", "message"),
    [
        ("people", {"pageSize": 1}, "Base: Unrecognized attributes specified: pageSize"),
        ("people", {"email_domains": "x", "foo": 1}, "Base: Unrecognized attributes specified: email_domains, foo"),
        (
            "companies",
            {"company_ids": [1], "emails": "x"},
            "Base: Unrecognized attributes specified: company_ids, emails",
        ),
        ("people", {"sort_by": "id"}, "Sort By: Invalid value for Sort By: id"),
        ("people", {"sort_direction": "up"}, "Sort Direction: Invalid value for Sort Direction: up"),
        (
            "people",
            {"page_size": 201},
            "Page Size: Invalid value for Page Size: must be from 1 to 200: 201",
        ),
        ("people", {"ids": ["x"]}, "Ids: Invalid value for Ids: IDs must be positive integers: x"),
        ("people", {"ids": None}, "Ids: Invalid value for Ids: can't be null"),
        ("people", {"ids": list(range(1, 202))}, "Ids: Invalid value for Ids: at most 200 ids"),
    ],
)
def test_searches_refused(api, plural, criteria, message):
    """Unknown keys and odd values answer 422 (sections 6 and 9)."""
    assert api.problem("POST", f"/{plural}/search", criteria) == (422, message)


@pytest.mark.parametrize(
    ("name", "entry", "found"),
    [
        ("Tier", {"value": [120_001]}, [0]),
        ("Tier", {"value": [120_001], "allow_empty": True}, [0, 2]),
        ("Regions", {"value": [120_004, 120_005]}, [0, 1]),
        ("Regions", {"value": [120_004, 120_005], "option": "ALL"}, [0]),
        ("Regions", {"value": [120_005], "option": "NONE"}, [1, 2]),
        ("Score", {"minimum_value": 2}, [1]),
        ("Score", {"value": 1}, [0]),
        ("VIP", {"value": False}, [1, 2]),
    ],
)
def test_custom_field_filters(api, name, entry, found):
    """Custom fields are searched by type (6.2)."""
    api.new(
        "companies",
        custom_fields=[
            api.custom("Tier", 120_001),
            api.custom("Regions", [120_004, 120_005]),
            api.custom("Score", 1),
            api.custom("VIP", True),
        ],
    )
    more = [api.custom("Tier", 120_002), api.custom("Regions", [120_004]), api.custom("Score", 2)]
    api.new("companies", custom_fields=more)
    api.new("companies")
    entry = {"custom_field_definition_id": api.definition(name)["id"], **entry}

    assert [C + n for n in found] == api.found("companies", custom_fields=[entry], sort_by="date_created")


@pytest.mark.parametrize("name", ["Code", "Notes", "Website link"])
def test_text_fields_are_not_searchable(api, name):
    """String, Text and URL fields are documented as not searchable (6.2)."""
    entry = {"custom_field_definition_id": api.definition(name)["id"], "value": "x"}

    assert api.status("POST", "/people/search", {"custom_fields": [entry]}) == 422


def test_sorting(crowd):
    """Rows come sorted, empty values last, and the other way round on demand (6.3)."""
    assert crowd.found("companies", sort_by="name") == [C, C + 2, C + 1]
    assert crowd.found("companies", sort_by="city") == [C + 1, C, C + 2]
    assert crowd.found("people", sort_by="date_created", sort_direction="desc") == [P + 2, P + 1, P]
    assert crowd.found("people") == [P + 1, P + 2, P]
    assert crowd.found("opportunities", sort_by="monetary_value") == [D, D + 1, D + 2]


@pytest.mark.parametrize(
    ("plural", "names"),
    [
        ("people", "name first_name title email phone date_modified date_created city state country zip socials"),
        ("companies", "name phone contact contact_first_name contact_last_name assignee contact_group socials"),
        ("companies", "last_interaction interaction_count primary_website email_domain zip"),
        ("opportunities", "assignee company_name customer_source_id inactive_days interaction_count status"),
        ("opportunities", "last_interaction monetary_unit monetary_value name primary_contact priority stage"),
    ],
)
def test_every_documented_sort_is_taken(crowd, plural, names):
    """The current lists of sort_by (6.3)."""
    assert all(len(crowd.found(plural, sort_by=name)) == 3 for name in names.split())


def test_pages(api):
    """Pages are cut from the sorted rows; beyond the end and the cap they are empty (section 6)."""
    ids = [api.new("companies") for _ in range(5)]
    by_date = {"sort_by": "date_created", "page_size": 2}

    assert [api.found("companies", **by_date, page_number=n) for n in (1, 2, 3, 4)] == [
        ids[:2],
        ids[2:4],
        ids[4:],
        [],
    ]
    assert api.send("POST", "/companies/search", by_date).headers["X-PW-TOTAL"] == "5"
    assert api.found("companies", page_size=200, page_number=501) == []


def test_sorted_rows_follow_changes(api):
    """The kept order of dates sees creations, updates and deletions."""
    first, second, third = (api.new("companies") for _ in range(3))
    newest = {"sort_by": "date_modified", "sort_direction": "desc"}
    assert api.found("companies", **newest) == [third, second, first]
    api.clock.now += 1
    api("PUT", f"/companies/{first}", {"details": "x"})
    api("DELETE", f"/companies/{second}")

    assert api.found("companies", **newest) == [first, third]


def test_a_hidden_record_is_out_of_sight(api):
    """What a key may not see is in no search and answers 404 (1, key management)."""
    id = api.new("people", emails=[email("a@b.com")])
    api.sandbox.hide("people", id)

    assert api.found("people") == api.found("people", ids=[id]) == []
    assert api.status("GET", f"/people/{id}") == api.status("PUT", f"/people/{id}", {}) == 404
    assert api.status("POST", "/people", {"name": "y", "emails": [email("a@b.com")]}) == 422
    assert api.sandbox.record("people", id)["id"] == id


def test_computed_values_in_a_search(api):
    """The query parameter is no search criterion (5.4)."""
    api.new("people")
    rows = json.loads(api.send("POST", "/people/search?custom_field_computed_values=true").body)

    assert "computed_value" in rows[0]["custom_fields"][0]


@pytest.mark.parametrize(
    "move",
    [
        lambda api, acme, ann: None,
        lambda api, acme, ann: api("PUT", f"/people/{ann}", {"title": "CEO"}),
        lambda api, acme, ann: api("PUT", f"/people/{ann}", {"custom_fields": [api.custom("Code", "C-1")]}),
        lambda api, acme, ann: api("PUT", f"/companies/{acme}", {"name": "Acme Inc"}),
        lambda api, acme, ann: api.sandbox.delete("companies", acme),
        lambda api, acme, ann: setattr(api.sandbox, "quirks", replace(api.sandbox.quirks, empty_address="null")),
        lambda api, acme, ann: setattr(api.sandbox, "quirks", replace(api.sandbox.quirks, empty_text="blank")),
    ],
)
def test_a_search_shows_what_is_there_now(api, move):
    """Also when it was asked before: what a GET shows, in the same order of keys."""

    def told(body):
        return [(*each.items(),) for each in ({**body, "custom_fields": sorted(body["custom_fields"], key=ID)},)]

    acme = api.new("companies", name="Acme")
    ann = api.new("people", name="Ann", company_id=acme, tags=["a"])
    api("POST", "/people/search", {"ids": [ann]})
    move(api, acme, ann)
    for _ in range(2):
        [row] = api("POST", "/people/search", {"ids": [ann]})

        assert told(api("GET", f"/people/{ann}")) == told(row)


ID = itemgetter("custom_field_definition_id")
