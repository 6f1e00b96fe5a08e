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

import dataclasses
from bisect import bisect_right
from collections.abc import Callable, Collection, ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from functools import cached_property, partial
from itertools import accumulate, chain, pairwise
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from crmsync import resolve
from crmsync.model.address import Address
from crmsync.model.records import Declared, Moved
from crmsync.model.source import Diagnostic
from crmsync.project.files import Sources
from crmsync.project.hashrow import HashRow
from crmsync.project.sheetreader import Parsed
from crmsync.project.sheets import Damaged, Sheet, address_of, hash_of_address, hash_of_name, hash_of_question
from crmsync.project.shelf import Shelf

T = TypeVar("T")

#: So many records of one file are made at a time while all are looked at.
_AT_A_TIME = 200
_SHIFT = 32
_NUMBER = 2**_SHIFT - 1

#: By the names of files, which sheets a plan was made of; ``basis`` says what they were made with. JSON data.
Mark = Mapping[str, str]


class Ahead(Struct, frozen=True):
    """What was read before the account was asked: by what was known of it then, or only parsed."""

    reading: Reading | None = None
    parsed: Parsed = field(default_factory=dict)


class Changes(Struct, frozen=True):
    """What the files say otherwise than before: addresses that are new or have other values, and those that are gone."""

    changed: tuple[Address, ...]
    removed: tuple[Address, ...]


class EachRecord(NamedTuple):
    """A change that is made to each record, as a value or as it is packed."""

    made: Callable[[Declared], Declared]
    packed: Callable[[Address, bytes], bytes]


class Reading(Struct, frozen=True):
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
        moved = self._sheets_since(mark)
        if moved is None:
            return None
        old, new = (dict(chain.from_iterable(zip(each.names, each.digests, strict=True) for each in side)) for side in moved)
        changed = (name for name, digest in new.items() if old.get(name) != digest)
        return Changes(tuple(map(address_of, changed)), tuple(address_of(name) for name in sorted(old) if name not in new))

    def fits_as(self, mark: Mark) -> bool:
        """Say whether files that fitted together at *mark* still do, because they say the same to each other."""
        moved = self._sheets_since(mark)
        return moved is not None and _said_to_others(moved[0]) == _said_to_others(moved[1])

    def _sheets_since(self, mark: Mark) -> tuple[list[Sheet], list[Sheet]] | None:
        """Return the sheets that went since *mark*, and those that came; None when that cannot be said."""
        if mark.get("basis") != self.basis or self.shelf is None or not self.sheets:
            return None
        known = {id for file, ids in mark.items() if file != "basis" for id in ids.split()}
        went: list[Sheet] = []
        for id in known.difference(sheet.id for sheet in self.sheets):
            sheet = self.shelf.find(id)
            if sheet is None:
                return None
            went.append(sheet)
        return went, [sheet for sheet in self.sheets if sheet.id not in known]

    def with_each(self, change: EachRecord) -> Reading:
        """Return this reading with *change* made to each record, when it is asked for."""
        records = self.records
        if isinstance(records, SheetRecords):
            return replace(self, records=dataclasses.replace(records, change=change))
        return replace(self, records={address: change.made(record) for address, record in records.items()})

    def packed(self, addresses: Iterable[Address]) -> dict[Address, bytes]:
        """Return records as they are packed, those of *addresses* that stand in sheets."""
        return self.records.packed(addresses) if isinstance(self.records, SheetRecords) else {}

    def seek(self, addresses: Iterable[Address]) -> None:
        """Prepare for questions about these records, if there are few of them."""
        if isinstance(self.records, SheetRecords):
            self.records.seek(addresses)

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

    def holding(self, question: resolve.Question) -> Sequence[Address]:
        """Return the records that a lookup finds, in the order of the files."""
        type_name, name, key = question
        found = (self.records[address] for address in self.holders(type_name, name, [key]))
        return [each.address for each in found if key in resolve.keys_of(each.fields[name].value)]

    def asking(self) -> tuple[Address, ...]:
        """Return the records whose files look others up."""
        return self.where(lambda sheet: sheet.questions.owners)

    def claiming(self, claims: set[int]) -> list[Declared]:
        """Return the records that claim something of which *claims* are the hashes, in the order of the files."""
        return [self.records[address] for address in self.where(lambda sheet: sheet.claims.among(claims))]

    def types(self) -> frozenset[str]:
        """Return the types of all records that stand in sheets."""
        return frozenset(name.partition(".")[0] for sheet in self.sheets for name in sheet.names)

    def targets(self) -> frozenset[int]:
        """Return the hashes of all addresses that some record may name."""
        return frozenset(chain.from_iterable((*sheet.targets.hashes, *sheet.others.hashes) for sheet in self.sheets))

    def where(self, numbers: Callable[[Sheet], Iterable[int]]) -> tuple[Address, ...]:
        """Return the records that *numbers* gives of each sheet, in the order of the files."""
        pairs = ((sheet, number) for sheet in self.sheets for number in sorted(set(numbers(sheet))))
        return tuple(sheet.address(number) for sheet, number in pairs)


#: What other files may contradict: which records there are, what they claim, whom they name, by what they are found.
_SAID_TO_OTHERS: tuple[Callable[[Sheet], Iterable[Any]], ...] = (
    lambda sheet: sheet.own,
    lambda sheet: sheet.claims.hashes,
    lambda sheet: sheet.targets.hashes,
    lambda sheet: zip(sheet.others.hashes[::2], sheet.others.hashes[1::2], strict=True),
    lambda sheet: sheet.questions.hashes,
    lambda sheet: sheet.keys.hashes,
)


