"""The command line as a whole: exit codes, streams, help, nasty input, and that nothing leaks."""

from __future__ import annotations

import ast
import json
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import jsonschema
import pytest

from crmsync.cli import COMMANDS, cli
from crmsync.project.files import schema
from crmsync.sandbox import Fault
from tests.desk import KEY, SETTINGS, Desk

ACME = "companies:\n  acme:\n    name: Acme\n    email_domain: acme.com\n    details: Canary Detail\n    tags: [canarytag]\n"
COMMAND_FILES = sorted((Path(__file__).parents[1] / "crmsync" / "cli").glob("*.py"))


def _all_commands() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        found.append((name,))
        if isinstance(command, click.Group):
            found += [(name, each) for each in command.commands]
    return found


# --- exit codes (design.md section 5) -----------------------------------------------------------


def _no_change(desk: Desk) -> None:
    desk.done("apply", "-y")


def _unplanned(desk: Desk) -> None:
    pass


def _broken_file(desk: Desk) -> None:
    desk.write("crm/a.yaml", "companies: [")


def _wrong_key(desk: Desk) -> None:
    desk.sandbox.faults = [Fault("status_before", status=401)]


def _no_permission(desk: Desk) -> None:
    desk.sandbox.faults = [Fault("status_before", path="companies/search", status=403)]


def _other_account(desk: Desk) -> None:
    desk.write("crmsync.yaml", f"{SETTINGS}account: 99\n")


def _refused_by_copper(desk: Desk) -> None:
    desk.sandbox.faults = [Fault("status_before", method="POST", path="companies(/bulk_create)?$", status=422)]


def _gone(desk: Desk) -> None:
    desk.done("apply", "-y")
    desk.sandbox.delete("companies", desk.id("companies.acme"))


def _server_down(desk: Desk) -> None:
    desk.environ["COPPER_BASE_URL"] = "http://127.0.0.1:9/developer_api/v1"


CODES: list[tuple[int, Callable[[Desk], None], list[str]]] = [
    (0, _unplanned, ["plan"]),
    (0, _no_change, ["apply", "-y"]),
    (0, _no_change, ["plan", "--detailed-exitcode"]),
    (1, _broken_file, ["plan"]),
    (1, _broken_file, ["validate"]),
    (1, _broken_file, ["apply", "-y"]),
    (2, _unplanned, ["plan", "--detailed-exitcode"]),
    (3, _wrong_key, ["plan"]),
    (3, _wrong_key, ["apply", "-y"]),
    (3, _wrong_key, ["doctor"]),
    (3, _no_permission, ["plan"]),
    (5, _other_account, ["plan"]),
    (5, _other_account, ["apply", "-y"]),
    (6, _refused_by_copper, ["apply", "-y"]),
    (6, _gone, ["apply", "-y"]),
    (64, _unplanned, ["apply"]),
    (64, _unplanned, ["plan", "--nonsense"]),
]


@pytest.mark.parametrize(
    ("code", "arrange", "arguments"), CODES, ids=lambda each: each.__name__ if callable(each) else str(each)
)
def test_exit_codes(desk: Desk, code: int, arrange: Callable[[Desk], None], arguments: list[str]) -> None:
    """Each exit code of the table is what a command ends with; 4 and 130 are in test_signals.py."""
    desk.write("crm/a.yaml", ACME)
    arrange(desk)

    ran = desk.run(*arguments)

    assert ran.code == code, ran
    assert "Traceback" not in ran.err


@pytest.mark.soak
def test_no_server_is_an_error(desk: Desk) -> None:
    """When nobody answers, the command says so after its patience and ends with 1."""
    desk.write("crm/a.yaml", ACME)
    _server_down(desk)

    ran = desk.run("plan")

    assert (ran.code, ran.out) == (1, "")


# --- help and house rules -----------------------------------------------------------------------


@pytest.mark.parametrize("words", _all_commands(), ids=" ".join)
def test_help_has_an_example(desk: Desk, words: tuple[str, ...]) -> None:
    """The help of each command fits a sentence, its options and an example; groups lead to their commands."""
    out = desk.done(*words, "--help")
    command: click.Command = cli
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found

    assert "\\x" not in out, "an escaped control character"
    assert "Example: crmsync" in out or isinstance(command, click.Group)
    assert isinstance(command, click.Group) or {"--profile", "--verbose"} <= {
        name for each in command.params for name in each.opts
    }


