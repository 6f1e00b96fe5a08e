"""``crmsync labels``."""

from __future__ import annotations

from typing import Any

import click

from crmsync.cli.common import common_options
from crmsync.cli.looking import looking
from crmsync.cli.printing import output_option, print_rows


@click.command()
@click.argument("table", required=False)
@click.argument("name", required=False)
@output_option
@common_options
def command(table: str | None, name: str | None, output: str, profile: str | None, verbose: int) -> int:
    """
    Look at the labels of the account, with their ids.

    TABLE is users, pipelines, stages [PIPELINE], contact-types, customer-sources, loss-reasons, lead-statuses,
    activity-types, custom-fields [TYPE] or options FIELD; without one it says how many entries each has.

    Example: crmsync labels options Tier
    """
    with looking(profile) as copper:
        from crmsync.client.tables import label_rows

        found: Any = label_rows(copper, table, name)
        print_rows(output, found.title, found.columns, found.rows)
    return 0
