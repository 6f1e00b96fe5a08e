"""``crmsync state pull``, ``push``, ``rebuild``, ``mv`` and ``copies``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from crmsync.cli.common import common_options, parsed_address


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@common_options
def pull(file: Path | None, profile: str | None, verbose: int) -> None:
    """
    Write the whole state to FILE, or to stdout: a copy to keep, or to push elsewhere.

    It holds no values of records, but the secret of the state's digests.

    Example: crmsync state pull state.json
    """
    from crmsync.project.carrying import pull_state
    from crmsync.project.saving import write_private
    from crmsync.project.session import open_project

    text = pull_state(open_project(profile))
    if file is None:
        click.echo(text, nl=False)
    else:
        write_private(file, text)
        click.echo(f"Wrote {file}", err=True)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--force", "is_forced", is_flag=True, help="Also over a newer state, or another one.")
@common_options
def push(file: Path, is_forced: bool, profile: str | None, verbose: int) -> None:
    """
    Put the state in FILE in the place of the present one, as after `state:` in crmsync.yaml was changed.

    Example: crmsync state push state.json
    """
    from crmsync.project.carrying import push_state
    from crmsync.project.session import open_project
    from crmsync.project.trouble import counted

    state = push_state(open_project(profile), file.read_text(encoding="utf-8", errors="replace"), is_forced=is_forced)
    click.echo(f"The state binds {counted(len(state.bindings), 'record')}.")


@click.command()
@common_options
def rebuild(profile: str | None, verbose: int) -> int:
    """
    Find the records of the files again after the state was lost: by stamp or natural key.

    Those that are not found are listed, and not created until you say so. Exit code 6 when there are any.

    Example: crmsync state rebuild
    """
    from crmsync.project.rebuilding import rebuild as rebuild_state
    from crmsync.project.session import open_project
    from crmsync.render.sanitise import clean

    rebuilt = rebuild_state(open_project(profile))
    for address, id, name in rebuilt.found:
        click.echo(f'found   {address} is #{id} "{clean(name)}"')
    for address in rebuilt.missed:
        click.echo(f"missed  {address}")
    if not (rebuilt.found or rebuilt.missed):
        click.echo("Nothing to find: every declared record is bound.")
        return 0
    click.echo(f"Found {len(rebuilt.found)}, missed {len(rebuilt.missed)}.")
    if not rebuilt.missed:
        return 0
    cure = "Adopt its record with `crmsync: {id: ...}`. If it has none: crmsync state forget ADDRESS"
    click.echo(f"What was missed is not created. {cure}", err=True)
    return 6


@click.command()
@click.argument("origin")
@click.argument("destination")
@common_options
def mv(origin: str, destination: str, profile: str | None, verbose: int) -> None:
    """
    Rename the address of a record in the state; rename it in the files as well.

    Example: crmsync state mv companies.acme companies.acme-corp
    """
    from crmsync.project.carrying import move_address
    from crmsync.project.session import open_project

    move_address(open_project(profile), parsed_address(origin), parsed_address(destination))
    click.echo(f"{origin} is {destination} now.")


@click.command()
@common_options
def copies(profile: str | None, verbose: int) -> None:
    """
    Print the copies of deleted records that lie beside the state, one JSON object a line.

    They hold values. CRMSYNC_STATE_KEY opens them.

    Example: crmsync state copies
    """
    from crmsync.project.keeping import kept_copies
    from crmsync.project.session import open_project, opened_state
    from crmsync.render.rows import json_safe_lines

    project = open_project(profile)
    is_any = False
    with opened_state(project, create=False) as (store, _):
        for each in kept_copies(store, project.environ):
            is_any = True
            line = {"run": each.run, "address": each.address, "id": each.record_id, "body": each.body}
            click.echo(json_safe_lines(json.dumps(line, ensure_ascii=False)))
    if not is_any:
        where = "What was deleted without CRMSYNC_STATE_KEY is in .crmsync/runs of that machine."
        click.echo(f"No copies lie beside the state. {where}", err=True)
