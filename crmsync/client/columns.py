"""The columns of tables: which ones, and what each shows of a record."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from crmsync.catalogue.filters import SEARCHES
from crmsync.client.copper import Copper
from crmsync.client.record import Record, column, flat
from crmsync.client.trouble import BadInput
from crmsync.model.catalogue import Field
from crmsync.model.source import Diagnostic


@dataclass(frozen=True)
class Column:
    """One column: its title, and the cell of a record."""

    title: str
    of: Callable[[Record], Any]


_OWN = {"id": Column("id", lambda record: record.id), "link": Column("link", lambda record: record.link)}


def usual_columns(copper: Copper, type_name: str) -> tuple[Column, ...]:
    """Return the columns that fit on a screen."""
    return chosen_columns(copper, type_name, SEARCHES[type_name].columns)


def all_columns(copper: Copper, type_name: str) -> tuple[Column, ...]:
    """Return every column: the id, each field, the ids behind references."""
    entity = copper.entity(type_name)
    return (_OWN["id"], *(each for row in entity.fields for each in _of_row(column(row, entity), row)))


def chosen_columns(copper: Copper, type_name: str, names: Iterable[str]) -> tuple[Column, ...]:
    """Return the columns that a caller names, titled so. Raises BadInput with every name that is none."""
    found: list[Column] = []
    problems: list[Diagnostic] = []
    for name in names:
        try:
            found.append(_OWN.get(name) or _of_field(copper, type_name, name))
        except BadInput as error:
            problems += error.diagnostics
    if problems:
        raise BadInput(problems)
    return tuple(found)


def local_columns(columns: Iterable[Column], zone: tzinfo) -> tuple[Column, ...]:
    """Return columns that show times in *zone*."""
    return tuple(_local(each, zone) for each in columns)


def _local(column: Column, zone: tzinfo) -> Column:
    def of(record: Record) -> Any:
        value = column.of(record)
        return value.astimezone(zone) if isinstance(value, datetime) else value

    return Column(column.title, of)


def _of_row(name: str, row: Field) -> tuple[Column, ...]:
    shown = Column(name, lambda record: flat(record.shown(row)))
    return (shown, _id_of(f"{name}_id", row)) if row.kind.is_reference else (shown,)


def _of_field(copper: Copper, type_name: str, name: str) -> Column:
    row = copper.field(type_name, name)
    is_id = name.endswith("_id") and row.name != name and (row.kind.is_reference or row.kind.is_label)
    return _id_of(name, row) if is_id else Column(name, lambda record: flat(record.shown(row)))


def _id_of(title: str, row: Field) -> Column:
    return Column(title, lambda record: record.value(row))
