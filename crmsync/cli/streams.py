"""
The last thing before a stream: everything that a command prints passes the gate of `crmsync.render.sanitise`.

Renderers clean each text they show. This stands behind them, for the message that somebody forgets, for what libraries
print, and for lines, which are only known here.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, cast

import click

from crmsync.render.sanitise import gate


class Guarded:
    """A text stream that lets through only what is safe to show; *unguarded* is the stream behind it."""

    def __init__(self, stream: TextIO) -> None:
        self.unguarded = stream
        self._is_blank = True

    def write(self, text: str) -> int:
        """Write *text*, lines or pieces of one."""
        # A letter in front, where the line has begun already: a command begins a line.
        shown = gate(text) if self._is_blank else gate(f"x{text}")[1:]
        _, newline, last = text.rpartition("\n")
        self._is_blank = not last.strip() and (self._is_blank or bool(newline))
        self.unguarded.write(shown)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write *lines*."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unguarded, name)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Let stdout and stderr be guarded for as long as the block runs."""
    earlier = sys.stdout, sys.stderr
    try:
        sys.stdout, sys.stderr = (each and cast(TextIO, Guarded(_whole(each))) for each in earlier)
        yield
    finally:
        sys.stdout, sys.stderr = earlier


def _whole(stream: TextIO) -> TextIO:
    """
    Return *stream*, or in its place one that writes all it is given, or fails.

    With PYTHONUNBUFFERED there is only the file itself, which writes a part where the disk gets full, and nobody is told.
    """
    if not isinstance(getattr(stream, "buffer", None), io.RawIOBase):
        return stream
    return os.fdopen(stream.fileno(), "w", 1, encoding=stream.encoding, errors=stream.errors, closefd=False)


def unguarded(stream: TextIO) -> TextIO:
    """Return the stream behind *stream*, for a display that moves the cursor and cleans its text itself."""
    return cast(TextIO, getattr(stream, "unguarded", stream))


def drop(stream: TextIO) -> None:
    """Let *stream* lead nowhere, so that Python does not fail once more, at exit, with what it still holds."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say(text: str) -> None:
    """Tell *text* on stderr, if anybody is there to be told."""
    try:
        click.echo(text, err=True, color=bool(os.environ.get("FORCE_COLOR")) or None)
    except OSError:
        drop(sys.stderr)


#: So many characters are printed at a time of what is long.
PORTION = 2**16


def portions(pieces: Iterable[str]) -> Iterator[str]:
    """Yield *pieces* together, some at a time."""
    waiting: list[str] = []
    count = 0
    for piece in pieces:
        waiting.append(piece)
        count += len(piece)
        if count >= PORTION:
            yield "".join(waiting)
            waiting, count = [], 0
    yield "".join(waiting)
