"""JSON as bytes that are the same every time: sorted keys, exact decimals, nothing a terminal would act on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

from crmsync.render.sanitise import json_safe

#: Beyond so many zeros a number is written with an exponent.
_MAX_EXPONENT = 30
#: The newline with the indent of a document, of what stands in it, and of what stands in its lists.
_START, _INNER, _INMOST = "\n", "\n  ", "\n    "


def dump(document: Any) -> str:
    """Return *document* as JSON for people and machines: sorted keys, 2 spaces, a newline at the end."""
    return f"{_text(document, _START)}\n"


def dump_pieces(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what `dump` returns piece by piece; the entries of lists in *document* may be made one at a time."""
    before = "{"
    for key in sorted(document):
        value = document[key]
        is_list = isinstance(value, Sequence) and not isinstance(value, str)
        yield f"{before}{_INNER}{_key(key)}: "
        yield from _list_pieces(value) if is_list else (_text(value, _INNER),)
        before = ","
    yield f"{_START}}}\n" if document else "{}\n"


def _list_pieces(items: Sequence[Any]) -> Iterator[str]:
    before = "["
    for item in items:
        yield f"{before}{_INMOST}{_text(item, _INMOST)}"
        before = ","
    yield f"{_INNER}]" if items else "[]"


def dump_line(document: Any) -> str:
    """Return *document* as one line of JSON, sorted keys, without a newline."""
    return _text(document, None)


def number_text(number: float | Decimal) -> str:
    """Return *number* with all its digits and no idle zeros: ``1200000``, ``0.25``. It must be finite."""
    if isinstance(number, int):
        return str(number)
    exact = Decimal(repr(number)) if isinstance(number, float) else number
    assert exact.is_finite(), exact
    if abs(exact.adjusted()) > _MAX_EXPONENT:
        return str(exact)
    text = format(exact, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _text(value: Any, line: str | None) -> str:
    parts: list[str] = []
    _write(value, line, parts)
    return "".join(parts)


def _write(value: Any, line: str | None, parts: list[str]) -> None:
    """Append *value*; *line* is the newline with the indent of where it stands, or None for all on one line."""
    if isinstance(value, str):
        parts.append(_string(value))
    elif isinstance(value, Mapping):
        _write_all([(f"{_key(key)}: ", value[key]) for key in sorted(value)], "{}", line, parts)
    elif isinstance(value, (list, tuple)):
        _write_all([("", item) for item in value], "[]", line, parts)
    else:
        parts.append(_scalar(value))


def _write_all(items: Sequence[tuple[str, Any]], brackets: str, line: str | None, parts: list[str]) -> None:
    if not items:
        parts.append(brackets)
        return
    inner = None if line is None else f"{line}  "
    separator, between = brackets[0] + (inner or ""), ", " if inner is None else f",{inner}"
    for name, value in items:
        parts.append(separator + name)
        _write(value, inner, parts)
        separator = between
    parts.append((line or "") + brackets[1])


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value)


def _string(text: str) -> str:
    return json_safe(encode_basestring(text))


@lru_cache(maxsize=1_000)
def _key(text: str) -> str:
    return _string(text)
