"""Values of fields: each is read by the kind of its field, never by what YAML would make of it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from crmsync.config.frame import CUSTOM_FIELDS, groups_of
from crmsync.config.plain import has_empty
from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, EntityType, Field, Locale, Write
from crmsync.model.codes import CODES
from crmsync.model.late import late
from crmsync.model.records import DeclaredField
from crmsync.model.source import Diagnostic, Node, Position, Problem, Scalar, Severity, Table, is_null
from crmsync.model.suggest import did_you_mean
from crmsync.model.values import Written

#: Declared fields by name; the parts of an address are fields of their own.
Fields = Mapping[str, DeclaredField]
#: Gives the row of a part of a nested field by its name, None where there is none.
Parts = Callable[[str], Field | None]

#: Makes a named tuple in half the time that its class takes.
_new: Any = tuple.__new__

_LOOKS_LIKE_NULL = ("~", "Null", "NULL")
#: Plain words that clear a field, or only look like it.
NULLS = frozenset({"null", *_LOOKS_LIKE_NULL})
_WITH_ID = late(r"(.*?)\s*#([0-9]+)")


class FieldReader:
    """Reads the fields of records by the rows of a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._groups = {entity.name: groups_of(entity) for entity in catalogue.types}
        self._custom = {entity.name: _by_label(entity) for entity in catalogue.types}
        self._plain = {entity.name: _plain_rows(entity, self._groups[entity.name]) for entity in catalogue.types}

    @property
    def locale(self) -> Locale:
        """What reading depends on beside the rows."""
        return self._catalogue.locale

    def read(self, table: Table, entity: EntityType, address: Address | None, diagnostics: list[Diagnostic]) -> Fields:
        """Return the fields that *table* declares, and add what is wrong with them to *diagnostics*."""
        fields: dict[str, DeclaredField] = {}
        for name, field, node in self._places(table, entity, address, diagnostics):
            value, problems = self._value(node, field)
            for each in problems:
                diagnostics.append(Diagnostic(each.code, each.detail, each.position, address, each.severity))
            if value is not None:
                fields[name] = value
        return fields

    def read_plain(self, table: Table, entity: EntityType) -> Fields | None:
        """
        Return the fields of a plain record, about which there is nothing to tell: neither here nor by the schema.

        None: it is not plain (see `crmsync.config.plain`), or something is to be told. Nearly all records are, and are read
        in half the time so.
        """
        fields: dict[str, DeclaredField] = {}
        take = self.plain_value
        for key, node in table.entries:
            row = self.plain_row(entity, key.text)
            if isinstance(row, Field):
                value = take(row, node)
                if value is None:
                    return None
                fields[row.name] = value
            elif row is None or not isinstance(node, Table):
                return None
            else:
                for part, inner in node.entries:
                    field = row(part.text)
                    value = None if field is None else take(field, inner)
                    if field is None or value is None:
                        return None
                    fields[field.name] = value
        return fields

    def plain_row(self, entity: EntityType, name: str) -> Field | Parts | None:
        """Return the row of a field, or what gives the rows of a nested one by its parts."""
        row = self._plain[entity.name].get(name)
        if row is None and name == CUSTOM_FIELDS and self._catalogue.has_account:
            return self._custom_row(entity)
        return row

    def plain_value(self, field: Field, node: Node) -> DeclaredField | None:
        """Return the value of one field, None when something is to be told of it."""
        if node.__class__ is Scalar:
            text, position, is_plain = node
            if is_plain and (not text or text in _LOOKS_LIKE_NULL):
                return None
            if text == "null" and is_plain:
                return DeclaredField(None, position) if field.write is not Write.NEVER else None
        elif has_empty(node):
            return None
        if field.write is Write.NEVER:
            return None
        value, problems = field.kind.read(node, field, self._catalogue.locale)
        return None if problems else _new(DeclaredField, (value, node.position))

    def _custom_row(self, entity: EntityType) -> Parts:
        """Return what gives the row of a custom field whose label leaves no doubt."""
        by_label = self._custom[entity.name]

        def row(label: str) -> Field | None:
            fields = by_label.get(label) or by_label.get(_folded(label), ())
            return fields[0] if len(fields) == 1 else None

        return row

    def names(
        self, written: Scalar, entity: EntityType, address: Address, diagnostics: list[Diagnostic]
    ) -> tuple[str, ...] | None:
        """
        Return the fields that a name in a policy or in `without` stands for: `address` for all its parts.

        None: there is no such field, which is not told here; only what is wrong with a custom field is.
        """
        text = written.text
        if text in entity.by_name:
            return (text,)
        if text in self._groups[entity.name]:
            return tuple(field.name for field in self._groups[entity.name][text].values())
        group, _, label = text.partition(".")
        if group == CUSTOM_FIELDS and not label:
            return tuple(field.name for fields in self._custom[entity.name].values() for field in fields)
        if group == CUSTOM_FIELDS:
            if not self._catalogue.has_account:
                return (text,)
            found = self._custom_field(label, written.position, entity, address, diagnostics)
            return (found[0],) if found is not None else ()
        return None

    # Which fields a record names, and where

    def _places(
        self, table: Table, entity: EntityType, address: Address | None, diagnostics: list[Diagnostic]
    ) -> Iterator[tuple[str, Field, Node]]:
        """Yield the declared fields with their nodes; names that do not exist are told by the schema."""
        groups = self._groups[entity.name]
        for key, node in table.entries:
            field = entity.by_name.get(key.text)
            if field is not None and "." not in key.text:
                yield field.name, field, node
            elif key.text in groups:
                yield from _parts(groups[key.text], node)
            elif key.text == CUSTOM_FIELDS and isinstance(node, Table) and self._catalogue.has_account:
                for label, value in node.entries:
                    found = self._custom_field(label.text, label.position, entity, address, diagnostics)
                    if found is not None:
                        yield *found, value

    def _custom_field(
        self, label: str, position: Position, entity: EntityType, address: Address | None, diagnostics: list[Diagnostic]
    ) -> tuple[str, Field] | None:
        """Return name and row of the custom field that a file calls *label* or ``label#id``."""
        by_label = self._custom[entity.name]
        fields = by_label.get(_folded(label), ())
        if len(fields) == 1:
            return fields[0].name, fields[0]
        if fields:
            ids = " or ".join(f'"{label}#{field.definition_id}"' for field in fields)
            detail = f'{entity.name} have {len(fields)} custom fields called "{label}". Write {ids}.'
            diagnostics.append(Diagnostic(CODES["CRM035"], detail, position, address))
            return None
        with_id = _WITH_ID.fullmatch(label)
        if with_id is not None:
            alike = by_label.get(_folded(with_id.group(1)), ())
            for field in alike:
                if field.definition_id == int(with_id.group(2)):
                    return field.name, field
        detail = f'{entity.name} have no custom field called "{label}".{did_you_mean(label, by_label)}'
        diagnostics.append(Diagnostic(CODES["CRM034"], detail, position, address))
        return None

    # What a value says

    def _value(self, node: Node, field: Field) -> tuple[DeclaredField | None, tuple[Problem, ...]]:
        """Return the value of one field, or None when it is not to be had."""
        if has_empty(node):
            return None, ()  # told by the schema check, with the name of what is empty
        if field.write is Write.NEVER:
            return None, self._read_only(node, field)
        if is_null(node):
            return DeclaredField(None, node.position), ()
        value, problems = self._read(node, field)
        if problems and any(problem.severity is Severity.ERROR for problem in problems):
            return None, problems
        return DeclaredField(value, node.position), problems

    def _read(self, node: Node, field: Field) -> tuple[Written, tuple[Problem, ...]]:
        """Return what the kind reads; for what only looks like null, text with a warning, or else an error."""
        value, problems = field.kind.read(node, field, self._catalogue.locale)
        if not (isinstance(node, Scalar) and node.text in _LOOKS_LIKE_NULL and node.is_plain):
            return value, problems
        if isinstance(value, str) and not problems:
            detail = f"`{node.text}` is text here. Put it in quotes to say so, or write null to clear the field."
            return value, (Problem(CODES["CRM016"], detail, node.position, Severity.WARNING),)
        detail = f"`{node.text}` is no value here. Write null to clear the field."
        return None, (Problem(CODES["CRM016"], detail, node.position),)

    def _read_only(self, node: Node, field: Field) -> tuple[Problem, ...]:
        if field.definition_id is None:
            return ()  # told by the schema check
        detail = f'"{field.name}" is computed by Copper and cannot be written. Remove the line.'
        return (Problem(CODES["CRM018"], detail, node.position),)


