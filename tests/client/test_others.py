"""Leads, projects, tasks and activities: what is sent for them, and what comes of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pytest

from crmsync import BadInput, Copper, NotFound
from crmsync.copper.pace import Pacer
from tests.client.conftest import Clock, Shop, names


@dataclass
class Answer:
    """What comes back."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


ACCOUNT: dict[str, Any] = {
    "GET /account": {"id": 1, "name": "A", "primary_timezone": "America/Los_Angeles"},
    "GET /custom_field_definitions": [
        {"id": 9, "name": "Ref", "data_type": "Float", "available_on": ["lead"], "is_filterable": True}
    ],
    "GET /lead_statuses": [{"id": 3, "name": "New", "order": 0, "is_default": True}],
    "GET /pipelines": [{"id": 4, "name": "Sales", "stages": [{"id": 5, "name": "First"}]}],
    "POST /users/search": [{"id": 6, "name": "Dana", "email": "dana@x.com"}],
    "GET /activity_types": {
        "user": [{"id": 0, "category": "user", "name": "Note"}, {"id": 7, "category": "user", "name": "Call"}],
        "system": [{"id": 7, "category": "system", "name": "Merged"}],
    },
}


@dataclass
class Script:
    """A `send` that answers from a table and keeps what it was asked."""

    answers: dict[str, Any]
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def __call__(self, request: Any) -> Answer:
        line = f"{request.method} {request.path}"
        body = json.loads(request.body) if request.body else None
        self.asked.append((line, body))
        is_past_the_end = line.endswith("/search") and body["page_number"] > 1
        return Answer(json.dumps([] if is_past_the_end else {**ACCOUNT, **self.answers}[line]).encode())

    def copper(self) -> Copper:
        """Return a client that speaks with this script."""
        clock = Clock()
        return Copper(self, pacer=Pacer(100_000), clock=clock, sleep=clock.sleep)

    def sent(self, line: str) -> Any:
        """Return the last body of this call."""
        return next(body for asked, body in reversed(self.asked) if asked == line)


LEAD = {"id": 8, "name": "Lou", "email": {"email": "lou@x.com", "category": "work"}, "status_id": 3, "status": "New"}


def test_a_lead() -> None:
    """A lead has one e-mail, written as text, and a status by label."""
    script = Script({"POST /leads": LEAD})
    lead = script.copper().leads.create(name="Lou", email="lou@x.com", status="new", assignee="dana@x.com", Ref=4)

    assert (lead["email"], lead["status"], lead.ids["status"]) == ("lou@x.com", "New", 3)
    assert script.sent("POST /leads") == {
        "name": "Lou",
        "email": {"email": "lou@x.com", "category": "work"},
        "status_id": 3,
        "assignee_id": 6,
        "custom_fields": [{"custom_field_definition_id": 9, "value": 4}],
    }
    with pytest.raises(BadInput, match="is one e-mail address; a lead has no more"):
        script.copper().leads.create(name="Lou", email=["a@x.com", "b@x.com"])


UPSERTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("email", {"email": "lou@x.com"}, {"field_name": "email", "field_value": "lou@x.com"}),
    ("name", {}, {"field_name": "name", "field_value": "Lou"}),
    ("Ref", {"Ref": 4}, {"field_name": "custom", "field_value": {"custom_field_definition_id": 9, "value": 4}}),
]


@pytest.mark.parametrize(("match_on", "given", "match"), UPSERTS, ids=[each[0] for each in UPSERTS])
def test_the_upsert_of_leads(match_on: str, given: dict[str, Any], match: dict[str, Any]) -> None:
    """A lead is created or updated by e-mail, name or a custom field (developer.copper.com/leads/upsert-a-lead.html)."""
    script = Script({"PUT /leads/upsert": LEAD})
    lead = script.copper().leads.upsert(match_on, name="Lou", **given)
    sent = script.sent("PUT /leads/upsert")

    assert (lead.id, sent["match"], sent["properties"]["name"]) == (8, match, "Lou")
    with pytest.raises(BadInput, match="must be among the values"):
        script.copper().leads.upsert("email", name="Lou")


