"""``crmsync sandbox``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from crmsync.cli.common import common_options, echo_json


@click.group(invoke_without_command=True)
@click.option("--account", type=click.Path(path_type=Path, dir_okay=False), help="Labels and first records, as YAML.")
@click.option("--data", type=click.Path(path_type=Path, dir_okay=False), help="Keep the records in this file.")
@click.option("--port", default=0, show_default="a free one", help="Port on the loopback address.")
@click.option("--rate", type=click.Choice(["on", "off"]), default="on", show_default=True, help="Copper's request limits.")
@click.option("--quirk", "quirks", multiple=True, metavar="NAME=VALUE", help="How Copper behaves where nobody knows.")
@common_options
@click.pass_context
def command(
    ctx: click.Context,
    account: Path | None,
    data: Path | None,
    port: int,
    rate: str,
    quirks: tuple[str, ...],
    profile: str | None,
    verbose: int,
) -> None:
    """
    Run a local Copper to practise on. It prints its address and three variables to export.

    Example: crmsync sandbox --account sandbox.yaml
    """
    if ctx.invoked_subcommand is not None:
        return
    from crmsync.sandbox import Rate, Sandbox, make_key, serve

    try:
        sandbox = _sandbox(Sandbox, account, data, Rate() if rate == "on" else None, quirks)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    email = sandbox.account.users[0].email

    def tell(url: str) -> None:
        click.echo(f"The sandbox listens at {url}. Ctrl-C ends it. In another terminal:\n")
        click.echo(f"export COPPER_BASE_URL={url}\nexport COPPER_API_KEY={make_key()}\nexport COPPER_USER_EMAIL={email}")

    serve(sandbox, port=port, on_ready=tell)


def _sandbox(build: Any, account: Path | None, data: Path | None, rate: Any, quirks: tuple[str, ...]) -> Any:
    from crmsync.sandbox import DEFAULT_ACCOUNT, Quirks, load_account

    chosen = load_account(account) if account is not None else DEFAULT_ACCOUNT
    return build(account=chosen, rate=rate, data=data, quirks=Quirks.parse(list(quirks)) if quirks else None)


def _ask(method: str, path: str, payload: Any = None) -> Any:
    """Return the sandbox's answer to a request beside the API: it does what a person in the web application would."""
    import requests  # a subcommand only

    base = os.environ.get("COPPER_BASE_URL", "").partition("/developer_api")[0]
    if not base.startswith(("http://127.0.0.1", "http://localhost", "http://[::1]")):
        raise click.UsageError("COPPER_BASE_URL does not name a sandbox. Export the lines that `crmsync sandbox` printed.")
    try:
        answer = requests.request(method, f"{base}/sandbox{path}", json=payload, timeout=30, allow_redirects=False)
    except requests.RequestException as error:
        raise click.ClickException(f"No sandbox answers at {base}.") from error
    data = answer.json()
    if answer.status_code != 200:
        raise click.ClickException(str(data.get("error") or data.get("message") or data))
    return data


@command.command("edit")
@click.argument("record", metavar="TYPE/ID")
@click.argument("values", nargs=-1, required=True, metavar="FIELD=VALUE...")
@common_options
def edit(record: str, values: tuple[str, ...], profile: str | None, verbose: int) -> None:
    """
    Change a record as a person in the web application would.

    Example: crmsync sandbox edit companies/123 details="Called on Monday"
    """
    type_name, _, id = record.partition("/")
    pairs = [value.partition("=") for value in values]
    if not id.isdigit() or any(not name or not sign for name, sign, _ in pairs):
        raise click.UsageError("It is called like: crmsync sandbox edit companies/123 details=text")
    fields = {name: _value(text) for name, _, text in pairs}
    echo_json(_ask("POST", "/edit", {"type": type_name, "id": int(id), "values": fields}))


def _value(text: str) -> Any:
    """Return JSON where *text* is a list, an object, null, true or false; else the text itself."""
    if text[:1] in ("[", "{") or text in ("null", "true", "false"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


@command.command("log")
@common_options
def log(profile: str | None, verbose: int) -> None:
    """
    Print the requests that the sandbox got.

    Example: crmsync sandbox log
    """
    for entry in _ask("GET", "/log"):
        click.echo(json.dumps(entry, ensure_ascii=False))
