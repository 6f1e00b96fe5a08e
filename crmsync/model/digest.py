"""Keyed digests: the state remembers that a value is the same, never the value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from types import NoneType
from typing import Any

from msgspec import field

from crmsync.model.address import Address
from crmsync.model.catalogue import Field
from crmsync.model.structs import Discreet
from crmsync.model.values import Member, Members, Value

DIGEST_SIZE = 8
#: So many digests of one kind are remembered: what has more values is another one in each record.
_MOST_OF_ONE = 2_000

#: Gives the digests of a member's key, and of the member, from its key and its category.
Pairs = Callable[[str | int, str | None], tuple[str, str]]

# For texts only the encoder's quoting: `json.dumps` takes ten times as long to set out as to encode a value.
quoted = json.encoder.encode_basestring
_encode_any = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str).encode


class Digester(Discreet, frozen=True):
    """
    Makes digests of 8 bytes under the state's secret *key*.

    A digest of a value is written ``<version of its kind>.<hex>``: canonical forms of different versions are not comparable.
    """

    key: bytes
    _begun: dict[str, Any] = field(default_factory=dict)
    _of_values: dict[tuple[str, int], Callable[[Value], str]] = field(default_factory=dict)
    _of_members: dict[tuple[str, int], Pairs] = field(default_factory=dict)

    def value(self, field: Field, value: Value) -> str:
        """Return the digest of a canonical value of *field*."""
        kind = field.kind
        digest = self._of_values.get((kind.name, kind.version))
        if digest is None:
            digest = self._of_values[kind.name, kind.version] = self._values(field)
        return digest(value)

    def member_key(self, field: Field, member: Member) -> str:
        """Return the digest of which member this is."""
        return self.pair(field, member)[0]

    def member(self, field: Field, member: Member) -> str:
        """Return the digest of the member with its attributes."""
        return self.pair(field, member)[1]

    def pair(self, field: Field, member: Member) -> tuple[str, str]:
        """Return `member_key` and `member`."""
        kind = field.kind
        digests = self._of_members.get((kind.name, kind.version))
        if digests is None:
            digests = self._of_members[kind.name, kind.version] = self._members(field)
        return digests(member.key, member.category)

    def pairs(self, field: Field, members: Members) -> dict[str, str]:
        """Return the digests of *members* by those of their keys."""
        return dict(self.pair(field, each) for each in members.items)

    def texts(self, field: Field) -> Callable[[str], str]:
        """Return what gives the same as `value` for texts of *field*, and remembers none."""
        version, begun = version_of(field), self._begin(f"{field.kind.name}/value")

        def digest(text: str) -> str:
            made = begun.copy()
            made.update(f"{quoted(text)}]".encode("utf-8", "surrogatepass"))
            return version + str(made.hexdigest())

        return digest

    def members(self, field: Field) -> Callable[[str | int, str | None], str]:
        """Return what gives `member` alone for a key and a category of *field*, and remembers none."""
        version, begun = version_of(field), self._begin(f"{field.kind.name}/member")

        def digest(key: str | int, category: str | None) -> str:
            text = quoted(key) if key.__class__ is str else canonical_text(key)
            made = begun.copy()
            made.update(b"[" + text.encode("utf-8", "surrogatepass") + _end(category))
            return version + str(made.hexdigest())

        return digest

    def _values(self, field: Field) -> Callable[[Value], str]:
        version, begun = version_of(field), self._begin(f"{field.kind.name}/value")
        known: dict[Value, str] = {}

        def digest(value: Value) -> str:
            # Texts alone, for 1 and true are equal and have other digests; so may numbers.
            is_text = value.__class__ is str
            found = known.get(value) if is_text else None
            if found is None:
                made = begun.copy()
                made.update(f"{canonical_text(value)}]".encode("utf-8", "surrogatepass"))
                found = version + str(made.hexdigest())
                if is_text and len(known) < _MOST_OF_ONE:
                    known[value] = found
            return found

        return digest

    def _members(self, field: Field) -> Pairs:
        version, name = version_of(field), field.kind.name
        of_key, of_member = self._begin(f"{name}/key"), self._begin(f"{name}/member")
        known: dict[tuple[str | int, str | None], tuple[str, str]] = {}

        def digests(key: str | int, category: str | None) -> tuple[str, str]:
            about = key, category
            found = known.get(about)
            if found is None:
                text = canonical_text(key).encode("utf-8", "surrogatepass")
                own, whole = of_key.copy(), of_member.copy()
                own.update(text + b"]")
                whole.update(b"[" + text + _end(category))
                found = version + str(own.hexdigest()), version + str(whole.hexdigest())
                if len(known) < _MOST_OF_ONE:
                    known[about] = found
            return found

        return digests

    def text(self, purpose: str, text: str) -> str:
        """Return the digest of a text that is not a field's value, such as a natural key."""
        made = self._begin(purpose).copy()
        made.update(f"{quoted(text)}]".encode("utf-8", "surrogatepass"))
        return str(made.hexdigest())

    def _begin(self, purpose: str) -> Any:
        """Return the beginning of all digests for *purpose*, to be copied: most of the time went into setting out."""
        begun = self._begun.get(purpose)
        if begun is None:
            start = f"[{quoted(purpose)},".encode("utf-8", "surrogatepass")
            begun = self._begun[purpose] = hashlib.blake2b(start, key=self.key[:64], digest_size=DIGEST_SIZE)
        return begun


def key_mark(key: bytes, lineage: str) -> str:
    """Return what tells one secret from another in the log of *lineage*, and nothing else of it."""
    return Digester(key).text("key", lineage)


def version_of(field: Field) -> str:
    """Return how the digests begin that the present version of the field's kind makes."""
    return f"{field.kind.version}."


def is_comparable(field: Field, digest: str) -> bool:
    """Say whether *digest* was made by the present version of the field's kind; otherwise it says nothing."""
    return digest.startswith(version_of(field))


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


def canonical_text(value: Value) -> str:
    """Return `canonical` as JSON, which is made many times of each record."""
    return _TEXTS[value.__class__](value)


def _members_text(members: Members) -> str:
    pairs = [(str(each.key), each.category or "") for each in members.items]
    if len(pairs) > 1:
        pairs.sort(key=lambda pair: str(list(pair)))
    listed = ",".join(f"[{quoted(key)},{quoted(category)}]" for key, category in pairs)
    return f'{{"members":[{listed}]}}'


@lru_cache(maxsize=_MOST_OF_ONE)
def _end(category: str | None) -> bytes:
    """Return what comes after the key of a member: there are few categories."""
    return f",{canonical_text(category)}]]".encode("utf-8", "surrogatepass")


_TEXTS: Mapping[type, Callable[[Any], str]] = {
    str: quoted,
    NoneType: lambda _: "null",
    bool: lambda value: "true" if value else "false",
    Members: _members_text,
    date: lambda value: f'{{"date":"{value.isoformat()}"}}',
    Decimal: lambda value: f'{{"number":"{value.normalize()}"}}',
    int: lambda value: f'{{"id":{value}}}',
    Address: lambda value: f'{{"address":{quoted(str(value))}}}',
}


def document_digest(data: Mapping[str, Any] | list[Any]) -> str:
    """Return the SHA-256 of *data* as canonical JSON: what a reviewer can compare."""
    return text_digest([_encode_any(data)])


def text_digest(pieces: Iterable[str]) -> str:
    """Return the SHA-256 of canonical JSON that is set out already; its *pieces* need not be in memory at once."""
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece.encode("utf-8", "surrogatepass"))
    return found.hexdigest()
