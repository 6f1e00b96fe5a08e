"""Record files in, declared records out: types, keys, defaults, and what concerns several records at once."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from crmsync.config.document import Document
from crmsync.config.fields import FieldReader, Fields
from crmsync.config.frame import frame
from crmsync.config.moved import read_moved
from crmsync.config.options import OptionsReader
from crmsync.config.plain import PlainRecords
from crmsync.config.rows import type_of
from crmsync.config.structure import check_structure
from crmsync.config.twins import find_twins
from crmsync.model.address import KEY_PATTERN, Address
from crmsync.model.catalogue import Catalogue, EntityType
from crmsync.model.codes import CODES
from crmsync.model.records import Declared, Moved
from crmsync.model.source import Diagnostic, Node, Position, Scalar, Table, in_file_order
from crmsync.model.suggest import did_you_mean


class Declarations(Struct, frozen=True):
    """Everything the record files say, and everything that is wrong with them."""

    records: Mapping[Address, Declared]
    moved: tuple[Moved, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


class RecordReader:
    """
    Reads record files by the rows of *catalogue*, with the ids that *profile* names, one of *profiles*.

    Values are typed by the fields; labels and references stay as written. Custom fields of an account that is not known
    yet are checked for their shape only and left out. A field with an error is not declared, the rest of its record is,
    so that one run tells everything.
    """

    def __init__(
        self, catalogue: Catalogue, profile: str | None, schema: Mapping[str, Any], profiles: Sequence[str] = ()
    ) -> None:
        self.catalogue = catalogue
        self.fields = FieldReader(catalogue)
        self.options = OptionsReader(self.fields, profile, profiles)
        self.plain = PlainRecords(catalogue)
        self.shape = frame(schema, catalogue)

    def read(self, document: Document, taken: Mapping[Address, Position] | None = None) -> Declarations:
        """
        Return what one file says, with what is wrong in it whatever the other files say.

        Addresses that are *taken* stand in an earlier file, at these places: that is told, and the record not read.
        """
        reading = _Reading(self, taken)
        reading.read(document)
        return reading.alone()


def read_records(
    documents: Sequence[Document],
    catalogue: Catalogue,
    profile: str | None,
    schema: Mapping[str, Any],
    profiles: Sequence[str] = (),
) -> Declarations:
    """Return the records that *documents* declare together; see `RecordReader` for what the arguments mean."""
    reading = _Reading(RecordReader(catalogue, profile, schema, profiles))
    for document in documents:
        reading.read(document)
    return reading.declarations(is_complete=all(document.root is not None for document in documents))


class _Reading:
    """What has been read so far."""

    def __init__(self, reader: RecordReader, taken: Mapping[Address, Position] | None = None) -> None:
        self._taken = taken or {}
        self._catalogue = reader.catalogue
        self._fields = reader.fields
        self._options = reader.options
        self._plain = reader.plain
        self._shape = reader.shape
        self._records: dict[Address, Declared] = {}
        self._seen_plain: set[int] = set()  # by `id`, the nodes of records of which the schema has nothing to say
        self._seen_odd: set[int] = set()
        self._moved: list[Moved] = []
        self._diagnostics: list[Diagnostic] = []

    def read(self, document: Document) -> None:
        """Add what one file says."""
        self._diagnostics += document.diagnostics
        if document.is_rows and self._is_of_no_type(document):
            return
        if isinstance(document.root, Table):
            self._moved += read_moved(document.root, self._catalogue, self._diagnostics)
            defaults = document.root.get("defaults")
            for key, node in document.root.entries:
                entity = self._catalogue.by_name.get(key.text)
                if entity is not None and isinstance(node, Table):
                    self._read_type(entity, node, self._read_defaults(entity, defaults))
        seen = self._seen_plain - self._seen_odd  # an alias is one node, which may be plain for one type and odd for another
        for odd in _odd_parts(document, self._plain.odd_part(document.root, seen)):
            self._diagnostics += check_structure(odd, self._shape)
        self._seen_plain.clear()
        self._seen_odd.clear()

    def _is_of_no_type(self, document: Document) -> bool:
        """Tell that a file of rows is not called after a type."""
        name = type_of(document.file)
        if name in self._catalogue.by_name:
            return False
        known = ", ".join(f"{entity.name}.jsonl" for entity in self._catalogue.types)
        detail = f'There is no record type called "{name}".{did_you_mean(name, self._catalogue.by_name)} A file of rows is '
        detail += f"called after their type: {known}, or with more after a hyphen."
        self._diagnostics.append(Diagnostic(CODES["CRM012"], detail, Position(document.file, 1, 1)))
        return True

    def _read_defaults(self, entity: EntityType, defaults: object) -> Fields:
        table = defaults.get(entity.name) if isinstance(defaults, Table) else None
        return self._fields.read(table, entity, None, self._diagnostics) if isinstance(table, Table) else {}

    def _read_type(self, entity: EntityType, table: Table, defaults: Fields) -> None:
        for key, node in table.entries:
            if not isinstance(node, Table) or not KEY_PATTERN.fullmatch(key.text):
                continue  # told by its shape
            address = Address(entity.name, key.text)
            earlier = self._records.get(address)
            first = earlier.position if earlier is not None else self._taken.get(address)
            if first is not None:
                self._tell_repeated(address, key, first)
                continue
            self._records[address] = self._read_record(entity, address, key.position, node, defaults)

    def _read_record(
        self, entity: EntityType, address: Address, position: Position, table: Table, defaults: Fields
    ) -> Declared:
        plain = self._fields.read_plain(table, entity)
        if plain is not None:
            self._seen_plain.add(id(table))
            return Declared(address, {**defaults, **plain} if defaults else plain, position)
        self._seen_odd.add(id(table))
        options = self._options.read(table.get("crmsync"), entity, address, self._diagnostics)
        fields = self._fields.read(table, entity, address, self._diagnostics)
        if defaults:
            kept = {name: value for name, value in defaults.items() if name not in options.without}
            fields = {**kept, **fields}
        return Declared(address, fields, position, options.options)

    def _tell_repeated(self, address: Address, key: Scalar, first: Position) -> None:
        detail = f"{address} already stands in {first.file}, line {first.line}. Keep one of the two."
        self._diagnostics.append(Diagnostic(CODES["CRM017"], detail, key.position, address))

    def alone(self) -> Declarations:
        """Return what was read, without what can only be said of all files together."""
        return Declarations(self._records, tuple(self._moved), in_file_order(self._diagnostics))

    def declarations(self, is_complete: bool) -> Declarations:
        """Return the whole, with what can only be said of all files together; *is_complete*: none was unreadable."""
        diagnostics = [*self._diagnostics, *find_twins(self._records.values(), self._catalogue)]
        if is_complete:
            diagnostics += stray_moves(self._moved, self._records)
        diagnostics += nothing_declared(bool(self._records), diagnostics)
        return Declarations(self._records, tuple(self._moved), in_file_order(diagnostics))


def _odd_parts(document: Document, odd: Node | None) -> Iterator[Document]:
    """Yield what of *document* is to be checked: row by row where there are rows, of which several may have one key."""
    if not document.is_rows or not isinstance(odd, Table):
        yield replace(document, root=odd)
        return
    for type_name, rows in odd.entries:
        for row in rows.entries if isinstance(rows, Table) else ():
            yield replace(document, root=Table(((type_name, Table((row,), row[0].position)),), odd.position))


def nothing_declared(has_records: bool, diagnostics: Sequence[Diagnostic]) -> Iterator[Diagnostic]:
    """Yield a complaint when no file declares anything, and nothing that is told already explains it."""
    if not has_records and not any(each.is_error for each in diagnostics):
        detail = "No file declares a record. Write one, or see `records` in crmsync.yaml for where they are looked for. "
        detail += "To remove everything that crmsync created: crmsync plan --destroy"
        yield Diagnostic(CODES["CRM008"], detail)


def stray_moves(moved: Sequence[Moved], declared: Container[Address]) -> Iterator[Diagnostic]:
    """Yield the `moved` entries that do not lead from an address no longer declared to one that is."""
    origins = [move.origin for move in moved]
    destinations = [move.destination for move in moved]
    for move in moved:
        detail = None
        if move.origin in declared:
            detail = f"{move.origin} is still declared, so it was not moved. Remove the record or this entry."
        elif move.destination not in declared and move.destination not in origins:
            detail = f"{move.destination} is not declared. Declare it, or remove this entry."
        elif origins.count(move.origin) > 1 or destinations.count(move.destination) > 1:
            detail = f"Several entries move {move.origin} or lead to {move.destination}. Keep one of them."
        if detail is not None:
            yield Diagnostic(CODES["CRM043"], detail, move.position, move.destination)