def test_help_of_everything_is_plain_text(desk: Desk) -> None:
    """Marks that keep lines together are for click and not for readers."""
    out = desk.done("--help")

    assert "\\x" not in out
    assert "Example: crmsync plan --out plan.json" in out


@pytest.mark.parametrize("path", COMMAND_FILES, ids=lambda path: path.name)
def test_command_files_are_short(path: Path) -> None:
    """A command is a file of under 80 lines of code: parse, call, print, exit code."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lines = {node.lineno for node in ast.walk(tree) if hasattr(node, "lineno")}
    docs = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or 0) + 1)
    }

    assert path.name == "watching.py" or len(lines - docs) < 80


def test_no_option_takes_a_key() -> None:
    """A key on a command line would be in the list of processes and in the shell's history."""
    for words in _all_commands():
        command = cli.get_command(click.Context(cli), words[0])
        assert command is not None
        names = [name for each in command.params for name in each.opts]

        assert not any("key" in name or "token" in name or "secret" in name for name in names)


# --- streams ------------------------------------------------------------------------------------


def test_json_outputs_parse(desk: Desk) -> None:
    """`plan --json` is one document under its schema, `apply --json` one object a line, and stderr is apart."""
    desk.write("crm/a.yaml", ACME)
    desk.write("crm/b.yaml", "people:\n  ann:\n    name: Ann\n    emails: [ann@acme.com]\n    title: Null\n")

    planned = desk.run("plan", "--json", "--timing", "--out", "plan.json")
    document = json.loads(planned.out)
    jsonschema.Draft202012Validator(schema("plan")).validate(document)
    applied = desk.run("apply", "-y", "--json")
    lines = [json.loads(line) for line in applied.out.splitlines()]

    assert document == json.loads((desk.root / "plan.json").read_text())
    assert json.loads(desk.done("show", "plan.json", "--json")) == document
    assert [each["type"] for each in lines] == ["planned", "outcome", "outcome", "summary"]
    assert lines[-1]["counts"]["applied"] == 2
    assert "warning[CRM016]" in planned.err
    assert "warning[CRM016]" in applied.err
    assert all(json.loads(desk.done(*words, "--json")) for words in (["validate"], ["doctor"], ["state", "list"]))
    assert json.loads(desk.done("state", "show", "people.ann", "--json"))["record_id"] == desk.id("people.ann")


def test_same_input_same_bytes(desk: Desk) -> None:
    """Two plans of the same world are the same bytes."""
    desk.write("crm/a.yaml", ACME)

    assert desk.done("plan") == desk.done("plan")


def test_colours(desk: Desk) -> None:
    """Colours only where they are wanted: FORCE_COLOR wins over a pipe, NO_COLOR over everything."""
    desk.write("crm/a.yaml", ACME)

    assert "\x1b[" not in desk.done("plan")
    assert "\x1b[32m" in desk.done("plan", FORCE_COLOR="1")
    assert "\x1b[" not in desk.done("plan", FORCE_COLOR="1", NO_COLOR="1")
    desk.write("crm/a.yaml", "companies: {acme: {colour: red}}")
    assert "\x1b[31m" in desk.run("plan", FORCE_COLOR="1").err


# --- nasty input --------------------------------------------------------------------------------


def _dir_as_file(desk: Desk) -> None:
    (desk.root / "crm").mkdir(exist_ok=True)
    (desk.root / "crm" / "b.yaml").mkdir()


def _not_utf8(desk: Desk) -> None:
    (desk.root / "crm" / "b.yaml").write_bytes(b"\xff\xfe\x00companies:")


def _link_outside(desk: Desk) -> None:
    (desk.root / "crm" / "b.yaml").symlink_to("/etc/passwd")


def _dangling_link(desk: Desk) -> None:
    (desk.root / "crm" / "b.yaml").symlink_to("nowhere.yaml")


def _settings_folder(desk: Desk) -> None:
    (desk.root / "crmsync.yaml").unlink()
    (desk.root / "crmsync.yaml").mkdir()


