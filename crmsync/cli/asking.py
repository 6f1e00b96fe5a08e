"""Questions to whoever sits at the terminal."""

from __future__ import annotations

import select
import signal
import socket
import sys

import click


def has_terminal() -> bool:
    """Say whether somebody can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def typed_line() -> str:
    """
    Return the line that is typed at the terminal. Raises click.Abort at its end (Ctrl-D).

    `input` would sleep through a Ctrl-C that comes just before it waits; the byte that a signal leaves here does not.
    """
    if sys.platform == "win32":  # there a console is nothing to select on, and Ctrl-C does end a read
        return _whole(sys.stdin.readline())
    told, tell = socket.socketpair()
    with told, tell:
        tell.setblocking(False)
        earlier = signal.set_wakeup_fd(tell.fileno())
        try:
            select.select([sys.stdin, told], [], [])
        finally:
            signal.set_wakeup_fd(earlier)
    return _whole(sys.stdin.readline())


def _whole(line: str) -> str:
    if not line:
        raise click.Abort
    return line


def is_agreed(question: str) -> bool:
    """Ask, and say whether the answer is yes. Raises click.Abort, UsageError where nobody can be asked."""
    if not has_terminal():
        raise click.UsageError("There is no terminal to ask on. Say --auto-approve.")
    click.echo(f'{question} Only "yes" is accepted.', err=True)
    click.echo("Answer: ", nl=False, err=True)
    return typed_line().strip() == "yes"
