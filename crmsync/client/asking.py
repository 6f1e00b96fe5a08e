"""Filters as Copper takes them: one function for each form of the catalogue (copper-api.md 6.1, 6.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from crmsync.catalogue.filters import Criterion, Form
from crmsync.catalogue.others import read_moment
from crmsync.client.book import Book
from crmsync.client.trouble import bad, bad_value
from crmsync.client.values import Named, node_of
from crmsync.model.catalogue import Field
from crmsync.model.source import Position
from crmsync.model.values import Members, Value, is_empty

Spans = Sequence[tuple[Any, Any]]
_DAY = 86_400
_CUSTOM = "custom_fields"


def add(filters: MutableMapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Add a filter to others, unless there is one of the same key; custom fields stand side by side."""
    for key, value in asked.items():
        if key == _CUSTOM:
            filters[key] = [*filters.get(key, []), *value]
        else:
            filters.setdefault(key, value)


def filter_of(
    book: Book, row: Field, criterion: Criterion, operator: str, values: Sequence[Value], spans: Spans
) -> Mapping[str, Any] | None:
    """Return the filter of a criterion, or None when it cannot say this."""
    if criterion.form is Form.RANGE:
        return _range(book, row, criterion.key, operator, spans)
    if any(is_empty(value) for value in values):
        return {criterion.key: criterion.none} if len(values) == 1 and criterion.none is not None else None
    write = _WRITE[criterion.form]
    written = write(book, row, criterion, values)
    return None if written is None else {criterion.key: written}


def custom(
    book: Book, row: Field, form: Form, operator: str, values: Sequence[Value], spans: Spans
) -> Mapping[str, Any] | None:
    """Return the filter of a custom field, or None when it cannot be asked."""
    entry: dict[str, Any] = {"custom_field_definition_id": row.definition_id}
    if form is Form.RANGE:
        bounds = _range(book, row, "value", operator, spans)
        return None if bounds is None else {_CUSTOM: [{**entry, **bounds}]}
    if form is Form.FLAG:
        return {_CUSTOM: [{**entry, "value": bool(values[0])}]} if len(values) == 1 else None
    if any(is_empty(value) for value in values):
        return None
    entry["value"] = list(values)
    return {_CUSTOM: [{**entry, "option": "ANY"} if form is Form.TAGS_IN_OPTION else entry]}


def _range(book: Book, row: Field, name: str, operator: str, spans: Spans) -> Mapping[str, Any] | None:
    if len(spans) != 1 or spans[0][0] is None:
        return None
    low, high = spans[0]
    bounds: dict[str, Any] = {}
    if operator in ("=", ">="):
        bounds[f"minimum_{name}"] = _bound(book, row, low, -1)
    if operator in ("=", "<="):
        bounds[f"maximum_{name}"] = _bound(book, row, high, +1)
    return bounds


def _bound(book: Book, row: Field, value: Any, towards: int) -> Any:
    """Return a bound in Copper's numbers; a day with another day to spare, for not everybody counts in the same zone."""
    if isinstance(value, date):
        return _start(book, value + timedelta(days=towards))
    return row.kind.encode(value, book.locale)


def _start(book: Book, day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=book.locale.zone).timestamp())


def instants(book: Book, row: Field, value: Any, place: Position) -> tuple[int, int]:
    """Return the first and the last instant that *value* means: a day is all its instants."""
    if isinstance(value, datetime) and value.tzinfo is None:
        value = value.replace(tzinfo=book.locale.zone)
    node = node_of(value, place)
    first, problems = read_moment(node, row, book.locale)
    if problems:
        raise bad_value(problems)
    assert isinstance(first, int)
    text = getattr(node, "text", "").strip()
    if len(text) != len("2026-12-31"):
        return first, first
    return first, _start(book, date.fromisoformat(text) + timedelta(days=1)) - 1


def aside(criterion: Criterion, values: Sequence[Any], place: Position) -> Any:
    """Return the value of a filter that no field answers. Raises BadInput."""
    try:
        return _ASIDES[criterion.form]([value.id if isinstance(value, Named) else value for value in values])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        takes = "true or false" if criterion.form in (Form.FLAG, Form.CODES) else "a number"
        raise bad("CRM020", f'"{criterion.name}" is {criterion.aside}: {takes}.', place) from error


_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "2": False}


def _true(value: Any) -> bool:
    return _TRUTH[str(value).casefold()]


_ASIDES: Mapping[Form, Callable[[Sequence[Any]], Any]] = {
    Form.ID_TEXTS: lambda values: [int(str(value).removeprefix("#")) for value in values],
    Form.NUMBER: lambda values: int(values[0]),
    Form.FLAG: lambda values: _true(values[0]),
    Form.CODES: lambda values: 1 if _true(values[0]) else 2,
}

Write = Callable[[Book, Field, Criterion, Sequence[Value]], Any]


def _members(values: Sequence[Value]) -> list[Any]:
    return [member.text for value in values if isinstance(value, Members) for member in value]


def _ids(book: Book, row: Field, criterion: Criterion, values: Sequence[Value]) -> Any:
    return list(values)


def _text(book: Book, row: Field, criterion: Criterion, values: Sequence[Value]) -> Any:
    texts = _members(values) or list(values)
    return texts[0] if len(texts) == 1 else None


def _texts(book: Book, row: Field, criterion: Criterion, values: Sequence[Value]) -> Any:
    return _members(values) or list(values)


def _in_option(book: Book, row: Field, criterion: Criterion, values: Sequence[Value]) -> Any:
    return {"option": "ANY", "value": _members(values)}


def _codes(book: Book, row: Field, criterion: Criterion, values: Sequence[Value]) -> Any:
    return [criterion.words.index(str(value)) for value in values]


def _record(book: Book, row: Field, criterion: Criterion, values: Sequence[Value]) -> Any:
    return row.kind.encode(values[0], book.locale) if len(values) == 1 else None


def _types(book: Book, row: Field, criterion: Criterion, values: Sequence[Value]) -> Any:
    return [row.kind.encode(value, book.locale) for value in values]


_WRITE: Mapping[Form, Write] = {
    Form.IDS: _ids,
    Form.TEXT: _text,
    Form.TEXTS: _texts,
    Form.TAGS: _texts,
    Form.TAGS_IN_OPTION: _in_option,
    Form.CODES: _codes,
    Form.WORDS: _texts,
    Form.RECORD: _record,
    Form.TYPES: _types,
}
