"""
Entries, heads and leases as bytes, for the engines that store bytes.

Each is one line of JSON and a body. The line says what this is, the lineage it belongs to and the checksum of everything;
it is never trusted: a changed byte, an entry of another log or at another position is refused. *writer* is made up for each
entry, so that no two are alike and a writer knows its own again after an answer was lost.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from crmsync.model.events import Event
from crmsync.model.state import Head, State
from crmsync.model.store import Holder, Unusable
from crmsync.state.codec import DAMAGED, decode_events, decode_state, encode_events, encode_state
from crmsync.state.compressing import PLAIN_BYTES, compressed, expanded

#: 2: a long body is compressed by Zstandard; before, it was deflated, and such an entry is read.
LAYOUT = 2


class Entry(Struct, frozen=True):
    """One position of a log: a segment of events or, after a compaction, the state up to here."""

    position: int
    at: float
    events: tuple[Event, ...] = ()
    snapshot: str | None = None

    def state(self, head: Head) -> State:
        """Return the state of a snapshot. Raises Unusable."""
        assert self.snapshot is not None
        return decode_state(self.snapshot, head, is_checked=True)


def pack_events(lineage: str, position: int, at: float, writer: str, events: tuple[Event, ...]) -> bytes:
    """Return a segment as bytes."""
    about = {"is": "events", "lineage": lineage, "position": position, "at": at, "writer": writer}
    return _pack(about, encode_events(events))


def pack_snapshot(lineage: str, at: float, writer: str, state: State) -> bytes:
    """Return *state* as bytes: a snapshot at its position."""
    about = {"is": "snapshot", "lineage": lineage, "position": state.position, "at": at, "writer": writer}
    return _pack(about, encode_state(state))


def unpack_entry(content: bytes, lineage: str, position: int) -> Entry:
    """Return the entry that stands at *position* of the log of *lineage*. Raises Unusable."""
    about, body = _unpack(content)
    if about.get("lineage") != lineage or about.get("position") != position or about.get("is") not in ("events", "snapshot"):
        raise Unusable(f"Its entry {position} belongs elsewhere. {DAMAGED}")
    at = float(about["at"])
    if about["is"] == "snapshot":
        return Entry(position, at, snapshot=body)
    return Entry(position, at, decode_events(body))


def content_mark(content: bytes) -> str:
    """Return what tells an entry from every other; each holds a made-up writer, so no two are alike."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def is_snapshot_entry(content: bytes) -> bool:
    """Say whether an entry is a snapshot, without checking it."""
    return b'"is": "snapshot"' in content.partition(b"\n")[0]


def pack_head(lineage: str, digest_key: bytes) -> bytes:
    """Return the head of a log as bytes."""
    return _pack({"is": "head", "lineage": lineage}, digest_key.hex())


def unpack_head(content: bytes, lineage: str) -> bytes:
    """Return the digest key of the log of *lineage*. Raises Unusable, also for the log of another project."""
    about, body = _unpack(content)
    if about.get("is") != "head":
        raise Unusable(f"Its head is damaged. {DAMAGED}")
    if about.get("lineage") != lineage:
        raise Unusable(
            f"It belongs to the project {about.get('lineage')}, and this one is {lineage}. "
            "Check `project` and `state` in crmsync.yaml, also in the profile."
        )
    return bytes.fromhex(body)


def pack_lease(holder: Holder | None) -> bytes:
    """Return the lease as bytes; nothing for a lease that nobody holds."""
    return b"" if holder is None else json.dumps(asdict(holder)).encode()


def unpack_lease(content: bytes) -> Holder | None:
    """Return who holds the lease; what cannot be read is held by nobody, for a lease is courtesy."""
    try:
        data = json.loads(content) if content else None
        return None if data is None else Holder(**{each: data[each] for each in Holder.__struct_fields__})
    except (ValueError, KeyError, TypeError):
        return None


def _pack(about: dict[str, Any], text: str) -> bytes:
    body = text.encode("ascii")
    if len(body) > PLAIN_BYTES:
        about, body = {**about, "packed": "zstd"}, compressed(body)
    line = {"crmsync": LAYOUT, **about}
    return _line({**line, "digest": _digest(line, body)}) + b"\n" + body


def _line(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=True, sort_keys=True).encode("ascii")


def _digest(line: dict[str, Any], body: bytes) -> str:
    return hashlib.blake2b(_line(line) + b"\n" + body, digest_size=16).hexdigest()


def _unpack(content: bytes) -> tuple[dict[str, Any], str]:
    start, _, body = content.partition(b"\n")
    try:
        line = json.loads(start)
        layout = line["crmsync"]
        if type(layout) is int and layout > LAYOUT:
            raise Unusable(f"A newer crmsync wrote it: layout {layout}, here is {LAYOUT}. Install a newer crmsync.")
        digest = line.pop("digest")
        if type(layout) is not int or layout < 1 or digest != _digest(line, body):
            raise ValueError("checksum")
        if "packed" in line:
            return line, expanded(body).decode("ascii")
        return line, body.decode("ascii")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unusable(f"A part of it is damaged. {DAMAGED}") from error
