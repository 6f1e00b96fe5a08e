"""``crmsync schema``."""

from __future__ import annotations

from pathlib import Path

import click

from crmsync.cli.common import common_options


@click.command()
@click.argument("name", type=click.Choice(["records", "settings", "plan", "events"]), default="records")
@click.option("--editor", is_flag=True, help="Write the schemas and the settings by which VS Code finds them.")
@common_options
def command(name: str, editor: bool, profile: str | None, verbose: int) -> None:
    """
    Print a JSON schema: of record files (with the account's fields, once a plan saw them), settings, plans or events.

    Example: crmsync schema records > records.schema.json
    """
    from crmsync.project.files import SETTINGS_FILE
    from crmsync.project.schemas import schema_of, set_up_editor
    from crmsync.project.session import open_project
    from crmsync.render.document import dump

    is_project = any((folder / SETTINGS_FILE).is_file() for folder in (Path.cwd(), *Path.cwd().parents))
    project = open_project(profile) if is_project or editor or profile else None
    if editor and project is not None:
        for path in set_up_editor(project):
            click.echo(f"Wrote {path.relative_to(project.root)}")
        return
    click.echo(dump(schema_of(name, project)), nl=False)
