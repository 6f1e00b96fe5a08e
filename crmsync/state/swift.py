"""
Events and bindings as JSON at speed: what `codec` writes and reads, by structures that are made from the same structs.

A run of a hundred thousand writes notes four hundred thousand events and reads them once more at its end. Where a structure
does not take what is there, nothing is said here, and `codec` goes through it step by step: it writes what UTF-8 cannot
hold, and tells what is odd.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any, get_args, get_origin

import msgspec
from msgspec import NODEFAULT
from msgspec.structs import FieldInfo, fields

from crmsync.model.address import Address
from crmsync.model.events import EVENT_FORMAT, Applied, AsIntended, Event
from crmsync.model.state import Binding
from crmsync.state.kinds import KINDS


class _Known(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """`Applied`, where it is not the one digest that Copper answered as it was asked."""

    asked: str
    answered: str
    members: dict[str, tuple[str, str]] = {}
    is_kept: bool = False
    is_handed_over: bool = False


class KnownFields(Mapping[str, Applied]):
    """What is known of fields, by field id, as it was read; each is made when it is asked for."""

    __slots__ = ("data",)

    def __init__(self, data: dict[str, str | _Known]) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def __contains__(self, name: object) -> bool:
        return name in self.data

    def __getitem__(self, name: str) -> Applied:
        known = self.data[name]
        if isinstance(known, str):
            return Applied(known, known)
        return Applied(known.asked, known.answered, known.members, known.is_kept, known.is_handed_over)

    def __repr__(self) -> str:
        return repr(dict(self))


def _known_data(known: Mapping[str, Applied]) -> dict[str, str | _Known]:
    if isinstance(known, KnownFields):
        return known.data
    if isinstance(known, AsIntended):
        data: dict[str, str | _Known] = dict(known.fields)
        for name, mine in known.members.items():
            digest = known.fields[name]
            data[name] = _Known(digest, digest, {key: (each, each) for key, each in mine.items()})
        return data
    return {name: _known(each) for name, each in known.items()}


def _known(applied: Applied) -> str | _Known:
    asked, answered, members = applied.asked, applied.answered, applied.members
    if asked == answered and not (members or applied.is_kept or applied.is_handed_over):
        return asked
    return _Known(asked, answered, dict(members), applied.is_kept, applied.is_handed_over)


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError(number)
    return float(number)


def _parsed(text: str) -> Address:
    address = Address.parse(text)
    if address is None:
        raise ValueError(text)
    return address


#: Types that a structure has otherwise: as what, how to get there, and how back.
_OTHERWISE: Mapping[Any, tuple[Any, Callable[[Any], Any], Callable[[Any], Any] | None]] = {
    Address: (str, str, _parsed),
    float: (float, _finite, None),
    Mapping[str, Applied]: (dict[str, str | _Known], _known_data, KnownFields),
}


class _Mirror:
    """What is written of a struct, *word* its tag, and the ways there and back."""

    def __init__(self, kind: Any, word: str | None = None) -> None:
        own = fields(kind)
        self._kind, self._names = kind, kind.__struct_fields__
        changed = [(at, *_OTHERWISE[field.type]) for at, field in enumerate(own) if field.type in _OTHERWISE]
        self._packing = [(at, pack) for at, _, pack, _ in changed]
        self._making = [(at, make) for at, _, _, make in changed if make is not None]
        self.struct = msgspec.defstruct(
            kind.__name__,
            [(field.name, _wire(field.type), *_default(field)) for field in own],
            omit_defaults=True,
            forbid_unknown_fields=True,
            tag=word,
            tag_field=None if word is None else "event",
        )

    def packed(self, value: Any) -> msgspec.Struct:
        parts = [getattr(value, name) for name in self._names]
        for at, pack in self._packing:
            parts[at] = pack(parts[at])
        return self.struct(*parts)

    def made(self, data: msgspec.Struct) -> Any:
        parts = [getattr(data, name) for name in self._names]
        for at, make in self._making:
            parts[at] = make(parts[at])
        return self._kind(*parts)


def _wire(hint: Any) -> Any:
    """Return as what is written what the struct has as *hint*."""
    if hint in _OTHERWISE:
        return _OTHERWISE[hint][0]
    if get_origin(hint) is Mapping:
        return dict[str, _wire(get_args(hint)[1])]  # type: ignore[misc]  # a type that is known when this runs
    return hint


def _default(field: FieldInfo) -> tuple[Any, ...]:
    if field.default_factory is not NODEFAULT:
        return (msgspec.field(default_factory=field.default_factory),)
    return () if field.required else (field.default,)


_MIRRORS = {kind: _Mirror(kind, word) for word, kind in KINDS.items()}
_MADE_BY = {mirror.struct: mirror.made for mirror in _MIRRORS.values()}
_BINDING = _Mirror(Binding)
_Segment = msgspec.defstruct(
    "_Segment",
    [("format", int), ("events", list[reduce(or_, _MADE_BY)])],  # type: ignore[misc]  # as above
    forbid_unknown_fields=True,
)

_encode = msgspec.json.Encoder().encode
_read_segment = msgspec.json.Decoder(_Segment).decode
_read_binding = msgspec.json.Decoder(_BINDING.struct).decode

#: What a structure raises that does not take a value, or is asked for what it does not hold.
_NOT_TAKEN = (TypeError, ValueError, RecursionError)


def events_text(events: Sequence[Event]) -> str | None:
    """Return a segment of the log as text; None where that is not to be had."""
    try:
        return _text(_Segment(EVENT_FORMAT, [_MIRRORS[type(each)].packed(each) for each in events]))
    except _NOT_TAKEN:
        return None


def events_in(text: str) -> tuple[Event, ...] | None:
    """Return the events of a segment; None where something about it is odd, or new."""
    try:
        segment: Any = _read_segment(text)
        if segment.format > EVENT_FORMAT:
            return None
        return tuple(_MADE_BY[type(each)](each) for each in segment.events)
    except _NOT_TAKEN:
        return None


def binding_text(binding: Binding) -> str | None:
    """Return a binding as text; None where that is not to be had."""
    try:
        return _text(_BINDING.packed(binding))
    except _NOT_TAKEN:
        return None


def binding_in(text: str) -> Binding | None:
    """Return the binding in *text*; None where something about it is odd."""
    try:
        binding: Binding = _BINDING.made(_read_binding(text))
    except _NOT_TAKEN:
        return None
    return binding


def _text(struct: msgspec.Struct) -> str | None:
    data = _encode(struct)
    return data.decode("ascii") if data.isascii() else None
