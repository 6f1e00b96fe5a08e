"""``crmsync undo``."""

from __future__ import annotations

from typing import Any

import click

from crmsync.cli.common import LIMITS, common_options, wishes_of, writing_options


@click.command()
@click.argument("run")
@click.option("--auto-approve", "-y", is_flag=True, help="Do not ask.")
@click.option("--only", multiple=True, metavar="GLOB", help="Only addresses like this, such as 'people.*'.")
@click.option("--except", "excepted", multiple=True, metavar="GLOB", help="No addresses like this.")
@writing_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@common_options
def command(run: str, auto_approve: bool, as_json: bool, profile: str | None, verbose: int, **rules: Any) -> int:
    """
    Put back what RUN replaced, as far as nobody changed it since. `crmsync runs` lists the runs.

    What it created is deleted, what it deleted is made again, with another id. The files are not changed: the values stay
    as they were until the files say something new.

    Example: crmsync undo 5f0c1d2e3a4b
    """
    from crmsync.cli.watching import Watching
    from crmsync.project.applying import ApplyOptions
    from crmsync.project.session import open_project
    from crmsync.project.undoing import undo

    project = open_project(profile)
    options = ApplyOptions(
        wishes=wishes_of(project.settings, {**rules, "destroy": False, "recreate": (), "allow_orphans": False}),
        settle_seconds=rules["settle"],
        allowed={kind: rules[f"allow_{kind}"] or 0 for kind in LIMITS},
        backup=rules["backup"],
    )
    with Watching(as_json=as_json, is_agreed=auto_approve, verbose=verbose) as watching:
        applied = undo(project, run, options, watching.watch)
    return watching.end(applied)
