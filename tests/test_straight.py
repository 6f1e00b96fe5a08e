"""The law of records read straight from their lines: the sheet is the one that reading all of the file by nodes gives."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsync.model.catalogue import Catalogue
from crmsync.model.settings import Settings
from crmsync.model.source import Diagnostic
from crmsync.project.files import Source
from crmsync.project.pieces import pieces_of
from crmsync.project.session import open_project
from crmsync.project.sheetreader import SheetReader
from crmsync.project.sheets import Sheet
from crmsync.project.validating import cached_catalogue
from tests.edits import edited
from tests.world import World

COMMON = """\
# Everything that is plain, and some that is not
people:
  ann.lee:
    name: Ann O'Lee   # the first
    title: 'VP: Sales'
    contact_type: Potential Customer
    assignee: dana@ourfirm.com
    details: Met at #3, see http://x.test/a?b=c#d
    address:
      street: 1 Main St
      city: Reno
      postal_code: '00501'
      country: US
    emails:
      - ann@acme.test
      - {email: a@home.test, category: personal}
      - email: b@home.test
        category: work
    phone_numbers:
    - {number: '+14155550123', category: home}
    tags: [vip, new one, "a, b"]

    custom_fields:
      Tier: Gold
      Regions: [EMEA, APAC]
      Renewal date: 2027-01-31
      Annual revenue: 1000.50
      Code: Ünïcode
    company: acme
  bob:
    name: Bob
    title: null
    address: {city: Reno, state: NV}
    custom_fields:
      Regions:
        - EMEA
        - LATAM
    company: {email_domain: acme.test}
  cid: {name: Cid, company: companies.bolt}
  dan:
    name: Dan
    crmsync: {id: 77}
  eve:
    name: Eve
    details: |
      Several
      lines
  fay:
    name: Fay
    tags: []
    emails:
      - {email: f@x.test, category: work}
      - {email: fay@x.test, category: work}
      - {email: fay@home.test, category: personal}
    phone_numbers:
      - {number: '+14155550125', category: home}
      - {number: '+14155550126', category: home}
companies:
    acme:
        name: Acme
        email_domain: acme.test
        primary_contact: ann.lee
    bolt:
        name: Bolt
        phone_numbers: ['+1 415 555 0124', 12]
moved:
- {from: companies.old, to: companies.acme}
opportunities:
  renewal:
    name: Renewal
    primary_contact: people.bob
    company: companies.acme
    pipeline: Sales
    stage: Qualifying
    monetary_value: 50000
    close_date: 2026-12-31
  second:
    name: Second
    company:
      name: Bolt
    pipeline: Sales
    stage: nowhere
"""
PIECES = [
    *("a", "b c", "key", "people:\n", "- ", "-", ": ", ":", "\n", "\n", "\n  ", "\n    ", "\n  - ", "\n- ", " ", "  "),
    *("[", "]", "{", "}", ", ", ",", "'", '"', "#", " # x", "&a ", "*a", "!x ", "|", ">", "? ", "%", "~", "null", "'x\n"),
    *(
        "<<: *a",
        "...",
        "---",
        "\n---\n",
        "\t",
        "\r\n",
        "é",
        "\x85",
        "\u2028",
        "1",
        "+1",
        "-1",
        ".5",
        "k: v",
        "Gold",
        "Golden",
    ),
    *("    name: Other\n", "    tags: [x]\n", "  bob:\n", "    address:\n", "      city: Reno\n", "defaults:\n", "  # y\n"),
    *(
        "    title: 'Dr'\n",
        '    title: "Dr"\n',
        "    title: 'Dr\n",
        "    title: ''\n",
        "      postal_code: '1'\n",
        "    title: '\n",
    ),
    *("    crmsync: {new: true}\n", '    details: "x\n', '"\n', "    nmae: x\n", "    emails:\n", "      - x@y.test\n"),
    *(
        "      - {email: q@x.test, category: work}\n",
        "      - {email: fay@x.test, category: work}\n",
        "      - {}\n",
        "home",
        "@",
    ),
    *("      - {number: '+1415', category: home}\n", "      - {email: 'q@x.test', category: Work}\n", "null", "Nie", "''"),
]


@cache
def _world() -> tuple[Catalogue, Settings]:
    with TemporaryDirectory() as folder:
        World(Path(folder)).plan("companies:\n  acme: {name: Acme}\n")
        project = open_project(start=Path(folder), environ={})
        return cached_catalogue(project)[0], project.settings


class ByNodes(SheetReader):
    """Reads every file as a whole."""

    def _straight(self, *_: object) -> None:
        return None


def told(sheet: Sheet) -> tuple[object, ...]:
    """Return all that a sheet says."""
    diagnostics: tuple[Diagnostic, ...] = sheet.diagnostics
    return sheet, diagnostics, sheet.records(), bytes(sheet.bodies(0, sheet.ends[-1])) if sheet.ends else b""


def both(text: str, reader: SheetReader, whole: SheetReader, name: str = "crm/a.yaml") -> tuple[Sheet, Sheet]:
    """Return the sheet of a file that holds *text*, read the usual way and as a whole."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        (piece,) = pieces_of(Source(path, name))
        return reader.sheet(piece), whole.sheet(piece)


