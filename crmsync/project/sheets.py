"""
Sheets: what one source file says, in little space, so that it can be asked without making all its records.

Each record is packed (`crmsync.config.packing`), beside columns: addresses, lines, digests, and hashes of what a record is
called, what it alone may claim, under which keys lookups find it, and which others it names. A question about all files is
a pass over such columns, a few nanoseconds an entry. A hash that matches says "perhaps"; who asks looks at the record.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace
from xxhash import xxh3_64_intdigest as hash_of_bytes
from xxhash import xxh3_128_digest

from crmsync.config.document import Document
from crmsync.config.facts import PackedRecord
from crmsync.config.packing import pack, unpack
from crmsync.config.records import Declarations
from crmsync.config.twins import Claim, claims
from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, EntityType
from crmsync.model.codes import CODES
from crmsync.model.records import Declared, Moved
from crmsync.model.source import Diagnostic, Position, Severity
from crmsync.model.structs import Partly
from crmsync.model.values import Lookup
from crmsync.project.names import Names
from crmsync.resolve import Alone, Pointer, Question, keys_of

#: Returns the bytes of a sheet's packed records from one offset to another.
Bodies = Callable[[int, int], bytes]

#: How arrays hold hashes, and lines, places and numbers of one piece, which are smaller than 2**32.
_HASH, _SMALL = "Q", "I"
#: By so many bits hashes are put apart where all of them are compared.
_SHARE_BITS = 6
_MAGIC = b"crmsync sheet 5\n"
_CHECK_BYTES = 16


class Damaged(Exception):
    """These bytes are no sheet, or not the one that was asked for."""


class Column(Struct, frozen=True):
    """Hashes, and for each the number of the record it is about."""

    hashes: array[int]
    owners: array[int]

    def among(self, wanted: frozenset[int] | set[int]) -> Iterator[int]:
        """Yield the records about which one of *wanted* is."""
        if not wanted.isdisjoint(self.hashes):
            yield from (owner for each, owner in zip(self.hashes, self.owners, strict=True) if each in wanted)


class Sheet(Partly, frozen=True, eq=False):
    """
    One piece of a file, from *line* on: *names* are the addresses in its order, *ends* where the packed records end.

    *is_sound*: nothing is wrong with its text; *is_readable*: it holds something that can be looked at. *digests* are those
    of the packed records. *own* are hashes of the addresses, *claims* of what a record alone may say,
    *keys* of those under which it is found; *targets* of the addresses it names; *others* of those it may mean where the
    first is not declared, in pairs; *questions* of lookups. *bodies*, which gives the packed records, is not compared.
    """

    file: str
    id: str
    is_sound: bool
    is_readable: bool
    line: int
    moved: tuple[Moved, ...]
    diagnostics: tuple[Diagnostic, ...]
    names: Names
    lines: Sequence[int]
    ends: Sequence[int]
    digests: Sequence[int]
    own: Sequence[int]
    claims: Column
    keys: Column
    targets: Column
    others: Column
    questions: Column
    bodies: Bodies
    uncompared = frozenset({"bodies"})

    @property
    def has_errors(self) -> bool:
        """Say whether something stops a run; of warnings a plan can be made."""
        return any(each.is_error for each in self.diagnostics)

    def address(self, number: int) -> Address:
        """Return the address of a record."""
        return address_of(self.names[number])

    def records(self, start: int = 0, stop: int | None = None) -> list[Declared]:
        """Return the records from one number to another. Raises Damaged, OSError."""
        packed = enumerate(self.packed(start, len(self.ends) if stop is None else stop), start)
        return [unpack(data, self.address(number), self.file, self.lines[number]) for number, data in packed]

    def packed(self, start: int, stop: int) -> list[bytes]:
        """Return the records from one number to another as they are packed. Raises Damaged, OSError."""
        stop = min(stop, len(self.ends))
        if start >= stop:
            return []
        begin = first = self.ends[start - 1] if start else 0
        whole, found = self.bodies(first, self.ends[stop - 1]), []
        for number in range(start, stop):
            end = self.ends[number]
            found.append(whole[begin - first : end - first])
            begin = end
        if array(_HASH, map(hash_of_bytes, found)) != self.digests[start:stop]:
            raise Damaged(f"a record of {self.file} is damaged")
        return found

    def from_line(self, line: int) -> Sheet:
        """Return this sheet as that of a piece that begins on *line*, because lines above it came or went."""
        down = line - self.line
        if not down:
            return self
        diagnostics = tuple(_moved_down(each, down) for each in self.diagnostics)
        lines = array(_SMALL, [each + down for each in self.lines])
        return replace(self, line=line, lines=lines, diagnostics=diagnostics)


def _moved_down(each: Diagnostic, down: int) -> Diagnostic:
    place = each.position
    return each if place is None else replace(each, position=place._replace(line=place.line + down))


def address_of(name: str) -> Address:
    """Return the address that a sheet has as *name*."""
    type_name, _, key = name.partition(".")
    return Address(sys.intern(type_name), key)


def hash_of_address(address: Address) -> int:
    """Return the hash of a record's address."""
    return hash_of_name(str(address))


