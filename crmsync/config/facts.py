"""
What single values as written say, for records that are read straight to their packed bytes.

`straight` reads lines of YAML so, `straightrows` JSON Lines. Both read a value once, in the usual way, and look it up where
it is written so again; what cannot be read so, or has something to be told of it, is `Odd` and left for the reader of nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

from crmsync.config.document import Document
from crmsync.config.fields import NULLS, FieldReader, Parts
from crmsync.config.packing import pack_members, pack_name, pack_value
from crmsync.model.catalogue import EntityType, Field, Write
from crmsync.model.records import DeclaredField
from crmsync.model.source import Node, Position, Table
from crmsync.model.values import Member, Members, Written

#: So many different lines of one mapping are remembered.
MOST_KNOWN = 10_000
#: And so many of one field: what has more is another one in each record, and not worth it.
MOST_ALIKE = 1_000
#: Longer texts are read carefully.
MOST_CHARACTERS = 1_000

_new: Any = tuple.__new__


class Odd(Exception):
    """This record is for the reader of nodes."""


class Fact(NamedTuple):
    """What one value as written says: the field, the value, and what the judge says of it."""

    name: str
    value: Written
    verdict: Any


class Judge(Protocol):
    """Says of values and of records what whoever asks wants to know, and None where something is to be told of them."""

    def value(self, entity: EntityType, field: Field, declared: DeclaredField) -> Any:
        """Judge a value by itself."""

    def texts(self, entity: EntityType, field: Field) -> Callable[[str], Any]:
        """Return what judges, as `value` does, texts that are values of a field and not empty."""

    def members(self, entity: EntityType, field: Field) -> Callable[[Sequence[Member]], Any]:
        """Return what judges, as `value` does, the members of sets that are values of a field and not empty."""

    def record(self, entity: EntityType, key: str, facts: Mapping[str, Fact]) -> Any:
        """Judge a record whose values are sound."""


class PackedRecord(NamedTuple):
    """A record of a file, on *line*, as `packing` packs it, and what the judge says of it."""

    type: str
    key: str
    line: int
    data: bytes
    verdict: Any


class Straight(Struct, frozen=True):
    """The plain records of a file, and *rest*, a document of all else in it; None where there is nothing else."""

    records: list[PackedRecord]
    rest: Document | None


class FactReader:
    """Reads values of one type of record."""

    def __init__(self, entity: EntityType, fields: FieldReader, judge: Judge) -> None:
        self.entity = entity
        self.judge = judge
        self._fields = fields

    def row(self, name: str) -> Field | Parts | None:
        """Return the row of a field, or what gives the rows of a nested one by its parts."""
        return self._fields.plain_row(self.entity, name)

    def read(self, row: Field, node: Node) -> tuple[Fact, Position, str]:
        """Return what *node* says in a field, where that stands, and how it is packed. Raises Odd."""
        declared = self._fields.plain_value(row, node)
        verdict = None if declared is None else self.judge.value(self.entity, row, declared)
        if declared is None or verdict is None:
            raise Odd
        return _new(Fact, (row.name, declared.value, verdict)), declared.position, pack_value(declared)

    def words(self, row: Field) -> Callable[[str, bool], tuple[Fact, str] | None] | None:
        """Return what reads a usual text, in quotes or not, and how it is packed; None where a field reads more into it."""
        if not row.kind.keeps_words or row.write is Write.NEVER:
            return None
        name, judge, most = row.name, self.judge.texts(self.entity, row), row.max_length or MOST_CHARACTERS

        def read(text: str, is_plain: bool) -> tuple[Fact, str] | None:
            if len(text) > most or (is_plain and text in NULLS):
                return None
            return _new(Fact, (name, text, judge(text))), f'"{text}"'

        return read

    def alike(self, row: Field, entry: Table) -> Callable[[str], Member | None]:
        """Return what reads entries of a set that are written as *entry* is but for a usual text, which is its first."""
        begin = row.kind.alike
        read = None if begin is None or row.write is Write.NEVER else begin(entry, row, self._fields.locale)
        return read or _nobody

    def sets(self, row: Field) -> Callable[[tuple[Member, ...]], tuple[Fact, str]]:
        """Return what says what a set says that has these members, one at least, and how it is packed; it raises Odd."""
        name, judge = row.name, self.judge.members(self.entity, row)

        def read(members: tuple[Member, ...]) -> tuple[Fact, str]:
            if len(members) > 1 and len({each.key for each in members}) != len(members):
                raise Odd
            return _new(Fact, (name, Members(members), judge(members))), pack_members(members)

        return read


def _nobody(text: str) -> None:
    """Read nothing: whoever asks reads carefully."""


def before(row: Field) -> str:
    """Return what stands in packed bytes before the place of a value."""
    return f"{pack_name(row.name)},"
