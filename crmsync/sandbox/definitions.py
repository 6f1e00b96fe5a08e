"""
Custom field definitions: made, changed and deleted (copper-api.md 5.2).

What was written is kept as a thing over the definitions of the account; a deleted one leaves a stub there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from crmsync.sandbox.account import DATA_TYPES, OPTION_TYPES, Account, Choice, Definition
from crmsync.sandbox.activity_types import SHELF as TYPES
from crmsync.sandbox.activity_types import from_thing as type_from_thing
from crmsync.sandbox.calls import Call, Form, path_id
from crmsync.sandbox.codec import as_int
from crmsync.sandbox.replies import Answer, Json, blank, not_found
from crmsync.sandbox.store import Store
from crmsync.sandbox.tables import BY_SINGULAR
from crmsync.sandbox.world import World

SHELF = "custom_field_definitions"
KEYS = ("name", "data_type", "canonical_name", "available_on", "is_filterable", "options", "currency")
READ_ONLY = ("id", "connected_id")
FEWEST = {"Dropdown": 1, "MultiSelect": 2}


def list_all(world: World, call: Call) -> Answer:
    """Answer every definition."""
    return Answer([definition.show() for definition in world.account.definitions])


def get(world: World, call: Call) -> Answer:
    """Answer one definition."""
    return Answer(_definition(world, call).show())


def create(world: World, call: Call) -> Answer:
    """Make a definition; Connect fields are made in the web app only."""
    form = Form(world, call.body, KEYS, READ_ONLY)
    form.text("name", required=True)
    form.word("data_type", DATA_TYPES, required=True)
    if form.body.get("data_type") == "Connect":
        form.wrong("data_type", "Connect fields cannot be created")
    id = max([world.store.next_id(SHELF), *(d.id + 1 for d in world.account.definitions)])
    return _keep(world, form, Definition(id, "", "", (), is_filterable=False), is_new=True)


def update(world: World, call: Call) -> Answer:
    """Change what is sent of a definition; options by the quirk option_update."""
    return _keep(world, Form(world, call.body, KEYS, READ_ONLY), _definition(world, call), is_new=False)


def delete(world: World, call: Call) -> Answer:
    """Remove a definition, its values on records and the links of a Connect field."""
    definition = _definition(world, call)
    stub = {"id": definition.id, "is_deleted": True}
    for link_id, link in list(world.store.things["related_links"].items()):
        if link["custom_field_definition_id"] in (definition.id, definition.partner):
            world.store.keep("related_links", link_id, None)
    _drop_values(world, definition.id)
    world.store.keep(SHELF, definition.id, stub)
    return Answer(stub)


def _definition(world: World, call: Call) -> Definition:
    definition = world.account.by_definition.get(path_id(world, call.parts["id"]))
    if definition is None:
        raise not_found()
    return definition


def _keep(world: World, form: Form, old: Definition, *, is_new: bool) -> Answer:
    data_type = form.word("data_type", DATA_TYPES, old.data_type) or old.data_type
    new = Definition(
        old.id,
        form.text("name", old.name),
        data_type,
        _available_on(form, old.available_on),
        form.flag("is_filterable", old.is_filterable),
        _options(world, form, old) if data_type in OPTION_TYPES else (),
        _currency(world, form, old) if data_type == "Currency" else None,
        form.text("canonical_name", old.canonical_name),
        old.connected_id,
    )
    if len(new.options) < FEWEST.get(data_type, 0):
        form.wrong("options", f"at least {FEWEST[data_type]} needed")
    if data_type not in OPTION_TYPES and form.body.get("options"):
        form.wrong("options", f"a {data_type} field has no options")
    is_retyped = not is_new and data_type != old.data_type
    is_used = is_retyped and any(True for _ in _holders(world, old.id))
    if is_used and (world.quirks.data_type_change == "refuse" or data_type == "Connect"):
        form.wrong("data_type", "the field has values")
    form.problems = list(dict.fromkeys(form.problems))
    form.settle()
    _keep_ids(world, new.options)
    shown = new.show() | {"canonical_name": new.canonical_name}
    world.store.keep(SHELF, new.id, shown)
    if is_used:
        _drop_values(world, new.id)
    elif world.quirks.option_update == "keep":
        _drop_options(world, new, {o.id for o in old.options} - {o.id for o in new.options})
    return Answer(shown)


def _available_on(form: Form, default: tuple[str, ...]) -> tuple[str, ...]:
    value = form.body.get("available_on")
    if value is None:
        return default
    names = value if isinstance(value, list) else [value]
    known = [name for name in names if isinstance(name, str) and name in BY_SINGULAR]
    unknown = [str(name) for name in names if name not in known]
    if unknown:
        form.wrong("available_on", f"must be some of {', '.join(BY_SINGULAR)}: {', '.join(unknown)}")
    return tuple(dict.fromkeys(known))


def _currency(world: World, form: Form, old: Definition) -> str:
    code = form.text("currency", old.currency or world.account.currency)
    if not re.fullmatch("[A-Z]{3}", str(code)):
        form.wrong("currency", f"must be three letters: {code}")
    return str(code)


def _options(world: World, form: Form, old: Definition) -> tuple[Choice, ...]:
    """Return the options in the order sent: known by id or name, or all of them new (quirk option_update)."""
    value = form.body.get("options")
    if value is None:
        return old.options
    by_id = {option.id: option for option in old.options}
    by_name = {option.name: option for option in old.options}
    next_id = max([world.store.next_id("options"), *(o.id + 1 for d in world.account.definitions for o in d.options)])
    options: list[Choice] = []
    for item in value if isinstance(value, list) else [value]:
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or not name.strip():
            form.problems.append(blank("options"))
            continue
        known = by_id.get(as_int(item.get("id")) or 0) or by_name.get(name)
        if known is None or world.quirks.option_update == "recreate":
            known, next_id = Choice(next_id, name), next_id + 1
        options.append(replace(known, name=name))
    return tuple(options)


def _keep_ids(world: World, options: Sequence[Choice]) -> None:
    """Never use the id of an option again."""
    newest = max((option.id for option in options), default=0)
    if newest >= world.store.next_id("options"):
        world.store.keep("options", newest, None)


def _holders(world: World, id: int) -> Any:
    return (
        (plural, record)
        for plural, table in world.store.records.items()
        for record in list(table.values())
        if id in record["custom_fields"]
    )


def _drop_values(world: World, id: int) -> None:
    for plural, record in _holders(world, id):
        values = {key: value for key, value in record["custom_fields"].items() if key != id}
        world.store.put(plural, record | {"custom_fields": values}, quiet=True)


def _drop_options(world: World, definition: Definition, gone: set[int]) -> None:
    """Take options that are no longer there out of the records that had them."""
    for plural, record in _holders(world, definition.id) if gone else ():
        value = record["custom_fields"][definition.id]
        left = [id for id in value if id not in gone] if isinstance(value, list) else None if value in gone else value
        values = {**record["custom_fields"], definition.id: left}
        world.store.put(
            plural, record | {"custom_fields": {k: v for k, v in values.items() if v is not None and v != []}}, quiet=True
        )


def present(account: Account, store: Store) -> Account:
    """Return *account* with the definitions and activity types that were written since."""
    definitions: dict[int, Definition] = {d.id: d for d in account.definitions}
    for id, thing in store.things[SHELF].items():
        if thing.get("is_deleted"):
            definitions.pop(id, None)
        else:
            definitions[id] = _from_thing(thing)
    types = {kind.id: kind for kind in account.activity_types}
    types |= {id: type_from_thing(thing) for id, thing in store.things[TYPES].items()}
    return replace(account, definitions=tuple(definitions.values()), activity_types=tuple(types.values()))


def _from_thing(thing: dict[str, Json]) -> Definition:
    options = sorted(thing.get("options", ()), key=lambda option: int(option["rank"]))
    return Definition(
        thing["id"],
        thing["name"],
        thing["data_type"],
        tuple(thing["available_on"]),
        thing["is_filterable"],
        tuple(Choice(option["id"], option["name"]) for option in options),
        thing.get("currency"),
        thing["canonical_name"],
        thing.get("connected_id"),
    )
