"""All record files of a project read: each by itself, then what can only be said of all together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterator, Sequence
from itertools import chain

from msgspec.structs import replace

from crmsync import resolve
from crmsync.config.document import Document, parse
from crmsync.config.records import nothing_declared, read_records, stray_moves
from crmsync.config.rows import is_rows, parse_rows
from crmsync.config.twins import find_twins
from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue
from crmsync.model.settings import Settings
from crmsync.model.source import Diagnostic, Position, in_file_order
from crmsync.project.files import Sources, schema, unreadable
from crmsync.project.hashing import Hashes
from crmsync.project.pieces import Piece, parse_piece, pieces_of
from crmsync.project.reading import Ahead, Mark, Reading, SheetRecords
from crmsync.project.session import Project
from crmsync.project.sheetreader import Parsed, SheetReader, mended, sheets_of
from crmsync.project.sheets import Sheet, repeated
from crmsync.project.shelf import Shelf, basis_of
from crmsync.project.trouble import Trouble


def read_declarations(
    project: Project,
    sources: Sources,
    catalogue: Catalogue,
    shelf: Shelf | None = None,
    ahead: Ahead | None = None,
    hashes: Hashes | None = None,
    fitting: Mark | None = None,
) -> Reading:
    """
    Return the records that the files declare, with everything that is wrong in them.

    With a *shelf* only files that changed are read, once the account is known: until then nothing is kept. What was read
    *ahead* counts when the account is as it was known. *hashes* of the files may be known already. *fitting* were without
    an error: where the files say the same to each other as those, they need not be compared again.
    """
    reading = ahead.reading if ahead is not None else None
    if reading is not None and reading.basis == basis_of(catalogue, project.settings):
        return reading
    kept = shelf if catalogue.has_account else None
    parsed = ahead.parsed if ahead is not None else {}
    return read_project(sources, catalogue, project.settings, kept, parsed, hashes, fitting)


def read_project(
    sources: Sources,
    catalogue: Catalogue,
    settings: Settings,
    shelf: Shelf | None,
    parsed: Parsed,
    hashes: Hashes | None = None,
    fitting: Mark | None = None,
) -> Reading:
    """
    Return everything that the files say, and everything that is wrong with them.

    With a *shelf* only those files are read that are not on it. Raises Trouble when a file changes meanwhile.
    """
    if resolve.has_misfit(catalogue, settings.policies):
        return read_carefully(sources, catalogue, settings)
    reader = SheetReader(catalogue, settings, parsed)
    pieces, unopened = _pieces(sources, hashes)
    sheets = sheets_of(pieces, reader, shelf)
    if shelf is not None and sheets:
        shelf.collect(sheet.id for sheet in sheets)
    outside = (*sources.diagnostics, *unopened)

    def mend(at: int) -> Sheet:
        return mended(pieces[at], reader, shelf)

    def reading_of(records: SheetRecords) -> Reading:
        sheets = tuple(records.sheets)
        moved = tuple(move for sheet in sheets for move in sheet.moved)
        is_sound = bool(sheets) and all(sheet.is_sound for sheet in sheets) and not any(each.is_error for each in outside)
        return Reading(sources, records, moved, (), is_sound, reader.basis, sheets, shelf, len(unopened))

    records = SheetRecords(sheets, mend)
    reading = reading_of(records)
    fits = fitting is not None and reading.fits_as(fitting)
    twice = set() if fits else repeated(sheet.own for sheet in sheets)
    if twice:
        records = SheetRecords(_without_repeated(pieces, sheets, reader, twice), mend)
        reading = reading_of(records)
    found = list(chain.from_iterable(sheet.diagnostics for sheet in reading.sheets))
    found += () if fits else _twins(reading, catalogue)
    if all(sheet.is_readable for sheet in reading.sheets):
        found += stray_moves(reading.moved, records)
    found += nothing_declared(bool(records), found)
    found += [*outside, *(() if fits else _strays(reading, records, catalogue, settings))]
    return replace(reading, diagnostics=in_file_order(found))


def _pieces(sources: Sources, hashes: Hashes | None = None) -> tuple[list[Piece], list[Diagnostic]]:
    """Return the pieces of all files in their order, and what is wrong with files that cannot be opened."""
    pieces: list[Piece] = []
    unopened: list[Diagnostic] = []
    for source in sources.files:
        try:
            pieces += pieces_of(source, hashes)
        except OSError as error:
            unopened.append(unreadable(source.name, error))
    return pieces, unopened


def _without_repeated(
    pieces: Sequence[Piece], sheets: list[Sheet], reader: SheetReader, twice: Collection[int]
) -> list[Sheet]:
    """
    Return *sheets* without the records whose address an earlier one has; that is told, and they are not read.

    *twice* are the hashes of addresses that are there more than once.
    """
    first: dict[Address, Position] = {}
    kept: list[Sheet] = []
    for piece, sheet in zip(pieces, sheets, strict=True):
        repeated = [number for number, own in enumerate(sheet.own) if own in twice]
        taken = {address: first[address] for address in map(sheet.address, repeated) if address in first}
        kept.append(reader.sheet(piece, taken) if taken else sheet)
        for number in repeated:
            first.setdefault(sheet.address(number), Position(sheet.file, sheet.lines[number], 1))
    return kept


def _twins(reading: Reading, catalogue: Catalogue) -> Iterator[Diagnostic]:
    """Yield what is wrong because several records claim the same."""
    twice = repeated(sheet.claims.hashes for sheet in reading.sheets)
    if twice:
        yield from find_twins(reading.claiming(twice), catalogue)


def _strays(reading: Reading, records: SheetRecords, catalogue: Catalogue, settings: Settings) -> Sequence[Diagnostic]:
    """Return what is wrong because a record names none that is declared, or a lookup finds several."""
    asked = set(chain.from_iterable(sheet.questions.hashes for sheet in reading.sheets))
    answers = Counter(each for sheet in reading.sheets for each in sheet.keys.hashes if each in asked) if asked else {}
    several = {each for each, count in answers.items() if count > 1}
    is_any_named = any(sheet.targets.hashes or sheet.others.hashes for sheet in reading.sheets)
    declared: Container[int] = records.hashes if is_any_named else ()

    def suspects(sheet: Sheet) -> Iterator[int]:
        named = {each for each in set(sheet.targets.hashes) if each not in declared}
        yield from sheet.targets.among(named)
        pairs = zip(sheet.others.hashes[::2], sheet.others.hashes[1::2], sheet.others.owners[::2], strict=True)
        yield from (owner for first, second, owner in pairs if first not in declared and second not in declared)
        yield from sheet.questions.among(several)

    suspected = {address: reading.records[address] for address in reading.where(suspects)}
    if not suspected:
        return ()
    resolved = resolve.resolve(reading.records, catalogue, settings.policies, None, only=suspected, holders=reading.holding)
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
