"""
Declared records as bytes, and back: for the cache of parsed files.

One record is one JSON list, as flat as can be, because a hundred thousand are read at a time. Lines count from the line of
the record's key, so that its bytes stay the same while the lines above it come and go. Text, numbers and true or false
stand for themselves; of everything else the first item says what it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from crmsync.model.address import Address
from crmsync.model.records import (
    Declared,
    DeclaredField,
    Mode,
    OnAdopt,
    OnDelete,
    OnDrift,
    PolicyRule,
    RecordOptions,
)
from crmsync.model.source import Position
from crmsync.model.values import Label, Labels, Lookup, Member, Members, Written

#: To be raised when the bytes of a record change their meaning.
FORMAT = 1

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
_decode = json.JSONDecoder().decode
_NOTHING_SAID = RecordOptions()
_SAYS_NOTHING = PolicyRule()
_HEAD, _EACH = 3, 5  # items before the fields, and of each field
_new: Any = tuple.__new__


def pack(record: Declared) -> bytes:
    """Return *record* as bytes, without its address, its file and its line."""
    line = record.position.line
    flat: list[Any] = [record.position.column, record.position.length, _packed_options(record.options, line)]
    for name, declared in record.fields.items():
        position = declared.position
        value: Any = declared.value
        if value.__class__ not in _AS_IS:
            value = _PACK[value.__class__](value, position, line)
        flat += (name, position.line - line, position.column, position.length, value)
    return _encode(flat).encode("utf-8", "surrogatepass")


def unpack(data: bytes, address: Address, file: str, line: int) -> Declared:
    """Return the record that `pack` made *data* of, which now stands on *line* of *file*."""
    flat = _decode(data.decode("utf-8", "surrogatepass"))
    fields: dict[str, DeclaredField] = {}
    value: Any
    for at in range(_HEAD, len(flat), _EACH):
        name, down, column, length, value = flat[at : at + _EACH]
        position = _new(Position, (file, line + down, column, length))
        if value.__class__ is list:
            value = _UNPACK[value[0]](value, position, line)
        fields[name] = _new(DeclaredField, (value, position))
    column, length, options = flat[:_HEAD]
    start = Position(file, line, column, length)
    return Declared(address, fields, start, _unpacked_options(options, start) if options else _NOTHING_SAID)


# Values; most labels and lookups stand where their field does, and most members are written as they are compared

_AS_IS = frozenset({str, bool, int, type(None)})
_HERE = 0


def _place(position: Position | None, of_field: Position | None, line: int) -> list[int] | int | None:
    if position is None:
        return None
    return _HERE if position == of_field else [position.line - line, position.column, position.length]


def _position(place: Sequence[int] | int, of_field: Position, line: int) -> Position:
    if isinstance(place, int):
        return of_field
    down, column, length = place
    return Position(of_field.file, line + down, column, length)


def _pack_members(value: Members, at: Position, line: int) -> list[Any]:
    packed: list[Any] = ["members"]
    for each in value.items:
        packed += (each.key, None if each.text == each.key else each.text, each.category)
    return packed


def _unpack_members(items: list[Any], at: Position, line: int) -> Members:
    found = []
    for start in range(1, len(items), 3):
        key, text, category = items[start : start + 3]
        found.append(Member(key, key if text is None else text, category))
    return Members(tuple(found))


def _pack_label(value: Label, at: Position, line: int) -> list[Any]:
    return ["label", value.text, _place(value.position, at, line)]


def _pack_labels(value: Labels, at: Position, line: int) -> list[Any]:
    return ["labels", *(part for each in value.items for part in _pack_label(each, at, line)[1:])]


def _unpack_labels(items: list[Any], at: Position, line: int) -> Labels:
    pairs = zip(items[1::2], items[2::2], strict=True)
    return Labels(tuple(Label(text, _position(place, at, line)) for text, place in pairs))


def _pack_lookup(value: Lookup, at: Position, line: int) -> list[Any]:
    return ["lookup", value.by, value.text, _place(value.position, at, line)]


_PACK: Mapping[type, Callable[[Any, Position, int], list[Any]]] = {
    Members: _pack_members,
    Label: _pack_label,
    Labels: _pack_labels,
    Lookup: _pack_lookup,
    Decimal: lambda value, at, line: ["number", str(value)],
    date: lambda value, at, line: ["date", value.isoformat()],
}
_UNPACK: Mapping[str, Callable[[list[Any], Position, int], Written]] = {
    "members": _unpack_members,
    "label": lambda items, at, line: Label(items[1], _position(items[2], at, line)),
    "labels": _unpack_labels,
    "lookup": lambda items, at, line: Lookup(items[1], items[2], _position(items[3], at, line)),
    "number": lambda items, at, line: Decimal(items[1]),
    "date": lambda items, at, line: date.fromisoformat(items[1]),
}

# Options


def _packed_options(options: RecordOptions, line: int) -> list[Any] | int:
    """Return *options* as plain data, 0 when there are none."""
    if options is _NOTHING_SAID or options == _NOTHING_SAID:
        return 0
    place = _place(options.id_position, None, line)
    return [options.id, place, options.is_new, options.is_protected, _packed_rule(options.policy)]


def _unpacked_options(items: list[Any], start: Position) -> RecordOptions:
    id, place, is_new, is_protected, rule = items
    position = None if place is None else _position(place, start, start.line)
    return RecordOptions(id, position, is_new, is_protected, _unpacked_rule(rule))


def _packed_rule(rule: PolicyRule) -> list[Any] | int:
    if rule == _SAYS_NOTHING:
        return 0
    fields = {name: _packed_rule(each) for name, each in rule.fields.items()}
    return [rule.mode, rule.on_drift, rule.on_adopt, rule.on_delete, fields]


def _unpacked_rule(items: list[Any] | int) -> PolicyRule:
    if not isinstance(items, list):
        return _SAYS_NOTHING
    mode, on_drift, on_adopt, on_delete, fields = items
    return PolicyRule(
        mode=None if mode is None else Mode(mode),
        on_drift=None if on_drift is None else OnDrift(on_drift),
        on_adopt=None if on_adopt is None else OnAdopt(on_adopt),
        on_delete=None if on_delete is None else OnDelete(on_delete),
        fields={name: _unpacked_rule(each) for name, each in fields.items()},
    )
