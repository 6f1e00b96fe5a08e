"""
Which records need no schema: those of which it is plain that it finds nothing in them.

The schema decides what is wrong, and asking it takes ten times as long as all the rest of reading. Nearly every record
names known fields only and leaves nothing empty; of those the schema has nothing to say (a law in tests/config). What is
in any way unusual is odd, and odd records are what `check_structure` looks at.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from crmsync.config.frame import CUSTOM_FIELDS, groups_of
from crmsync.model.address import KEY_PATTERN
from crmsync.model.catalogue import Catalogue, EntityType, Write
from crmsync.model.source import Listing, Node, Scalar, Table, is_null

#: What a record may name: None for a field, the names of its parts for a nested one.
Names = Mapping[str, frozenset[str] | None]


class PlainRecords:
    """Tells plain records from odd ones, by the rows of a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._names = {entity.name: _names(entity) for entity in catalogue.types}
        self._has_account = catalogue.has_account

    def odd_part(self, root: Node | None, seen: Container[int] = ()) -> Node | None:
        """Return *root* without the records that are plain, or were *seen* to be (by `id`); None when nothing is left."""
        if not isinstance(root, Table):
            return root
        odd = [(key, self._odd_records(key.text, node, seen)) for key, node in root.entries]
        left = tuple((key, node) for key, node in odd if node is not None)
        return Table(left, root.position) if left else None

    def _odd_records(self, type_name: str, node: Node, seen: Container[int]) -> Node | None:
        names = self._names.get(type_name)
        if names is None or not isinstance(node, Table):
            return node
        is_key = KEY_PATTERN.fullmatch
        left = (entry for entry in node.entries if id(entry[1]) not in seen)
        odd = tuple((key, each) for key, each in left if not (is_key(key.text) and self._is_plain(each, names)))
        return Table(odd, node.position) if odd else None

    def _is_plain(self, record: Node, names: Names) -> bool:
        if not isinstance(record, Table):
            return False
        for key, node in record.entries:
            name = key.text
            if name == CUSTOM_FIELDS:
                if not self._is_plain_custom(node):
                    return False
            elif name not in names or not _is_plain_field(node, names[name]):
                return False
        return True

    def _is_plain_custom(self, node: Node) -> bool:
        if not isinstance(node, Table) or has_empty(node):
            return False
        return self._has_account or all(_is_short(value) for _, value in node.entries)


def has_empty(node: Node) -> bool:
    """Say whether anything in *node* was left unwritten."""
    if isinstance(node, Scalar):
        return not node.text and node.is_plain
    if isinstance(node, Listing):
        return any((not each.text and each.is_plain) if each.__class__ is Scalar else has_empty(each) for each in node.items)
    for _, child in node.entries:
        if child.__class__ is Scalar:
            if not child.text and child.is_plain:
                return True
        elif has_empty(child):
            return True
    return False


def _names(entity: EntityType) -> Names:
    fields = {field.name: None for field in entity.fields if "." not in field.name and field.write is not Write.NEVER}
    return {**fields, **{name: frozenset(parts) for name, parts in groups_of(entity).items()}}


def _is_plain_field(node: Node, parts: frozenset[str] | None) -> bool:
    if isinstance(node, Scalar):
        return parts is None and (bool(node.text) or not node.is_plain)
    if parts is None:
        return not has_empty(node)
    return isinstance(node, Table) and not has_empty(node) and all(key.text in parts for key, _ in node.entries)


def _is_short(node: Node) -> bool:
    if isinstance(node, Listing):
        return all(isinstance(each, Scalar) and not is_null(each) for each in node.items)
    return isinstance(node, Scalar)
