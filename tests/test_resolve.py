"""Labels to ids, references to records, policies to one rule a field; and everything that can be wrong with them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from crmsync.catalogue import CATALOGUE
from crmsync.catalogue.account import with_account
from crmsync.model.address import Address
from crmsync.model.bodies import decode_body
from crmsync.model.catalogue import Catalogue, Entry
from crmsync.model.records import (
    Declared,
    DeclaredField,
    Desired,
    DesiredField,
    Mode,
    Observed,
    OnAdopt,
    OnDrift,
    Policy,
    PolicyRule,
    RecordOptions,
)
from crmsync.model.source import Position
from crmsync.model.values import Label, Member, Members
from crmsync.resolve import Ambiguous, Found, NotFound, find_label, lookups, resolve
from tests.catalogue.accounts import ACCOUNT, DEFINITIONS, LOCALE, TABLES, definition
from tests.catalogue.nodes import HERE, node_of

Records = dict[Address, Declared]


def _declared(text: str, data: dict[str, Any], catalogue: Catalogue = ACCOUNT, policy: PolicyRule | None = None) -> Records:
    """Return one record as a file would declare it."""
    address = Address.parse(text)
    assert address is not None
    fields = {}
    for name, written in data.items():
        field = catalogue[address.type].by_name[name]
        value, problems = (None, ()) if written is None else field.kind.read(node_of(written), field, catalogue.locale)
        assert not problems, problems
        fields[name] = DeclaredField(value, HERE)
    return {address: Declared(address, fields, HERE, RecordOptions(policy=policy or PolicyRule()))}


def _values(records: Records, catalogue: Catalogue = ACCOUNT, found: Any = None) -> dict[str, dict[str, Any]]:
    """Return the resolved values by record, nothing being wrong."""
    resolved = resolve(records, catalogue, {}, found)
    assert resolved.diagnostics == ()
    return {
        str(address): {name: each.value for name, each in desired.fields.items()}
        for address, desired in resolved.records.items()
    }


def _complaints(records: Records, catalogue: Catalogue = ACCOUNT, found: Any = None) -> list[tuple[str, str]]:
    """Return what is wrong, as code and detail; the fields it is about must be left out."""
    resolved = resolve(records, catalogue, {}, {} if found is None else found)
    assert all(each.position == HERE and each.address in records for each in resolved.diagnostics)
    return [(each.code.number, each.detail) for each in resolved.diagnostics]


def _seen(type: str, **body: Any) -> Observed:
    return decode_body(ACCOUNT[type], body, LOCALE)


ACME = _declared("companies.acme", {"name": "Acme", "email_domain": "acme.com"})
WILE = _declared("people.wile", {"name": "Wile", "emails": ["Wile@Acme.com"]})


# What comes out


def test_a_whole_record() -> None:
    """Values pass, labels become ids, references addresses; each field keeps its place and gets its rules."""
    deal = _declared(
        "opportunities.deal",
        {"name": "Deal", "company": "acme", "pipeline": "Sales", "stage": "negotiation", "tags": ["vip"], "details": None},
    )
    own, enforce = Policy(Mode.OWN), Policy()
    expected = Desired(
        Address("opportunities", "deal"),
        {
            "name": DesiredField("Deal", enforce, HERE),
            "company": DesiredField(Address("companies", "acme"), enforce, HERE),
            "pipeline": DesiredField(10, enforce, HERE),
            "stage": DesiredField(101, enforce, HERE),
            "tags": DesiredField(Members((Member("vip", "vip"),)), own, HERE),
            "details": DesiredField(None, enforce, HERE),
        },
        HERE,
    )

    resolved = resolve({**ACME, **deal}, ACCOUNT, {}, {})

    assert ((), expected) == (resolved.diagnostics, resolved.records[Address("opportunities", "deal")])


@pytest.mark.parametrize(
    ("type", "field", "written", "value"),
    [
        ("companies", "assignee", "Dana", 1),
        ("companies", "assignee", "DANA@ourfirm.com", 1),
        ("companies", "assignee", "robin.b@ourfirm.com", 3),
        ("companies", "assignee", "#2", 2),
        ("companies", "contact_type", "current customer", 20),
        ("companies", "contact_type", None, None),
        ("companies", "custom_fields.Tier", "Gold", 501),
        ("companies", "custom_fields.Regions", ["APAC", "emea"], Members((Member(601, 601), Member(602, 602)))),
        ("companies", "custom_fields.Regions", None, None),
        ("companies", "custom_fields.Approved", None, False),
        ("companies", "tags", None, None),
        ("companies", "primary_contact", "wile", Address("people", "wile")),
        ("companies", "primary_contact", "people.wile", Address("people", "wile")),
        ("companies", "primary_contact", {"email": "WILE@acme.com"}, Address("people", "wile")),
        ("companies", "primary_contact", {"name": "Wile"}, Address("people", "wile")),
        ("companies", "primary_contact", {"id": "7"}, 7),
        ("companies", "primary_contact", None, None),
        ("people", "company", {"email_domain": "ACME.com"}, Address("companies", "acme")),
        ("opportunities", "customer_source", "Fair", 30),
        ("opportunities", "loss_reason", "Price", 40),
    ],
)
def test_what_a_label_or_reference_means(type: str, field: str, written: Any, value: Any) -> None:
    """A label is its entry's id; a reference is the declared record it names, by key or by a field, or an id."""
    records = {**ACME, **WILE, **_declared(f"{type}.x", {field: written})}

    assert value == _values(records)[f"{type}.x"][field]


