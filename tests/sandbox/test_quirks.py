"""Every knob of section 13, turned to each of its values."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from crmsync.sandbox import DEFAULT_ACCOUNT, Quirks, Sandbox, load_account

from .conftest import Client, email

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


def _lead(api, **values):
    return api.new("leads", name="Ann Lee", company_name="Acme", **values)


def _converted(api):
    reply = api("POST", f"/leads/{_lead(api)}/convert", {})
    return reply["company"] and reply["company"]["name"]


def _origin(api):
    return api("POST", f"/leads/{_lead(api)}/convert", {})["person"]["leads_converted_from"]


def _tie(id, kind):
    return {"resource": {"id": id, "type": kind}}


def _twice(api):
    deal, person = api.new("opportunities"), api.new("people")
    path = f"/people/{person}/related"
    api("POST", path, _tie(deal, "opportunity"))
    return api.status("POST", path, _tie(deal, "opportunity"))


def _second(api):
    first, second = api.new("companies"), api.new("companies")
    person = api.new("people", company_id=first)
    status = api.status("POST", f"/people/{person}/related", _tie(second, "company"))
    return status, api("GET", f"/people/{person}")["company_id"] == second


def _untied(api):
    company, person = api.new("companies"), api.new("people")
    return api.status("DELETE", f"/people/{person}/related", _tie(company, "company"))


def _leads_off(quirks):
    sandbox = Sandbox(replace(DEFAULT_ACCOUNT.account, leads=False), quirks=quirks)
    return Client(sandbox).status("POST", "/leads/search")


def _tasks_left(api):
    company = api.new("companies")
    api.new("tasks", related_resource={"id": company, "type": "company"})
    api("DELETE", f"/companies/{company}")
    return len(api.found("tasks"))


def _stubs(api):
    person = api.new("people")
    body = {"parent": {"id": person, "type": "person"}, "type": {"id": 0, "category": "user"}, "details": "x"}
    id = api("POST", "/activities", body)["id"]
    api("DELETE", f"/activities/{id}")
    return len([row for row in api("POST", "/activities/search", {}) if row.get("is_deleted")])


def _parts(api):
    shown = api("POST", "/people", {"name": "Ann Lee", "first_name": "Bea", "last_name": "Lee"})
    return shown["name"], shown["first_name"]


def _again(api):
    id = api.new("people")
    api("DELETE", f"/people/{id}")
    return api.status("DELETE", f"/people/{id}"), api.status("DELETE", "/people/70000999")


def _unit(api):
    id = api.new("opportunities", monetary_value=5)
    return api("PUT", f"/opportunities/{id}", {"monetary_unit": "EUR"})["monetary_unit"]


def _task_type(api):
    id = api.new("tasks")
    types = api("GET", "/custom_activity_types")
    return (
        api("PUT", f"/tasks/{id}", {"custom_activity_type_id": types[0]["id"]})["custom_activity_type_id"] == types[0]["id"]
    )


def _codes(api):
    api.new("opportunities", priority="High")
    api.new("projects", status="Completed")
    bodies = {"opportunities": {"priority_ids": [3]}, "projects": {"status_ids": [1]}}
    replies = [api.send("POST", f"/{plural}/search", body) for plural, body in bodies.items()]
    return [len(json.loads(reply.body)) if reply.status == 200 else reply.status for reply in replies]


def _gmail(api):
    api.new("companies", email_domain="gmail.com")
    return [api.status("POST", "/companies", {"name": "y", "email_domain": domain}) for domain in ("gmail.com", "x.com")]


def _like_another(api):
    api.new("companies", name="Acme Inc")
    lead = api.new("leads", name="Ann Lee")
    details = {"company": {"name": "Acme Inc."}}
    first = api.status("POST", f"/leads/{lead}/convert", {"details": details})
    details["company"]["exact_match"] = True
    return first, api.status("POST", f"/leads/{lead}/convert", {"details": details})


def _system(api):
    api.new("people")
    return len(api("POST", "/activities/search", {"activity_types": [{"id": 8, "category": "system"}]}))


def _full(api):
    api.new("people")
    return [len(api("POST", "/activities/search", {"full_result": flag})) for flag in (False, True)]


def _unset(api):
    id = api.new("people")
    return [api.value("people", id, name) for name in ("VIP", "Regions", "Score")]


def _bodies(api):
    raw = api.send("POST", "/people", b"{")
    wrong = api.send("GET", "/account", headers={})
    return [json.loads(reply.body).get("error", "message") for reply in (raw, wrong)]


PROJECT_STAGES = """
users: [{name: Dana, email: dana@ourfirm.com}]
pipelines:
  - {name: Sales, stages: [{name: Open}]}
  - {name: Work, type: project, revenue: false, stages: [{name: To do}]}
