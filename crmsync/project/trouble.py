"""
Why a command cannot go on: one class per exit code (design.md section 5).

    Trouble                 1    an error
     +-- InputTrouble       1    the files are wrong; carries the diagnostics
     +-- LoginTrouble       3    authentication or permission
     +-- LockedTrouble      4    another run holds the state
     +-- RefusedTrouble     5    limits, stale or foreign plans, another account
     +-- UsageTrouble       64   the command was called wrongly
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from crmsync.model.source import Diagnostic

LineOf = Callable[[str, int], str | None]


class Trouble(Exception):
    """A command cannot go on; the message says why and what to do."""

    exit_code = 1


class InputTrouble(Trouble):
    """The user's files are wrong; *line_of* finds the source lines for the diagnostics."""

    def __init__(self, diagnostics: Sequence[Diagnostic], line_of: LineOf) -> None:
        super().__init__(f"{len(diagnostics)} problems")
        self.diagnostics = tuple(diagnostics)
        self.line_of = line_of


class LoginTrouble(Trouble):
    """Copper does not let us in, or not so far."""

    exit_code = 3


class LockedTrouble(Trouble):
    """Another run holds the state."""

    exit_code = 4


class RefusedTrouble(Trouble):
    """crmsync refuses: a limit, a stale or foreign plan, another account."""

    exit_code = 5


class UsageTrouble(Trouble):
    """The command was called wrongly."""

    exit_code = 64


def counted(number: int, word: str) -> str:
    """Return ``1 record`` or ``2 records``."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