def test_a_stage_is_looked_up_in_its_pipeline() -> None:
    """Stages of one name in two pipelines are told apart by the pipeline declared."""
    records = _declared("opportunities.a", {"pipeline": "Sales", "stage": "First"}) | _declared(
        "opportunities.b", {"pipeline": "Renewals", "stage": "First"}
    )

    expected = {"opportunities.a": {"pipeline": 10, "stage": 100}, "opportunities.b": {"pipeline": 11, "stage": 110}}
    assert expected == _values(records)


def test_a_key_may_hold_a_dot() -> None:
    """A key that looks like an address is still a key."""
    records = _declared("companies.companies.io", {"name": "A"}) | _declared("people.x", {"company": "companies.io"})

    assert Address("companies", "companies.io") == _values(records)["people.x"]["company"]


def test_copper_answers_what_the_files_do_not() -> None:
    """A lookup that no declared record answers is the one record that Copper shows with exactly this value."""
    records = {**ACME, **_declared("people.x", {"company": {"name": "Roadrunner"}})}
    alike = _seen("companies", id=8, name="Roadrunner Ltd"), _seen("companies", id=9, name="Roadrunner")

    assert _values(records, found={("companies", "name", "Roadrunner"): alike})["people.x"] == {"company": 9}


# What Copper must be asked


def test_lookups_are_what_the_files_leave_open() -> None:
    """Copper is asked once for each lookup that is no key, no id, and names no declared record, in canonical form."""
    records = {
        **ACME,
        **_declared("people.a", {"company": {"email_domain": "Other.com"}}),
        **_declared("people.b", {"company": {"email_domain": "other.COM"}}),
        **_declared("people.c", {"company": {"email_domain": "acme.com"}}),
        **_declared("people.d", {"company": {"id": "7"}}),
        **_declared("people.e", {"company": "acme"}),
        **_declared("opportunities.f", {"primary_contact": {"emails": "Ann@Acme.com"}, "company": {"name": " Other "}}),
        **_declared("people.g", {"company": {"emails": "not asked: companies have none"}}),
    }
    expected = (
        ("companies", "email_domain", "other.com"),
        ("companies", "name", "Other"),
        ("people", "emails", "ann@acme.com"),
    )

    assert expected == lookups(records, ACCOUNT)


# What is wrong with labels

SOME_LABELS = with_account(
    CATALOGUE, DEFINITIONS, {**TABLES, "contact_types": (Entry(20, "Customer"), Entry(21, "CUSTOMER"))}, LOCALE
)


