"""Undoing a run: what it replaced comes back, what a person did since stays."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crmsync.model.address import Address
from tests.desk import Desk

KEY = {"CRMSYNC_STATE_KEY": "one long random text"}
UNORDERED = ("custom_fields", "tags")
FILES = """
companies:
  acme: {name: Acme, details: Old, tags: [a, b], email_domain: acme.com}
  beta: {name: Beta, details: Old, address: {city: Reno}, custom_fields: {Tier: Gold, Regions: [EMEA]}}
people:
  wile: {name: Wile E. Coyote, emails: [wile@acme.com], company: acme, phone_numbers: [+1 415 555 0123]}
"""
ONLY_BETA = "".join(f"{line}\n" for line in FILES.splitlines() if line.startswith(("companies", "  beta")))
CHANGED = """
companies:
  acme: {name: Acme Inc, details: New, tags: [b, c], email_domain: acme.com}
  beta: {name: Beta, details: New, address: {city: Sparks}, custom_fields: {Tier: Silver, Regions: [APAC]}}
people:
  wile: {name: Wile E. Coyote, emails: [{email: wile@acme.com, category: personal}], company: beta, phone_numbers: []}
"""


def _last_run(desk: Desk, **environ: str) -> str:
    return str(json.loads(desk.done("runs", "--json", **environ))[0]["run"])


def _values(desk: Desk) -> dict[str, Any]:
    """Return what people see of all records: without dates, and with lists of which the order means nothing in order."""
    found = {}
    for type_name in ("companies", "people"):
        for body in desk.sandbox.records(type_name):
            shown = {key: value for key, value in body.items() if not key.startswith("date_")}
            found[body["name"]] = {key: _sorted(value) if key in UNORDERED else value for key, value in shown.items()}
    return found


def _sorted(values: Any) -> Any:
    return sorted(values, key=json.dumps)


def _changed(desk: Desk, **environ: str) -> str:
    """Bring the first files about, then the others, and return the name of the second run."""
    desk.write("crm/a.yaml", FILES)
    desk.done("apply", "-y", **environ)
    desk.write("crm/a.yaml", CHANGED)
    desk.done("apply", "-y", **environ)
    return _last_run(desk, **environ)


@pytest.mark.parametrize("environ", [{}, KEY], ids=["private file", "sealed"])
def test_everything_comes_back(desk: Desk, environ: dict[str, str]) -> None:
    """Texts, parts of an address, members with their category, a link with a route of its own."""
    desk.write("crm/a.yaml", FILES)
    desk.done("apply", "-y", **environ)
    before = _values(desk)
    run = _changed(desk, **environ)
    assert before != _values(desk)

    out = desk.done("undo", run, "-y", **environ)

    assert before == _values(desk)
    assert "Plan: 0 to add, 3 to change, 0 to destroy." in out


def test_what_was_put_back_stays_until_the_file_says_something_else(desk: Desk) -> None:
    """The next plan keeps it, another one as well; a new value in the file is written, the old one is in sync."""
    run = _changed(desk)
    desk.done("undo", run, "-y")
    before = _values(desk)

    for _ in range(2):
        ran = desk.run("apply", "-y")
        assert (ran.code, before == _values(desk), "Changed in Copper, kept:" in ran.out) == (0, True, True), ran
    desk.write("crm/a.yaml", CHANGED.replace("details: New", "details: Newer"))
    desk.done("apply", "-y")
    assert [body["details"] for body in desk.sandbox.records("companies")] == ["Newer", "Newer"]
    desk.write("crm/a.yaml", FILES)
    desk.done("apply", "-y")
    assert before == _values(desk)
    assert "No changes." in desk.done("plan")
    assert "kept" not in desk.done("plan")


def test_an_undo_can_be_undone(desk: Desk) -> None:
    """It is a run like any other: after that everything is as the files say."""
    run = _changed(desk)
    after = _values(desk)
    desk.done("undo", run, "-y")

    desk.done("undo", _last_run(desk), "-y")

    assert after == _values(desk)
    plan = desk.done("plan")
    assert ("No changes." in plan, "kept" in plan) == (True, False), plan


def test_what_a_person_did_since_stays(desk: Desk) -> None:
    """Field by field, and member by member; the rest is put back, and the exit code says that something was left."""
    run = _changed(desk)
    acme, beta = desk.id("companies.acme"), desk.id("companies.beta")
    desk.sandbox.edit("companies", acme, {"details": "A person's", "tags": ["b", "c", "theirs"]})
    desk.sandbox.edit("companies", beta, {"details": "Old"})

    ran = desk.run("undo", run, "-y")

    values = _values(desk)
    assert ran.code == 6, ran
    assert values["Acme"]["details"] == "A person's"
    assert sorted(values["Acme"]["tags"]) == ["a", "b", "theirs"]
    assert values["Beta"]["address"]["city"] == "Reno"
    assert "It was changed since that run." in ran.out


def test_what_a_later_run_wrote_stays(desk: Desk) -> None:
    """A run is undone as far as it is the last that wrote a field."""
    run = _changed(desk)
    desk.write("crm/a.yaml", CHANGED.replace("Acme Inc", "Acme Ltd"))
    desk.done("apply", "-y")

    ran = desk.run("undo", run, "-y")

    assert (ran.code, _values(desk)["Acme Ltd"]["details"]) == (6, "Old")


def test_what_a_run_created_is_taken_away(desk: Desk) -> None:
    """With a copy, and it is not created again before somebody says so."""
    desk.write("crm/a.yaml", "companies:\n  beta: {name: Beta}\n")
    desk.done("apply", "-y")
    desk.write("crm/a.yaml", FILES)
    desk.done("apply", "-y")

    out = desk.done("undo", _last_run(desk), "-y")
    assert "Plan: 0 to add, 1 to change, 2 to destroy." in out
    assert list(_values(desk)) == ["Beta"]
    ran = desk.run("apply", "-y")
    assert (ran.code, list(_values(desk)), "its creation undone" in ran.out) == (6, ["Beta"], True), ran
    desk.done("state", "forget", "companies.acme", "people.wile")
    desk.done("apply", "-y")
    assert sorted(_values(desk)) == ["Acme", "Beta", "Wile E. Coyote"]


def test_what_a_person_worked_on_is_not_taken_away(desk: Desk) -> None:
    """A record that the run created stays when it is no longer as crmsync left it, and who needs it stays as well."""
    desk.write("crm/a.yaml", FILES)
    desk.done("apply", "-y")
    desk.sandbox.edit("people", desk.id("people.wile"), {"name": "Wile"})

    ran = desk.run("undo", _last_run(desk), "-y")

    assert (ran.code, sorted(_values(desk))) == (6, ["Acme", "Wile"]), ran


def test_what_a_run_deleted_is_made_again(desk: Desk) -> None:
    """With another id, its links as they were; without a file it is let go, with it managed again."""
    desk.write("crm/a.yaml", FILES)
    desk.done("apply", "-y")
    before = _values(desk)
    old = desk.id("companies.acme")
    desk.write(
        "crm/a.yaml",
        ONLY_BETA,
    )
    desk.done("apply", "-y")
    assert list(_values(desk)) == ["Beta"]

    out = desk.done("undo", _last_run(desk), "-y")
    again = _values(desk)
    new = desk.id("companies.acme")
    assert (old == new, sorted(again)) == (False, ["Acme", "Beta", "Wile E. Coyote"])
    assert again["Wile E. Coyote"]["company_id"] == new
    wire = ("name", "details", "tags", "emails", "phone_numbers", "address", "email_domain")
    for name in again:
        assert {key: before[name].get(key) for key in wire} == {key: again[name].get(key) for key in wire}
    assert "with another id and no history" in out
    desk.write("crm/a.yaml", FILES)
    assert "No changes." in desk.done("plan")
    desk.write(
        "crm/a.yaml",
        ONLY_BETA,
    )
    out = desk.done("apply", "-y")
    assert (sorted(_values(desk)), "2 to forget" in out) == (["Acme", "Beta", "Wile E. Coyote"], True), out


def test_only_some_of_it(desk: Desk) -> None:
    """`--only` and `--except` narrow it as they narrow a plan."""
    run = _changed(desk)

    desk.done("undo", run, "-y", "--only", "companies.*", "--except", "companies.beta")

    values = _values(desk)
    assert [values[name]["details"] for name in ("Acme", "Beta")] == ["Old", "New"]


def test_limits_count(desk: Desk) -> None:
    """An undo that deletes more than the limit is refused like any plan, and names the flag."""
    many = "".join(f"  c{number}: {{name: Company {number}}}\n" for number in range(6))
    desk.write("crm/a.yaml", f"companies:\n{many}")
    desk.done("apply", "-y")
    run = _last_run(desk)

    refused = desk.run("undo", run, "-y")
    done = desk.run("undo", run, "-y", "--allow-deletes", "6")

    assert (refused.code, "--allow-deletes 6" in refused.err) == (5, True), refused
    assert (done.code, desk.names("companies")) == (0, []), done


def test_a_run_of_which_nothing_is_kept(desk: Desk) -> None:
    """The message says which runs there are, and where what they replaced may be."""
    desk.write("crm/a.yaml", FILES)
    desk.done("apply", "-y")

    ran = desk.run("undo", "abcdefabcdef", "-y")

    assert (ran.code, ran.out) == (1, "")
    assert "Nothing is kept of a run abcdefabcdef." in ran.err
    assert "crmsync runs" in ran.err


def test_sealed_copies_need_their_key(desk: Desk) -> None:
    """With another key it ends before anything is written, and nothing of the values shows."""
    run = _changed(desk, **KEY)

    ran = desk.run("undo", run, "-y", CRMSYNC_STATE_KEY="another")

    assert (ran.code, "CRMSYNC_STATE_KEY" in ran.err, "Old" in ran.out + ran.err) == (1, True, False), ran


def test_without_a_terminal_nothing_is_undone(desk: Desk) -> None:
    """The plan is shown, the flag is named."""
    run = _changed(desk)
    before = _values(desk)

    ran = desk.run("undo", run)

    assert (ran.code, "--auto-approve" in ran.err, before == _values(desk)) == (64, True, True), ran
    assert "as before that run" in ran.out


def test_runs_tell_what_can_be_undone(desk: Desk) -> None:
    """Also those that the log has forgotten."""
    run = _changed(desk)
    runs = json.loads(desk.done("runs", "--json"))

    assert [(each["can_be_undone"], each["is_in_log"]) for each in runs] == [(True, True), (True, True)]
    assert runs[0]["run"] == run
    path = next((desk.root / ".crmsync" / "runs").glob(f"*-{run}.jsonl"))
    path.rename(path.with_name(f"20260901T000000Z-{'0' * 12}.jsonl"))
    assert "no longer in the log" in desk.done("runs")
    assert Address("companies", "acme") in desk.state().bindings
