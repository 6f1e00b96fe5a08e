"""``crmsync login``."""

from __future__ import annotations

import os
import sys

import click

from crmsync.cli.common import common_options


@click.command()
@click.option("--check", is_flag=True, help="Ask Copper first whether the key opens an account.")
@common_options
def command(check: bool, profile: str | None, verbose: int) -> None:
    """
    Keep a key for the Copper API in the keyring of this system. It is asked for and never shown.

    COPPER_API_KEY in the environment goes before the keyring; COPPER_USER_EMAIL says whose key is used.

    Example: crmsync login --check
    """
    from crmsync.project.loggingin import checked, keep_key
    from crmsync.project.trouble import UsageTrouble
    from crmsync.render.sanitise import clean

    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageTrouble("There is no terminal to ask on. Export COPPER_API_KEY and COPPER_USER_EMAIL instead.")
    email = os.environ.get("COPPER_USER_EMAIL", "").strip() or click.prompt("E-mail of the key's owner", err=True).strip()
    key = click.prompt(f"Key of {clean(email)} (not shown)", hide_input=True, err=True).strip()
    if check:
        click.echo(f"The key opens {clean(checked(os.environ, email, key))}.")
    keep_key(email, key)
    click.echo(f"Kept in the keyring. Next: export COPPER_USER_EMAIL={clean(email)}, then `crmsync doctor`.")
