"""``crmsync state``: what is remembered; `crmsync.cli.carrying` has the commands that carry it."""

from __future__ import annotations

import click

from crmsync.cli.carrying import copies, mv, pull, push, rebuild
from crmsync.cli.common import common_options, echo_json, parsed_address
from crmsync.cli.rekeying import command as rekey


@click.group()
def command() -> None:
    """Look at what crmsync remembers, carry it elsewhere, find it again, or forget a record."""


for each in (pull, push, rebuild, mv, rekey, copies):
    command.add_command(each)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@common_options
def list_bindings(as_json: bool, profile: str | None, verbose: int) -> None:
    """
    List the addresses with their records.

    Example: crmsync state list
    """
    from crmsync.project.session import open_project, opened_state
    from crmsync.render.state_text import bindings_document, bindings_text

    with opened_state(open_project(profile), create=False) as (_, state):
        if as_json:
            echo_json(bindings_document(state))
        else:
            click.echo(bindings_text(state), nl=False)


@command.command("show")
@click.argument("address")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@common_options
def show_binding(address: str, as_json: bool, profile: str | None, verbose: int) -> None:
    """
    Show what is remembered of one address: its record, where that came from, the fields under management.

    Example: crmsync state show companies.acme
    """
    from crmsync.project.session import open_project, opened_state
    from crmsync.project.trouble import Trouble
    from crmsync.render.state_text import binding_text, bindings_document

    wanted = parsed_address(address)
    with opened_state(open_project(profile), create=False) as (_, state):
        if wanted not in state.bindings:
            raise Trouble(f"{address} is not bound to a record. `crmsync state list` shows what is.")
        if as_json:
            echo_json(bindings_document(state, [wanted])[0])
        else:
            click.echo(binding_text(state, wanted), nl=False)


@command.command("forget")
@click.argument("addresses", nargs=-1, required=True)
@common_options
def forget(addresses: tuple[str, ...], profile: str | None, verbose: int) -> None:
    """
    Stop managing records and leave them in Copper.

    Example: crmsync state forget companies.acme
    """
    from crmsync.project.forgetting import forget_addresses
    from crmsync.project.session import open_project

    for address, was_bound in forget_addresses(open_project(profile), [parsed_address(text) for text in addresses]):
        unbound = "no record was bound to it. While a file declares it, apply creates one."
        left = "its record stays in Copper." if was_bound else unbound
        click.echo(f"Forgot {address}; {left}")
