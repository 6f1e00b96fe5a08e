"""``crmsync apply``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crmsync.cli.common import LIMITS, common_options, selection_options, wishes_of, writing_options


@click.command()
@click.argument("planfile", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--auto-approve", "-y", is_flag=True, help="Do not ask. What changed on both sides is set aside.")
@writing_options
@click.option("--first-run", is_flag=True, help="In CI: start a local state although the machine may be thrown away.")
@click.option("--approved", metavar="DIGEST", help="Do what the plan with this digest shows, and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@selection_options
@common_options
def command(
    planfile: Path | None,
    auto_approve: bool,
    approved: str | None,
    as_json: bool,
    profile: str | None,
    verbose: int,
    **rules: Any,
) -> int:
    """
    Bring Copper to what the files say.

    With PLANFILE only what that plan shows is done, and what moved since is set aside. With --approved the plan is made
    again, and what is the same as in the plan with that digest is done. Without either the plan is shown and confirmed.

    Example: crmsync apply plan.json
    """
    from crmsync.cli.asking import has_terminal
    from crmsync.cli.watching import Watching
    from crmsync.project.applying import ApplyOptions, apply
    from crmsync.project.approving import load_approved
    from crmsync.project.reviewing import load_reviewed, wishes_reviewed
    from crmsync.project.session import open_project

    if approved is not None and (planfile is not None or auto_approve):
        raise click.UsageError("--approved names the one plan that may run. Leave out PLANFILE and --auto-approve.")
    project = open_project(profile)
    reviewed = load_reviewed(planfile) if planfile is not None else None
    wishes = wishes_of(project.settings, rules)
    options = ApplyOptions(
        wishes=wishes if reviewed is None else wishes_reviewed(reviewed, wishes),
        reviewed=reviewed,
        is_auto_approved=auto_approve or not has_terminal(),  # what nobody can look at is not reviewed
        approved=load_approved(project, approved) if approved is not None else None,
        settle_seconds=rules["settle"],
        allowed={kind: rules[f"allow_{kind}"] or 0 for kind in LIMITS},
        is_first_run_allowed=rules["first_run"],
        backup=rules["backup"],
    )
    is_agreed = auto_approve or reviewed is not None or approved is not None
    with Watching(as_json=as_json, is_agreed=is_agreed, verbose=verbose) as watching:
        applied = apply(project, options, watching.watch)
    return watching.end(applied)
