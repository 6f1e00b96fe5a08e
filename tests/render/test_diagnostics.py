"""Diagnostics as text and as data."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from crmsync.model.address import Address
from crmsync.model.codes import CODES
from crmsync.model.source import Diagnostic, Position, Severity
from crmsync.render.diagnostics import diagnostics_document, diagnostics_text

RENEWAL = Address("opportunities", "acme-renewal")

STAGE = Diagnostic(
    CODES["CRM030"],
    'There is no pipeline called "Renewal" in this Copper account. Did you mean "Renewals"?',
    Position("crm/deals.yaml", 12, 15, 7),
    RENEWAL,
)


def lines(**files: str) -> Callable[[str, int], str | None]:
    """Return a source of lines: every file has this text in every line."""
    return lambda file, line: files.get(file.removesuffix(".yaml").removeprefix("crm/"))


DEALS = lines(deals="    pipeline: Renewal")


def test_an_error_with_its_line() -> None:
    """The shape of style.md rule 10: summary, place, line with a caret, detail."""
    expected = """\
error[CRM030]: Unknown label
 --> crm/deals.yaml:12:15, in opportunities.acme-renewal
12 |     pipeline: Renewal
   |               ^^^^^^^
   There is no pipeline called "Renewal" in this Copper account. Did you mean "Renewals"?
"""
    assert expected == diagnostics_text([STAGE], DEALS)


def test_several() -> None:
    """A blank line between; without a place or a source line those parts are left out; long line numbers fit."""
    several = [
        Diagnostic(CODES["CRM016"], "It is text.", Position("crm/deals.yaml", 12345, 5), severity=Severity.WARNING),
        Diagnostic(CODES["CRM001"], "It is not UTF-8.", Position("crm/other.yaml", 1, 1)),
        Diagnostic(CODES["CRM041"], "It needs a name.", None, RENEWAL),
        Diagnostic(CODES["CRM045"], "Name one of:\n  trial\n  production"),
    ]

    expected = """\
warning[CRM016]: Looks like null
 --> crm/deals.yaml:12345:5
12345 |     pipeline: Renewal
      |     ^
      It is text.

error[CRM001]: Unreadable file
 --> crm/other.yaml:1:1
   It is not UTF-8.

error[CRM041]: Required field missing
 --> opportunities.acme-renewal
   It needs a name.

error[CRM045]: Profile missing
   Name one of:
     trial
     production
"""
    assert expected == diagnostics_text(several, DEALS)


def wrong(file: str, line: int, *, detail: str = "It is text.") -> Diagnostic:
    """Return a problem on a line of a file."""
    return Diagnostic(CODES["CRM016"], detail, Position(file, line, 5, 8), Address("opportunities", f"o{line}"))


def test_what_is_wrong_in_many_places_is_shown_once() -> None:
    """One column with a wrong name is one thing to mend: it is shown where it stands first, and no place is left out."""
    many = [wrong("crm/a.yaml", 3), wrong("crm/a.yaml", 4, detail="Another."), wrong("crm/a.yaml", 5)]
    many += [wrong("crm/a.yaml", 5), wrong("crm/b.yaml", 7), Diagnostic(CODES["CRM016"], "It is text.", None, RENEWAL)]

    expected = """\
error[CRM016]: Looks like null
 --> crm/a.yaml:3:5, in opportunities.o3
   It is text.
   The same in 4 more places:
     crm/a.yaml:5
     crm/b.yaml:7
     opportunities.acme-renewal

error[CRM016]: Looks like null
 --> crm/a.yaml:4:5, in opportunities.o4
   Another.
