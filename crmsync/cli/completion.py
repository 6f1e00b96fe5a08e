"""``crmsync completion``."""

from __future__ import annotations

import click

from crmsync.cli.common import common_options


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@common_options
@click.pass_context
def command(ctx: click.Context, shell: str, profile: str | None, verbose: int) -> None:
    """
    Print the script that lets a shell complete commands and options.

    Example: crmsync completion bash >> ~/.bashrc
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    completion = kind(ctx.find_root().command, {}, "crmsync", "_CRMSYNC_COMPLETE")
    click.echo(completion.source_template % completion.source_vars())
