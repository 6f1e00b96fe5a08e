"""
Reading the record files of a project: each by itself, then what can only be said of all together.

A file is read into a sheet, or its sheet is found on the shelf because it was read before. Sheets are small, so a hundred
thousand records are known without being in memory. What the next plan wants to know is asked of a `Reading`:

    reading = read_declarations(project, sources, catalogue, shelf_of(project))     reads the files that changed
    reading.diagnostics                                    everything that is wrong, as if all had been read at once
    reading.records                                        a mapping; looking one record up decodes that one only
    reading.mark(), reading.since(mark)                    what changed since a plan remembered the mark (JSON data)
    reading.holders(type, field, keys)                     the records that a lookup by one of these keys may find
    reading.naming(addresses, questions)                   the records that may refer to these

`holders` and `naming` may name one record too many, which costs a look at it, and never one too few.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path

from crmsync import resolve
from crmsync.config.document import Document, parse
from crmsync.config.records import RecordReader, nothing_declared, read_records, stray_moves
from crmsync.config.rows import is_rows, parse_rows
from crmsync.config.twins import find_twins
from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue
from crmsync.model.records import Declared, Moved
from crmsync.model.settings import Settings
from crmsync.model.source import Diagnostic, Position, in_file_order
from crmsync.project.crew import is_known, processes_for, read_apart
from crmsync.project.files import Sources, schema, unreadable
from crmsync.project.pieces import Piece, digest_of, parse_piece, pieces_of
from crmsync.project.sheets import (
    Damaged,
    Sheet,
    from_bytes,
    hash_of_address,
    hash_of_question,
    sheet_of,
    to_bytes,
)
from crmsync.project.shelf import Shelf, basis_of, sheet_id
from crmsync.project.trouble import Trouble

#: Pieces that were parsed already.
Parsed = Mapping[Piece, Document]

#: So many records of one file are made at a time while all are looked at.
_AT_A_TIME = 200

#: By the names of files, which sheets a plan was made of; ``basis`` says what they were made with. JSON data.
Mark = Mapping[str, str]


@dataclass(frozen=True)
class Ahead:
    """What was read before the account was asked: by what was known of it then, or only parsed."""

    reading: Reading | None = None
    parsed: Parsed = field(default_factory=dict)


class SheetReader:
    """Reads files into sheets, all with the same catalogue and settings."""

    def __init__(self, catalogue: Catalogue, settings: Settings, parsed: Parsed) -> None:
        self.catalogue = catalogue
        self.settings = settings
        self.parsed = parsed
        self.basis = basis_of(catalogue, settings)
        self._reader = RecordReader(catalogue, settings.profile, schema("records"), settings.profiles)

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
            document = parse_piece(piece, content)
        read = self._reader.read(document, taken)
        alone = resolve.resolve_alone(read.records, self.catalogue, self.settings.policies)
        return sheet_of(self.id(piece), document, piece.line, read, alone, self.catalogue)

    def can_be_sent(self) -> bool:
        """Say whether another process can read in the same way."""
        return all(is_known(row.kind) for entity in self.catalogue.types for row in entity.fields)


@dataclass(frozen=True, slots=True)
class Changes:
    """What the files say otherwise than before: addresses that are new or have other values, and those that are gone."""

    changed: tuple[Address, ...]
    removed: tuple[Address, ...]


@dataclass(frozen=True)
class Reading:
    """
    All record files of a project; *diagnostics* are about all of them, also that a label or a reference is unknown.

    *is_sound*: there are files, and each could be opened and is text in its format.
    """

    sources: Sources
    records: Mapping[Address, Declared]
    moved: tuple[Moved, ...]
    diagnostics: tuple[Diagnostic, ...]
    is_sound: bool
    basis: str
    sheets: tuple[Sheet, ...] = ()
    shelf: Shelf | None = None
    unopened: int = 0

    @property
    def file_count(self) -> int:
        """How many files could be opened."""
        return len(self.sources.files) - self.unopened

    def mark(self) -> dict[str, str]:
        """Return what to remember in order to ask later what changed `since`."""
        ids: dict[str, list[str]] = {}
        for sheet in self.sheets:
            ids.setdefault(sheet.file, []).append(sheet.id)
        return {"basis": self.basis, **{file: " ".join(each) for file, each in ids.items()}}

    def since(self, mark: Mark) -> Changes | None:
        """
        Return which records changed since *mark*; None when that cannot be said.

        Only their values count, not where they stand. Other labels, settings or versions are another basis: None.
        """
        if mark.get("basis") != self.basis or self.shelf is None or not self.sheets:
            return None
        known = {id for file, ids in mark.items() if file != "basis" for id in ids.split()}
        current = {sheet.id for sheet in self.sheets}
        before: list[Sheet] = []
        for id in known - current:
            sheet = self.shelf.find(id)
            if sheet is None:
                return None
            before.append(sheet)
        old = dict(chain.from_iterable(zip(each.names, each.digests, strict=True) for each in before))
        fresh = [sheet for sheet in self.sheets if sheet.id not in known]
        new = dict(chain.from_iterable(zip(each.names, each.digests, strict=True) for each in fresh))
        changed = (name for name, digest in new.items() if old.get(name) != digest)
        return Changes(tuple(map(_address, changed)), tuple(_address(name) for name in sorted(old) if name not in new))

    def holders(self, type_name: str, field_name: str, keys: Iterable[str]) -> tuple[Address, ...]:
        """Return the records that lookups of *keys* may find, in the order of the files."""
        wanted = {hash_of_question((type_name, field_name, key)) for key in keys}
        return self.where(lambda sheet: sheet.keys.among(wanted))

    def naming(self, addresses: Iterable[Address], questions: Iterable[resolve.Question] = ()) -> tuple[Address, ...]:
        """Return the records that may refer to one of *addresses*, or ask one of *questions*, in the order of the files."""
        wanted, asked = set(map(hash_of_address, addresses)), set(map(hash_of_question, questions))

        def numbers(sheet: Sheet) -> Iterator[int]:
            yield from sheet.targets.among(wanted)
            yield from sheet.others.among(wanted)
            yield from sheet.questions.among(asked)

        return self.where(numbers)

    def claiming(self, claims: set[int]) -> list[Declared]:
        """Return the records that claim something of which *claims* are the hashes, in the order of the files."""
        return [self.records[address] for address in self.where(lambda sheet: sheet.claims.among(claims))]

    def where(self, numbers: Callable[[Sheet], Iterable[int]]) -> tuple[Address, ...]:
        """Return the records that *numbers* gives of each sheet, in the order of the files."""
        pairs = ((sheet, number) for sheet in self.sheets for number in sorted(set(numbers(sheet))))
        return tuple(sheet.address(number) for sheet, number in pairs)


def _address(name: str) -> Address:
    type_name, _, key = name.partition(".")
    return Address(type_name, key)


# All records, made when they are asked for


@dataclass(eq=False)
class SheetRecords(Mapping[Address, Declared]):
    """The records of sheets; *mend* makes one anew of which a record turned out to be damaged."""

    sheets: list[Sheet]
    mend: Callable[[int], Sheet]

    def __len__(self) -> int:
        return sum(len(sheet.names) for sheet in self.sheets)

    def __iter__(self) -> Iterator[Address]:
        return (_address(name) for sheet in self.sheets for name in sheet.names)

    def __contains__(self, address: object) -> bool:
        return isinstance(address, Address) and self._place(address) is not None

    def __getitem__(self, address: Address) -> Declared:
        place = self._place(address)
        if place is None:
            raise KeyError(address)
        return self._made(place[0], place[1], place[1] + 1)[0]

    def items(self) -> ItemsView[Address, Declared]:
        """Return all records by address, made one file after the other, and not kept."""
        return _Items(self)

    def values(self) -> ValuesView[Declared]:
        """Return all records, made one file after the other, and not kept."""
        return _Values(self)

    def each(self) -> Iterator[Declared]:
        """Yield all records."""
        for at, sheet in enumerate(self.sheets):
            for start in range(0, len(sheet.names), _AT_A_TIME):
                yield from self._made(at, start, start + _AT_A_TIME)

    def _made(self, at: int, start: int, stop: int) -> list[Declared]:
        try:
            return self.sheets[at].records(start, stop)
        except (Damaged, OSError):
            self.sheets[at] = self.mend(at)
            return self.sheets[at].records(start, stop)

    def _place(self, address: Address) -> tuple[int, int] | None:
        """Return in which sheet *address* stands, and as which record."""
        place = self._places.get(hash_of_address(address))
        return place if place is not None and self.sheets[place[0]].names[place[1]] == str(address) else None

    @cached_property
    def _places(self) -> dict[int, tuple[int, int]]:
        return {own: (at, number) for at, sheet in enumerate(self.sheets) for number, own in enumerate(sheet.own)}


class _Items(ItemsView[Address, Declared]):
    _mapping: SheetRecords

    def __iter__(self) -> Iterator[tuple[Address, Declared]]:
        return ((record.address, record) for record in self._mapping.each())


class _Values(ValuesView[Declared]):
    _mapping: SheetRecords

    def __iter__(self) -> Iterator[Declared]:
        return self._mapping.each()


# Reading


def read_project(sources: Sources, catalogue: Catalogue, settings: Settings, shelf: Shelf | None, parsed: Parsed) -> Reading:
    """
    Return everything that the files say, and everything that is wrong with them.

    With a *shelf* only those files are read that are not on it. Raises Trouble when a file changes meanwhile.
    """
    if resolve.has_misfit(catalogue, settings.policies):
        return read_carefully(sources, catalogue, settings)
    reader = SheetReader(catalogue, settings, parsed)
    pieces, unopened = _pieces(sources)
    sheets = _sheets(pieces, reader, shelf)
    if shelf is not None and sheets:
        shelf.collect(sheet.id for sheet in sheets)
    sheets = _without_repeated(pieces, sheets, reader)
    declared = set(chain.from_iterable(sheet.own for sheet in sheets))
    records = SheetRecords(sheets, lambda at: _mended(pieces[at], reader, shelf))
    moved = tuple(move for sheet in sheets for move in sheet.moved)
    outside = (*sources.diagnostics, *unopened)
    is_sound = bool(sheets) and all(sheet.is_sound for sheet in sheets) and not any(each.is_error for each in outside)
    reading = Reading(sources, records, moved, (), is_sound, reader.basis, tuple(sheets), shelf, len(unopened))
    found = [*chain.from_iterable(sheet.diagnostics for sheet in sheets), *_twins(reading, catalogue)]
    if all(sheet.is_readable for sheet in sheets):
        found += stray_moves(moved, records)
    found += nothing_declared(bool(records), found)
    found += [*outside, *_strays(reading, declared, catalogue, settings)]
    return replace(reading, diagnostics=in_file_order(found))


def _pieces(sources: Sources) -> tuple[list[Piece], list[Diagnostic]]:
    """Return the pieces of all files in their order, and what is wrong with files that cannot be opened."""
    pieces: list[Piece] = []
    unopened: list[Diagnostic] = []
    for source in sources.files:
        try:
            pieces += pieces_of(source)
        except OSError as error:
            unopened.append(unreadable(source.name, error))
    return pieces, unopened


def _sheets(pieces: Sequence[Piece], reader: SheetReader, shelf: Shelf | None) -> list[Sheet]:
    """Return the sheets of *pieces*, those from the *shelf* that are there."""
    sheets: dict[int, Sheet] = {}
    for at, piece in enumerate(pieces):
        found = None if shelf is None else shelf.find(reader.id(piece), piece.line)
        if found is not None:
            sheets[at] = found
    dirty = [at for at in range(len(pieces)) if at not in sheets]
    told = _read_apart([pieces[at] for at in dirty], reader, shelf)
    for number, at in enumerate(dirty):
        taken = _taken(told.get(number), pieces[at], shelf)
        sheets[at] = taken if taken is not None else _read(pieces[at], reader, shelf)
    return [sheets[at] for at in range(len(pieces))]


def _read_apart(pieces: Sequence[Piece], reader: SheetReader, shelf: Shelf | None) -> Mapping[int, object]:
    """Let other processes read *pieces*, where there is so much of them that it pays, and return what they say."""
    count = processes_for(sum(piece.size for piece in pieces if piece not in reader.parsed))
    if not count or len(pieces) < count or not reader.can_be_sent():
        return {}
    folder = None if shelf is None else shelf.folder
    return read_apart(pieces, Apart(reader.catalogue, reader.settings, folder), count)


@dataclass(frozen=True)
class Apart:
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

    @cached_property
    def _reader(self) -> SheetReader:
        return SheetReader(self.catalogue, self.settings, {})


def _taken(told: object, piece: Piece, shelf: Shelf | None) -> Sheet | None:
    """Return the sheet that another process read."""
    if isinstance(told, bytes):
        return from_bytes(told)
    return shelf.find(told, piece.line) if isinstance(told, str) and shelf is not None else None


def _read(piece: Piece, reader: SheetReader, shelf: Shelf | None) -> Sheet:
    """Return the sheet of a piece, the one on the shelf where it could be put there: its records need no memory then."""
    try:
        sheet = reader.sheet(piece)
    except OSError as error:
        raise Trouble(f"{piece.source.name} could be opened a moment ago, and no more: {error.strerror}.") from error
    if shelf is not None and not sheet.has_errors and shelf.keep(sheet):
        return shelf.find(sheet.id, piece.line) or sheet
    return sheet


def _mended(piece: Piece, reader: SheetReader, shelf: Shelf | None) -> Sheet:
    """Return the sheet of *piece* read anew. Raises Trouble when the file is another one now."""
    if shelf is not None:
        shelf.drop(reader.id(piece), Damaged(f"records of {piece.source.name} are not there any more"))
    return _read(piece, reader, None)


def _without_repeated(pieces: Sequence[Piece], sheets: list[Sheet], reader: SheetReader) -> list[Sheet]:
    """Return *sheets* without the records whose address an earlier one has; that is told, and they are not read."""
    count = sum(len(sheet.own) for sheet in sheets)
    if len(set(chain.from_iterable(sheet.own for sheet in sheets))) == count:
        return sheets
    counts = Counter(chain.from_iterable(sheet.own for sheet in sheets))
    first: dict[Address, Position] = {}
    kept: list[Sheet] = []
    for piece, sheet in zip(pieces, sheets, strict=True):
        repeated = [number for number, own in enumerate(sheet.own) if counts[own] > 1]
        taken = {address: first[address] for address in map(sheet.address, repeated) if address in first}
        kept.append(reader.sheet(piece, taken) if taken else sheet)
        for number in repeated:
            first.setdefault(sheet.address(number), Position(sheet.file, sheet.lines[number], 1))
    return kept


def _twins(reading: Reading, catalogue: Catalogue) -> Iterator[Diagnostic]:
    """Yield what is wrong because several records claim the same."""
    claimed: set[int] = set()
    twice: set[int] = set()
    for sheet in reading.sheets:
        before = len(claimed)
        claimed.update(sheet.claims.hashes)
        if len(claimed) - before < len(sheet.claims.hashes):
            twice |= _repeated(reading.sheets)
            break
    if twice:
        yield from find_twins(reading.claiming(twice), catalogue)


def _repeated(sheets: Iterable[Sheet]) -> set[int]:
    counts = Counter(chain.from_iterable(sheet.claims.hashes for sheet in sheets))
    return {each for each, count in counts.items() if count > 1}


def _strays(reading: Reading, declared: set[int], catalogue: Catalogue, settings: Settings) -> Sequence[Diagnostic]:
    """Return what is wrong because a record names none that is declared, or a lookup finds several."""
    asked = set(chain.from_iterable(sheet.questions.hashes for sheet in reading.sheets))
    answers = Counter(each for sheet in reading.sheets for each in sheet.keys.hashes if each in asked) if asked else {}
    several = {each for each, count in answers.items() if count > 1}

    def suspects(sheet: Sheet) -> Iterator[int]:
        named = set(sheet.targets.hashes) - declared
        yield from sheet.targets.among(named)
        pairs = zip(sheet.others.hashes[::2], sheet.others.hashes[1::2], sheet.others.owners[::2], strict=True)
        yield from (owner for first, second, owner in pairs if first not in declared and second not in declared)
        yield from sheet.questions.among(several)

    suspected = {address: reading.records[address] for address in reading.where(suspects)}
    if not suspected:
        return ()

    def holders(question: resolve.Question) -> Sequence[Address]:
        type_name, name, key = question
        found = (reading.records[address] for address in reading.holders(type_name, name, [key]))
        return [each.address for each in found if key in resolve.keys_of(each.fields[name].value)]

    resolved = resolve.resolve(reading.records, catalogue, settings.policies, None, only=suspected, holders=holders)
    return resolved.diagnostics


def parse_all(sources: Sources) -> tuple[Parsed, list[Diagnostic]]:
    """Return all files parsed, with what is wrong with them as text. Raises Trouble."""
    pieces, found = _pieces(sources)
    parsed: dict[Piece, Document] = {}
    for piece in pieces:
        try:
            document = parsed[piece] = parse_piece(piece, piece.content())
        except OSError as error:
            raise Trouble(f"{piece.source.name} could be opened a moment ago, and no more: {error.strerror}.") from error
        found += document.diagnostics
    return parsed, [*sources.diagnostics, *found]


def read_carefully(sources: Sources, catalogue: Catalogue, settings: Settings) -> Reading:
    """Return what `read_project` does, with all files in memory at once."""
    documents: list[Document] = []
    found = list(sources.diagnostics)
    for source in sources.files:
        try:
            content = source.path.read_bytes()
        except OSError as error:
            found.append(unreadable(source.name, error))
            continue
        documents.append(parse_rows(content, source.name) if is_rows(source.name) else parse(content, source.name))
    unopened = len(sources.files) - len(documents)
    read = read_records(documents, catalogue, settings.profile, schema("records"), settings.profiles)
    resolved = resolve.resolve(read.records, catalogue, settings.policies, None)
    texts = [*found, *chain.from_iterable(document.diagnostics for document in documents)]
    is_sound = bool(documents) and not any(each.is_error for each in texts)
    found += [*read.diagnostics, *resolved.diagnostics]
    basis = basis_of(catalogue, settings)
    return Reading(sources, read.records, read.moved, in_file_order(found), is_sound, basis, unopened=unopened)
