"""
Values as bytes, for as long as a command runs: a hundred thousand records are planned at a time, and as objects each takes
tens of kilobytes.

`flat` makes of a value what `marshal` takes: texts, numbers, true, false and nothing as they are, everything else as a tuple
that begins with what it is. Nothing of it is written to disk; there `crmsync.config.packing` and the codec of the state are.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from crmsync.model.address import Address
from crmsync.model.source import Position
from crmsync.model.values import Member, Members, Value

#: What a value is made flat to.
Flat = Any

_AS_IS = frozenset({str, bool, int, type(None)})
_NOBODY = Members()
#: A set of nobody, made flat.
FLAT_NOBODY = ("members",)
_new: Any = tuple.__new__

to_bytes: Callable[[Flat], bytes] = marshal.dumps
from_bytes: Callable[[bytes], Flat] = marshal.loads


def flat(value: Value) -> Flat:
    """Return *value* as `to_bytes` takes it."""
    kind = value.__class__
    return value if kind in _AS_IS else _FLATTEN[kind](value)


def made(data: Flat) -> Value:
    """Return the value that `flat` made *data* of."""
    value: Value = _MAKE[data[0]](data) if data.__class__ is tuple else data
    return value


def flat_position(position: Position | None) -> Flat:
    """Return a place as `to_bytes` takes it."""
    return None if position is None else tuple(position)


def made_position(data: Flat) -> Position | None:
    """Return the place that `flat_position` made *data* of."""
    position: Position | None = None if data is None else _new(Position, data)
    return position


def _flat_members(members: Members) -> Flat:
    parts: list[Flat] = ["members"]
    for each in members.items:
        parts += (each.key, None if each.text == each.key else each.text, each.category)
    return tuple(parts)


def _made_members(data: Flat) -> Members:
    if len(data) == 1:
        return _NOBODY
    parts = iter(data)
    next(parts)
    return Members(
        tuple(Member(key, key if text is None else text, category) for key, text, category in zip(*[parts] * 3, strict=True))
    )


_FLATTEN: Mapping[type, Callable[[Any], Flat]] = {
    Members: _flat_members,
    Decimal: lambda value: ("number", str(value)),
    date: lambda value: ("date", value.toordinal()),
    Address: lambda value: ("address", value.type, value.key),
}
_MAKE: Mapping[str, Callable[[Flat], Value]] = {
    "members": _made_members,
    "number": lambda data: Decimal(data[1]),
    "date": lambda data: date.fromordinal(data[1]),
    "address": lambda data: Address(data[1], data[2]),
}
