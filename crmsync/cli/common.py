"""What the commands share: options that all of them take, and how results are printed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

from crmsync.model.source import Diagnostic

Command = TypeVar("Command", bound=Callable[..., Any])

#: What may go over its limit, by the word of its flag.
LIMITS = {
    "updates": "Allow this many updates of a type, over the limit.",
    "deletes": "Allow this many deletes of a type, over the limit.",
    "adopts": "Allow this many adoptions that overwrite, over the limit.",
    "missing": "Go on although this many managed records are missing from Copper.",
}


def common_options(command: Command) -> Command:
    """Give a command the options that every command has."""
    command = click.option("--profile", metavar="NAME", help="Use this profile of crmsync.yaml.")(command)
    return click.option("-v", "--verbose", count=True, help="Say more; -vv says most.")(command)


def selection_options(command: Command) -> Command:
    """Give a command the options that narrow a plan."""
    rows: list[tuple[str, dict[str, Any]]] = [
        ("--only", {"multiple": True, "metavar": "GLOB", "help": "Only addresses like this, such as 'people.*'."}),
        ("--except", {"multiple": True, "metavar": "GLOB", "help": "No addresses like this."}),
        ("--destroy", {"is_flag": True, "help": "Plan the removal of all that crmsync created."}),
        ("--recreate", {"multiple": True, "metavar": "ADDRESS", "help": "Create again what is gone from Copper."}),
        ("--allow-orphans", {"is_flag": True, "help": "Delete also what leaves others without their company or contact."}),
    ]
    for name, settings in rows:
        variable = "excepted" if name == "--except" else name[2:].replace("-", "_")
        command = click.option(name, variable, **settings)(command)
    return command


def limit_options(command: Command) -> Command:
    """Give a command a flag for each limit."""
    for name, text in LIMITS.items():
        command = click.option(f"--allow-{name}", type=click.IntRange(min=0), metavar="N", help=text)(command)
    return command


def writing_options(command: Command) -> Command:
    """Give a command what bears on how it writes: limits, where copies are kept, how long it waits for the unclear."""
    backup, text = click.Path(path_type=Path, file_okay=False), "Keep copies of deleted records here."
    command = click.option("--backup", type=backup, help=text)(command)
    seconds, text = click.FloatRange(min=0), "How long an unclear create may still turn up."
    settle = click.option("--settle", type=seconds, default=120.0, show_default=True, metavar="S", help=text)
    return settle(limit_options(command))


def color(stream: TextIO | None) -> bool:
    """Say whether *stream* takes colour: a terminal, unless NO_COLOR says otherwise; FORCE_COLOR forces it."""
    if os.environ.get("NO_COLOR") or stream is None:
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (stream.isatty() and os.environ.get("TERM") != "dumb")


def show_diagnostics(diagnostics: Sequence[Diagnostic], line_of: Callable[[str, int], str | None]) -> None:
    """Print *diagnostics* with their source lines to stderr, and how many there are."""
    from crmsync.render.diagnostics import diagnostics_text

    if diagnostics:
        is_colored = color(sys.stderr)
        click.echo(diagnostics_text(diagnostics, line_of, color=is_colored), err=True, color=is_colored)


def echo_json(document: Any) -> None:
    """Print one JSON document to stdout."""
    from crmsync.render.rows import json_safe_lines

    click.echo(json_safe_lines(json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True, default=str)))


def parsed_address(text: str) -> Any:
    """Return the address that an argument is. Raises UsageError."""
    from crmsync.model.address import Address

    address = Address.parse(text)
    if address is None:
        raise click.UsageError(f"{text} is no address. An address looks like companies.acme")
    return address


def wishes_of(settings: Any, options: Mapping[str, Any]) -> Any:
    """Return the wishes that the selection *options* and *settings* add up to. Raises UsageError for what is no address."""
    from crmsync.model.address import Address
    from crmsync.plan.world import Wishes

    addresses = {text: Address.parse(text) for text in options["recreate"]}
    wrong = [text for text, address in addresses.items() if address is None]
    if wrong:
        raise click.UsageError(f"{wrong[0]} is no address. An address looks like companies.acme")
    return Wishes(
        only=tuple(options["only"]),
        excepted=tuple(options["excepted"]),
        is_destroy=options["destroy"],
        recreate=frozenset(address for address in addresses.values() if address is not None),
        may_orphan=options["allow_orphans"],
        limits=settings.limits,
        pace=settings.pace,
        policies=settings.policies,
    )
