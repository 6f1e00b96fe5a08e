"""
Pieces of files read into sheets: those that are on the shelf are taken from it, many at once are read by other processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any

from msgspec import Struct

from crmsync import resolve
from crmsync.config.document import Document
from crmsync.config.facts import PackedRecord
from crmsync.config.records import RecordReader
from crmsync.config.rows import is_rows
from crmsync.config.straight import StraightReader
from crmsync.config.straightrows import StraightRows
from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue
from crmsync.model.settings import Settings
from crmsync.model.source import Position
from crmsync.project.crew import are_known, processes_for, read_together
from crmsync.project.files import schema
from crmsync.project.judging import Judge
from crmsync.project.pieces import Piece, digest_of, parse_piece
from crmsync.project.sheets import Damaged, Sheet, Told, entries_of, from_bytes, sheet_of, to_bytes, told_of
from crmsync.project.shelf import Shelf, basis_of, sheet_id
from crmsync.project.trouble import Trouble

#: Pieces that were parsed already.
Parsed = Mapping[Piece, Document]


class SheetReader:
    """Reads files into sheets, all with the same catalogue and settings."""

    def __init__(self, catalogue: Catalogue, settings: Settings, parsed: Parsed) -> None:
        self.catalogue = catalogue
        self.settings = settings
        self.parsed = parsed
        self.basis = basis_of(catalogue, settings)
        self._reader = RecordReader(catalogue, settings.profile, schema("records"), settings.profiles)
        judge = Judge(catalogue, settings.policies)
        self._lines, self._rows = StraightReader(catalogue, judge), StraightRows(catalogue, judge)

    def id(self, piece: Piece) -> str:
        """Return the name of the sheet of *piece*."""
        return sheet_id(self.basis, piece.source.name, piece.digest)

    def sheet(self, piece: Piece, taken: Mapping[Address, Position] | None = None) -> Sheet:
        """Return the sheet of *piece*, without the addresses that are *taken*. Raises OSError, Trouble."""
        document = self.parsed.get(piece)
        if document is None:
            content = piece.content()
            if digest_of(content) != piece.digest:
                raise Trouble(f"{piece.source.name} was changed while it was read. Run the command again.")
            straight = None if taken else self._straight(piece, content)
            if straight is not None:
                return self._sheet(piece, *straight, None)
            document = parse_piece(piece, content)
        return self._sheet(piece, [], document, taken)

    def _straight(self, piece: Piece, content: bytes) -> tuple[list[PackedRecord], Document | None] | None:
        """Return the records that are read at once, and what is left; None where a piece must be read as a whole."""
        name = piece.source.name
        read = self._rows.read(content, name, piece.line) if is_rows(name) else self._lines.read(content, name)
        return None if read is None else (read.records, read.rest)

    def _sheet(
        self,
        piece: Piece,
        entries: list[PackedRecord],
        rest: Document | None,
        taken: Mapping[Address, Position] | None = None,
    ) -> Sheet:
        """Return the sheet of what was read at once and of the *rest*."""
        told = Told()
        if rest is not None:
            read = self._reader.read(rest, taken)
            alone = resolve.resolve_alone(read.records, self.catalogue, self.settings.policies)
            told = told_of(rest, read, alone)
            others = entries_of(read, alone, self.catalogue)
            entries = sorted([*entries, *others], key=attrgetter("line")) if entries else list(others)
        return sheet_of(self.id(piece), piece.source.name, piece.line, entries, told)

    def can_be_sent(self) -> bool:
        """Say whether another process can read in the same way."""
        return are_known(self.catalogue)


def sheets_of(pieces: Sequence[Piece], reader: SheetReader, shelf: Shelf | None) -> list[Sheet]:
    """Return the sheets of *pieces*, those from the *shelf* that are there."""
    sheets: dict[int, Sheet] = {}
    for at, piece in enumerate(pieces):
        found = None if shelf is None else shelf.find(reader.id(piece), piece.line)
        if found is not None:
            sheets[at] = found
    dirty = [at for at in range(len(pieces)) if at not in sheets]
    told = _read_many([pieces[at] for at in dirty], reader, shelf)
    for number, at in enumerate(dirty):
        taken = _taken(told.get(number), pieces[at], reader, shelf)
        sheets[at] = taken if taken is not None else _read(pieces[at], reader, shelf)
    return [sheets[at] for at in range(len(pieces))]


def _read_many(pieces: Sequence[Piece], reader: SheetReader, shelf: Shelf | None) -> Mapping[int, object]:
    """Return what other processes and this one say of *pieces*, where there is so much of them that it pays."""
    count = processes_for(sum(piece.size for piece in pieces if piece not in reader.parsed))
    if not count or len(pieces) <= count or not reader.can_be_sent():
        return {}
    folder = None if shelf is None else shelf.folder
    return read_together(pieces, Apart(reader.catalogue, reader.settings, folder), count)


class Apart(Struct, frozen=True, dict=True):
    """What another process needs to know in order to read pieces."""

    catalogue: Catalogue
    settings: Settings
    folder: Path | None

    def read(self, piece: Piece) -> str | bytes | None:
        """Return the name of the sheet that is on the shelf now, else its bytes; None when something is to be told of it."""
        try:
            sheet = self._reader.sheet(piece)
        except (OSError, Trouble):
            return None
        if sheet.has_errors:
            return None
        return sheet.id if self.folder is not None and Shelf(self.folder).keep(sheet) else to_bytes(sheet)

    def __reduce__(self) -> tuple[Any, ...]:
        return Apart, (self.catalogue, self.settings, self.folder)

    @cached_property
    def _reader(self) -> SheetReader:
        return SheetReader(self.catalogue, self.settings, {})


def _taken(told: object, piece: Piece, reader: SheetReader, shelf: Shelf | None) -> Sheet | None:
    """Return the sheet that another process read; None where it is not that of *piece*."""
    id = reader.id(piece)
    if isinstance(told, bytes):
        sheet = from_bytes(told)
        return sheet if sheet.id == id else None
    return shelf.find(id, piece.line) if told == id and shelf is not None else None


def _read(piece: Piece, reader: SheetReader, shelf: Shelf | None) -> Sheet:
    """Return the sheet of a piece, the one on the shelf where it could be put there: its records need no memory then."""
    try:
        sheet = reader.sheet(piece)
    except OSError as error:
        raise Trouble(f"{piece.source.name} could be opened a moment ago, and no more: {error.strerror}.") from error
    if shelf is not None and not sheet.has_errors and shelf.keep(sheet):
        return shelf.find(sheet.id, piece.line) or sheet
    return sheet


def mended(piece: Piece, reader: SheetReader, shelf: Shelf | None) -> Sheet:
    """Return the sheet of *piece* read anew. Raises Trouble when the file is another one now."""
    if shelf is not None:
        shelf.drop(reader.id(piece), Damaged(f"records of {piece.source.name} are not there any more"))
    return _read(piece, reader, None)
