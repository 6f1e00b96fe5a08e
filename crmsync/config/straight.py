"""
Plain records straight from their lines to their packed bytes, with no nodes between.

Most lines of a project stand in many of its files: the same field at the same column with the same value. So what a line
says is read once, in the usual way, and looked up from then on; where a record has nothing but lines with one usual value
each, its bytes are those of its lines. What is in any way odd, or has something to be told of it, is left for the reader of
nodes, with the same places. A law in tests/test_straight.py holds that nobody can tell the difference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Sequence
from typing import Any, NamedTuple

from crmsync.config.blocks import Block, Section, cut, placed, remainder
from crmsync.config.document import Document, decoded, parse
from crmsync.config.facts import MOST_ALIKE, MOST_KNOWN, Fact, FactReader, Judge, Odd, PackedRecord, Straight, before
from crmsync.config.fields import FieldReader
from crmsync.config.lines import match_word, read_field, says_nothing, usual
from crmsync.config.packing import pack_parts
from crmsync.config.texts import BOUNDS, Bounds
from crmsync.model.catalogue import Catalogue, Field
from crmsync.model.late import late
from crmsync.model.source import Listing, Node, Position, Scalar, Table
from crmsync.model.values import Member

_WORD = r"[A-Za-z0-9_./+](?:[A-Za-z0-9 _.@/+-]*[A-Za-z0-9_.@/+-])?"
#: An entry of a list that is a mapping on one line: what stands before its first text, the text, and what comes then.
_ENTRY = late(rf"([ ]*-[ ]+\{{[a-z_]+: '?)({_WORD})('?(?:, [a-z_]+: {_WORD})*\}})\Z")
_match_text = re.compile(_WORD).fullmatch
_QUOTES = ("'", '"')
#: So many ways to write an entry of a list are remembered, and tried one after the other.
MOST_LIKE = 12


class _Nested(NamedTuple):
    """The *name* of a nested field, with its parts below: *rows* by name, read by their column."""

    name: str
    rows: Callable[[str], Field | None]
    levels: dict[int, _Level]


class _Below(NamedTuple):
    """
    The name of a field whose value stands below; *known* by its lines.

    *like* are entries of a list that were seen before, but for one text: what stands before and behind it, their column,
    what reads that text. *sets* says what all entries say.
    """

    field: Field
    before: str
    deeper: tuple[str, str]
    known: dict[str, tuple[int, str, Fact]]
    like: list[tuple[str, str, int, Callable[[str], Member | None]]]
    sets: Callable[[tuple[Member, ...]], tuple[Fact, str]]


class _Several(NamedTuple):
    """A nested field called *name* with all its parts on one line."""

    name: str
    values: tuple[tuple[str, str, Fact], ...]


#: Makes a named tuple in half the time that its class takes.
_new: Any = tuple.__new__
#: A line with a value: what stands before and behind the number of the line in packed bytes. None: the line says nothing.
_Said = tuple[str, str, Fact] | _Several | _Nested | _Below | None
_UNSEEN: Any = object()


class _Head:
    """
    What stands before `: ` where a value begins in this *column*; *room* is left for as many lines with other values.

    *words* reads what is nothing but a usual text, where the field keeps such a text as it is.
    """

    __slots__ = ("before", "column", "room", "row", "words")

    def __init__(self, row: Field, column: int, words: Callable[[str, bool], tuple[Fact, str] | None] | None) -> None:
        self.row = row
        self.words = words
        self.before = before(row)
        self.column = column
        self.room = MOST_ALIKE


class _Level:
    """
    The lines of one mapping at one column that were seen before; *rows* are its fields by name.

    *heads* are what stood before `: ` in lines with a value.
    """

    __slots__ = ("column", "heads", "known", "openings", "rows")

    def __init__(self, column: int, rows: Callable[[str], Any]) -> None:
        self.column = column
        self.rows = rows
        self.known: dict[str, _Said] = {}
        self.openings: dict[str, _Said] = {}
        self.heads: dict[str, _Head] = {}

    def note(self, line: str, said: _Said) -> _Said:
        """Remember what a line says."""
        if isinstance(said, _Nested | _Below):
            self.openings[line] = said
        if len(self.known) >= MOST_KNOWN:
            self.known = dict(self.openings)
            self.heads = {}
        self.known[line] = said
        return said


class _RecordLines:
    """Reads the records of one type whose fields stand at one column."""

    def __init__(self, facts: FactReader, column: int) -> None:
        self._facts = facts
        self._top = _Level(column, facts.row)

    def read(self, block: Block) -> PackedRecord | None:
        """Return the record in *block*, None when it is not plain."""
        try:
            parts, facts = self._read(block.below.split("\n")[:-1])
        except Odd:
            return None
        entity = self._facts.entity
        verdict = self._facts.judge.record(entity, block.key, facts) if facts else None
        if verdict is None:
            return None
        data = pack_parts(block.column + 1, len(block.key), parts)
        record: PackedRecord = _new(PackedRecord, (entity.name, block.key, block.line, data, verdict))
        return record

    def _read(self, lines: Sequence[str]) -> tuple[list[str], dict[str, Fact]]:
        parts: list[str] = []
        facts: dict[str, Fact] = {}
        nested: list[str] = []
        level = self._top
        known, add = level.known, parts.append
        at, count = 0, len(lines)
        while at < count:
            line = lines[at]
            at += 1
            said = known.get(line, _UNSEEN)
            if said is _UNSEEN:
                level, said = self._unseen(line, level)
                known = level.known
            if said.__class__ is tuple:
                before, after, fact = said
                add(f"{before}{at}{after}")
                facts[fact.name] = fact
            elif said.__class__ is _Nested:
                nested.append(said.name)
                level = self._inside(said, lines, at)
                known = level.known
            elif said.__class__ is _Below:
                end = at
                while end < count and lines[end].startswith(said.deeper):
                    end += 1
                down, after, fact = self._below(said, lines[at - 1 : end])
                add(f"{said.before}{at + down}{after}")
                facts[fact.name] = fact
                at = end
            elif said is not None:
                nested.append(said.name)
                for before, after, fact in said.values:
                    add(f"{before}{at}{after}")
                    facts[fact.name] = fact
        if len(facts) != len(parts) or len(set(nested)) != len(nested):
            raise Odd  # a field twice
        return parts, facts

    def _unseen(self, line: str, level: _Level) -> tuple[_Level, _Said]:
        """Return the level that a line is of, which is not known in *level*, and what it says. Raises Odd."""
        top = self._top
        said = _UNSEEN if level is top else top.known.get(line, _UNSEEN)
        if said is not _UNSEEN:
            return top, said
        head, _, text = line.partition(": ")
        if head in top.heads:
            level = top
        known = level.heads.get(head)
        value = None if known is None else self._value(known, text)
        if known is not None and value is not None:
            if known.room:
                known.room -= 1
                level.note(line, value)
            return level, value
        column = len(line) - len(line.lstrip(" "))
        if column == top.column:
            level = top
        elif column != level.column and not says_nothing(line):
            raise Odd
        said = level.note(line, self._said(line, level))
        if said.__class__ is tuple:
            row = level.rows(head[column:])
            level.heads[head] = _Head(row, len(head) + 3, self._facts.words(row))
        return level, said

    def _value(self, head: _Head, text: str) -> tuple[str, str, Fact] | None:
        """Return what a short *text* says behind a head that was seen before; None when it is not so short. Raises Odd."""
        is_plain = text[:1] not in _QUOTES or text[-1:] != text[:1]
        word = text if is_plain else text[1:-1]
        if match_word(word) is None:
            return None
        kept = None if head.words is None else head.words(word, is_plain)
        if kept is not None:
            return head.before, f",{head.column},{len(text)},{kept[1]}", kept[0]
        position = _new(Position, ("", 0, head.column, len(text)))
        fact, _, packed = self._facts.read(head.row, _new(Scalar, (word, position, is_plain)))
        return head.before, f",{head.column},{len(text)},{packed}", fact

    def _said(self, line: str, level: _Level) -> _Said:
        """Return what a line says that stands in a mapping."""
        found = read_field(line)
        if found is None:
            if says_nothing(line):
                return None
            raise Odd
        name, node = found
        row = level.rows(name)
        if isinstance(row, Field) and node is not None:
            return self._one(row, node)
        if isinstance(row, Field):
            return _Below(row, before(row), _deeper(level), {}, [], self._facts.sets(row))
        if row is None or not (node is None or isinstance(node, Table)):
            raise Odd
        if node is None:
            return _Nested(name, row, {})
        values = [(row(part.text), inner) for part, inner in node.entries]
        return _Several(name, tuple(self._one(field, inner) for field, inner in values))

    def _one(self, row: Field | None, node: Node) -> tuple[str, str, Fact]:
        """Return what a value says that stands beside its name."""
        if row is None:
            raise Odd
        fact, position, packed = self._facts.read(row, node)
        return before(row), f",{position.column},{position.length},{packed}", fact

    def _inside(self, nested: _Nested, lines: Sequence[str], at: int) -> _Level:
        """Return the level of the parts of a nested field, which begin at a line that says something."""
        line = lines[at] if at < len(lines) else ""
        column = len(line) - len(line.lstrip(" "))
        if column <= self._top.column or line[column : column + 1] in ("", "#"):
            raise Odd
        level = nested.levels.get(column)
        if level is None:
            level = nested.levels[column] = _Level(column, nested.rows)
        return level

    def _below(self, said: _Below, lines: Sequence[str]) -> tuple[int, str, Fact]:
        """Return what a field says whose value stands below it, and how many lines."""
        text = "\n".join(lines)
        found = said.known.get(text)
        if found is None:
            if len(lines) == 1:
                raise Odd
            found = self._alike(said, lines) or self._carefully(said.field, lines)
            if len(said.known) < MOST_ALIKE:
                said.known[text] = found
        return found

    def _carefully(self, row: Field, lines: Sequence[str]) -> tuple[int, str, Fact]:
        _, node = read_field(lines[0], lines[1:]) or ("", None)
        if node is None:
            raise Odd
        fact, position, packed = self._facts.read(row, node)
        return position.line, f",{position.column},{position.length},{packed}", fact

    def _alike(self, said: _Below, lines: Sequence[str]) -> tuple[int, str, Fact] | None:
        """Return what a set says, each entry of which is like another but for its text; None when it is no such set."""
        if said.field.kind.alike is None:
            return None
        members: list[Member] = []
        column = None
        for line in lines[1:]:
            at, member = self._entry(said, line)
            if member is None or column not in (None, at):
                return None
            members.append(member)
            column = at
        assert column is not None, "something stands below"
        fact, packed = said.sets(tuple(members))
        return 1, f",{column + 1},1,{packed}", fact

    def _entry(self, said: _Below, line: str) -> tuple[int, Member | None]:
        """Return the column of one entry and what it says; nothing of one that is not like others. Raises Odd."""
        for head, tail, at, read in said.like:
            if line.startswith(head) and line.endswith(tail):
                text = line[len(head) : len(line) - len(tail)]
                if _match_text(text) is not None:
                    return at, read(text)
        found = _ENTRY.match(line)
        if found is None:
            return 0, None
        at, read = self._first_of(said, line, *found.groups())
        return at, read(found[2])

    def _first_of(
        self, said: _Below, line: str, head: str, text: str, tail: str
    ) -> tuple[int, Callable[[str], Member | None]]:
        """Read the first entry that begins with *head* and ends with *tail*. Raises Odd."""
        _, node = read_field("field:", (line,)) or ("", None)
        entry = node.items[0] if isinstance(node, Listing) else None
        first = entry.entries[0][1] if isinstance(entry, Table) else None
        if node is None or not isinstance(entry, Table) or not isinstance(first, Scalar) or first.text != text:
            raise Odd
        found = node.position.column - 1, self._facts.alike(said.field, entry)
        if len(said.like) < MOST_LIKE:
            said.like.append((head, tail, *found))
        return found


def _deeper(level: _Level) -> tuple[str, str]:
    """Return how lines begin that stand below a name at a level: deeper, or an entry of a list at the same column."""
    return " " * (level.column + 1), " " * level.column + "- "


class StraightReader:
    """Reads files by the rows of *catalogue*, with the verdicts of *judge*."""

    def __init__(self, catalogue: Catalogue, judge: Judge) -> None:
        self._types = catalogue.by_name
        self._facts = {entity.name: FactReader(entity, FieldReader(catalogue), judge) for entity in catalogue.types}
        self._readers: dict[tuple[str, int], _RecordLines] = {}

    def read(self, data: bytes, file: str, limits: Bounds = BOUNDS) -> Straight | None:
        """Return what a YAML file says; None where it has to be read as a whole."""
        text, unreadable = decoded(data, file, limits)
        plain = None if unreadable is not None else usual(text, limits.nodes)
        sections = None if plain is None else cut(plain if plain.endswith("\n") else f"{plain}\n", self._types)
        if not sections:
            return None
        records = [
            record
            for section in sections
            for block in section.blocks
            if (record := self._record(section.name, block)) is not None
        ]
        if not records:
            return None
        if len(records) == sum(len(each.blocks) or 1 for each in sections):
            rest = None
        else:
            rest = self._rest(sections, {each.line for each in records}, file, limits)
            if rest is None:
                return None
        return _unless_repeated(records, rest)

    def _rest(self, sections: list[Section], is_read: Container[int], file: str, limits: Bounds) -> Document | None:
        """Return all but the records that are read; None when that cannot be told by itself."""
        document = parse(remainder(sections, is_read).encode(), file, limits)
        root = None if document.diagnostics else placed(document.root, sections, is_read)
        return None if root is None else Document(file, root)

    def _record(self, type_name: str, block: Block) -> PackedRecord | None:
        first = block.below
        column = len(first) - len(first.lstrip(" "))
        if column <= block.column:
            return None
        about = (type_name, column)
        reader = self._readers.get(about)
        if reader is None:
            reader = self._readers[about] = _RecordLines(self._facts[type_name], column)
        return reader.read(block)


def _unless_repeated(records: list[PackedRecord], rest: Document | None) -> Straight | None:
    """Return all that a file says; None when two of its records have the same address."""
    names = [(each.type, each.key) for each in records]
    for key, node in rest.root.entries if rest is not None and isinstance(rest.root, Table) else ():
        names += [(key.text, each.text) for each, _ in node.entries] if isinstance(node, Table) else []
    return Straight(records, rest) if len(set(names)) == len(names) else None
