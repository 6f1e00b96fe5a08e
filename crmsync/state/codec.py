"""
Events and whole states as JSON, and back.

The JSON follows the dataclasses of `crmsync.model.events` field by field; a field that has its default is left out, so that
adding one with a default keeps old logs readable. The names below are frozen: `tests/state/test_codec.py` holds a
line of every kind as it was first written.

Decoding is strict. A word, a field or a type that is not known here means a newer crmsync or a damaged file, and guessing at
what the state says would lead to duplicates.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from crmsync.model.address import Address
from crmsync.model.events import (
    EVENT_FORMAT,
    Absent,
    Applied,
    Bound,
    Done,
    Event,
    FieldsApplied,
    FieldsReleased,
    Forgotten,
    Found,
    Intent,
    Missed,
    Protected,
    Refused,
    Renamed,
    Ruled,
    RunEnded,
    RunStarted,
    Unknown,
)
from crmsync.model.state import Binding, Head, State
from crmsync.model.store import Unusable
from crmsync.state.packed import PackedBindings, packed_bindings, texts_of

KINDS: Mapping[str, Any] = {
    "bound": Bound,
    "applied": FieldsApplied,
    "fields_released": FieldsReleased,
    "intent": Intent,
    "done": Done,
    "refused": Refused,
    "unknown": Unknown,
    "found": Found,
    "absent": Absent,
    "protected": Protected,
    "ruled": Ruled,
    "moved": Renamed,
    "forgotten": Forgotten,
    "missed": Missed,
    "run_started": RunStarted,
    "run_ended": RunEnded,
}
_KIND_OF = {kind: name for name, kind in KINDS.items()}

DAMAGED = (
    "The state is damaged. Restore a copy of it. Without one, move it away and find the records again with: "
    "crmsync state rebuild"
)


class _Odd(ValueError):
    """The data is not what this version writes."""


def encode_event(event: Event) -> dict[str, Any]:
    """Return *event* as JSON data: its kind, and the fields that differ from their defaults."""
    kind: Any = type(event)
    return {"event": _KIND_OF[kind], **_codec(kind).encode(event)}


def decode_event(data: Any) -> Event:
    """Return the event that `encode_event` made *data* from. Raises Unusable."""
    try:
        return _event(data)
    except _Odd as error:
        raise Unusable(f"An event cannot be read: {error}. {DAMAGED}") from error


def encode_events(events: Sequence[Event]) -> str:
    """Return one segment of the log as text."""
    return _text({"format": EVENT_FORMAT, "events": [encode_event(event) for event in events]})


def decode_events(text: str) -> tuple[Event, ...]:
    """Return the events of a segment. Raises Unusable, naming the version when the segment is of a newer one."""
    try:
        return tuple(_event(data) for data in _list(_document(text, "events")["events"]))
    except _Odd as error:
        raise Unusable(f"A segment of the log cannot be read: {error}. {DAMAGED}") from error


def encode_state(state: State) -> str:
    """Return *state* as text: a snapshot, without its head, which lives in a place of its own."""
    return "".join(state_pieces(state))


def state_pieces(state: State) -> Iterator[str]:
    """Yield the text of *state* binding by binding: that of many records is long."""
    encode_intent = _codec(Intent).encode
    before = {"position": state.position, "account_id": state.account_id}
    after = {
        "open_intents": [encode_intent(intent) for intent in state.open_intents.values()],
        "started_plans": sorted(state.started_plans),
        "has_open_run": state.has_open_run,
        "missed": sorted(map(str, state.missed)),
        **({} if state.key is None else {"key": state.key}),
        "deleted": sorted(map(list, state.deleted)),
    }
    yield f'{{"format":{EVENT_FORMAT},"state":{_text(before)[:-1]},"bindings":{{'
    comma = ""
    for address, text in texts_of(state.bindings, encode_binding):
        yield f"{comma}{_text(str(address))}:{text}"
        comma = ","
    yield f"}},{_text(after)[1:]}}}"


def empty_state(head: Head) -> State:
    """Return the state of a log of nothing, whose bindings take little room as they become many."""
    return State(head, bindings=PackedBindings({}, decode_binding, encode_binding))


def decode_state(text: str | bytes | bytearray, head: Head, *, is_checked: bool = False) -> State:
    """
    Return the state of a snapshot, under *head*. Raises Unusable.

    One that *is checked*, because a checksum says that it is what was written, is not looked into: its bindings are
    decoded when somebody asks for them, for those of many records fill the memory.
    """
    try:
        packed = packed_bindings(text) if is_checked else None
        if packed is None:
            return _state(_document(text, "state")["state"], head)
        bindings, rest = packed
        state = _state(_document(rest, "state")["state"], head)
        return replace(state, bindings=PackedBindings(bindings, decode_binding, encode_binding))
    except _Odd as error:
        raise Unusable(f"The snapshot cannot be read: {error}. {DAMAGED}") from error


def encode_binding(binding: Binding) -> str:
    """Return one binding as text, as a snapshot holds it."""
    return _text(_codec(Binding).encode(binding))


def decode_binding(text: str) -> Binding:
    """Return the binding that `encode_binding` wrote. Raises Unusable."""
    try:
        binding: Binding = _codec(Binding).decode(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise Unusable(f"A binding cannot be read: {error}. {DAMAGED}") from error
    return binding


def encode_whole(state: State) -> str:
    """Return *state* as text with its head, the secret of its digests included: for ``state pull``."""
    head = {"lineage": state.head.lineage, "digest_key": state.head.digest_key.hex()}
    document = json.loads(encode_state(state))
    return json.dumps({"crmsync_state": head, **document}, ensure_ascii=True, indent=1) + "\n"


def decode_whole(text: str) -> State:
    """Return the state that `encode_whole` wrote. Raises Unusable."""
    try:
        document = json.loads(text)
        head = document.pop("crmsync_state")
        key = Head(str(head["lineage"]), bytes.fromhex(head["digest_key"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unusable("It is not a state that `crmsync state pull` wrote, or it was cut.") from error
    return decode_state(_text(document), key)


def _state(data: Any, head: Head) -> State:
    _expect(isinstance(data, dict), "a snapshot is not an object")
    data = {"missed": [], "key": None, "deleted": [], **data}  # formats before 2 knew of none of them
    _expect(data.keys() == _SNAPSHOT.keys(), "a snapshot has other parts")
    parts = {name: _codec(hint).decode(data[name]) for name, hint in _SNAPSHOT.items()}
    intents = {intent.id: intent for intent in parts.pop("open_intents")}
    sets: dict[str, Any] = {name: frozenset(parts.pop(name)) for name in ("started_plans", "missed", "deleted")}
    return State(head=head, open_intents=intents, compacted_at=parts["position"], **sets, **parts)


_SNAPSHOT: Mapping[str, Any] = {
    "position": int,
    "account_id": int | None,
    "bindings": Mapping[Address, Binding],
    "open_intents": tuple[Intent, ...],
    "started_plans": tuple[str, ...],
    "has_open_run": bool,
    "missed": tuple[Address, ...],
    "key": str | None,
    "deleted": tuple[tuple[str, int], ...],
}


def _event(data: Any) -> Event:
    _expect(isinstance(data, dict), "an event is not an object")
    kind = data.get("event")
    if not isinstance(kind, str) or kind not in KINDS:
        written = f"this version of crmsync, which writes event format {EVENT_FORMAT}"
        raise _Odd(f"{written}, knows no event of the kind {_quoted(kind)}")
    event: Event = _codec(KINDS[kind]).decode({name: value for name, value in data.items() if name != "event"})
    return event


def _document(text: str | bytes | bytearray, part: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _Odd("it is not JSON") from error
    _expect(isinstance(data, dict) and type(data.get("format")) is int, "it names no format")
    if data["format"] > EVENT_FORMAT:
        raise Unusable(
            f"The state was written by a newer crmsync: it has event format {data['format']}, "
            f"this version reads up to {EVENT_FORMAT}. Install a newer crmsync."
        )
    _expect(data.keys() == {"format", part}, "it has other parts")
    document: dict[str, Any] = data
    return document


# ASCII only: SQLite stores no lone surrogates, and names from the CRM may hold some. One encoder for all, for to set one out
# takes longer than to encode a binding.
_encode = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode


def _text(data: Any) -> str:
    return _encode(data)


# One codec per type, made from the annotations of the dataclasses.


@dataclass(frozen=True, slots=True)
class _Codec:
    """Two functions: a value to JSON data, and JSON data to the value; the second raises `_Odd`."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


