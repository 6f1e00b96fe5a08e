"""
The JSON schemas of record files and of crmsync.yaml, generated from the catalogue's rows.

One schema serves both the editor (draft-07, which yaml-language-server reads) and the check when crmsync runs. Where one
of our codes says more than the rule that was broken, the rule carries it as its ``$comment``.
``python -m crmsync.catalogue.schema`` writes both into ``schemas/``; a test holds those files to the rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from crmsync.catalogue import CATALOGUE
from crmsync.model.address import KEY_PATTERN
from crmsync.model.catalogue import Catalogue, EntityType, Field, Write
from crmsync.model.records import Mode, OnAdopt, OnDelete, OnDrift

Schema = dict[str, Any]

_DRAFT = "http://json-schema.org/draft-07/schema#"
_SET_MODES = (Mode.OWN, Mode.ADD)

#: What a custom field may hold when the account's definitions are not known.
_ANY_VALUE: Schema = {
    "type": ["string", "number", "boolean", "null", "array"],
    "items": {"type": ["string", "number", "boolean"]},
}


def records_schema(catalogue: Catalogue) -> Schema:
    """Return the schema of a record file: its types, `moved` and `defaults`."""
    types = catalogue.types
    return {
        "$schema": _DRAFT,
        "$comment": "CRM012",
        "title": "crmsync record file",
        "description": "Records of Copper CRM as they should be, by type and key.",
        "type": "object",
        "properties": {
            **{entity.name: _records(entity) for entity in types},
            "moved": _moved(types),
            "defaults": {
                "description": "Fields laid under every record of a type in this file.",
                "type": "object",
                "properties": {entity.name: _object(_fields(entity)) for entity in types},
                "additionalProperties": False,
                "$comment": "CRM012",
            },
        },
        "additionalProperties": False,
        "definitions": {
            **{entity.singular: _record(entity) for entity in types},
            **_policies(types),
        },
    }


def settings_schema(catalogue: Catalogue = CATALOGUE) -> Schema:
    """Return the schema of crmsync.yaml."""
    settings = _settings(catalogue)
    top: Schema = {
        "crmsync": {"description": "The format of this file.", "enum": [1]},
        "project": {
            "description": "The lineage of the state, made by `crmsync init`. Never change it.",
            "type": ["string", "number"],
        },
        **settings,
        "default_profile": {"description": "The profile used when none is named.", "type": "string"},
        "profiles": {
            "description": "Settings laid over the others by name: maps merge, lists and single values replace.",
            "type": "object",
            "additionalProperties": {**_object(settings), "$comment": "CRM019"},
        },
    }
    return {
        "$schema": _DRAFT,
        "title": "crmsync.yaml",
        "description": "The settings of a crmsync project.",
        "$comment": "CRM019",
        **_object(top),
        "required": ["project"],
        "definitions": _policies(catalogue.types),
    }


def _object(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def _records(entity: EntityType) -> Schema:
    return {
        "description": entity.doc,
        "type": "object",
        "propertyNames": {"pattern": f"^{KEY_PATTERN.pattern}$"},
        "additionalProperties": {"$ref": f"#/definitions/{entity.singular}"},
    }


def _record(entity: EntityType) -> Schema:
    return _object({**_fields(entity), "crmsync": _options(entity)})


def _fields(entity: EntityType) -> Schema:
    """Return the properties for the fields of *entity*; the parts of an address and custom fields are nested."""
    properties: Schema = {}
    for field in entity.fields:
        group, dot, part = field.name.partition(".")
        if field.definition_id is not None:
            continue
        if not dot:
            properties[field.name] = _field(field)
            continue
        nested = properties.setdefault(group, {**_object({}), "type": ["object", "null"]})
        nested["properties"][part] = _field(field)
    return {**properties, "custom_fields": _custom_fields(entity)}


def _field(field: Field) -> Schema:
    if field.write is Write.NEVER:
        return {"description": field.doc, "readOnly": True, "not": {}, "$comment": "CRM018"}
    schema: Schema = {"description": field.doc, **_or_null(field.kind.schema)}
    if field.choices and not field.kind.is_set:
        schema = {"description": field.doc, "enum": [*field.choices, None]}
    if field.max_length is not None and not field.kind.is_set:
        schema["maxLength"] = field.max_length
    return schema


def _or_null(schema: Mapping[str, Any]) -> Schema:
    """Return *schema* with null allowed: it clears any field."""
    if "anyOf" in schema:
        branches = schema["anyOf"]
        return dict(schema) if {"type": "null"} in branches else {**schema, "anyOf": [*branches, {"type": "null"}]}
    opened = dict(schema)
    if "type" in schema:
        types = [schema["type"]] if isinstance(schema["type"], str) else list(schema["type"])
        opened["type"] = types if "null" in types else [*types, "null"]
    if "enum" in schema and None not in schema["enum"]:
        opened["enum"] = [*schema["enum"], None]
    return opened


def _custom_fields(entity: EntityType) -> Schema:
    """Return the schema of `custom_fields`: by label where the account's definitions are known, else by shape."""
    fields = [field for field in entity.fields if field.definition_id is not None]
    if not fields:
        return {"description": "Custom fields by label.", "type": "object", "additionalProperties": _ANY_VALUE}
    labels = {field.name.partition(".")[2]: _field(field) for field in fields}
    return {
        "description": "Custom fields by label; `Label#id` where several have the same.",
        **_object(labels),
        "patternProperties": {r"#[0-9]+$": _ANY_VALUE},
        "$comment": "CRM034",
    }