def _plain_rows(entity: EntityType, groups: Mapping[str, Mapping[str, Field]]) -> Mapping[str, Field | Parts]:
    """Return what a plain record may name: fields, and nested ones with their parts."""
    fields = {field.name: field for field in entity.fields if "." not in field.name}
    return {**fields, **{name: parts.get for name, parts in groups.items()}}


def _by_label(entity: EntityType) -> dict[str, tuple[Field, ...]]:
    """Return the custom fields of *entity* by label; several may have the same, their rows are called ``Label#id``."""
    by_label: dict[str, tuple[Field, ...]] = {}
    for field in entity.fields:
        if field.definition_id is not None:
            name = field.name.removeprefix(f"{CUSTOM_FIELDS}.")
            label = _folded(name.removesuffix(f"#{field.definition_id}") or name)
            by_label[label] = (*by_label.get(label, ()), field)
    return by_label


def _folded(label: str) -> str:
    """Return *label* as it is compared: composed, without blanks around it."""
    return unicodedata.normalize("NFC", label).strip()


def _parts(group: Mapping[str, Field], node: Node) -> Iterator[tuple[str, Field, Node]]:
    """Yield the parts of a nested field; null stands for every part."""
    if is_null(node):
        yield from ((field.name, field, node) for field in group.values())
    elif isinstance(node, Table):
        for key, value in node.entries:
            if key.text in group:
                yield group[key.text].name, group[key.text], value
