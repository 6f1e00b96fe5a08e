"""Different addresses in the files that would be one record in Copper."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

from msgspec import Struct

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, EntityType, Field, Match
from crmsync.model.codes import CODES
from crmsync.model.records import Declared
from crmsync.model.source import Diagnostic
from crmsync.model.values import Lookup, Members, is_empty


class Claim(Struct, frozen=True):
    """
    What one record alone may say of itself.

    *key* is the value of the field *by*, within what *scope* names; without *by* it is the id of a record of Copper.
    """

    by: str | None
    key: str | int
    within: str | None = None
    scope: Hashable = None


def claims(record: Declared, entity: EntityType) -> Iterator[Claim]:
    """
    Yield what no other record of the type may claim as well.

    A unique value (e-mail, domain) may stand in one record only. By the other rungs of the identity ladder records may
    be alike when one says `new: true`, or says by `id` which record of Copper it is.
    """
    if record.options.id is not None:
        yield Claim(None, record.options.id)
    for field in entity.uniques:
        for key in _keys(record, field.name):
            yield Claim(field.name, key)
    for match in entity.match_on:
        if not entity.by_name[match.by].unique and _is_matched_by(match, record):
            scope = None if match.within is None else _scope(record, entity.by_name[match.within])
            for key in _keys(record, match.by):
                yield Claim(match.by, key, match.within, scope)


def find_twins(records: Iterable[Declared], catalogue: Catalogue) -> Iterator[Diagnostic]:
    """Yield a complaint for every record that claims what an earlier one of its type does."""
    first_with: dict[tuple[str, Claim], Declared] = {}
    for record in records:
        entity = catalogue[record.address.type]
        for claim in claims(record, entity):
            first = first_with.setdefault((entity.name, claim), record)
            if first is not record:
                yield _diagnostic(record, first, claim, entity)


def _is_matched_by(match: Match, record: Declared) -> bool:
    """Say whether this rung of the ladder decides which record of Copper *record* is."""
    if record.options.is_new or record.options.id is not None:
        return False
    return match.where_empty is None or match.where_empty not in record.fields or not _keys(record, match.where_empty)


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


def _diagnostic(record: Declared, first: Declared, claim: Claim, entity: EntityType) -> Diagnostic:
    if claim.by is None:
        detail = f"{first.address} names the record {claim.key} as well ({first.position})."
        return Diagnostic(CODES["CRM040"], detail, record.options.id_position, record.address)
    field = entity.by_name[claim.by]
    place = first.fields[field.name].position
    detail = f'{first.address} has the {field.name} "{claim.key}" as well ({place}).'
    if not field.unique:
        scope = "" if claim.within is None else f" and the same {claim.within}"
        detail = f'{first.address} has the {field.name} "{claim.key}"{scope} as well ({place}). '
        detail += "If both are meant, write `crmsync: {new: true}` in one of them."
    return Diagnostic(CODES["CRM040"], detail, record.fields[field.name].position, record.address)
