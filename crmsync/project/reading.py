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

`holders` and `naming` may name one record too many, which costs a look at it, and never one too few. Where records of
several files have one address, all files are read in the old, careful way, which knows which of them came first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path

from crmsync import resolve
from crmsync.config.document import Document, parse
from crmsync.config.records import RecordReader, nothing_declared, read_records, stray_moves
from crmsync.config.twins import find_twins
from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue
from crmsync.model.records import Declared, Moved
from crmsync.model.settings import Settings
from crmsync.model.source import Diagnostic, in_file_order
from crmsync.project.files import Source, Sources, schema, unreadable
from crmsync.project.sheets import (
    Damaged,
    Sheet,
    hash_of_address,
    hash_of_question,
    sheet_of,
)
from crmsync.project.shelf import Shelf, basis_of, sheet_id
from crmsync.project.trouble import Trouble

#: Files that were parsed already, by name, with what they held then.
Parsed = Mapping[str, tuple[bytes, Document]]

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
        self._parsed = parsed
        self.basis = basis_of(catalogue, settings)
        self._catalogue = catalogue
        self._policies = settings.policies
        self._reader = RecordReader(catalogue, settings.profile, schema("records"), settings.profiles)

    def sheet(self, name: str, content: bytes) -> Sheet:
        """Return the sheet of the file called *name*."""
        held, document = self._parsed.get(name, (None, None))
        if document is None or held != content:
            document = parse(content, name)
        read = self._reader.read(document)
        alone = resolve.resolve_alone(read.records, self._catalogue, self._policies)
        id = sheet_id(self.basis, name, content)
        return sheet_of(id, document, read, alone, self._catalogue)


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
        return {"basis": self.basis, **{sheet.file: sheet.id for sheet in self.sheets}}

    def since(self, mark: Mark) -> Changes | None:
        """
        Return which records changed since *mark*; None when that cannot be said.

        Only their values count, not where they stand. Other labels, settings or versions are another basis: None.
        """
        if mark.get("basis") != self.basis or self.shelf is None or not self.sheets:
            return None
        current = {sheet.file: sheet for sheet in self.sheets}
        before: list[Sheet] = []
        for file, id in mark.items():
            if file != "basis" and (file not in current or current[file].id != id):
                sheet = self.shelf.find(id)
                if sheet is None:
                    return None
                before.append(sheet)
        old = dict(chain.from_iterable(zip(each.names, each.digests, strict=True) for each in before))
        fresh = [sheet for file, sheet in current.items() if mark.get(file) != sheet.id]
        new = dict(chain.from_iterable(zip(each.names, each.digests, strict=True) for each in fresh))
        changed = (name for name, digest in new.items() if old.get(name) != digest)
        return Changes(tuple(map(_address, changed)), tuple(_address(name) for name in old if name not in new))

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
    """The records of sheets; *mend* makes a sheet anew of which a record turned out to be damaged."""

    sheets: list[Sheet]
    mend: Callable[[Sheet], Sheet]

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
            self.sheets[at] = self.mend(self.sheets[at])
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
    reader = SheetReader(catalogue, settings, parsed)
    sheets, unopened = _sheets(sources.files, reader, shelf)
    if shelf is not None and sheets:
        shelf.collect(sheet.id for sheet in sheets)
    declared = set(chain.from_iterable(sheet.own for sheet in sheets))
    is_twice = len(declared) < sum(len(sheet.own) for sheet in sheets)
    if is_twice or resolve.has_misfit(catalogue, settings.policies):
        return read_carefully(sources, catalogue, settings)
    paths = {source.name: source.path for source in sources.files}
    records = SheetRecords(sheets, lambda sheet: _mended(sheet, paths[sheet.file], reader, shelf))
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


def _sheets(files: Iterable[Source], reader: SheetReader, shelf: Shelf | None) -> tuple[list[Sheet], list[Diagnostic]]:
    """Return the sheets of *files* in their order, and what is wrong with those that cannot be opened."""
    sheets: list[Sheet] = []
    unopened: list[Diagnostic] = []
    for source in files:
        try:
            content = source.path.read_bytes()
        except OSError as error:
            unopened.append(unreadable(source.name, error))
            continue
        known = None if shelf is None else shelf.find(sheet_id(reader.basis, source.name, content))
        sheets.append(known or _read(source.name, content, reader, shelf))
    return sheets, unopened


def _read(name: str, content: bytes, reader: SheetReader, shelf: Shelf | None) -> Sheet:
    """Return the sheet of a file, the one on the shelf where it could be put there: its records need no memory then."""
    sheet = reader.sheet(name, content)
    if shelf is not None and not any(each.is_error for each in sheet.diagnostics) and shelf.keep(sheet):
        return shelf.find(sheet.id) or sheet
    return sheet


def _mended(sheet: Sheet, path: Path, reader: SheetReader, shelf: Shelf | None) -> Sheet:
    """Return *sheet* read anew. Raises Trouble when its file is another one now."""
    if shelf is not None:
        shelf.drop(sheet.id, Damaged(f"records of {sheet.file} are not there any more"))
    with suppress(OSError):
        content = path.read_bytes()
        if sheet_id(reader.basis, sheet.file, content) == sheet.id:
            return reader.sheet(sheet.file, content)
    raise Trouble(f"{sheet.file} was changed while it was read. Run the command again.")


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
    """Return all files parsed, with what is wrong with them as text."""
    parsed: dict[str, tuple[bytes, Document]] = {}
    found = list(sources.diagnostics)
    for source in sources.files:
        try:
            content = source.path.read_bytes()
        except OSError as error:
            found.append(unreadable(source.name, error))
            continue
        document = parse(content, source.name)
        parsed[source.name] = content, document
        found += document.diagnostics
    return parsed, found


def read_carefully(sources: Sources, catalogue: Catalogue, settings: Settings) -> Reading:
    """Return what `read_project` does, with all files in memory at once."""
    documents: list[Document] = []
    found = list(sources.diagnostics)
    for source in sources.files:
        try:
            documents.append(parse(source.path.read_bytes(), source.name))
        except OSError as error:
            found.append(unreadable(source.name, error))
    unopened = len(sources.files) - len(documents)
    read = read_records(documents, catalogue, settings.profile, schema("records"), settings.profiles)
    resolved = resolve.resolve(read.records, catalogue, settings.policies, None)
    texts = [*found, *chain.from_iterable(document.diagnostics for document in documents)]
    is_sound = bool(documents) and not any(each.is_error for each in texts)
    found += [*read.diagnostics, *resolved.diagnostics]
    basis = basis_of(catalogue, settings)
    return Reading(sources, read.records, read.moved, in_file_order(found), is_sound, basis, unopened=unopened)