CONVERTED = {
    "person": {"id": 11, "name": "Lou"},
    "company": {"id": 12, "name": "New Inc"},
    "opportunity": {"id": 13, "name": "Deal", "pipeline_id": 4, "pipeline_stage_id": 5},
}


def test_converting_a_lead() -> None:
    """A lead becomes a person, a company, an opportunity (developer.copper.com/leads/convert-a-lead.html)."""
    script = Script({"GET /leads/8": LEAD, "POST /leads/8/convert": CONVERTED})
    leads = script.copper().leads
    deal = {"name": "Deal", "pipeline": "Sales", "stage": "First"}
    made = leads.convert(8, person={"assignee": "Dana"}, company="New Inc", opportunity=deal)

    assert script.sent("POST /leads/8/convert") == {
        "details": {
            "person": {"name": "Lou", "assignee_id": 6},
            "company": {"name": "New Inc", "exact_match": True},
            "opportunity": {"name": "Deal", "pipeline_id": 4, "pipeline_stage_id": 5},
        }
    }
    assert {name: record.id for name, record in made.items()} == {"people": 11, "companies": 12, "opportunities": 13}
    assert made["opportunities"]["stage"] == "First"
    leads.convert(8, company=12)
    assert script.sent("POST /leads/8/convert")["details"] == {"person": {"name": "Lou"}, "company": {"id": 12}}
    with pytest.raises(BadInput, match='"title" cannot be given when a lead is converted'):
        leads.convert(8, person={"title": "CEO"})


TASK = {"id": 20, "name": "Call", "related_resource": {"id": 12, "type": "company"}, "due_date": 1_798_704_000}


def test_a_task() -> None:
    """A task belongs to a record, is due on a day of the account's zone, and shows when in UTC."""
    script = Script({"POST /tasks": TASK})
    task = script.copper().tasks.create(
        name="Call",
        related_resource="companies/12",
        due_date=date(2026, 12, 31),
        reminder_date=datetime(2026, 12, 30, 9, 0, tzinfo=UTC),
        priority="high",
    )

    assert script.sent("POST /tasks") == {
        "name": "Call",
        "related_resource": {"id": 12, "type": "company"},
        "due_date": 1_798_704_000,
        "reminder_date": 1_798_621_200,
        "priority": "High",
    }
    assert task["related_resource"] == "company/12"
    assert task["due_date"] == datetime(2026, 12, 31, 8, 0, tzinfo=UTC)


NOTE = {
    "id": 3_000_000_000,
    "parent": {"id": 11, "type": "person"},
    "type": {"id": 0, "category": "user"},
    "user_id": 6,
    "details": "Likes tea",
    "activity_date": 1_798_704_000,
}
MERGED = {**NOTE, "id": 3_000_000_001, "type": {"id": 7, "category": "system"}, "old_value": {"a": 1}}
STUB = {"id": 3_000_000_002, "is_deleted": True}


def test_activities() -> None:
    """Types of users and of the system are told apart, deleted ones are left out, and the search is by parent."""
    script = Script({"POST /activities/search": [NOTE, MERGED, STUB]})
    found = list(script.copper().people.activities(11, type=["Note", "Merged"]))
    asked = next(body for line, body in script.asked if line == "POST /activities/search")

    assert [(each["type"], each.ids["type"], each["old_value"]) for each in found] == [
        ("Note", 0, None),
        ("Merged", -7, {"a": 1}),
    ]
    assert asked["parent"] == {"id": 11, "type": "person"}
    assert asked["activity_types"] == [{"id": 0, "category": "user"}, {"id": 7, "category": "system"}]


