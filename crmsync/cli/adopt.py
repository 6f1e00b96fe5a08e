"""``crmsync adopt``."""

from __future__ import annotations

import sys
from typing import Any

import click

from crmsync.cli.common import common_options


@click.command()
@click.argument("address")
@click.argument("id", type=click.IntRange(min=1))
@click.option("--auto-approve", "-y", is_flag=True, help="Do not ask.")
@common_options
def command(address: str, id: int, auto_approve: bool, profile: str | None, verbose: int) -> int:
    """
    Bind an address to a record that exists, as `crmsync: {id: ...}` in a file would. Nothing is written to Copper.

    Example: crmsync adopt people.ann 102
    """
    from crmsync.model.address import Address
    from crmsync.project.adopting import adopt
    from crmsync.project.session import open_project

    parsed = Address.parse(address)
    if parsed is None:
        raise click.UsageError(f"{address} is no address. An address looks like companies.acme")
    adopted = adopt(open_project(profile), parsed, id, lambda found: auto_approve or _agrees(found))
    if adopted is None:
        click.echo("Nothing was adopted.", err=True)
        return 1
    click.echo(f"{adopted.address} is now #{adopted.record_id}. See what differs with: crmsync plan")
    return 0


def _agrees(found: Any) -> bool:
    from crmsync.project.trouble import UsageTrouble
    from crmsync.render.written import written

    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageTrouble(
            f"#{found.record_id} is {written(found.name)}. There is no terminal to ask on: say --auto-approve."
        )
    return click.confirm(f"#{found.record_id} is {written(found.name)}. Adopt it as {found.address}?", err=True)
