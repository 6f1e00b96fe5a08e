"""``crmsync record``: single writes to what files do not declare: leads, tasks, projects, activities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from crmsync.cli.asking import is_agreed
from crmsync.cli.common import common_options
from crmsync.cli.looking import opened

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group()
def command() -> None:
    """Create, update, delete or convert one lead, task, project or activity; the other types are written by apply."""


def _writing(new: Command) -> Command:
    """Give a command the fields to write and how to print what came of them."""
    new = click.argument("fields", nargs=-1, metavar="FIELD=VALUE...")(new)
    return common_options(click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")(new))


@command.command()
@click.argument("type_name", metavar="TYPE")
@click.option("--match-on", metavar="FIELD", help="Leads: update the one that has the same FIELD, if there is one.")
@_writing
def create(type_name: str, fields: tuple[str, ...], match_on: str | None, as_json: bool, profile: str, verbose: int) -> None:
    """
    Create a record, by label. For several values of a list, name the field again.

    Example: crmsync record create leads name=Max email=max@new.com tags=fair tags=warm

    Example: crmsync record create tasks name=Call related_resource=companies/123 due_date=2027-01-31
    """
    with _assigned(profile, type_name, fields, is_new=True) as (copper, name, _, values):
        if match_on is not None and name != "leads":
            raise click.UsageError("--match-on is for leads: Copper updates no other type that way.")
        made = copper.leads.upsert(match_on, values) if match_on is not None else copper[name].create(values)
        _print("created" if match_on is None else "written", made, as_json)


@command.command()
@click.argument("target", metavar="TYPE/ID")
@_writing
def update(target: str, fields: tuple[str, ...], as_json: bool, profile: str, verbose: int) -> None:
    """
    Change the fields that are given, and no other. Nothing after the = clears one; lists are replaced whole.

    Example: crmsync record update leads/123 title=CEO status=Contacted
    """
    if not fields:
        raise click.UsageError("Say what shall change: FIELD=VALUE")
    with _assigned(profile, target, fields, is_new=False) as (copper, name, id, values):
        _print("updated", copper[name].update(id, values), as_json)


@command.command()
@click.argument("target", metavar="TYPE/ID")
@click.option("-y", "--auto-approve", is_flag=True, help="Do not ask.")
@common_options
def delete(target: str, auto_approve: bool, profile: str, verbose: int) -> int:
    """
    Delete a record, for good: Copper cannot bring it back.

    Example: crmsync record delete leads/123
    """
    with _assigned(profile, target, (), is_new=False) as (copper, name, id, _):
        record = copper[name].get(id)
        if not auto_approve and not is_agreed(f"Delete {_told(record)} for good?"):
            click.echo("Nothing was deleted.", err=True)
            return 1
        copper[name].delete(id)
        click.echo(f"deleted {_told(record)}")
    return 0


@command.command()
@click.argument("target", metavar="leads/ID")
@click.option("--company", metavar="NAME", help="The company of this name, made if there is none; '' for none.")
@click.option("--opportunity", metavar="NAME", help="Make an opportunity of this name as well.")
@click.option("--pipeline", metavar="LABEL", help="The pipeline of that opportunity.")
@common_options
def convert(
    target: str, company: str | None, opportunity: str | None, pipeline: str | None, profile: str, verbose: int
) -> None:
    """
    Turn a lead into a person, and a company and an opportunity. The lead is gone then.

    Example: crmsync record convert leads/123 --company 'Bolt Ltd' --opportunity 'First order'
    """
    if pipeline is not None and opportunity is None:
        raise click.UsageError("--pipeline is that of an opportunity: name one with --opportunity.")
    with _assigned(profile, target, (), is_new=False) as (copper, name, id, _):
        if name != "leads":
            raise click.UsageError("Only leads are converted: crmsync record convert leads/ID")
        deal = {"name": opportunity, **({"pipeline": pipeline} if pipeline is not None else {})}
        made = copper.leads.convert(id, company=company, opportunity=deal if opportunity is not None else None)
        for record in made.values():
            _print("created", record, as_json=False)


@contextmanager
def _assigned(profile: str, target: str, fields: tuple[str, ...], *, is_new: bool) -> Iterator[tuple[Any, str, Any, Any]]:
    """Give the account, the type and id that *target* names, and the values that *fields* assign."""
    from crmsync.client.assigning import ARGUMENT, check_target, first_of_each, values_of

    texts = {ARGUMENT: fields}
    with opened(profile, lambda: check_target(target, fields, is_new=is_new), texts, may_write=True) as copper:
        name, id = check_target(target, fields, is_new=is_new)
        texts[f"{name}.{'create' if is_new else 'update'}"] = first_of_each(fields)
        yield copper, name, id, values_of(copper, name, fields)


def _print(done: str, record: Any, as_json: bool) -> None:
    from crmsync.render.rows import json_text

    click.echo(json_text(record.to_dict()) if as_json else f"{done} {_told(record)}\n", nl=False)


def _told(record: Any) -> str:
    from crmsync.render.sanitise import clean

    name = record.get("name")
    return f"{record.type}/{record.id}" + (f' "{clean(str(name))}"' if name else "")
