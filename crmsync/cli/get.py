"""``crmsync get``."""

from __future__ import annotations

import csv
from typing import Any

import click

from crmsync.cli.common import common_options
from crmsync.cli.looking import looking
from crmsync.cli.printing import output_option, print_rows


@click.command()
@click.argument("target", metavar="TYPE[/ID[/related|/activities]]")
@click.argument("more", nargs=-1, metavar="[ID]")
@click.option(
    "--where", multiple=True, metavar="FIELD=VALUE", help="Only records like this; also != >= <= and ~ (contains)."
)
@click.option("--sort", metavar="FIELD", help="Sort by this field.")
@click.option("--desc", is_flag=True, help="The largest or latest first.")
@click.option("--fields", metavar="NAMES", help='These columns, such as: name,emails,"Renewal date"')
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many.")
@click.option("--raw", is_flag=True, help="Bodies as Copper sends them, with ids; for json, jsonl and yaml.")
@output_option
@common_options
def command(target: str, more: tuple[str, ...], where: tuple[str, ...], fields: str | None, raw: bool, **given: Any) -> int:
    """
    Look at records in Copper, by label. Nothing is changed.

    Example: crmsync get people --where company=Acme --where tag=vip --sort name -o csv

    Example: crmsync get people/123/related
    """
    parts = [part for text in (target, *more) for part in text.split("/") if part]
    is_search = len(parts) < 2 or parts[2:] == ["activities"]
    if not is_search and (where or given["sort"] or given["limit"]):
        raise click.UsageError("--where, --sort and --limit are for a search: of a type, or of the activities of a record.")
    if given["desc"] and not given["sort"]:
        raise click.UsageError("--desc needs a field to sort by: --sort FIELD")
    output = given["output"] if not raw or given["output"] != "table" else "json"
    if raw and (fields or output in ("csv", "xlsx")):
        raise click.UsageError("--raw shows whole bodies: use it with json, jsonl or yaml, without --fields.")
    with looking(given["profile"], parts, where) as copper:
        from crmsync.client.viewing import View, find

        view: View = find(copper, parts, where, given["sort"], given["desc"], given["limit"])
        for notice in view.notices:
            click.echo(f"note: {notice}", err=True)
        names = next(csv.reader([fields], skipinitialspace=True)) if fields else None
        if view.is_one and output in ("table", "json", "yaml"):
            return _print_one(view, names, output, raw)
        columns = view.columns(names, is_wide=output != "table", is_local=output in ("table", "xlsx"))
        records = view.records()
        if output in ("json", "jsonl", "yaml") and not names:
            print_rows(output, view.type, (), (), (each.raw if raw else each.to_dict() for each in records))
        else:
            titles = [column.title for column in columns]
            print_rows(output, view.type, titles, ([column.of(each) for column in columns] for each in records))
    return 0


def _print_one(view: Any, names: list[str] | None, output: str, raw: bool) -> int:
    from crmsync.render.rows import json_text, record_text, yaml_text

    columns = view.columns(names, is_wide=True, is_local=output == "table")
    (record,) = view.records()
    row = [column.of(record) for column in columns]
    titles = [column.title for column in columns]
    if output == "table":
        shown = record_text(titles, row) + (f"\n{record.link}\n" if record.link else "")
    else:
        document = dict(zip(titles, row, strict=True)) if names else record.raw if raw else record.to_dict()
        shown = json_text(document) if output == "json" else yaml_text(document)
    click.echo(shown, nl=False)
    return 0
