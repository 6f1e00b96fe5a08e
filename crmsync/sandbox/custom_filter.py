"""The custom_fields filter of a search (copper-api.md 6.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from crmsync.sandbox.account import Definition
from crmsync.sandbox.codec import Bad, as_int, read_id, read_number
from crmsync.sandbox.replies import Json, server_error
from crmsync.sandbox.store import Record
from crmsync.sandbox.world import World

if TYPE_CHECKING:
    from crmsync.sandbox.filters import FilterRow, Test

Check = Callable[[Any], bool]


def custom_filter(world: World, row: FilterRow, value: Json) -> Test:
    """Return a test that holds where every entry of the filter holds."""
    checks = [_check(world, entry) for entry in (value if isinstance(value, list) else [value])]

    def test(record: Record) -> bool:
        return all(check(record["custom_fields"].get(id)) for id, check in checks)

    return test


def _check(world: World, entry: Json) -> tuple[int, Check]:
    if not isinstance(entry, dict):
        raise Bad("each entry must be an object with custom_field_definition_id")
    definition = world.account.by_definition.get(read_id(entry.get("custom_field_definition_id")) or 0)
    if definition is None or not definition.is_filterable:
        raise Bad("there is no filterable custom field with this id")
    make = CHECKS.get(definition.data_type)
    if make is None:
        # String, Text and URL are documented as not searchable; one of them answered 500 (6.2).
        if world.quirks.text_filter == "error" and "allow_empty" in entry:
            raise server_error()
        raise Bad(f"a {definition.data_type} field cannot be searched")
    return definition.id, make(definition, entry)


def _options(entry: dict[str, Json]) -> set[int]:
    raw = entry.get("value", [])
    ids = [as_int(item) for item in (raw if isinstance(raw, list) else [raw])]
    if None in ids:
        raise Bad(f"IDs must be positive integers: {raw}")
    return {id for id in ids if id is not None}


def _dropdown(definition: Definition, entry: dict[str, Json]) -> Check:
    wanted, allows_empty = _options(entry), entry.get("allow_empty") is True
    return lambda value: allows_empty if value is None else value in wanted


def _multiselect(definition: Definition, entry: dict[str, Json]) -> Check:
    wanted, allows_empty = _options(entry), entry.get("allow_empty") is True
    option = str(entry.get("option", "ANY")).upper()
    if option not in ("ANY", "ALL", "NONE"):
        raise Bad(f"option must be ANY, ALL or NONE: {option}")

    def check(value: Any) -> bool:
        have = set(value or ())
        if not have:
            return allows_empty or option == "NONE"
        return {"ANY": bool(wanted & have), "ALL": wanted <= have, "NONE": not wanted & have}[option]

    return check


def _range(definition: Definition, entry: dict[str, Json]) -> Check:
    low = read_number(entry.get("minimum_value", entry.get("value")))
    high = read_number(entry.get("maximum_value", entry.get("value")))
    if low is None and high is None:
        raise Bad("minimum_value or maximum_value is needed")

    def check(value: Any) -> bool:
        return value is not None and (low is None or value >= low) and (high is None or value <= high)

    return check


def _checkbox(definition: Definition, entry: dict[str, Json]) -> Check:
    wanted = entry.get("value")
    if not isinstance(wanted, bool):
        raise Bad(f"value must be true or false: {wanted}")
    return lambda value: bool(value) is wanted


CHECKS: dict[str, Callable[[Definition, dict[str, Json]], Check]] = {
    "Dropdown": _dropdown,
    "MultiSelect": _multiselect,
    "Date": _range,
    "Percentage": _range,
    "Currency": _range,
    "Float": _range,
    "Checkbox": _checkbox,
}
