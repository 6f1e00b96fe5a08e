r"""
Rows to text and files: a table for people, csv, json, jsonl, yaml and Excel workbooks for programs.

Text from the CRM is untrusted in each of them: a table shows nothing that a terminal would act on, csv and Excel cells are
never formulas, JSON escapes what a reader could not see.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from io import BytesIO, StringIO
from typing import Any

from crmsync.render.sanitise import clean, json_safe
from crmsync.render.width import cells, pad

Row = Sequence[Any]

#: The widest that a cell of a table may be.
WIDEST = 48
#: What a column is left when a table must fit a terminal.
NARROWEST = 6
# What a spreadsheet would take for a formula. A number may begin so as well, and a phone number.
_FORMULA = re.compile(r"[=@\t\r]|[+-](?![0-9 ().-]*$)")
_NOT_IN_CSV = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def table_text(columns: Sequence[str], rows: Sequence[Row], width: int | None = None) -> str:
    """
    Return a table with a head, numbers to the right, long cells cut; columns are as wide as what they hold.

    With a *width*, in cells, the widest columns are narrowed until the table fits, but never numbers.
    """
    lines = [[clean(name) for name in columns], *([_cut(cell_text(value)) for value in row] for row in rows)]
    widths = [max(cells(line[place]) for line in lines) for place in range(len(columns))]
    are_numbers = [_are_numbers([row[place] for row in rows]) for place in range(len(columns))]
    if width is not None:
        widths = _narrowed(widths, are_numbers, width)
        lines = [[_cut(text, wide) for text, wide in zip(line, widths, strict=True)] for line in lines]
    return "".join(_line(line, widths, are_numbers) for line in lines)


def _narrowed(widths: Sequence[int], are_numbers: Sequence[bool], width: int) -> list[int]:
    narrowed = list(widths)
    texts = [place for place, is_number in enumerate(are_numbers) if not is_number]
    while texts and sum(narrowed) + 2 * (len(narrowed) - 1) > width:
        widest = max(texts, key=lambda place: narrowed[place])
        if narrowed[widest] <= NARROWEST:
            break
        narrowed[widest] -= 1
    return narrowed


def record_text(columns: Sequence[str], row: Row) -> str:
    """Return one record as lines of name and value, without what is empty."""
    shown = [(clean(name), value) for name, value in zip(columns, row, strict=True) if value not in (None, "", [], {})]
    width = max((cells(name) for name, _ in shown), default=0)
    return "".join(f"{pad(name, width)}  {clean(cell_text(value))}\n" for name, value in shown)


def csv_lines(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """Yield a head and rows of csv; a text that a spreadsheet would take for a formula gets an apostrophe before it."""
    for row in (columns, *rows) if isinstance(rows, Sequence) else _chained(columns, rows):
        buffer = StringIO()
        csv.writer(buffer, lineterminator="\n").writerow([_csv_cell(value) for value in row])
        yield buffer.getvalue()


def _chained(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[Row]:
    yield columns
    yield from rows


def json_text(document: Any) -> str:
    """Return *document* as indented JSON, keys in their order."""
    return json_safe_lines(json.dumps(document, ensure_ascii=False, indent=2, default=_json_default)) + "\n"


def json_lines(documents: Iterable[Any]) -> Iterator[str]:
    """Yield one line of JSON for each document."""
    for document in documents:
        yield json_safe(json.dumps(document, ensure_ascii=False, default=_json_default)) + "\n"


def json_safe_lines(text: str) -> str:
    """Return JSON of several lines with what nobody could see escaped."""
    return "\n".join(json_safe(line) for line in text.split("\n"))


def yaml_text(document: Any) -> str:
    """Return a document as YAML; texts that YAML would take for something else, or that hide something, are quoted."""
    import yaml  # a tenth of a second, for one of six formats

    class Dumper(yaml.SafeDumper):
        """Writes a text that cannot be shown as it is on one line in double quotes, where everything can be escaped."""

        def represent_text(self, text: str) -> yaml.ScalarNode:
            is_plain = clean(text) == text and not text.startswith(":")
            return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')

    Dumper.add_representer(str, Dumper.represent_text)
    plain = json.loads(json.dumps(document, default=_json_default))
    text: str = yaml.dump(plain, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=math.inf)
    # What is still there stands in double quotes, and there YAML reads the escapes of JSON.
    return json_safe_lines(text)


def workbook(title: str, columns: Sequence[str], rows: Iterable[Row]) -> bytes:
    """Return an Excel workbook with one sheet and dates as dates. Raises ImportError where XlsxWriter is missing."""
    import xlsxwriter  # an extra

    buffer = BytesIO()
    settings = {"in_memory": True, "remove_timezone": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(buffer, settings) as book:
        sheet = book.add_worksheet(title[:31])
        bold = book.add_format({"bold": True})
        formats: dict[type, Any] = {date: book.add_format({"num_format": "yyyy-mm-dd"})}
        formats[datetime] = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        sheet.write_row(0, 0, columns, bold)
        last = 0
        for last, row in enumerate(rows, 1):
            for place, value in enumerate(row):
                _write_cell(sheet, last, place, value, formats)
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, last, max(0, len(columns) - 1))
        sheet.autofit()
    return buffer.getvalue()


def cell_text(value: Any) -> str:
    """Return a value as text: nothing for None, yes and no for boxes, ISO for dates."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=_json_default)
    return str(value)


def _cut(text: str, width: int = WIDEST) -> str:
    shown = clean(text)
    if cells(shown) <= width:
        return shown
    while cells(shown) > width - 1:
        shown = shown[:-1]
    return shown + "…"


def _are_numbers(values: Sequence[Any]) -> bool:
    numbers = [value for value in values if value is not None]
    return bool(numbers) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in numbers)


def _line(texts: Sequence[str], widths: Sequence[int], are_numbers: Sequence[bool]) -> str:
    parts = []
    for text, width, is_number in zip(texts, widths, are_numbers, strict=True):
        parts.append(" " * (width - cells(text)) + text if is_number else pad(text, width))
    return "  ".join(parts).rstrip() + "\n"


def _csv_cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=_json_default)
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n")
    text = _NOT_IN_CSV.sub(lambda found: f"\\x{ord(found.group()):02x}", text)
    return f"'{text}" if _FORMULA.match(text) else text


def _json_default(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not plain data")


def _write_cell(sheet: Any, row: int, place: int, value: Any, formats: Mapping[type, Any]) -> None:
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(row, place, value)
    elif isinstance(value, int | float):
        sheet.write_number(row, place, value)
    elif isinstance(value, date):
        sheet.write_datetime(row, place, value, formats[type(value)])
    else:
        # Excel holds 32,767 characters in a cell.
        sheet.write_string(row, place, cell_text(value)[:32_767])
