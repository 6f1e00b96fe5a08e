"""``crmsync state rekey``."""

from __future__ import annotations

import click

from crmsync.cli.common import common_options


@click.command("rekey")
@common_options
def command(profile: str | None, verbose: int) -> None:
    """
    Go on under another CRMSYNC_STATE_KEY: the one that is set now, or none.

    Which records are bound stays. What was last confirmed of their fields is forgotten, so that the next plan shows what
    differs as in an adoption. Copies stay sealed under the old key.

    Example: crmsync state rekey
    """
    from crmsync.project.carrying import rekey
    from crmsync.project.session import open_project
    from crmsync.project.trouble import counted

    state = rekey(open_project(profile))
    click.echo(f"The state of {counted(len(state.bindings), 'record')} goes on under the present key.")
