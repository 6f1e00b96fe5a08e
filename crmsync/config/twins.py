"""Different addresses in the files that would be one record in Copper."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, EntityType, Field, Match
from crmsync.model.codes import CODES
from crmsync.model.records import Declared
from crmsync.model.source import Diagnostic
from crmsync.model.values import Lookup, Members, is_empty


def find_twins(records: Iterable[Declared], catalogue: Catalogue) -> Iterator[Diagnostic]:
    """
    Yield a complaint for every record that shares its natural key with an earlier one.

    A unique value (e-mail, domain) may stand in one record only. By the other rungs of the identity ladder records may
    be alike when one says `new: true`, or says by `id` which record of Copper it is.
    """
    by_type: dict[str, list[Declared]] = {}
    owners: dict[tuple[str, int], Declared] = {}
    for record in records:
        by_type.setdefault(record.address.type, []).append(record)
        if record.options.id is not None:
            first = owners.setdefault((record.address.type, record.options.id), record)
            if first is not record:
                detail = f"{first.address} names the record {record.options.id} as well ({first.position})."
                yield Diagnostic(CODES["CRM040"], detail, record.options.id_position, record.address)
    for name, of_type in by_type.items():
        yield from _twins_of_type(of_type, catalogue[name])


def _twins_of_type(records: list[Declared], entity: EntityType) -> Iterator[Diagnostic]:
    for field in entity.uniques:
        yield from _same(records, field, None, entity)
    for match in entity.match_on:
        field = entity.by_name[match.by]
        if not field.unique:
            yield from _same([each for each in records if _is_matched_by(match, each)], field, match.within, entity)


def _is_matched_by(match: Match, record: Declared) -> bool:
    """Say whether this rung of the ladder decides which record of Copper *record* is."""
    if record.options.is_new or record.options.id is not None:
        return False
    return match.where_empty is None or match.where_empty not in record.fields or not _keys(record, match.where_empty)


def _same(records: list[Declared], field: Field, within: str | None, entity: EntityType) -> Iterator[Diagnostic]:
    """Yield the records of which an earlier one has the same value of *field*, within the same reference."""
    first_with: dict[Hashable, Declared] = {}
    for record in records:
        scope = None if within is None else _scope(record, entity.by_name[within])
        for key in _keys(record, field.name):
            first = first_with.setdefault((key, scope), record)
            if first is not record:
                yield _diagnostic(record, first, field, key, within)


def _keys(record: Declared, name: str) -> list[str | int]:
    """Return what identifies a record by its field *name*: each member of a set, or the one value."""
    declared = record.fields.get(name)
    if declared is None:
        return []
    value = declared.value
    if isinstance(value, Members):
        return [member.key for member in value]
    return [value] if isinstance(value, str) and not is_empty(value) else []


def _scope(record: Declared, field: Field) -> Hashable:
    """Return the reference of *record* in *field*, the same however it is written."""
    declared = record.fields.get(field.name)
    value = None if declared is None else declared.value
    if isinstance(value, Lookup) and value.by == "key":
        return Address.parse(value.text) or Address(field.target or "", value.text)
    return value


def _diagnostic(record: Declared, first: Declared, field: Field, key: str | int, within: str | None) -> Diagnostic:
    place = first.fields[field.name].position
    detail = f'{first.address} has the {field.name} "{key}" as well ({place}).'
    if not field.unique:
        scope = "" if within is None else f" and the same {within}"
        detail = f'{first.address} has the {field.name} "{key}"{scope} as well ({place}). '
        detail += "If both are meant, write `crmsync: {new: true}` in one of them."
    return Diagnostic(CODES["CRM040"], detail, record.fields[field.name].position, record.address)
