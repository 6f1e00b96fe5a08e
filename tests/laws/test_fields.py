"""
The laws of the fields: each holds for every writable field of every entity, custom fields of every type included.

The rows of the catalogue are the parameters, so a new row brings its own tests; a kind without samples fails.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from crmsync.catalogue import CATALOGUE
from crmsync.catalogue.account import with_account
from crmsync.copper import read
from crmsync.model.catalogue import Catalogue, EntityType, Field, Write
from crmsync.model.plan import Cause
from tests.world import World

#: Two values for each kind, as a file says them. A row's own samples (below) come first.
SAMPLES: dict[str, tuple[Any, Any]] = {
    "text": ("First text", "Second text"),
    "long_text": ("One line", "Two\nlines"),
    "domain": ("first.example", "second.example"),
    "country": ("US", "NO"),
    "url": ("https://first.example/a", "https://second.example/b"),
    "number": (1.5, 2),
    "money": (1200000, 99.5),
    "percentage": (34, 95),
    "checkbox": (True, False),
    "date": ("2026-12-31", "2027-01-01"),
    "close_date": ("2026-12-31", "2027-02-03"),
    "reference": ("first", "second"),
    "options": (["EMEA", "APAC"], ["LATAM"]),
    "emails": (["first@a.example"], [{"email": "second@a.example", "category": "personal"}]),
    "phone_numbers": (["+1 415 555 0123"], [{"number": "+1 415 555 0199", "category": "mobile"}]),
    "websites": (["https://first.example"], ["https://second.example", "https://third.example"]),
    "socials": (["https://linkedin.com/in/first"], ["https://twitter.com/second"]),
    "tags": (["first", "second"], ["second", "third"]),
}

#: Two values of a label table or a list of words.
WORDS: dict[str, tuple[str, str]] = {
    "users": ("dana@ourfirm.com", "Lee"),
    "contact_types": ("Potential Customer", "Current Customer"),
    "pipelines": ("Sales", "Renewals"),
    "stages": ("Proposal", "Closing"),
    "customer_sources": ("Email", "Referral"),
    "loss_reasons": ("Price", "Features"),
    "options": ("Gold", "Silver"),
    "status": ("Won", "Abandoned"),
    "priority": ("Low", "High"),
}

#: What Copper has instead of nothing: clearing these is not in Copper's gift.
NEVER_EMPTY = {"name", "pipeline", "stage", "status"}

TARGETS = {
    "companies": {"first": {"name": "First Inc"}, "second": {"name": "Second Inc"}},
    "people": {"first": {"name": "Ann First"}, "second": {"name": "Ben Second"}},
}


def _catalogue() -> Catalogue:
    world = World(Path("/nonexistent"))
    return with_account(CATALOGUE, read.definitions(world.client()), {}, CATALOGUE.locale)


ROWS = [
    pytest.param(entity, field, id=f"{entity.name}.{field.name}")
    for entity in _catalogue().types
    for field in entity.fields
    if field.write is not Write.NEVER
]


def samples(field: Field) -> tuple[Any, Any]:
    """Return two values of *field* as a file says them."""
    table = field.name if field.choices else (field.target or "").partition("/")[0]
    if field.kind.name in ("label", "choice"):
        return WORDS[table]
    return SAMPLES[field.kind.name]


def text(entity: EntityType, field: Field | None = None, value: Any = None) -> str:
    """Return files with one record under test, which declares its name, what it needs, and *field*."""
    record: dict[str, Any] = {"name": "Under test"}
    if field is not None and field.within:
        record[field.within] = "Sales"
    if field is not None:
        group, dot, part = field.name.partition(".")
        record |= {group: {part: value}} if dot else {group: value}
    files: dict[str, Any] = {name: dict(records) for name, records in TARGETS.items()}
    files.setdefault(entity.name, {})["x"] = record
    return yaml.safe_dump(files, sort_keys=False)


def seen(world: World, entity: EntityType, field: Field) -> Any:
    """Return the wire value of *field* as the sandbox holds it."""
    body = world.record(f"{entity.name}.x")
    if field.definition_id is not None:
        custom = {each["custom_field_definition_id"]: each["value"] for each in body["custom_fields"]}
        return custom.get(field.definition_id)
    value = body[field.key]
    return value if field.part is None else (value or {}).get(field.part)


def edit(world: World, entity: EntityType, field: Field, value: Any) -> None:
    """Give *field* the wire *value* as a person would."""
    values = {field.key: {field.part: value} if field.part else value}
    if field.definition_id is not None:
        values = {"custom_fields": [{"custom_field_definition_id": field.definition_id, "value": value}]}
    world.clock.sleep(60)
    world.sandbox.edit(entity.name, world.id(f"{entity.name}.x"), values)


def no_changes(world: World, files: str) -> tuple[object, ...]:
    """Return what a plan has to say beyond "No changes", and what it would teach the state."""
    plan = world.plan(files)
    return (*plan.changes, *plan.kept, *plan.held, *plan.gone, *(note for note in plan.notes if note.applied))


@pytest.mark.parametrize(("entity", "field"), ROWS)
def test_a_plan_after_an_apply_is_empty(entity: EntityType, field: Field, tmp_path: Path) -> None:
    """Create with one value, change to the other: after each apply nothing is left to do, and only the declared was sent."""
    world = World(tmp_path)
    for value in samples(field):
        applied = world.apply(text(entity, field, value))

        assert applied.statuses() == {}
        assert no_changes(world, text(entity, field, value)) == ()
    assert undeclared(world, entity, field) == set()


def undeclared(world: World, entity: EntityType, field: Field) -> set[object]:
    """Return the keys and custom fields that were sent although no file declares them; parts of an address go together."""
    bodies = [body for body in world.bodies() if "resource" not in body]
    declared = {"id", "name", "custom_fields" if field.definition_id else field.key}
    declared |= {entity.by_name[field.within].key} if field.within else set()
    custom = {each["custom_field_definition_id"] for body in bodies for each in body.get("custom_fields", ())}
    return ({key for body in bodies for key in body} - declared) | (custom - {field.definition_id})


@pytest.mark.parametrize(("entity", "field"), [row for row in ROWS if row.values[1].name not in NEVER_EMPTY])
def test_null_clears(entity: EntityType, field: Field, tmp_path: Path) -> None:
    """Null empties a field in Copper, and then nothing is left to do."""
    world = World(tmp_path)
    world.apply(text(entity, field, samples(field)[0]))
    applied = world.apply(text(entity, field, None))

    assert applied.statuses() == {}
    assert not seen(world, entity, field)
    assert no_changes(world, text(entity, field, None)) == ()


@pytest.mark.parametrize(("entity", "field"), [row for row in ROWS if not row.values[1].required])
def test_a_field_left_out_is_left_alone(entity: EntityType, field: Field, tmp_path: Path) -> None:
    """A field that is taken out of the file keeps its value in Copper, whoever changes it."""
    world = World(tmp_path)
    first, second = samples(field)
    world.apply(text(entity, field, second))
    other = seen(world, entity, field)
    world.apply(text(entity, field, first))
    before = seen(world, entity, field)
    writes = len(world.writes())
    world.apply(text(entity))

    assert (seen(world, entity, field), len(world.writes())) == (before, writes)
    edit(world, entity, field, other)
    assert world.plan(text(entity)).changes == ()
    world.apply(text(entity, field, first))
    if not field.kind.is_set:
        assert seen(world, entity, field) == before


@pytest.mark.parametrize(("entity", "field"), ROWS)
def test_drift_is_shown_and_put_back(entity: EntityType, field: Field, tmp_path: Path) -> None:
    """What a person changed in Copper is planned back to what the file says; an added member of a set is not ours."""
    world = World(tmp_path)
    first, second = samples(field)
    world.apply(text(entity, field, second))
    other = seen(world, entity, field)
    world.apply(text(entity, field, first))
    before = seen(world, entity, field)
    edit(world, entity, field, other)

    plan = world.plan(text(entity, field, first))
    assert [(each.field, each.cause) for change in plan.changes for each in change.fields] == [(field.name, Cause.DRIFTED)]
    world.apply(text(entity, field, first))
    assert no_changes(world, text(entity, field, first)) == ()
    if field.kind.is_set:
        assert len(seen(world, entity, field)) > len(before)
    else:
        assert seen(world, entity, field) == before


def test_every_type_of_custom_field_is_under_the_laws() -> None:
    """All ten writable types of custom fields are among the rows."""
    kinds = {field.name for entity in _catalogue().types for field in entity.fields if field.definition_id}

    assert {name.partition(".")[2] for name in kinds} >= {
        "Tier", "Regions", "Renewal date", "Annual revenue", "Score", "Probability", "VIP", "Code", "Notes", "Website link"
    }  # fmt: skip
