"""``crmsync plan``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from crmsync.cli.common import common_options, selection_options, show_diagnostics, wishes_of
from crmsync.cli.plans import format_options, print_plan

HOURS = click.FloatRange(min=0)


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Save the plan, for: crmsync apply FILE")
@click.option(
    "--expires",
    type=click.FloatRange(min=0),
    default=24.0,
    show_default=True,
    metavar="HOURS",
    help="How long a saved plan may be applied.",
)
@format_options
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there is something to apply.")
@click.option("--decisions", "asking", is_flag=True, help="Write decisions.yaml: a line for each value to choose.")
@click.option("--for-approval", is_flag=True, help="Keep beside the state what `apply --approved` needs on other machines.")
@click.option("--no-cache", is_flag=True, help="Trust nothing that only saves work.")
@click.option("--timing", is_flag=True, help="Say what took how long and how many requests, on stderr.")
@selection_options
@common_options
def command(
    out: Path | None,
    expires: float,
    detailed_exitcode: bool,
    asking: bool,
    for_approval: bool,
    no_cache: bool,
    timing: bool,
    profile: str | None,
    verbose: int,
    **given: Any,
) -> int:
    """
    Show what apply would do. Nothing is written to Copper, and nothing is noted in the state.

    Example: crmsync plan --only 'companies.*' --out plan.json
    """
    from crmsync.project.session import open_project
    from crmsync.project.showing import plan_to_show

    started = time.monotonic()
    project = open_project(profile)
    wishes = wishes_of(project.settings, given)
    shown = plan_to_show(
        project,
        wishes,
        out=out,
        expires_seconds=expires * 3600,
        uses_cache=not no_cache,
        is_asking=asking,
        is_for_approval=for_approval,
        is_sealed=given["as_json"] or given["style"] == "json",
    )
    show_diagnostics(shown.warnings, shown.line_of)
    for line in (*shown.notices, *(f"Read {way}." for way in (shown.ways if verbose else ()))):
        click.echo(line, err=True)
    print_plan(shown.document, verbose, given)
    if out is not None:
        click.echo(f"Saved to {out}. Apply exactly this with: crmsync apply {out}", err=True)
    if asking:
        from crmsync.render.decisions import waiting_text

        click.echo(waiting_text(*shown.questions) or "There is nothing to decide.", err=True)
    for phase in shown.phases if timing else ():
        click.echo(f"{phase.seconds:7.2f} s  {phase.requests:5} requests  {phase.name}", err=True)
    if timing:
        waited = f"{shown.waited_seconds:.2f} s only waiting for Copper"
        click.echo(f"{time.monotonic() - started:.2f} s, {shown.requests} requests; {waited}", err=True)
    own = shown.document["crmsync"]
    is_something = shown.document["resource_changes"] or own["notes"] or own["decided"]
    return 2 if detailed_exitcode and is_something else 0
