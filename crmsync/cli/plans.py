"""The ways in which `plan` and `show` print a plan."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click

from crmsync.cli.common import color
from crmsync.cli.streams import portions

Command = TypeVar("Command", bound=Callable[..., Any])

FORMATS = ("text", "json", "markdown", "html")


def format_options(command: Command) -> Command:
    """Give a command the options that say how a plan is printed."""
    command = click.option("--redact", is_flag=True, help="Show no values: for logs and comments that others read.")(command)
    command = click.option("--json", "as_json", is_flag=True, help="Same as --format json.")(command)
    return click.option("--format", "style", type=click.Choice(FORMATS), default="text", show_default=True)(command)


def print_plan(document: Mapping[str, Any], verbose: int, given: Mapping[str, Any]) -> None:
    """Print a plan to stdout in the way that the options *given* say."""
    from crmsync.render import report
    from crmsync.render.document import dump_pieces
    from crmsync.render.text import plan_pieces

    printers: dict[str, Callable[[Mapping[str, Any]], Iterable[str]]] = {
        "text": lambda shown: plan_pieces(shown, color=color(sys.stdout), verbose=verbose),
        "json": dump_pieces,
        "markdown": lambda shown: (report.plan_markdown(shown, verbose=verbose),),
        "html": lambda shown: (report.plan_page(shown, verbose=verbose),),
    }
    shown = report.without_values(document) if given["redact"] else document
    for text in portions(printers["json" if given["as_json"] else given["style"]](shown)):
        click.echo(text, nl=False)