@pytest.fixture(scope="module")
def check() -> Callable[[str], None]:
    """Return what holds the law for one text, with readers that have read other texts before."""
    reader, whole = SheetReader(*_world(), {}), ByNodes(*_world(), {})

    def law(text: str, name: str = "crm/a.yaml") -> None:
        quick, slow = both(text, reader, whole, name)
        assert told(slow) == told(quick)

    return law


def test_the_common_shape(check: Callable[[str], None]) -> None:
    """A file of all sorts, with odd records among plain ones."""
    check(COMMON)
    check(COMMON.replace("\n", "\r\n"))
    check(COMMON.rstrip("\n"))
    check("\ufeff" + COMMON)


def test_plain_records_are_read_straight() -> None:
    """The law would hold as well if none ever were; odd ones leave the others alone."""
    reader = SheetReader(*_world(), {})

    found = reader._lines.read(COMMON.encode(), "crm/a.yaml")

    assert found is not None
    assert [each.key for each in found.records] == ["ann.lee", "bob", "fay", "acme", "bolt", "renewal"]


@pytest.mark.parametrize("seed", range(40))
def test_after_random_edits(check: Callable[[str], None], seed: int) -> None:
    """Characters, lines and pieces put into, moved in, and taken out of a file."""
    chance = random.Random(seed)
    for _ in range(40):
        lines = COMMON.splitlines(keepends=True)
        for _ in range(chance.choice([0, 0, 1, 2])):
            line = lines.pop(chance.randrange(len(lines)))
            lines.insert(chance.randrange(len(lines)), line)
        check(edited("".join(lines), PIECES, chance))


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
@settings(max_examples=300, deadline=None)
def test_of_any_text(text: str) -> None:
    """Pieces of YAML in any order, also among records that are plain."""
    reader, whole = SheetReader(*_world(), {}), ByNodes(*_world(), {})
    before, after = "people:\n  ann:\n    name: Ann\n", "  zoe:\n    name: Zoe\n    emails:\n      - z@y.test\n"
    for each in (text, f"{before}    {text}\n{after}", f"{before}{text}{after}", f"{before}  x:\n    {text}\n{after}"):
        quick, slow = both(each, reader, whole)
        assert told(slow) == told(quick)


