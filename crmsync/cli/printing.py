"""The six ways in which `get` and `labels` print rows."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

FORMATS = ("table", "csv", "json", "jsonl", "yaml", "xlsx")


def output_option(command: Command) -> Command:
    """Give a command the option that says how rows are printed."""
    return click.option(
        "-o", "--output", type=click.Choice(FORMATS), default="table", show_default=True, help="How to print it."
    )(command)


def print_rows(
    output: str, title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], documents: Iterable[Any] | None = None
) -> None:
    """Print rows; *documents* are what json, jsonl and yaml show instead of rows by column."""
    from crmsync.render import rows as render

    if output == "table":
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        return click.echo(render.table_text(columns, list(rows), width), nl=False)
    if output == "csv":
        return _stream(render.csv_lines(columns, iter(rows)))
    if output == "xlsx":
        return _print_workbook(render.workbook, title, columns, rows)
    shown = documents if documents is not None else (dict(zip(columns, row, strict=True)) for row in rows)
    if output == "jsonl":
        return _stream(render.json_lines(shown))
    whole = [_plain(each) for each in shown]
    return click.echo(render.json_text(whole) if output == "json" else render.yaml_text(whole), nl=False)


def _stream(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line, nl=False)


def _plain(document: Any) -> Any:
    return dict(document) if isinstance(document, Mapping) else document


def _print_workbook(make: Any, title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    from crmsync.project.trouble import Trouble, UsageTrouble

    if sys.stdout.isatty():
        raise UsageTrouble(f"A workbook is no text. Send it to a file: crmsync ... -o xlsx > {title}.xlsx")
    try:
        content = make(title, columns, rows)
    except ImportError as error:
        raise Trouble("Excel needs one more package. Install it with: pip install 'crmsync[excel]'") from error
    click.echo(content, nl=False)
