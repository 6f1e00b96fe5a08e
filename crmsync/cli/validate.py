"""``crmsync validate``."""

from __future__ import annotations

import click

from crmsync.cli.common import common_options, echo_json, show_diagnostics


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@common_options
def command(as_json: bool, profile: str | None, verbose: int) -> int:
    """
    Check the files, without a network.

    Structure is always checked; labels against those that the last plan saw in the account.

    Example: crmsync validate
    """
    from crmsync.project.session import open_project
    from crmsync.project.trouble import counted
    from crmsync.project.validating import validate

    checked = validate(open_project(profile))
    errors = sum(each.is_error for each in checked.diagnostics)
    if as_json:
        from crmsync.render.diagnostics import diagnostics_document

        diagnostics = diagnostics_document(checked.diagnostics, checked.line_of)
        echo_json({"valid": errors == 0, "error_count": errors, "records": checked.records, "diagnostics": diagnostics})
        return 1 if errors else 0
    show_diagnostics(checked.diagnostics, checked.line_of)
    for notice in checked.notices:
        click.echo(notice, err=True)
    if errors:
        click.echo(f"{counted(errors, 'error')} in {counted(checked.files, 'file')}.", err=True)
        return 1
    records = f"{counted(checked.records, 'record')} in {counted(checked.files, 'file')}"
    click.echo(f"{records} {'is' if checked.records == 1 else 'are'} valid. {checked.labels}")
    return 0
