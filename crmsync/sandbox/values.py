"""
How values come in: one reader for each kind of field, from the JSON of a request to what is stored.

Facts: copper-api.md sections 3, 5.3 and 7. Where they are silent the sandbox is stricter than Copper.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

from crmsync.sandbox.codec import (
    Bad,
    as_int,
    local_day,
    read_day,
    read_id,
    read_list,
    read_number,
    read_text,
)
from crmsync.sandbox.countries import iso2
from crmsync.sandbox.custom import long_text, read_custom_fields
from crmsync.sandbox.replies import Json
from crmsync.sandbox.tables import ADDRESS_PARTS, BY_SINGULAR, OWN_STATUSES, STATUSES, FieldRow
from crmsync.sandbox.world import World

TAG_LENGTH = 50


def read(world: World, singular: str, field: FieldRow, value: Json) -> Any:
    """Return *value* as it is stored in *field* of a record of the type *singular*; raise `Bad`."""
    if field.kind == "custom_fields":
        return read_custom_fields(world, singular, value)
    return READERS[field.kind](world, field, value)


def _text(world: World, field: FieldRow, value: Json) -> str | None:
    text = _short(world, value, field.longest)
    if field.required and not (text or "").strip():
        raise Bad("can't be blank", "blank")
    return long_text(world, text)


def _id(world: World, field: FieldRow, value: Json) -> int | None:
    id = read_id(value)
    if id is None and field.required:
        raise Bad("can't be blank", "blank")
    if id is not None and not world.has(field.target, id):
        raise Bad(f"there is none with this id: {id}")
    return id


def _items(world: World, field: FieldRow, value: Json) -> list[dict[str, str | None]]:
    items = [_item(world, field, item) for item in read_list(value)]
    keys = [(item[field.key] or "").strip().casefold() for item in items]
    if field.unique and len(set(keys)) < len(keys):
        raise Bad("the same value is given twice", "taken")
    return items


def _item(world: World, field: FieldRow, item: Json) -> dict[str, str | None]:
    if not isinstance(item, dict):
        raise Bad(f"each entry must be an object with {field.key} and category")
    unknown = sorted(item.keys() - {field.key, "category"})
    if unknown and world.quirks.unknown_keys == "refuse":
        raise Bad(f"Unrecognized attributes specified: {', '.join(unknown)}", "unrecognized")
    text = _short(world, item.get(field.key), 255)
    if not (text or "").strip():
        raise Bad(f"{field.key} can't be blank", "blank")
    category = item.get("category")
    if category not in field.words and world.quirks.category == "other":
        category = "other"
    if category not in field.words:
        raise Bad(f"category must be one of {', '.join(w for w in field.words if w)}: {category}")
    return {field.key: ITEM_TEXT.get(field.key, _as_sent)(world, str(text)), "category": category}


def _short(world: World, value: Json, longest: int) -> str | None:
    """Return text that fits; whether Copper refuses or cuts what does not is not known (14, 10)."""
    if longest and isinstance(value, str) and world.quirks.long_text == "cut":
        value = value[:longest]
    return read_text(value, longest)


def _one_email(world: World, field: FieldRow, value: Json) -> dict[str, str | None] | None:
    """Return the one e-mail of a lead (4.5); null and an empty address clear it."""
    if value is None or (isinstance(value, dict) and value.get("email", 0) in ("", None)):
        return None
    return _item(world, field, value)


def _resource(world: World, field: FieldRow, value: Json) -> dict[str, Json] | None:
    """Return what a task or project belongs to; null and `{"id": null, "type": null}` are nothing."""
    if value is None or value in ({}, {"id": None, "type": None}):
        return None
    if not isinstance(value, dict):
        raise Bad("must be an object with id and type")
    unknown = sorted(value.keys() - {"id", "type"})
    if unknown and world.quirks.unknown_keys == "refuse":
        raise Bad(f"Unrecognized attributes specified: {', '.join(unknown)}", "unrecognized")
    kind, id = BY_SINGULAR.get(str(value.get("type"))), read_id(value.get("id"))
    if kind is None:
        raise Bad(f"there is no such type: {value.get('type')}")
    if id is None or world.visible(kind.plural, id) is None:
        raise Bad(f"there is none with this id: {id}")
    return {"id": id, "type": kind.singular}


def _time(world: World, field: FieldRow, value: Json) -> int | None:
    if value is None or value == "":
        return None
    stamp = as_int(value)
    if stamp is None or stamp < 0:
        raise Bad(f"must be unix seconds: {value}")
    local_day(stamp, world.account.zone)
    return stamp


def _email(world: World, text: str) -> str:
    local, _, domain = text.strip().rpartition("@")
    if not local or not domain or any(blank in text.strip() for blank in " \t\n"):
        raise Bad(f"is not an e-mail address: {text}")
    return text.strip().lower() if world.quirks.email_stored == "lower" else text


def _as_sent(world: World, text: str) -> str:
    return text


ITEM_TEXT: dict[str, Callable[[World, str], str]] = {"email": _email}


def _tags(world: World, field: FieldRow, value: Json) -> list[str]:
    tags = []
    for tag in read_list(value):
        text = (read_text(tag) or "").strip()
        text = (text.lower() if world.quirks.tags == "lower" else text)[:TAG_LENGTH]
        if text and text not in tags:
            # The same few tags are on many records.
            tags.append(sys.intern(text))
    return sorted(tags) if world.quirks.tags_order == "sorted" else tags


def _address(world: World, field: FieldRow, value: Json) -> dict[str, str | None] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Bad(f"must be an object with {', '.join(ADDRESS_PARTS)}")
    unknown = sorted(value.keys() - set(ADDRESS_PARTS))
    if unknown and world.quirks.unknown_keys == "refuse":
        raise Bad(f"Unrecognized attributes specified: {', '.join(unknown)}", "unrecognized")
    address = {part: _short(world, value[part], 255) for part in ADDRESS_PARTS if part in value}
    country = address.get("country")
    if country and world.quirks.country == "iso2":
        address["country"] = iso2(country)
    return address


def _close_date(world: World, field: FieldRow, value: Json) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise Bad(f"must be text such as 12/31/2026: {value}")
    return read_day(value, world.quirks.close_date_order).isoformat()


def _probability(world: World, field: FieldRow, value: Json) -> int | None:
    number = as_int(value)
    if value is not None and (number is None or not 0 <= number <= 100):
        raise Bad(f"must be a whole number from 0 to 100: {value}")
    return number


def _word(world: World, field: FieldRow, value: Json) -> str | None:
    if value not in field.words:
        raise Bad(f"must be one of {', '.join(w for w in field.words if w)}: {value}")
    word: str | None = value
    return word


def _status(world: World, field: FieldRow, value: Json) -> str | None:
    """Return one of the four words; a pipeline without revenue may have its own for them (quirk status_words)."""
    if world.quirks.status_words == "own" and value in OWN_STATUSES:
        value = STATUSES[OWN_STATUSES.index(value)]
    return _word(world, field, value)


def _unit(world: World, field: FieldRow, value: Json) -> str | None:
    unit = read_text(value)
    if unit is not None and not re.fullmatch("[A-Z]{3}", unit):
        raise Bad(f"must be three letters: {unit}")
    return unit


def _task_type(world: World, field: FieldRow, value: Json) -> int | None:
    id = read_id(value)
    if id is not None and id not in {kind.id for kind in world.account.activity_types}:
        raise Bad(f"there is none with this id: {id}")
    return id


READERS: dict[str, Callable[[World, FieldRow, Json], Any]] = {
    "text": _text,
    "mirror": _text,
    "id": _id,
    "items": _items,
    "tags": _tags,
    "address": _address,
    "close_date": _close_date,
    "money": lambda world, field, value: read_number(value),
    "probability": _probability,
    "email": _one_email,
    "resource": _resource,
    "time": _time,
    "word": _word,
    "status": _status,
    "unit": _unit,
    "task_type": _task_type,
}
