"""How wide text is on a terminal: columns and carets stay aligned beside emoji and Chinese, Japanese or Korean text."""

from __future__ import annotations

import unicodedata

_JOINER = "\u200d"
_EMOJI_STYLE = "\ufe0f"


def cells(text: str) -> int:
    """Return the number of terminal cells that *text* fills; it must be clean (no control characters)."""
    if text.isascii():
        return len(text)
    width, previous, last = 0, "", 0
    for character in text:
        if character == _EMOJI_STYLE and last == 1:
            width += 1  # the style makes a narrow sign a wide picture
        last = 0 if previous == _JOINER or _is_skin_tone(character) else _cells_of(character)
        width += last
        previous = character
    return width


def pad(text: str, width: int) -> str:
    """Return *text* with spaces after it, so that it fills *width* cells."""
    return text + " " * (width - cells(text))


def _cells_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _is_skin_tone(character: str) -> bool:
    return "\U0001f3fb" <= character <= "\U0001f3ff"
