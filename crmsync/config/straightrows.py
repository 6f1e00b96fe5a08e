"""
Rows of JSON Lines straight to their packed bytes, as `crmsync.config.straight` does with lines of YAML.

Nearly all rows have the same names in the same order, and many the same values. An entry of a row, its name with its value,
is read once and looked up from then on. A row with escapes, lists in lists or anything wrong is left for `rows`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crmsync.config.facts import MOST_ALIKE, Fact, FactReader, Judge, Odd, PackedRecord, Straight, before
from crmsync.config.fields import FieldReader
from crmsync.config.packing import pack_parts
from crmsync.config.rows import KEY, MOST_BYTES, parse_lines, parse_value, rows_of, type_of
from crmsync.model.address import KEY_PATTERN
from crmsync.model.catalogue import Catalogue, Field
from crmsync.model.late import late
from crmsync.model.source import Listing, Node, Position, Scalar, Table

_TEXT = r'"[^"\\]*+"'
_LIST = rf'\[(?:[^\[\]"]++|{_TEXT})*+\]'
_ENTRY = late(
    rf"({_TEXT}[ ]*:[ ]*(?:{_TEXT}|[-+.0-9A-Za-z]++|{_LIST}|(\{{)))"  # a name and a value, or what it opens
    r"[ ]*((?:\}[ ]*)*)(,?)[ ]*"  # what is closed, and whether more comes
)
_BEGIN = late(r"[ ]*\{[ ]*")
#: An entry of a list of mappings: what stands before its first text, the text, and what comes then.
_ITEM = late(rf'(\{{"[a-z_]+": ")([^"\\]*)("(?:, "[a-z_]+": {_TEXT})*\}})(?:, |\]\Z)')
_NOWHERE = Position("", 0, 0)
_new: Any = tuple.__new__

#: What an entry with a value says: what stands in packed bytes before its place, where in the entry the value begins, how
#: long that is and what it says, packed.
_Said = tuple[str, int, str, Fact]


class _Level:
    """The entries of the mapping called *name* that were seen before; *rows* are its fields, *names* those in use."""

    __slots__ = ("known", "name", "names", "rows")

    def __init__(self, name: str, rows: Callable[[str], Any]) -> None:
        self.name = name
        self.rows = rows
        self.known: dict[str, _Said | _Level] = {}
        self.names: dict[str, _Named] = {}


class _Named:
    """An entry of a mapping by its name; *room* is left for as many other values, *like* are entries of its list."""

    __slots__ = ("before", "like", "room", "row")

    def __init__(self, row: Field) -> None:
        self.row = row
        self.before = before(row)
        self.room = MOST_ALIKE
        self.like: dict[tuple[str, str], Table] = {}


class _TypeRows:
    """Reads the rows of one type."""

    def __init__(self, facts: FactReader) -> None:
        self._facts = facts
        self._top = _Level("", facts.row)

    def read(self, text: str, line: int) -> PackedRecord | None:
        """Return the record in *text*, None when it is not plain."""
        try:
            key, column, parts, facts = self._read(text)
        except Odd:
            return None
        entity = self._facts.entity
        verdict = self._facts.judge.record(entity, key, facts) if facts and KEY_PATTERN.fullmatch(key) else None
        if verdict is None:
            return None
        record: PackedRecord = _new(PackedRecord, (entity.name, key, line, pack_parts(column, len(key) + 2, parts), verdict))
        return record

    def _read(self, text: str) -> tuple[str, int, list[str], dict[str, Fact]]:
        parts: list[str] = []
        facts: dict[str, Fact] = {}
        opened: list[str] = []
        level, key, column = self._top, "", 0
        match = _ENTRY.match
        begin = _BEGIN.match(text)
        if begin is None:
            raise Odd
        at = begin.end()
        while True:
            found = match(text, at)
            if found is None:
                raise Odd
            entry, opens, closes, comma = found.groups()
            said: Any = level.known.get(entry)
            if said is None:
                said = self._unseen(entry, level)
            if said.__class__ is tuple:
                head, offset, after, fact = said
                parts.append(f"{head}0,{at + offset},{after}")
                facts[fact.name] = fact
            elif opens is not None:
                if level is not self._top or said.name in opened:
                    raise Odd
                opened.append(said.name)
                level = said
                at = found.end(2)
                continue
            elif column:
                raise Odd  # twice
            else:
                key, column = entry[said:-1], at + said
            at = found.end()
            if closes:
                ends = closes.count("}")
                if ends == (1 if level is self._top else 2):
                    break
                if level is self._top or ends > 2:
                    raise Odd
                level = self._top
            if not comma:
                raise Odd
        if comma or at != len(text) or len(facts) != len(parts):
            raise Odd
        return key, column, parts, facts

    def _unseen(self, entry: str, level: _Level) -> Any:
        """Return what an entry says that is not known: the level it opens, or of the key where that begins. Raises Odd."""
        name, _, rest = entry[1:].partition('"')
        value = rest.lstrip(" :")
        offset = len(entry) - len(value)
        known = level.names.get(name)
        if known is None:
            row = level.rows(name)
            if name == KEY and level is self._top:
                if value[0] != '"':
                    raise Odd
                return offset + 1
            if value == "{" and row is not None and not isinstance(row, Field):
                level.known[entry] = _Level(name, row)
                return level.known[entry]
            if not isinstance(row, Field):
                raise Odd
            known = level.names[name] = _Named(row)
        fact, _, packed = self._facts.read(known.row, _node(value, known))
        said = known.before, offset + 1, f"{len(value)},{packed}", fact
        if known.room:
            known.room -= 1
            level.known[entry] = said
        return said


def _node(value: str, known: _Named) -> Node:
    """Return the node of a value that is written so. Raises Odd."""
    if value[0] == '"':
        scalar: Scalar = _new(Scalar, (value[1:-1], _new(Position, ("", 0, 1, len(value))), False))
        return scalar
    alike = None if value[0] != "[" or known.row.kind.is_label else _alike(value, known)
    return alike or _parsed(value)


def _parsed(value: str) -> Node:
    try:
        return parse_value(value)
    except ValueError as error:
        raise Odd from error


def _alike(value: str, known: _Named) -> Listing | None:
    """
    Return a list of mappings that are like others but for one text each, None when it is not such a list.

    What is in it has no places: only labels and references keep theirs, and where something is to be told all is read again.
    """
    items: list[Table] = []
    at = 1
    while at < len(value):
        found = _ITEM.match(value, at)
        if found is None:
            return None
        head, text, tail = found.groups()
        like = known.like.get((head, tail)) or _first_of(known, head, text, tail)
        (name, _), *others = like.entries
        items.append(Table(((name, _new(Scalar, (text, _NOWHERE, False))), *others), _NOWHERE))
        at = found.end()
    return Listing(tuple(items), Position("", 0, 1, len(value))) if value[-1] == "]" else None


def _first_of(known: _Named, head: str, text: str, tail: str) -> Table:
    """Read the first entry that begins with *head* and ends with *tail*. Raises Odd."""
    entry = _parsed(f"{head}{text}{tail}")
    assert isinstance(entry, Table), "it stands in braces"
    if len(known.like) < MOST_ALIKE:
        known.like[head, tail] = entry
    return entry


class StraightRows:
    """Reads files of rows by the rows of *catalogue*, with the verdicts of *judge*."""

    def __init__(self, catalogue: Catalogue, judge: Judge) -> None:
        fields = FieldReader(catalogue)
        self._readers = {entity.name: _TypeRows(FactReader(entity, fields, judge)) for entity in catalogue.types}

    def read(self, data: bytes, file: str, first_line: int) -> Straight | None:
        """Return what a piece of a file says; None where it has to be read as a whole."""
        reader = self._readers.get(type_of(file))
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            return None
        if reader is None or "\0" in text[:4]:
            return None
        records: list[PackedRecord] = []
        odd: list[tuple[int, bytes]] = []
        for line, row in enumerate(text.split("\n"), start=first_line):
            if not row:
                continue
            plain = row.removesuffix("\r")
            record = reader.read(plain, line) if plain.isprintable() and len(row) < MOST_BYTES // 4 else None
            if record is None:
                odd.append((line, row.encode()))
            else:
                records.append(record)
        return _joined(records, odd, file, first_line)


def _joined(records: list[PackedRecord], odd: list[tuple[int, bytes]], file: str, first_line: int) -> Straight | None:
    """Return all that a piece says, None when two rows have the same key, or none is plain."""
    rest = parse_lines(odd, file, first_line) if odd else None
    keys = [each.key for each in records]
    keys += [key.text for key, _ in rows_of(rest)] if rest is not None else []
    return Straight(records, rest) if records and len(set(keys)) == len(keys) else None
