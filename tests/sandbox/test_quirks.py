"""Every knob of section 13, turned to each of its values."""

from __future__ import annotations

import json

import pytest

from crmsync.sandbox import Quirks, Rate, Sandbox

from .conftest import Client, Clock, email

ADDRESS = {"street": "1 Main St", "city": "Reno"}
NO_PARTS = dict.fromkeys(("street", "city", "state", "postal_code", "country"))


def _put(api, plural, before, after, key):
    id = api.new(plural, **before)
    return api("PUT", f"/{plural}/{id}", after).get(key)


def _address(**parts):
    return {**NO_PARTS, **parts}


def _probability(api):
    id = api.new("opportunities")
    return api("PUT", f"/opportunities/{id}", {"pipeline_stage_id": 980_002, "win_probability": 5})["win_probability"]


def _new(plural, key, **values):
    return lambda api: api("POST", f"/{plural}", {"name": "x", **values})[key]


def _person_by_company_name(api):
    api.new("companies", name="Acme")
    person = api("POST", "/people", {"name": "x", "company_name": "Acme"})
    other = api("POST", "/people", {"name": "y", "company_name": "Globex"})
    return (person["company_id"], person["company_name"], other["company_id"], other["company_name"])


def _moved_by_put(api):
    company, person = api.new("companies"), api.new("people")
    status = api.status("PUT", f"/people/{person}", {"company_id": company})
    return status, api("GET", f"/people/{person}")["company_id"]


def _dropped(api):
    id = api.new("people", custom_fields=[api.custom("Score", 1)])
    api("PUT", f"/people/{id}", {"custom_fields": [api.custom("Code", "a")]})
    return api.value("people", id, "Score")


def _case(api):
    api.new("people", emails=[email("ann@acme.com")])
    return api.status("POST", "/people", {"name": "y", "emails": [email("Ann@acme.com")]})


def _date(api):
    id = api.new("people", custom_fields=[api.custom("Renewal date", 1_608_019_200 + 7200)])
    return api.value("people", id, "Renewal date")


def _multi(api):
    return api.value("people", api.new("people", custom_fields=[api.custom("Regions", [120_006, 120_004])]), "Regions")


def _company_of_deal(api):
    company = api.new("companies")
    person = api.new("people", company_id=company)
    return api("POST", "/opportunities", {"name": "x", "primary_contact_id": person})["company_id"] == company


def _partial(plural, **criteria):
    def found(api):
        api.new("companies", name="Acme Corp", email_domain="acme.com")
        return len(api.found(plural, **criteria))

    return found


def _bulk(api):
    return api("POST", "/people/bulk_create", {"people": [{"name": ""}]})[0]["message"]


def _bulk_unknown(api):
    return api.status("POST", "/people/bulk_update", {"people": [{"id": 5}]})


def _bulk_link(api):
    id = api.new("companies")
    return api("POST", "/companies/bulk_update", {"companies": [{"id": id, "assignee_id": 50_001}]})[0]["assignee_id"]


def _dangling(api):
    company = api.new("companies")
    person = api.new("people", company_id=company)
    api("DELETE", f"/companies/{company}")
    found = api("POST", "/people/search")[0]["company_id"]
    return (found == company, api("GET", f"/people/{person}")["company_id"])


def _noop(api):
    id = api.new("people")
    api.clock.now += 5
    return api("PUT", f"/people/{id}", {"name": "x"})["date_modified"] - 1_700_000_000


def _text_filter(api):
    entry = {"custom_field_definition_id": 100_008, "allow_empty": True}
    return api.status("POST", "/people/search", {"custom_fields": [entry]})


def _total(api):
    api.new("people")
    return api.send("POST", "/people/search").headers["X-PW-TOTAL"]


def _listed(api):
    id = api.new("people", custom_fields=[api.custom("Notes", "a")])
    return [i["custom_field_definition_id"] - 100_000 for i in api("GET", f"/people/{id}")["custom_fields"]][:2]


