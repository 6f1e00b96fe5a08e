"""The part of the records schema that the kinds do not see to: types, keys, names of fields, the reserved key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crmsync.model.catalogue import Catalogue, EntityType, Field, Write

CUSTOM_FIELDS = "custom_fields"


def frame(schema: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    """
    Return *schema* without what it says about the values of fields.

    Those are for the kinds to judge, which know more (dates that exist, digits of a number) and say it better; asking
    both would tell every mistake twice and take twice as long.
    """
    definitions = dict(schema.get("definitions", {}))
    properties = dict(schema.get("properties", {}))
    defaults = dict(properties.get("defaults", {}).get("properties", {}))
    for entity in catalogue.types:
        for rules, name in ((definitions, entity.singular), (defaults, entity.name)):
            if name in rules:
                rules[name] = _without_values(rules[name], entity, catalogue.has_account)
    if defaults:
        properties["defaults"] = {**properties["defaults"], "properties": defaults}
    return {**schema, "definitions": definitions, "properties": properties}


def groups_of(entity: EntityType) -> dict[str, dict[str, Field]]:
    """Return the nested fields by the name of their mapping and their own: `address` and its parts."""
    groups: dict[str, dict[str, Field]] = {}
    for field in entity.fields:
        group, dot, part = field.name.partition(".")
        if dot and field.definition_id is None:
            groups.setdefault(group, {})[part] = field
    return groups


def _without_values(rule: Mapping[str, Any], entity: EntityType, has_account: bool) -> dict[str, Any]:
    properties = dict(rule["properties"])
    groups = groups_of(entity)
    for name, inner in properties.items():
        field = entity.by_name.get(name)
        if field is not None and field.write is not Write.NEVER:
            properties[name] = {}
        elif name in groups:
            properties[name] = {**inner, "properties": {part: {} for part in inner["properties"]}}
    if has_account:
        properties[CUSTOM_FIELDS] = {"type": "object"}
    return {**rule, "properties": properties}
