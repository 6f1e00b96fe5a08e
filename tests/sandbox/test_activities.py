"""Activities and their types (copper-api.md 4.8)."""

from __future__ import annotations

import pytest

NOTE = {"id": 0, "category": "user"}
CALL = {"id": 190_001, "category": "user"}


@pytest.fixture
def person(api):
    """The id of a person."""
    return api.new("people")


def _log(api, person, kind=NOTE, **values):
    return api("POST", "/activities", {"parent": {"id": person, "type": "person"}, "type": kind, "details": "Hi", **values})


def test_an_activity_is_logged_and_changed(api, person):
    """Details and date can be changed, the rest is set once."""
    made = _log(api, person)
    api.clock.now += 5
    changed = api("PUT", f"/activities/{made['id']}", {**made, "details": "Ho", "activity_date": 7})

    assert made["id"] > 2**31
    assert (made["parent"], made["type"], made["user_id"]) == ({"id": person, "type": "person"}, NOTE, 50_001)
    assert (made["activity_date"], made["old_value"]) == (1_700_000_000, None)
    assert changed == made | {"details": "Ho", "activity_date": 7, "date_modified": 1_700_000_005}


def test_a_deleted_activity_leaves_a_stub(api, person):
    """Delete is soft: GET gives the stub, and it cannot be changed."""
    path = f"/activities/{_log(api, person)['id']}"
    stub = api("DELETE", path)

    assert api("GET", path) == stub == {"id": stub["id"], "is_deleted": True}
    assert [api.status(method, path, {"details": "x"}) for method in ("PUT", "DELETE")] == [404, 404]


@pytest.mark.parametrize(
    "values",
    [
        {"details": ""},
        {"details": None},
        {"parent": None},
        {"parent": {"id": 5, "type": "person"}},
        {"parent": {"id": "x", "type": "person"}},
        {"parent": {"id": 70_000_001, "type": "people"}},
        {"type": None},
        {"type": {"id": 1, "category": "system"}},
        {"type": {"id": 5, "category": "user"}},
        {"user_id": 5},
        {"activity_date": "today"},
        {"name": "x"},
    ],
)
def test_activities_refused(api, person, values):
    """Parent, type and details are needed, system activities are not made."""
    body = {"parent": {"id": person, "type": "person"}, "type": NOTE, "details": "Hi", **values}

    assert api.status("POST", "/activities", body) == 422


def test_the_newest_come_first(make):
    """A search is by parent, type and date, newest first (6.1)."""
    api = make(system_activities="none")
    person, other = api.new("people"), api.new("companies")
    dates = [_log(api, person, activity_date=date)["id"] for date in (20, 40, 30)]
    call = _log(api, person, CALL, activity_date=10)["id"]
    api("POST", "/activities", {"parent": {"id": other, "type": "company"}, "type": NOTE, "details": "x"})
    parent = {"parent": {"id": person, "type": "person"}}

    def ids(**criteria):
        return [activity["id"] for activity in api("POST", "/activities/search", {**parent, **criteria})]

    assert ids() == [dates[1], dates[2], dates[0], call]
    assert ids(page_size=2, page_number=2) == [dates[0], call]
    assert ids(activity_types=[CALL]) == [call]
    assert ids(minimum_activity_date=20, maximum_activity_date=30) == [dates[2], dates[0]]
    assert len(api("POST", "/activities/search", {})) == 5
    assert [a["id"] for a in api("POST", f"/people/{person}/activities", {"activity_types": [CALL]})] == [call]
    assert len(api("POST", f"/people/{person}/activities")) == 4
    assert api.status("POST", f"/people/{other}/activities") == 404
    assert api.status("POST", "/activities/search", {"sort_by": "details"}) == 422


def test_bulk_activities(api, person):
    """Each is done or refused on its own (section 8)."""
    good = {"parent": {"id": person, "type": "person"}, "type": NOTE, "details": "Hi"}
    made, failed = api("POST", "/activities/bulk_create", {"activities": [good, {**good, "details": ""}]})

    assert made["details"] == "Hi"
    assert failed == {"success": False, "message": {"details": [{"error": "blank"}]}}


def test_interactions_are_counted(api, person):
    """A call counts as an interaction of its parent, a note does not."""
    _log(api, person)
    _log(api, person, CALL, activity_date=1_699_999_999)
    shown = api("GET", f"/people/{person}")

    assert (shown["interaction_count"], shown["date_last_contacted"]) == (1, 1_699_999_999)


def test_types_are_in_two_categories(api):
    """User and system types share their ids; the note is 0."""
    types = api("GET", "/activity_types")

    assert [kind["id"] for kind in types["user"]] == [0, 190_001, 190_002, 190_003]
    assert {1, 6, 48} < {kind["id"] for kind in types["system"]}
    assert set(types["user"][0]) == {"id", "category", "name", "is_disabled", "count_as_interaction"}


def test_custom_types_are_made_and_changed(api, person):
    """A new type can be used at once, and no longer when it is switched off."""
    made = api("POST", "/custom_activity_types", {"name": "Lunch", "icon_type": "Event"})
    kind = {"id": made["id"], "category": "user"}

    assert made == api("GET", f"/custom_activity_types/{made['id']}")
    assert (made["company_id"], made["is_interaction"], made["is_default_task_type"]) == (1, False, None)
    assert _log(api, person, kind)["type"] == kind
    assert api("PUT", f"/custom_activity_types/{made['id']}", {"is_disabled": True})["name"] == "Lunch"
    assert (
        api.status("POST", "/activities", {"parent": {"id": person, "type": "person"}, "type": kind, "details": "x"}) == 422
    )
    assert len(api("GET", "/custom_activity_types")) == 4
    assert api.status("DELETE", f"/custom_activity_types/{made['id']}") == 404


@pytest.mark.parametrize("body", [{}, {"name": "x"}, {"name": "x", "icon_type": "Unicorn"}, {"icon_type": "Phone"}])
def test_custom_types_refused(api, body):
    """Name and icon are needed, the icon from a closed list."""
    assert api.status("POST", "/custom_activity_types", body) == 422


def test_the_system_writes_down_what_happens(api):
    """Creations, changes, new owners and stages are entries of the system; they cannot be changed (4.8, 7.7)."""
    deal = api.new("opportunities")
    api.clock.now += 60
    api("PUT", f"/opportunities/{deal}", {"pipeline_stage_id": 980_002, "assignee_id": 50_001, "details": "x"})
    api("PUT", f"/opportunities/{deal}", {"details": "x"})
    parent = {"parent": {"id": deal, "type": "opportunity"}}
    found = api("POST", "/activities/search", parent)

    assert sorted(entry["type"]["id"] for entry in found) == [1, 2, 3, 8]
    assert {entry["type"]["category"] for entry in found} == {"system"}
    assert [(e["old_value"], e["new_value"]) for e in found if e["type"]["id"] == 3] == [
        ({"id": 980_001, "name": "Qualifying"}, {"id": 980_002, "name": "Proposal"})
    ]
    assert api.status("PUT", f"/activities/{found[0]['id']}", {"details": "y"}) == 422
    assert api.status("DELETE", f"/activities/{found[0]['id']}") == 422
