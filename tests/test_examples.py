"""The examples: they plan clean against the sandbox, and show what they promise to show."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crmsync.sandbox import load_account
from tests.terminal import CHECKOUT, Terminal, terminal

ACME = CHECKOUT / "examples" / "acme"
WRITABLE = {
    "String",
    "Text",
    "Dropdown",
    "Date",
    "Checkbox",
    "Float",
    "URL",
    "Percentage",
    "Currency",
    "MultiSelect",
}


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal in a copy of the example, beside its sandbox."""
    folder = tmp_path / "acme"
    shutil.copytree(ACME, folder, ignore=shutil.ignore_patterns(".crmsync"))
    with terminal(folder, load_account(folder / "sandbox.yaml")) as opened:
        yield opened


def _plan(acme: Terminal) -> dict[str, Any]:
    ended = acme.run("crmsync plan --json")
    assert ended.code == 0, ended.text
    document: dict[str, Any] = json.loads(ended.text)
    return document


_UNDECLARED = ("Harbor Light Shipyard", "Old Mill Bakery")


def _companies(acme: Terminal) -> dict[str, Any]:
    """Return the companies in Copper by name; custom fields come in any order, so they are sorted."""
    return {
        each["name"]: {**each, "custom_fields": sorted(each["custom_fields"], key=str)}
        for each in acme.sandbox.records("companies")
    }


def test_the_example_is_valid_offline(acme: Terminal) -> None:
    """`validate` finds nothing wrong with the files, without an account."""
    del acme.environ["COPPER_BASE_URL"]
    ended = acme.run("crmsync validate")

    assert (ended.code, "60 records in 7 files are valid." in ended.text) == (0, True), ended.text


def test_the_first_plan_creates_and_adopts(acme: Terminal) -> None:
    """Of 60 records 58 are created and 2 adopted, nothing is held, and no limit is in the way."""
    document = _plan(acme)
    own = document["crmsync"]
    adopted = [each["address"] for each in document["resource_changes"] if each["crmsync"]["action"] == "adopt"]
    types = [each["type"] for each in document["resource_changes"]]

    assert {name: types.count(name) for name in sorted(set(types))} == {"companies": 15, "opportunities": 20, "people": 25}
    assert sorted(adopted) == ["companies.blue-heron", "people.wade"]
    assert (own["held"], own["breaches"], document["applyable"]) == ([], [], True)


def test_every_type_of_custom_field_is_declared(acme: Terminal) -> None:
    """The example shows how every type of custom field that can be written is written."""
    definitions = load_account(ACME / "sandbox.yaml").account.definitions
    type_of = {f"custom_fields.{each.name}": each.data_type for each in definitions}
    fields = {field["field"] for each in _plan(acme)["resource_changes"] for field in each["crmsync"]["fields"]}

    assert {type_of[name] for name in fields & type_of.keys()} == WRITABLE
    assert "Connect" in type_of.values()


def test_after_apply_there_is_nothing_to_do(acme: Terminal) -> None:
    """Plan after apply is empty, and what people had put into Copper and no file declares is as it was."""
    before = _companies(acme)
    applied = acme.run("crmsync apply --auto-approve")
    planned = acme.run("crmsync plan --detailed-exitcode")
    after = _companies(acme)
    adopted = after["Blue Heron Brewing"]

    assert (applied.code, planned.code) == (0, 0), applied.text + planned.text
    assert "\nNo changes." in planned.text
    assert [before[name] for name in _UNDECLARED] == [after[name] for name in _UNDECLARED]
    assert sorted(adopted["tags"]) == ["brewery", "oktoberfest-2025"]
    assert "Loading dock is around the back. Ask for Wade." in [each["value"] for each in adopted["custom_fields"]]
    assert tuple(len(acme.sandbox.records(name)) for name in ("companies", "people", "opportunities")) == (17, 26, 21)


def test_nobody_in_the_examples_is_real() -> None:
    """Every e-mail address and every web address of the examples ends in .example, which nobody can own."""
    texts = [path.read_text(encoding="utf-8") for path in ACME.rglob("*.yaml")]
    hosts = {host for text in texts for host in re.findall(r"(?:[\w.]@|://)([\w.-]+)", text)}

    assert {"www.linkedin.com"} == {host for host in hosts if not host.endswith(".example")}


@pytest.mark.skipif(shutil.which("bash") is None, reason="the demo is a bash script")
def test_the_demo_runs_to_its_end(tmp_path: Path) -> None:
    """`make demo` shows the drift, puts it back, and leaves neither a process nor a folder behind."""
    with terminal(tmp_path) as opened:
        environ = {**opened.environ, "TMPDIR": str(tmp_path)}
        done = subprocess.run(
            ["bash", str(CHECKOUT / "examples" / "demo.sh")],
            env=environ,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    assert (done.returncode, done.stderr) == (0, "")
    assert 'custom_fields.Tier: "Bronze" -> "Gold"' in done.stdout
    assert "\nNo changes." in done.stdout.rpartition("$ crmsync plan")[2]
    assert [each.name for each in tmp_path.iterdir()] == [".programs"]
