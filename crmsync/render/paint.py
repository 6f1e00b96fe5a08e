"""Colours, made by hand: a plan may have a hundred thousand lines."""

from __future__ import annotations

from collections.abc import Callable

#: Takes a style and clean text, gives the text in that style.
Paint = Callable[[str, str], str]

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35", "cyan": "36"}


def paint_for(color: bool) -> Paint:
    """Return the paint for a terminal that takes colours, or the one that leaves text as it is."""
    return _ansi if color else _plain


def _ansi(style: str, text: str) -> str:
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def _plain(style: str, text: str) -> str:
    return text
