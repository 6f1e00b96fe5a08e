"""Keyed digests: the state remembers that a value is the same, never the value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

from crmsync.model.catalogue import Field
from crmsync.model.values import Member, Members, Value

DIGEST_SIZE = 8
#: So many digests are remembered, some megabytes of them.
_MOST_KNOWN = 20_000
#: And so many of one field: what has more is another one in each record.
_MOST_OF_ONE = 2_000

# One encoder for all, and for texts only its quoting: `json.dumps` takes ten times as long to set out as to encode a value.
_quote = json.encoder.encode_basestring
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
_encode_any = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str).encode


@dataclass(frozen=True, slots=True)
class Digester:
    """
    Makes digests of 8 bytes under the state's secret *key*.

    A digest of a value is written ``<version of its kind>.<hex>``: canonical forms of different versions are not comparable.
    """

    key: bytes
    _known: dict[tuple[object, ...], str] = field(default_factory=dict, compare=False, repr=False)
    _begun: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

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

    def texts(self, field: Field) -> Callable[[str], str]:
        """Return what gives the same as `value` for texts of *field*, in a third of the time."""
        version, begun = f"{field.kind.version}.", self._begin(f"{field.kind.name}/value")

        known: dict[str, str] = {}

        def digest(text: str) -> str:
            found = known.get(text)
            if found is None:
                made = begun.copy()
                made.update(f"{_quote(text)}]".encode("utf-8", "surrogatepass"))
                found = version + str(made.hexdigest())
                if len(known) < _MOST_OF_ONE:
                    known[text] = found
            return found

        return digest

    def members(self, field: Field) -> Callable[[str | int, str | None], tuple[str, str]]:
        """Return what gives `member_key` and `member` for a key and a category of *field*."""

        version, name = f"{field.kind.version}.", field.kind.name
        of_key, of_member = self._begin(f"{name}/key"), self._begin(f"{name}/member")

        @cache
        def end(category: str | None) -> bytes:
            return f",{_written(category)}]]".encode("utf-8", "surrogatepass")

        def digests(key: str | int, category: str | None) -> tuple[str, str]:
            quoted = (_quote(key) if key.__class__ is str else _written(canonical(key))).encode("utf-8", "surrogatepass")
            own, whole = of_key.copy(), of_member.copy()
            own.update(quoted + b"]")
            whole.update(b"[" + quoted + end(category))
            return version + str(own.hexdigest()), version + str(whole.hexdigest())

        return digests

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
        made = self._begin(purpose).copy()
        made.update(f"{_written(data)}]".encode("utf-8", "surrogatepass"))
        return str(made.hexdigest())

    def _begin(self, purpose: str) -> Any:
        """Return the beginning of all digests for *purpose*, to be copied: most of the time went into setting out."""
        begun = self._begun.get(purpose)
        if begun is None:
            start = f"[{_quote(purpose)},".encode("utf-8", "surrogatepass")
            begun = self._begun[purpose] = hashlib.blake2b(start, key=self.key[:64], digest_size=DIGEST_SIZE)
        return begun


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
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Members):
        pairs = [[str(each.key), each.category or ""] for each in value.items]
        return {"members": sorted(pairs, key=str) if len(pairs) > 1 else pairs}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, Decimal):
        return {"number": str(value.normalize())}
    if isinstance(value, int):
        return {"id": value}
    return {"address": str(value)}


def document_digest(data: Mapping[str, Any] | list[Any]) -> str:
    """Return the SHA-256 of *data* as canonical JSON: what a reviewer can compare."""
    text = _encode_any(data)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
