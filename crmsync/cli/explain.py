"""``crmsync explain``."""

from __future__ import annotations

import re

import click

from crmsync.cli.common import common_options, echo_json


@click.command()
@click.argument("code", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@common_options
def command(code: str | None, as_json: bool, profile: str | None, verbose: int) -> None:
    """
    Explain the code of an error or warning; without a code, list them all.

    Example: crmsync explain CRM030
    """
    from crmsync.model.codes import CODES

    number = re.sub(r"^(?:CRM)?(\d{1,3})$", lambda found: f"CRM{int(found[1]):03}", (code or "").upper())
    if code is not None and number not in CODES:
        raise click.UsageError(f"There is no code {code}. All of them: crmsync explain")
    rows = [CODES[number]] if code is not None else [CODES[each] for each in sorted(CODES)]
    if as_json:
        echo_json([{"code": each.number, "summary": each.summary, "explanation": each.explanation} for each in rows])
    elif code is not None:
        click.echo(f"{rows[0]}: {rows[0].summary}\n\n{rows[0].explanation}")
    else:
        click.echo("\n".join(f"{each}  {each.summary}" for each in rows))
