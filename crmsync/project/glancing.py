"""
Glancing: whether a record is settled, seen from three texts: as its file is packed, as Copper shows it, as the state has it.

Most values of most records are those of others, so what `is_settled` says of a value, of what Copper shows and of what the
state knows of it is remembered for the next record that has the three. Of texts and of members that are ours, which seldom
come twice, the bytes are compared that the verdict is made of. Whatever is not as plain as that is judged as a whole, in
values. A record is settled when each of its fields is; `tests/test_glancing.py` holds that nobody can tell the difference.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from crmsync.config.packing import EACH, HEAD, unpack
from crmsync.model.address import Address
from crmsync.model.bodies import CUSTOM_FIELDS, decode_body
from crmsync.model.catalogue import Catalogue, EntityType, Field
from crmsync.model.digest import Digester, version_of
from crmsync.model.http import parse_json
from crmsync.model.records import Declared, Mode, Observed, PolicyRule
from crmsync.model.state import Binding
from crmsync.model.structs import Discreet
from crmsync.model.values import Value
from crmsync.plan.restriction import has, links, names, touches_of
from crmsync.plan.settled import is_settled
from crmsync.project.ledgerfile import hash_of_touch, hash_with, touch_of_address, touch_of_id
from crmsync.resolve.resolving import Resolving, possible_targets
from crmsync.state.codec import decode_binding

#: So many verdicts are remembered for each field, and so many that are looked up by a digest.
MOST_KNOWN = 5_000
MOST_ALIKE = 2_000

_encode = msgspec.json.Encoder(decimal_format="number").encode
_read = msgspec.json.Decoder().decode
#: What a binding may say without being looked at closely, and the same of a set of members.
_PLAIN_BINDING = frozenset({"record_id", "origin", "applied"})
_PLAIN_SET = frozenset({"asked", "answered", "members"})

#: Hashes of what a settled record can be met by.
Hashes = tuple[int, ...]
#: Hashes under which the ledger finds a record of a mirrored type, in little space, if it is settled.
Seen = bytes | None


class Lot(NamedTuple):
    """Records of one type: keys, ids, how they are packed, as Copper shows them, as the state has them."""

    type_name: str
    keys: list[str]
    ids: list[int]
    packed: list[bytes]
    shown: list[bytes]
    bindings: list[bytes]

    def __reduce__(self) -> tuple[Any, ...]:
        """Be sent in few pieces, which takes half the time."""
        texts = [*self.packed, *self.shown, *self.bindings]
        lengths = array("I", map(len, texts)).tobytes()
        return _sent, (self.type_name, "\n".join(self.keys), array("q", self.ids).tobytes(), lengths, b"".join(texts))


def _sent(type_name: str, keys: str, ids: bytes, lengths: bytes, whole: bytes) -> Lot:
    numbers, texts, end = array("q", ids).tolist(), list[bytes](), 0
    for length in array("I", lengths):
        texts.append(whole[end : end + length])
        end += length
    one, two = len(numbers), 2 * len(numbers)
    return Lot(type_name, keys.split("\n") if numbers else [], numbers, texts[:one], texts[one:two], texts[two:])


class Glance(Discreet, frozen=True, dict=True):
    """
    Looks at records of one account.

    *records* are the declared ones that others may name, with the id of those that are bound.
    """

    catalogue: Catalogue
    policies: Mapping[str, PolicyRule]
    records: Mapping[Address, int | None]
    key: bytes

    def read(self, lot: Lot) -> list[Seen]:
        """Return what `settled` says of each record of a lot, in little space."""
        type_name, *columns = lot
        called = hash_of_touch(touch_of_address(Address(type_name, "")))
        bound = hash_of_touch((*touch_of_id(type_name, 0)[:-1], ""))
        kind, found = self._kinds[type_name], list[Seen]()
        for key, id, *texts in zip(*columns, strict=True):
            hashes, seen = kind.plainly(*texts), None
            if hashes is None:
                hashes = kind.closely(Address(type_name, key), *texts)
            if hashes is not None:
                seen = array("I", sorted({*hashes, hash_with(called, key), hash_with(bound, str(id))})).tobytes()
            found.append(seen)
        return found

    def settled(self, address: Address, packed: bytes, text: bytes, binding: bytes) -> Hashes | None:
        """
        Return what a settled record can be met by; None where a plan may have something to say of it.

        *text* is how it is shown. Raises ValueError for no body.
        """
        kind = self._kinds[address.type]
        found = kind.plainly(packed, text, binding)
        return kind.closely(address, packed, text, binding) if found is None else found

    def __reduce__(self) -> tuple[Any, ...]:
        return Glance, (self.catalogue, self.policies, self.records, self.key)

    @cached_property
    def ids(self) -> Mapping[Address, int]:
        """The records of those that are bound."""
        return {address: id for address, id in self.records.items() if id is not None}

    @cached_property
    def _kinds(self) -> Mapping[str, _Kind]:
        declared = cast(Mapping[Address, Declared], self.records)  # only asked whether it has an address
        resolving, digester = Resolving(declared, self.catalogue, self.policies, None), Digester(self.key)
        return {entity.name: _Kind(entity, resolving, digester, self) for entity in self.catalogue.types}


class _Row(Struct, frozen=True):
    """
    One field, and how it is looked at when a record declares it.

    *place* is where Copper shows it, see `_placed`. *is_met*: records are met by what it holds, *met* begins the hash of
    that. *is_whole*: its value is compared as a whole; *are_ours*: its members are, those that are declared. Verdicts are
    *known* by all that they were made of; *alike* has some of those that said settled, by the digest in the state: what was
    declared, what was shown and its class, and the hashes. *empty* are the classes of empty values that can be shown there.
    """

    field: Field
    id: str
    place: tuple[int, object]
    is_met: bool
    met: int
    is_whole: bool
    are_ours: bool
    version: str
    digest: Callable[[str], str]
    whole: Callable[[str | int, str | None], str]
    known: dict[bytes, Hashes | None]
    alike: dict[str, tuple[Any, Any, type, Hashes]]
    empty: set[type]


class _Shape(Struct, frozen=True):
    """
    What records have in common that declare the same fields: these rows, the *ids* of them, and the *others*.

    Of *declared* ones what each record asks for is at hand: where the value stands in the packed record, place, id, and
    what is alike. Of the others: the place, and whether any text will do there.
    """

    declared: tuple[tuple[int, int, object, str, Mapping[str, tuple[Any, Any, type, Hashes]], _Row], ...]
    ids: frozenset[str]
    others: tuple[tuple[int, object, bool, _Row], ...]

    @classmethod
    def of(cls, declared: Sequence[_Row], others: Iterable[_Row]) -> _Shape:
        """Return the shape of records that declare these fields, in this order."""
        return cls(
            tuple((HEAD + EACH * at + EACH - 1, *row.place, row.id, row.alike, row) for at, row in enumerate(declared)),
            frozenset(row.id for row in declared),
            tuple((*row.place, row.field.kind.keeps_words and not row.is_met, row) for row in others),
        )


class _Kind:
    """Records of one type."""

    def __init__(self, entity: EntityType, resolving: Resolving, digester: Digester, glance: Glance) -> None:
        self._entity, self._locale = entity, glance.catalogue.locale
        self._resolving, self._digester = resolving, digester
        self._ids, self._records = glance.ids, glance.records
        self._nested = list(dict.fromkeys(row.key for row in entity.fields if row.part is not None))
        self._rows = {row.name: self._row(row) for row in entity.fields}
        self._shapes: dict[tuple[str, ...], _Shape | None] = {}

    def _row(self, row: Field) -> _Row:
        policy = self._resolving.policy_of_all(self._entity.name, row.name)
        mode = None if policy is None else policy.mode
        return _Row(
            field=row,
            id=row.id,
            place=self._place(row),
            is_met=row in self._entity.links or row in self._entity.uniques,
            met=hash_of_touch(has(self._entity, row, "")),
            is_whole=mode in _WHOLE or (mode is Mode.SEED and row.required),
            are_ours=mode in _OURS and not row.required,
            version=version_of(row),
            digest=self._digester.texts(row),
            whole=self._digester.members(row),
            known={},
            alike={},
            empty=set(),
        )

    def _shape(self, names: tuple[str, ...]) -> _Shape | None:
        if names not in self._shapes:
            rows = tuple(self._rows[name] for name in names) if self._rows.keys() >= set(names) else ()
            others = (row for name, row in self._rows.items() if name not in names)
            self._shapes[names] = _Shape.of(rows, others) if rows else None
        return self._shapes[names]

    # At a glance

    def plainly(self, packed: bytes, text: bytes, binding: bytes) -> Hashes | None:
        """Return what a record can be met by that is seen to be settled; None where it must be looked at closely."""
        try:
            return self.at_a_glance(_read(packed), parse_json(text), _read(binding))
        except ValueError:  # half a surrogate pair, or no body, of which the other way tells what is wrong
            return None

    def at_a_glance(self, flat: list[Any], body: Any, binding: dict[str, Any]) -> Hashes | None:
        """Return what a record can be met by that is seen to be settled. Raises ValueError."""
        shape, shown = self._shape(tuple(flat[HEAD::EACH])), self._placed(body)
        if shape is None or shown is None or flat[HEAD - 1] or not _PLAIN_BINDING.issuperset(binding):
            return None
        applied = binding.get("applied", _NOTHING)
        if not shape.ids.issuperset(applied):
            return None
        found: Hashes = ()
        known_at = applied.get
        for at, where, key, id, alike, row in shape.declared:
            value, now, known = flat[at], shown[where].get(key), known_at(id)
            if known.__class__ is str:
                like = alike.get(known)
                if like is not None and like[0] == value and like[1] == now and like[2] is now.__class__:
                    found += like[3]
                    continue
            hashes = self._seen(row, flat, at, value, now, known)
            if hashes is None:
                return None
            found += hashes
        for where, key, is_any_text, row in shape.others:
            now = shown[where].get(key)
            if now is None or (is_any_text and now.__class__ is str) or (not now and now.__class__ in row.empty):
                continue
            observed = row.field.kind.decode(now, self._locale)
            if row.is_met:
                found += _hashes(self._entity, {}, {row.field.name: observed})
            elif not now:
                row.empty.add(now.__class__)
        return found

    def _placed(self, body: Any) -> list[dict[Any, Any]] | None:
        """Return what Copper shows: the body, its custom values by their definitions, and each of the nested ones."""
        try:
            custom = {each["custom_field_definition_id"]: each.get("value") for each in body.get(CUSTOM_FIELDS) or ()}
        except (KeyError, TypeError, AttributeError):
            return None
        shown = [body, custom]
        for key in self._nested:
            parts = body.get(key)
            if parts.__class__ is not dict and parts is not None:
                return None
            shown.append(parts or _NOTHING)
        return shown

    def _place(self, row: Field) -> tuple[int, object]:
        """Return which part of what `_placed` gives has the value of a field, and under which key."""
        if row.definition_id is not None:
            return 1, row.definition_id
        return (0, row.key) if row.part is None else (2 + self._nested.index(row.key), row.part)

    def _seen(self, row: _Row, flat: list[Any], at: int, value: Any, now: Any, known: Any) -> Hashes | None:
        """Return what a record is met by through one field, whose value stands *at*; None where that is not settled."""
        if row.is_whole and value.__class__ is str and value and value == now and known == row.digest(value):
            return _note_alike(row, value, now, known, (hash_with(row.met, value),) if row.is_met else ())
        if row.are_ours and row.is_met:
            hashes = self._ours(row, value, now, known)
            return self._judged(row, flat, at, now, known) if hashes is None else hashes
        about = _encode((value, now, known, self._outer(row, flat) if row.field.within else None))
        if about in row.known:
            return row.known[about]
        look = self._ours if row.are_ours else self._alike
        hashes = look(row, value, now, known)
        hashes = self._judged(row, flat, at, now, known) if hashes is None else hashes
        if hashes is not None and now.__class__ in _SCALARS and known.__class__ is str and not row.field.within:
            return _note_alike(row, value, now, known, hashes)
        if len(row.known) < MOST_KNOWN:
            row.known[about] = hashes
        return hashes

    def _alike(self, row: _Row, value: Any, now: Any, known: Any) -> Hashes | None:
        """Return what a number, a day or a link is met by that is shown and known just as it is declared."""
        if not row.is_whole or value.__class__ is not list:
            return None
        if value[0] == "lookup":
            return self._linked(row, value, now, known)
        read = _WRITTEN.get(value[0])
        canonical = None if read is None else read(value[1])
        is_alike = canonical is not None and canonical == row.field.kind.decode(now, self._locale)
        return () if is_alike and not row.is_met and known == self._digester.value(row.field, canonical) else None

    def _linked(self, row: _Row, value: list[Any], now: Any, known: Any) -> Hashes | None:
        """Return what a link by key is met by that is shown and known just as it is declared."""
        target, text = row.field.target or "", value[2]
        addresses = possible_targets(target, text) if value[1] == "key" else ()
        address = next((each for each in addresses if each in self._records), None)
        id = None if address is None else self._records[address]
        if address is None or now.__class__ is not int or id != now or known != self._digester.value(row.field, now):
            return None
        return hash_of_touch(names(address)), hash_of_touch(links(target, now))

    def _ours(self, row: _Row, value: Any, now: Any, known: Any) -> Hashes | None:
        """Return what a set is met by whose members are shown and known just as they are declared."""
        if value.__class__ is not list or value[0] != "members" or known.__class__ is not dict or known.keys() != _PLAIN_SET:
            return None
        keys, texts, categories = value[1::3], value[2::3], value[3::3]
        ours, wire = known["members"], row.field.kind.wire
        if wire is None or len(ours) != len(keys) or not known["asked"].startswith(row.version):
            return None
        shown = zip(keys, texts, categories, strict=True)
        if now != [wire(key if text is None else text, category) for key, text, category in shown]:
            return None
        # The digest of a member says which one it is as well. Where they stand in another order they are looked at closely.
        wholes = map(row.whole, keys, categories)
        if [*ours.values()] != [[whole, whole] for whole in wholes]:
            return None
        return tuple([hash_with(row.met, str(key)) for key in keys]) if row.is_met else ()

    def _outer(self, row: _Row, flat: list[Any]) -> list[Any]:
        """Return what a record declares of the field within which the label of *row* is looked up."""
        if row.field.within is None:
            return []
        at = next((at for at in range(HEAD, len(flat), EACH) if flat[at] == row.field.within), len(flat))
        return flat[at : at + EACH]

    def _judged(self, row: _Row, flat: list[Any], at: int, now: Any, known: Any) -> Hashes | None:
        """Judge a record of this one field."""
        packed = _encode([*flat[:HEAD], *flat[at + 1 - EACH : at + 1], *self._outer(row, flat)])
        declared = unpack(packed, Address(self._entity.name, ""), "", 1)
        observed = Observed(self._entity.name, 1, {row.field.name: row.field.kind.decode(now, self._locale)})
        applied = {} if known is None else {row.id: known}
        binding = decode_binding(_encode({"record_id": 1, "origin": "adopted", "applied": applied}).decode())
        return self._verdict(declared, observed, binding)

    # Closely

    def closely(self, address: Address, packed: bytes, body: bytes, binding: bytes) -> Hashes | None:
        """Return what a record can be met by that is settled. Raises ValueError."""
        record = decode_body(self._entity, parse_json(body), self._locale)
        return self._verdict(unpack(packed, address, "", 1), record, decode_binding(binding.decode()))

    def _verdict(self, declared: Declared, observed: Observed, binding: Binding) -> Hashes | None:
        desired = self._resolving.record(declared)
        if self._resolving.diagnostics:
            self._resolving.diagnostics.clear()
            return None
        fields = {name: each for name, each in desired.fields.items() if name in observed.fields}
        if not is_settled(replace(desired, fields=fields), binding, observed, self._entity, self._ids, self._digester):
            return None
        return _hashes(self._entity, {name: each.value for name, each in fields.items()}, observed.fields)


_WHOLE = frozenset({Mode.ENFORCE, Mode.FILL, Mode.OBSERVE})
_OURS = frozenset({Mode.OWN, Mode.ADD})
_WRITTEN: Mapping[str, Callable[[str], Value]] = {"number": Decimal, "date": date.fromisoformat}
_NOTHING: dict[str, Any] = {}
#: What is shown and has no parts: it equals nothing that says something else but where it is of another class.
_SCALARS = frozenset({str, int, bool, Decimal})


def _note_alike(row: _Row, value: Any, now: Any, known: str, hashes: Hashes) -> Hashes:
    """Remember for the next record that a field is settled."""
    if len(row.alike) < MOST_ALIKE:
        row.alike[known] = value, now, now.__class__, hashes
    return hashes


def _hashes(entity: EntityType, declared: Mapping[str, Value], observed: Mapping[str, Value]) -> Hashes:
    return tuple(hash_of_touch(touch) for touch in touches_of(entity, declared, observed))