ROWS = """\
{"key": "ann", "name": "Ann Lee", "title": "VP: \\u0053ales", "company": "acme", "tags": ["vip", "new one"]}
{"key": "bob", "name": "Bob", "address": {"city": "Reno", "country": "US"}, "title": null, "custom_fields": {"Tier": "Gold"}}
{"key": "cid", "emails": [{"email": "c@x.test", "category": "work"}, {"email": "d@x.test", "category": "other"}]}
{"key": "dan", "name": "Dan", "emails": ["dan@x.test"], "custom_fields": {"Regions": ["EMEA"], "Annual revenue": 12.50}}

{"name": "Eve", "key": "eve", "phone_numbers": [{"number": "+14155550123", "category": "home"}], "company": {"name": "Acme"}}
{"key":"fay","name":"Fay","address":{"city":"Reno"},"custom_fields":{"Code":"Ünï"}}
{"key": "gil", "name": "Gil", "crmsync": {"id": 7}}
{"key": "hal", "name": "H", "emails": [{"email": "h@x.test", "category": "work"}, {"email": "i@x.test", "category": "home"}]}
"""
BITS = [
    *(
        "a",
        " ",
        "\t",
        "\r",
        "\n",
        '"',
        '", "',
        '": "',
        "{",
        "}",
        "[",
        "]",
        ",",
        ", ",
        ":",
        "\\",
        "\\n",
        "é",
        "\x7f",
        "\ufeff",
        "\u2028",
    ),
    *(
        "null",
        "true",
        "1",
        "-",
        "01",
        "1e5",
        '"name": "X", ',
        '"key": "ann", ',
        '"address": {}, ',
        '"address": {"city": "Reno"}, ',
    ),
    *(
        '"tags": [], ',
        '"tags": [[]], ',
        '"nmae": "x", ',
        '"custom_fields": {"Tier": "Golden"}, ',
        '{"key": "z", "name": "Z"}\n',
        "\0",
    ),
]


@pytest.mark.parametrize("seed", range(40))
def test_rows_after_random_edits(check: Callable[..., None], seed: int) -> None:
    """The same for JSON Lines."""
    chance = random.Random(seed)
    check(ROWS, "crm/people.jsonl")
    for _ in range(40):
        text = ROWS
        for _ in range(chance.choice([1, 1, 2, 5])):
            at = chance.randrange(len(text))
            end = at + chance.choice([0, 0, 1, 3])
            text = text[:at] + chance.choice([*BITS, ""]) + text[end:]
        check(text, "crm/people.jsonl")


@given(st.lists(st.sampled_from(BITS), max_size=12).map("".join))
@settings(max_examples=300, deadline=None)
def test_of_any_row(text: str) -> None:
    """Pieces of JSON in any order, in a file, in a row, and in a value."""
    reader, whole = SheetReader(*_world(), {}), ByNodes(*_world(), {})
    plain = '{"key": "zoe", "name": "Zoe"}\n'
    for each in (text, f'{plain}{{"key": "ann", {text}"name": "Ann"}}', f'{{"key": "ann", "name": "{text}"}}\n{plain}'):
        quick, slow = both(each, reader, whole, "crm/people-2026.jsonl")
        assert told(slow) == told(quick)


@pytest.mark.parametrize("keys", ['"key": "", "key": "ann"', '"key": "ann", "key": ""', '"key": "ann", "key": "bob"'])
def test_a_key_twice_in_a_row(check: Callable[..., None], keys: str) -> None:
    """It is told, whatever they are."""
    check(f'{{{keys}, "name": "Ann"}}\n{{"key": "zoe", "name": "Zoe"}}\n', "crm/people.jsonl")


def test_plain_rows_are_read_straight() -> None:
    """Those with escapes, lookups, options are not; nor any of a type that does not exist, or where a key stands twice."""
    reader = SheetReader(*_world(), {})

    found = reader._rows.read(ROWS.encode(), "crm/people.jsonl", 1)

    assert found is not None
    assert [each.key for each in found.records] == ["bob", "cid", "dan", "fay"]
    assert reader._rows.read(ROWS.encode(), "crm/persons.jsonl", 1) is None
    assert reader._rows.read((ROWS + ROWS).encode(), "crm/people.jsonl", 1) is None