def _settings_binary(desk: Desk) -> None:
    (desk.root / "crmsync.yaml").write_bytes(os.urandom(200))


def _binary_plan(desk: Desk) -> None:
    (desk.root / "plan.json").write_bytes(b"\x00\xff" * 100)


def _odd_plan(desk: Desk) -> None:
    desk.write("plan.json", '{"format_version": "1.0", "crmsync": {}, "resource_changes": [{}]}')


def _newer_plan(desk: Desk) -> None:
    desk.write("plan.json", '{"format_version": "2.0", "crmsync": {}, "resource_changes": []}')


def _deep_plan(desk: Desk) -> None:
    desk.write("plan.json", "[" * 100_000)


def _state_text(desk: Desk) -> None:
    desk.write(".crmsync/state.db", "this is no database")


def _state_empty(desk: Desk) -> None:
    desk.write(".crmsync/state.db", "")


def _state_folder(desk: Desk) -> None:
    (desk.root / ".crmsync" / "state.db").mkdir(parents=True)


def _state_flipped(desk: Desk) -> None:
    desk.done("apply", "-y")
    path = desk.root / ".crmsync" / "state.db"
    data = bytearray(path.read_bytes())
    for place in range(100, len(data), 97):
        data[place] ^= 0xFF
    path.write_bytes(bytes(data))


def _private_is_a_file(desk: Desk) -> None:
    desk.write(".crmsync", "not a folder")


def _cache_is_nonsense(desk: Desk) -> None:
    desk.done("plan")
    (desk.root / ".crmsync" / "cache" / "default" / "account.json").write_text('{"labels": 7, "definitions": "x"}')
    (desk.root / ".crmsync" / "pace.json").write_text("[[[")


def _evil_address(desk: Desk) -> None:
    desk.environ["COPPER_BASE_URL"] = "http://evil.example/developer_api/v1"


def _almost_this_machine(desk: Desk) -> None:
    desk.environ["COPPER_BASE_URL"] = "http://127.0.0.1.evil.example/developer_api/v1"


def _address_with_login(desk: Desk) -> None:
    desk.environ["COPPER_BASE_URL"] = "https://user:word@api.copper.com/developer_api/v1"


def _key_with_newline(desk: Desk) -> None:
    desk.environ["COPPER_API_KEY"] = f"{KEY}\r\nX-Evil: 1"


def _html(desk: Desk) -> None:
    desk.sandbox.faults = [Fault("html", path="account")]


def _redirect(desk: Desk) -> None:
    desk.sandbox.faults = [Fault("redirect")]


NASTY: list[tuple[Callable[[Desk], None], list[str], set[int]]] = [
    (_dir_as_file, ["plan"], {0}),
    (_not_utf8, ["plan"], {1}),
    (_link_outside, ["plan"], {1}),
    (_dangling_link, ["plan"], {1}),
    (_settings_folder, ["plan"], {64}),
    (_settings_binary, ["plan"], {1}),
    (_binary_plan, ["apply", "plan.json"], {5}),
    (_binary_plan, ["show", "plan.json"], {5}),
    (_odd_plan, ["apply", "plan.json"], {5}),
    (_odd_plan, ["show", "plan.json"], {5}),
    (_newer_plan, ["show", "plan.json"], {5}),
    (_deep_plan, ["show", "plan.json"], {5}),
    (_unplanned, ["show", "crm"], {64}),
    (_unplanned, ["show", "crmsync.yaml"], {5}),
    (_state_text, ["plan"], {1}),
    (_state_text, ["apply", "-y"], {1}),
    (_state_text, ["state", "list"], {1}),
    (_state_text, ["doctor"], {1}),
    (_state_empty, ["plan"], {1}),
    (_state_folder, ["plan"], {1}),
    (_state_flipped, ["plan"], {1}),
    (_private_is_a_file, ["plan"], {1}),
    (_private_is_a_file, ["apply", "-y"], {1}),
    (_private_is_a_file, ["unlock"], {0, 1}),
    (_private_is_a_file, ["validate"], {0}),
    (_cache_is_nonsense, ["validate"], {0}),
    (_cache_is_nonsense, ["plan"], {0}),
    (_evil_address, ["plan"], {1}),
    (_evil_address, ["apply", "-y"], {1}),
    (_address_with_login, ["plan"], {1}),
    (_key_with_newline, ["plan"], {3}),
    (_unplanned, ["plan", "--out", "/proc/plan.json"], {1}),
    (_unplanned, ["plan", "--out", "crm"], {64}),
    (_unplanned, ["plan", "--only", "["], {0, 64}),
    (_unplanned, ["apply", "-y", "--backup", "crmsync.yaml"], {64}),
    (_unplanned, ["state", "show", "companies.nobody"], {1}),
    (_unplanned, ["state", "forget", "nonsense"], {64}),
    (_unplanned, ["state", "forget", "companies.acme"], {1}),
    (_unplanned, ["sandbox", "edit", "companies/x", "a=b"], {64}),
    (_unplanned, ["sandbox", "edit", "companies/1", "nonsense"], {64}),
    (_evil_address, ["sandbox", "log"], {64}),
    (_almost_this_machine, ["sandbox", "log"], {64}),
    (_almost_this_machine, ["plan"], {1}),
]


