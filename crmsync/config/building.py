"""From the parser's events to nodes: limits, anchors, merge keys, duplicate keys, tags."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import yaml
from msgspec import Struct

from crmsync.config.texts import Bounds, control_diagnostic, split_lines
from crmsync.model.codes import CODES
from crmsync.model.late import late
from crmsync.model.source import Diagnostic, Listing, Node, Position, Scalar, Table

# The pure parser gives the same events, several times slower; some builds of PyYAML come without libyaml.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_CONTROL_IN_VALUE = late("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\ufffe\uffff]")
_SURROGATE = late("[\ud800-\udfff]")
_ANCHOR = late(r"&\S+[ \t]*")
_TAG = late(r"!\S*")


#: Makes a named tuple in half the time that its class takes.
_new: Any = tuple.__new__


class _TooMuch(Exception):
    """A limit is passed, which ends the building."""


class _Anchored(Struct, frozen=True):
    """A node that aliases may name, with what one alias to it costs."""

    node: Node
    nodes: int
    height: int


class _Frame:
    """A collection that is being built; the merges of a mapping are among its *items*."""

    __slots__ = (
        "anchor", "entries", "height", "is_at_value", "is_flow", "is_table", "items", "key", "lines_of_keys",
        "nodes_before", "position",
    )  # fmt: skip

    def __init__(self, position: Position, is_table: bool, is_flow: bool, anchor: str | None, nodes_before: int) -> None:
        self.position = position
        self.is_table = is_table
        self.is_flow = is_flow
        self.anchor = anchor
        self.nodes_before = nodes_before
        self.height = 1
        self.is_at_value = False
        self.key: Scalar | None = None
        self.items: list[Node] = []
        self.entries: list[tuple[Scalar, Node]] = []
        self.lines_of_keys: dict[str, int] = {}


class Builder:
    """Turns the events of one file into nodes, noting what is wrong; the one thing here that changes as it works."""

    def __init__(self, file: str, text: str, limits: Bounds) -> None:
        self.root: Node | None = None
        self.diagnostics: list[Diagnostic] = []
        self._file = file
        self._text = text
        self._limits = limits
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Anchored | None] = {}
        self._nodes = 0
        self._aliased = 0
        self._documents = 0

    def build(self, text: str) -> None:
        """Read *text* to its end, or to the first limit it passes. Raises yaml.YAMLError."""
        take: dict[type[yaml.Event], Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._open,
            yaml.SequenceStartEvent: self._open,
            yaml.MappingEndEvent: self._close,
            yaml.SequenceEndEvent: self._close,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
        }
        try:
            for event in yaml.parse(text, Loader=_LOADER):
                handle = take.get(event.__class__)
                if handle is not None:
                    handle(event)
                    if self._documents > 1:
                        break
        except _TooMuch:
            self.root = None
            return
        if isinstance(self.root, Scalar) and self.root.is_plain and not self.root.text:
            self.root = None
        if self.root is None and not self.diagnostics:
            detail = "There is nothing in this file. Write records into it, or delete it."
            self._tell("CRM003", detail, Position(self._file, 1, 1))

    def _tell(self, code: str, detail: str, position: Position) -> None:
        self.diagnostics.append(Diagnostic(CODES[code], detail, position))

    def _refuse(self, detail: str, position: Position) -> None:
        self._tell("CRM004", detail, position)
        raise _TooMuch

    # Events, in the order in which a file shows them

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            detail = "This line starts a second document. A file holds one: remove the line, or split the file."
            self._tell("CRM014", detail, self._position(event))

    def _scalar(self, event: Any) -> None:
        # The busiest place of a run; nearly always there is no anchor, no tag, no quote and one line.
        start, end, style, text = event.start_mark, event.end_mark, event.style, event.value
        line, column = start.line, start.column
        if event.anchor is None and line == end.line:
            position = _new(Position, (self._file, line + 1, column + 1, end.column - column or 1))
        else:
            position = self._position(event)
        self._nodes += 1
        if self._nodes > self._limits.nodes:
            self._refuse_nodes(position)
        if event.tag is not None:
            self._tag(event)
        if style == '"':
            text = self._unescaped(text, position)
        node = _new(Scalar, (text, position, not style))
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(node, 1, 0)
        frame = self._frames[-1] if self._frames else None
        if frame is None or not frame.is_table:
            self._add(node, position)
        elif not frame.is_at_value:
            frame.key = self._key(frame, node, position)
            frame.is_at_value = True
        else:
            frame.is_at_value = False
            key = frame.key
            if key is not None:
                self._put(frame, key, node)

    def _open(self, event: Any) -> None:
        position = self._position(event)
        self._nodes += 1
        if self._nodes > self._limits.nodes:
            self._refuse_nodes(position)
        if event.tag is not None:
            self._tag(event)
        if len(self._frames) >= self._limits.depth:
            self._refuse(f"Values are nested more than {self._limits.depth} levels deep here.", position)
        if event.anchor is not None:
            self._anchors[event.anchor] = None  # until it is closed: an alias inside would name itself
        is_table = isinstance(event, yaml.MappingStartEvent)
        before = self._nodes + self._aliased
        self._frames.append(_Frame(position, is_table, bool(event.flow_style), event.anchor, before))

    def _close(self, event: Any) -> None:
        frame = self._frames.pop()
        position = self._extent(frame, event)
        node: Node = Table(self._entries(frame), position) if frame.is_table else Listing(tuple(frame.items), position)
        if frame.anchor is not None:
            cost = self._nodes + self._aliased - frame.nodes_before + 1
            self._anchors[frame.anchor] = _Anchored(node, cost, frame.height)
        if self._frames:
            parent = self._frames[-1]
            parent.height = max(parent.height, frame.height + 1)
        self._add(node, position)

    def _alias(self, event: Any) -> None:
        position = self._position(event)
        if event.anchor not in self._anchors:
            self._tell("CRM002", f"There is no &{event.anchor} above this *{event.anchor}.", position)
            return self._add(None, position)
        anchored = self._anchors[event.anchor]
        if anchored is None:
            self._tell("CRM002", f"The alias *{event.anchor} stands inside what it names.", position)
            return self._add(None, position)
        self._aliased += anchored.nodes
        if self._aliased > self._limits.aliased:
            self._refuse(f"The aliases stand for more than {self._limits.aliased:,} values in all.", position)
        if len(self._frames) + anchored.height > self._limits.depth:
            self._refuse(f"With this alias values are nested more than {self._limits.depth} levels deep.", position)
        if self._frames:
            parent = self._frames[-1]
            parent.height = max(parent.height, anchored.height + 1)
        return self._add(anchored.node, position)

    # Putting nodes in their place

    def _add(self, node: Node | None, position: Position) -> None:
        """Put *node* into the open collection; None, which is something already complained about, leaves no trace."""
        if not self._frames:
            self.root = node
            return
        frame = self._frames[-1]
        if not frame.is_table:
            if node is not None:
                frame.items.append(node)
            return
        if not frame.is_at_value:
            frame.key = self._key(frame, node, position)
            frame.is_at_value = True
            return
        frame.is_at_value = False
        if node is not None and frame.key is not None:
            self._put(frame, frame.key, node)

    def _put(self, frame: _Frame, key: Scalar, node: Node) -> None:
        if key.text == "<<" and key.is_plain:
            frame.items.append(node)
        else:
            frame.entries.append((key, node))

    def _key(self, frame: _Frame, node: Node | None, position: Position) -> Scalar | None:
        """Return *node* as a key, or None when the entry is to be dropped."""
        if node is None:
            return None
        if not isinstance(node, Scalar) or (node.is_plain and not node.text):
            self._tell("CRM013", "A key is a word, not a list, a mapping or nothing.", position)
            return None
        key = node if node.position is position else Scalar(node.text, position, node.is_plain)
        if key.text in frame.lines_of_keys:
            first_line = frame.lines_of_keys[key.text]
            self._tell("CRM010", f'"{key.text}" already stands on line {first_line}. Keep one of the two.', position)
            return None
        frame.lines_of_keys[key.text] = position.line
        return key

    def _entries(self, frame: _Frame) -> tuple[tuple[Scalar, Node], ...]:
        """Return the entries of a mapping, those merged in with ``<<`` last; its own win over them."""
        if not frame.items:
            return tuple(frame.entries)
        entries = {key.text: (key, node) for key, node in frame.entries}
        for source in self._sources(frame.items):
            for key, node in source.entries:
                entries.setdefault(key.text, (key, node))
        return tuple(entries.values())

    def _sources(self, merges: Iterable[Node]) -> Iterable[Table]:
        for merge in merges:
            for source in merge.items if isinstance(merge, Listing) else (merge,):
                if isinstance(source, Table):
                    yield source
                else:
                    detail = "`<<` takes a mapping, or a list of mappings, to be laid under this one."
                    self._tell("CRM014", detail, source.position)

    # Looking closely

    def _refuse_nodes(self, position: Position) -> None:
        self._refuse(f"The file holds more than {self._limits.nodes:,} values. Split it into several files.", position)

    def _unescaped(self, text: str, position: Position) -> str:
        """Return a double-quoted text without what its escapes must not name."""
        control = _CONTROL_IN_VALUE.search(text)
        if control is not None:
            self.diagnostics.append(control_diagnostic(control.group(), position))
        if not text.isascii() and _SURROGATE.search(text):  # only the pure parser lets these through
            self._tell("CRM005", "Half a character is escaped here. Write the character itself.", position)
        return _SURROGATE.sub("?", text)

    def _tag(self, event: Any) -> None:
        line, column = event.start_mark.line, event.start_mark.column
        tag = _TAG.search(self._line(line), column)
        start, width = (column, 1) if tag is None else (tag.start(), tag.end() - tag.start())
        written = "This tag" if tag is None else f"The tag {tag.group()}"
        detail = f"{written} is not read: fields know their own types. Write the plain value."
        self._tell("CRM006", detail, Position(self._file, line + 1, start + 1, width))

    def _position(self, event: Any) -> Position:
        """Return where the text of *event* stands, without its anchor, marked to the end of its line at most."""
        start, end = event.start_mark, event.end_mark
        line, column = start.line, start.column
        if getattr(event, "anchor", None) is not None and not isinstance(event, yaml.AliasEvent):
            column = self._after_anchor(line, column)
        width = (end.column if end.line == line else len(self._line(line).rstrip())) - column
        return Position(self._file, line + 1, column + 1, max(width, 1))

    def _after_anchor(self, line: int, column: int) -> int:
        text = self._line(line)
        anchor = _ANCHOR.match(text, column)
        return anchor.end() if anchor is not None and anchor.end() < len(text) else column

    def _extent(self, frame: _Frame, event: Any) -> Position:
        """Return the place of a whole collection: its brackets when they share a line, else how it begins."""
        position, end = frame.position, event.end_mark
        if frame.is_flow and end.line == position.line - 1:
            return Position(self._file, position.line, position.column, end.column - position.column + 1)
        if frame.entries and frame.entries[0][0].position.line == position.line:
            return frame.entries[0][0].position
        return position

    @cached_property
    def _lines(self) -> tuple[str, ...]:
        return split_lines(self._text)  # few files need them

    def _line(self, number: int) -> str:
        return self._lines[number] if number < len(self._lines) else ""
