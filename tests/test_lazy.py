"""What a command imports: looked up in its own process, for a clock would say something else every day."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.desk import Desk

HEAVY = (
    "requests",
    "deepdiff",
    "jsonschema",
    "sqlite3",
    "rich",
    "starlette",
    "uvicorn",
    "phonenumbers",
    "yaml",
    "rapidfuzz",
    "cryptography",
)
EDGES = ("requests", "urllib3", "deepdiff", "sqlite3", "psycopg", "obstore", "rich", "starlette", "uvicorn", "cryptography")

LOOK = """
import sys
from crmsync.cli import cli
from crmsync.cli.ending import run
code = run(cli, sys.argv[2:])
print(",".join(name for name in sys.argv[1].split(",") if name in sys.modules), file=sys.stderr)
sys.exit(code)
"""


def _imported(root: Path, names: tuple[str, ...], *arguments: str) -> list[str]:
    command = [sys.executable, "-c", LOOK, ",".join(names), *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [name for name in done.stderr.splitlines()[-1].split(",") if name]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["plan", "--help"], ["apply", "--help"], ["init", "--help"]]
)
def test_help_imports_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    """Asking for help costs the start of Python and of click, no more."""
    assert _imported(tmp_path, HEAVY, *arguments) == []


def test_validate_needs_no_network_and_no_database(desk: Desk) -> None:
    """`validate` imports neither an HTTP client nor a database driver, so it can use neither; nor a parser in vain."""
    desk.write("crm/a.yaml", "companies:\n  acme:\n    name: Acme\n")

    assert _imported(desk.root, (*EDGES, "yaml"), "validate") == []

    desk.write("crm/a.yaml", "companies:\n  acme:\n    name: >-\n      Acme\n")

    assert _imported(desk.root, (*EDGES, "yaml"), "validate") == ["yaml"]


def test_validate_writes_nothing(desk: Desk) -> None:
    """`validate` leaves the folder as it was."""
    desk.write("crm/a.yaml", "companies:\n  acme:\n    name: Acme\n")

    desk.done("validate")

    assert sorted(path.name for path in desk.root.rglob("*")) == ["a.yaml", "crm", "crmsync.yaml"]


def test_settings_that_were_sound_are_not_judged_again(desk: Desk) -> None:
    """Only a file of another content is held against its schema; what is wrong in it is told as ever."""
    desk.write("crm/a.yaml", "companies:\n  acme:\n    name: Acme\n")
    desk.done("apply", "-y")
    desk.done("plan")  # the folder for marks was not there before
    settings = desk.root / "crmsync.yaml"
    sound = settings.read_text(encoding="utf-8")
    marks = sorted(desk.root.glob(".crmsync/cache/sound-*"))

    assert len(marks) == 1
    assert _imported(desk.root, ("jsonschema",), "state", "list") == []
    settings.write_text(f"{sound}paec: {{requests: 60}}\n", encoding="utf-8")
    assert "CRM019" in desk.run("state", "list").err
    settings.write_text(f"{sound}\n", encoding="utf-8")
    assert _imported(desk.root, ("jsonschema",), "state", "list") == ["jsonschema"]
    assert sorted(desk.root.glob(".crmsync/cache/sound-*")) != marks
    assert len(sorted(desk.root.glob(".crmsync/cache/sound-*"))) == 1


def test_a_mark_is_not_left_in_a_folder_of_somebody_else(desk: Desk, tmp_path: Path) -> None:
    """A private folder that is a link leads out of the project."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "cache").mkdir(parents=True)
    (desk.root / ".crmsync").symlink_to(elsewhere)
    desk.run("state", "list")

    assert list((elsewhere / "cache").iterdir()) == []
