"""Text in, nodes out: nearly all files are written in the usual way, which `lines` reads; `parsing` takes the others."""

from __future__ import annotations

from functools import cached_property

from msgspec import Struct

from crmsync.config.lines import read_lines
from crmsync.config.texts import BOUNDS, CONTROL_IN_TEXT, LINE_BREAK, Bounds, split_lines
from crmsync.model.codes import CODES
from crmsync.model.source import Diagnostic, Node, Position

__all__ = ["Bounds", "Document", "parse"]


class Document(Struct, frozen=True, dict=True):
    """
    A file as nodes; *root* is None when there is nothing to read. *text* is what was parsed, for carets.

    *is_rows*: it has one record a line, each of which stands for itself.
    """

    file: str
    root: Node | None
    diagnostics: tuple[Diagnostic, ...] = ()
    text: str | None = None
    is_rows: bool = False

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines of the file, without invisible characters."""
        return () if self.text is None else split_lines(self.text)


def parse(data: bytes, file: str, limits: Bounds = BOUNDS) -> Document:
    """
    Return the nodes of one YAML or JSON file called *file*, with everything that is wrong with its text.

    Never raises for anything a file may hold. After a syntax error *root* is None; after smaller trouble, such as a
    duplicate key, the rest of the file is still there, so that all problems can be told at once.
    """
    text, unreadable = decoded(data, file, limits)
    if unreadable is not None:
        return Document(file, None, (unreadable,))
    usual = read_lines(text, file, limits.depth, limits.nodes)
    if usual is not None:
        return Document(file, usual, (), text)
    from crmsync.config.parsing import parse_events  # for its cost: few files need a parser

    return Document(file, *parse_events(text, file, limits))


def shown_lines(data: bytes) -> tuple[str, ...]:
    """Return the lines of a file as they are shown beside a complaint, without invisible characters."""
    text, unreadable = decoded(data, "")
    return () if unreadable is not None else split_lines(CONTROL_IN_TEXT.sub(" ", text))


def decoded(data: bytes, file: str, limits: Bounds = BOUNDS) -> tuple[str, Diagnostic | None]:
    """Return the text of *data* without byte order mark, or what makes it unreadable."""
    start = Position(file, 1, 1)
    if len(data) > limits.bytes:
        detail = f"The file has {len(data):,} bytes; at most {limits.bytes:,} are read. Split it into several files."
        return "", Diagnostic(CODES["CRM004"], detail, start)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or (b"\x00" in data[:4] and len(data) > 1):
        detail = "The file is UTF-16 or UTF-32 text, or no text at all. Save it as UTF-8."
        return "", Diagnostic(CODES["CRM001"], detail, start)
    body = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return body.decode("utf-8"), None
    except UnicodeDecodeError as error:
        before = LINE_BREAK.split(body[: error.start].decode("utf-8"))
        position = Position(file, len(before), len(before[-1]) + 1)
        detail = f"The byte 0x{body[error.start]:02X} is not UTF-8 here. Save the file as UTF-8."
        return "", Diagnostic(CODES["CRM001"], detail, position)
