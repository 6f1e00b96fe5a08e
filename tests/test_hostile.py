"""Whatever others write into Copper, files, names or the state: no command shows it in a way that acts."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from crmsync.model.store import Holder
from crmsync.sandbox import Fault, Sandbox
from tests.desk import Desk, Ran
from tests.render.test_sanitise import BEGINS_LIKE_A_COMMAND, INVISIBLE, dangerous

#: Titles, screens, clipboards, directions, invisible text, lines of ours, commands to build machines.
POISON = (
    "\x1b]0;owned\x07\x1b[2J\x1b]52;c;aGk=\x07\x9b31m\u202e\u2066\u200b\u2028"
    "\r::error::owned\n::set-output name=a::b\n##[add-mask]x ##vso[task.x]\x00\x7f Plan: 0 to add"
)
FIRST = f"::warning::{POISON}"
WORDS = {"name", "details", "message", "title", "street", "city", "first_name", "last_name", "tags", "suffix"}

ACME = (
    "companies:\n  acme:\n    name: Acme\n    email_domain: acme.com\n    details: Ours\n    tags: [a]\n"
    "people:\n  ann:\n    name: Ann Lee\n    emails: [ann@acme.com]\n    title: Boss\n    company: acme\n"
)
TYPES = ("companies", "people", "opportunities", "leads", "tasks", "projects")
TABLES = ("users", "pipelines", "stages", "contact-types", "customer-sources", "loss-reasons", "custom-fields")


def poisoned(value: Any, is_word: bool = False) -> Any:
    """Return a body of Copper with every text that somebody writes made hostile."""
    if isinstance(value, dict):
        return {name: poisoned(each, name in WORDS) for name, each in value.items()}
    if isinstance(value, list):
        return [poisoned(each, is_word) for each in value]
    return f"{FIRST}{value}" if is_word and isinstance(value, str) else value


def hostile_copper(sandbox: Sandbox, request: Any) -> Any:
    """Answer as the sandbox does, in hostile words."""
    reply = sandbox.handle(request)
    try:
        data = json.loads(reply.body)
    except ValueError:
        return reply
    body = json.dumps(poisoned(data)).encode()
    return dataclasses.replace(reply, body=body, headers={**reply.headers, "Content-Length": str(len(body))})


def acting(ran: Ran, is_data: bool = False) -> list[str]:
    """Return what acts in the output of a command; a csv may hold what is merely invisible."""
    found = []
    for text in (ran.out, ran.err):
        found += [repr(each) for each in dangerous(text.replace("\n", "")) if not (is_data and each in INVISIBLE)]
        found += [each.group() for each in BEGINS_LIKE_A_COMMAND.finditer(text)]
    return found


def _files(desk: Desk) -> None:
    desk.write("crm/a.yaml", ACME)


def _managed(desk: Desk) -> None:
    _files(desk)
    desk.done("apply", "-y")
    desk.sandbox.edit("companies", desk.id("companies.acme"), {"details": "Theirs"})
    desk.write("crm/a.yaml", ACME.replace("Boss", "Chief") + "    details: More\n")


def _held_by_somebody(desk: Desk) -> None:
    _files(desk)
    now = time.time()
    desk.hold(Holder("nonce", FIRST, FIRST, 1, now, now))


def _bad_file(desk: Desk) -> None:
    desk.write(
        "crm/::error::\x1b[2J\u202e\n::stop\r##[x].yaml", f"companies:\n  acme: {{colour: {json.dumps(FIRST)}, stage: 1}}\n"
    )


def _refusing(desk: Desk) -> None:
    _files(desk)
    desk.sandbox.faults = [Fault("status_before", method="POST", path="companies(/bulk_create)?$", status=422)]


def _failing(desk: Desk) -> None:
    _files(desk)
    desk.sandbox.faults = [Fault("status_before", path="account", status=403)]


def _saved(desk: Desk) -> None:
    _managed(desk)
    desk.done("plan", "--out", "plan.json")


#: What somebody says on the command line, where no argument can hold a zero byte, and after which words.
SAID = FIRST.replace("\x00", "")
CALLS = (
    ["plan", "--profile"],
    ["plan", "--only"],
    ["show"],
    ["get"],
    ["nonsense"],
    ["state", "show"],
    ["plan", "--recreate"],
    [],
)

CASES: list[tuple[Callable[[Desk], None], list[str]]] = [
    *((_managed, ["plan", *more]) for more in ([], ["-vv"], ["--json"], ["--redact"])),
    *((_managed, ["plan", "--format", style]) for style in ("markdown", "html")),
    (_saved, ["show", "plan.json", "-vv"]),
    (_saved, ["apply", "plan.json", "-vv"]),
    (_managed, ["apply", "-y"]),
    (_managed, ["apply", "-y", "--json"]),
    (_managed, ["state", "list"]),
    (_managed, ["state", "show", "companies.acme"]),
    (_managed, ["doctor"]),
    (_managed, ["doctor", "--json"]),
    *((_managed, ["get", "companies", "-o", style]) for style in ("table", "csv", "json", "jsonl", "yaml")),
    *((_managed, ["get", "people", "--fields", "title,name", "-o", style]) for style in ("table", "csv", "yaml")),
    *((_files, ["labels", table]) for table in TABLES),
    (_files, ["labels", "custom-fields", "-o", "csv"]),
    (_held_by_somebody, ["apply", "-y"]),
    (_held_by_somebody, ["unlock"]),
    (_held_by_somebody, ["doctor"]),
    (_bad_file, ["validate"]),
    (_bad_file, ["validate", "--json"]),
    (_bad_file, ["plan"]),
    (_refusing, ["apply", "-y"]),
    (_refusing, ["apply", "-y", "--json"]),
    (_failing, ["plan"]),
    (_failing, ["doctor"]),
    (_failing, ["get", "companies"]),
    *((_files, [*words, SAID]) for words in CALLS),
    (_files, ["get", "people", "--where", f"name={FIRST}"]),
    (_files, ["plan", "--out", "::error::\x1b[2J\u202e.json"]),
]


@pytest.mark.parametrize(("arrange", "arguments"), CASES, ids=lambda each: each.__name__ if callable(each) else None)
def test_nothing_shown_acts(desk: Desk, arrange: Callable[[Desk], None], arguments: list[str]) -> None:
    """No output moves a cursor, hides or turns text, or commands a build machine."""
    arrange(desk)
    desk.stage.hook = hostile_copper

    ran = desk.run(*arguments)

    assert acting(ran, is_data="csv" in arguments) == []
    assert "Traceback" not in ran.err
    assert "has a fault" not in ran.err, (desk.root / ".crmsync" / "fault.txt").read_text()


def test_the_poison_is_seen(desk: Desk) -> None:
    """The commands above do show hostile text: with the gate and the cleaning off, the check would say so."""
    _managed(desk)
    desk.stage.hook = hostile_copper

    assert r"\x1b]52;c;aGk=\x07" in desk.run("get", "companies", "--fields", "details", "-o", "csv").out
    assert acting(Ran(0, POISON, "")) != []
    assert r"\x1b[2J" in desk.run("plan").out
