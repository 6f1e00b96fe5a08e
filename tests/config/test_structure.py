"""The words for what has not the shape of the schema."""

from __future__ import annotations

import pytest

from crmsync.catalogue.schema import records_schema
from crmsync.config.document import parse
from crmsync.config.structure import check_structure, plain_value
from crmsync.model.source import Position, Scalar

from .tiny import CATALOGUE

SCHEMA = records_schema(CATALOGUE)

SENTENCES = {
    "field": ("companies: {a: {detials: x}}", 'companies have no field called "detials". Did you mean "details"?'),
    "field far off": ("companies: {a: {zzz: x}}", 'companies have no field called "zzz".'),
    "field with _id": ("people: {a: {company_id: x}}", 'people have no field called "company_id". Did you mean "company"?'),
    "field of defaults": ("defaults: {people: {nam: x}}", 'people have no field called "nam". Did you mean "name"?'),
    "type": ("Companies: {}", 'There is no record type called "Companies". Did you mean "companies"?'),
    "part": ("people: {a: {address: {zip: 1}}}", '"address" has no entry called "zip".'),
    "key": ("people: {'a b': {}}", '"a b" cannot be a key. Use 1 to 100 letters, digits and `_ . @ + -`.'),
    "shape": ("people: {a: {address: [x]}}", '"address" takes a mapping, not a list.'),
    "type of value": ("people: {a: {crmsync: {new: 5}}}", '"new" takes true or false, not "5".'),
    "several types": ("people: {a: {crmsync: {id: x}}}", '"id" takes a whole number or a mapping, not "x".'),
    "choice": (
        "people: {a: {crmsync: {policy: {on_adopt: fil}}}}",
        '"on_adopt" takes overwrite, fill or hold, not "fil". Did you mean "fill"?',
    ),
    "choice of a field": ("opportunities: {a: {priority: Medium}}", '"priority" takes None, Low or High, not "Medium".'),
    "misfit": (
        "people: {a: {crmsync: {policy: {fields: {name: add}}}}}",
        '"add" is for lists such as tags. Use enforce, seed, fill or observe here.',
    ),
    "nested in an alternative": (
        "people: {a: {crmsync: {policy: {fields: {name: {on_drift: x}}}}}}",
        '"on_drift" takes overwrite, keep or hold, not "x".',
    ),
    "read-only": (
        "companies: {a: {interaction_count: 1}}",
        '"interaction_count" is computed by Copper and cannot be written. Remove the line.',
    ),
    "empty field": ("people: {a: {name: }}", "Nothing is written here. Write null to clear the field, or remove the line."),
    "empty record": ("people: {a: }", 'Nothing stands under "a". Write something there, or remove the line.'),
    "missing": ("moved: [{from: people.a}]", '"moved" needs an entry called `to`.'),
    "address": (
        "moved: [{from: a, to: people.b}]",
        '"a" does not fit here. Write the type, a dot and the key, such as companies.acme.',
    ),
    "one line, not endless": (f"people: {{a: {{{'n' * 100}: x}}}}", f'people have no field called "{"n" * 57}...".'),
}


@pytest.mark.parametrize(("text", "sentence"), SENTENCES.values(), ids=SENTENCES.keys())
def test_a_mistake_is_told_in_a_sentence(text: str, sentence: str) -> None:
    """No diagnostic speaks of schemas, properties or Python."""
    assert [sentence] == [each.detail for each in check_structure(parse(text.encode(), "f.yaml"), SCHEMA)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"), ("yes", "yes"), ("true", True), ("False", False), ("12", 12), ("-5", -5), ("0123", 123),
        ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), ("1_000", "1_000"), ("12:30", "12:30"), ("2024-01-15", "2024-01-15"),
        ("null", None), ("~", "~"), ("Null", "Null"), (".inf", ".inf"), ("0x1F", "0x1F"), ("٣", "٣"),
    ],
)  # fmt: skip
def test_plain_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    """The check counts plain scalars as YAML 1.2 does, but only `null` as null, and anything in quotes as text."""
    place = Position("f.yaml", 1, 1)

    assert (value, text) == (plain_value(Scalar(text, place)), plain_value(Scalar(text, place, is_plain=False)))
