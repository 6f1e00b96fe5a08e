"""``crmsync show``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crmsync.cli.common import common_options
from crmsync.cli.plans import format_options, print_plan


@click.command()
@click.argument("planfile", type=click.Path(path_type=Path, dir_okay=False))
@format_options
@common_options
def command(planfile: Path, profile: str | None, verbose: int, **given: Any) -> None:
    """
    Print a saved plan, just as `plan` printed it. One that was encrypted needs the same CRMSYNC_STATE_KEY.

    Example: crmsync show plan.json
    """
    from crmsync.project.reviewing import load_reviewed

    print_plan(load_reviewed(planfile), verbose, given)
