"""
What one account adds to the catalogue: its custom fields, its label tables, its locale.

All of it comes from a handful of requests and is kept between runs; these functions turn what Copper answers into rows
and into the document that is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec.structs import replace

from crmsync.catalogue import kinds
from crmsync.catalogue.texts import canonical_text
from crmsync.model.catalogue import Catalogue, EntityType, Entry, Field, Kind, LabelTables, Locale, Write

Body = Mapping[str, Any]

_PAGE = "developer.copper.com/custom-fields/general/list-custom-field-definitions.html"

#: The kinds of custom field by Copper's ``data_type``; others are only looked at.
DATA_TYPES: Mapping[str, Kind] = {
    "String": kinds.TEXT,
    "Text": kinds.LONG_TEXT,
    "Dropdown": kinds.LABEL,
    "Date": kinds.DATE,
    "Checkbox": kinds.CHECKBOX,
    "Float": kinds.NUMBER,
    "URL": kinds.URL,
    "Percentage": kinds.PERCENTAGE,
    "Currency": kinds.MONEY,
    "MultiSelect": kinds.OPTIONS,
    "Connect": kinds.CONNECT,
}
_READ_ONLY = (kinds.CONNECT, kinds.OPAQUE)
_MAX_LENGTHS = {"String": 255}

DOCUMENT_FORMAT = 1


def with_account(catalogue: Catalogue, definitions: Sequence[Body], tables: LabelTables, locale: Locale) -> Catalogue:
    """
    Return *catalogue* with the fields, labels and locale of one account.

    Several custom fields of one type may have the same name (copper-api.md 5.1); then each is called ``Name#id``.
    """
    types = tuple(_with_custom_fields(entity, definitions) for entity in catalogue.types)
    labels = {**tables, **option_tables(definitions)}
    return replace(catalogue, types=types, labels=labels, locale=locale, has_account=True)


def _with_custom_fields(entity: EntityType, definitions: Sequence[Body]) -> EntityType:
    here = [each for each in definitions if entity.singular in each.get("available_on", ())]
    names = [_name(each) for each in here]
    fields = [
        _custom_field(each, name if names.count(name) == 1 else f"{name}#{each['id']}")
        for each, name in zip(here, names, strict=True)
    ]
    own = tuple(field for field in entity.fields if field.definition_id is None)
    return replace(entity, fields=(*own, *fields))


def _name(definition: Body) -> str:
    return canonical_text(str(definition["name"])) or f"#{definition['id']}"


def _custom_field(definition: Body, name: str) -> Field:
    data_type, id = str(definition["data_type"]), int(definition["id"])
    kind = DATA_TYPES.get(data_type, kinds.OPAQUE)
    return Field(
        name=f"custom_fields.{name}",
        kind=kind,
        key="custom_fields",
        doc=f"A custom field of this account, type {data_type}, definition {id}. ({_PAGE})",
        target=f"options/{id}" if kind.is_label else None,
        write=Write.NEVER if kind in _READ_ONLY else Write.ALWAYS,
        definition_id=id,
        max_length=_MAX_LENGTHS.get(data_type),
    )


def option_tables(definitions: Iterable[Body]) -> LabelTables:
    """Return the options of the custom fields that have some, by rank: Copper lists them in any order."""
    return {
        f"options/{definition['id']}": tuple(
            Entry(int(option["id"]), str(option["name"])) for option in sorted(definition["options"] or (), key=_rank)
        )
        for definition in definitions
        if "options" in definition
    }


def _rank(option: Body) -> tuple[int, int]:
    return int(option.get("rank") or 0), int(option["id"])


def label_tables(
    users: Iterable[Body] | None = None,
    pipelines: Iterable[Body] | None = None,
    contact_types: Iterable[Body] | None = None,
    customer_sources: Iterable[Body] | None = None,
    loss_reasons: Iterable[Body] | None = None,
) -> LabelTables:
    """Return the label tables of what Copper answered, those that were asked for; stages are those of the pipelines."""
    stages = None
    if pipelines is not None:
        pipelines = list(pipelines)
        stages = tuple(entry for each in pipelines for entry in _entries(each.get("stages") or (), int(each["id"])))
    tables = {
        "users": None if users is None else tuple(_user(each) for each in users),
        "pipelines": None if pipelines is None else _entries(pipelines),
        "stages": stages,
        "contact_types": None if contact_types is None else _entries(contact_types),
        "customer_sources": None if customer_sources is None else _entries(customer_sources),
        "loss_reasons": None if loss_reasons is None else _entries(loss_reasons),
    }
    return {name: entries for name, entries in tables.items() if entries is not None}


def _user(body: Body) -> Entry:
    email = body.get("email")
    name = str(body.get("name") or email or f"#{body['id']}")
    return Entry(int(body["id"]), name, also=(str(email),) if email else ())


def _entries(bodies: Iterable[Body], within: int | None = None) -> tuple[Entry, ...]:
    return tuple(Entry(int(each["id"]), str(each["name"]), within) for each in bodies)


def account_document(definitions: Sequence[Body], tables: LabelTables, locale: Locale) -> dict[str, Any]:
    """Return what is known of an account as JSON data; `read_account_document` reads it back."""
    return {
        "format": DOCUMENT_FORMAT,
        "definitions": [dict(each) for each in definitions],
        "tables": {name: [_entry_data(entry) for entry in entries] for name, entries in tables.items()},
        "locale": {
            "zone": locale.zone.key,
            "close_date_order": locale.close_date_order,
            "phone_region": locale.phone_region,
        },
    }


def catalogue_from_document(catalogue: Catalogue, document: Any) -> Catalogue:
    """Return *catalogue* with the account that an account document describes. Raises ValueError when it is none."""
    definitions, tables, locale = read_account_document(document)
    try:
        return with_account(catalogue, definitions, tables, locale)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("the definitions in the account document are damaged") from error


def _entry_data(entry: Entry) -> list[Any]:
    return [entry.id, entry.name, entry.within, list(entry.also)]


def read_account_document(document: Any) -> tuple[list[dict[str, Any]], LabelTables, Locale]:
    """Return definitions, label tables and locale of an account document. Raises ValueError when it is none."""
    try:
        if document["format"] != DOCUMENT_FORMAT:
            raise ValueError("the account document has another format")
        tables = {
            str(name): tuple(Entry(int(id), str(label), within, tuple(also)) for id, label, within, also in entries)
            for name, entries in document["tables"].items()
        }
        locale = document["locale"]
        zone = zone_of(locale["zone"])
        definitions = [dict(each) for each in document["definitions"]]
        return definitions, tables, Locale(zone, str(locale["close_date_order"]), str(locale["phone_region"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("the account document is damaged") from error


def zone_of(name: Any) -> ZoneInfo:
    """Return the time zone that Copper calls *name* (``primary_timezone``). Raises ValueError when there is none."""
    try:
        return ZoneInfo(str(name))
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(f'"{name}" is not a time zone') from error
