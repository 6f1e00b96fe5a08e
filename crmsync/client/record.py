"""One record as callers see it: a mapping of fields, labels in place of ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from crmsync.client.book import Book
from crmsync.client.values import Named, shown
from crmsync.copper.errors import ServerTrouble
from crmsync.model.bodies import CUSTOM_FIELDS, decode_body
from crmsync.model.catalogue import EntityType, Field
from crmsync.model.records import Observed
from crmsync.model.values import Members, Value

_JOINT = "; "
_AMOUNTS = frozenset({"number", "money"})


@dataclass(frozen=True, eq=False, repr=False)
class Record(Named, Mapping[str, Any]):
    """
    One record: ``record["name"]``, ``record["address"]["city"]``, ``record["Renewal date"]``.

    *raw* is the body as Copper sent it.
    """

    type_name: str
    body: Mapping[str, Any]
    book: Book = field(repr=False)

    @property
    def type(self) -> str:
        """The type, in the plural: ``people``."""
        return self.type_name

    @property
    def id(self) -> int:
        """The id in Copper."""
        return int(self.body["id"])

    @property
    def link(self) -> str | None:
        """The address of the record in Copper's web application."""
        return self.book.link(self.entity, self.id)

    @cached_property
    def raw(self) -> Mapping[str, Any]:
        """The body as Copper sent it: ids for labels, dates as on the wire."""
        plain: Mapping[str, Any] = _plain(self.body)
        return plain

    @cached_property
    def ids(self) -> Mapping[str, Any]:
        """The ids behind labels and references, by field."""
        rows = [row for row in self.entity.fields if row.kind.is_label or row.kind.is_reference]
        return {_bare(row): _ids(self.value(row)) for row in rows}

    @cached_property
    def entity(self) -> EntityType:
        """The row of the catalogue, as it was known when the record was first looked at."""
        return self.book.entity(self.type_name)

    @cached_property
    def observed(self) -> Observed:
        """The canonical values. Raises ServerTrouble for a body that is no record of this type."""
        try:
            return decode_body(self.entity, self.body, self.book.locale)
        except ValueError as error:
            raise ServerTrouble(f"Copper's answer cannot be understood: {error}.") from error

    def value(self, row: Field) -> Value:
        """Return the canonical value of a field."""
        return self.observed.fields[row.name]

    def __getitem__(self, name: str) -> Any:
        if name == "id":
            return self.id
        if name in self._groups:
            return {row.name.partition(".")[2]: self.shown(row) for row in self._groups[name]}
        row = self._by_name.get(name) or self._by_name.get(f"{CUSTOM_FIELDS}.{name}")
        if row is None:
            raise KeyError(name)
        return self.shown(row)

    def __iter__(self) -> Iterator[str]:
        yield "id"
        yield from dict.fromkeys(row.name.partition(".")[0] for row in self.entity.fields)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Record):
            return self.observed == other.observed
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self.type, self.id))

    def __repr__(self) -> str:
        return f"<{self.type} {self.id} {self.body.get('name') or ''}>".replace(" >", ">")

    def to_row(self) -> dict[str, Any]:
        """
        Return the record as flat columns: parts of an address and custom fields each have one, lists are joined by "; ".

        A reference has its name and, as ``company_id``, its id. Amounts are floats, also when they are whole: a data frame
        guesses the type of a column from its first rows.
        """
        row: dict[str, Any] = {"id": self.id}
        for field_row in self.entity.fields:
            name, value = column(field_row, self.entity), flat(self.shown(field_row))
            row[name] = float(value) if field_row.kind.name in _AMOUNTS and value is not None else value
            if field_row.kind.is_reference:
                row[f"{name}_id"] = self.value(field_row)
        return row

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain nested data, as a record file has it; an address without any part is None."""
        whole = {name: self[name] for name in self}
        empty = [name for name in self._groups if name != CUSTOM_FIELDS and not any(whole[name].values())]
        return {**whole, **dict.fromkeys(empty)}

    def shown(self, row: Field) -> Any:
        """Return the value of a field as callers see it."""
        return shown(self.book, row, self.value(row), self.body)

    @property
    def _by_name(self) -> Mapping[str, Field]:
        return self.entity.by_name

    @cached_property
    def _groups(self) -> Mapping[str, list[Field]]:
        groups: dict[str, list[Field]] = {CUSTOM_FIELDS: []}
        for row in self.entity.fields:
            if "." in row.name:
                groups.setdefault(row.name.partition(".")[0], []).append(row)
        return groups


def column(row: Field, entity: EntityType) -> str:
    """Return the name of a field's column: a custom field has its own, unless another field is called so."""
    bare = _bare(row)
    return row.name if bare != row.name and bare in entity.by_name else bare


def row_columns(entity: EntityType) -> Iterator[str]:
    """Yield the columns of `Record.to_row`."""
    yield "id"
    for row in entity.fields:
        yield column(row, entity)
        if row.kind.is_reference:
            yield f"{column(row, entity)}_id"


def flat(value: Any) -> Any:
    """Return a value for one cell: what is listed is joined, of a mapping its text."""
    if isinstance(value, list):
        return _JOINT.join(str(flat(each)) for each in value) or None
    if isinstance(value, dict):
        texts = [text for key, text in value.items() if key != "category" and text is not None]
        return _JOINT.join(map(str, texts)) or None
    return value


def _bare(row: Field) -> str:
    return row.name.removeprefix(f"{CUSTOM_FIELDS}.") if row.definition_id is not None else row.name


def _ids(value: Value) -> Any:
    return [member.key for member in value] if isinstance(value, Members) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
