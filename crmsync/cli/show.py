"""``crmsync show``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from crmsync.cli.common import color, common_options


@click.command()
@click.argument("planfile", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print the document itself.")
@common_options
def command(planfile: Path, as_json: bool, profile: str | None, verbose: int) -> None:
    """
    Print a saved plan, just as `plan` printed it.

    Example: crmsync show plan.json
    """
    from crmsync.project.reviewing import load_reviewed
    from crmsync.render.document import dump
    from crmsync.render.text import plan_text

    document = load_reviewed(planfile)
    click.echo(dump(document) if as_json else plan_text(document, color=color(sys.stdout), verbose=verbose), nl=False)
