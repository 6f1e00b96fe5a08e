"""Keyed digests: the state remembers that a value is the same, never the value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from crmsync.model.catalogue import Field
from crmsync.model.values import Member, Members, Value

DIGEST_SIZE = 8
#: So many digests are remembered, some megabytes of them.
_MOST_KNOWN = 20_000

# One encoder for all, and for texts only its quoting: `json.dumps` takes ten times as long to set out as to encode a value.
_quote = json.encoder.encode_basestring
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Digester:
    """
    Makes digests of 8 bytes under the state's secret *key*.

    A digest of a value is written ``<version of its kind>.<hex>``: canonical forms of different versions are not comparable.
    """

    key: bytes
    _known: dict[tuple[object, ...], str] = field(default_factory=dict, compare=False, repr=False)

    def value(self, field: Field, value: Value) -> str:
        """Return the digest of a canonical value of *field*."""
        if not isinstance(value, str | bool | int | date | None):
            return self._digest(field, "value", canonical(value))
        # 1 and true are equal, and have other digests; so may numbers.
        about = (field.kind.name, field.kind.version, type(value), value)
        return self._known.get(about) or self._note(about, self._digest(field, "value", canonical(value)))

    def member_key(self, field: Field, member: Member) -> str:
        """Return the digest of which member this is."""
        about = (field.kind.name, field.kind.version, "key", member.key)
        return self._known.get(about) or self._note(about, self._digest(field, "key", canonical(member.key)))

    def member(self, field: Field, member: Member) -> str:
        """Return the digest of the member with its attributes."""
        about = (field.kind.name, field.kind.version, "member", member.key, member.category)
        known = self._known.get(about)
        if known is not None:
            return known
        return self._note(about, self._digest(field, "member", [canonical(member.key), member.category]))

    def _note(self, about: tuple[object, ...], digest: str) -> str:
        """Remember a digest, for most values are those of many records."""
        if len(self._known) < _MOST_KNOWN:
            self._known[about] = digest
        return digest

    def text(self, purpose: str, text: str) -> str:
        """Return the digest of a text that is not a field's value, such as a natural key."""
        return self._hash(purpose, text)

    def _digest(self, field: Field, purpose: str, data: Any) -> str:
        return f"{field.kind.version}.{self._hash(f'{field.kind.name}/{purpose}', data)}"

    def _hash(self, purpose: str, data: Any) -> str:
        text = f"[{_quote(purpose)},{_written(data)}]"
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self.key[:64], digest_size=DIGEST_SIZE).hexdigest()


def key_mark(key: bytes, lineage: str) -> str:
    """Return what tells one secret from another in the log of *lineage*, and nothing else of it."""
    return Digester(key).text("key", lineage)


def _written(data: Any) -> str:
    """Return *data* as JSON, as the encoder writes it; the common forms without its setting out."""
    if isinstance(data, str):
        return _quote(data)
    if data is None:
        return "null"
    if isinstance(data, list) and len(data) == 2 and type(data[0]) is str:
        return f"[{_quote(data[0])},{_written(data[1])}]"
    if isinstance(data, dict) and len(data) == 1:
        ((name, value),) = data.items()
        if type(value) in (int, str):
            return f"{{{_quote(name)}:{value if isinstance(value, int) else _quote(value)}}}"
    return _encode(data)


def is_comparable(field: Field, digest: str) -> bool:
    """Say whether *digest* was made by the present version of the field's kind; otherwise it says nothing."""
    return digest.partition(".")[0] == str(field.kind.version)


def canonical(value: Value) -> Any:
    """Return *value* as JSON data in which different values never look alike."""
    if isinstance(value, Members):
        return {"members": sorted(([str(each.key), each.category or ""] for each in value), key=str)}
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, Decimal):
        return {"number": str(value.normalize())}
    if isinstance(value, int):
        return {"id": value}
    return {"address": str(value)}


def document_digest(data: Mapping[str, Any] | list[Any]) -> str:
    """Return the SHA-256 of *data* as canonical JSON: what a reviewer can compare."""
    text = json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