@pytest.mark.parametrize(
    ("text", "data", "code", "detail"),
    [
        (
            "opportunities.x",
            {"pipeline": "Renewal"},
            "CRM030",
            'There is no pipeline called "Renewal" in this Copper account. Did you mean "Renewals"?',
        ),
        (
            "companies.x",
            {"custom_fields.Tier": "Goold"},
            "CRM030",
            'There is no option of Tier called "Goold" in this Copper account. Did you mean "Gold"?',
        ),
        (
            "companies.x",
            {"custom_fields.Regions": ["EMEA", "Moon"]},
            "CRM030",
            'There is no option of Regions called "Moon" in this Copper account.',
        ),
        ("companies.x", {"assignee": "#9"}, "CRM030", 'There is no user called "#9" in this Copper account.'),
        (
            "companies.x",
            {"assignee": "Robin"},
            "CRM031",
            '"Robin" could be Robin (#2), Robin (#3). Write the one you mean by its id, such as "#2".',
        ),
        (
            "companies.x",
            {"contact_type": "customer"},
            "CRM031",
            '"customer" could be Customer (#20), CUSTOMER (#21). Write the one you mean by its id, such as "#20".',
        ),
        (
            "opportunities.x",
            {"stage": "First"},
            "CRM032",
            '"First" is looked up inside its pipeline. Declare the pipeline as well.',
        ),
        (
            "opportunities.x",
            {"stage": "First", "pipeline": None},
            "CRM032",
            '"First" is looked up inside its pipeline. Declare the pipeline as well.',
        ),
        (
            "opportunities.x",
            {"stage": "Kickoff", "pipeline": "Sales"},
            "CRM033",
            'The pipeline "Sales" has no stage "Kickoff", but "Renewals" has.',
        ),
        (
            "opportunities.x",
            {"stage": "Negotiations", "pipeline": "Sales"},
            "CRM030",
            'There is no stage called "Negotiations" in this Copper account. Did you mean "Negotiation"?',
        ),
        (
            "companies.x",
            {"custom_fields.Regions": ["EMEA", "#601"]},
            "CRM027",
            '"#601" and "EMEA" are the same option. Keep one of the two.',
        ),
    ],
)
def test_what_is_wrong_with_a_label(text: str, data: dict[str, Any], code: str, detail: str) -> None:
    """A label that names no entry, or several, is told with what to write."""
    assert [(code, detail)] == _complaints(_declared(text, data), SOME_LABELS)


def test_an_unknown_pipeline_is_told_once() -> None:
    """A stage of a pipeline that does not exist is not told as well; both fields are left out."""
    resolved = resolve(_declared("opportunities.x", {"name": "X", "pipeline": "?", "stage": "First"}), ACCOUNT, {}, {})

    assert [each.code.number for each in resolved.diagnostics] == ["CRM030"]
    assert list(resolved.records[Address("opportunities", "x")].fields) == ["name"]


def test_labels_wait_for_an_account() -> None:
    """Without an account labels are left out without a complaint; that a pipeline is missing is told all the same."""
    data = {"name": "X", "assignee": "Dana", "pipeline": "Sales", "stage": "First", "company": {"name": "Other"}}
    whole, partial = _declared("opportunities.x", data), _declared("opportunities.y", {"stage": "First"})

    resolved = resolve(whole | partial, CATALOGUE, {}, None)

    assert [list(each.fields) for each in resolved.records.values()] == [["name"], []]
    assert [each.code.number for each in resolved.diagnostics] == ["CRM032"]


def test_custom_fields_wait_for_an_account() -> None:
    """A custom field that the catalogue does not know yet is left out without a complaint."""
    records = _declared("companies.x", {"name": "X", "custom_fields.Tier": "Gold"})

    assert _values(records, CATALOGUE) == {"companies.x": {"name": "X"}}


# What is wrong with references

TWO = _declared("companies.one", {"name": "Twin"}) | _declared("companies.two", {"name": "Twin"})
CURE = "A record that is only in Copper is named by a lookup, such as {name: ...}."


@pytest.mark.parametrize(
    ("data", "code", "detail"),
    [
        ({"company": "acne"}, "CRM036", f'No file declares companies.acne. Did you mean "acme"? {CURE}'),
        ({"company": "companies.acne"}, "CRM036", f'No file declares companies.acne. Did you mean "acme"? {CURE}'),
        ({"company": "zzz"}, "CRM036", f"No file declares companies.zzz. {CURE}"),
        ({"company": "people.wile"}, "CRM036", 'people.wile is no company, which "company" needs.'),
        (
            {"company": {"name": "Roadrunner"}},
            "CRM037",
            'name "Roadrunner" fits no record of companies, neither declared nor in Copper.',
        ),
        (
            {"company": {"name": "Twin"}},
            "CRM038",
            'name "Twin" fits companies.one, companies.two. Write the key of the one you mean.',
        ),
        (
            {"company": {"name": "Copy"}},
            "CRM038",
            'name "Copy" fits "Copy" (#8), "Copy" (#9) in Copper. Write the one you mean as {id: 8}.',
        ),
        (
            {"company": {"emails": "a@b.io"}},
            "CRM011",
            "companies are not looked up by emails. There are: name, email_domain, id.",
        ),
        (
            {"company": {"email_domain": "not a domain"}},
            "CRM028",
            '"not a domain" is not a domain. Write it without https:// and @, such as acme.com.',
        ),
    ],
)
def test_what_is_wrong_with_a_reference(data: dict[str, Any], code: str, detail: str) -> None:
    """A reference that names no record, or several, is told with what to write."""
    found = {
        ("companies", "name", "Roadrunner"): (_seen("companies", id=7, name="Roadrunner Ltd"),),
        ("companies", "name", "Copy"): (_seen("companies", id=9, name="Copy"), _seen("companies", id=8, name="Copy")),
    }

    assert [(code, detail)] == _complaints({**ACME, **WILE, **TWO, **_declared("people.x", data)}, found=found)


