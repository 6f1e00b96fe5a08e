"""
[edge] The commands: one short file each, imported when it is called, so that ``--help`` costs little.

Each parses its options, calls `crmsync.project`, prints, and ends with an exit code (design.md section 5).
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Sequence

import click

import crmsync

#: Command, and the line that ``--help`` shows for it. The file of the same name holds it as ``command``.
COMMANDS = {
    "init": "Start a project in this folder.",
    "login": "Keep a key for the Copper API in the keyring.",
    "validate": "Check the files, without a network.",
    "plan": "Show what apply would do.",
    "apply": "Bring Copper to what the files say.",
    "show": "Print a saved plan.",
    "get": "Look at records in Copper, as a table, csv, json, yaml or Excel.",
    "record": "Write one lead, task, project or activity.",
    "labels": "Look at the labels of the account: users, pipelines, options and the rest.",
    "adopt": "Bind an address to a record that exists.",
    "runs": "List what was applied, when and by whom.",
    "undo": "Put back what a run replaced.",
    "state": "Look at what crmsync remembers, or forget a record.",
    "unlock": "Take the state's lease from a run that is gone.",
    "doctor": "Say what is wrong with key, address, clock, permissions or state.",
    "sandbox": "Run a local Copper to practise on.",
    "explain": "Explain the code of an error or warning.",
    "schema": "Print a JSON schema, or set up an editor.",
    "completion": "Print the completion script of a shell.",
}

#: When the garbage collector looks: what is imported stays, and to look through it took 15 ms of 200.
COLLECTED = (100_000, 20, 20)

EPILOG = """\b
Exit codes: 0 done or nothing to do; 1 error; 2 changes (with --detailed-exitcode);
3 authentication or permission; 4 locked; 5 refused; 6 not everything was done, run again;
64 usage; 130 interrupted, safe to run again.

\b
The key comes from COPPER_API_KEY and COPPER_USER_EMAIL; no option takes it.
Example: crmsync plan --out plan.json && crmsync apply plan.json
"""


class _Commands(click.Group):
    """Finds commands by name and imports only the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"crmsync.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            from crmsync.model.suggest import did_you_mean  # only for a slip of the pen

            ctx.fail(f"There is no command {args[0]}.{did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(crmsync.__version__, prog_name="crmsync", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """CRM-as-code for Copper: YAML files say which records should exist, by label."""
    if os.environ.get("FORCE_COLOR"):
        ctx.color = True  # else click takes the colours out of what goes to a file


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit. No traceback reaches a user."""
    gc.set_threshold(*COLLECTED)
    from crmsync.cli.ending import run

    _fill_closed_streams()
    code = run(cli, arguments)
    gc.freeze()  # the end of a process looks at all that is left for cycles, several times: 60 ms after a plan of 100,000
    sys.exit(code)


def _fill_closed_streams() -> None:
    """Let a stream that the caller closed lead nowhere: the next file opened would take its place and get our output."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)
            if handle != number:
                os.dup2(handle, number)
            setattr(sys, name, os.fdopen(number, mode))
