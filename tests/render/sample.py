"""A small account, and plans of it built by hand: what the tests of this room look at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, EntityType, Entry, Field, Kind
from crmsync.model.events import Origin
from crmsync.model.plan import (
    Action,
    Breach,
    Cause,
    Change,
    Counts,
    Delta,
    FieldChange,
    Held,
    Kept,
    Note,
    Plan,
    Price,
)
from crmsync.model.source import Position
from crmsync.model.values import Member, Members, Plain, Value
from crmsync.render.document import Meta


def _unused(*_: Any) -> Any:
    raise AssertionError("render neither reads nor encodes")


def _show(value: Value, field: Field, name_of: Callable[[int], str]) -> Plain:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool) or value is None or isinstance(value, (str, Decimal)):
        return value
    assert isinstance(value, int)
    return name_of(value)


def _show_members(value: Value, field: Field, name_of: Callable[[int], str]) -> Plain:
    assert isinstance(value, Members)
    return [name_of(each.key) if isinstance(each.key, int) else str(each.text) for each in value]


def _show_emails(value: Value, field: Field, name_of: Callable[[int], str]) -> Plain:
    assert isinstance(value, Members)
    return [{"email": str(each.text), "category": each.category} for each in value]


def _kind(name: str, show: Any = _show, **more: Any) -> Kind:
    return Kind(name, _unused, show, _unused, _unused, {}, **more)


TEXT, NUMBER, DATE, LABEL = _kind("text"), _kind("number"), _kind("date"), _kind("label", is_label=True)
REFERENCE = _kind("reference", is_reference=True)
TAGS = _kind("tags", _show_members, is_set=True)
OPTIONS = _kind("options", _show_members, is_set=True, is_label=True)
EMAILS = _kind("emails", _show_emails, is_set=True)

COMPANIES = EntityType(
    name="companies",
    singular="company",
    path="companies",
    fields=(
        Field("name", TEXT, "name", "doc"),
        Field("details", TEXT, "details", "doc"),
        Field("contact_type", LABEL, "contact_type_id", "doc", target="contact_types"),
        Field("tags", TAGS, "tags", "doc"),
        Field("primary_contact", REFERENCE, "primary_contact_id", "doc", target="people"),
        Field("custom_fields.Regions", OPTIONS, "custom_fields", "doc", target="options/7", definition_id=7),
        Field("custom_fields.Revenue", NUMBER, "custom_fields", "doc", definition_id=8),
        Field("custom_fields.Renewal", DATE, "custom_fields", "doc", definition_id=9),
    ),
    match_on=(),
    bulk=frozenset(),
    web_path="organization",
    doc="doc",
)
PEOPLE = EntityType(
    name="people",
    singular="person",
    path="people",
    fields=(
        Field("name", TEXT, "name", "doc"),
        Field("company", REFERENCE, "company_id", "doc", target="companies"),
        Field("emails", EMAILS, "emails", "doc"),
    ),
    match_on=(),
    bulk=frozenset(),
    web_path="contact",
    doc="doc",
)
CATALOGUE = Catalogue(
    (COMPANIES, PEOPLE),
    {
        "contact_types": (Entry(1, "Potential Customer"), Entry(2, "Current Customer")),
        "options/7": (Entry(71, "EMEA"), Entry(72, "LATAM"), Entry(73, "APAC")),
    },
)

ACME = Address("companies", "acme")
BETA = Address("companies", "beta")
OLD = Address("companies", "old")
WILE = Address("people", "wile")

META = Meta(
    account_id=1234567,
    account_name="Acme Inc",
    lineage="5f0c",
    state_position=42,
    labels_digest="aa11",
    created_at=1_798_761_599.5,
    crmsync_version="1.2.3",
    profile="trial",
    expires_at=1_798_847_999.0,
    address_of={("companies", 123): ACME, ("people", 9): WILE},
    names={("people", 77): "Road Runner", ("companies", 500): "Gone Ltd"},
)


def at(line: int, file: str = "crm/companies.yaml") -> Position:
    """Return a place in a record file."""
    return Position(file, line, 5, 4)


def tags(*names: str) -> Members:
    """Return tags as members."""
    return Members(tuple(Member(name.casefold(), name) for name in names))


def options(*ids: int) -> Members:
    """Return options as members."""
    return Members(tuple(Member(id, id) for id in ids))


def emails(**categories: str) -> Members:
    """Return e-mails at acme.com with their categories."""
    return Members(tuple(Member(f"{name}@acme.com", f"{name}@acme.com", each) for name, each in categories.items()))


UPDATE = Change(
    ACME,
    Action.UPDATE,
    123,
    "Acme Corporation",
    (
        FieldChange("contact_type", 1, 2, Cause.EDITED, at(5)),
        FieldChange(
            "tags",
            tags("vip", "old"),
            tags("vip", "strategic"),
            Cause.EDITED,
            at(6),
            Delta(added=tags("strategic"), removed=tags("old"), foreign=tags("vip")),
        ),
        FieldChange("details", "Acme Inc", "Acme", Cause.DRIFTED, at(7)),
    ),
    at(3),
    "file changed, put back: changed in Copper",
)
CREATE = Change(
    WILE,
    Action.CREATE,
    None,
    "Wile E. Coyote",
    (
        FieldChange("name", None, "Wile E. Coyote", Cause.CREATED, at(2, "crm/people.yaml")),
        FieldChange("company", None, BETA, Cause.CREATED, at(4, "crm/people.yaml")),
        FieldChange("emails", Members(), emails(wile="work"), Cause.CREATED, at(3, "crm/people.yaml")),
    ),
    at(1, "crm/people.yaml"),
    "new",
    Origin.CREATED,
)
CREATE_BETA = Change(
    BETA,
    Action.CREATE,
    None,
    "Beta",
    (FieldChange("custom_fields.Revenue", None, Decimal("1200000.50"), Cause.CREATED, at(9)),),
    at(8),
    "new",
    Origin.CREATED,
)
DELETE = Change(OLD, Action.DELETE, 124, "Old Ltd", (), None, "no longer in the files")
ADOPT = Change(
    Address("people", "ann"),
    Action.ADOPT,
    102,
    "Ann",
    (FieldChange("company", 77, 123, Cause.ADOPTED, at(8, "crm/people.yaml")),),
    at(6, "crm/people.yaml"),
    "adopted",
    Origin.ADOPTED,
)
FORGET = Change(
    Address("people", "zoe"), Action.FORGET, 103, "Zoe", (), None, "no longer in the files; the record stays in Copper"
)

PLAN = Plan(
    changes=(UPDATE, CREATE_BETA, DELETE, ADOPT, CREATE, FORGET),
    kept=(
        Kept(
            ACME, 123, "Acme Corporation", FieldChange("custom_fields.Revenue", Decimal(5), Decimal(7), Cause.DRIFTED, at(8))
        ),
        Kept(
            ACME,
            123,
            "Acme Corporation",
            FieldChange("primary_contact", 77, 9, Cause.DRIFTED, at(9)),
            is_observed=True,
        ),
    ),
    held=(
        Held(
            ACME,
            "It was changed in Copper and in the file, and the policy says hold.",
            "Change the file to Copper's value.",
            FieldChange("name", "ACME", "Acme", Cause.CONFLICT, at(4)),
            at(4),
            123,
            "Acme Corporation",
        ),
        Held(
            Address("companies", "new"),
            "It looks like the vanished companies.old.",
            "Add to the file:\nmoved: [{from: companies.old, to: companies.new}]",
            None,
            at(20),
            rival=OLD,
        ),
    ),
    gone=((Address("companies", "lost"), 500),),
    unsettled=(Address("people", "sam"),),
    notes=(Note(ACME, renamed_from=Address("companies", "acme-inc")),),
    breaches=(Breach("updates", "companies", 40, 100, "30%", "--allow-updates 40"),),
    counts=Counts(add=2, change=1, destroy=1, adopt=1, forget=1, filled=1, overwritten=2, kept=2, held=2),
    price=Price(12, 3, 0.456),
)


def plan_of(*changes: Change, **more: Any) -> Plan:
    """Return a plan of these changes alone, counted."""
    actions = [change.action for change in changes]
    counts = Counts(
        add=actions.count(Action.CREATE),
        change=actions.count(Action.UPDATE),
        destroy=actions.count(Action.DELETE),
        adopt=actions.count(Action.ADOPT),
        forget=actions.count(Action.FORGET),
    )
    return replace(Plan(changes=changes, counts=counts, price=Price(len(changes), 0, 0.1)), **more)


def change_of(*fields: FieldChange, address: Address = ACME, reason: str = "file changed") -> Change:
    """Return an update of these fields."""
    return Change(address, Action.UPDATE, 123, "Acme", fields, at(3), reason)
