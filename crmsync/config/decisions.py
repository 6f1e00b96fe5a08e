"""``decisions.yaml``: what was left for the user to decide, with the choices that were written into it."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from crmsync.config.document import Document, parse
from crmsync.config.structure import is_empty_scalar
from crmsync.model.address import Address
from crmsync.model.codes import CODES
from crmsync.model.decisions import Choice, Decision, Seen
from crmsync.model.source import Diagnostic, Listing, Node, Position, Scalar, Table, in_file_order, is_null
from crmsync.model.suggest import did_you_mean

#: What a line may hold; only the first four are read, the others are for whoever decides.
ENTRIES = ("address", "field", "choice", "seen", "base", "file", "live", "was", "at", "result")


def read_decisions(document: Document) -> tuple[tuple[Decision, ...], tuple[Diagnostic, ...]]:
    """Return the lines of *document*, and what is wrong with it. One with nothing in it has nothing to decide."""
    reader = _Reader(document)
    decisions = tuple(reader.decisions())
    return decisions, in_file_order([*document.diagnostics, *reader.diagnostics])


def parse_decisions(data: bytes, file: str) -> Document:
    """Return the nodes of a file of decisions; that it is empty is no fault, as it would be of a file of records."""
    document = parse(data, file)
    faults = tuple(each for each in document.diagnostics if each.code is not CODES["CRM003"])
    return replace(document, diagnostics=faults)


class _Reader:
    """Reads one file."""

    def __init__(self, document: Document) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._root = document.root
        self._start = Position(document.file, 1, 1)

    def _tell(self, code: str, detail: str, position: Position) -> None:
        self.diagnostics.append(Diagnostic(CODES[code], detail, position))

    def decisions(self) -> Iterator[Decision]:
        seen: set[tuple[Address, str]] = set()
        for item in self._items():
            decision = self._decision(item)
            if decision is None:
                continue
            about = decision.address, decision.field
            if about in seen:
                self._tell("CRM010", f"{about[0]} {about[1]} is decided twice. Leave one of the lines.", item.position)
            seen.add(about)
            yield decision

    def _items(self) -> Iterator[Table]:
        if self._root is None:
            return
        listed = self._root.get("decisions") if isinstance(self._root, Table) else None
        if isinstance(listed, Scalar) and (is_null(listed) or is_empty_scalar(listed)):
            return
        if not isinstance(listed, Listing):
            self._tell("CRM014", "This file holds a list called `decisions`.", self._start)
            return
        for item in listed.items:
            if isinstance(item, Table):
                yield item
            else:
                self._tell("CRM014", "A decision is a line such as {address: ..., field: ..., choice: ...}.", item.position)

    def _decision(self, item: Table) -> Decision | None:
        for key, _ in item.entries:
            if key.text not in ENTRIES:
                detail = f'A decision has no entry called "{key.text}".{did_you_mean(key.text, ENTRIES)}'
                self._tell("CRM011", detail, key.position)
        texts = {name: self._text(item, name) for name in ("address", "field", "seen")}
        address = Address.parse(texts["address"] or "")
        file, _, live = (texts["seen"] or "").partition(".")
        if address is None or not texts["field"] or not file or not live:
            detail = "This line does not say what it is about any more. Remove it; crmsync writes it again if it matters."
            self._tell("CRM047", detail, item.position)
            return None
        choice = self._choice(item.get("choice"))
        base = item.get("base")
        confirmed = base.text if isinstance(base, Scalar) and not (is_null(base) or is_empty_scalar(base)) else None
        node = item.get("choice")
        position = node.position if node is not None and choice is not None else item.position
        return Decision(address, texts["field"], Seen(confirmed, file, live), choice, position, item)

    def _text(self, item: Table, name: str) -> str | None:
        node = item.get(name)
        return node.text if isinstance(node, Scalar) else None

    def _choice(self, node: Node | None) -> Choice | None:
        if node is None or is_empty_scalar(node) or is_null(node):
            return None
        words = [each.value for each in Choice]
        text = node.text if isinstance(node, Scalar) else ""
        if text in words:
            return Choice(text)
        detail = f'A choice is {", ".join(words[:-1])} or {words[-1]}, not "{text}".{did_you_mean(text, words)}'
        self._tell("CRM026", detail, node.position)
        return None
