"""Decisions at the desk: each choice in each situation, what is archived, and what makes a choice not count any more."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from typing import Any

import pytest

from crmsync.sandbox import Fault, Sandbox
from tests.desk import SETTINGS, Desk

CHOICES = ("keep_human", "take_file", "hand_over", "accept")


def _choose(desk: Desk, choice: str) -> None:
    path = desk.root / "decisions.yaml"
    text, count = re.subn("choice: ,", f"choice: {choice},", path.read_text(encoding="utf-8"))
    assert count == 1, text
    path.write_text(text, encoding="utf-8")


def _acme(desk: Desk, **fields: Any) -> None:
    lines = "".join(f"    {name}: {value}\n" for name, value in fields.items())
    desk.write("crm/a.yaml", f"companies:\n  acme:\n    name: Acme\n{lines}")


def _conflict(desk: Desk) -> None:
    _acme(desk, details="ours")
    desk.done("apply", "-y")
    desk.sandbox.edit("companies", desk.id("companies.acme"), {"details": "theirs"})
    _acme(desk, details="ours too")


def _held_drift(desk: Desk) -> None:
    desk.write("crmsync.yaml", f"{SETTINGS}policy: {{'*': {{on_drift: hold}}}}\n")
    _acme(desk, details="ours too")
    desk.done("apply", "-y")
    desk.sandbox.edit("companies", desk.id("companies.acme"), {"details": "theirs"})


def _held_adoption(desk: Desk) -> None:
    desk.write("crmsync.yaml", f"{SETTINGS}policy: {{'*': {{on_adopt: hold}}}}\n")
    desk.sandbox.create("companies", {"name": "Acme", "details": "theirs"})
    _acme(desk, details="ours too")


def _held_empty_adoption(desk: Desk) -> None:
    desk.write("crmsync.yaml", f"{SETTINGS}policy: {{'*': {{on_adopt: hold}}}}\n")
    desk.sandbox.create("companies", {"name": "Acme"})
    _acme(desk, details="ours too")


def _member_removed(desk: Desk) -> None:
    desk.write("crmsync.yaml", f"{SETTINGS}policy: {{'*': {{on_drift: hold}}}}\n")
    _acme(desk, tags="[one, two]")
    desk.done("apply", "-y")
    desk.sandbox.edit("companies", desk.id("companies.acme"), {"tags": ["theirs", "two"]})


def _tags_adopted(desk: Desk) -> None:
    desk.write("crmsync.yaml", f"{SETTINGS}policy: {{'*': {{on_adopt: hold}}}}\n")
    desk.sandbox.create("companies", {"name": "Acme", "tags": ["theirs"]})
    _acme(desk, tags="[one]")


SITUATIONS: list[tuple[Callable[[Desk], None], str, Any, Any]] = [
    (_conflict, "details", "theirs", "ours too"),
    (_held_drift, "details", "theirs", "ours too"),
    (_held_adoption, "details", "theirs", "ours too"),
    (_held_empty_adoption, "details", None, "ours too"),
    (_member_removed, "tags", ["theirs", "two"], ["one", "theirs", "two"]),
    (_tags_adopted, "tags", ["theirs"], ["one", "theirs"]),
]


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize(("arrange", "name", "theirs", "ours"), SITUATIONS, ids=[each[0].__name__ for each in SITUATIONS])
def test_a_choice_is_obeyed_and_remembered(
    desk: Desk, arrange: Callable[[Desk], None], name: str, theirs: Any, ours: Any, choice: str
) -> None:
    """The chosen value is in Copper after one apply, nothing is asked again, and what is decided is archived."""
    arrange(desk)
    waiting = desk.run("apply", "-y")
    _choose(desk, choice)
    deciding = desk.run("apply", "-y")
    again = desk.run("apply", "-y")
    (body,) = desk.sandbox.records("companies")
    shown = sorted(body[name]) if isinstance(body[name], list) else body[name]
    (archived,) = (desk.root / ".crmsync" / "runs").glob("decisions-*.yaml")

    assert (waiting.code, deciding.code, again.code) == (6, 0, 0), again
    assert (ours if choice == "take_file" else theirs) == shown
    assert desk.run("plan", "--detailed-exitcode").code == 0
    assert not (desk.root / "decisions.yaml").exists()
    assert f"choice: {choice}," in archived.read_text(encoding="utf-8")
    assert 'result: "obeyed"' in archived.read_text(encoding="utf-8")
    assert stat.S_IMODE(archived.stat().st_mode) == 0o600


def test_a_choice_does_not_outlive_another_apply(desk: Desk) -> None:
    """File and Copper say what they said, but something else was confirmed in between: the choice was made on that."""
    _conflict(desk)
    desk.done("plan", "--decisions")
    _choose(desk, "take_file")
    path = desk.root / "decisions.yaml"
    kept = path.read_text(encoding="utf-8")
    desk.done("apply", "-y")
    desk.sandbox.edit("companies", desk.id("companies.acme"), {"details": "theirs"})
    desk.write("decisions.yaml", kept)
    planned = desk.run("plan")

    assert "does not count: another apply has written this field since." in planned.err


def test_a_choice_that_could_not_be_carried_out_stays(desk: Desk) -> None:
    """What Copper refused is tried again by the next apply, without being asked again."""
    _conflict(desk)
    desk.done("plan", "--decisions")
    _choose(desk, "take_file")
    paths = {"POST": "companies/bulk_update$", "PUT": "companies/[0-9]+$"}
    desk.sandbox.faults = [Fault("status_before", method=each, path=path, status=422) for each, path in paths.items()]
    refused = desk.run("apply", "-y")
    stays = "choice: take_file," in (desk.root / "decisions.yaml").read_text(encoding="utf-8")
    desk.sandbox.faults = []
    done = desk.run("apply", "-y")

    assert (refused.code, stays, done.code) == (6, True, 0)
    assert desk.sandbox.records("companies")[0]["details"] == "ours too"


def test_a_plan_writes_no_decisions_unless_asked(desk: Desk) -> None:
    """Looking changes nothing in the project's folder."""
    _conflict(desk)
    desk.done("plan")

    assert not (desk.root / "decisions.yaml").exists()