"""


def _statuses(api):
    account = load_account(PROJECT_STAGES)
    other = Client(Sandbox(account, quirks=api.sandbox.quirks))
    deals = [
        other("POST", "/opportunities", {"name": "x", "pipeline_id": p.id, "status": "Won"})
        for p in account.account.pipelines
    ]
    assert [deal["pipeline_type"] for deal in deals] == ["opportunity", "project"]
    return [deal["status"] for deal in deals], other.status("PUT", f"/opportunities/{deals[1]['id']}", {"status": "On Hold"})


def _options_put(api):
    id = api.new("people", custom_fields=[api.custom("Tier", 120_001)])
    body = {"options": [{"name": "Gold"}, {"name": "New"}]}
    shown = api("PUT", "/custom_field_definitions/100001", body)
    return sorted(option["id"] for option in shown["options"]), api.value("people", id, "Tier")


def _retyped(api):
    id = api.new("people", custom_fields=[api.custom("Code", "7")])
    status = api.status("PUT", "/custom_field_definitions/100008", {"data_type": "Float"})
    return status, api.value("people", id, "Code")


def _connected(api):
    company, person = api.new("companies"), api.new("people")
    ends = {"source": {"id": person, "entity_type": "people"}, "target": {"id": company, "entity_type": "company"}}
    link = api("POST", "/related_links", {"custom_field_definition_id": 100_011, **ends})
    return {company: "target", link["id"]: "link"}[api.value("people", person, "Partner")[0]]


SOCIAL = {"socials": [{"url": "x", "category": "instagram"}]}
CASES = [
    ("error_shape", "common", _bodies, ["message", "message"]),
    ("error_shape", "error", _bodies, ["Bad Request: the body is not JSON", "Unauthorized"]),
    ("delete_again", "refuse", _again, (404, 404)),
    ("delete_again", "accept", _again, (200, 404)),
    ("name_parts", "read_only", _parts, ("Ann Lee", "Ann")),
    ("name_parts", "name", _parts, ("Ann Lee", "Ann")),
    ("name_parts", "parts", _parts, ("Bea Lee", "Bea")),
    ("monetary_unit", "read_only", _unit, "USD"),
    ("monetary_unit", "write", _unit, "EUR"),
    ("task_type", "read_only", _task_type, False),
    ("task_type", "write", _task_type, True),
    ("newlines", "keep", _new("people", "details", details="a\nb\r\n"), "a\nb\r\n"),
    ("newlines", "crlf", _new("people", "details", details="a\nb\r\n"), "a\r\nb\r\n"),
    ("empty_text", "null", _new("people", "title"), None),
    ("empty_text", "blank", _new("people", "title"), ""),
    ("unset_values", "typed", _unset, [False, [], None]),
    ("unset_values", "null", _unset, [None, None, None]),
    ("new_keys", "none", lambda api: "key_of_tomorrow" in api("POST", "/people", {"name": "x"}), False),
    ("new_keys", "some", lambda api: "key_of_tomorrow" in api("POST", "/people", {"name": "x"}), True),
    ("status_words", "same", _statuses, (["Won", "Won"], 422)),
    ("status_words", "own", _statuses, (["Won", "Done"], 200)),
    ("code_filters", "ordinal", _codes, [1, 1]),
    ("code_filters", "refuse", _codes, [422, 422]),
    ("public_domains", "unique", _gmail, [422, 200]),
    ("public_domains", "shared", _gmail, [200, 200]),
    ("convert_candidates", "none", _like_another, (200, 404)),
    ("convert_candidates", "refuse", _like_another, (422, 200)),
    ("system_activities", "made", _system, 1),
    ("system_activities", "none", _system, 0),
    ("full_result", "same", _full, [1, 1]),
    ("full_result", "repeats", _full, [1, 2]),
    ("category", "refuse", lambda api: api.status("POST", "/people", {"name": "x", **SOCIAL}), 422),
    ("category", "other", _new("people", "socials", **SOCIAL), [{"url": "x", "category": "other"}]),
    ("long_text", "refuse", lambda api: api.status("POST", "/people", {"name": "x" * 256}), 422),
    ("long_text", "cut", lambda api: len(_new("people", "title", title="x" * 300)(api)), 255),
    ("option_update", "keep", _options_put, ([120_001, 140_001], 120_001)),
    ("option_update", "recreate", _options_put, ([140_001, 140_002], 120_001)),
    ("data_type_change", "refuse", _retyped, (422, "7")),
    ("data_type_change", "drop", _retyped, (200, None)),
    ("connect_values", "targets", _connected, "target"),
    ("connect_values", "links", _connected, "link"),
    ("relate_again", "refuse", _twice, 422),
    ("relate_again", "accept", _twice, 200),
    ("second_company", "refuse", _second, (422, False)),
    ("second_company", "replace", _second, (200, True)),
    *(("unrelated", status, _untied, int(status)) for status in ("400", "404", "422")),
    *(("leads_off", status, lambda api: _leads_off(api.sandbox.quirks), int(status)) for status in ("403", "402")),
    ("lead_ids_filter", "supported", lambda api: api.status("POST", "/leads/search", {"ids": [1]}), 200),
    ("lead_ids_filter", "refused", lambda api: api.status("POST", "/leads/search", {"ids": [1]}), 422),
    ("leads_converted_from", "objects", _origin, [{"lead_id": 10_000_001, "converted_timestamp": 1_700_000_000}]),
    ("leads_converted_from", "ids", _origin, [10_000_001]),
    ("convert_company", "always", _converted, "Acme"),
    ("convert_company", "asked", _converted, None),
    ("bulk_empty", "refuse", lambda api: api.status("POST", "/people/bulk_create", {}), 422),
    ("bulk_empty", "accept", lambda api: api("POST", "/people/bulk_create", {}), []),
    ("delete_tasks", "keep", _tasks_left, 1),
    ("delete_tasks", "cascade", _tasks_left, 0),
    ("deleted_activities", "omit", _stubs, 0),
    ("deleted_activities", "show", _stubs, 1),
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


ELSEWHERE = {"search_lag", "get_lag", "short_pages", "retry_after", "rate_limit", "rate_scope", "trouble"}


def test_every_value_of_every_knob_is_tested():
    """Each knob has a row for each value above, or a test of its own in test_quirks_in_time."""
    tested = {(name, value) for name, value, _, _ in CASES}
    known = {(name, value) for name, values, _ in Quirks.table() for value in values if name not in ELSEWHERE}

    assert known == tested
