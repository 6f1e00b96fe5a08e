"""``crmsync sandbox``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crmsync.cli.common import common_options
from crmsync.cli.rehearsing import edit, log, records

if TYPE_CHECKING:
    from crmsync.sandbox import Sandbox

FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(invoke_without_command=True)
@click.option("--account", type=FILE, help="Labels and first records, as YAML.")
@click.option("--data", type=FILE, help="Keep the records in this file.")
@click.option("--port", default=0, show_default="a free one", help="Port on the loopback address.")
@click.option("--rate", type=click.Choice(["on", "off"]), default="on", show_default=True, help="Copper's request limits.")
@click.option("--quirk", "quirks", multiple=True, metavar="NAME=VALUE", help="How Copper behaves where nobody knows.")
@click.option("--fault", "faults", multiple=True, metavar="KIND,KEY=VALUE,...", help="Trouble on order.")
@click.option("--faults", "fault_file", type=FILE, help="More faults, as YAML.")
@click.option("--seed-records", "crowd", multiple=True, metavar="TYPE=NUMBER", help="Made-up records to begin with.")
@click.option("--seed", default=0, show_default=True, help="Everything random comes from this number.")
@common_options
@click.pass_context
def command(ctx: click.Context, /, **given: object) -> None:
    """
    Run a local Copper to practise on. It prints its address and three variables to export.

    Example: crmsync sandbox --account sandbox.yaml --fault status_before,status=429,path=/people,nth=3
    """
    if ctx.invoked_subcommand is not None:
        return
    from crmsync.sandbox import make_key, serve

    sandbox = _sandbox(ctx)
    email = sandbox.account.users[0].email

    def tell(url: str) -> None:
        click.echo(f"The sandbox listens at {url}. Ctrl-C ends it. In another terminal:\n")
        click.echo(f"export COPPER_BASE_URL={url}\nexport COPPER_API_KEY={make_key()}\nexport COPPER_USER_EMAIL={email}")

    serve(sandbox, port=ctx.params["port"], on_ready=tell)


def _sandbox(ctx: click.Context) -> Sandbox:
    """Return the sandbox that the options describe, or end with every problem they have."""
    from crmsync.sandbox import DEFAULT_ACCOUNT, Quirks, Rate, Sandbox, load_account, load_faults, parse_counts, parse_faults

    given = ctx.params
    problems: list[str] = []
    account, quirks, faults, counts = DEFAULT_ACCOUNT, Quirks(), [], {}
    try:
        account = load_account(given["account"]) if given["account"] is not None else account
    except ValueError as error:
        problems.append(str(error))
    try:
        quirks = Quirks.parse(given["quirks"], base=account.quirks)
    except ValueError as error:
        problems.append(str(error))
    try:
        faults = parse_faults(given["faults"])
    except ValueError as error:
        problems.append(str(error))
    try:
        faults = faults + (load_faults(given["fault_file"]) if given["fault_file"] is not None else [])
    except ValueError as error:
        problems.append(str(error))
    try:
        counts = parse_counts(given["crowd"])
    except ValueError as error:
        problems.append(str(error))
    if problems:
        raise click.ClickException("\n".join(problems))
    rate = Rate() if given["rate"] == "on" else None
    try:
        return Sandbox(
            account, quirks=quirks, rate=rate, faults=faults, seed=given["seed"], data=given["data"], populate=counts
        )
    except ValueError as error:
        raise click.ClickException(str(error)) from error


for each in (edit, log, records):
    command.add_command(each)
