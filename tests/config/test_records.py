"""Record files in, declared records out."""

from __future__ import annotations

import pytest

from crmsync.catalogue.schema import records_schema
from crmsync.config import records
from crmsync.config.document import parse
from crmsync.config.records import Declarations, read_records
from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, Write
from crmsync.model.codes import CODES
from crmsync.model.records import Declared, DeclaredField, Mode, Moved, OnDelete, OnDrift, PolicyRule, RecordOptions
from crmsync.model.source import Diagnostic, Position, Severity
from crmsync.model.values import Label, Lookup, Member, Members, Written

from .tiny import CATALOGUE, NUMBER, custom, with_custom

SCHEMA = records_schema(CATALOGUE)


def read(*texts: str, catalogue: Catalogue = CATALOGUE, profile: str | None = None) -> Declarations:
    """Read the texts as the files a.yaml, b.yaml ..."""
    documents = [parse(text.encode(), f"{name}.yaml") for name, text in zip("abcdef", texts, strict=False)]
    return read_records(documents, catalogue, profile, SCHEMA)


def values(declarations: Declarations) -> dict[str, dict[str, Written]]:
    """Return the declared values by address and field."""
    return {
        str(address): {name: field.value for name, field in record.fields.items()}
        for address, record in declarations.records.items()
    }


def told(declarations: Declarations) -> list[str]:
    """Return ``CODE file:line:column+length address`` of each diagnostic, in the order given."""
    return [
        f"{each.code} {each.position}+{each.position.length} {each.address or '-'}"
        if each.position is not None
        else f"{each.code} - -"
        for each in declarations.diagnostics
    ]


