"""
Files of the common shape, line by line, into the very nodes that `building` makes of the parser's events.

Nearly all record files are mappings and lists of short values, one a line or in brackets on one line. Those are read here
with one regular expression a line, in a third of the time. Whatever is in any way unusual (anchors, tags, texts over several
lines, escapes, empty values, keys twice, anything wrong) is not: the caller lets libyaml read the file, which decides.
A law in tests/config holds that both ways make the same nodes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from crmsync.model.late import late
from crmsync.model.source import Listing, Node, Position, Scalar, Table

# A plain text begins with no character that means something to YAML, and has no `: ` and no ` #` in it. White space is
# the blank alone: whoever writes others is left to libyaml.
_FIRST = r"(?:[^\s\-?:,\[\]{}#&*!|>'\"%@`]|-[0-9A-Za-z.])"
_PLAIN = rf"{_FIRST}[^\s:#]*(?:(?:[ ]+(?=[^\s#:])|:(?=\S)|(?<=\S)\#)[^\s:#]*)*"
_IN_FLOW = r"[^\s:#,\[\]{}?]"
_FLOW_PLAIN = rf"{_FIRST}{_IN_FLOW}*(?:(?:[ ]+(?={_IN_FLOW})|:(?=[0-9A-Za-z/])){_IN_FLOW}*)*"
_QUOTED = r"'[^'\n]*'|\"[^\"\\\n]*\""
_KEY = r"[A-Za-z0-9_][^\s:#'\"]*(?:[ ]+[^\s:#'\"]+)*"

_LINE = late(
    rf"""([ ]*)(?:(-[ ]+)?({_KEY}):(?:[ ]+(?:({_PLAIN})|({_QUOTED})|([\[{{].*[\]}}])))?  # a key, and what stands there
           | -[ ]+(?:({_PLAIN})|({_QUOTED})|([\[{{].*[\]}}])))                        # an entry of a list
           [ ]*(?:[ ]\#.*)?(?:\n|\Z)""",
    re.VERBOSE,
)
_IGNORED = late(r"(?:[ ]*(?:#.*)?\n)+|[ ]*(?:#.*)?\Z")
_TOKEN = late(rf"[ ]*(?:({_FLOW_PLAIN})|({_QUOTED})|([\[\]{{}},]))(:[ ]+)?")
_WORD = rf"(?:{_FLOW_PLAIN}|{_QUOTED})"
_WORDS = late(rf"\[[ ]*{_WORD}(?:,[ ]*{_WORD})*\]\Z")
_EACH_WORD = late(rf"({_FLOW_PLAIN})|({_QUOTED})")
_PAIR = late(rf"[ ]*({_FLOW_PLAIN}):[ ]+(?:({_FLOW_PLAIN})|({_QUOTED}))(?:,|(\}})\Z)")
#: Finds that a text is a plain one for certain: most are, and this is seen in no time.
match_word = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ,.@_/+-]*[A-Za-z0-9.@_/+-])?").fullmatch
_FOREIGN = late("[\x00-\x08\x0b-\x1f\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]")
_MAX_KEY = 1000  # libyaml looks for the colon of a key within 1024 characters
_FIELD_DEPTH = 10  # levels in the value of one field; none may have more than three

#: Makes a named tuple in half the time that its class takes.
_new: Any = tuple.__new__


class _Unusual(Exception):
    """This file is for libyaml."""


class _Open:
    """A collection that is being read: a mapping with the *key* whose value is still to come, or a list."""

    __slots__ = ("column", "entries", "is_table", "key", "names", "position")

    def __init__(self, column: int, is_table: bool, position: Position) -> None:
        self.column = column
        self.is_table = is_table
        self.position = position
        self.key: Scalar | None = None
        self.entries: list[Any] = []
        self.names: set[str] = set()

    def node(self) -> Node:
        if self.is_table:
            return Table(tuple(self.entries), self.position)
        return Listing(tuple(self.entries), self.position)


