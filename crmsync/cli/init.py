"""``crmsync init``."""

from __future__ import annotations

from pathlib import Path

import click

from crmsync.cli.common import common_options


@click.command()
@click.option("--account", type=int, metavar="ID", help="The id of the Copper account, to be checked before each run.")
@click.option(
    "--state", metavar="WHERE", help="Where the state shall be: a path, git:refs/..., postgresql://... or s3://..."
)
@common_options
def command(account: int | None, state: str | None, profile: str | None, verbose: int) -> None:
    """
    Start a project in this folder: settings, explained line by line, and a first record file.

    The place of the state is tried out first.

    Example: crmsync init --account 1234567 --state git:refs/crmsync/main
    """
    from crmsync.project.starting import STATE, start_project

    for path in start_project(Path.cwd(), account, state or STATE):
        click.echo(f"Wrote {path.relative_to(Path.cwd())}")
    click.echo("Next: export COPPER_API_KEY and COPPER_USER_EMAIL, and see whether all is well: `crmsync doctor`.")
    click.echo("Then write records into a file below crm/, and look at what would happen: `crmsync plan`.")
