"""
JSON Lines: one record a line, of the type that the file is called after, into the nodes that YAML gives.

    {"key": "ann", "name": "Ann Lee", "emails": ["ann@acme.test"], "company": "acme"}

What is wrong with one line is told at its place and costs that line alone. Lines are read by themselves, so that a file of
any size can be read in pieces; what each piece says is laid under one mapping by key, as it would stand in YAML.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from crmsync.config.document import Document, parse
from crmsync.config.texts import BOUNDS, Bounds, control_diagnostic
from crmsync.model.codes import CODES
from crmsync.model.late import late
from crmsync.model.source import Diagnostic, Listing, Node, Position, Scalar, Table, in_file_order

SUFFIX = ".jsonl"
#: The entry of a row that says what its record is called.
KEY = "key"
#: A line of more bytes than this is not read.
MOST_BYTES = 2**20

_TOKEN = late(
    r'[ \t]*(?:("(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*")'
    r"|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null)(?![0-9A-Za-z_.+-])|([\[\]{}:,]))[ \t]*"
)
_CONTROL = late("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\ufffe\uffff]")
_SURROGATE = late("[\ud800-\udfff]")
_new: Any = tuple.__new__


def is_rows(file: str) -> bool:
    """Say whether a file of this name holds one record a line."""
    return file.lower().endswith(SUFFIX)


def type_of(file: str) -> str:
    """Return the type of the records in *file*, by its name: `people.jsonl`, `people-2026.jsonl`."""
    return PurePosixPath(file).name[: -len(SUFFIX)].partition("-")[0]


def parse_rows(data: bytes, file: str, first_line: int = 1, limits: Bounds = BOUNDS) -> Document:
    """Return the records in *data*, the lines of *file* from *first_line* on. Never raises for what a file may hold."""
    if first_line == 1 and (data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:4]):
        return parse(data, file)  # which says that this is not UTF-8
    document = parse_lines(enumerate(data.split(b"\n"), start=first_line), file, first_line, limits)
    if first_line == 1 and not document.diagnostics and not rows_of(document):
        detail = "There is nothing in this file. Write records into it, or delete it."
        return Document(file, None, (Diagnostic(CODES["CRM003"], detail, Position(file, 1, 1)),), is_rows=True)
    return document


def parse_lines(lines: Iterable[tuple[int, bytes]], file: str, first_line: int, limits: Bounds = BOUNDS) -> Document:
    """Return the records in these numbered *lines* of a file, or of a piece of one, that begins on *first_line*."""
    reader = _Rows(file, limits)
    start = Position(file, first_line, 1)
    root = Table(((Scalar(type_of(file), start), Table(tuple(reader.rows(lines)), start)),), start)
    return Document(file, root, in_file_order(reader.diagnostics), is_rows=True)


def rows_of(document: Document) -> tuple[tuple[Scalar, Node], ...]:
    """Return the records of a document of rows by their keys."""
    records = document.root.entries[0][1] if isinstance(document.root, Table) else None
    return records.entries if isinstance(records, Table) else ()


def parse_value(text: str) -> Node:
    """Return the value that stands in *text*, which is all of line 0 of no file. Raises ValueError for anything wrong."""
    reader = _Rows("", BOUNDS)
    try:
        return reader.value(text)
    except _Wrong as wrong:
        raise ValueError(wrong.detail) from wrong


def shown_line(line: bytes) -> str:
    """Return a line of a file as it is shown beside a complaint."""
    return _CONTROL.sub(" ", line.rstrip(b"\r\n").decode("utf-8", "replace"))


class _Wrong(Exception):
    """This line is no JSON: what to say of it, and at which column, from 0."""

    def __init__(self, code: str, detail: str, at: int) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.at = at


class _Rows:
    """Reads the lines of one file, noting what is wrong."""

    def __init__(self, file: str, limits: Bounds) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._file = file
        self._limits = limits
        self._text = ""
        self._line = 0
        self._at = 0
        self._nodes = 0

    def tell(self, code: str, detail: str, position: Position) -> None:
        """Note that something is wrong."""
        self.diagnostics.append(Diagnostic(CODES[code], detail, position))

    def rows(self, lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[Scalar, Node]]:
        """Yield the records of *lines* by their keys."""
        for self._line, line in lines:
            if not line or line.isspace():
                continue
            try:
                row = self._row(line)
            except _Wrong as wrong:
                self.tell(wrong.code, wrong.detail, Position(self._file, self._line, wrong.at + 1))
                continue
            named = self._named(row)
            if named is not None:
                yield named

    def _row(self, line: bytes) -> Table:
        """Return one line as a mapping. Raises _Wrong."""
        if len(line) > MOST_BYTES:
            raise _Wrong("CRM004", f"This line has more than {MOST_BYTES:,} bytes, and one record needs less.", 0)
        if self._line == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        try:
            self._text = line.rstrip(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            column = len(line[: error.start].decode("utf-8"))
            detail = f"The byte 0x{line[error.start]:02X} is not UTF-8 here. Save the file as UTF-8."
            raise _Wrong("CRM001", detail, column) from error
        self._at = self._nodes = 0
        row = self._node(0)
        if self._at != len(self._text):
            raise _Wrong("CRM050", "The record ends before this. Write one record a line.", self._at)
        if not isinstance(row, Table):
            raise _Wrong(
                "CRM014", f'A line is one record, such as {{"{KEY}": "ann", "name": "Ann"}}.', row.position.column - 1
            )
        return row

    def value(self, text: str) -> Node:
        """Return what all of *text* says. Raises _Wrong for anything that is wrong."""
        self._text = text
        node = self._node(0)
        if self._at != len(text) or self.diagnostics:
            raise _Wrong("CRM050", "There is more than one value, or something wrong in it.", self._at)
        return node

    def _named(self, row: Table) -> tuple[Scalar, Node] | None:
        """Return *row* without its key, under it."""
        key = row.get(KEY)
        if key is None:
            detail = f"A line needs an entry called `{KEY}`, which says what the record is called in the files."
            self.tell("CRM047", detail, row.position)
        elif not isinstance(key, Scalar) or not key.text or (key.is_plain and key.text == "null"):
            self.tell("CRM013", "A key is a word, not a list, a mapping or nothing.", key.position)
        else:
            entries = tuple(entry for entry in row.entries if entry[0].text != KEY)
            return key, Table(entries, row.position)
        return None

    # JSON, with places; a number stays the text that it is

    def _node(self, depth: int) -> Node:
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            raise self._stuck()
        text, word, sign = found.groups()
        self._at = found.end()
        self._nodes += 1
        if self._nodes > self._limits.nodes:
            raise _Wrong("CRM004", f"The line holds more than {self._limits.nodes:,} values.", found.start(0))
        if text is not None:
            return self._scalar(text, found.start(1))
        if word is not None:
            start = found.start(2)
            return Scalar(word, Position(self._file, self._line, start + 1, len(word)))
        if sign not in ("{", "["):
            raise self._stuck(found.start(3))
        if depth >= self._limits.depth:
            detail = f"Values are nested more than {self._limits.depth} levels deep here."
            raise _Wrong("CRM004", detail, found.start(3))
        return self._table(found.start(3), depth + 1) if sign == "{" else self._listing(found.start(3), depth + 1)

    def _scalar(self, written: str, start: int) -> Scalar:
        position = _new(Position, (self._file, self._line, start + 1, len(written)))
        text = written[1:-1]
        if "\\" in text:
            text = json.loads(written)
        if not text.isascii() or "\\" in written:
            half, control = _SURROGATE.search(text), _CONTROL.search(text)
            if half is not None:
                self.tell("CRM005", "Half a character is escaped here. Write the character itself.", position)
                text = _SURROGATE.sub("?", text)
            if control is not None:
                self.diagnostics.append(control_diagnostic(control.group(), position))
        elif "\x7f" in text:
            self.diagnostics.append(control_diagnostic("\x7f", position))
        scalar: Scalar = _new(Scalar, (text, position, False))
        return scalar

    def _listing(self, start: int, depth: int) -> Listing:
        items: list[Node] = []
        if not self._takes("]"):
            while True:
                items.append(self._node(depth))
                if self._takes("]"):
                    break
                self._expect(",")
        return Listing(tuple(items), self._extent(start))

    def _table(self, start: int, depth: int) -> Table:
        entries: dict[str, tuple[Scalar, Node]] = {}
        if not self._takes("}"):
            while True:
                key = self._name()
                self._expect(":")
                node = self._node(depth)
                if key.text in entries:
                    line = entries[key.text][0].position.line
                    detail = f'"{key.text}" already stands on line {line}. Keep one of the two.'
                    self.tell("CRM010", detail, key.position)
                else:
                    entries[key.text] = key, node
                if self._takes("}"):
                    break
                self._expect(",")
        return Table(tuple(entries.values()), self._extent(start))

    def _name(self) -> Scalar:
        found = _TOKEN.match(self._text, self._at)
        if found is None or found.group(1) is None:
            raise self._stuck()
        self._at = found.end()
        self._nodes += 1
        return self._scalar(found.group(1), found.start(1))

    def _extent(self, start: int) -> Position:
        end = len(self._text[: self._at].rstrip(" \t"))
        return Position(self._file, self._line, start + 1, end - start)

    def _takes(self, sign: str) -> bool:
        found = _TOKEN.match(self._text, self._at)
        if found is None or found.group(3) != sign:
            return False
        self._at = found.end()
        return True

    def _expect(self, sign: str) -> None:
        if not self._takes(sign):
            raise self._stuck()

    def _stuck(self, at: int | None = None) -> _Wrong:
        """Return the complaint about a place at which JSON cannot go on."""
        at = self._at if at is None else at
        if not self._text[at:].strip():
            return _Wrong("CRM050", "The line ends in the middle of a record: a quote or a bracket is not closed.", at)
        detail = "JSON does not go on like this. Texts and names stand in double quotes, with a comma between two entries."
        return _Wrong("CRM050", detail, at)
