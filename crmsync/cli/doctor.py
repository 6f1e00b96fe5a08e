"""``crmsync doctor``."""

from __future__ import annotations

import click

from crmsync.cli.common import common_options, echo_json


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@common_options
def command(as_json: bool, profile: str | None, verbose: int) -> int:
    """
    Say what is wrong with key, address, clock, permissions, files or state. It looks, and leaves nothing behind.

    Example: crmsync doctor
    """
    from crmsync.project.doctoring import examine
    from crmsync.project.session import open_project
    from crmsync.render.sanitise import clean

    findings = []
    for finding in examine(open_project(profile)):
        findings.append(finding)
        if not as_json:
            click.echo(f"{finding.status:6} {finding.topic:12} {clean(finding.text)}")
    if as_json:
        echo_json([{"status": each.status, "topic": each.topic, "text": each.text} for each in findings])
    wrong = [each for each in findings if each.status == "wrong"]
    if any(each.is_login for each in wrong):
        return 3
    return 1 if wrong else 0
