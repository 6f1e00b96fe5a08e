"""The schemas for editors: valid, generated from the rows, and committed as generated."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from crmsync.catalogue import CATALOGUE
from crmsync.catalogue.schema import Schema, records_schema, render, settings_schema

from . import tiny

ROOT = Path(__file__).parents[2]
SCHEMAS = {"records.schema.json": records_schema(CATALOGUE), "settings.schema.json": settings_schema()}


@pytest.mark.parametrize(("name", "schema"), SCHEMAS.items(), ids=SCHEMAS.keys())
def test_the_committed_schemas_are_fresh(name: str, schema: Schema) -> None:
    """``python -m crmsync.catalogue.schema`` would change nothing."""
    assert render(schema) == (ROOT / "schemas" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_the_schemas_are_valid_draft_7(schema: Schema) -> None:
    """Editors read draft-07."""
    Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("value", ["NO", 12, 1.5, True, None])
def test_a_text_field_takes_any_scalar(value: object) -> None:
    """An editor that reads `00501` as a number does not complain about a text field."""
    validator = Draft7Validator(records_schema(tiny.CATALOGUE))

    assert list(validator.iter_errors({"companies": {"a": {"name": value, "address": {"postal_code": value}}}})) == []


def test_known_custom_fields_are_properties() -> None:
    """The schema of a known account lists its custom fields by label."""
    schema = records_schema(tiny.with_custom(tiny.custom("Tier", 1), tiny.custom("Seats", 2, tiny.NUMBER)))

    assert {
        label: rule["type"]
        for label, rule in schema["definitions"]["company"]["properties"]["custom_fields"]["properties"].items()
    } == {"Tier": ["string", "number", "boolean", "null"], "Seats": ["number", "null"]}