@cache
def _codec(hint: Any) -> _Codec:
    """Return the codec of a type as it stands in an annotation."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is UnionType:
        return _optional(_codec(next(each for each in inner if each is not NoneType)))
    if origin is tuple and inner[-1] is Ellipsis:
        return _sequence(_codec(inner[0]))
    if origin is tuple:
        return _fixed([_codec(each) for each in inner])
    if origin is Mapping:
        return _mapping(_codec(inner[0]), _codec(inner[1]))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _Codec(str, lambda data: _member(hint, data))
    assert is_dataclass(hint), f"no codec for {hint}"
    return _applied() if hint is Applied else _record(hint)


def _exactly(type_: type) -> _Codec:
    def decode(data: Any) -> Any:
        # Not `_expect`: making its message for every value took most of the time of reading a state.
        if type(data) is not type_:
            raise _Odd(f"{_quoted(data)} is not of the type {type_.__name__}")
        return data

    return _Codec(lambda value: value, decode)


def _number(data: Any) -> float:
    if type(data) not in (int, float) or not math.isfinite(data):
        raise _Odd(f"{_quoted(data)} is not a number")
    return float(data)


def _address(data: Any) -> Address:
    address = Address.parse(data) if isinstance(data, str) else None
    if address is None:
        raise _Odd(f"{_quoted(data)} is not an address")
    return address


_TEXT = _exactly(str)
_PLAIN: Mapping[Any, _Codec] = {
    str: _TEXT,
    int: _exactly(int),
    bool: _exactly(bool),
    float: _Codec(float, _number),
    Address: _Codec(str, _address),
}


def _optional(inner: _Codec) -> _Codec:
    return _Codec(
        lambda value: None if value is None else inner.encode(value),
        lambda data: None if data is None else inner.decode(data),
    )


def _sequence(inner: _Codec) -> _Codec:
    return _Codec(
        lambda value: [inner.encode(each) for each in value],
        lambda data: tuple(inner.decode(each) for each in _list(data)),
    )


def _fixed(inner: Sequence[_Codec]) -> _Codec:
    are_texts = all(each is _TEXT for each in inner)

    def decode(data: Any) -> Any:
        if len(_list(data)) != len(inner):
            raise _Odd("a list has more or fewer entries")
        if are_texts and _are_texts(data):
            return tuple(data)
        return tuple(each.decode(part) for each, part in zip(inner, data, strict=True))

    return _Codec(lambda value: [each.encode(part) for each, part in zip(inner, value, strict=True)], decode)


def _mapping(key: _Codec, inner: _Codec) -> _Codec:
    if key is _TEXT:  # as JSON has it
        return _by_name(inner)

    def decode(data: Any) -> Any:
        return {key.decode(name): inner.decode(value) for name, value in _object(data).items()}

    return _Codec(lambda value: {key.encode(name): inner.encode(each) for name, each in value.items()}, decode)


def _by_name(inner: _Codec) -> _Codec:
    """Return the codec of an object; most of a log is objects of digests, which are decoded by a look at their types."""
    read, is_text = inner.decode, inner is _TEXT

    def decode(data: Any) -> Any:
        if is_text and _are_texts(_object(data).values()):
            return data
        return {name: read(value) for name, value in _object(data).items()}

    return _Codec(dict if is_text else lambda value: {name: inner.encode(each) for name, each in value.items()}, decode)


_ONLY_TEXTS: frozenset[type] = frozenset({str})


def _are_texts(data: Iterable[Any]) -> bool:
    return _ONLY_TEXTS.issuperset(map(type, data))


def _record(kind: Any) -> _Codec:
    """Return the codec of a dataclass: an object of its fields, those with their default left out."""
    hints = get_type_hints(kind)
    codecs = {field.name: _codec(hints[field.name]) for field in fields(kind)}
    defaults = {field.name: _default(field) for field in fields(kind)}
    required = {name for name, default in defaults.items() if default is MISSING}

    def encode(value: Any) -> Any:
        values = {name: getattr(value, name) for name in codecs}
        return {name: codecs[name].encode(each) for name, each in values.items() if each != defaults[name]}

    readers = {name: each.decode for name, each in codecs.items()}

    def decode(data: Any) -> Any:
        if not isinstance(data, dict) or not required <= data.keys() <= codecs.keys():
            raise _Odd(f"{kind.__name__} has other fields")
        return kind(**{name: readers[name](each) for name, each in data.items()})

    return _Codec(encode, decode)


def _applied() -> _Codec:
    """Return the codec of `Applied`: only the digest where, as nearly always, Copper answered what was asked."""
    full = _record(Applied)

    def encode(value: Applied) -> Any:
        is_plain = value.asked == value.answered and not (value.members or value.is_kept or value.is_handed_over)
        return value.asked if is_plain else full.encode(value)

    return _Codec(encode, lambda data: Applied(data, data) if isinstance(data, str) else full.decode(data))


def _default(field: Any) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _member(kind: type[StrEnum], data: Any) -> StrEnum:
    try:
        return kind(data)
    except ValueError as error:
        raise _Odd(f"{_quoted(data)} is no {kind.__name__}") from error


def _list(data: Any) -> list[Any]:
    _expect(isinstance(data, list), "a list was expected")
    items: list[Any] = data
    return items


def _object(data: Any) -> dict[str, Any]:
    _expect(isinstance(data, dict), "an object was expected")
    items: dict[str, Any] = data
    return items


def _expect(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise _Odd(otherwise)


def _quoted(data: Any) -> str:
    return json.dumps(str(data)[:40])
