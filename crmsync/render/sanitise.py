r"""
The one sanitiser: text from the CRM, from files and from servers becomes safe to show, wherever it is shown.

Anybody who can put text into the CRM (a web form, the subject of an e-mail) would otherwise write to our users' terminals:
move the cursor, hide rows, reorder them, set the clipboard. What a terminal would act on, or a reader could not see, is
written out as ``\x1b`` or ``\u202e``. The list is fixed instead of asked of `unicodedata`, so that a plan is the same bytes
under every version of Python.

A build machine reads our output as well and obeys lines of it: GitHub takes ``::add-mask::`` at the start of a line and
``##[...]`` anywhere in one (the runner's ActionCommand.TryParseV2 and TryParse), Azure ``##vso[``, TeamCity ``##teamcity[``.

`clean` is for a piece of text, `gate` for whole output, whatever it is made of: the last thing before a stream.
"""

from __future__ import annotations

import re

from crmsync.model.late import late

#: Characters between which a zero-width joiner makes one picture of two (a family, a profession), and hides nothing.
_PICTURE = "\u2190-\u21ff\u2300-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff"

_UNSAFE_CLASS = "".join(
    (
        "\x00-\x1f\x7f-\x9f",  # C0, DEL, C1: escape sequences, bells, tabs, lines
        "\xad\u034f\u180b-\u180f",  # soft hyphen, grapheme joiner, Mongolian selectors
        "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069",  # bidirectional marks, embeddings, overrides, isolates
        "\u200b\u200c\u2060-\u2065\u206a-\u206f\ufeff",  # zero width and invisible operators
        "\u115f\u1160\u17b4\u17b5\u3164\uffa0",  # fillers that print as nothing
        "\u2028\u2029",  # line and paragraph separators
        "\ufe00-\ufe0d\U000e0000-\U000e0fff",  # variation selectors other than text and emoji, tags
        "\ufff0-\uffff\ud800-\udfff",  # interlinear marks, noncharacters, lone surrogates
        "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a",  # invisible shorthand and music
    )
)

#: The bracket of a command to a build machine.
_COMMAND = r"(?<=##)\[|(?<=##vso)\[|(?<=##teamcity)\["

_UNSAFE = late(f"[{_UNSAFE_CLASS}]|(?<![{_PICTURE}\ufe0f])\u200d|\u200d(?![{_PICTURE}])|{_COMMAND}")

#: Colours pass the gate (they are ours: in text of others the escape was written out before), and so do lines.
_STOPPED = late(
    "(?P<passes>\x1b\\[[0-9;]*m)|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
    rf"|(?m:^)(?P<blank>[^\S\n]*):(?=:)|{_COMMAND}"
)

_SHORT = {"\n": "↵", "\t": r"\t", "\r": r"\r"}


def clean(text: str) -> str:
    r"""
    Return *text* on one line, with everything that a terminal acts on or a reader cannot see made visible.

    A newline becomes ``↵``, a tab ``\t``, the escape character ``\x1b``. Cleaning twice changes nothing more.
    """
    if text.isascii() and text.isprintable() and "##" not in text:
        return text
    return _UNSAFE.sub(_visible, text)


def gate(text: str) -> str:
    """
    Return *text*, lines of output, without what acts on a terminal or commands a build machine.

    It leaves lines, colours and what is merely invisible, which may be data; text that was cleaned is left as it is, but
    for a line that begins like a command. Doing it twice changes nothing more.
    """
    # Nearly all output: nothing of it is even looked for character by character.
    if text.isascii() and "::" not in text and "##" not in text and text.replace("\n", "").isprintable():
        return text
    return _STOPPED.sub(_stopped, text)


def html(text: str) -> str:
    """Return *text* for the body or an attribute of an HTML page."""
    from html import escape  # for its cost: every command has this module, and few write HTML

    return escape(clean(text))


def fenced(text: str, language: str = "") -> str:
    """
    Return *text*, lines of it, as a block of code in Markdown: nothing in it is a link, a mention or a heading.

    The fence is longer than any in the text, and each line is cleaned.
    """
    lines = "\n".join(map(clean, text.split("\n")))
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", lines)), default=0))
    return f"{fence}{language}\n{lines}\n{fence}\n"


def json_safe(text: str) -> str:
    """Return *text*, a piece of JSON, with the same characters as JSON escapes: other bytes, the same data."""
    if text.isascii() and text.isprintable() and "##" not in text:
        return text
    return _UNSAFE.sub(_json_escape, text)


def _stopped(match: re.Match[str]) -> str:
    if match["passes"] is not None:
        return match.group()
    # Form feeds and line separators are blank, too.
    return _visible(match) if match["blank"] is None else rf"{gate(match['blank'])}\x3a"


def _visible(match: re.Match[str]) -> str:
    character = match.group()
    if character in _SHORT:
        return _SHORT[character]
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _json_escape(match: re.Match[str]) -> str:
    number = ord(match.group())
    if number < 0x10000:
        return f"\\u{number:04x}"
    high, low = divmod(number - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
