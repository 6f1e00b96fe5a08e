"""Rows as text and files: what is printed, and what text from the CRM can not do to a terminal or a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from typing import Any

import openpyxl
import pytest
import yaml

from crmsync.render import rows

MOMENT = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
NASTY = "a\x1b[31m\u202eb\nc"


def test_a_table() -> None:
    """Columns are as wide as what they hold, numbers stand to the right, nothing is left for None, a long cell is cut."""
    table = rows.table_text(
        ("name", "worth", "on", "vip"),
        [("Ann", 5, date(2026, 12, 31), True), ("東京", 12.5, None, False), ("x" * 60, None, MOMENT, None)],
    )

    assert table == (
        f"name{' ' * 44}  worth  on                vip\n"
        f"Ann{' ' * 45}      5  2026-12-31        yes\n"
        f"東京{' ' * 44}   12.5                    no\n"
        f"{'x' * 47}…         2026-12-31 23:59\n"
    )


def test_a_table_of_a_width() -> None:
    """Texts give way to the widest's cost, numbers never; what cannot be made to fit is left."""
    names, row = ("id", "name", "details"), (70000001, "Ann Lee", "x" * 40)

    assert [rows.table_text(names, [row], width).splitlines()[1] for width in (40, 8)] == [
        f"70000001  Ann Lee  {'x' * 20}…",
        "70000001  Ann L…  xxxxx…",
    ]


def test_an_empty_table() -> None:
    """Without rows there is the head, in every format."""
    assert rows.table_text(("id", "name"), []) == "id  name\n"
    assert list(rows.csv_lines(("id", "name"), [])) == ["id,name\n"]
    assert (rows.json_text([]), list(rows.json_lines([])), rows.yaml_text([])) == ("[]\n", [], "[]\n")


CELLS: list[tuple[Any, str]] = [
    ("=1+1", "'=1+1"),
    ("@cmd", "'@cmd"),
    ("+cmd|x", "'+cmd|x"),
    ("-2+3", "'-2+3"),
    ("\tx", "'\tx"),
    ("+1 (415) 555-0123", "+1 (415) 555-0123"),
    ("-12.5", "-12.5"),
    (-12.5, "-12.5"),
    ('a,b\n"c"', 'a,b\n"c"'),
    (True, "true"),
    (None, ""),
    (MOMENT, "2026-12-31T23:59:00Z"),
    (date(2026, 12, 31), "2026-12-31"),
    (["a"], '["a"]'),
    ("a\x1bb\u202e", "a\\x1bb\\x202e"),
]


@pytest.mark.parametrize(("value", "expected"), CELLS, ids=[repr(each[0]) for each in CELLS])
def test_csv_cells(value: Any, expected: str) -> None:
    """A cell is what it was, but never a formula, and nothing a terminal acts on."""
    (_, line) = rows.csv_lines(("x", "y"), iter([(value, "")]))

    assert next(csv.reader(io.StringIO(line)))[0] == expected


def test_json_keeps_the_text_and_hides_nothing() -> None:
    """What could not be seen is escaped; read back it is the same."""
    text, (line,) = rows.json_text([{"x": NASTY, "d": MOMENT}]), rows.json_lines([{"x": NASTY}])

    assert (json.loads(text)[0]["x"], json.loads(line)["x"]) == (NASTY, NASTY)
    assert not {"\x1b", "\u202e"} & set(text + line)


def test_yaml_keeps_the_text() -> None:
    """Texts that YAML would take for something else come back as texts."""
    texts = ["NO", "00501", "2026-12-31", "null", "~", "1e3", "a: b", "# x"]
    texts += [NASTY, "a\u202eb", "a\U000e0041b", "x\ty", "東京 😀"]
    shown = rows.yaml_text([{"x": text} for text in texts] + [{"x": date(2026, 12, 31)}])

    assert not {"\x1b", "\u202e", "\U000e0041"} & set(shown)
    assert [each["x"] for each in yaml.safe_load(shown)] == [*texts, "2026-12-31"]


def test_one_record() -> None:
    """One record is shown line by line; what is empty is left out, no is not."""
    assert rows.record_text(("name", "empty", "vip"), ("Ann\x1b", None, False)) == "name  Ann\\x1b\nvip   no\n"


def test_a_workbook_of_every_kind_of_cell() -> None:
    """Numbers are numbers, dates dates, texts texts, whatever they look like."""
    values = ("=1+1", "http://x.com", 5, 2.5, True, date(2026, 12, 31), MOMENT, None, NASTY[-3:])
    names = tuple(f"c{number}" for number in range(len(values)))
    sheet = openpyxl.load_workbook(io.BytesIO(rows.workbook("people", names, [values]))).active

    read = [cell.value for cell in sheet[2]]
    assert read[:5] == ["=1+1", "http://x.com", 5, 2.5, True]
    assert read[5:8] == [datetime(2026, 12, 31), datetime(2026, 12, 31, 23, 59), None]
    assert (sheet["A2"].data_type, sheet.title, sheet.freeze_panes) == ("s", "people", "A2")