def _options(entity: EntityType) -> Schema:
    number: Schema = {"type": "integer", "minimum": 1, "maximum": 2**53}
    return {
        "description": "What crmsync should know about this record; nothing of it is sent to Copper.",
        **_object(
            {
                "id": {
                    "description": "Adopt exactly this record of Copper, or one for each profile.",
                    "anyOf": [number, {"type": "object", "additionalProperties": number}],
                },
                "new": {"description": "Create it although a likeness exists.", "type": "boolean"},
                "protect": {"description": "Never delete it, also when it is gone from the files.", "type": "boolean"},
                "policy": {"$ref": f"#/definitions/{entity.singular}_policy"},
                "without": {
                    "description": "Fields that are not managed here although `defaults` has them.",
                    "type": "array",
                    "items": {"type": "string"},
                },
            }
        ),
    }


def _moved(types: Iterable[EntityType]) -> Schema:
    names = "|".join(entity.name for entity in types)
    address: Schema = {
        "description": "Write the type, a dot and the key, such as companies.acme.",
        "type": "string",
        "pattern": rf"^({names})\.{KEY_PATTERN.pattern}$",
    }
    return {
        "description": "Records that have another address now, as `type.key`.",
        "type": "array",
        "items": {**_object({"from": address, "to": address}), "required": ["from", "to"]},
    }


def _words(words: type[StrEnum] | Iterable[StrEnum], doc: str) -> Schema:
    return {"description": doc, "enum": [word.value for word in words]}


def _rules() -> Schema:
    return {
        "on_drift": _words(OnDrift, "What happens to a field that was changed in Copper."),
        "on_adopt": _words(OnAdopt, "What happens to a field that differs when its record is adopted."),
    }


def _mode(is_set: bool) -> Schema:
    """Return the schema of a mode; `own` and `add` speak of members, so they are for sets only."""
    words = _words(Mode, "What crmsync does with the field.")
    return words if is_set else {**words, "not": {"enum": [mode.value for mode in _SET_MODES]}, "$comment": "CRM029"}


def _policies(types: Iterable[EntityType]) -> Schema:
    """Return the definitions that policies consist of: one for each type, two for their fields."""
    one, many = ({"anyOf": [_mode(is_set), _object({"mode": _mode(is_set), **_rules()})]} for is_set in (False, True))
    by_type = {f"{entity.singular}_policy": _policy(entity) for entity in types}
    return {**by_type, "policy_of_a_value": one, "policy_of_a_set": many}


def _field_rule(is_set: bool) -> Schema:
    return {"$ref": f"#/definitions/policy_of_a_{'set' if is_set else 'value'}"}


def _policy(entity: EntityType | None) -> Schema:
    """Return the schema of one `policy` entry, for one type or, without *entity*, for all."""
    rules: Schema = {
        "mode": _mode(is_set=True),
        **_rules(),
        "on_delete": _words(OnDelete, "What happens to a record that vanished from the files."),
    }
    if entity is None:
        return _object(rules)
    fields = [field for field in entity.fields if field.write is not Write.NEVER and field.definition_id is None]
    names = {name: field.kind.is_set for field in fields for name in (field.name, field.name.partition(".")[0])}
    by_field = {
        "description": "Rules of single fields.",
        **_object({name: _field_rule(is_set) for name, is_set in names.items()}),
        "patternProperties": {r"^custom_fields\.": _field_rule(is_set=True)},
    }
    return _object({**rules, "fields": by_field})


def _settings(catalogue: Catalogue) -> Schema:
    """Return the properties that a profile may replace as well."""
    limit: Schema = {
        "description": "Write a number of records, or a share such as 30%.",
        "type": ["integer", "string"],
        "minimum": 0,
        "pattern": "^(100|[0-9]{1,2})%$|^[0-9]{1,9}$",
    }
    count: Schema = {"description": "Write a whole number from 1.", "type": "integer", "minimum": 1}
    return {
        "account": {"description": "The id of the Copper account.", "type": ["integer", "null"], "minimum": 1},
        "records": {
            "description": "Files or folders with records.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        },
        "state": {"description": "Where crmsync remembers what it did.", "type": "string"},
        "phone_region": {
            "description": "The country of phone numbers without +, in two letters.",
            "type": "string",
            "pattern": "^[A-Z]{2}$",
        },
        "close_date_order": {"description": "How this account writes close dates.", "enum": ["mdy", "dmy"]},
        "pace": {
            "description": "What the account allows: requests a minute, bulk calls a second.",
            **_object({"requests": count, "bulk": count}),
        },
        "limits": {
            "description": "How many records one plan may touch, as a number or in percent.",
            **_object({"updates": limit, "deletes": limit, "adopts": limit, "from": {"type": "integer", "minimum": 0}}),
        },
        "runs": {
            "description": "How long copies of deleted records are kept, in days.",
            **_object({"keep": {"description": "Write days: 90d.", "type": "string", "pattern": "^[0-9]{1,4}d$"}}),
        },
        "stamp": {"description": "Whether records carry their address in a custom field.", "type": "boolean"},
        "policy": {
            "description": "Rules for all records (`*`) or those of a type.",
            **_object(
                {
                    "*": _policy(None),
                    **{entity.name: {"$ref": f"#/definitions/{entity.singular}_policy"} for entity in catalogue.types},
                }
            ),
            "$comment": "CRM012",
        },
    }


def render(schema: Schema) -> str:
    """Return *schema* as it is committed."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write both schemas into the ``schemas`` folder below the current one."""
    folder = Path("schemas")
    (folder / "records.schema.json").write_text(render(records_schema(CATALOGUE)), encoding="utf-8")
    (folder / "settings.schema.json").write_text(render(settings_schema()), encoding="utf-8")


if __name__ == "__main__":
    main()
