"""How a command ends: every way out has a message on stderr and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

USAGE, INTERRUPTED, FAULT = 64, 130, 1


def run(command: click.Command, arguments: Sequence[str] | None) -> int:
    """Run *command* and return its exit code; whatever is raised becomes a message."""
    try:
        code = command.main(args=None if arguments is None else list(arguments), prog_name="crmsync", standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as error:
        error.show(sys.stderr)
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted. It is safe to run again.", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; that is their right. Python must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except click.ClickException as error:
        error.show(sys.stderr)
        return FAULT
    except Exception as error:
        return _end_with(error)
    return code if isinstance(code, int) else 0


def _end_with(error: Exception) -> int:
    from crmsync.cli.common import color, show_diagnostics
    from crmsync.project.trouble import InputTrouble, Trouble

    if isinstance(error, InputTrouble):
        show_diagnostics(error.diagnostics, error.line_of)
        return error.exit_code
    if isinstance(error, Trouble):
        head = click.style("error:", fg="red", bold=True) if color(sys.stderr) else "error:"
        click.echo(f"{head} {error}", err=True)
        return error.exit_code
    if isinstance(error, OSError) and error.filename is not None:
        click.echo(f"error: {error.strerror}: {error.filename}", err=True)
        return FAULT
    click.echo(_fault_text(error), err=True)
    return FAULT


def _fault_text(error: Exception) -> str:
    """Return what is said about a fault of our own; the traceback goes to a file, for it may hold values."""
    name = type(error).__name__
    folder = Path(".crmsync") if Path(".crmsync").is_dir() else None
    if folder is None:
        return f"error: crmsync has a fault ({name}). Nothing more was sent. Please report it with what you did."
    path = folder / "fault.txt"
    path.touch(mode=0o600)
    path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return f"error: crmsync has a fault ({name}). Nothing more was sent. Please report it; {path} says where it happened."
