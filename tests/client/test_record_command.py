"""``crmsync record``: single writes from the command line, by label."""

from __future__ import annotations

import json

import pytest

from tests.desk import Desk

LOU = 30_000_001


@pytest.fixture
def leads(desk: Desk) -> Desk:
    """A desk whose sandbox has one lead, Lou."""
    desk.sandbox.create("leads", {"id": LOU, "name": "Lou", "title": "Buyer", "assignee": "Dana", "tags": ["fair"]})
    desk.sandbox.log.clear()
    return desk


def wrote(desk: Desk) -> list[str]:
    """Return the writes that reached Copper, searches aside."""
    requests = [(entry.method, entry.path) for entry in desk.sandbox.log]
    return [f"{method} {path}" for method, path in requests if method != "GET" and not path.endswith("/search")]


def test_a_record_is_created_by_label(leads: Desk) -> None:
    """Labels become ids, a field said twice is a list, and one request writes."""
    ran = leads.run("record", "create", "leads", "name=Max", "status=Contacted", "tags=warm", "tags=fair")

    (body,) = [each for each in leads.sandbox.records("leads") if each["name"] == "Max"]
    assert (ran.code, ran.out, ran.err) == (0, f'created leads/{body["id"]} "Max"\n', "")
    assert (body["status"], sorted(body["tags"])) == ("Contacted", ["fair", "warm"])
    assert wrote(leads) == ["POST /leads"]


def test_an_update_changes_what_is_given(leads: Desk) -> None:
    """The rest stays, nothing after the = clears, and --json shows what came of it."""
    ran = leads.run("record", "update", f"leads/{LOU}", "title=", "tags=vip", "--json")
    shown = json.loads(ran.out)

    assert (ran.code, shown["title"], shown["tags"], shown["assignee"]) == (0, None, ["vip"], "Dana")
    assert wrote(leads) == [f"PUT /leads/{LOU}"]


def test_a_delete_needs_somebody_to_agree(leads: Desk) -> None:
    """Without a terminal the flag is named, and nothing is deleted."""
    asked = leads.run("record", "delete", f"leads/{LOU}")
    assert (asked.code, asked.out, wrote(leads)) == (64, "", [])
    assert "--auto-approve" in asked.err
    done = leads.run("record", "delete", f"leads/{LOU}", "-y")

    assert (done.code, done.out) == (0, f'deleted leads/{LOU} "Lou"\n')
    assert leads.sandbox.records("leads") == []


def test_a_lead_becomes_a_person_a_company_and_a_deal(leads: Desk) -> None:
    """Each that was made is told."""
    ran = leads.run(
        "record", "convert", f"leads/{LOU}", "--company", "Bolt", "--opportunity", "First deal", "--pipeline", "Sales"
    )

    assert (ran.code, [line.split("/")[0] for line in ran.out.splitlines()]) == (
        0,
        ["created people", "created companies", "created opportunities"],
    )


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("create", "leads", "name"), 64, 'FIELD=VALUE:1:1\n 1 | name\n   | ^^^^\n   "name" assigns nothing.'),
        (("create", "leeds", "name=Max"), 64, 'Did you mean "leads"?'),
        (("create", "leads/1", "name=Max"), 64, "A new lead has no id yet"),
        (("create", "people", "name=Max"), 64, "run: crmsync apply"),
        (("create", "tasks", "--match-on", "name", "name=Max"), 64, "--match-on is for leads"),
        (("create", "leads", "name=Max", "statu=New"), 1, "FIELD=VALUE:2:1\n 2 | statu=New\n"),
        (("create", "leads", "tags=a", "tags=b", "name=M", "status=Nwe"), 1, "leads.create:3:1\n 3 | status=Nwe\n"),
        (("create", "leads", "name=Max", "name=Moritz"), 1, '"name" of a lead is one value.'),
        (("create", "leads"), 1, 'A lead needs "name"'),
        (("update", "leads"), 64, "Say what shall change"),
        (("update", "leads", "title=x"), 64, "Which of leads?"),
        (("update", "leads/lou", "title=x"), 64, '"lou" is not the id of one of leads'),
        (("update", f"leads/{LOU}", "id=7"), 1, 'A lead has no field "id"'),
        (("delete", "leads/1", "-y"), 1, "Copper has no lead #1."),
        (("convert", "tasks/1"), 64, "Only leads are converted"),
        (("convert", f"leads/{LOU}", "--pipeline", "Sales"), 64, "name one with --opportunity"),
        ((), 64, "Usage: crmsync record"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_written(
    leads: Desk, arguments: tuple[str, ...], code: int, expected: str
) -> None:
    """Each slip has its message, its place among the arguments, and its exit code."""
    ran = leads.run("record", *arguments)

    assert (ran.code, ran.out, wrote(leads)) == (code, "", []), ran.err
    assert expected in ran.err


def test_another_account_than_the_project_names_is_refused(leads: Desk) -> None:
    """A key of the wrong account must not write into it."""
    settings = leads.root / "crmsync.yaml"
    settings.write_text(f"{settings.read_text()}account: 999\n")
    ran = leads.run("record", "create", "leads", "name=Max")

    assert (ran.code, wrote(leads)) == (5, []), ran.err
