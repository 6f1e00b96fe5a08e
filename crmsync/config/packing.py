"""
Declared records as bytes, and back: for the cache of parsed files.

One record is one JSON list, as flat as can be, because a hundred thousand are read at a time. Lines count from the line of
the record's key, so that its bytes stay the same while the lines above it come and go; places inside a value count from
where the value stands, so that a value written the same way is packed the same. Text, numbers and true or false stand for
themselves; of everything else the first item says what it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
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
FORMAT = 2

_quote = json.encoder.encode_basestring
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
_decode = json.JSONDecoder().decode
_NOTHING_SAID = RecordOptions()
_SAYS_NOTHING = PolicyRule()
#: So many items come before the fields, and are of each field; the last one before them are the options, 0 for none.
HEAD, EACH = 3, 5
_new: Any = tuple.__new__


def pack(record: Declared) -> bytes:
    """Return *record* as bytes, without its address, its file and its line."""
    start = record.position
    fields = []
    for name, declared in record.fields.items():
        position = declared.position
        place = f"{position.line - start.line},{position.column},{position.length}"
        fields.append(f"{_quote(name)},{place},{pack_value(declared)}")
    return pack_parts(start.column, start.length, fields, _packed_options(record.options, start))


def pack_parts(column: int, length: int, fields: Iterable[str], options: str = "0") -> bytes:
    """
    Return what `pack` makes of a record whose key stands in this *column*.

    Of each of *fields* that is the name, how many lines below the key, the column, the length, the value.
    """
    return f"[{','.join((f'{column},{length},{options}', *fields))}]".encode("utf-8", "surrogatepass")


def pack_name(name: str) -> str:
    """Return the name of a field as `pack` writes it."""
    return _quote(name)


def pack_value(declared: DeclaredField) -> str:
    """Return the value of a field as `pack` writes it."""
    value, position = declared
    return _PACK[value.__class__](value, position)


def with_text(data: bytes, name: str, text: str) -> bytes:
    """Return a packed record with one more field, a *text* that stands where its key does; unless it may have that field."""
    quoted = _quote(name).encode()
    if quoted + b"," in data:
        return data
    column, length, _ = data[1:].split(b",", 2)
    return b"%b,%b,0,%b,%b,%b]" % (data[:-1], quoted, column, length, _quote(text).encode())


def unpack(data: bytes, address: Address, file: str, line: int) -> Declared:
    """Return the record that `pack` made *data* of, which now stands on *line* of *file*."""
    flat = _decode(data.decode("utf-8", "surrogatepass"))
    fields: dict[str, DeclaredField] = {}
    value: Any
    for at in range(HEAD, len(flat), EACH):
        name, down, column, length, value = flat[at : at + EACH]
        position = _new(Position, (file, line + down, column, length))
        if value.__class__ is list:
            value = _UNPACK[value[0]](value, position)
        fields[name] = _new(DeclaredField, (value, position))
    column, length, options = flat[:HEAD]
    start = Position(file, line, column, length)
    return Declared(address, fields, start, _unpacked_options(options, start) if options else _NOTHING_SAID)


# Values; most labels and lookups stand where their field does, and most members are written as they are compared

_HERE = "0"


def _place(position: Position, start: Position) -> str:
    """Return how far *position* is from *start*."""
    if position == start:
        return _HERE
    return f"[{position.line - start.line},{position.column - start.column},{position.length}]"


def _position(place: Sequence[int] | int, start: Position) -> Position:
    if isinstance(place, int):
        return start
    down, right, length = place
    return Position(start.file, start.line + down, start.column + right, length)


def pack_members(members: Iterable[Member]) -> str:
    """Return a set as its field has it packed."""
    packed = '["members"'
    for each in members:
        key, text, category = each.key, each.text, each.category
        written = "null" if text == key else _word(text)
        packed += f",{_word(key)},{written},{'null' if category is None else _quote(category)}"
    return f"{packed}]"


def _word(value: str | int) -> str:
    return _quote(value) if value.__class__ is str else _encode(value)


def unpack_members(items: list[Any], at: Position | None = None) -> Members:
    """Return the members of a set, as its field has them packed."""
    each = zip(items[1::3], items[2::3], items[3::3], strict=True)
    return Members(tuple([Member(key, key if text is None else text, category) for key, text, category in each]))


def _pack_labels(value: Labels, at: Position) -> str:
    items = "".join(f",{_quote(each.text)},{_place(each.position, at)}" for each in value.items)
    return f'["labels"{items}]'


def _unpack_labels(items: list[Any], at: Position) -> Labels:
    pairs = zip(items[1::2], items[2::2], strict=True)
    return Labels(tuple(Label(text, _position(place, at)) for text, place in pairs))


_PACK: Mapping[type, Callable[[Any, Position], str]] = {
    str: lambda value, at: _quote(value),
    bool: lambda value, at: "true" if value else "false",
    int: lambda value, at: str(value),
    type(None): lambda value, at: "null",
    Members: lambda value, at: pack_members(value.items),
    Label: lambda value, at: f'["label",{_quote(value.text)},{_place(value.position, at)}]',
    Labels: _pack_labels,
    Lookup: lambda value, at: f'["lookup",{_quote(value.by)},{_quote(value.text)},{_place(value.position, at)}]',
    Decimal: lambda value, at: f'["number","{value}"]',
    date: lambda value, at: f'["date","{value.isoformat()}"]',
}
_UNPACK: Mapping[str, Callable[[list[Any], Position], Written]] = {
    "members": unpack_members,
    "label": lambda items, at: Label(items[1], _position(items[2], at)),
    "labels": _unpack_labels,
    "lookup": lambda items, at: Lookup(items[1], items[2], _position(items[3], at)),
    "number": lambda items, at: Decimal(items[1]),
    "date": lambda items, at: date.fromisoformat(items[1]),
}

# Options


def _packed_options(options: RecordOptions, start: Position) -> str:
    """Return *options* as text, 0 when there are none."""
    if options is _NOTHING_SAID or options == _NOTHING_SAID:
        return "0"
    place = "null" if options.id_position is None else _place(options.id_position, start)
    told = _encode([options.id, options.is_new, options.is_protected, _packed_rule(options.policy)])
    return f"[{place},{told[1:]}"


def _unpacked_options(items: list[Any], start: Position) -> RecordOptions:
    place, id, is_new, is_protected, rule = items
    position = None if place is None else _position(place, start)
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