def test_profiles_decide_apart(desk: Desk) -> None:
    """What was chosen for the trial account says nothing about the real one."""
    desk.write("crmsync.yaml", f"{SETTINGS}profiles: {{trial: {{state: .crmsync/trial.db}}}}\n")
    _acme(desk, details="ours")
    desk.done("apply", "-y", "--profile", "trial")
    desk.sandbox.edit("companies", desk.sandbox.records("companies")[0]["id"], {"details": "theirs"})
    desk.done("plan", "--decisions", "--profile", "trial")

    assert sorted(path.name for path in desk.root.glob("decisions*")) == ["decisions.trial.yaml"]


def test_what_is_held_as_a_whole_stands_there_as_a_comment(desk: Desk) -> None:
    """A held delete is decided elsewhere; the file says how."""
    desk.write("crm/a.yaml", "companies: {a: {name: A, details: ours}, b: {name: B}}\n")
    desk.done("apply", "-y")
    desk.sandbox.edit("companies", desk.id("companies.b"), {"name": "B\n- {evil: line}"})
    desk.sandbox.edit("companies", desk.id("companies.a"), {"details": "theirs"})
    desk.write("crm/a.yaml", "companies: {a: {name: A, details: ours}}\n")
    desk.done("plan", "--decisions")
    last = (desk.root / "decisions.yaml").read_text(encoding="utf-8").splitlines()[-1]

    assert last.startswith('# companies.b "B↵- {evil: line}": Changed in Copper since the last apply: name.'), last


def test_what_was_done_is_told_although_no_decisions_can_be_written(desk: Desk) -> None:
    """A folder that takes no file costs the questions, not the ledger nor the exit code."""
    _conflict(desk)
    desk.stage.hook = _in_the_way(desk)
    ran = desk.run("apply", "-y")

    assert (ran.code, "conflicts 1." in ran.out) == (6, True)
    assert "decisions.yaml could not be written: " in ran.err


def _in_the_way(desk: Desk) -> Callable[[Any, Any], Any]:
    """Put a folder where the file should go, once the plan is being made."""

    def hook(sandbox: Any, request: Any) -> Any:
        if request.path.endswith("search"):
            (desk.root / "decisions.yaml").mkdir(exist_ok=True)
        return sandbox.handle(request)

    return hook


# What moved while the apply was under way.


def _move_meanwhile(desk: Desk, **values: Any) -> None:
    """Let a person edit Acme after the plan was made, right before the record is read once more for its write."""
    id, looks = desk.id("companies.acme"), []

    def hook(sandbox: Sandbox, request: Any) -> Any:
        if request.path.endswith("/companies/search") and b'"ids"' in (request.body or b""):
            looks.append(request)
            if len(looks) == 2:
                sandbox.edit("companies", id, values)
        return sandbox.handle(request)

    desk.stage.hook = hook


def _moved_meanwhile(desk: Desk) -> None:
    _acme(desk, details="ours", tags="[one]")
    desk.done("apply", "-y")
    _acme(desk, details="ours too", tags="[one, two]")
    _move_meanwhile(desk, details="theirs")
    ran = desk.run("apply", "-y")
    desk.stage.hook = None
    assert (ran.code, "1 line of decisions.yaml waits" in ran.err) == (6, True), ran


