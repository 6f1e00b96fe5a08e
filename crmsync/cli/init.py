"""``crmsync init``."""

from __future__ import annotations

from pathlib import Path

import click

from crmsync.cli.common import common_options


@click.command()
@click.option("--account", type=int, metavar="ID", help="The id of the Copper account, to be checked before each run.")
@common_options
def command(account: int | None, profile: str | None, verbose: int) -> None:
    """
    Start a project in this folder: settings, explained line by line, and a first record file.

    Example: crmsync init --account 1234567
    """
    from crmsync.project.starting import start_project

    for path in start_project(Path.cwd(), account):
        click.echo(f"Wrote {path.relative_to(Path.cwd())}")
    click.echo("Next: export COPPER_API_KEY and COPPER_USER_EMAIL, then `crmsync doctor` and `crmsync plan`.")
