"""Projects, tasks and what they belong to (copper-api.md 4.6, 4.7, 7.9)."""

from __future__ import annotations

import pytest


def _tie(id, kind):
    return {"resource": {"id": id, "type": kind}}


def test_what_belongs_to_nothing(api):
    """Null in projects, a pair of nulls in tasks, both seen (section 3)."""
    task = api("POST", "/tasks", {"name": "x"})

    assert api("POST", "/projects", {"name": "x"})["related_resource"] is None
    assert task["related_resource"] == {"id": None, "type": None}
    assert (task["status"], task["priority"], task["completed_date"]) == ("Open", "None", None)
    assert task["custom_activity_type_id"] == 190_003


def test_a_task_is_completed_and_opened_again(api):
    """completed_date follows the status and is not written (4.7, 7.7)."""
    task = api.new("tasks")
    api.clock.now += 5
    dates = [api("PUT", f"/tasks/{task}", {"status": status, "completed_date": 7}) for status in ("Completed", "Open")]

    assert [shown["completed_date"] for shown in dates] == [1_700_000_005, None]


@pytest.mark.parametrize(
    ("plural", "values"),
    [
        ("tasks", {"due_date": "12/31/2026"}),
        ("tasks", {"priority": "Medium"}),
        ("tasks", {"status": "Done"}),
        ("tasks", {"related_resource": {"id": 5, "type": "company"}}),
        ("tasks", {"related_resource": {"id": 40_000_001, "type": "companies"}}),
        ("tasks", {"related_resource": 40_000_001}),
        ("projects", {"related_resource": {"id": 10_000_001, "type": "lead"}}),
        ("projects", {"status": "Won"}),
    ],
)
def test_values_refused(api, plural, values):
    """Dates are unix seconds, words are of the list, relations as in 7.9."""
    api.new("companies")
    api.new("leads")

    assert api.status("POST", f"/{plural}", {"name": "x", **values}) == 422


def test_a_task_has_one_relation(api):
    """related_resource and related items are the same thing, one in all (7.9)."""
    company, lead = api.new("companies"), api.new("leads")
    task = api.new("tasks", related_resource={"id": company, "type": "company"})

    assert api("GET", f"/companies/{company}/related/tasks") == [{"id": task, "type": "task"}]
    assert api.status("POST", f"/tasks/{task}/related", _tie(lead, "lead")) == 422
    api("DELETE", f"/companies/{company}/related", _tie(task, "task"))
    assert api("POST", f"/leads/{lead}/related", _tie(task, "task"))["added"] is True
    assert api("GET", f"/tasks/{task}")["related_resource"] == {"id": lead, "type": "lead"}
    api("DELETE", f"/leads/{lead}")
    assert api("GET", f"/tasks/{task}")["related_resource"] == {"id": None, "type": None}


def test_a_project_has_many_relations(api):
    """The first shows as related_resource (7.9; which one does is ours)."""
    company, person = api.new("companies"), api.new("people")
    project = api.new("projects")
    api("POST", f"/projects/{project}/related", _tie(company, "company"))
    api("POST", f"/people/{person}/related", _tie(project, "project"))

    assert api("GET", f"/projects/{project}")["related_resource"] == {"id": company, "type": "company"}
    assert {r["id"] for r in api("GET", f"/projects/{project}/related")} == {company, person}
    assert api("GET", f"/people/{person}/related/projects") == [{"id": project, "type": "project"}]


@pytest.mark.parametrize(
    ("plural", "criteria", "found"),
    [
        ("tasks", {"project_ids": [30_000_001]}, [0]),
        ("tasks", {"project_ids": [-2]}, [1]),
        ("tasks", {"opportunity_ids": [20_000_001]}, [1]),
        ("tasks", {"statuses": ["Completed"]}, [1]),
        ("tasks", {"minimum_due_date": 1_800_000_000}, [0]),
        ("tasks", {}, [1, 0]),
        ("tasks", {"sort_by": "related_to"}, [1, 0]),
        ("projects", {"name": "second"}, [1]),
        ("projects", {"sort_by": "status"}, [1, 0]),
    ],
)
def test_filters_and_sorts(api, plural, criteria, found):
    """The filters and sorts of 6.1 and 6.3; tasks are sorted by due date unless told otherwise."""
    api.new("opportunities", name="Deal")
    projects = [api.new("projects", name="first"), api.new("projects", name="second", status="Completed")]
    tasks = [
        api.new("tasks", related_resource={"id": projects[0], "type": "project"}, due_date=1_800_000_000),
        api.new(
            "tasks", related_resource={"id": 20_000_001, "type": "opportunity"}, status="Completed", due_date=1_790_000_000
        ),
    ]
    ids = {"tasks": tasks, "projects": projects}[plural]

    assert [ids[n] for n in found] == api.found(plural, **criteria)


@pytest.mark.parametrize(
    ("plural", "criteria"),
    [
        ("tasks", {"name": "x"}),
        ("tasks", {"statuses": ["Won"]}),
        ("projects", {"status_ids": [2]}),
        ("opportunities", {"priority_ids": [4]}),
        ("leads", {"socials": "x"}),
    ],
)
def test_filters_refused(api, plural, criteria):
    """Filters a type does not have, and codes beyond the words there are (6.1)."""
    assert api.status("POST", f"/{plural}/search", criteria) == 422


def test_labels_of_other_people(api):
    """The web app's hands know leads, projects and tasks too."""
    api.sandbox.create("companies", {"name": "Acme"})
    lead = api.sandbox.create("leads", {"name": "Bob", "email": "bob@x.com", "status": "Contacted"})
    task = api.sandbox.create("tasks", {"name": "Call", "due_date": "2027-01-15", "related_resource": "company/Acme"})

    assert api("GET", f"/leads/{lead}")["status"] == "Contacted"
    assert api("GET", f"/tasks/{task}")["due_date"] == 1_800_000_000
    assert api("GET", f"/tasks/{task}")["related_resource"] == {"id": 40_000_001, "type": "company"}
