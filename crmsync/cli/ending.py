"""How a command ends: every way out has a message on stderr and an exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from crmsync.cli.streams import drop, guarded, say

USAGE, INTERRUPTED, FAULT = 64, 130, 1


def run(command: click.Command, arguments: Sequence[str] | None) -> int:
    """Run *command* and return its exit code; whatever is raised becomes a message, and whatever is printed is safe."""
    with guarded():
        return _ended(command, arguments)


def _ended(command: click.Command, arguments: Sequence[str] | None) -> int:
    code = 0
    try:
        code = _run(command, arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        drop(sys.stdout)  # whoever read our output has gone; that is their right
    except OSError as error:
        drop(sys.stdout)
        say(f"error: The output could not be written: {error.strerror}.")
        return FAULT
    return code


def _run(command: click.Command, arguments: Sequence[str] | None) -> int:
    try:
        code = command.main(args=None if arguments is None else list(arguments), prog_name="crmsync", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.format_message())
        return USAGE
    except click.UsageError as error:
        if error.ctx is not None:
            say(f"{error.ctx.get_usage()}\nMore with: {error.ctx.command_path} --help\n")
        say(f"error: {_cleaned(error.format_message())}")
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        say("Interrupted. It is safe to run again.")
        return INTERRUPTED
    except click.ClickException as error:
        say(f"error: {_cleaned(error.format_message())}")
        return FAULT
    except SystemExit as error:
        raise BrokenPipeError from error  # what click makes of a reader who has gone
    except Exception as error:
        if isinstance(error, OSError) and error.filename is None and error.errno is not None:
            raise  # of a stream: the files and connections of a command have their own messages
        return _end_with(error)
    return code if isinstance(code, int) else 0


def _end_with(error: Exception) -> int:
    from crmsync.cli.common import color, show_diagnostics
    from crmsync.project.trouble import InputTrouble, Trouble

    if isinstance(error, InputTrouble):
        show_diagnostics(error.diagnostics, error.line_of)
        return error.exit_code
    head = click.style("error:", fg="red", bold=True) if color(sys.stderr) else "error:"
    if isinstance(error, Trouble):
        say(f"{head} {_cleaned(str(error))}")
        return error.exit_code
    if isinstance(error, OSError) and error.filename is not None:
        say(f"{head} {error.strerror}: {_cleaned(str(error.filename))}")
        return FAULT
    say(f"{head} {_fault_text(error)}")
    return FAULT


def _cleaned(text: str) -> str:
    from crmsync.render.sanitise import clean

    return "\n".join(map(clean, text.splitlines()))


def _fault_text(error: Exception) -> str:
    """Return what is said about a fault of our own; the traceback goes to a private file."""
    from crmsync.project.saving import write_private

    said = f"crmsync has a fault ({type(error).__name__}). Nothing more was sent. Please report it"
    path = Path(".crmsync") / "fault.txt"
    if not path.parent.is_dir():
        return f"{said} with what you did."
    try:
        write_private(path, "".join(traceback.format_exception(error)))
    except OSError:
        return f"{said} with what you did."
    return f"{said}; {path} says where it happened."
