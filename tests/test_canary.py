"""
Nothing leaks: a key, a state key and customers' values that are nowhere else, through every command, fault and verbosity.

All that is printed and all that is written is searched for them, in each of the forms that a text takes on its way. The
keys belong nowhere; values belong in saved plans, copies, decisions, the mirror, and on stdout and stderr.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import html
import itertools
import json
import os
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

import pytest

from crmsync.copper.client import Client
from crmsync.sandbox import Fault, Sandbox
from tests.desk import SETTINGS, Desk, Ran

#: With characters that each form writes differently.
KEY = 'sandbox-cAnaRy/+7"9\\<q&z=5e1f'
STATE_KEY = 'sTate-cAnaRy/+3"1\\<w&y=8b2d'
VALUES = ("Zanzibar Quokka 7719", "Okapi-Details-4402", "xylo.canary@acme.com", "tag-narwhal-31")

ACME = f"""
companies:
  acme:
    name: {VALUES[0]}
    email_domain: acme.com
    details: {VALUES[1]}
    tags: [{VALUES[3]}]
people:
  ann:
    name: Ann {VALUES[0]}
    emails: [{VALUES[2]}]
    company: acme
"""


# --- the forms of a text ------------------------------------------------------------------------


def forms(text: str) -> dict[str, bytes]:
    """Return what to look for: *text* as it is, and in every form it may take on its way into an output."""
    content = text.encode()
    found = {
        "plain": content,
        "reversed": content[::-1],
        "hex": content.hex().encode(),
        "HEX": content.hex().upper().encode(),
        "URL": quote(text, safe="").encode(),
        "path": quote(text).encode(),
        "every byte as %": "".join(f"%{byte:02X}" for byte in content).encode(),
        "JSON": json.dumps(text)[1:-1].encode(),
        "every character as \\u": "".join(f"\\u{ord(each):04x}" for each in text).encode(),
        "repr": repr(text)[1:-1].encode(),
        "HTML": html.escape(text).encode(),
        "UTF-16 LE": text.encode("utf-16-le"),
        "UTF-16 BE": text.encode("utf-16-be"),
    }
    for name, encode in (("base64", base64.b64encode), ("base64 for addresses", base64.urlsafe_b64encode)):
        for before in range(3):
            # What stands before shifts it; the first and last characters depend on the neighbours.
            shifted = encode(b"\0" * before + content)
            found[f"{name}, shifted by {before}"] = shifted[4 if before else 0 : len(shifted) // 4 * 4 - 4]
    return found


def seen_in(content: bytes, texts: Mapping[str, str]) -> list[str]:
    """Return which of *texts* are in *content*, and in what form."""
    return [f"{name}: {form}" for name, text in texts.items() for form, needle in forms(text).items() if needle in content]


@pytest.mark.parametrize("text", [KEY, STATE_KEY, *VALUES])
def test_each_form_is_noticed(text: str) -> None:
    """The search finds what it looks for, with anything around it."""
    for before in range(3):
        around = b"x" * before + text.encode() + b"y"
        for encoded in (base64.b64encode(around), base64.urlsafe_b64encode(around)):
            assert seen_in(b"..." + encoded, {"it": text}), (before, encoded)
    for form in forms(text).values():
        assert len(form) >= 12
        assert seen_in(b"..." + form + b"...", {"it": text})


# --- faults -------------------------------------------------------------------------------------


def _echoing(status: int) -> Callable[[Sandbox, Any], Any]:
    """Return what answers with all that it was sent, headers included, in several forms."""

    def answer(sandbox: Sandbox, request: Any) -> Any:
        reply = sandbox.handle(request)
        if request.path.startswith("/account") and status in (422, 500):
            return reply
        headers = {name.lower(): text for name, text in request.headers.items()}
        key = headers.get("x-pw-accesstoken", "")
        shown = [key, quote(key, safe=""), base64.b64encode(key.encode()).decode(), key.encode().hex()]
        shown += [f"{name}: {text}" for name, text in headers.items()]
        body = json.dumps({"success": False, "status": status, "message": " ".join(shown)}).encode()
        if status == 200:
            body = f"<html>{' '.join(shown)}</html>".encode()
        return dataclasses.replace(
            reply, status=status, body=body, headers={"X-Echo": key, "Content-Length": str(len(body))}
        )

    return answer


FAULTS: dict[str, Callable[[Sandbox, Any], Any] | list[Fault] | None] = {
    "none": None,
    "echo 422": _echoing(422),
    "echo 401": _echoing(401),
    "redirect": [Fault("redirect", path="companies|people|pipelines")],
    "422": [Fault("status_before", method="POST", path="(companies|people)(/bulk_create)?$", status=422)],
    "fault of ours": None,
    # Only in the long run.
    "echo 200": _echoing(200),
    "echo 500": _echoing(500),
    "html": [Fault("html", path="companies|people")],
    "403": [Fault("status_before", path="companies|people", status=403)],
    "truncated": [Fault("truncated", path="companies|people")],
    "delete": [Fault("delete", path="companies/search", nth=1)],
    "429": [Fault("status_before", status=429, retry_after=0, nth=range(2, 4))],
    "503": [Fault("status_before", status=503, nth=2)],
    "reset": [Fault("reset_after", path="companies|people", nth=2)],
    "late": [Fault("late", method="POST", path="bulk_create", delay=1.0, seconds=0.1)],
    "clone": [Fault("clone", path="companies")],
    "merge": [Fault("merge", path="companies/search", nth=2)],
}
QUICK = list(itertools.takewhile(lambda name: name != "echo 200", FAULTS))

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("validate",),
    ("plan",),
    ("plan", "--json"),
    ("plan", "--redact", "--format", "html"),
    ("plan", "--out", "plan.json"),
    ("show", "plan.json"),
    ("apply", "plan.json", "--settle", "0"),
    ("apply", "-y", "--settle", "0"),
    ("apply", "-y", "--json", "--settle", "0", "--backup", "copies"),
    ("plan", "--decisions", "--for-approval"),
    ("runs",),
    ("undo", "RUN", "-y", "--settle", "0"),
    ("state", "copies"),
    ("get", "companies", "-o", "csv"),
    ("get", "people"),
    ("labels", "users"),
    ("state", "list"),
    ("state", "show", "companies.acme"),
    ("state", "forget", "companies.other"),
    ("doctor",),
    ("doctor", "--json"),
    ("unlock",),
    ("init",),
    ("login",),
    ("nonsense",),
    ("plan", "--profile", "nobody"),
)


def _worlds(desk: Desk) -> Iterator[None]:
    """Bring about, one after the other, a new project, one with drift and a delete, and one with errors in the files."""
    desk.write("crm/a.yaml", ACME)
    desk.write("crm/b.yaml", f"companies:\n  other:\n    name: Other {VALUES[0]}\n")
    yield
    desk.stage.hook, desk.sandbox.faults = None, []
    desk.run("apply", "-y")
    for body in desk.sandbox.records("companies"):
        desk.sandbox.edit("companies", body["id"], {"details": f"Theirs {VALUES[1]}"})
    (desk.root / "crm" / "b.yaml").unlink()
    yield
    desk.write("crm/b.yaml", f"companies:\n  wrong:\n    name: {VALUES[0]}\n    stage: {VALUES[1]}\n    colour: x\n")
    yield


class Searched:
    """All outputs and all files of a desk, searched."""

    def __init__(self, desk: Desk, *, has_state_key: bool) -> None:
        self.desk = desk
        self.secrets = {"key": KEY, **({"state key": STATE_KEY} if has_state_key else {})}
        self.has_state_key = has_state_key
        self.runs = 0
        self.found: list[str] = []

    def run(self, *words: str) -> Ran:
        """Run a command, and search what it printed and wrote."""
        ran = self.desk.run(*(_last_run(self.desk) if word == "RUN" else word for word in words))
        self.runs += 1
        where = " ".join(words)
        self.found += [f"{where}: output: {each}" for each in seen_in((ran.out + ran.err).encode(), self.secrets)]
        if "--redact" in words:
            self.found += [f"{where}: output: {each}" for each in seen_in(ran.out.encode(), _values())]
        return ran

    def look(self) -> None:
        """Search the files."""
        self.found += self.files()

    def files(self) -> Iterator[str]:
        """Yield what is found in files."""
        for path in sorted(self.desk.root.rglob("*")):
            name = str(path.relative_to(self.desk.root))
            if name.startswith("crm/") or not path.is_file():
                continue
            content = path.read_bytes()
            yield from (f"{name}: {each}" for each in seen_in(content, self.secrets))
            if not self.holds_values(name):
                yield from (f"{name}: {each}" for each in seen_in(content, _values()))

    def holds_values(self, name: str) -> bool:
        """Say whether values belong into the file: the caches, asked-for backups; plans and copies that nothing seals."""
        if name.startswith("copies/") or name.endswith(("/mirror.db", ".sheet")):
            return True
        # An archive of decisions is as the file was: in the open, private.
        if name == "decisions.yaml" or name.startswith(".crmsync/runs/decisions-"):
            return True
        return not self.has_state_key and (name == "plan.json" or name.startswith(".crmsync/runs/"))


def _last_run(desk: Desk) -> str:
    runs = json.loads(desk.run("runs", "--json").out or "[]")
    return str(runs[0]["run"]) if runs else "none"


def _values() -> dict[str, str]:
    return {f"value {number}": text for number, text in enumerate(VALUES)}


@pytest.fixture
def hurried() -> Iterator[None]:
    """Let no client sleep before it tries again."""
    made = Client.__init__

    def hurry(self: Client, *arguments: Any, **settings: Any) -> None:
        made(self, *arguments, **{**settings, "sleep": lambda _: None})

    with mock.patch.object(Client, "__init__", hurry):
        yield


def _search(desk: Desk, fault: str, verbosities: tuple[str, ...], has_state_key: bool) -> Searched:
    desk.environ = {"COPPER_API_KEY": KEY, "TMPDIR": str(desk.root), "CRMSYNC_STATE_KEY": STATE_KEY if has_state_key else ""}
    searched = Searched(desk, has_state_key=has_state_key)
    chosen = FAULTS[fault]
    for _ in _worlds(desk):
        for number, words in enumerate(COMMANDS):
            desk.stage.hook = chosen if callable(chosen) else None
            desk.sandbox.faults = chosen if isinstance(chosen, list) else []
            verbosity = verbosities[number % len(verbosities)]
            with mock.patch("crmsync.project.planning.build", _raising) if fault == "fault of ours" else mock.MagicMock():
                searched.run(*words, *(verbosity.split() if words[-1] != "nonsense" else ()))
        searched.look()
    desk.stage.hook = None
    return searched


def _raising(*_: Any) -> Any:
    raise ZeroDivisionError


@pytest.mark.parametrize("fault", QUICK)
def test_nothing_leaks(desk: Desk, hurried: None, fault: str) -> None:
    """Each command under each fault, in turn with -v and -vv; every other fault with a state key."""
    searched = _search(desk, fault, ("", "-v", "-vv"), has_state_key=QUICK.index(fault) % 2 == 0)

    assert searched.found == []
    assert searched.runs == 3 * len(COMMANDS)


@pytest.mark.soak
@pytest.mark.parametrize("has_state_key", [False, True], ids=["plain", "sealed"])
@pytest.mark.parametrize("verbosity", ["", "-v", "-vv"])
@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_leaks_anywhere(desk: Desk, hurried: None, fault: str, verbosity: str, has_state_key: bool) -> None:
    """Each command under each fault at each verbosity, with and without a state key."""
    assert _search(desk, fault, (verbosity,), has_state_key).found == []


def test_the_search_sees_values(desk: Desk) -> None:
    """Without the places where values belong the search does find them: a plan, a copy."""
    desk.write("crm/a.yaml", ACME)
    with mock.patch.object(Searched, "holds_values", return_value=False):
        searched = Searched(desk, has_state_key=False)
        searched.run("plan", "--out", "plan.json")
        searched.look()

    assert {f"plan.json: value {number}: plain" for number in range(len(VALUES))} <= {*searched.found}


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_no_command_line_shows_a_key(desk: Desk) -> None:
    """While a command runs, no process of the machine has a key among its arguments."""
    desk.environ = {"COPPER_API_KEY": KEY, "CRMSYNC_STATE_KEY": STATE_KEY}
    desk.write("crm/a.yaml", ACME)
    lines: set[bytes] = set()

    def look(sandbox: Sandbox, request: Any) -> Any:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                lines.add(path.read_bytes())
        return sandbox.handle(request)

    desk.stage.hook = look
    ran = desk.call("apply", "-y", "-vv")

    assert ran.code == 0, ran
    assert any(b"apply" in line for line in lines)
    assert seen_in(b"\n".join(lines), {"key": KEY, "state key": STATE_KEY}) == []
    assert seen_in((ran.out + ran.err).encode(), {"key": KEY, "state key": STATE_KEY}) == []


def test_git_is_given_no_key(desk: Desk) -> None:
    """With the state in a git ref: git, its hooks and its helpers see neither key, in arguments or environment."""
    real = shutil.which("git")
    assert real is not None
    for words in (["init", "--bare", "../remote.git"], ["init", "."], ["remote", "add", "origin", "../remote.git"]):
        subprocess.run([real, *words], cwd=desk.root, check=True, capture_output=True)
    programs = desk.root.parent / "programs"
    programs.mkdir()
    (programs / "git").write_text(f'#!/bin/sh\n{{ env; echo "$@"; }} >> {programs}/seen\nexec {real} "$@"\n')
    (programs / "git").chmod(0o755)
    desk.environ = {
        "COPPER_API_KEY": KEY,
        "CRMSYNC_STATE_KEY": STATE_KEY,
        "PATH": f"{programs}:{os.environ['PATH']}",
    }
    desk.write("crm/a.yaml", ACME)
    desk.write("crmsync.yaml", f"{SETTINGS}state: git:refs/crmsync/main\n")

    desk.done("apply", "-y", "-vv")
    seen = (programs / "seen").read_bytes()

    assert b"push" in seen
    assert seen_in(seen, {"key": KEY, "state key": STATE_KEY}) == []
    for path in (desk.root.parent / "remote.git").rglob("*"):
        if path.is_file() and "objects" in path.parts and path.suffix != ".idx":
            content = path.read_bytes()
            with contextlib.suppress(zlib.error):
                content = zlib.decompress(content)
            assert seen_in(content, {"key": KEY, "state key": STATE_KEY, **_values()}) == []
