"""Where things stand in the user's files, and what is wrong with them."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from crmsync.model.address import Address
from crmsync.model.codes import Code


# Named tuples, because a large project has millions of these: they are made in a third of the time of a dataclass.
class Position(NamedTuple):
    """A place in a file; line and column count from 1, *length* is the number of characters to mark."""

    file: str
    line: int
    column: int
    length: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Scalar(NamedTuple):
    """One piece of text in a file; *is_plain* when it was written without quotes."""

    text: str
    position: Position
    is_plain: bool = True


class Listing(Struct, frozen=True):
    """A list in a file."""

    items: tuple[Node, ...]
    position: Position


class Table(Struct, frozen=True):
    """A mapping in a file; entries keep the order and the positions of their keys."""

    entries: tuple[tuple[Scalar, Node], ...]
    position: Position

    def get(self, name: str) -> Node | None:
        """Return what stands under *name*, or None."""
        for key, node in self.entries:
            if key.text == name:
                return node
        return None


Node = Scalar | Listing | Table


def is_null(node: Node) -> bool:
    """Say whether *node* is the plain word ``null``, the only way to clear a field."""
    return isinstance(node, Scalar) and node.is_plain and node.text == "null"


class Severity(StrEnum):
    """How bad a diagnostic is; only errors stop a run."""

    ERROR = "error"
    WARNING = "warning"


class Problem(Struct, frozen=True):
    """Something wrong with one value, as the kind that read it sees it."""

    code: Code
    detail: str
    position: Position
    severity: Severity = Severity.ERROR


class Diagnostic(Struct, frozen=True):
    """A problem as told to the user: a fixed summary (from *code*), a detail in full sentences, the place."""

    code: Code
    detail: str
    position: Position | None = None
    address: Address | None = None
    severity: Severity = Severity.ERROR

    @property
    def is_error(self) -> bool:
        """Say whether this diagnostic stops the run."""
        return self.severity is Severity.ERROR


def in_file_order(diagnostics: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return *diagnostics* by file, line and column; those without a place last; exact repeats once."""
    nowhere = Position("\uffff", 0, 0)
    unique = dict.fromkeys(diagnostics)
    return tuple(sorted(unique, key=lambda each: (each.position or nowhere, each.code.number, each.detail)))
