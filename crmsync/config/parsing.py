"""
Text that is not written in the usual way, parsed by libyaml into nodes: the one place that knows YAML, with `building`.

PyYAML's loaders decide too much: they turn `NO` into false, `00501` into 321, drop duplicate keys without a word, and
their composer dies of a small file that is nested deeply. So only the parser's *events* are used here. Every scalar
stays text, with its place; what it means is decided later by the field it stands in. The limits are checked event by
event, before anything is built, and an alias stands for the node it names, so nothing is ever copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from crmsync.config.building import Builder
from crmsync.config.texts import BOUNDS, CONTROL_IN_TEXT, LINE_BREAK, Bounds, control_diagnostic, split_lines
from crmsync.config.wording import TOLD_AT_THEIR_BEGINNING, TOO_DEEP, say_problem
from crmsync.model.codes import CODES
from crmsync.model.late import late
from crmsync.model.source import Diagnostic, Node, Position, in_file_order

_SURROGATE_ESCAPE = late(r"\\u([dD][89a-fA-F][0-9a-fA-F]{2})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?")
MAX_REPEATS = 20  # of one kind of trouble in one file; a binary file would give thousands


def parse_events(text: str, file: str, limits: Bounds) -> tuple[Node | None, tuple[Diagnostic, ...], str]:
    """Return the nodes of *text*, None when there are none to be had, what is wrong with it, and the text as it is shown."""
    found: list[Diagnostic] = []
    if CONTROL_IN_TEXT.search(text) is not None:
        found += _find_controls(text, file)
        text = CONTROL_IN_TEXT.sub(" ", text)

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
        return builder.root, in_file_order([*found, *builder.diagnostics]), shown
    return None, in_file_order(found), shown


def _find_controls(text: str, file: str) -> Iterator[Diagnostic]:
    """Yield the control characters that stand in *text* as they are, up to 20 of them."""
    line, line_start, scanned = 1, 0, 0
    for count, match in enumerate(CONTROL_IN_TEXT.finditer(text)):
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
