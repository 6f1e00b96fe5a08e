"""
The events as a JSON Schema, made from the same structs as the codec: the contract of the log for whoever reads one.

``python -m crmsync.state.schema`` writes ``schemas/events.schema.json`` below the current folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from msgspec import Struct
from msgspec.structs import fields

from crmsync.model.address import Address
from crmsync.model.events import EVENT_FORMAT, Applied
from crmsync.state.kinds import KINDS

_PLAIN: Mapping[Any, Mapping[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
    Address: {"type": "string", "pattern": r"^[a-z_]+\.[A-Za-z0-9_.@+\-]{1,100}$"},
}


def events_schema() -> dict[str, Any]:
    """Return the schema of one segment of the log."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A segment of crmsync's state: events, oldest first",
        "type": "object",
        "properties": {
            "format": {"const": EVENT_FORMAT},
            "events": {"type": "array", "items": {"oneOf": [_event(name, kind) for name, kind in KINDS.items()]}},
        },
        "required": ["format", "events"],
        "additionalProperties": False,
    }


def _event(name: str, kind: type) -> dict[str, Any]:
    schema = _schema(kind)
    schema["properties"] = {"event": {"const": name}, **schema["properties"]}
    schema["required"] = ["event", *schema["required"]]
    return {"title": name, "description": " ".join((kind.__doc__ or "").split()), **schema}


def _schema(hint: Any) -> dict[str, Any]:
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    origin, inner = get_origin(hint), get_args(hint)
    if origin is UnionType:
        return {"anyOf": [_schema(each) for each in inner]}
    if origin is tuple and inner[-1] is Ellipsis:
        return {"type": "array", "items": _schema(inner[0])}
    if origin is tuple:
        return {"type": "array", "prefixItems": [_schema(each) for each in inner], "items": False}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _schema(inner[1])}
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return {"enum": [member.value for member in hint]}
    assert issubclass(hint, Struct), hint
    needed = [each.name for each in fields(hint) if each.required]
    properties = {each.name: _schema(each.type) for each in fields(hint)}
    schema = {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}
    return (
        {"anyOf": [dict(_PLAIN[str]), schema]} if hint is Applied else schema
    )  # the codec's short form: asked, and so answered


def render() -> str:
    """Return the schema as it is committed."""
    return json.dumps(events_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (Path("schemas") / "events.schema.json").write_text(render(), encoding="utf-8")
