"""Values as YAML on one line: for lines that a user copies into a file, and for `decisions.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from crmsync.model.late import late
from crmsync.model.source import Listing, Node, Scalar
from crmsync.render.jsontext import number_text
from crmsync.render.sanitise import clean

_PLAIN_KEY = late(r"[A-Za-z_][A-Za-z0-9_-]*")
_PLAIN_TEXT = late(r"[A-Za-z][A-Za-z0-9_.@+-]*(?<![.-])")
#: Words that a YAML reader takes for something else than text.
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}


def flow(value: Any) -> str:
    """
    Return plain data as YAML on one line.

    Texts stand in double quotes. What nobody could see in them is written out as by `clean`, so that no parser and no
    terminal acts on it: such a line shows the value, it does not carry it.
    """
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return number_text(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(str(name))}: {flow(each)}" for name, each in value.items()) + "}"
    return "[" + ", ".join(map(flow, value)) + "]"


def quoted(text: str) -> str:
    """Return *text* in double quotes: newlines as an escape, all else that is not plain to see as `clean` shows it."""
    lines = (clean(line).replace("\\", "\\\\").replace('"', '\\"') for line in text.split("\n"))
    return '"' + "\\n".join(lines) + '"'


def bare(text: str) -> str:
    """Return *text* without quotes where YAML lets it stand so."""
    return text if _PLAIN_TEXT.fullmatch(text) and text.casefold() not in _WORDS else quoted(text)


def node_flow(node: Node) -> str:
    """Return what was read from a file as YAML on one line."""
    if isinstance(node, Scalar):
        return node.text if node.is_plain else quoted(node.text)
    if isinstance(node, Listing):
        return "[" + ", ".join(map(node_flow, node.items)) + "]"
    return "{" + ", ".join(f"{_key(key.text)}: {node_flow(each)}" for key, each in node.entries) + "}"


def _key(text: str) -> str:
    return text if _PLAIN_KEY.fullmatch(text) and text.casefold() not in _WORDS else quoted(text)
