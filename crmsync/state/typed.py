"""
One codec per type, made from the annotations of the structs: values to JSON data, and back, strictly.

A field that has its default is left out; a word, a field or a type that is not known is odd.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields

from crmsync.model.address import Address
from crmsync.model.events import Applied


class Odd(ValueError):
    """The data is not what this version writes."""


class Codec(Struct, frozen=True):
    """Two functions: a value to JSON data, and JSON data to the value; the second raises `Odd`."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


@cache
def codec_of(hint: Any) -> Codec:
    """Return the codec of a type as it stands in an annotation."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is UnionType:
        return _optional(codec_of(next(each for each in inner if each is not NoneType)))
    if origin is tuple and inner[-1] is Ellipsis:
        return _sequence(codec_of(inner[0]))
    if origin is tuple:
        return _fixed([codec_of(each) for each in inner])
    if origin is Mapping:
        return _mapping(codec_of(inner[0]), codec_of(inner[1]))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return Codec(str, lambda data: _member(hint, data))
    assert issubclass(hint, Struct), f"no codec for {hint}"
    return _applied() if hint is Applied else _record(hint)


def _exactly(type_: type) -> Codec:
    def decode(data: Any) -> Any:
        # Not `expect`: making its message for every value took most of the time of reading a state.
        if type(data) is not type_:
            raise Odd(f"{quoted(data)} is not of the type {type_.__name__}")
        return data

    return Codec(lambda value: value, decode)


def _number(data: Any) -> float:
    if type(data) not in (int, float) or not math.isfinite(data):
        raise Odd(f"{quoted(data)} is not a number")
    return float(data)


def _address(data: Any) -> Address:
    address = Address.parse(data) if isinstance(data, str) else None
    if address is None:
        raise Odd(f"{quoted(data)} is not an address")
    return address


_TEXT = _exactly(str)
_PLAIN: Mapping[Any, Codec] = {
    str: _TEXT,
    int: _exactly(int),
    bool: _exactly(bool),
    float: Codec(float, _number),
    Address: Codec(str, _address),
}


def _optional(inner: Codec) -> Codec:
    return Codec(
        lambda value: None if value is None else inner.encode(value),
        lambda data: None if data is None else inner.decode(data),
    )


def _sequence(inner: Codec) -> Codec:
    return Codec(
        lambda value: [inner.encode(each) for each in value],
        lambda data: tuple(inner.decode(each) for each in read_list(data)),
    )


def _fixed(inner: Sequence[Codec]) -> Codec:
    are_texts = all(each is _TEXT for each in inner)

    def decode(data: Any) -> Any:
        if len(read_list(data)) != len(inner):
            raise Odd("a list has more or fewer entries")
        if are_texts and _are_texts(data):
            return tuple(data)
        return tuple(each.decode(part) for each, part in zip(inner, data, strict=True))

    return Codec(lambda value: [each.encode(part) for each, part in zip(inner, value, strict=True)], decode)


def _mapping(key: Codec, inner: Codec) -> Codec:
    if key is _TEXT:  # as JSON has it
        return _by_name(inner)

    def decode(data: Any) -> Any:
        return {key.decode(name): inner.decode(value) for name, value in _object(data).items()}

    return Codec(lambda value: {key.encode(name): inner.encode(each) for name, each in value.items()}, decode)


def _by_name(inner: Codec) -> Codec:
    """Return the codec of an object; most of a log is objects of digests, which are decoded by a look at their types."""
    read, is_text = inner.decode, inner is _TEXT

    def decode(data: Any) -> Any:
        if is_text and _are_texts(_object(data).values()):
            return data
        return {name: read(value) for name, value in _object(data).items()}

    return Codec(dict if is_text else lambda value: {name: inner.encode(each) for name, each in value.items()}, decode)


_ONLY_TEXTS: frozenset[type] = frozenset({str})


def _are_texts(data: Iterable[Any]) -> bool:
    return _ONLY_TEXTS.issuperset(map(type, data))


def _record(kind: Any) -> Codec:
    """Return the codec of a struct: an object of its fields, those with their default left out."""
    codecs = {field.name: codec_of(field.type) for field in fields(kind)}
    defaults = {field.name: _default(field) for field in fields(kind)}
    required = {name for name, default in defaults.items() if default is NODEFAULT}

    def encode(value: Any) -> Any:
        values = {name: getattr(value, name) for name in codecs}
        return {name: codecs[name].encode(each) for name, each in values.items() if each != defaults[name]}

    readers = {name: each.decode for name, each in codecs.items()}

    def decode(data: Any) -> Any:
        if not isinstance(data, dict) or not required <= data.keys() <= codecs.keys():
            raise Odd(f"{kind.__name__} has other fields")
        return kind(**{name: readers[name](each) for name, each in data.items()})

    return Codec(encode, decode)


def _applied() -> Codec:
    """Return the codec of `Applied`: only the digest where, as nearly always, Copper answered what was asked."""
    full = _record(Applied)

    def encode(value: Applied) -> Any:
        is_plain = value.asked == value.answered and not (value.members or value.is_kept or value.is_handed_over)
        return value.asked if is_plain else full.encode(value)

    return Codec(encode, lambda data: Applied(data, data) if isinstance(data, str) else full.decode(data))


def _default(field: FieldInfo) -> Any:
    return field.default if field.default_factory is NODEFAULT else field.default_factory()


def _member(kind: type[StrEnum], data: Any) -> StrEnum:
    try:
        return kind(data)
    except ValueError as error:
        raise Odd(f"{quoted(data)} is no {kind.__name__}") from error


def read_list(data: Any) -> list[Any]:
    """Return *data*, which must be a list. Raises Odd."""
    expect(isinstance(data, list), "a list was expected")
    items: list[Any] = data
    return items


def _object(data: Any) -> dict[str, Any]:
    expect(isinstance(data, dict), "an object was expected")
    items: dict[str, Any] = data
    return items


def expect(is_so: bool, otherwise: str) -> None:
    """Raise Odd unless *is_so*."""
    if not is_so:
        raise Odd(otherwise)


def quoted(data: Any) -> str:
    """Return the beginning of *data* in quotes, for a message."""
    return json.dumps(str(data)[:40])