def usual(text: str, nodes: int) -> str | None:
    """Return *text* with plain line ends; None when it has unusual characters, or may have more *nodes* than these."""
    if len(text) * 4 + 8 > nodes and _most_nodes(text) > nodes:
        return None
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    is_plain = text.replace("\n", "").isprintable() or _FOREIGN.search(text) is None
    return text if is_plain else None


def _most_nodes(text: str) -> int:
    return text.count("\n") * 4 + text.count(",") * 2 + text.count("{") * 3 + text.count("[") * 2 + 8


def read_lines(text: str, file: str, depth: int, nodes: int) -> Table | None:
    """Return the nodes of *text*, or None when it is unusual, or may have more *nodes* or levels than these."""
    plain = usual(text, nodes)
    try:
        return None if plain is None else _Reader(plain, file, depth).read()
    except _Unusual:
        return None


def read_field(line: str, below: Sequence[str] = ()) -> tuple[str, Node | None] | None:
    """
    Return the name that stands in *line* and its value, which may stand *below*; None when that is unusual.

    There is nothing unusual about their characters. Places count from *line*, which is line 0 of no file.
    """
    found = _LINE.match(line)
    if found is None:
        return None
    _, dash, name, plain, quoted, flow, *_ = found.groups()
    if name is None or dash is not None or len(name) > _MAX_KEY:
        return None
    if plain is not None:
        return name, _new(Scalar, (plain, _new(Position, ("", 0, found.start(4) + 1, len(plain))), True))
    try:
        if quoted is not None or flow is not None:
            return name, _Reader("", "", _FIELD_DEPTH).value(found, 0, 0, 4, plain, quoted, flow)
        return name, _read_below(below) if below else None
    except _Unusual:
        return None


def _read_below(lines: Sequence[str]) -> Node:
    """Return the value that stands in *lines*, which are counted from 1. Raises _Unusual."""
    reader = _Reader("", "", _FIELD_DEPTH)
    items: list[Node] = []
    column = -1
    for number, line in enumerate(lines, start=1):
        found = _LINE.match(line)
        if found is None or found.group(3) is not None:
            break
        indent, _, _, _, _, _, plain, quoted, flow = found.groups()
        if column not in (-1, len(indent)):
            break
        column = len(indent)
        items.append(reader.value(found, 0, number, 7, plain, quoted, flow))
    if len(items) == len(lines):  # the usual: a list, of which each entry has one line
        return Listing(tuple(items), _new(Position, ("", 1, column + 1, 1)))
    return _Reader("\n".join(("field:", *lines)), "", _FIELD_DEPTH, -1).read().entries[0][1]


def says_nothing(line: str) -> bool:
    """Say whether there is nothing in *line*, or only a remark."""
    return _IGNORED.fullmatch(line) is not None