def _ids(api):
    api.new("people")
    reply = api.send("POST", "/people/search", {"ids": []})
    return reply.status if reply.status != 200 else len(json.loads(reply.body))


CASES = [
    ("unknown_keys", "refuse", lambda api: api.status("POST", "/people", {"name": "x", "foo": 1}), 422),
    ("unknown_keys", "ignore", lambda api: api.status("POST", "/people", {"name": "x", "foo": 1}), 200),
    ("own_read_only_keys", "ignore", lambda api: api.status("POST", "/people", {"name": "x", "id": 1}), 200),
    ("own_read_only_keys", "refuse", lambda api: api.status("POST", "/people", {"name": "x", "id": 1}), 422),
    ("array_update", "replace", lambda api: _put(api, "people", {"tags": ["a"]}, {"tags": ["b"]}, "tags"), ["b"]),
    ("array_update", "merge", lambda api: _put(api, "people", {"tags": ["a"]}, {"tags": ["b"]}, "tags"), ["a", "b"]),
    (
        "address_update",
        "replace",
        lambda api: _put(api, "people", {"address": ADDRESS}, {"address": {"city": "LA"}}, "address"),
        _address(city="LA"),
    ),
    (
        "address_update",
        "merge",
        lambda api: _put(api, "people", {"address": ADDRESS}, {"address": {"city": "LA"}}, "address"),
        _address(street="1 Main St", city="LA"),
    ),
    ("custom_fields_update", "merge", _dropped, 1.0),
    ("custom_fields_update", "replace", _dropped, None),
    ("unset_custom_fields", "show", lambda api: len(_new("people", "custom_fields")(api)), 11),
    ("unset_custom_fields", "omit", lambda api: len(_new("people", "custom_fields")(api)), 0),
    ("custom_fields_order", "shuffled", lambda api: _listed(api)[0], 9),
    ("custom_fields_order", "id", _listed, [1, 2]),
    ("tags", "lower", _new("people", "tags", tags=["VIP", "vip", "x" * 60]), ["vip", "x" * 50]),
    ("tags", "keep", _new("people", "tags", tags=["VIP", "vip"]), ["VIP", "vip"]),
    ("tags_order", "as_sent", _new("people", "tags", tags=["b", "a"]), ["b", "a"]),
    ("tags_order", "sorted", _new("people", "tags", tags=["b", "a"]), ["a", "b"]),
    ("country", "verbatim", _new("people", "address", address={"country": "Canada"}), _address(country="Canada")),
    ("country", "iso2", _new("people", "address", address={"country": "Canada"}), _address(country="CA")),
    ("empty_address", "null", _new("people", "address", address={"city": ""}), None),
    ("empty_address", "parts", _new("people", "address"), NO_PARTS),
    ("empty_address", "strings", _new("people", "address"), dict.fromkeys(NO_PARTS, "")),
    ("email_case", "casefold", _case, 422),
    ("email_case", "exact", _case, 200),
    ("email_stored", "verbatim", _new("people", "emails", emails=[email(" A@b.c ")]), [email(" A@b.c ")]),
    ("email_stored", "lower", _new("people", "emails", emails=[email(" A@b.c ")]), [email("a@b.c")]),
    ("person_company_put", "apply", _moved_by_put, (200, 40_000_001)),
    ("person_company_put", "ignore", _moved_by_put, (200, None)),
    ("person_company_put", "refuse", _moved_by_put, (422, None)),
    ("company_name", "link", _person_by_company_name, (40_000_001, "Acme", 40_000_002, "Globex")),
    ("company_name", "text", _person_by_company_name, (None, "Acme", None, "Globex")),
    ("opportunity_company", "copy", _company_of_deal, True),
    ("opportunity_company", "null", _company_of_deal, False),
    ("primary_contact", "optional", lambda api: api.status("POST", "/opportunities", {"name": "x"}), 200),
    ("primary_contact", "required", lambda api: api.status("POST", "/opportunities", {"name": "x"}), 422),
    ("stage_resets_probability", "unless_sent", _probability, 5),
    ("stage_resets_probability", "always", _probability, 40),
    ("close_date_order", "mdy", _new("opportunities", "close_date", close_date="01/02/2027"), "1/2/2027"),
    (
        "close_date_order",
        "dmy",
        _new("opportunities", "close_date", close_date="31/01/2027"),
        "31/1/2027",
    ),
    ("custom_date", "snap", _date, 1_608_019_200),
    ("custom_date", "verbatim", _date, 1_608_019_200 + 7200),
    ("custom_date", "utc", _date, 1_607_990_400),
    ("total", "exact", _total, "1"),
    ("total", "surplus", _total, "2"),
    ("page_size", "refuse", lambda api: api.status("POST", "/people/search", {"page_size": 500}), 422),
    ("page_size", "clamp", lambda api: api.status("POST", "/people/search", {"page_size": 500}), 200),
    ("multiselect_order", "sorted", _multi, [120_004, 120_006]),
    ("multiselect_order", "as_sent", _multi, [120_006, 120_004]),
    ("name_filter", "exact", _partial("companies", name="acme"), 0),
    ("name_filter", "substring", _partial("companies", name="acme"), 1),
    ("email_filter", "exact", _partial("companies", email_domains=["acme"]), 0),
    ("email_filter", "prefix", _partial("companies", email_domains=["acme"]), 1),
    ("empty_ids", "refuse", _ids, 422),
    ("empty_ids", "all", _ids, 1),
    ("empty_ids", "none", _ids, 0),
    ("modified_filter", "supported", lambda api: api.status("POST", "/people/search", {"minimum_modified_date": 1}), 200),
    ("modified_filter", "refused", lambda api: api.status("POST", "/people/search", {"minimum_modified_date": 1}), 422),
    ("text_filter", "refuse", _text_filter, 422),
    ("text_filter", "error", _text_filter, 500),
    ("bulk_limit", "10", lambda api: api.status("POST", "/people/bulk_create", {"people": [{"name": "x"}] * 6}), 200),
    ("bulk_limit", "5", lambda api: api.status("POST", "/people/bulk_create", {"people": [{"name": "x"}] * 6}), 422),
    ("bulk_item_message", "object", _bulk, {"name": [{"error": "blank"}]}),
    ("bulk_item_message", "string", _bulk, "Invalid input: Validation errors: Name: can't be blank"),
    ("bulk_unknown_id", "item", _bulk_unknown, 200),
    ("bulk_unknown_id", "call", _bulk_unknown, 404),
    ("bulk_company_links", "apply", _bulk_link, 50_001),
    ("bulk_company_links", "ignore", _bulk_link, None),
    ("delete_links", "null", _dangling, (False, None)),
    ("delete_links", "dangle", _dangling, (True, None)),
    ("noop_put", "keep", _noop, 0),
    ("noop_put", "bump", _noop, 5),
    ("impossible_id", "error", lambda api: api.status("GET", "/people/-1"), 500),
    ("impossible_id", "not_found", lambda api: api.status("GET", "/people/-1"), 404),
    ("empty_create", "error", lambda api: api.status("POST", "/people", {}), 500),
    ("empty_create", "refuse", lambda api: api.status("POST", "/people", {}), 422),
    ("converted_value", "text", _new("opportunities", "converted_value", monetary_value=5), "5.0"),
    ("converted_value", "null", _new("opportunities", "converted_value", monetary_value=5), None),
]


