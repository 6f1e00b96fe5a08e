"""The README and the docs are true: their snippets run, their outputs are real, what they name exists."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
import yaml

from crmsync.cli import COMMANDS, cli
from crmsync.sandbox import load_account
from tests.terminal import CHECKOUT, Terminal, terminal

README = CHECKOUT / "README.md"
DOCS = sorted((CHECKOUT / "docs").glob("*.md"))

_SNIPPET = re.compile(r"<!-- (runs|file) in (\w+)(?:: (\S+))? -->\n```(?:console|yaml|python)\n(.*?)```\n", re.DOTALL)
_RECORD_ID = re.compile(r"\b[247]0000\d{3}\b|\b[0-9a-f]{64}\b")


@dataclass(frozen=True)
class Snippet:
    """A marked part of the README: commands with what they print, or the content of *file*."""

    file: str | None
    text: str


def _snippets(world: str) -> list[Snippet]:
    found = _SNIPPET.findall(README.read_text(encoding="utf-8"))
    return [Snippet(file or None, text) for _, name, file, text in found if name == world]


def _commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield the commands of a console snippet with what the README says they print."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def _pattern(output: str) -> str:
    """Return a pattern for *output*; a line of three dots stands for any lines."""
    lines = ["(?:.*\n)*?" if line == "..." else re.escape(line) + "\n" for line in _plain(output).splitlines()]
    return "".join(lines)


def _plain(text: str) -> str:
    """Return *text* without what differs from run to run: ids, blanks at the ends of lines, empty lines around."""
    lines = [line.rstrip() for line in _RECORD_ID.sub("<id>", text).strip("\n").splitlines()]
    return "".join(f"{line}\n" for line in lines)


def _play(opened: Terminal, world: str) -> None:
    for snippet in _snippets(world):
        if snippet.file is not None:
            (opened.folder / snippet.file).write_text(snippet.text, encoding="utf-8")
            continue
        for command, expected in _commands(snippet.text):
            printed = _plain(opened.run(command).text)

            assert re.fullmatch(_pattern(expected), printed), f"$ {command}\n{printed}\n--- the README says\n{expected}"


def test_the_first_minute_goes_as_the_readme_says(tmp_path: Path) -> None:
    """Who follows "Start in 60 seconds" line by line gets the outputs that stand there."""
    with terminal(tmp_path) as opened:
        _play(opened, "start")


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[Terminal]:
    """The example, applied; then a slip, two records gone from the files, and people at work in Copper."""
    folder = tmp_path / "acme"
    shutil.copytree(CHECKOUT / "examples" / "acme", folder, ignore=shutil.ignore_patterns(".crmsync"))
    with terminal(folder, load_account(folder / "sandbox.yaml")) as opened:
        applied = opened.run("crmsync apply --auto-approve")
        assert applied.code == 0, applied.text
        _cut(folder / "crm/companies/partners.yaml", "pinecrest")
        _cut(folder / "crm/people.yaml", "bea")
        deals = folder / "crm/deals/2027.yaml"
        text = deals.read_text(encoding="utf-8")
        text = text.replace("stage: Negotiation", "stage: Purchase ordre", 1).replace("142000", "151000")
        deals.write_text(text, encoding="utf-8")
        ids = {each["name"]: each["id"] for each in opened.sandbox.records("companies")}
        milo = {"name": "Milo Grant", "emails": ["milo@pinecrest.example"], "company": "Pinecrest Holdings"}
        opened.sandbox.create("people", milo)
        edits = {"custom_fields.Tier": "Bronze", "assignee": "Lee Okafor"}
        opened.sandbox.edit("companies", ids["Acme Corporation"], edits)
        yield opened


def _cut(path: Path, key: str) -> None:
    """Remove a record from a file."""
    text, cuts = re.subn(rf"^  {key}:\n(?:    .*\n)+", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert cuts == 1
    path.write_text(text, encoding="utf-8")


def test_the_picture_is_a_photograph(acme: Terminal) -> None:
    """The plan that the README opens with is what crmsync prints, but for the ids."""
    _play(acme, "acme")


@pytest.mark.parametrize("path", [README, *DOCS, CHECKOUT / "CHANGELOG.md"], ids=lambda path: path.name)
def test_commands_and_options_exist(path: Path) -> None:
    """Every command and every option of crmsync that is named exists."""
    text = path.read_text(encoding="utf-8")
    context = click.Context(cli)
    known = {option for name in COMMANDS for option in _options(cli.get_command(context, name))}
    known |= {"--help", "--version"}
    named = set(re.findall(r"`(?:\$ )?crmsync ([a-z]+)|^\$ crmsync ([a-z]+)", text, re.MULTILINE))
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", re.sub(r"<!--.*?-->", "", text)))

    assert {one or other for one, other in named} - COMMANDS.keys() == set()
    assert options - known == set()


def _options(command: click.Command | None) -> Iterator[str]:
    assert command is not None
    for parameter in command.params:
        yield from (name for name in parameter.opts if name.startswith("--"))
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from _options(each)


@pytest.mark.parametrize("path", [README, *DOCS], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link names a file that is there."""
    links = re.findall(r"\]\(((?!https?:)[^)#]+)", path.read_text(encoding="utf-8"))

    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_yaml_in_the_docs_is_yaml(path: Path) -> None:
    """Every YAML snippet of the docs can be parsed."""
    for snippet in re.findall(r"```yaml\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
        yaml.compose(snippet, Loader=yaml.SafeLoader)


def test_the_hook_runs_a_command(tmp_path: Path) -> None:
    """The pre-commit hook calls a command that exists."""
    hooks = yaml.safe_load((CHECKOUT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))

    assert [hook["entry"].split()[1] for hook in hooks if hook["entry"].split()[1] in COMMANDS] == ["validate"]