def test_nothing_is_wrong_with_what_nobody_asked() -> None:
    """Offline, a lookup that only Copper can answer is left out without a complaint."""
    assert _values(_declared("people.x", {"company": {"name": "Roadrunner"}}), found=None) == {"people.x": {}}


# Policies


def _policies(
    policies: dict[str, PolicyRule], data: dict[str, Any], own: PolicyRule | None = None
) -> tuple[dict[str, Policy], list[str]]:
    records = _declared("companies.x", data, policy=own)
    resolved = resolve(records, ACCOUNT, policies, {})
    fields = resolved.records[Address("companies", "x")].fields
    return {name: each.policy for name, each in fields.items()}, [each.code.number for each in resolved.diagnostics]


NAME, TAGS = {"name": "X"}, {"tags": ["vip"]}
SEED, FILL, OBSERVE = PolicyRule(mode=Mode.SEED), PolicyRule(mode=Mode.FILL), PolicyRule(mode=Mode.OBSERVE)


@pytest.mark.parametrize(
    ("policies", "own", "data", "expected"),
    [
        ({}, None, NAME, Policy(Mode.ENFORCE)),
        ({}, None, TAGS, Policy(Mode.OWN)),
        ({"*": SEED}, None, NAME, Policy(Mode.SEED)),
        ({"*": SEED, "companies": FILL}, None, NAME, Policy(Mode.FILL)),
        ({"*": SEED, "people": FILL}, None, NAME, Policy(Mode.SEED)),
        ({"*": SEED, "companies": FILL}, OBSERVE, NAME, Policy(Mode.OBSERVE)),
        ({"companies": PolicyRule(fields={"name": SEED})}, None, NAME, Policy(Mode.SEED)),
        ({"companies": PolicyRule(mode=Mode.FILL, fields={"name": SEED})}, None, NAME, Policy(Mode.SEED)),
        ({"companies": PolicyRule(fields={"name": SEED})}, FILL, NAME, Policy(Mode.FILL)),
        ({"*": PolicyRule(fields={"name": SEED}), "companies": FILL}, None, NAME, Policy(Mode.FILL)),
        ({"*": PolicyRule(fields={"address": SEED})}, None, {"address.city": "Reno"}, Policy(Mode.SEED)),
        (
            {"*": PolicyRule(fields={"address": SEED, "address.city": FILL})},
            None,
            {"address.city": "Reno"},
            Policy(Mode.FILL),
        ),
        (
            {"*": PolicyRule(fields={"custom_fields.Tier": FILL, "custom_fields": SEED})},
            None,
            {"custom_fields.Tier": "Gold"},
            Policy(Mode.FILL),
        ),
        ({"*": PolicyRule(mode=Mode.ADD)}, None, TAGS, Policy(Mode.ADD)),
        ({"*": PolicyRule(mode=Mode.ENFORCE)}, None, TAGS, Policy(Mode.ENFORCE)),
        ({"*": PolicyRule(mode=Mode.OWN)}, None, NAME, Policy(Mode.ENFORCE)),
        ({"*": SEED, "companies": PolicyRule(mode=Mode.ADD)}, None, NAME, Policy(Mode.SEED)),
        ({}, PolicyRule(mode=Mode.ADD), NAME, Policy(Mode.ENFORCE)),
        (
            {
                "*": PolicyRule(on_drift=OnDrift.HOLD, on_adopt=OnAdopt.FILL),
                "companies": PolicyRule(fields={"name": PolicyRule(on_drift=OnDrift.KEEP)}),
            },
            SEED,
            NAME,
            Policy(Mode.SEED, OnDrift.KEEP, OnAdopt.FILL),
        ),
    ],
)
def test_rules_merge(
    policies: dict[str, PolicyRule], own: PolicyRule | None, data: dict[str, Any], expected: Policy
) -> None:
    """The record's word beats the type's, and that the one for all; in a rule the field's beats the group's and its own."""
    assert ({next(iter(data)): expected}, []) == _policies(policies, data, own)


