"""Bodies: records as Copper sends and takes them, to canonical values and back."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct

from crmsync.model.catalogue import EntityType, Field, Locale, Write
from crmsync.model.records import Observed
from crmsync.model.values import Value

CUSTOM_FIELDS = "custom_fields"


class NoRecord(ValueError):
    """What Copper shows is no record, or has values that its fields do not hold."""


class Sent(Struct, frozen=True):
    """What a request said of one record: the values of fields, and the body that they went in."""

    values: Mapping[str, Value]
    body: Mapping[str, Any]


NOTHING_SENT = Sent({}, {})


def decode_body(entity: EntityType, body: Mapping[str, Any], locale: Locale, sent: Sent = NOTHING_SENT) -> Observed:
    """
    Return the record in *body*, with a canonical value for every field of *entity*; what is missing is empty.

    *sent* is the request that *body* answers: what is there just as it was sent is that very value again, for what a value
    is encoded to decodes to it. Raises NoRecord.
    """
    id = body.get("id")
    if isinstance(id, bool) or not isinstance(id, int) or id <= 0:
        raise NoRecord(f"this is no {entity.singular}: it has no id")
    custom, sent_custom = _custom_values(entity, id, body), _custom_values(entity, id, sent.body)
    values = sent.values
    fields = {}
    for field in entity.fields:
        name = field.name
        try:
            data = _wire_value(field, body, custom)
            if name in values and _is_alike(data, _wire_value(field, sent.body, sent_custom)):
                fields[name] = values[name]
            else:
                fields[name] = field.kind.decode(data, locale)
        except ValueError as error:
            raise NoRecord(f"{name} of {entity.singular} {id}: {error}") from error
    modified = body.get("date_modified")
    return Observed(entity.name, id, fields, modified if isinstance(modified, int) else None, body)


def _is_alike(data: Any, wire: Any) -> bool:
    return data.__class__ is wire.__class__ and bool(data == wire)  # 1 and true are equal, and are not the same


def _custom_values(entity: EntityType, id: int, body: Mapping[str, Any]) -> Mapping[int, Any]:
    """Return the custom values by definition: their order means nothing (copper-api.md section 3)."""
    try:
        return {each["custom_field_definition_id"]: each.get("value") for each in body.get(CUSTOM_FIELDS) or ()}
    except (KeyError, TypeError, AttributeError) as error:
        raise NoRecord(f"{CUSTOM_FIELDS} of {entity.singular} {id} is not a list of values by definition") from error


def _wire_value(field: Field, body: Mapping[str, Any], custom: Mapping[int, Any]) -> Any:
    if field.definition_id is not None:
        return custom.get(field.definition_id)
    value = body.get(field.key)
    if field.part is None or value is None:
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"{field.key} has no parts")
    return value.get(field.part)


def encode_fields(
    entity: EntityType,
    values: Mapping[str, Value],
    observed: Observed | None,
    locale: Locale,
    *,
    all_custom_fields: bool = False,
) -> dict[str, Any]:
    """
    Return a body with the fields in *values* and, of what was *observed*, only what must go with them.

    That is the other parts of an address, which Copper may replace whole, and, with *all_custom_fields*, the other custom
    values, for accounts seen to replace rather than merge them. None clears.
    """
    body: dict[str, Any] = {}
    custom: dict[int, Any] = {}
    for name, value in values.items():
        field = entity.by_name[name]
        assert field.write is not Write.NEVER, name
        encoded = field.kind.encode(value, locale)
        if field.definition_id is not None:
            custom[field.definition_id] = encoded
        elif field.part is not None:
            body.setdefault(field.key, _other_parts(entity, field, observed, locale))[field.part] = encoded
        else:
            body[field.key] = encoded
    if all_custom_fields and observed is not None and custom:
        custom = {**_known_custom_values(entity, observed), **custom}
    if custom:
        body[CUSTOM_FIELDS] = [{"custom_field_definition_id": id, "value": custom[id]} for id in sorted(custom)]
    return body


def _other_parts(entity: EntityType, field: Field, observed: Observed | None, locale: Locale) -> dict[str, Any]:
    """Return all parts of the nested object of *field* as observed, in Copper's own spelling where that is known."""
    if observed is None:
        return {}
    parts = [each for each in entity.fields if each.key == field.key and each.part is not None]
    if field.key in observed.body:
        shown = observed.body[field.key]
        return {str(each.part): shown.get(str(each.part)) if isinstance(shown, Mapping) else None for each in parts}
    return {str(each.part): each.kind.encode(observed.fields.get(each.name), locale) for each in parts}


def _known_custom_values(entity: EntityType, observed: Observed) -> dict[int, Any]:
    """Return the custom values that are set, as Copper showed them, but for those that cannot be written."""
    fixed = {field.definition_id for field in entity.fields if field.write is Write.NEVER}
    shown = _custom_values(entity, observed.id, observed.body)
    return {id: _plain(value) for id, value in shown.items() if id not in fixed and value not in (None, "", [])}


def _plain(value: Any) -> Any:
    """Return *value* as `json` writes it; bodies hold exact numbers."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