def _said_to_others(sheets: Collection[Sheet]) -> list[list[Any]]:
    return [sorted(chain.from_iterable(map(say, sheets))) for say in _SAID_TO_OTHERS]


# All records, made when they are asked for


@dataclasses.dataclass(eq=False)
class SheetRecords(Mapping[Address, Declared]):
    """
    The records of sheets, each after a *change* where there is one.

    *mend* makes a sheet anew of which a record turned out to be damaged.
    """

    sheets: list[Sheet]
    mend: Callable[[int], Sheet]
    change: EachRecord | None = None
    _sought: dict[int, int | None] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return sum(len(sheet.ends) for sheet in self.sheets)

    def __iter__(self) -> Iterator[Address]:
        return (address_of(name) for sheet in self.sheets for name in sheet.names)

    def __contains__(self, address: object) -> bool:
        return isinstance(address, Address) and self._place(address) is not None

    def __getitem__(self, address: Address) -> Declared:
        place = self._place(address)
        if place is None:
            raise KeyError(address)
        at, number = place >> _SHIFT, place & _NUMBER
        return self._made(at, number, number + 1)[0]

    def items(self) -> ItemsView[Address, Declared]:
        """Return all records by address, made one file after the other, and not kept."""
        return _Items(self)

    def values(self) -> ValuesView[Declared]:
        """Return all records, made one file after the other, and not kept."""
        return _Values(self)

    def each(self) -> Iterator[Declared]:
        """Yield all records."""
        for at, sheet in enumerate(self.sheets):
            for start in range(0, len(sheet.ends), _AT_A_TIME):
                yield from self._made(at, start, start + _AT_A_TIME)

    def packed(self, addresses: Iterable[Address]) -> dict[Address, bytes]:
        """Return those of *addresses* that there are, as they are packed; those beside each other are read at once."""
        by_name = {str(address): address for address in addresses}
        found: dict[Address, bytes] = {}
        for at, start, stop in self._sheetwise(sorted(self.hashes.places(map(hash_of_name, by_name)))):
            packed = self._asked(at, partial(Sheet.packed, start=start, stop=stop))
            names = self.sheets[at].names.between(start, stop)
            found.update((by_name[name], data) for name, data in zip(names, packed, strict=True) if name in by_name)
        return found if self.change is None else {each: self.change.packed(each, data) for each, data in found.items()}

    def _sheetwise(self, places: Sequence[int]) -> Iterator[tuple[int, int, int]]:
        """Yield the sheet, the first, and the number after the last of those of *places*, in order, that are in a row."""
        for first, end in _runs(places):
            while first < end:
                at = bisect_right(self._firsts, first) - 1  # past files without records
                begin, beyond = self._firsts[at : at + 2]
                yield at, first - begin, min(end, beyond) - begin
                first = beyond

    def seek(self, addresses: Iterable[Address]) -> None:
        """Find out where some stand, for who asks for no others: in a fifth of the time that it takes of all."""
        wanted = set(map(hash_of_address, addresses))
        self._sought |= dict.fromkeys(wanted)
        for at, sheet in enumerate(self.sheets):
            for hashed in wanted.intersection(sheet.own):
                self._sought[hashed] = at << _SHIFT | sheet.own.index(hashed)

    @cached_property
    def hashes(self) -> HashRow:
        """The hashes of all addresses, for who looks one up."""
        return HashRow(sheet.own for sheet in self.sheets)

    @cached_property
    def _firsts(self) -> list[int]:
        """Where in the row of all records each sheet begins, and where the last one ends."""
        return list(accumulate((len(sheet.own) for sheet in self.sheets), initial=0))

    def _made(self, at: int, start: int, stop: int) -> list[Declared]:
        records = self._asked(at, lambda sheet: sheet.records(start, stop))
        return records if self.change is None else list(map(self.change.made, records))

    def _asked(self, at: int, ask: Callable[[Sheet], T]) -> T:
        """Ask a sheet, which is made anew where it is damaged."""
        try:
            return ask(self.sheets[at])
        except (Damaged, OSError):
            self.sheets[at] = self.mend(at)
            return ask(self.sheets[at])

    def _place(self, address: Address) -> int | None:
        """Return in which sheet *address* stands, and in the lower half as which record."""
        hashed = hash_of_address(address)
        place = self._sought[hashed] if hashed in self._sought else self._found(hashed)
        if place is None or self.sheets[place >> _SHIFT].names[place & _NUMBER] != str(address):
            return None
        return place

    def _found(self, hashed: int) -> int | None:
        """Return the same by the hash of an address."""
        among_all = self.hashes.place(hashed)
        if among_all is None:
            return None
        at = bisect_right(self._firsts, among_all) - 1
        return at << _SHIFT | among_all - self._firsts[at]


def _runs(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first of those of *places*, in their order, that follow upon each other, and what comes after the last."""
    ends = [at for at, (one, other) in enumerate(pairwise(places), 1) if other != one + 1]
    starts, ends = [0, *ends], [*ends, len(places)]
    return ((places[start], places[end - 1] + 1) for start, end in zip(starts, ends, strict=True) if start < end)


class _Items(ItemsView[Address, Declared]):
    _mapping: SheetRecords

    def __iter__(self) -> Iterator[tuple[Address, Declared]]:
        return ((record.address, record) for record in self._mapping.each())


class _Values(ValuesView[Declared]):
    _mapping: SheetRecords

    def __iter__(self) -> Iterator[Declared]:
        return self._mapping.each()
