"""The file of a saved plan: for its owner alone, and encrypted where there is a key to do it with."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.desk import Desk, Ran

ACME = "companies:\n  acme:\n    name: Canary Acme\n    email_domain: acme.com\n"
KEY = {"CRMSYNC_STATE_KEY": "correct horse battery staple"}


def _saved(desk: Desk, **environ: str) -> Path:
    desk.write("crm/a.yaml", ACME)
    desk.done("plan", "--out", "plan.json", **environ)
    return desk.root / "plan.json"


def _said(ran: Ran) -> tuple[int, str]:
    return ran.code, ran.err


def test_an_encrypted_plan_is_shown_and_applied(desk: Desk) -> None:
    """With CRMSYNC_STATE_KEY the file says what it is and nothing else; `show` and `apply` read it with the same key."""
    path = _saved(desk, **KEY)
    content = path.read_bytes()
    shown, applied = (desk.run(command, "plan.json", **KEY) for command in ("show", "apply"))

    assert content.startswith(b"crmsync-sealed 1\n")
    assert b"Canary" not in content
    assert "Canary Acme" in shown.out
    assert (shown.code, applied.code) == (0, 0), (shown, applied)
    assert desk.names("companies") == ["Canary Acme"]


@pytest.mark.parametrize("command", ["show", "apply"])
def test_another_key_is_refused(desk: Desk, command: str) -> None:
    """Without the key, or with another one, an encrypted plan is refused, and what to do is said."""
    path = _saved(desk, **KEY)
    without, other = desk.run(command, "plan.json"), desk.run(command, "plan.json", CRMSYNC_STATE_KEY="another")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    changed = desk.run(command, "plan.json", **KEY)
    under_another = (
        "error: plan.json was encrypted under another CRMSYNC_STATE_KEY, or was changed since. Set the key that it was "
        "saved with, or make a new plan.\n"
    )

    assert _said(without) == (
        5,
        "error: plan.json is encrypted. Set CRMSYNC_STATE_KEY to what it was when the plan was saved.\n",
    )
    assert [_said(other), _said(changed)] == [(5, under_another)] * 2
    assert desk.names("companies") == []


@pytest.mark.parametrize("environ", [{}, KEY], ids=["plain", "encrypted"])
def test_a_plan_is_for_its_owner_alone(desk: Desk, environ: dict[str, str]) -> None:
    """Whatever the umask, also over a file that others could read, and through no link to another file."""
    other = desk.root / "other.txt"
    other.write_text("other")
    other.chmod(0o666)
    (desk.root / "plan.json").symlink_to(other)
    umask = os.umask(0)
    try:
        path = _saved(desk, **environ)
    finally:
        os.umask(umask)

    assert (stat.S_IMODE(path.lstat().st_mode), path.is_symlink()) == (0o600, False)
    assert other.read_text() == "other"
    assert [each.name for each in desk.root.iterdir() if each.name.startswith(".plan")] == []


def test_a_plan_is_saved_over_files_only(desk: Desk) -> None:
    """A device keeps its name: renaming a plan over /dev/null would take it from the whole machine."""
    desk.write("crm/a.yaml", ACME)
    os.mkfifo(desk.root / "pipe")

    ran = desk.run("plan", "--out", "pipe")

    assert _said(ran) == (64, "error: The plan cannot be saved to pipe: There is something that is not a file.\n")
    assert (desk.root / "pipe").is_fifo()


def test_a_plan_is_not_saved_into_a_folder_that_is_not_there(desk: Desk) -> None:
    """A slip of the pen makes no folders, and costs no request."""
    desk.write("crm/a.yaml", "companies:\n  acme: {name: Acme}\n")

    ran = desk.run("plan", "--out", "plnas/plan.json")

    assert (ran.code, ran.out, len(desk.sandbox.log)) == (64, "", 0)
    assert "There is no folder plnas" in ran.err
    assert not (desk.root / "plnas").exists()


def _tags(desk: Desk) -> list[str]:
    (body,) = desk.sandbox.records("companies")
    return sorted(body["tags"])


def test_what_others_add_to_a_set_does_not_set_its_change_aside(desk: Desk) -> None:
    """A saved plan is about our members: a tag that somebody added since stays, and ours is written as reviewed."""
    desk.write("crm/a.yaml", "companies:\n  acme: {name: Acme, tags: [one, two]}\n")
    desk.done("apply", "-y")
    desk.write("crm/a.yaml", "companies:\n  acme: {name: Acme, tags: [two, three]}\n")
    desk.done("plan", "--out", "plan.json")
    desk.sandbox.edit("companies", desk.id("companies.acme"), {"tags": ["one", "two", "theirs"]})

    desk.done("apply", "plan.json")

    assert _tags(desk) == ["theirs", "three", "two"]


def test_what_others_did_to_our_members_sets_it_aside(desk: Desk) -> None:
    """They removed the tag that the plan was to remove, and put in the one that it was to add: it is another change now."""
    desk.write("crm/a.yaml", "companies:\n  acme: {name: Acme, tags: [one, two]}\n")
    desk.done("apply", "-y")
    desk.write("crm/a.yaml", "companies:\n  acme: {name: Acme, tags: [two, three]}\n")
    desk.done("plan", "--out", "plan.json")
    desk.sandbox.edit("companies", desk.id("companies.acme"), {"tags": ["two"]})

    ran = desk.run("apply", "plan.json")

    assert (ran.code, _tags(desk)) == (6, ["two"]), ran


DEAL = """\
people:
  ann: {name: Ann, title: Buyer}
opportunities:
  deal: {name: Deal, pipeline: Renewals, stage: Upcoming}
"""


def test_what_was_done_meanwhile_is_set_aside_and_its_labels_stay_known(desk: Desk) -> None:
    """A stage whose name two pipelines have is found by the pipeline of its record, also where that has not moved since."""
    desk.write("crm/a.yaml", DEAL)
    desk.done("apply", "-y")
    desk.done("plan")
    desk.write("crm/a.yaml", DEAL.replace("Upcoming", "Negotiation").replace("Buyer", "Seller"))
    desk.done("plan", "--out", "plan.json")
    desk.done("apply", "-y", "--only", "opportunities.deal")
    desk.done("plan")
    judged = desk.run("plan", "-v").err
    ran = desk.run("apply", "plan.json")

    assert "1 of 2 judged closely" in judged
    assert (ran.code, ran.err) == (6, "")
    assert "Applied 1, conflicts 1." in ran.out
