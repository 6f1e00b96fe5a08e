"""
What single values as written say, for records that are read straight to their packed bytes.

`straight` reads lines of YAML so, `straightrows` JSON Lines. Both read a value once, in the usual way, and look it up where
it is written so again; what cannot be read so, or has something to be told of it, is `Odd` and left for the reader of nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from crmsync.config.document import Document
from crmsync.config.fields import FieldReader, Parts
from crmsync.config.packing import pack_name, pack_value
from crmsync.model.catalogue import EntityType, Field
from crmsync.model.records import DeclaredField
from crmsync.model.source import Node, Position
from crmsync.model.values import Written

#: So many different lines of one mapping are remembered.
MOST_KNOWN = 10_000
#: And so many of one field: what has more is another one in each record, and not worth it.
MOST_ALIKE = 1_000

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

    def record(self, entity: EntityType, key: str, facts: Mapping[str, Fact]) -> Any:
        """Judge a record whose values are sound."""


class PackedRecord(NamedTuple):
    """A record of a file, on *line*, as `packing` packs it, and what the judge says of it."""

    type: str
    key: str
    line: int
    data: bytes
    verdict: Any


@dataclass(frozen=True, slots=True)
class Straight:
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


def before(row: Field) -> str:
    """Return what stands in packed bytes before the place of a value."""
    return f"{pack_name(row.name)},"
