"""Values of Python to canonical ones and back: text, numbers, dates, lists, mappings; labels in place of ids."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from crmsync.catalogue.others import SINGULARS
from crmsync.client import references
from crmsync.client.book import Book
from crmsync.client.trouble import bad, bad_value
from crmsync.model.catalogue import Field
from crmsync.model.source import Listing, Node, Position, Scalar, Table
from crmsync.model.values import Label, Labels, Lookup, Member, Members, Value


class Named:
    """What has a type and an id: a record."""

    @property
    def type(self) -> str:
        """The type, in the plural."""
        raise NotImplementedError

    @property
    def id(self) -> int:
        """The id in Copper."""
        raise NotImplementedError


def canonical(book: Book, field: Field, value: Any, place: Position, within: int | None = None) -> Value:
    """
    Return the canonical form of what a caller gave for *field*; *within* is the id of the pipeline of a stage.

    A whole number where a label or a record belongs is its id. Raises BadInput.
    """
    if value is None:
        return field.kind.decode(None, book.locale)
    if field.kind.is_reference and isinstance(value, Named):
        _must_be(field, value, place)
        return value.id
    if field.kind.is_reference and _is_id(value):
        return int(value)
    if field.kind.is_label:
        return _label_ids(book, field, value, place, within)
    written, problems = field.kind.read(node_of(_plain_of(field, value, book), place), field, book.locale)
    if problems:
        raise bad_value(problems)
    if isinstance(written, Lookup):
        return references.find_id(book, field, written)
    assert not isinstance(written, Label | Labels)
    return written


def alternatives(book: Book, field: Field, value: Any, place: Position) -> tuple[Value, ...]:
    """Return the canonical values that *value* may stand for in a search: every record or label that has the name."""
    if value is None:
        return (None,)
    if field.kind.is_label:
        return tuple(_table(book, field, None).ids(_label_text(value), place))
    if field.kind.is_reference and not isinstance(value, Named) and not _is_id(value):
        written, problems = field.kind.read(node_of(value, place), field, book.locale)
        if problems:
            raise bad_value(problems)
        assert isinstance(written, Lookup)
        return references.find_ids(book, field, written)
    if field.kind.is_set and isinstance(value, str):
        value = [value]
    return (canonical(book, field, value, place),)


def shown(book: Book, field: Field, value: Value, body: Mapping[str, Any]) -> Any:
    """Return a canonical value as callers see it: labels for ids, dates as dates, numbers as numbers."""
    if field.kind.is_reference:
        # Copper mirrors the name of the company on people and opportunities, and no other.
        return None if value is None else body.get(f"{field.name}_name") or f"#{value}"
    special = _SHOWN.get(field.kind.name)
    if special is not None:
        return special(value)
    return field.kind.show(value, field, lambda id: book.labels.table(str(field.target)).name(id))


def node_of(value: Any, place: Position) -> Node:
    """Return *value* as if a file said it at *place*. Raises BadInput for what no file could say."""
    if isinstance(value, Mapping):
        entries = tuple((Scalar(str(key), place), node_of(item, place)) for key, item in value.items() if item is not None)
        return Table(entries, place)
    if isinstance(value, Members):
        return Listing(tuple(Scalar(str(member.text), place) for member in value), place)
    if isinstance(value, list | tuple | set | frozenset):
        return Listing(tuple(node_of(item, place) for item in value), place)
    return Scalar(_text_of(value, place), place, is_plain=False)


def _text_of(value: Any, place: Position) -> str:
    for kind, write in _TEXTS:
        if isinstance(value, kind):
            return write(value)
    name = type(value).__name__
    raise bad("CRM020", f"A {name} cannot be a value in Copper. Give text, a number, a date, a list or a mapping.", place)


def _time(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


# In this order: true is a number to Python, a datetime a date.
_TEXTS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (str, str),
    (bool, lambda value: "true" if value else "false"),
    ((int, float, Decimal), str),
    (datetime, _time),
    (date, date.isoformat),
)


def _plain_of(field: Field, value: Any, book: Book) -> Any:
    """Return *value* with records as ``type/id``, and times of a field of days as days of the account's zone."""
    if isinstance(value, Named):
        return f"{SINGULARS.get(value.type, value.type)}/{value.id}"
    if isinstance(value, datetime) and field.kind.name in ("date", "close_date"):
        return (value.astimezone(book.locale.zone) if value.tzinfo else value).date()
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=book.locale.zone)
    return value


def _must_be(field: Field, record: Named, place: Position) -> None:
    if record.type != field.target:
        raise bad("CRM036", f'"{field.name}" takes one of {field.target}, and {record.type} #{record.id} is none.', place)


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _label_ids(book: Book, field: Field, value: Any, place: Position, within: int | None) -> Value:
    table = _table(book, field, within)
    if not field.kind.is_set:
        if isinstance(value, list | tuple | set | frozenset | Mapping):
            raise bad("CRM014", f'"{field.name}" is one label, not several.', place)
        id: int = table.id(_label_text(value), place)
        return id
    items: Iterable[Any] = value if isinstance(value, list | tuple | set | frozenset) else [value]
    ids = dict.fromkeys(table.id(_label_text(item), place) for item in items)
    return Members(tuple(Member(id, id) for id in ids))


def _label_text(value: Any) -> str | int:
    return int(value) if _is_id(value) else str(value)


def _table(book: Book, field: Field, within: int | None) -> Any:
    if within is not None and field.within is not None:
        return book.labels.stages(within)
    return book.labels.table(str(field.target))


def _instant(value: Value) -> datetime | None:
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int) else None


def _data(value: Value) -> Any:
    return None if value is None else json.loads(str(value))


_SHOWN: Mapping[str, Callable[[Value], Any]] = {
    "date": lambda value: value,
    "close_date": lambda value: value,
    "timestamp": _instant,
    "moment": _instant,
    "opaque": _data,
    "connect": _data,
}
