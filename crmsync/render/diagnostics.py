"""Diagnostics as text with the source line and a caret, and as data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from textwrap import wrap
from typing import Any

from msgspec import Struct

from crmsync.model.source import Diagnostic, Position
from crmsync.render.paint import Paint, paint_for
from crmsync.render.sanitise import clean
from crmsync.render.width import cells

#: Gives a line of a file by name and number (from 1), without its newline; None when it is not at hand.
LineOf = Callable[[str, int], str | None]

_STYLES = {"error": "red", "warning": "yellow"}

_TAB = "    "
_DETAIL_WIDTH = 100

#: So often a problem is shown in full; one that stands in more places is shown once, with the lines of the others.
_SHOWN_EACH = 3

#: Source lines wider than this are cut around the mark: a table in one line of JSON would fill the screen.
_LINE_WIDTH = 160


def diagnostics_text(diagnostics: Iterable[Diagnostic], line_of: LineOf, *, color: bool = False) -> str:
    """Return *diagnostics* as text with a newline at the end; no text at all for none of them."""
    paint = paint_for(color)
    return "\n".join("\n".join(_told(alike, line_of, paint)) + "\n" for alike in _together(diagnostics))


def _together(diagnostics: Iterable[Diagnostic]) -> Iterator[list[Diagnostic]]:
    """Yield each diagnostic where it comes; one that many places have with all of them, where the first comes."""
    told = list(diagnostics)
    alike: dict[tuple[str, str, str], list[Diagnostic]] = {}
    for each in told:
        alike.setdefault(_saying(each), []).append(each)
    for each in told:
        same = alike[_saying(each)]
        if len(same) <= _SHOWN_EACH:
            yield [each]
        elif same[0] is each:
            yield same


def _saying(diagnostic: Diagnostic) -> tuple[str, str, str]:
    return diagnostic.severity, diagnostic.code.number, diagnostic.detail


def _told(alike: list[Diagnostic], line_of: LineOf, paint: Paint) -> list[str]:
    first, *others = alike
    lines = _one(first, line_of, paint)
    return [*lines, *_others(others, " " * (_gutter(first) + 1))] if others else lines


def _others(others: list[Diagnostic], indent: str) -> list[str]:
    """Return where else the same is wrong: the lines by file."""
    places: dict[str, list[str]] = {}
    for each in others:
        where = each.position
        places.setdefault("" if where is None else where.file, []).append(str(each.address if where is None else where.line))
    said = [f"The same in {len(others):,} more places:"]
    said += [f"  {f'{file}:' if file else ''}{', '.join(dict.fromkeys(spots))}" for file, spots in places.items()]
    return _detail("\n".join(said), indent)


def _gutter(diagnostic: Diagnostic) -> int:
    """Return how many characters the numbers of lines have."""
    return 2 if diagnostic.position is None else max(2, len(str(diagnostic.position.line)))


def _one(diagnostic: Diagnostic, line_of: LineOf, paint: Paint) -> list[str]:
    style = _STYLES[diagnostic.severity]
    code = paint(style, f"{diagnostic.severity}[{diagnostic.code}]")
    position = diagnostic.position
    lines = [f"{code}: {paint('bold', clean(diagnostic.code.summary))}"]
    place = _place(diagnostic)
    if place:
        lines.append(f" --> {place}")
    gutter = _gutter(diagnostic)
    source = None if position is None else line_of(position.file, position.line)
    if position is not None and source is not None:
        marked = mark(source, position)
        lines.append(f"{position.line:>{gutter}} | {marked.text}".rstrip())
        lines.append(f"{'':>{gutter}} | {' ' * marked.indent}{paint(style, '^' * marked.width)}")
    return lines + _detail(diagnostic.detail, " " * (gutter + 1))


def _place(diagnostic: Diagnostic) -> str:
    position, address = diagnostic.position, diagnostic.address
    if position is None:
        return "" if address is None else clean(str(address))
    where = f"{clean(position.file)}:{position.line}:{position.column}"
    return where if address is None else f"{where}, in {clean(str(address))}"


def _detail(detail: str, indent: str) -> list[str]:
    lines: list[str] = []
    for paragraph in detail.splitlines():
        # indents inside a detail are kept: they make lists of candidates and lines to copy
        text = clean(paragraph)
        own = text[: len(text) - len(text.lstrip(" "))]
        lines += wrap(
            text,
            _DETAIL_WIDTH + len(indent),
            initial_indent=indent,
            subsequent_indent=indent + own,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines


class Marked(Struct, frozen=True):
    """A source line as shown, and where the mark below it starts and how wide it is, in terminal cells."""

    text: str
    indent: int
    width: int


def mark(source: str, position: Position) -> Marked:
    """Return the line *source* with the mark of *position*, aligned whatever the width of its characters."""
    start = min(position.column - 1, len(source))
    end = min(start + max(1, position.length), len(source))
    before, marked, after = _shown(source[:start]), _shown(source[start:end]), _shown(source[end:])
    room = _LINE_WIDTH // 2
    if cells(before) + cells(marked) + cells(after) > _LINE_WIDTH:
        before = before if len(before) <= room else f"...{before[-room:]}"
        marked, after = (text if len(text) <= room else f"{text[:room]}..." for text in (marked, after))
    return Marked(before + marked + after, cells(before), max(1, cells(marked)))


def _shown(text: str) -> str:
    return clean(text.replace("\t", _TAB))


def diagnostics_document(diagnostics: Iterable[Diagnostic], line_of: LineOf) -> list[dict[str, Any]]:
    """Return *diagnostics* as data, under the keys of ``terraform validate -json`` plus ``code`` and ``address``."""
    return [_document(each, line_of) for each in diagnostics]


def _document(diagnostic: Diagnostic, line_of: LineOf) -> dict[str, Any]:
    position = diagnostic.position
    return {
        "severity": diagnostic.severity.value,
        "code": diagnostic.code.number,
        "summary": diagnostic.code.summary,
        "detail": diagnostic.detail,
        "address": None if diagnostic.address is None else str(diagnostic.address),
        "range": None if position is None else _range(position),
        "snippet": None if position is None else _snippet(position, line_of(position.file, position.line)),
    }


def _range(position: Position) -> dict[str, Any]:
    return {
        "filename": position.file,
        "start": {"line": position.line, "column": position.column},
        "end": {"line": position.line, "column": position.column + position.length},
    }


def _snippet(position: Position, source: str | None) -> dict[str, Any] | None:
    if source is None:
        return None
    start = min(position.column - 1, len(source))
    return {
        "code": source,
        "start_line": position.line,
        "highlight_start_offset": start,
        "highlight_end_offset": min(start + max(1, position.length), len(source)),
    }
