"""
Events and whole states as JSON, and back.

The JSON follows the structs of `crmsync.model.events` field by field; a field that has its default is left out, so that
adding one with a default keeps old logs readable. The names below are frozen: `tests/state/test_codec.py` holds a
line of every kind as it was first written.

Decoding is strict. A word, a field or a type that is not known here means a newer crmsync or a damaged file, and guessing at
what the state says would lead to duplicates.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.model.events import EVENT_FORMAT, Event, Intent
from crmsync.model.state import Binding, Head, State
from crmsync.model.store import Unusable
from crmsync.state.kinds import KINDS
from crmsync.state.ondisk import BindingsOnDisk
from crmsync.state.packed import PackedBindings, packed_bindings, texts_of
from crmsync.state.swift import binding_in, binding_text, events_in, events_text
from crmsync.state.typed import Odd, codec_of, expect, quoted, read_list

_KIND_OF = {kind: name for name, kind in KINDS.items()}

DAMAGED = (
    "The state is damaged. Restore a copy of it. Without one, move it away and find the records again with: "
    "crmsync state rebuild"
)


def encode_event(event: Event) -> dict[str, Any]:
    """Return *event* as JSON data: its kind, and the fields that differ from their defaults."""
    kind: Any = type(event)
    return {"event": _KIND_OF[kind], **codec_of(kind).encode(event)}


def decode_event(data: Any) -> Event:
    """Return the event that `encode_event` made *data* from. Raises Unusable."""
    try:
        return _event(data)
    except Odd as error:
        raise Unusable(f"An event cannot be read: {error}. {DAMAGED}") from error


def encode_events(events: Sequence[Event]) -> str:
    """Return one segment of the log as text."""
    return events_text(events) or _text({"format": EVENT_FORMAT, "events": [encode_event(event) for event in events]})


def decode_events(text: str) -> tuple[Event, ...]:
    """Return the events of a segment. Raises Unusable, naming the version when the segment is of a newer one."""
    found = events_in(text)
    if found is not None:
        return found
    try:
        return tuple(_event(data) for data in read_list(_document(text, "events")["events"]))
    except Odd as error:
        raise Unusable(f"A segment of the log cannot be read: {error}. {DAMAGED}") from error


def encode_state(state: State) -> str:
    """Return *state* as text: a snapshot, without its head, which lives in a place of its own."""
    return "".join(state_pieces(state))


def state_pieces(state: State) -> Iterator[str]:
    """Yield the text of *state* binding by binding: that of many records is long."""
    encode_intent = codec_of(Intent).encode
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
    on_disk = state.bindings.texts() if isinstance(state.bindings, BindingsOnDisk) else None
    for address, text in on_disk or texts_of(state.bindings, encode_binding):
        yield f"{comma}{_text(str(address))}:{text}"
        comma = ","
    yield f"}},{_text(after)[1:]}}}"


def empty_state(head: Head) -> State:
    """Return the state of a log of nothing, whose bindings take little room as they become many."""
    return State(head, bindings=PackedBindings({}, decode_binding, encode_binding))


def empty_state_on_disk(head: Head) -> State:
    """Return the same for a log that is only folded, to write down what comes of it: its bindings are not in memory."""
    return State(head, bindings=BindingsOnDisk(decode_binding, encode_binding))


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
    except Odd as error:
        raise Unusable(f"The snapshot cannot be read: {error}. {DAMAGED}") from error


def encode_binding(binding: Binding) -> str:
    """Return one binding as text, as a snapshot holds it."""
    return binding_text(binding) or _text(codec_of(Binding).encode(binding))


def decode_binding(text: str) -> Binding:
    """Return the binding that `encode_binding` wrote. Raises Unusable."""
    found = binding_in(text)
    if found is not None:
        return found
    try:
        binding: Binding = codec_of(Binding).decode(json.loads(text))
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
    expect(isinstance(data, dict), "a snapshot is not an object")
    data = {"missed": [], "key": None, "deleted": [], **data}  # formats before 2 knew of none of them
    expect(data.keys() == _SNAPSHOT.keys(), "a snapshot has other parts")
    parts = {name: codec_of(hint).decode(data[name]) for name, hint in _SNAPSHOT.items()}
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
    expect(isinstance(data, dict), "an event is not an object")
    kind = data.get("event")
    if not isinstance(kind, str) or kind not in KINDS:
        written = f"this version of crmsync, which writes event format {EVENT_FORMAT}"
        raise Odd(f"{written}, knows no event of the kind {quoted(kind)}")
    event: Event = codec_of(KINDS[kind]).decode({name: value for name, value in data.items() if name != "event"})
    return event


def _document(text: str | bytes | bytearray, part: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Odd("it is not JSON") from error
    expect(isinstance(data, dict) and type(data.get("format")) is int, "it names no format")
    if data["format"] > EVENT_FORMAT:
        raise Unusable(
            f"The state was written by a newer crmsync: it has event format {data['format']}, "
            f"this version reads up to {EVENT_FORMAT}. Install a newer crmsync."
        )
    expect(data.keys() == {"format", part}, "it has other parts")
    document: dict[str, Any] = data
    return document


# ASCII only: SQLite stores no lone surrogates, and names from the CRM may hold some. One encoder for all, for to set one out
# takes longer than to encode a binding.
_text = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode
