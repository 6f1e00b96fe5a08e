"""What is said to a sandbox that runs: ``crmsync sandbox edit``, ``log`` and ``records``."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from crmsync.cli.common import common_options, echo_json


def _ask(method: str, path: str, payload: Any = None) -> Any:
    """Return the sandbox's answer to a request beside the API: it does what a person in the web application would."""
    import requests  # a subcommand only

    from crmsync.project.connect import sandbox_address

    base = sandbox_address(os.environ)
    if base is None:
        raise click.UsageError("COPPER_BASE_URL does not name a sandbox. Export the lines that `crmsync sandbox` printed.")
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy stands between this machine and itself
            answer = session.request(method, f"{base}/sandbox{path}", json=payload, timeout=30, allow_redirects=False)
    except requests.RequestException as error:
        raise click.ClickException(f"No sandbox answers at {base}.") from error
    data = answer.json()
    if answer.status_code != 200:
        raise click.ClickException(str(data.get("error") or data.get("message") or data))
    return data


@click.command("edit")
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


@click.command("log")
@common_options
def log(profile: str | None, verbose: int) -> None:
    """
    Print the requests that the sandbox got, one JSON object a line.

    Example: crmsync sandbox log
    """
    _print(_ask("GET", "/log"))


@click.command("records")
@click.argument("type_name", metavar="TYPE")
@common_options
def records(type_name: str, profile: str | None, verbose: int) -> None:
    """
    Print the records of a type as Copper shows them, one JSON object a line; hidden ones too.

    Example: crmsync sandbox records people
    """
    _print(_ask("GET", f"/records/{type_name}"))


def _print(rows: Any) -> None:
    for row in rows:
        click.echo(json.dumps(row, ensure_ascii=False))