QUOTES = [
    'moved: "a\npeople:\n  ann:\n    name: Ann\nother: "\n',
    'people:\n  ann:\n    name: "Ann\n  bob:\n    name: Bob\n  cid:\n    name: "\n',
    "people:\n  ann:\n    name: [a,\n  bob:\n    name: Bob\n  ]\n",
    "people:\n  ann:\n    name: Ann\n  bob:\n    details: |+\n      x\n\n  cid:\n    name: Cid\n",
    "people:\n  ann: &a\n    name: Ann\n  bob:\n    <<: *a\n  cid:\n    name: Cid\n",
    "people:\n  ann:\n    name: Ann\n    name: Bob\n  cid:\n    name: Cid\n",
    "people:\n  ann:\n    address:\n      city: Reno\n    name: Ann\n    address: {state: NV}\n",
    "people:\n  ann:\n    address:\n    name: Ann\n",
    "people:\n  ann:\n    address:\n      # none\n    name: Ann\n",
    "people:\n  ann:\n    name: Ann\npeople:\n  bob:\n    name: Bob\n",
    "people:\n  ann:\n    name: Ann\n  ann: {name: Bob}\n",
    "people:\n    ann:\n      name: Ann\n  bob:\n    name: Bob\n",
    "people:\n  ann:\n    name: Ann\n    tags:\n    - a\n      # b\n    - c\n",
    "people:\n  ann:\n    name: Ann\n    custom_fields:\n      Tier: Gold\n      ' Tier': Gold\n",
    "people:\n  ann:\n    name: Ann\n    custom_fields: {Tier: Gold}\n    custom_fields:\n      Code: x\n",
    "crmsync: 1\npeople:\n  ann:\n    name: Ann\n",
    "people:#\n  ann:\n    name: Ann\n",
    "people:   # all\n  ann:\n    name: Ann\n",
    "people:\n  {bob: {name: Bob}}\n  ann:\n    name: Ann\n",
    "people:\n  {? bob: {name: Bob}}\n  ann:\n    name: Ann\n",
    "people:\n  ann:\n    name: Ann\n  - a\n",
    "people:\n  ann:\n    name: Ann\n  x\n",
    "people:\n  ann:\n    name: Ann\n  ? bob\n  : {name: Bob}\n",
    "people:\n  ann:\n    name: Ann\n  : {name: Bob}\n",
]


@pytest.mark.parametrize("text", QUOTES)
def test_what_the_cut_could_get_wrong(check: Callable[[str], None], text: str) -> None:
    """Quotes, brackets and anchors that reach over records; the same name twice; nothing where something should be."""
    check(text)


ENTRIES = [
    "{email: a@x.example}",
    "{email: a@x.example, category: work}",
    "{email: a@x.example, category: work, category: home}",
    "{email: 'b@x.example'}",
    "{email: 'b@x.example', category: personal}",
    "{email: 'it''s@x.example', category: work}",
    "{email: c@x.example,category: work}",
    "{email: c@x.example , category: work}",
    "{email: null, category: work}",
    "{email: 'null', category: work}",
    "{email: 'd@x.example, category: work}",
    "{email: d@x.example', category: work}",
    "{email: e@x.example, d@x.example, category: work}",
    "{email: , category: work}",
    "{email: '', category: work}",
    "{email: f@x.example, category: }",
    "{category: work, email: f@x.example}",
    "{email: F@X.example, category: Work}",
    "{email: f@x.example, category: work} # here",
    "f@x.example",
]


@pytest.mark.parametrize("most", [0, 1, 12])
@pytest.mark.parametrize("entry", ENTRIES)
def test_entries_that_are_nearly_alike(
    check: Callable[[str], None], entry: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was seen to stand around a text is taken for that only where it does, however many ways are remembered."""
    monkeypatch.setattr("crmsync.config.straight.MOST_LIKE", most)
    for number, other in enumerate(ENTRIES):
        emails = f"    emails:\n      - {other.replace('x.', f'x{number}.')}\n      - {entry}\n"
        usual = "    emails:\n      - {email: u@x.example, category: work}\n      - {email: 'v@x.example'}\n"
        check(f"people:\n  ann:\n    name: Ann\n{usual}  bob:\n    name: Bob\n{emails}  cid:\n    name: Cid\n{emails}")


@pytest.mark.parametrize("known", [1, 3])
def test_little_memory_gives_the_same(check: Callable[[str], None], known: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is forgotten is read again."""
    monkeypatch.setattr("crmsync.config.straight.MOST_KNOWN", known)
    check(COMMON)
    check(COMMON.replace("Ann", "Anne"))
