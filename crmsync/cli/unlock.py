"""``crmsync unlock``."""

from __future__ import annotations

import click

from crmsync.cli.common import common_options


@click.command()
@common_options
def command(profile: str | None, verbose: int) -> None:
    """
    Take the state's lease from a run that is gone.

    A run that is alive after all notices at its next append, and sends nothing more.

    Example: crmsync unlock
    """
    from crmsync.project.session import open_project, opened_state
    from crmsync.render.sanitise import clean

    with opened_state(open_project(profile), create=False) as (store, _):
        holder = store.holder() and store.break_lease()
    if holder is None:
        click.echo("Nobody holds the state.")
    else:
        click.echo(clean(f"Taken from {holder.who} on {holder.host}, process {holder.pid}."))
