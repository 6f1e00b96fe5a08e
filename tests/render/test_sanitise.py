"""Text of others does nothing to a terminal, and hides nothing from a reader."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crmsync.model.address import Address
from crmsync.model.codes import CODES
from crmsync.model.effects import Outcome, Progress
from crmsync.model.source import Diagnostic, Position
from crmsync.render.diagnostics import diagnostics_text
from crmsync.render.document import dump, plan_document
from crmsync.render.outcomes import outcome_text, progress_text
from crmsync.render.sanitise import clean, gate
from crmsync.render.text import plan_text
from crmsync.render.width import cells, pad

from .sample import CATALOGUE, META, PLAN

#: What a terminal acts on or nobody sees, stated a second time and in another way than in the room itself.
BIDIRECTIONAL = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
INVISIBLE = {*"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200c\u200e\u200f\u2060\u3164\ufeff\uffa0"}
NASTY = ("\x1b[2J", "\x1b]52;c;aGk=\x07", "\x9b31m", "\u202e", "\u2066", "\u200b", "\u2028", "\r", "\n", "\x00", "\ud800")

#: Text with a good share of what is dangerous.
TEXTS = st.lists(st.one_of(st.text(st.characters()), st.sampled_from(NASTY), st.just("👩\u200d💻"))).map("".join)


def dangerous(text: str) -> list[str]:
    """Return the characters of *text* that must never reach a terminal."""
    return [
        each
        for each in text
        if unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(each) in BIDIRECTIONAL
        or each in INVISIBLE
    ]


@given(TEXTS)
def test_clean_text_is_harmless(text: str) -> None:
    """Whatever comes in, nothing dangerous comes out, on one line; cleaning again changes nothing."""
    assert dangerous(clean(text)) == []
    assert clean(clean(text)) == clean(text)


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters=INVISIBLE)))
def test_readable_text_stays_as_it_is(text: str) -> None:
    """Letters, digits, signs and blanks of any script are not touched."""
    assert text == clean(text)


EXAMPLES = [
    ("plain", "plain"),
    ("a\x1b[31mred", r"a\x1b[31mred"),
    ("two\nlines", "two↵lines"),
    ("tab\tand\rreturn", r"tab\tand\rreturn"),
    ("\x9b2J", r"\x9b2J"),
    ("inv\u202eoice", r"inv\u202eoice"),
    ("pay\u200bpal", r"pay\u200bpal"),
    ("a\u200db", r"a\u200db"),
    ("tag\U000e0041", r"tag\U000e0041"),
    ("lone\udc80", r"lone\udc80"),
    ("👩\u200d💻 ❤\ufe0f\u200d🔥 Müller 日本 مرحبا", "👩\u200d💻 ❤\ufe0f\u200d🔥 Müller 日本 مرحبا"),
]


@pytest.mark.parametrize(("text", "expected"), EXAMPLES)
def test_what_is_made_visible(text: str, expected: str) -> None:
    """Escapes look as in source code; a joiner between two pictures is a picture and stays."""
    assert expected == clean(text)


#: What build machines obey, stated again: a line that begins with ``::``, and ``##...[`` anywhere.
BEGINS_LIKE_A_COMMAND = re.compile(r"(^|[\r\n])\s*::|##(vso|teamcity)?\[")
COMMANDS = (
    "::error::x",
    "::set-output name=a::b",
    "##[add-mask]x",
    "##vso[task.x]",
    "##teamcity[x]",
    "::",
    "#",
    ":",
    "[",
    " ",
    "\n",
)
LINES = st.lists(st.one_of(st.text(max_size=4), st.sampled_from([*COMMANDS, *NASTY]))).map("".join)


@given(LINES)
@example(" \u2028::error::x")
@example("\x0c::x")
def test_output_commands_nobody(text: str) -> None:
    """What passes the gate begins no command and moves no cursor; passing twice changes nothing more."""
    shown = gate(text)

    assert BEGINS_LIKE_A_COMMAND.search(shown) is None
    assert [each for each in shown if unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp")] == [
        each for each in shown if each in "\n\t"
    ]
    assert gate(shown) == shown
    assert gate(f"x{clean(text)}") == f"x{clean(text)}"


def test_colours_and_lines_pass_the_gate() -> None:
    """Colours of ours and lines are left, and so is text that only looks strange."""
    text = "\x1b[1mAccount\x1b[0m\n  # a::b [x] # [y]\nzero\u200cwidth\t1\n"

    assert text == gate(text)


def poisoned(value: Any, poison: str) -> Any:
    """Return a document with every text in it poisoned, but for the words the renderer itself looks up."""
    if isinstance(value, dict):
        return {key: each if key in ("action", "cause", "kind") else poisoned(each, poison) for key, each in value.items()}
    if isinstance(value, list):
        return [poisoned(each, poison) for each in value]
    return f"x{poison}" if isinstance(value, str) else value


@pytest.mark.parametrize("poison", NASTY)
@pytest.mark.parametrize("verbose", [0, 2])
def test_no_text_of_a_document_reaches_the_terminal_raw(poison: str, verbose: int) -> None:
    """Also of a plan file that somebody else wrote: no escape comes through, and no text makes a line of ours."""
    document = plan_document(PLAN, CATALOGUE, META)
    text, harmless = (plan_text(poisoned(document, each), verbose=verbose) for each in (poison, "y"))

    assert dangerous(text.replace("\n", "")) == []
    assert [line[:9] for line in harmless.splitlines() if line[:1] != " "] == [
        line[:9] for line in text.splitlines() if line[:1] != " "
    ]


def test_json_reaches_the_terminal_harmless() -> None:
    """The JSON document is as safe to print as the text, and still says the same."""
    document = poisoned(plan_document(PLAN, CATALOGUE, META), "".join(NASTY))
    text = dump(document)

    assert dangerous(text.replace("\n", "")) == []
    assert document["crmsync"]["held"] == json.loads(text)["crmsync"]["held"]


@given(TEXTS)
def test_every_other_text_is_harmless_as_well(text: str) -> None:
    """Diagnostics, outcomes and progress clean what they quote: labels, answers of servers, source lines."""
    position = Position(f"crm/{text}.yaml", 1, 3, 4)
    diagnostic = Diagnostic(CODES["CRM030"], text, position, Address("companies", text))
    outcome = Outcome(Address("companies", text), "update", "failed", text, text, 1, (text,))

    lines = (
        diagnostics_text([diagnostic], lambda *_: text),
        outcome_text(outcome) + progress_text(Progress(1, 2, text)),
    )
    assert [dangerous(line.replace("\n", "")) for line in lines] == [[], []]
    assert "\n" not in lines[1]


WIDTHS = [
    ("abc", 3),
    ("Müller", 6),
    ("Mu\u0308ller", 6),
    ("日本", 4),
    ("🎉", 2),
    ("👩\u200d💻", 2),
    ("👍🏽", 2),
    ("❤\ufe0f", 2),
    ("🇩🇪", 2),
    ("", 0),
]


@pytest.mark.parametrize(("text", "width"), WIDTHS)
def test_width_in_cells(text: str, width: int) -> None:
    """Text is as wide as a terminal shows it."""
    assert width == cells(text)


@settings(max_examples=50)
@given(TEXTS, st.integers(0, 40))
def test_padding_reaches_the_width(text: str, width: int) -> None:
    """A padded text fills its column, unless it is wider."""
    safe = clean(text)

    assert max(width, cells(safe)) == cells(pad(safe, width))