NORWEGIANS = [
    "NO", "Null", "yes", "on", "0123", "00501", "+14155550123", "12:30", "1_000", "1.10", "2024-01-15", "1e3", "~",
    "=", ".5", "0x1F", "y", "true", "TRUE", "NULL", "nan", ".inf", "12", "-0", "1.0", "0o17", "<<", "9" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("text", NORWEGIANS, ids=lambda text: text[:12])
def test_text_is_text_whatever_yaml_would_make_of_it(text: str) -> None:
    """In a text field every plain scalar is exactly the text that was written, and no error."""
    declarations = read(f"companies:\n  acme:\n    name: {text}\n    address: {{postal_code: {text}}}\n")

    assert ({"companies.acme": {"name": text, "address.postal_code": text}}, []) == (
        values(declarations),
        [each for each in declarations.diagnostics if each.is_error],
    )


@pytest.mark.parametrize(
    ("written", "value"),
    [("null", None), ('"null"', "null"), ("'~'", "~"), ('""', ""), ("null x", "null x"), ("|-\n      null", "null")],
)
def test_only_plain_null_clears(written: str, value: str | None) -> None:
    """The plain word `null` clears a field; quoted it is a text like any other."""
    declarations = read(f"companies:\n  acme:\n    name: {written}\n")

    assert ({"companies.acme": {"name": value}}, []) == (values(declarations), told(declarations))


@pytest.mark.parametrize("text", ["~", "Null", "NULL"])
def test_what_looks_like_null_is_text_with_a_warning_and_elsewhere_an_error(text: str) -> None:
    """YAML's other words for nothing are kept as text where text can be, and refused where it cannot."""
    declarations = read(f"companies:\n  acme:\n    name: {text}\n    employees: {text}\n    contact_type: {text}\n")

    assert ({"companies.acme": {"name": text}}, ["CRM016 warning", "CRM016 error", "CRM016 error"]) == (
        values(declarations),
        [f"{each.code} {each.severity}" for each in declarations.diagnostics],
    )


def test_null_clears_a_field_of_any_kind() -> None:
    """Null is the same for numbers, labels, sets and references, before their kind is asked."""
    text = """
companies:
  acme: {employees: null, contact_type: null}
people:
  ann: {emails: null, company: null}
"""
    expected = {"companies.acme": {"employees": None, "contact_type": None}, "people.ann": {"emails": None, "company": None}}

    assert (expected, []) == (values(read(text)), told(read(text)))


def test_a_record_is_declared_with_every_place() -> None:
    """A record knows where its key stands, each field where its value does; the address becomes five fields."""
    text = """companies:
  acme:
    name: Acme
    address: {city: Reno, country: US}
"""

    def place(line: int, column: int, length: int) -> Position:
        return Position("a.yaml", line, column, length)

    acme = Declared(
        Address("companies", "acme"),
        {
            "name": DeclaredField("Acme", place(3, 11, 4)),
            "address.city": DeclaredField("Reno", place(4, 21, 4)),
            "address.country": DeclaredField("US", place(4, 36, 2)),
        },
        place(2, 3, 4),
    )

    assert Declarations({acme.address: acme}) == read(text)


def test_types_share_files_and_span_them() -> None:
    """One file may hold several types, and one type may stand in several files."""
    first = "companies:\n  a: {name: A}\npeople:\n  p: {name: P, emails: [p@x.com], company: a}\n"
    second = "companies:\n  b: {name: B}\n"
    place = Position("a.yaml", 4, 47)
    expected = {
        "companies.a": {"name": "A"},
        "people.p": {"name": "P", "emails": Members((Member("p@x.com", "p@x.com"),)), "company": Lookup("key", "a", place)},
        "companies.b": {"name": "B"},
    }

    assert (expected, []) == (values(read(first, second)), told(read(first, second)))


def test_clearing_an_address_clears_its_parts() -> None:
    """`address: null` declares all five parts empty."""
    parts = ("street", "city", "state", "postal_code", "country")

    assert {"companies.a": {f"address.{part}": None for part in parts}} == values(read("companies:\n  a: {address: null}\n"))


# Defaults


def test_defaults_lie_under_the_records_of_their_file() -> None:
    """Defaults are deep for address and custom fields, replaced otherwise, and end with their file."""
    first = """
defaults:
  companies: {details: usual, address: {city: Reno, country: US}, custom_fields: {Tier: Gold, Seats: 5}}
companies:
  a: {name: A, address: {city: Elko}, custom_fields: {Tier: Iron}}
  b: {name: B, details: other, address: null}
"""
    second = "companies:\n  c: {name: C}\n"
    expected = {
        "companies.a": {
            "details": "usual",
            "address.city": "Elko",
            "address.country": "US",
            "custom_fields.Tier": "Iron",
            "custom_fields.Seats": 5,
            "name": "A",
        },
        "companies.b": {
            "details": "other",
            **{f"address.{part}": None for part in ("street", "city", "state", "postal_code", "country")},
            "custom_fields.Tier": "Gold",
            "custom_fields.Seats": 5,
            "name": "B",
        },
        "companies.c": {"name": "C"},
    }

    assert expected == values(read(first, second, catalogue=with_custom(custom("Tier", 1), custom("Seats", 2, NUMBER))))


def test_lists_replace_those_of_the_defaults() -> None:
    """A list in a record is the whole list."""
    text = "defaults:\n  people: {emails: [all@x.com]}\npeople:\n  a: {emails: [a@x.com]}\n"

    assert {"people.a": {"emails": Members((Member("a@x.com", "a@x.com"),))}} == values(read(text))


def test_a_record_may_do_without_defaults() -> None:
    """`without` names fields, a whole address or custom fields that are not taken from the defaults."""
    text = """
defaults:
  companies: {details: usual, employees: 5, address: {city: Reno}, custom_fields: {Tier: Gold}}
companies:
  a: {name: A, crmsync: {without: [details, address, custom_fields.Tier]}}
"""

    assert values(read(text, catalogue=with_custom(custom("Tier", 1)))) == {"companies.a": {"employees": 5, "name": "A"}}


def test_what_is_wrong_in_defaults_is_told_once() -> None:
    """A problem in defaults belongs to no record, however many records it reaches."""
    text = "defaults:\n  companies: {employees: many}\ncompanies:\n  a: {name: A}\n  b: {name: B}\n"

    assert told(read(text)) == ["CRM020 a.yaml:2:26+4 -"]


# The reserved key


def options_of(written: str, profile: str | None = None) -> RecordOptions:
    declarations = read(f"companies:\n  a:\n    crmsync: {written}\n", profile=profile)
    assert told(declarations) == []
    return declarations.records[Address("companies", "a")].options


def test_an_id_for_a_profile_that_does_not_exist_is_told() -> None:
    """A slip in the name of a profile would leave the record to its natural key, without a word."""
    document = parse(b"companies:\n  a: {name: A, crmsync: {id: {trail: 9}}}\n", "a.yaml")

    found = read_records([document], CATALOGUE, "trial", SCHEMA, ("live", "trial")).diagnostics

    detail = 'There is no profile called "trail". There are: live, trial. Did you mean "trial"?'
    place = Position("a.yaml", 2, 31, 5)
    assert (Diagnostic(CODES["CRM026"], detail, place, Address("companies", "a")),) == found


OPTIONS = {
    "nothing": ("{}", None, RecordOptions()),
    "new": ("{new: true}", None, RecordOptions(is_new=True)),
    "protect": ("{protect: True}", None, RecordOptions(is_protected=True)),
    "not new": ("{new: false}", None, RecordOptions()),
    "id": ("{id: 123}", None, RecordOptions(id=123, id_position=Position("a.yaml", 3, 19, 3))),
    "id with a profile": ("{id: 123}", "trial", RecordOptions(id=123, id_position=Position("a.yaml", 3, 19, 3))),
    "id by profile": (
        "{id: {production: 123, trial: 9}}",
        "trial",
        RecordOptions(id=9, id_position=Position("a.yaml", 3, 44)),
    ),
    "id of other profiles": ("{id: {production: 123}}", "trial", RecordOptions()),
    "policy": (
        "{policy: {on_drift: hold, on_delete: never, fields: {name: seed, details: {mode: fill, on_drift: keep}}}}",
        None,
        RecordOptions(
            policy=PolicyRule(
                on_drift=OnDrift.HOLD,
                on_delete=OnDelete.NEVER,
                fields={
                    "name": PolicyRule(Mode.SEED),
                    "details": PolicyRule(Mode.FILL, OnDrift.KEEP),
                },
            )
        ),
    ),
    "policy of an address": (
        "{policy: {fields: {address.city: seed, address: fill}}}",
        None,
        RecordOptions(
            policy=PolicyRule(
                fields={
                    "address.street": PolicyRule(Mode.FILL),
                    "address.city": PolicyRule(Mode.SEED),
                    "address.state": PolicyRule(Mode.FILL),
                    "address.postal_code": PolicyRule(Mode.FILL),
                    "address.country": PolicyRule(Mode.FILL),
                }
            )
        ),
    ),
}


@pytest.mark.parametrize(("written", "profile", "expected"), OPTIONS.values(), ids=OPTIONS.keys())
def test_the_reserved_key_is_read(written: str, profile: str | None, expected: RecordOptions) -> None:
    """`crmsync:` holds an id (of the active profile), flags and a policy."""
    assert expected == options_of(written, profile)


# Custom fields


ACCOUNT = with_custom(custom("Tier", 1), custom("Zone#2", 2), custom("Zone#3", 3), custom("Score", 4, NUMBER, Write.NEVER))


def test_custom_fields_go_by_label() -> None:
    """A custom field is named by its label; one of several with the same label by label and id."""
    declarations = read("companies:\n  a: {custom_fields: {Tier#1: Gold, Zone#3: North}}\n", catalogue=ACCOUNT)

    assert (
        values(declarations),
        told(declarations),
    ) == ({"companies.a": {"custom_fields.Tier": "Gold", "custom_fields.Zone#3": "North"}}, [])


def test_a_label_means_the_same_however_its_accents_are_encoded() -> None:
    """Composed and decomposed characters are one label, as editors and Copper differ in them."""
    declarations = read("companies:\n  a: {custom_fields: {Prio\u0301: x}}\n", catalogue=with_custom(custom("Pri\u00f3", 1)))

    assert values(declarations) == {"companies.a": {"custom_fields.Pri\u00f3": "x"}}


def test_custom_fields_of_an_unknown_account_are_checked_for_shape() -> None:
    """Without the account's definitions custom fields are left out, and only impossible shapes are told."""
    declarations = read("companies:\n  a: {name: A, custom_fields: {Tier: Gold, Zone: [N, S], Odd: {x: 1}, Old: }}\n")

    assert (
        values(declarations),
        told(declarations),
    ) == ({"companies.a": {"name": "A"}}, ["CRM014 a.yaml:2:63+6 companies.a", "CRM015 a.yaml:2:71+3 companies.a"])


# What is wrong

WRONG = {
    "unknown field": ("companies:\n  a: {nmae: x}\n", ["CRM011 a.yaml:2:7+4 companies.a"]),
    "unknown address part": ("companies:\n  a: {address: {town: x}}\n", ["CRM011 a.yaml:2:17+4 companies.a"]),
    "unknown option": ("companies:\n  a: {crmsync: {nwe: true}}\n", ["CRM011 a.yaml:2:17+3 companies.a"]),
    "unknown field without": ("companies:\n  a: {crmsync: {without: [nam]}}\n", ["CRM011 a.yaml:2:27+3 companies.a"]),
    "policy, no field": ("companies:\n  a: {crmsync: {policy: {fields: {x: {}}}}}\n", ["CRM011 a.yaml:2:35+1 companies.a"]),
    "unknown type": ("poeple:\n  a: {name: x}\ncompanies: {b: {name: B}}\n", ["CRM012 a.yaml:1:1+6 -"]),
    "unknown type in defaults": ("defaults: {x: {}}\ncompanies: {b: {name: B}}\n", ["CRM012 a.yaml:1:12+1 -"]),
    "invalid key": ('companies:\n  "a b": {name: x}\n  b: {name: B}\n', ["CRM013 a.yaml:2:3+5 -"]),
    "key with a newline": ('companies:\n  "a\\n": {name: x}\n  b: {name: B}\n', ["CRM013 a.yaml:2:3+5 -"]),
    "long key": (f"companies:\n  {'k' * 101}: {{name: x}}\n  b: {{name: B}}\n", ["CRM013 a.yaml:2:3+101 -"]),
    "record as text": ("companies:\n  a: text\n", ["CRM014 a.yaml:2:6+4 companies.a"]),
    "record as null": ("companies:\n  a: null\n", ["CRM014 a.yaml:2:6+4 companies.a"]),
    "type as a list": ("companies:\n  - a\n", ["CRM014 a.yaml:2:3+1 -"]),
    "file as a list": ("- a\n", ["CRM014 a.yaml:1:1+1 -"]),
    "address as text": ("companies:\n  a: {address: Reno}\n", ["CRM014 a.yaml:2:16+4 companies.a"]),
    "empty value": ("companies:\n  a:\n    name:\n", ["CRM015 a.yaml:3:5+4 companies.a"]),
    "empty item": ("people:\n  b:\n    emails:\n      -\n", ["CRM015 a.yaml:4:8+1 people.b"]),
    "empty record": ("companies:\n  a:\n", ["CRM015 a.yaml:2:3+1 companies.a"]),
    "empty type": ("companies:\n", ["CRM015 a.yaml:1:1+9 -"]),
    "null of a number": ("companies:\n  a: {employees: ~}\n", ["CRM016 a.yaml:2:18+1 companies.a"]),
    "declared twice in a file": ("companies:\n  a: {name: A}\n  a: {name: B}\n", ["CRM010 a.yaml:3:3+1 -"]),
    "read-only": ("companies:\n  a: {interaction_count: 3}\n", ["CRM018 a.yaml:2:7+17 companies.a"]),
    "wrong type": ("companies:\n  a: {employees: many}\n", ["CRM020 a.yaml:2:18+4 companies.a"]),
    "id that is none": ("companies:\n  a: {crmsync: {id: x}}\n", ["CRM020 a.yaml:2:21+1 companies.a"]),
    "flag in quotes": ("companies:\n  a: {crmsync: {new: 'true'}}\n", ["CRM020 a.yaml:2:22+6 companies.a"]),
    "word of a policy": ("companies:\n  a: {crmsync: {policy: {on_drift: kep}}}\n", ["CRM026 a.yaml:2:36+3 companies.a"]),
    "mode of a field": ("people:\n  a: {crmsync: {policy: {fields: {name: sed}}}}\n", ["CRM026 a.yaml:2:41+3 people.a"]),
    "own of a text": ("companies:\n  a: {crmsync: {policy: {fields: {name: own}}}}\n", ["CRM029 a.yaml:2:41+3 companies.a"]),
    "id by profile without one": ("companies:\n  a: {crmsync: {id: {x: 1}}}\n", ["CRM045 a.yaml:2:21+6 companies.a"]),
    "moved without an end": ("moved: [{to: companies.a}]\ncompanies: {a: {name: A}}\n", ["CRM047 a.yaml:1:9+17 -"]),
    "moved of no type": ("moved: [{from: a, to: companies.a}]\ncompanies: {a: {name: A}}\n", ["CRM020 a.yaml:1:16+1 -"]),
    "no records": ("companies: {}\n", ["CRM008 - -"]),
    "same domain": (
        "companies:\n  a: {name: A, email_domain: x.com}\n  b: {name: B, email_domain: x.com}\n",
        ["CRM040 a.yaml:3:30+5 companies.b"],
    ),
    "same name": ("companies:\n  a: {name: A}\n  b: {name: A}\n", ["CRM040 a.yaml:3:13+1 companies.b"]),
    "same deal": (
        "opportunities:\n  a: {name: A, company: x}\n  b: {name: A, company: companies.x}\n",
        ["CRM040 a.yaml:3:13+1 opportunities.b"],
    ),
    "same id": (
        "companies:\n  a: {name: A, crmsync: {id: 7}}\n  b: {name: B, crmsync: {id: 7}}\n",
        ["CRM040 a.yaml:3:30+1 companies.b"],
    ),
    "moved, still declared": (
        "moved: [{from: companies.a, to: companies.b}]\ncompanies: {a: {name: A}, b: {name: B}}\n",
        ["CRM043 a.yaml:1:9+36 companies.b"],
    ),
    "moved to nowhere": (
        "moved: [{from: companies.a, to: companies.b}]\ncompanies: {c: {name: C}}\n",
        ["CRM043 a.yaml:1:9+36 companies.b"],
    ),
    "moved to another type": (
        "moved: [{from: people.a, to: companies.b}]\ncompanies: {b: {name: B}}\n",
        ["CRM043 a.yaml:1:9+33 companies.b"],
    ),
    "moved onto itself": (
        "moved: [{from: companies.b, to: companies.b}]\ncompanies: {b: {name: B}}\n",
        ["CRM043 a.yaml:1:9+36 companies.b"],
    ),
}


@pytest.mark.parametrize(("text", "expected"), WRONG.values(), ids=WRONG.keys())
def test_each_mistake_is_told_at_its_place(text: str, expected: list[str]) -> None:
    """Every kind of mistake has its code, its place and the record it belongs to, and causes no second complaint."""
    assert expected == told(read(text))


def test_custom_fields_that_do_not_exist_are_told() -> None:
    """Unknown, ambiguous and read-only custom fields are told at their label or value."""
    text = "companies:\n  a: {custom_fields: {Teir: x, Zone: x, 'Zone#9': x, Score: 5}}\n"

    assert [
        (each.code.number, each.position.column, each.detail)
        for each in read(text, catalogue=ACCOUNT).diagnostics
        if each.position is not None
    ] == [
        ("CRM034", 23, 'companies have no custom field called "Teir". Did you mean "Tier"?'),
        ("CRM035", 32, 'companies have 2 custom fields called "Zone". Write "Zone#2" or "Zone#3".'),
        ("CRM034", 41, 'companies have no custom field called "Zone#9". Did you mean "Zone"?'),
        ("CRM018", 61, '"custom_fields.Score" is computed by Copper and cannot be written. Remove the line.'),
    ]


def test_a_record_declared_in_two_files_is_told_with_the_other_place() -> None:
    """The second declaration is refused and names file and line of the first."""
    declarations = read("companies:\n  a: {name: A}\n", "\ncompanies:\n  a: {name: B}\n")
    detail = "companies.a already stands in a.yaml, line 2. Keep one of the two."

    expected = Diagnostic(CODES["CRM017"], detail, Position("b.yaml", 3, 3), Address("companies", "a"))

    assert (expected,) == declarations.diagnostics


ALIKE_BUT_FINE = {
    "new": "companies:\n  a: {name: A}\n  b: {name: A, crmsync: {new: true}}\n",
    "by id": "companies:\n  a: {name: A}\n  b: {name: A, crmsync: {id: 5}}\n",
    "with a domain": "companies:\n  a: {name: A}\n  b: {name: A, email_domain: a.com}\n",
    "of other companies": "opportunities:\n  a: {name: A, company: x}\n  b: {name: A, company: y}\n",
    "cleared": "companies:\n  a: {name: A, email_domain: null}\n  b: {name: B, email_domain: null}\n",
    "of other types": "companies:\n  a: {name: A}\nopportunities:\n  a: {name: A}\n",
}


@pytest.mark.parametrize("text", ALIKE_BUT_FINE.values(), ids=ALIKE_BUT_FINE.keys())
def test_likeness_alone_is_no_mistake(text: str) -> None:
    """Records may be alike where their identity does not hang on it, or where the file says that both are meant."""
    assert told(read(text)) == []


def test_two_people_share_an_email_among_several() -> None:
    """A unique set may not have one member in common with another record's."""
    text = "people:\n  a: {emails: [a@x.com, s@x.com]}\n  b: {emails: [S@x.com, b@x.com]}\n"

    assert told(read(text)) == ["CRM040 a.yaml:3:15+18 people.b"]


def test_renames_are_read() -> None:
    """A chain of moves that ends at a declared address is fine."""
    text = """moved:
  - {from: companies.a, to: companies.b}
  - {from: companies.b, to: companies.c}
companies: {c: {name: C}}
"""
    addresses = {key: Address("companies", key) for key in "abc"}

    assert (
        (
            Moved(addresses["a"], addresses["b"], Position("a.yaml", 2, 5, 36)),
            Moved(addresses["b"], addresses["c"], Position("a.yaml", 3, 5, 36)),
        ),
        [],
    ) == (read(text).moved, told(read(text)))


def test_all_mistakes_are_told_in_file_order() -> None:
    """Syntax, shape and values of all files come in one go, by file, line and column."""
    first = "companies:\n  b: {employees: x, nmae: B, name: !x B}\n  a: {name: ~, detials: }\n"
    second = 'companies:\n  c: {name: C, name: D}\n  b: {name: E}\npeople:\n  p: {emails: 5, company: "x\\x01"}\n'

    assert told(read(first, second)) == [
        "CRM020 a.yaml:2:18+1 companies.b",
        "CRM011 a.yaml:2:21+4 companies.b",
        "CRM006 a.yaml:2:36+2 -",
        "CRM016 a.yaml:3:13+1 companies.a",
        "CRM015 a.yaml:3:16+7 companies.a",
        "CRM010 b.yaml:2:16+4 -",
        "CRM017 b.yaml:3:3+1 companies.b",
        "CRM020 b.yaml:5:15+1 people.p",
        "CRM007 b.yaml:5:27+7 -",
    ]


def test_an_unreadable_file_brings_no_complaints_about_the_others() -> None:
    """What only a complete reading can say (no records, moved to nowhere) is not said when a file could not be read."""
    assert told(read("moved: [{from: companies.a, to: companies.b}]\n", "a: b: c\n")) == ["CRM002 b.yaml:1:5+1 -"]


def test_the_kind_has_the_last_word_on_a_value() -> None:
    """A number in quotes, which the schema for editors would refuse, is fine when its kind reads it."""
    declarations = read("companies:\n  a: {employees: '12', contact_type: 2024}\n")

    assert ({"companies.a": {"employees": 12, "contact_type": Label("2024", Position("a.yaml", 2, 38, 4))}}, []) == (
        values(declarations),
        told(declarations),
    )


def test_a_lookup_keeps_what_was_written() -> None:
    """A reference may be a lookup by another field."""
    lookup = Lookup("name", "Acme", Position("a.yaml", 2, 16, 12))

    assert {"people.a": {"company": lookup}} == values(read("people:\n  a: {company: {name: Acme}}\n"))


def test_a_warning_stops_nothing() -> None:
    """What looks like null in a text is told, and declared."""
    declarations = read("companies:\n  a: {name: ~}\n")

    assert (
        values(declarations),
        [each.severity for each in declarations.diagnostics],
    ) == ({"companies.a": {"name": "~"}}, [Severity.WARNING])


def test_an_alias_may_be_plain_for_one_type_and_odd_for_another() -> None:
    """One node stands under two types; only one of them has all its fields."""
    text = "people:\n  ann: &it {name: Ann, emails: [a@a.test]}\ncompanies:\n  acme: *it\n"

    assert [each.code.number for each in read(text).diagnostics] == ["CRM011"]


def test_of_plain_records_the_schema_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking takes ten times as long as all the rest; only what is in any way unusual is looked at."""
    asked: list[object] = []
    original = records.check_structure
    monkeypatch.setattr(records, "check_structure", lambda odd, shape: asked.append(odd.root) or original(odd, shape))
    plain = "companies:\n  acme: {name: Acme, address: {city: Reno}, details: null}\n  bolt:\n    name: Bolt\n"

    assert read(plain, plain.replace("companies", "people").replace(", details: null", "")).diagnostics == ()
    assert asked == [None, None]
    assert [int(each.code.number[3:]) for each in read(plain.replace("details", "detials")).diagnostics] == [11]
    assert [[key.text for key, _ in root.entries[0][1].entries] for root in asked[2:]] == [["acme"]]
