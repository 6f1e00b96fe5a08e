"""Files of rows: one record a line, told of line by line, and the same records that YAML would give."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsync.catalogue.schema import records_schema
from crmsync.config.document import parse
from crmsync.config.records import read_records
from crmsync.config.rows import MOST_BYTES, parse_rows, type_of
from crmsync.model.source import Listing, Node, Position, Scalar, Table
from tests.config.tiny import CATALOGUE

FILE = "crm/companies.jsonl"
SCHEMA = records_schema(CATALOGUE)


def at(column: int, length: int, line: int = 1) -> Position:
    """Return a place in the file."""
    return Position(FILE, line, column, length)


def codes(text: str) -> list[tuple[str, int, int]]:
    """Return what is wrong with *text*: code, line and column."""
    found = parse_rows(text.encode("utf-8", "surrogatepass"), FILE).diagnostics
    return [(each.code.number, each.position.line, each.position.column) for each in found if each.position is not None]


def plain(node: Node) -> object:
    """Return *node* as data, all scalars as text."""
    if isinstance(node, Scalar):
        return (node.text, node.is_plain)
    if isinstance(node, Listing):
        return [plain(each) for each in node.items]
    return {key.text: plain(each) for key, each in node.entries}


def test_a_row_becomes_nodes_with_places() -> None:
    """The record stands under its key, at the place of the key, without it."""
    document = parse_rows(b'{"key": "acme", "name": "Acme", "employees": 12.50}\n', FILE)

    record = Table(
        (
            (Scalar("name", at(17, 6), False), Scalar("Acme", at(25, 6), False)),
            (Scalar("employees", at(33, 11), False), Scalar("12.50", at(46, 5), True)),
        ),
        at(1, 51),
    )
    rows = Table(((Scalar("acme", at(9, 6), False), record),), at(1, 1))
    assert Table(((Scalar("companies", at(1, 1)), rows),), at(1, 1)) == document.root
    assert document.diagnostics == ()


@pytest.mark.parametrize(
    ("name", "expected"), [("people.jsonl", "people"), ("a/people-2026-x.JSONL", "people"), ("x.y.jsonl", "x.y")]
)
def test_the_file_is_called_after_the_type(name: str, expected: str) -> None:
    """What follows a hyphen is the user's."""
    assert expected == type_of(name)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"key": "a", "name": "A"', ("CRM050", 25)),
        ('{"key": "a", "name": "A}', ("CRM050", 22)),
        ('{"key": "a", "name": A}', ("CRM050", 22)),
        ('{"key": "a" "name": "A"}', ("CRM050", 13)),
        ('{"key": "a", "name": "A",}', ("CRM050", 26)),
        ('{"key": "a", "name": 01}', ("CRM050", 22)),
        ('{"key": "a", "name": NaN}', ("CRM050", 22)),
        ('{"key": "a", "name": "\\x"}', ("CRM050", 22)),
        ("{'key': 'a'}", ("CRM050", 2)),
        ('{"key": "a"} {"key": "b"}', ("CRM050", 14)),
        ('["a"]', ("CRM014", 1)),
        ('"a"', ("CRM014", 1)),
        ('{"name": "A"}', ("CRM047", 1)),
        ('{"key": ["a"]}', ("CRM013", 9)),
        ('{"key": null}', ("CRM013", 9)),
        ('{"key": ""}', ("CRM013", 9)),
        ('{"key": "a", "name": "A", "name": "B"}', ("CRM010", 27)),
        ('{"key": "a", "name": "\\ud83d"}', ("CRM005", 22)),
        ('{"key": "a", "name": "\\u0007"}', ("CRM007", 22)),
        ('{"key": "a", "name": ' + "[" * 50 + "]" * 50 + "}", ("CRM004", 61)),
        ('{"key": "a", "name": "' + "x" * MOST_BYTES + '"}', ("CRM004", 1)),
    ],
)
def test_what_is_wrong_with_a_line_is_told_at_its_place(line: str, expected: tuple[str, int]) -> None:
    """It costs that line alone: the others are read."""
    code, column = expected

    assert codes(f'{{"key": "x"}}\n{line}\n{{"key": "y"}}\n') == [(code, 2, column)]


