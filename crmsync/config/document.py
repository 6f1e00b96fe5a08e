"""
Text in, nodes out: the one place that knows YAML (`lines` knows the part of it that nearly all files are written in).

PyYAML's loaders decide too much: they turn `NO` into false, `00501` into 321, drop duplicate keys without a word, and
their composer dies of a small file that is nested deeply. So only the parser's *events* are used here. Every scalar
stays text, with its place; what it means is decided later by the field it stands in. The limits are checked event by
event, before anything is built, and an alias stands for the node it names, so nothing is ever copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import yaml

from crmsync.config.building import BOUNDS, LINE_BREAK, Bounds, Builder, control_diagnostic, split_lines
from crmsync.config.lines import read_lines
from crmsync.config.wording import TOLD_AT_THEIR_BEGINNING, TOO_DEEP, say_problem
from crmsync.model.codes import CODES
from crmsync.model.source import Diagnostic, Node, Position, in_file_order

_CONTROL_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\ufffe\uffff]")
_SURROGATE_ESCAPE = re.compile(r"\\u([dD][89a-fA-F][0-9a-fA-F]{2})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?")

MAX_REPEATS = 20  # of one kind of trouble in one file; a binary file would give thousands

__all__ = ["Bounds", "Document", "parse"]


@dataclass(frozen=True)
class Document:
    """
    A file as nodes; *root* is None when there is nothing to read. *text* is what was parsed, for carets.

    *is_rows*: it has one record a line, each of which stands for itself.
    """

    file: str
    root: Node | None
    diagnostics: tuple[Diagnostic, ...] = ()
    text: str | None = field(default=None, repr=False)
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
    found: list[Diagnostic] = []
    if _CONTROL_IN_TEXT.search(text) is not None:
        found += _find_controls(text, file)
        text = _CONTROL_IN_TEXT.sub(" ", text)

    shown = text
    for _ in range(MAX_REPEATS):
        builder = Builder(file, shown, limits)
        try:
            builder.build(text)
        except yaml.YAMLError as error:
            lines = split_lines(shown)
            place = _place(error, lines)
            escape = _surrogate_at(lines, place)
            if escape is not None:
                found.append(_surrogate_diagnostic(escape, file, place[0]))
                text = _blank_out(text, place[0], escape)
                continue
            builder.root = None
            builder.diagnostics.append(_syntax_error(error, file, place, lines))
        return Document(file, builder.root, in_file_order([*found, *builder.diagnostics]), shown)
    return Document(file, None, in_file_order(found), shown)


def shown_lines(data: bytes) -> tuple[str, ...]:
    """Return the lines of a file as they are shown beside a complaint, without invisible characters."""
    text, unreadable = decoded(data, "")
    return () if unreadable is not None else split_lines(_CONTROL_IN_TEXT.sub(" ", text))


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


def _find_controls(text: str, file: str) -> Iterator[Diagnostic]:
    """Yield the control characters that stand in *text* as they are, up to 20 of them."""
    line, line_start, scanned = 1, 0, 0
    for count, match in enumerate(_CONTROL_IN_TEXT.finditer(text)):
        if count == MAX_REPEATS:
            return
        for line_break in LINE_BREAK.finditer(text, scanned, match.start()):
            if line_break.group() != "\x85":
                line, line_start = line + 1, line_break.end()
        scanned = match.start()
        yield control_diagnostic(match.group(), Position(file, line, match.start() - line_start + 1))


def _place(error: yaml.YAMLError, lines: tuple[str, ...]) -> tuple[int, int]:
    """Return line and column, from 0 and inside the file, where *error* is best shown."""
    mark = getattr(error, "problem_mark", None)
    context = getattr(error, "context_mark", None)
    if getattr(error, "problem", None) in TOLD_AT_THEIR_BEGINNING and context is not None:
        mark = context
    if mark is None:
        return 0, 0
    if mark.line < len(lines) and (lines[mark.line] or mark.line == 0):
        return mark.line, min(mark.column, len(lines[mark.line]))
    line = max((number for number, text in enumerate(lines[: mark.line]) if text.strip()), default=0)
    return line, len(lines[line].rstrip())


def _syntax_error(error: yaml.YAMLError, file: str, place: tuple[int, int], lines: tuple[str, ...]) -> Diagnostic:
    line, column = place
    problem = getattr(error, "problem", None) or "this is not YAML"
    context = getattr(error, "context_mark", None)
    began = context.line + 1 if context is not None and context.line < line else None
    if problem == TOO_DEEP:
        detail = f"Values are nested more than {BOUNDS.depth} levels deep here."
        return Diagnostic(CODES["CRM004"], detail, Position(file, line + 1, column + 1))
    code = CODES["CRM006"] if "tag" in problem else CODES["CRM002"]
    detail = say_problem(problem, lines[line][column : column + 1], began)
    return Diagnostic(code, detail, Position(file, line + 1, column + 1))


def _surrogate_at(lines: tuple[str, ...], place: tuple[int, int]) -> re.Match[str] | None:
    r"""Return the ``\ud83d`` escape that the parser stumbled over; its mark is two characters in."""
    line, column = place
    return _SURROGATE_ESCAPE.match(lines[line], max(column - 2, 0))


def _surrogate_diagnostic(escape: re.Match[str], file: str, line: int) -> Diagnostic:
    high, low = escape.groups()
    position = Position(file, line + 1, escape.start() + 1, escape.end() - escape.start())
    if low is None or int(high, 16) >= 0xDC00:
        detail = f"{escape.group()} is half a character; its other half is missing. Write the character itself."
        return Diagnostic(CODES["CRM005"], detail, position)
    number = 0x10000 + ((int(high, 16) - 0xD800) << 10) + (int(low, 16) - 0xDC00)
    detail = f"YAML does not join the two halves {escape.group()}. Write {chr(number)} itself, or \\U{number:08X}."
    return Diagnostic(CODES["CRM005"], detail, position)


def _blank_out(text: str, line: int, escape: re.Match[str]) -> str:
    """Return *text* with *escape* on *line* replaced by as many question marks."""
    start = 0
    for _, line_break in zip(range(line), LINE_BREAK.finditer(text), strict=False):
        start = line_break.end()
    width = escape.end() - escape.start()
    return f"{text[: start + escape.start()]}{'?' * width}{text[start + escape.end() :]}"
