"""What callers do wrong: told before anything is sent, with what was probably meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from msgspec.structs import replace

from crmsync.model.codes import CODES
from crmsync.model.source import Diagnostic, Position, Problem

Given = TypeVar("Given")
Seen = TypeVar("Seen")


class BadInput(ValueError):
    """A type, field, operator, label or value that cannot be; *diagnostics* has each problem with its place."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(each.detail for each in self.diagnostics))


def each_row(rows: Iterable[Given], look: Callable[[Given], Seen]) -> list[Seen]:
    """Return what *look* makes of each row. Raises BadInput with the problems of all of them, each with its row from 1."""
    seen: list[Seen] = []
    problems: list[Diagnostic] = []
    for number, row in enumerate(rows, 1):
        try:
            seen.append(look(row))
        except BadInput as error:
            problems += [replace(each, detail=f"Row {number}: {each.detail}") for each in error.diagnostics]
    if problems:
        raise BadInput(problems)
    return seen


def a(noun: str) -> str:
    """Return a noun with its article."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def bad(code: str, detail: str, position: Position | None = None) -> BadInput:
    """Return the error for one problem."""
    return BadInput([Diagnostic(CODES[code], detail, position)])


def bad_value(problems: Iterable[Problem]) -> BadInput:
    """Return the error for what a kind found wrong with a value."""
    return BadInput(Diagnostic(each.code, each.detail, each.position) for each in problems)