@pytest.mark.parametrize("choice", CHOICES)
def test_what_moved_during_an_apply_can_be_decided(desk: Desk, choice: str) -> None:
    """A field that is set aside at the last look stands in the file with the value that was met, and each choice counts."""
    _moved_meanwhile(desk)
    text = (desk.root / "decisions.yaml").read_text(encoding="utf-8")
    assert 'file: "ours too", live: "theirs"' in text

    _choose(desk, choice)
    ran = desk.run("apply", "-y")

    body = desk.sandbox.record("companies", desk.id("companies.acme"))
    assert body is not None
    assert (ran.code, body["details"], body["tags"]) == (
        0,
        "ours too" if choice == "take_file" else "theirs",
        ["one", "two"],
    ), ran
    assert not (desk.root / "decisions.yaml").exists()


def test_a_choice_on_what_moved_does_not_outlive_another_edit(desk: Desk) -> None:
    """A person edits once more before the choice is obeyed: it is told and asked again."""
    _moved_meanwhile(desk)
    _choose(desk, "take_file")
    desk.sandbox.edit("companies", desk.id("companies.acme"), {"details": "theirs again"})

    ran = desk.run("apply", "-y")

    assert (ran.code, "it was changed in Copper again" in ran.err) == (6, True), ran
    assert 'live: "theirs again"' in (desk.root / "decisions.yaml").read_text(encoding="utf-8")


def test_what_moved_is_asked_although_a_saved_plan_was_applied(desk: Desk) -> None:
    """The plan agreed with Copper, and then somebody came: `was` is what the saved plan knew."""
    _acme(desk, details="ours")
    desk.done("apply", "-y")
    _acme(desk, details="ours too")
    desk.done("plan", "--out", "plan.json")
    _move_meanwhile(desk, details="theirs")

    ran = desk.run("apply", "plan.json")

    text = (desk.root / "decisions.yaml").read_text(encoding="utf-8")
    assert (ran.code, 'live: "theirs", was: "ours"' in text) == (6, True), (ran, text)


# The value that both started from.


@pytest.mark.parametrize("key", ["", "one long random text"])
def test_a_copy_tells_the_value_before(desk: Desk, key: str) -> None:
    """Without a saved plan it is what crmsync last wrote there, where a copy is kept of that."""
    desk.environ["CRMSYNC_STATE_KEY"] = key
    _acme(desk, details="first")
    desk.done("apply", "-y")
    _acme(desk, details="ours")
    desk.done("apply", "-y")
    desk.sandbox.edit("companies", desk.id("companies.acme"), {"details": "theirs"})
    _acme(desk, details="ours too")

    assert desk.run("apply", "-y").code == 6
    applied = (desk.root / "decisions.yaml").read_text(encoding="utf-8")
    (desk.root / "decisions.yaml").unlink()
    desk.run("plan", "--decisions")
    looked_at = (desk.root / "decisions.yaml").read_text(encoding="utf-8")

    for text in (applied, looked_at):
        assert 'file: "ours too", live: "theirs", was: "ours"' in text


def test_a_copy_that_is_not_what_was_confirmed_tells_nothing(desk: Desk) -> None:
    """Another machine has written since, and kept its copy there: an older one would tell a wrong base."""
    _acme(desk, details="first")
    desk.done("apply", "-y")
    for text in ("second", "ours"):
        _acme(desk, details=text)
        desk.done("apply", "-y")
    newest = json.loads(desk.done("runs", "--json"))[0]["run"]
    next((desk.root / ".crmsync" / "runs").glob(f"*-{newest}.jsonl")).unlink()
    desk.sandbox.edit("companies", desk.id("companies.acme"), {"details": "theirs"})
    _acme(desk, details="ours too")

    assert desk.run("apply", "-y").code == 6
    assert "was:" not in (desk.root / "decisions.yaml").read_text(encoding="utf-8")


# A file with nothing in it.


@pytest.mark.parametrize("text", ["", "# nothing\n", "decisions:\n", "decisions: []\n", "decisions: null\n"])
def test_an_empty_file_decides_nothing(desk: Desk, text: str) -> None:
    """Whoever has deleted all lines has decided nothing, and that is no error; the next apply removes the file."""
    _acme(desk, details="ours")
    desk.write("decisions.yaml", text)

    plan = desk.run("plan")
    desk.done("apply", "-y")

    assert (plan.code, plan.err) == (0, "")
    assert not (desk.root / "decisions.yaml").exists()


def test_a_file_of_something_else_is_told_what_it_should_hold(desk: Desk) -> None:
    """Decisions are named, not records."""
    _acme(desk, details="ours")
    desk.write("decisions.yaml", "companies: {}\n")

    ran = desk.run("plan")

    assert (ran.code, "a list called `decisions`" in ran.err) == (1, True)