@pytest.mark.parametrize(("name", "value", "act", "expected"), CASES, ids=[f"{c[0]}={c[1]}" for c in CASES])
def test_a_knob(make, name, value, act, expected):
    """The sandbox behaves as the knob says."""
    assert expected == act(make(**{name: value}))


ELSEWHERE = {"search_lag", "short_pages", "retry_after"}


def test_every_value_of_every_knob_is_tested():
    """Each knob has a row for each value above, or a test of its own below."""
    tested = {(name, value) for name, value, _, _ in CASES}
    known = {(name, value) for name, values, _ in Quirks.table() for value in values if name not in ELSEWHERE}

    assert known == tested


def test_search_lags_behind(make):
    """Creations and deletions show up late in search, at once in GET (6.5)."""
    api = make(search_lag=3.0)
    id = api.new("people")
    assert (api.found("people"), api.status("GET", f"/people/{id}")) == ([], 200)
    api.clock.now += 3
    assert api.found("people") == api.found("people", ids=[id]) == [id]
    api("DELETE", f"/people/{id}")
    assert (api.found("people"), api.status("GET", f"/people/{id}")) == ([id], 404)
    api.clock.now += 3

    assert api.found("people") == []


@pytest.mark.parametrize("size", [1, 10, 20])
def test_short_pages_lose_nothing(make, size):
    """Pages may be short, no row is lost or repeated, and the total covers the pages (section 6)."""
    api = make(short_pages="on")
    ids = [api.new("companies") for _ in range(95)]
    criteria = {"sort_by": "date_created", "page_size": size}
    total = int(api.send("POST", "/companies/search", criteria).headers["X-PW-TOTAL"])
    pages = [api.found("companies", **criteria, page_number=n) for n in range(1, -(-total // size) + 1)]

    assert [id for page in pages for id in page] == ids
    assert max(map(len, pages)) <= size
    assert size < 10 or min(map(len, pages[:-1])) < size
    assert api.found("companies", **criteria, page_number=len(pages) + 1) == []


@pytest.mark.parametrize(("quirk", "header"), [("no", None), ("yes", "60")])
def test_too_many_requests(quirk, header):
    """Beyond 180 in 60 seconds, or 3 bulk calls a second, the answer is 429 (1.1, section 13)."""
    clock = Clock()
    api = Client(Sandbox(clock=clock, rate=Rate(5, 3), quirks=Quirks(retry_after=quirk)), clock)
    body = {"people": [{"name": "x"}]}
    bulk = [api.status("POST", "/people/bulk_create", body) for _ in range(4)]
    single = [api.send("GET", "/account") for _ in range(3)]

    assert bulk == [200, 200, 200, 429]
    assert [reply.status for reply in single] == [200, 200, 429]
    assert json.loads(single[2].body) == {"success": False, "status": 429, "message": "Too many requests"}
    assert single[2].headers.get("Retry-After") == header
    clock.now += 60

    assert api.status("POST", "/people/bulk_create", body) == 200


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("tagz=keep", "There is no quirk called 'tagz'. Did you mean tags?"),
        ("tags=loud", "Quirk tags cannot be 'loud'. It is one of: lower, keep."),
        ("search_lag=soon", "Quirk search_lag cannot be 'soon'. It is a number of seconds."),
    ],
)
def test_a_quirk_that_is_none(setting, problem):
    """Problems name the known knobs and values."""
    with pytest.raises(ValueError, match="uirk") as caught:
        Quirks.parse([setting])

    assert str(caught.value) == problem


def test_quirks_are_parsed():
    """Settings are knob=value."""
    assert Quirks.parse(["tags=keep", "search_lag=2.5"]) == Quirks(tags="keep", search_lag=2.5)


@pytest.mark.parametrize("quirk", ["replace", "merge"])
def test_the_same_address_again_changes_nothing(make, quirk):
    """An address put back with its parts null is the same address."""
    api = make(address_update=quirk)
    id = api.new("companies", address=ADDRESS)
    shown = api("GET", f"/companies/{id}")["address"]
    api.clock.now += 9

    assert api("PUT", f"/companies/{id}", {"address": shown})["date_modified"] == 1_700_000_000
