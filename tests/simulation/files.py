"""
The user's files as values, read without YAML: the nodes that a parser would make go to the project's own readers.

`test_the_short_way_reads_the_same` holds it against the long way, by text, parser and schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crmsync.config.fields import FieldReader
from crmsync.config.records import Declarations
from crmsync.config.twins import find_twins
from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue
from crmsync.model.records import Declared, Moved, RecordOptions
from crmsync.model.source import Diagnostic, Listing, Node, Position, Scalar, Table, in_file_order

#: A record as the user writes it: fields by name; the key `crmsync` holds its options.
Written = Mapping[str, Any]
PLACE = Position("crm/records.yaml", 1, 1)
#: Ends a key once for each time that its record was moved.
MOVED = "-new"


@dataclass(frozen=True)
class Files:
    """What the record files say: records by address, and renames (from, to)."""

    records: Mapping[Address, Written] = field(default_factory=dict)
    moved: tuple[tuple[Address, Address], ...] = ()

    def document(self) -> dict[str, Any]:
        """Return the whole as the data of one YAML file."""
        types: dict[str, Any] = {}
        for address, written in self.records.items():
            types.setdefault(address.type, {})[address.key] = dict(written)
        if self.moved:
            types["moved"] = [{"from": str(origin), "to": str(destination)} for origin, destination in self.moved]
        return types


def first_key(key: str) -> str:
    """Return the key that a record had before it was ever moved."""
    return key.partition(MOVED)[0]


def node(value: Any) -> Node:
    """Return what a parser makes of *value*."""
    if isinstance(value, Mapping):
        return Table(tuple((Scalar(key, PLACE), node(each)) for key, each in value.items()), PLACE)
    if isinstance(value, (list, tuple)):
        return Listing(tuple(node(each) for each in value), PLACE)
    return Scalar("null" if value is None else str(value), PLACE)


class Reader:
    """Reads files by the rows of one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._fields = FieldReader(catalogue)

    def declarations(self, files: Files) -> Declarations:
        """Return what *files* declare, and what is wrong with them."""
        diagnostics: list[Diagnostic] = []
        records = {address: self._record(address, written, diagnostics) for address, written in files.records.items()}
        diagnostics += find_twins(records.values(), self._catalogue)
        moved = tuple(Moved(origin, destination, PLACE) for origin, destination in files.moved)
        return Declarations(records, moved, in_file_order(diagnostics))

    def _record(self, address: Address, written: Written, diagnostics: list[Diagnostic]) -> Declared:
        options = written.get("crmsync", {})
        table = node({name: value for name, value in written.items() if name != "crmsync"})
        assert isinstance(table, Table)
        fields = self._fields.read(table, self._catalogue[address.type], address, diagnostics)
        said = RecordOptions(
            id=options.get("id"),
            id_position=PLACE if "id" in options else None,
            is_new=options.get("new", False),
            is_protected=options.get("protect", False),
        )
        return Declared(address, fields, PLACE, said)