class _Reader:
    def __init__(self, text: str, file: str, depth: int, line: int = 0) -> None:
        self._text = text
        self._file = file
        self._depth = depth
        self._line = line  # before the first
        self._open: list[_Open] = []

    def read(self) -> Table:
        text, file, match, ignored = self._text, self._file, _LINE.match, _IGNORED.match
        at, line, end, opened = 0, self._line, len(text), self._open
        while at < end:
            found = match(text, at)
            if found is None:
                skipped = ignored(text, at)
                if skipped is None or skipped.end() == at:
                    raise _Unusual
                line += text.count("\n", at, skipped.end())
                at = skipped.end()
                continue
            line += 1
            indent, dash, name, plain, quoted, flow, plain_item, quoted_item, flow_item = found.groups()
            column = len(indent)
            if plain is not None and dash is None:  # the usual: one more short text in a mapping
                top = opened[-1] if opened else None
                position = _new(Position, (file, line, column + 1, len(name)))
                if top is None or top.column != column or not top.is_table or top.key is not None:
                    top = self._table_at(column, position, is_new=False)
                names = top.names
                if name in names or len(name) > _MAX_KEY:
                    raise _Unusual
                names.add(name)
                at, place = found.end(), found.start(4) - at + 1
                value = _new(Scalar, (plain, _new(Position, (file, line, place, len(plain))), True))
                top.entries.append((_new(Scalar, (name, position, True)), value))
                continue
            if name is None:
                top = self._list_at(column, line)
                top.entries.append(self.value(found, at, line, 7, plain_item, quoted_item, flow_item))
            else:
                if dash is not None:
                    self._list_at(column, line)
                    column += len(dash)
                position = _new(Position, (file, line, column + 1, len(name)))
                key = _new(Scalar, (name, position, True))
                top = self._table_at(column, position, is_new=dash is not None)
                if name in top.names or len(name) > _MAX_KEY:
                    raise _Unusual
                top.names.add(name)
                if plain is None and quoted is None and flow is None:
                    top.key = key
                else:
                    top.entries.append((key, self.value(found, at, line, 4, plain, quoted, flow)))
            at = found.end()
        return self._root()

    def _root(self) -> Table:
        self._close_to(-1, is_list=False)
        node = self._open[0].node() if self._open and self._open[0].key is None else None
        if not isinstance(node, Table):
            raise _Unusual
        return node

    # Which collection a line belongs to

    def _close_to(self, column: int, *, is_list: bool) -> None:
        """Close what ends before a line at *column*; the outermost stays."""
        opened = self._open
        while len(opened) > 1:
            top = opened[-1]
            if top.column < column or (top.column == column and (is_list or top.is_table)):
                return
            if top.key is not None:
                if is_list and top.column == column:
                    return
                raise _Unusual  # nothing was written there
            opened.pop()
            outer, node = opened[-1], top.node()
            if outer.is_table:
                assert outer.key is not None, "what is inside a mapping stands under a key"
                outer.entries.append((outer.key, node))
                outer.key = None
            else:
                outer.entries.append(node)

    def _table_at(self, column: int, position: Position, *, is_new: bool) -> _Open:
        """Return the mapping that has a key at *column*; *is_new* in a list entry that begins with it."""
        opened = self._open
        if opened and not is_new:
            top = opened[-1]
            if top.column == column and top.is_table and top.key is None:
                return top
            if top.key is None or column <= top.column:
                self._close_to(column, is_list=False)
                top = opened[-1]
                if top.column == column and top.is_table and top.key is None:
                    return top
                raise _Unusual
        elif not opened and (is_new or column):
            raise _Unusual
        return self._opened(_Open(column, True, position))

    def _list_at(self, column: int, line: int) -> _Open:
        """Return the list that has an entry at *column*."""
        opened = self._open
        if not opened:
            raise _Unusual
        top = opened[-1]
        if top.key is not None and column >= top.column:
            return self._opened(_Open(column, False, Position(self._file, line, column + 1, 1)))
        self._close_to(column, is_list=True)
        top = opened[-1]
        if top.is_table or top.column != column:
            raise _Unusual
        return top

    def _opened(self, collection: _Open) -> _Open:
        if len(self._open) >= self._depth:
            raise _Unusual
        self._open.append(collection)
        return collection

    # What a line says

    def value(self, found: re.Match[str], at: int, line: int, group: int, *texts: str | None) -> Node:
        """Return the value that one of three groups has: plain, in quotes, in brackets."""
        plain, quoted, flow = texts
        if plain is not None:
            return Scalar(plain, Position(self._file, line, found.start(group) - at + 1, len(plain)))
        if quoted is not None:
            position = Position(self._file, line, found.start(group + 1) - at + 1, len(quoted))
            return Scalar(quoted[1:-1], position, False)
        assert flow is not None, "one of three"
        start = found.start(group + 2) - at
        if len(self._open) + 1 < self._depth:
            if flow[0] == "[":
                if _WORDS.match(flow) is not None:
                    return self._words(flow, line, start)
                return _Flow(flow, self._file, line, start, self._depth - len(self._open)).read()
            pairs = self._pairs(flow, line, start)
            if pairs is not None:
                return pairs
        return _Flow(flow, self._file, line, start, self._depth - len(self._open)).read()

    def _words(self, flow: str, line: int, start: int) -> Listing:
        """Return a list of nothing but words."""
        file, items = self._file, []
        for each in _EACH_WORD.finditer(flow, 1):
            plain, quoted = each.groups()
            begin, end = each.span()
            position = _new(Position, (file, line, start + begin + 1, end - begin))
            items.append(_new(Scalar, (plain, position, True) if quoted is None else (quoted[1:-1], position, False)))
        return Listing(tuple(items), Position(file, line, start + 1, len(flow)))

    def _pairs(self, flow: str, line: int, start: int) -> Table | None:
        """Return a mapping of words to words; None when it is another one, or none."""
        file, entries, names, match = self._file, [], set(), _PAIR.match
        at, end = 1, None
        while end is None:
            found = match(flow, at)
            if found is None:
                return None
            name, plain, quoted, end = found.groups()
            at = found.end()
            if name in names or name == "<<" or len(name) > _MAX_KEY:
                raise _Unusual
            names.add(name)
            position = _new(Position, (file, line, start + found.start(1) + 1, len(name)))
            key = _new(Scalar, (name, position, True))
            begin, stop = found.span(2 if quoted is None else 3)
            position = _new(Position, (file, line, start + begin + 1, stop - begin))
            value = _new(Scalar, (plain, position, True) if quoted is None else (quoted[1:-1], position, False))
            entries.append((key, value))
        return Table(tuple(entries), Position(file, line, start + 1, len(flow)))