def test_a_note() -> None:
    """A note belongs to a record, has a type by label, and may be another user's."""
    script = Script({"POST /activities": NOTE, "GET /people/11": {"id": 11, "name": "Ann"}})
    copper = script.copper()
    note = copper.activities.create(parent=copper.people.get(11), type="Note", details="Likes tea", user="Dana")

    assert (note["user"], note["parent"]) == ("Dana", "person/11")
    assert script.sent("POST /activities") == {
        "parent": {"id": 11, "type": "person"},
        "type": {"id": 0, "category": "user"},
        "details": "Likes tea",
        "user_id": 6,
    }


def test_what_cannot_change() -> None:
    """The parent of an activity is given once."""
    with pytest.raises(BadInput, match='"parent" of an activity can be given when it is created, and not changed'):
        Script({}).copper().activities.update(5, parent="people/11")


BAD: list[tuple[dict[str, Any], str]] = [
    ({"related_resource": "12"}, '"related_resource" is a type and an id, such as company/123, not "12".'),
    ({"related_resource": "compnies/12"}, 'There is no type "compnies". Did you mean "companies"?'),
    ({"due_date": "soon"}, '"due_date" is a day, such as 2026-12-31, or a time, such as 2026-12-31T23:59:59Z.'),
    ({"priority": "Low"}, '"priority" is one of None, High, not "Low".'),
    ({"completed_date": "2026-12-31"}, '"completed_date" of a task is computed by Copper'),
]


@pytest.mark.parametrize(("given", "message"), BAD, ids=[each[1][:30] for each in BAD])
def test_bad_tasks(given: dict[str, Any], message: str) -> None:
    """What a task cannot have is told before anything is sent."""
    with pytest.raises(BadInput) as raised:
        Script({}).copper().tasks.create({"name": "Call", **given})

    assert message in str(raised.value)


# ---- in the sandbox


def test_leads_in_the_sandbox(shop: Shop) -> None:
    """Leads are made, many at once, found, upserted, converted."""
    leads = shop.copper.leads
    made = leads.create_many([{"name": f"L{n}", "email": f"l{n}@x.com", "status": "New"} for n in range(12)]).check()
    same = leads.upsert("email", name="L0", email="l0@x.com", title="CEO")
    converted = leads.convert(made[1], company="", opportunity={"name": "Deal"})

    assert (same.id, same["title"]) == (made[0].id, "CEO")
    assert names(leads.search(email="l2@x.com")) == ["L2"]
    assert leads.get_by_email("l3@x.com").id == made[3].id
    assert (converted["people"]["name"], converted["opportunities"]["name"]) == ("L1", "Deal")
    with pytest.raises(NotFound):
        leads.get(made[1])
    assert len(leads.search(status="New").ids()) == 11


def test_projects_and_tasks_in_the_sandbox(shop: Shop) -> None:
    """Projects and tasks are made, found and completed."""
    project = shop.copper.projects.create(name="Roll-out", assignee="Dana", tags=["big"])
    task = shop.copper.tasks.create(name="Call", related_resource=project, due_date="2026-12-31", priority="High")
    done = shop.copper.tasks.update(task, status="Completed")

    assert names(shop.copper.projects.search(assignee="Dana", tags="big")) == ["Roll-out"]
    assert task["related_resource"] == f"project/{project.id}"
    assert names(shop.copper.tasks.search("due_date<=2026-12-31", status="Completed", sort="due_date")) == ["Call"]
    assert done["completed_date"] is not None


def test_activities_in_the_sandbox(shop: Shop) -> None:
    """Notes are made, found by their record, changed, deleted; the deleted ones are not shown."""
    copper = shop.copper
    note = copper.activities.create(parent="people/70000001", type="Note", details="Likes tea")
    copper.activities.create(parent="people/70000002", type="Note", details="Likes coffee")
    copper.activities.update(note, details="Likes green tea")

    assert [each["details"] for each in copper.people.activities(70_000_001, type="Note")] == ["Likes green tea"]
    copper.activities.delete(note)
    assert list(copper.people.activities(70_000_001, type="Note")) == []