def test_bytes_that_are_no_utf8_are_told() -> None:
    """The other lines are read; another encoding is told once."""
    document = parse_rows(b'{"key": "a"}\n{"key": "\xff"}\n', FILE)
    utf16 = parse_rows('{"key": "a"}\n{"key": "b"}\n'.encode("utf-16"), FILE)

    assert [("CRM001", at(10, 1, line=2))] == [(each.code.number, each.position) for each in document.diagnostics]
    assert [each.code.number for each in utf16.diagnostics] == ["CRM001"]


@pytest.mark.parametrize("text", ["", "\n", " \n\r\n"])
def test_nothing_at_all_is_told(text: str) -> None:
    """As it is for YAML."""
    assert codes(text) == [("CRM003", 1, 1)]


def test_blank_lines_and_a_byte_order_mark_are_nothing() -> None:
    """Lines are counted all the same."""
    assert codes('\ufeff{"key": "a"}\r\n\r\n  \n{x}\n') == [("CRM050", 4, 2)]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcö ", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc", min_size=1), VALUES, max_size=4), st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_record_reads_as_json_does(record: dict[str, object], is_ascii: bool) -> None:
    """Texts are texts, everything else the words that JSON has for it."""
    text = json.dumps({"key": "it", **record}, ensure_ascii=is_ascii)

    def words(value: object) -> object:
        if isinstance(value, dict):
            return {key: words(each) for key, each in value.items()}
        if isinstance(value, list):
            return [words(each) for each in value]
        return (value, False) if isinstance(value, str) else (json.dumps(value), True)

    document = parse_rows(text.encode(), FILE)

    if document.diagnostics:
        assert {each.code.number for each in document.diagnostics} == {"CRM007"}  # invisible characters
    assert document.root is not None
    assert {"companies": {"it": words(record)}} == plain(document.root)


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_bytes_raise(data: bytes) -> None:
    """Whatever a file holds, something is said of it."""
    parse_rows(data, FILE)
    parse_rows(b'{"key": "a", "name": ' + data, FILE)


def test_rows_say_what_yaml_says() -> None:
    """Complaints of fields, keys, unknown names and twins are the same, at the places of the row."""
    rows = (
        '{"key": "acme", "name": "Acme", "nmae": "x", "email_domain": "a.test", "employees": "many"}\n'
        '{"key": "no key", "name": "B"}\n'
        '{"key": "acme", "name": "C"}\n'
        '{"key": "twin", "email_domain": "a.test", "details": ""}\n'
    )
    read = read_records([parse_rows(rows.encode(), FILE)], CATALOGUE, None, SCHEMA)
    same = parse(
        b"companies:\n  acme: {name: Acme, email_domain: a.test}\n  twin: {email_domain: a.test, details: ''}\n", "y"
    )

    assert [(each.code.number, each.position and each.position.line, each.detail) for each in read.diagnostics] == [
        ("CRM011", 1, 'companies have no field called "nmae". Did you mean "name"?'),
        ("CRM020", 1, "employees is a number."),
        ("CRM013", 2, '"no key" cannot be a key. Use 1 to 100 letters, digits and `_ . @ + -`.'),
        ("CRM017", 3, "companies.acme already stands in crm/companies.jsonl, line 1. Keep one of the two."),
        ("CRM040", 4, 'companies.acme has the email_domain "a.test" as well (crm/companies.jsonl:1:62).'),
    ]
    expected = read_records([same], CATALOGUE, None, SCHEMA).records
    assert {address: values(record.fields) for address, record in expected.items()} == {
        address: values(record.fields) for address, record in read.records.items()
    }


def values(fields: object) -> object:
    """Return fields without their places."""
    assert isinstance(fields, dict)
    return {name: each.value for name, each in fields.items()}


def test_a_file_of_no_type_is_told() -> None:
    """Once, with what it could be called."""
    read = read_records([parse_rows(b'{"key": "a"}\n', "crm/compani.jsonl")], CATALOGUE, None, SCHEMA)

    assert [each.detail for each in read.diagnostics] == [
        'There is no record type called "compani". Did you mean "companies"? A file of rows is called after their type: '
        "companies.jsonl, people.jsonl, opportunities.jsonl, or with more after a hyphen."
    ]
