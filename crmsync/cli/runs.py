"""``crmsync runs``."""

from __future__ import annotations

import click

from crmsync.cli.common import common_options, echo_json


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@common_options
def command(as_json: bool, profile: str | None, verbose: int) -> None:
    """
    List what was applied: when, by whom, what it came to, and what can be undone. The newest stands first.

    Example: crmsync runs
    """
    from crmsync.project.keeping import kept_runs
    from crmsync.project.session import open_project, opened_state
    from crmsync.render.runs_text import runs_document, runs_text

    project = open_project(profile)
    with opened_state(project, create=False) as (store, _):
        events = [event for _, _, event in store.events()]
        kept = kept_runs(project, store)
    if as_json:
        echo_json(runs_document(events, kept))
    else:
        click.echo(runs_text(events, kept), nl=False)