@pytest.mark.parametrize("mode", [Mode.OWN, Mode.ADD])
@pytest.mark.parametrize("level", ["*", "companies", "record"])
def test_a_mode_for_lists_on_a_single_value(mode: Mode, level: str) -> None:
    """A rule that names a single-valued field and speaks of members is an error, wherever it stands."""
    rule = PolicyRule(fields={"name": PolicyRule(mode=mode)})
    policies, own = ({}, rule) if level == "record" else ({level: rule}, None)

    assert ({"name": Policy(Mode.ENFORCE)}, ["CRM029"]) == _policies(policies, NAME, own)


def test_a_rule_for_a_type_is_told_once() -> None:
    """A rule that does not fit is one mistake, however many records it is about; it stands where the first of them is."""
    first, second = (_declared(f"companies.{key}", NAME) for key in ("a", "b"))
    rule = PolicyRule(fields={"name": PolicyRule(mode=Mode.OWN)})

    resolved = resolve(first | second, ACCOUNT, {"companies": rule}, {})

    detail = '"own" is for lists such as tags, and "name" is one value. Use enforce, seed, fill or observe.'
    assert [(detail, HERE, Address("companies", "a"))] == [
        (each.detail, each.position, each.address) for each in resolved.diagnostics
    ]


def test_what_cannot_be_written_is_observed() -> None:
    """Whatever the rules say, a field that Copper computes is only reported."""
    assert ({"interaction_count": Policy(Mode.OBSERVE)}, []) == _policies({"*": SEED}, {"interaction_count": "7"})


# Finding labels

ENTRIES = (
    Entry(1, "Gold"),
    Entry(2, "GOLD"),
    Entry(3, "Café"),
    Entry(4, "#1"),
    Entry(5, "Dana", also=("dana@ourfirm.com",)),
    Entry(6, "Open", within=10),
    Entry(7, "Open", within=11),
)


@pytest.mark.parametrize(
    ("text", "within", "expected"),
    [
        ("Gold", None, Found(ENTRIES[0])),
        (" GOLD ", None, Found(ENTRIES[1])),
        ("gold", None, Ambiguous((ENTRIES[0], ENTRIES[1]))),
        ("cafe\u0301", None, Found(ENTRIES[2])),
        ("#1", None, Found(ENTRIES[3])),  # a name, before it is an id
        ("#2", None, Found(ENTRIES[1])),
        ("#99", None, NotFound("")),
        ("Dana@OurFirm.com", None, Found(ENTRIES[4])),
        ("Dano", None, NotFound(' Did you mean "Dana"?')),
        ("Open", None, Ambiguous((ENTRIES[5], ENTRIES[6]))),
        ("Open", 11, Found(ENTRIES[6])),
        ("#6", 11, NotFound("")),
        ("Gold", 11, NotFound("")),
    ],
)
def test_finding_a_label(text: str, within: int | None, expected: Found | NotFound | Ambiguous) -> None:
    """A label is found as written, else without regard to case, else by its id; a parent narrows all of it."""
    assert expected == find_label(ENTRIES, text, within)


# What a record cannot be without


@pytest.mark.parametrize(("mode", "codes"), [(Mode.ENFORCE, ["CRM041"]), (Mode.FILL, ["CRM041"]), (Mode.OBSERVE, [])])
def test_a_required_field_cannot_be_cleared(mode: Mode, codes: list[str]) -> None:
    """`name: null` is an error whether the record exists or not, so it is told offline as well."""
    declared = _declared("companies.x", {"name": None})
    policies = {"companies": PolicyRule(mode=mode)}

    assert codes == [str(each.code) for each in resolve(declared, ACCOUNT, policies, None).diagnostics]


def test_diagnostics_stand_in_file_order() -> None:
    """Complaints come as the files have them, whatever the order of the records."""
    late = Position("crm/z.yaml", 9, 3)
    first, last = _declared("companies.a", {"assignee": "?"}), _declared("companies.b", {"assignee": "?"})
    address, record = next(iter(last.items()))
    moved = {address: replace(record, fields={"assignee": DeclaredField(Label("?", late), late)})}

    positions = [each.position for each in resolve(moved | first, ACCOUNT, {}, {}).diagnostics]
    assert positions == [HERE, late]


def test_twins_among_custom_fields_are_two_fields() -> None:
    """Custom fields of one name hold values of their own."""
    catalogue = with_account(CATALOGUE, [definition(7, "Size", "Float"), definition(8, "Size", "Text")], TABLES, LOCALE)
    records = _declared("companies.x", {"custom_fields.Size#7": "12", "custom_fields.Size#8": "large"}, catalogue)

    assert _values(records, catalogue)["companies.x"] == {"custom_fields.Size#7": 12, "custom_fields.Size#8": "large"}