class _Flow:
    """Reads what stands in brackets on one line."""

    def __init__(self, text: str, file: str, line: int, start: int, depth: int) -> None:
        self._text = text
        self._file = file
        self._line = line
        self._start = start  # the column, from 0, at which the text begins
        self._depth = depth
        self._at = 0

    def read(self) -> Node:
        """Return the one node that the text is. Raises _Unusual."""
        kind, _, start, _ = self._next()
        node = self._collection(kind, start, self._depth)
        if self._at != len(self._text):
            raise _Unusual
        return node

    def _next(self) -> tuple[str, Scalar | None, int, bool]:
        """Return a bracket or comma, or a scalar with no sign; where it begins, and whether a colon follows."""
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            raise _Unusual
        plain, quoted, sign, colon = found.groups()
        self._at = found.end()
        if sign is not None:
            if colon is not None:
                raise _Unusual
            return sign, None, found.start(3), False
        start = found.start(1 if plain is not None else 2)
        text = plain if plain is not None else quoted
        position = _new(Position, (self._file, self._line, self._start + start + 1, len(text)))
        scalar = _new(Scalar, (text, position, True) if plain is not None else (text[1:-1], position, False))
        return "", scalar, start, colon is not None

    def _collection(self, kind: str, start: int, depth: int) -> Node:
        if depth <= 0 or kind not in ("[", "{"):
            raise _Unusual
        is_table, close = kind == "{", "}" if kind == "{" else "]"
        entries: list[Any] = []
        names: set[str] = set()
        sign, scalar, begin, has_colon = self._next()
        if sign != close:
            while True:
                if is_table:
                    if scalar is None or not has_colon or scalar.text in names or not _is_name(scalar):
                        raise _Unusual
                    names.add(scalar.text)
                    key = scalar
                    sign, scalar, begin, has_colon = self._next()
                if has_colon:
                    raise _Unusual
                node = scalar if scalar is not None else self._collection(sign, begin, depth - 1)
                entries.append((key, node) if is_table else node)
                sign, scalar, begin, _ = self._next()
                if sign == close:
                    break
                if sign != ",":
                    raise _Unusual
                sign, scalar, begin, has_colon = self._next()
        position = Position(self._file, self._line, self._start + start + 1, self._at - start)
        return Table(tuple(entries), position) if is_table else Listing(tuple(entries), position)


def _is_name(key: Scalar) -> bool:
    return bool(key.text) and key.text != "<<" and len(key.text) <= _MAX_KEY