def hash_of_name(name: str) -> int:
    """Return the same of what a sheet calls it."""
    return hash_of_bytes(name.encode())


def hash_of_question(question: Question) -> int:
    """Return the hash of a lookup, which is that of a key under which records are found."""
    type_name, name, key = question
    return hash_of_bytes(f"key\0{type_name}\0{name}\0{key}".encode("utf-8", "surrogatepass"))


class About(NamedTuple):
    """What the columns of a sheet have of one record, or of one value; *others* in pairs, everything in any order."""

    claims: tuple[int, ...] = ()
    keys: tuple[int, ...] = ()
    targets: tuple[int, ...] = ()
    others: tuple[tuple[int, ...], ...] = ()
    questions: tuple[int, ...] = ()


NOTHING = About()


class Told(Struct, frozen=True):
    """What is told of a piece of a file beside its records, see `Sheet`."""

    is_sound: bool = True
    is_readable: bool = True
    moved: tuple[Moved, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def told_of(document: Document, read: Declarations, alone: Alone) -> Told:
    """Return what is told of a document."""
    return Told(
        is_sound=not any(each.is_error for each in document.diagnostics),
        is_readable=document.root is not None,
        moved=read.moved,
        diagnostics=tuple(dict.fromkeys((*read.diagnostics, *alone.diagnostics))),
    )


def entries_of(read: Declarations, alone: Alone, catalogue: Catalogue) -> Iterator[PackedRecord]:
    """Yield the records that were read, of which *alone* is what they name."""
    pointers: dict[Address, list[Pointer]] = {}
    for each in alone.pointers:
        pointers.setdefault(each.source, []).append(each)
    by_type = {entity.name: (entity, searched(entity)) for entity in catalogue.types}
    for address, record in read.records.items():
        entity, names = by_type[address.type]
        about = pointing(pointers.get(address, ()))._replace(
            claims=tuple(hash_of_claim(entity, claim) for claim in claims(record, entity)),
            keys=tuple(_keys_of_record(record, entity.name, names)),
        )
        yield PackedRecord(address.type, address.key, record.position.line, pack(record), about)


def sheet_of(id: str, file: str, line: int, entries: Sequence[PackedRecord], told: Told) -> Sheet:
    """Return the sheet of one piece of *file* that begins on *line*, with *entries* in their order; verdicts are `About`."""
    names = [f"{each.type}.{each.key}" for each in entries]
    return Sheet(
        file=file,
        id=id,
        is_sound=told.is_sound,
        is_readable=told.is_readable,
        line=line,
        moved=told.moved,
        diagnostics=told.diagnostics,
        names=Names(names),
        lines=array(_SMALL, [each.line for each in entries]),
        ends=array(_SMALL, accumulate(len(each.data) for each in entries)),
        digests=array(_HASH, [hash_of_bytes(each.data) for each in entries]),
        own=array(_HASH, map(hash_of_name, names)),
        claims=_column(each.verdict.claims for each in entries),
        keys=_column(each.verdict.keys for each in entries),
        targets=_column(each.verdict.targets for each in entries),
        others=_column(each.verdict.others for each in entries),
        questions=_column(each.verdict.questions for each in entries),
        bodies=_in_memory(b"".join(each.data for each in entries)),
    )


def _in_memory(whole: bytes) -> Bodies:
    return lambda start, end: whole[start:end]


def _column(hashes: Iterable[Sequence[Any]]) -> Column:
    """Return the column that has these hashes, or pairs of them, of the first record, these of the second, and so on."""
    column = Column(array(_HASH), array(_SMALL))
    for number, each in enumerate(hashes):
        if each:
            ordered = sorted(each)
            column.hashes.extend(chain(*ordered) if isinstance(ordered[0], tuple) else ordered)
            column.owners.extend([number] * (len(column.hashes) - len(column.owners)))
    return column


def repeated(columns: Iterable[Iterable[int]]) -> set[int]:
    """Return the hashes that are in *columns* more than once: looked at a share at a time, for all of them fill a set."""
    shares = [array(_HASH) for _ in range(2**_SHARE_BITS)]
    for each in chain.from_iterable(columns):
        shares[each >> 64 - _SHARE_BITS].append(each)
    return {each for share in shares if len(set(share)) < len(share) for each, count in Counter(share).items() if count > 1}


def hash_of_claim(entity: EntityType, claim: Claim) -> int:
    """Return the hash of what a record claims: for a value wherever it is claimed, that of the key it is found by."""
    scope = claim.scope
    if claim.by is not None and claim.within is None:
        return hash_of_question((entity.name, claim.by, str(claim.key)))
    if isinstance(scope, Lookup):  # where it stands is no part of what it says
        scope = ("lookup", scope.by, scope.text)
    text = f"claim\0{entity.name}\0{claim.by}\0{claim.key}\0{claim.within}\0{scope}"
    return hash_of_bytes(text.encode("utf-8", "surrogatepass"))


def _keys_of_record(record: Declared, type_name: str, names: Iterable[str]) -> list[int]:
    """Return the hashes of the keys under which a lookup finds *record*."""
    fields = record.fields
    pairs = ((name, key) for name in names if name in fields for key in keys_of(fields[name].value))
    return [hash_of_question((type_name, name, key)) for name, key in pairs]


def searched(entity: EntityType) -> tuple[str, ...]:
    """Return the fields by which records of a type are found or told apart."""
    by = {match.by for match in entity.match_on}
    return tuple(row.name for row in entity.fields if row.filter is not None or row.unique or row.name in by)


def pointing(pointers: Iterable[Pointer]) -> About:
    """Return what columns have of a record that names others so."""
    targets: list[int] = []
    others: list[tuple[int, ...]] = []
    questions: list[int] = []
    for each in pointers:
        if each.question is not None:
            questions.append(hash_of_question(each.question))
        else:
            hashes = tuple(map(hash_of_address, each.targets))
            if len(hashes) == 1:
                targets += hashes
            else:
                others.append(hashes)
    if not (targets or others or questions):
        return NOTHING
    return About(targets=tuple(targets), others=tuple(others), questions=tuple(questions))


# As bytes: a line that says what it is, the check of the head, the head, the columns; then the packed records

_COLUMNS = ("claims", "keys", "targets", "others", "questions")
_ARRAYS = {"lines": _SMALL, "ends": _SMALL, "digests": _HASH, "own": _HASH}
_TYPES = (*_ARRAYS.values(), *chain.from_iterable((_HASH, _SMALL) for _ in _COLUMNS))


def to_bytes(sheet: Sheet) -> bytes:
    """Return *sheet*, which must be one without errors, as bytes, its packed records last."""
    arrays = [getattr(sheet, name) for name in _ARRAYS]
    for name in _COLUMNS:
        column: Column = getattr(sheet, name)
        arrays += [column.hashes, column.owners]
    parts = [sheet.names.text, *(array(type, each).tobytes() for type, each in zip(_TYPES, arrays, strict=True))]
    about = {
        "id": sheet.id,
        "file": sheet.file,
        "line": sheet.line,
        "moved": [[str(each.origin), str(each.destination), *each.position[1:]] for each in sheet.moved],
        "diagnostics": [_diagnostic_data(each) for each in sheet.diagnostics],
        "parts": [len(part) for part in parts],
    }
    text = json.dumps(about).encode()
    head = len(text).to_bytes(4, "big") + text + b"".join(parts)
    check = xxh3_128_digest(head)
    bodies = sheet.bodies(0, sheet.ends[-1] if sheet.ends else 0)
    return b"".join((_MAGIC, len(head).to_bytes(8, "big"), check, head, bodies))


#: How many bytes say how long the head is.
PREFIX_BYTES = len(_MAGIC) + 8 + _CHECK_BYTES


def head_bytes(prefix: bytes) -> int:
    """Return how long the head is, by the first PREFIX_BYTES of a sheet. Raises Damaged."""
    if len(prefix) != PREFIX_BYTES or not prefix.startswith(_MAGIC):
        raise Damaged("it is no sheet")
    return int.from_bytes(prefix[len(_MAGIC) : -_CHECK_BYTES], "big")


def from_head(id: str, prefix: bytes, head: bytes, bodies: Bodies) -> Sheet:
    """Return the sheet *id* that has this *head*. Raises Damaged."""
    if xxh3_128_digest(head) != prefix[-_CHECK_BYTES:]:
        raise Damaged("its head is damaged")
    size = int.from_bytes(head[:4], "big")
    about = json.loads(head[4 : 4 + size])
    if about["id"] != id:
        raise Damaged("it is another sheet")
    names, *arrays = _parts(head, 4 + size, about["parts"])
    columns = iter([array(type, part) for type, part in zip(_TYPES, arrays, strict=True)])
    file = about["file"]
    values: dict[str, Any] = {name: next(columns) for name in _ARRAYS}
    values |= {name: Column(next(columns), next(columns)) for name in _COLUMNS}
    return Sheet(
        file=file,
        id=id,
        is_sound=True,
        is_readable=True,
        line=about["line"],
        moved=tuple(_moved(file, *each) for each in about["moved"]),
        diagnostics=tuple(_diagnostic(each) for each in about["diagnostics"]),
        names=Names(text=names),
        bodies=bodies,
        **values,
    )


def from_bytes(data: bytes) -> Sheet:
    """Return the sheet that `to_bytes` made *data* of, wherever it comes from. Raises Damaged."""
    prefix = data[:PREFIX_BYTES]
    size = head_bytes(prefix)
    head = data[PREFIX_BYTES : PREFIX_BYTES + size]
    id = json.loads(head[4 : 4 + int.from_bytes(head[:4], "big")])["id"]
    return from_head(id, prefix, head, _in_memory(data[PREFIX_BYTES + size :]))


def _parts(head: bytes, start: int, sizes: Iterable[int]) -> Iterator[bytes]:
    for size in sizes:
        yield head[start : start + size]
        start += size


def _moved(file: str, origin: str, destination: str, *place: int) -> Moved:
    ends = [Address(*text.split(".", 1)) for text in (origin, destination)]
    return Moved(ends[0], ends[1], Position(file, *place))


def _diagnostic_data(each: Diagnostic) -> list[Any]:
    address = None if each.address is None else [each.address.type, each.address.key]
    return [each.code.number, each.detail, each.position, address, each.severity]


def _diagnostic(data: Sequence[Any]) -> Diagnostic:
    number, detail, place, address, severity = data
    position = None if place is None else Position(*place)
    return Diagnostic(CODES[number], detail, position, address and Address(*address), Severity(severity))
