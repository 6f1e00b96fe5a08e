"""Values that callers give to the body of a write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crmsync.client.book import Book
from crmsync.client.trouble import BadInput, a, bad
from crmsync.client.values import canonical
from crmsync.model.bodies import encode_fields
from crmsync.model.catalogue import EntityType, Field, Write
from crmsync.model.records import Observed
from crmsync.model.source import Diagnostic, Position
from crmsync.model.values import Value, is_empty

_GROUPS = ("address", "custom_fields")


@dataclass(frozen=True)
class Sheet:
    """The canonical values of one write; *routed* are those that Copper changes through another call."""

    entity: EntityType
    values: Mapping[str, Value]
    routed: Mapping[str, Value]

    @property
    def needs_observed(self) -> bool:
        """Whether the record must be read first: for the other parts of an address, or what a route replaces."""
        return bool(self.routed) or any(self.entity.by_name[name].part is not None for name in self.values)

    def body(self, book: Book, observed: Observed | None) -> dict[str, Any]:
        """Return the body to send."""
        return encode_fields(self.entity, self.values, observed, book.locale)


def sheet(book: Book, type_name: str, given: Mapping[str, Any], *, is_new: bool, pipeline: int | None = None) -> Sheet:
    """
    Return the canonical values of what a caller gave; *pipeline* is the one that the record is in.

    Raises BadInput with everything that is wrong; the line of a problem is the number of its field, from 1.
    """
    call = f"{type_name}.{'create' if is_new else 'update'}"
    entity = book.entity(type_name)
    problems: list[Diagnostic] = []
    values: dict[str, Value] = {}
    routed: dict[str, Value] = {}
    for number, name, value in _by_rank(entity, _flat(given)):
        place = Position(call, number, 1)
        try:
            row = book.field(type_name, name, place)
            _check_writable(entity, row, is_new, place)
            within = _within(row, values, pipeline)
            found = canonical(book, row, value, place, within)
        except BadInput as error:
            problems += error.diagnostics
            continue
        is_routed = not is_new and row.write is Write.CREATE
        (routed if is_routed else values)[row.name] = found
    problems += _missing(entity, values, is_new, Position(call, 1, 1))
    if problems:
        raise BadInput(problems)
    return Sheet(entity, values, routed)


def needs_pipeline(given: Mapping[str, Any]) -> bool:
    """Say whether a stage is given without its pipeline."""
    return "stage" in given and "pipeline" not in given and not isinstance(given["stage"], int)


#: The number of what a caller gave, from 1, the name of a field, its value.
_Given = tuple[int, str, Any]


def _flat(given: Mapping[str, Any]) -> Iterator[_Given]:
    """Yield the fields of ``address`` and ``custom_fields`` one by one; None for either clears all of it."""
    for number, (name, value) in enumerate(given.items(), 1):
        if name in _GROUPS and isinstance(value, Mapping):
            yield from ((number, f"{name}.{part}", each) for part, each in value.items())
        elif name == "address" and value is None:
            parts = ("street", "city", "state", "postal_code", "country")
            yield from ((number, f"address.{part}", None) for part in parts)
        else:
            yield number, name, value


def _by_rank(entity: EntityType, given: Iterator[_Given]) -> list[_Given]:
    """Return what narrows other fields before them: a pipeline before its stage."""
    narrowed = {row.name for row in entity.fields if row.within is not None}
    return sorted(given, key=lambda each: each[1] in narrowed)


def _within(row: Field, values: Mapping[str, Value], pipeline: int | None) -> int | None:
    if row.within is None:
        return None
    outer = values.get(row.within, pipeline)
    return outer if isinstance(outer, int) else None


def _check_writable(entity: EntityType, row: Field, is_new: bool, place: Position) -> None:
    if row.write is Write.NEVER:
        raise bad("CRM018", f'"{row.name}" of {a(entity.singular)} is computed by Copper and cannot be written.', place)
    if not is_new and row.write is Write.CREATE and row.route is None:
        raise bad("CRM018", f'"{row.name}" of {a(entity.singular)} can be given when it is created, and not changed.', place)


def _missing(entity: EntityType, values: Mapping[str, Value], is_new: bool, place: Position) -> Iterator[Diagnostic]:
    for row in entity.fields:
        is_cleared = row.name in values and is_empty(values[row.name])
        if row.required and (is_cleared or (is_new and row.name not in values)):
            detail = f'{a(entity.singular).capitalize()} needs "{row.name}": Copper does not keep one without it.'
            yield bad("CRM041", detail, place).diagnostics[0]
