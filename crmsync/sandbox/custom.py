"""Custom field values: coming in, going out (copper-api.md 5.3 and copper-field.md 2.7)."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from itertools import chain
from random import Random
from typing import Any

from crmsync.sandbox.account import Definition
from crmsync.sandbox.codec import (
    Bad,
    as_int,
    local_day,
    midnight,
    read_day,
    read_id,
    read_list,
    read_number,
    read_text,
)
from crmsync.sandbox.replies import Json, dump_text
from crmsync.sandbox.tables import BY_SINGULAR
from crmsync.sandbox.world import World

ITEM_KEYS = {"custom_field_definition_id", "value", "computed_value"}
#: Custom fields as JSON, each by its id.
Dumped = list[tuple[int, str]]
#: Of the same fields without a value 64 orders are at hand: to shuffle them anew took most of a page's time.
_ORDER_BITS = 6
#: Of so many different sets of them.
_MOST_ORDERED = 1_000
UNSET: dict[str, Json] = {"MultiSelect": (), "Connect": (), "Checkbox": False}


def unset(world: World, definition: Definition) -> Json:
    """Return what a reply shows for a custom field without a value: null, [] or false (5.3; quirk unset_values)."""
    value = UNSET.get(definition.data_type) if world.quirks.unset_values == "typed" else None
    return [] if value == () else value


def read_custom_fields(world: World, singular: str, value: Json) -> dict[int, Any]:
    """Return the values sent, by definition id, as they are stored; an unset one is there as None."""
    values: dict[int, Any] = {}
    for item in read_list(value):
        definition = _definition(world, singular, item)
        try:
            read = READERS[definition.data_type](world, definition, item["value"])
        except Bad as bad:
            raise Bad(f"{definition.name}: {bad.why}", bad.code) from bad
        if definition.id in values:
            raise Bad(f"{definition.name}: the same field is given twice")
        # Not `in (None, [], False)`: 0 equals False, and 0 is a value.
        values[definition.id] = None if read is False or read == [] else read
    return values


def _definition(world: World, singular: str, item: Json) -> Definition:
    if not isinstance(item, dict) or not {"custom_field_definition_id", "value"} <= item.keys():
        raise Bad("each entry must be an object with custom_field_definition_id and value")
    unknown = sorted(item.keys() - ITEM_KEYS)
    if unknown and world.quirks.unknown_keys == "refuse":
        raise Bad(f"Unrecognized attributes specified: {', '.join(unknown)}", "unrecognized")
    id = read_id(item["custom_field_definition_id"])
    definition = world.account.by_definition.get(id or 0)
    if definition is None or singular not in definition.available_on:
        raise Bad(f"there is no custom field {id} on {singular}")
    return definition


def _string(world: World, definition: Definition, value: Json) -> str | None:
    if isinstance(value, str) and world.quirks.long_text == "cut":
        value = value[:255]
    return read_text(value, 255)


def _text(world: World, definition: Definition, value: Json) -> str | None:
    return long_text(world, read_text(value))


def long_text(world: World, text: str | None) -> str | None:
    """Return *text* with the ends of lines that it is kept with (quirk newlines)."""
    if text is None or world.quirks.newlines == "keep":
        return text
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def _url(world: World, definition: Definition, value: Json) -> str | None:
    return read_text(value)


def _number(world: World, definition: Definition, value: Json) -> Decimal | None:
    return read_number(value)


def _percentage(world: World, definition: Definition, value: Json) -> int | None:
    number = read_number(value)
    if number is None:
        return None
    if not 0 <= number <= 100:
        raise Bad(f"must be from 0 to 100: {value}")
    # A fraction is cut: 0.34 reads 0 (copper-field.md 2.7, recorded).
    return int(number)


def _checkbox(world: World, definition: Definition, value: Json) -> bool:
    if value is not None and not isinstance(value, bool):
        raise Bad(f"must be true or false: {value}")
    return bool(value)


def _option(definition: Definition, value: Json) -> int | None:
    id = read_id(value)
    if id is not None and id not in {option.id for option in definition.options}:
        raise Bad(f"there is no option {id}")
    return id


def _dropdown(world: World, definition: Definition, value: Json) -> int | None:
    return _option(definition, value)


def _multiselect(world: World, definition: Definition, value: Json) -> list[int]:
    ids = [id for item in read_list(value) if (id := _option(definition, item)) is not None]
    ids = list(dict.fromkeys(ids))
    return sorted(ids) if world.quirks.multiselect_order == "sorted" else ids


def _connect(world: World, definition: Definition, value: Json) -> None:
    # Written through /related_links only (5.3); the empty value comes with whole records put back.
    if read_list(value):
        raise Bad("Connect fields are changed through related_links")


def _date(world: World, definition: Definition, value: Json) -> int | None:
    """Return midnight of the date, given as unix seconds or `mm/dd/yyyy` (section 13, custom Date)."""
    if value is None or value == "":
        return None
    quirk = world.quirks.custom_date
    zone: datetime.tzinfo = datetime.UTC if quirk == "utc" else world.account.zone
    stamp = as_int(value)
    if stamp is None and not isinstance(value, str):
        raise Bad(f"must be unix seconds or a date such as 12/31/2026: {value}")
    if stamp is None:
        return midnight(read_day(value, world.quirks.close_date_order), zone)
    day = local_day(stamp, zone)
    return stamp if quirk == "verbatim" else midnight(day, zone)


READERS: dict[str, Callable[[World, Definition, Json], Any]] = {
    "String": _string,
    "Text": _text,
    "URL": _url,
    "Dropdown": _dropdown,
    "MultiSelect": _multiselect,
    "Date": _date,
    "Checkbox": _checkbox,
    "Float": _number,
    "Percentage": _percentage,
    "Currency": _number,
    "Connect": _connect,
}


def show_custom_fields(
    world: World, singular: str, id: int, values: dict[int, Any], *, computed: bool
) -> list[dict[str, Json]]:
    """Return the custom fields of a reply: those set, by id, then the rest in no order (section 13)."""
    values = _with_links(world, singular, id, values)
    return [_show(world, definition, values, computed) for definition in _in_order(world, singular, values)]


def dump_custom_fields(world: World, singular: str, id: int, values: dict[int, Any]) -> str:
    """Return the JSON of `show_custom_fields`, without computed values."""
    return dump_in_order(world, *dump_each(world, singular, _with_links(world, singular, id, values)))


def dump_each(world: World, singular: str, values: dict[int, Any]) -> tuple[Dumped, Dumped, list[str]]:
    """
    Return the JSON of each custom field by its id, of those that are set and of those that are shown without a value.

    Of the latter also some orders, where they have none.
    """
    fragments = world.account.fragments.setdefault(world.quirks.unset_values, {})
    if not fragments:
        fragments |= {d.id: dump_text(_show(world, d, {}, False)) for d in world.account.definitions}
    have, lack = _parted(world, singular, values)
    set_ones = [
        (d.id, fragments[d.id])
        if values[d.id] is None
        else (d.id, f'{{"custom_field_definition_id":{d.id},"value":{dump_text(values[d.id])}}}')
        for d in have
    ]
    unset_ones = [(d.id, fragments[d.id]) for d in lack]
    return set_ones, unset_ones, _orders(world, unset_ones)


def _orders(world: World, lack: Dumped) -> list[str]:
    """Return what *lack* comes to in several orders; none where there is only one, or where too many sets have theirs."""
    if world.quirks.custom_fields_order != "shuffled" or not lack:
        return []
    known = world.account.orders.setdefault(world.quirks.unset_values, {})
    ids = tuple([id for id, _ in lack])
    if ids not in known and len(known) < _MOST_ORDERED:
        # Of the ids alone: sandboxes of one account share them, and each has the same whoever was first.
        texts, chance = [text for _, text in lack], Random(repr(ids))
        known[ids] = [",".join(chance.sample(texts, len(texts))) for _ in range(1 << _ORDER_BITS)]
    return known.get(ids, [])


def dump_in_order(world: World, have: Dumped, lack: Dumped, orders: list[str]) -> str:
    """Return the JSON of all custom fields, those that `dump_each` gave; where that is no order, in another each time."""
    if orders:
        rest = orders[world.rng.getrandbits(_ORDER_BITS)]
        return f"[{','.join([*(text for _, text in have), rest])}]"
    if world.quirks.custom_fields_order == "shuffled":
        lack = list(lack)
        world.rng.shuffle(lack)
        return f"[{','.join([text for _, text in chain(have, lack)])}]"
    return f"[{','.join([text for _, text in sorted(chain(have, lack))])}]"


def _in_order(world: World, singular: str, values: dict[int, Any]) -> list[Definition]:
    have, lack = _parted(world, singular, values)
    if world.quirks.custom_fields_order == "shuffled":
        world.rng.shuffle(lack)
        return have + lack
    return sorted(have + lack, key=lambda d: d.id)


def _parted(world: World, singular: str, values: dict[int, Any]) -> tuple[list[Definition], list[Definition]]:
    """Return the definitions of a type that have a value, by id, and those that are shown without one."""
    definitions = world.account.by_type.get(singular, ())
    have = sorted((d for d in definitions if d.id in values), key=lambda d: d.id) if values else []
    is_short = world.quirks.unset_custom_fields == "omit"
    return have, [] if is_short else [d for d in definitions if d.id not in values]


def _with_links(world: World, singular: str, id: int, values: dict[int, Any]) -> dict[int, Any]:
    return values | _connected(world, singular, id) if world.store.things["related_links"] else values


def _connected(world: World, singular: str, id: int) -> dict[int, list[int]]:
    """Return the values of the Connect fields of a record; what they list is not known (5.3)."""
    source = {"id": id, "entity_type": BY_SINGULAR[singular].connect_type}
    found: dict[int, list[int]] = {}
    for link in world.store.things["related_links"].values():
        if link["source"] == source:
            value = link["target"]["id"] if world.quirks.connect_values == "targets" else link["id"]
            found.setdefault(link["custom_field_definition_id"], []).append(value)
    return found


def _show(world: World, definition: Definition, values: dict[int, Any], computed: bool) -> dict[str, Json]:
    value = values.get(definition.id)
    item = {
        "custom_field_definition_id": definition.id,
        "value": unset(world, definition) if value is None else value,
    }
    if computed:
        item["computed_value"] = computed_value(definition, item["value"])
    return item


def computed_value(definition: Definition, value: Json) -> Json:
    """Return the labels of options, else a copy of the value (5.4)."""
    labels = {option.id: option.name for option in definition.options}
    if isinstance(value, list):
        return [labels.get(id, id) for id in value]
    return labels.get(value, value) if labels else value