@pytest.mark.parametrize(
    ("arrange", "arguments", "codes"), NASTY, ids=lambda each: each.__name__ if callable(each) else None
)
def test_no_traceback(desk: Desk, arrange: Callable[[Desk], None], arguments: list[str], codes: set[int]) -> None:
    """Whatever is wrong, a sentence says so on stderr, and the key is in none."""
    desk.write("crm/a.yaml", ACME)
    arrange(desk)

    ran = desk.run(*arguments)

    assert ran.code in codes, ran
    assert "Traceback" not in ran.err
    assert "has a fault" not in ran.err, (desk.root / ".crmsync" / "fault.txt").read_text()
    assert ran.err or ran.code == 0 or arguments == ["doctor"]
    assert KEY not in ran.out + ran.err


def test_a_fault_of_ours_is_told_without_a_traceback(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception nobody expected is one sentence; where it happened stands in a private file."""
    desk.write("crm/a.yaml", ACME)
    desk.done("plan")
    monkeypatch.setattr("crmsync.project.planning.build", lambda *_: 1 / 0)

    ran = desk.run("plan")

    assert ran.code == 1
    assert ran.err == (
        "error: crmsync has a fault (ZeroDivisionError). Nothing more was sent. Please report it; .crmsync/fault.txt says "
        "where it happened.\n"
    )
    assert stat.S_IMODE((desk.root / ".crmsync" / "fault.txt").stat().st_mode) == 0o600


# --- outputs that nobody takes ------------------------------------------------------------------


def _shell(desk: Desk, line: str) -> subprocess.CompletedProcess[str]:
    program = f"{sys.executable} -c 'from crmsync.cli import main; main()'"
    text = line.replace("crmsync", program)
    return subprocess.run(
        ["bash", "-c", text], cwd=desk.root, env=desk.environment(), capture_output=True, text=True, timeout=60
    )


def test_a_reader_who_leaves(desk: Desk) -> None:
    """`crmsync plan | head -1` is no error, and says nothing about pipes."""
    desk.write("crm/a.yaml", ACME)

    done = _shell(desk, "crmsync plan --json | head -1; exit ${PIPESTATUS[0]}")

    assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", "")


def test_an_apply_outlives_its_reader(desk: Desk) -> None:
    """`crmsync apply | head -1` does all of its work although nobody reads on."""
    desk.write("crm/a.yaml", "companies:\n" + "".join(f"  c{n}:\n    name: Company {n}\n" for n in range(30)))

    done = _shell(desk, "crmsync apply -y | head -1; exit ${PIPESTATUS[0]}")

    assert (done.returncode, done.stderr) == (0, "")
    assert len(desk.names("companies")) == 30
    assert "No changes." in desk.done("plan")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk(desk: Desk) -> None:
    """Output that cannot be written is an error with a sentence; an apply does its work all the same."""
    desk.write("crm/a.yaml", ACME)
    said = "error: The output could not be written: No space left on device.\n"

    planned = _shell(desk, "crmsync plan > /dev/full")
    applied = _shell(desk, "crmsync apply -y > /dev/full")

    assert (planned.returncode, planned.stderr) == (1, said)
    assert (applied.returncode, applied.stderr) == (1, said)
    assert desk.names("companies") == ["Acme"]


def test_closed_streams(desk: Desk) -> None:
    """Closed streams are no error, and never let output run into a file that was opened in their place."""
    desk.write("crm/a.yaml", ACME)

    applied = _shell(desk, "crmsync apply -y <&- >&- 2>&-")
    planned = _shell(desk, "crmsync plan >&-")

    assert (applied.returncode, planned.returncode, planned.stderr) == (0, 0, "")
    assert "No changes." in desk.done("plan")


# --- nothing leaks ------------------------------------------------------------------------------


def test_nothing_leaks(desk: Desk) -> None:
    """
    The key is in no output and no file, the state holds no value of a field, and all that is written is for its owner.

    Copies of deleted records hold values, that is what they are for, and the cache has what the files say, as they do.
    """
    desk.write("crm/a.yaml", ACME)
    desk.write("crm/b.yaml", "companies:\n  other:\n    name: Canary Other\n")
    before = set(desk.root.rglob("*"))
    old = os.umask(0o022)
    try:
        outputs = [desk.run("plan", "--out", "plan.json", "-vv"), desk.run("apply", "plan.json", "-vv")]
        desk.sandbox.edit("companies", desk.id("companies.acme"), {"details": "Canary Drift"})
        desk.write("crm/b.yaml", "people:\n  ann:\n    name: Canary Ann\n    emails: [canary@acme.com]\n")
        outputs += [
            desk.run(*words) for words in (["apply", "-y", "-vv"], ["doctor", "-vv"], ["state", "list"], ["validate"])
        ]
        desk.sandbox.faults = [Fault("status_before", status=500, path="account", nth=1), Fault("status_before", status=401)]
        outputs += [desk.run("plan"), desk.run("doctor", "--json")]
    finally:
        os.umask(old)
    written = set(desk.root.rglob("*")) - before
    files = [path for path in written if path.is_file()]
    database = "\n".join(sqlite3.connect(desk.root / ".crmsync" / "state.db").iterdump())

    assert not any(KEY in ran.out + ran.err for ran in outputs)
    assert [path.name for path in files if KEY.encode() in path.read_bytes()] == []
    assert "anary" not in database
    assert "acme.com" not in database
    holding = {path.relative_to(desk.root).parts for path in files if b"anary" in path.read_bytes()}
    kept = {parts for parts in holding if parts[:2] == (".crmsync", "runs") and parts[2].endswith(".jsonl")}
    cached = {parts for parts in holding if parts[:2] == (".crmsync", "cache")}
    assert holding - kept - cached <= {("plan.json",), ("crm", "b.yaml")}
    assert kept
    modes = {
        str(path.relative_to(desk.root)): stat.S_IMODE(path.stat().st_mode) for path in written if path.name != "b.yaml"
    }
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}


def test_the_key_is_not_among_the_arguments(desk: Desk) -> None:
    """While a command runs, its command line does not hold the key."""
    desk.write("crm/a.yaml", ACME)
    seen: list[bytes] = []

    def look(sandbox: object, request: object) -> object:
        seen.append(Path(f"/proc/{process.pid}/cmdline").read_bytes())
        return desk.sandbox.handle(request)

    desk.stage.hook = look
    process = desk.spawn("plan")
    process.communicate(timeout=60)

    assert process.returncode == 0
    assert seen
    assert not any(KEY.encode() in each for each in seen)


def test_a_saved_plan_is_sealed(desk: Desk) -> None:
    """Whatever is changed in a saved plan, down to the time it was made, makes it refused."""
    desk.write("crm/a.yaml", "companies:\n  acme: {name: Acme, custom_fields: {Score: 0.1}}\n")
    desk.run("plan", "--out", "plan.json")
    path = desk.root / "plan.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"state_was_empty": true', '"state_was_empty": false'), encoding="utf-8")
    changed = desk.run("apply", "plan.json")
    path.write_text(text, encoding="utf-8")

    again = desk.run("apply", "plan.json")

    assert (changed.code, again.code) == (5, 0), again.out
    assert "was changed since it was saved" in changed.err