"""
    assert expected == diagnostics_text(many, lambda *_: None)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 50])
def test_of_many_places_none_is_left_out(count: int) -> None:
    """A few are shown in full each; of more, each line is named."""
    text = diagnostics_text([wrong("crm/a.yaml", 1001 + each) for each in range(count)], lambda *_: None)

    assert [str(1001 + each) for each in range(count)] == re.findall(r"\b1[0-9]{3}\b", re.sub(r", in .*", "", text))
    assert text.count("error[") == (count if count < 4 else 1)


def test_none() -> None:
    """No diagnostics are no text."""
    assert diagnostics_text([], DEALS) == ""


def test_a_long_detail_is_wrapped() -> None:
    """Lines of a detail stay within a hundred characters, below each other; a long word is not broken."""
    detail = "word " * 30 + "x" * 120
    text = diagnostics_text([Diagnostic(CODES["CRM001"], detail)], DEALS)

    expected = ["   " + " ".join(["word"] * 20), "   " + " ".join(["word"] * 10), "   " + "x" * 120]
    assert expected == text.splitlines()[1:]


CARETS = [
    ("name: Acme", 7, 4, "name: Acme", "      ^^^^"),
    ("\tname: Acme", 8, 4, "    name: Acme", "          ^^^^"),
    ("日本: Acme", 5, 4, "日本: Acme", "      ^^^^"),
    ("name: 日本!", 7, 2, "name: 日本!", "      ^^^^"),
    ("🎉 x: y", 6, 1, "🎉 x: y", "      ^"),
    ("e\u0301: x", 5, 1, "e\u0301: x", "   ^"),
    ("a: \x1b[2J", 4, 4, r"a: \x1b[2J", "   ^^^^^^^"),
    ("name:", 7, 4, "name:", "     ^"),
    ("name: Acme", 7, 40, "name: Acme", "      ^^^^"),
]


@pytest.mark.parametrize(("source", "column", "length", "line", "caret"), CARETS)
def test_the_caret_stands_below_the_value(source: str, column: int, length: int, line: str, caret: str) -> None:
    """Tabs, wide and combining characters, escapes and short lines do not move the mark."""
    diagnostic = Diagnostic(CODES["CRM030"], "Detail.", Position("crm/deals.yaml", 1, column, length))
    text = diagnostics_text([diagnostic], lines(deals=source))

    assert [f" 1 | {line}", f"   | {caret}"] == text.splitlines()[2:4]


def test_a_very_long_line_is_cut_around_the_mark() -> None:
    """A table on one line of JSON does not fill the screen, and the mark is still below its value."""
    diagnostic = Diagnostic(CODES["CRM030"], "Detail.", Position("crm/deals.yaml", 1, 5001, 4))
    text = diagnostics_text([diagnostic], lines(deals="a" * 5000 + "Acme" + "b" * 5000))
    line, caret = text.splitlines()[2:4]

    assert f" 1 | ...{'a' * 80}Acme{'b' * 80}..." == line
    assert line.index("Acme") == caret.index("^^^^")


def test_colours_change_nothing_else() -> None:
    """Without its colours the coloured text is the plain one."""
    coloured = diagnostics_text([STAGE], DEALS, color=True)

    assert coloured.startswith("\x1b[31merror[CRM030]\x1b[0m: ")
    assert diagnostics_text([STAGE], DEALS) == re.sub(r"\x1b\[[0-9]+m", "", coloured)


def test_as_data() -> None:
    """Machines get the same under the keys of Terraform's validate, texts as they are."""
    bare = Diagnostic(CODES["CRM045"], "Name one.", severity=Severity.WARNING)
    unseen = Diagnostic(CODES["CRM001"], "It is not UTF-8.", Position("crm/other.yaml", 1, 1))
    empty = {"address": None, "range": None, "snippet": None}

    expected = [
        {
            "severity": "error",
            "code": "CRM030",
            "summary": "Unknown label",
            "detail": STAGE.detail,
            "address": "opportunities.acme-renewal",
            "range": {
                "filename": "crm/deals.yaml",
                "start": {"line": 12, "column": 15},
                "end": {"line": 12, "column": 22},
            },
            "snippet": {
                "code": "    pipeline: Renewal",
                "start_line": 12,
                "highlight_start_offset": 14,
                "highlight_end_offset": 21,
            },
        },
        {"severity": "warning", "code": "CRM045", "summary": "Profile missing", "detail": "Name one.", **empty},
        {
            "severity": "error",
            "code": "CRM001",
            "summary": "Unreadable file",
            "detail": "It is not UTF-8.",
            **empty,
            "range": {
                "filename": "crm/other.yaml",
                "start": {"line": 1, "column": 1},
                "end": {"line": 1, "column": 2},
            },
        },
    ]
    assert expected == diagnostics_document([STAGE, bare, unseen], DEALS)
