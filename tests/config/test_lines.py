"""The law of the quick way: what it reads it reads exactly as libyaml and `building` do, and it reads the common shape."""

from __future__ import annotations

import random

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsync.config.building import Builder
from crmsync.config.lines import read_lines
from crmsync.config.texts import BOUNDS
from crmsync.model.source import Node
from tests.edits import edited

COMMON = """\
# People of one firm
people:
  ann.lee:
    name: Ann O'Lee   # the first
    title: 'VP: Sales'
    details: "Met at #3, see http://x.test/a?b=c#d"
    emails:
      - ann@acme.test
      - {email: a@home.test, category: personal}
      - email: b@home.test
        category: work
    phone_numbers: ['+14155550123', {number: +1 415 555 0124, category: home}]
    tags:
    - vip
    - new one

    custom_fields:
      Annual revenue: 1000
      Empty: []
      Nested: {a: {b: [c, {d: e}]}, f: {}}
      Größe: -5
  bob: {name: Bob, company: acme}
companies:
  acme: {name: Acme}
"""
PIECES = [
    *("a", "b c", "key", "people", "- ", "-", ": ", ":", "\n", "\n", "\n  ", "\n    ", "\n  - ", "\n- ", " ", "  "),
    *("[", "]", "{", "}", ", ", ",", "'", '"', "#", " # x", "&a ", "*a", "!x ", "|", ">", "?", "? ", "%", "@", "~", "null"),
    *("<<", "...", "---", "\n---\n", "\t", "\r\n", "\\n", "é", "\x85", "\u2028", "1", "+1", "-1", ".5", "http://x", "k: v"),
]


def by_events(text: str) -> tuple[Node | None, bool]:
    """Return what libyaml and the builder make of *text*, and whether nothing is wrong with it."""
    builder = Builder("a.yaml", text, BOUNDS)
    try:
        builder.build(text)
    except yaml.YAMLError:
        return None, False
    return builder.root, not builder.diagnostics


def check(text: str) -> None:
    """Hold the law for one text."""
    quick = read_lines(text, "a.yaml", BOUNDS.depth, BOUNDS.nodes)
    if quick is not None:
        assert (quick, True) == by_events(text)


def test_the_common_shape_is_read() -> None:
    """The quick way would be of no use if it read nothing."""
    assert by_events(COMMON) == (read_lines(COMMON, "a.yaml", BOUNDS.depth, BOUNDS.nodes), True)


@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
def test_windows_line_ends_are_read(line_end: str) -> None:
    """They are one line break each."""
    text = COMMON.replace("\n", line_end)

    assert by_events(text) == (read_lines(text, "a.yaml", BOUNDS.depth, BOUNDS.nodes), True)


@pytest.mark.parametrize("seed", range(30))
def test_after_random_edits_both_ways_agree(seed: int) -> None:
    """Characters and pieces put into, and taken out of, a usual file."""
    chance = random.Random(seed)
    for _ in range(150):
        check(edited(COMMON, PIECES, chance))


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
@settings(max_examples=600, deadline=None)
def test_of_any_text_both_ways_agree(text: str) -> None:
    """Pieces of YAML in any order."""
    check(text)
    check(f"people:\n  ann: {text}")
    check(f"people:\n  ann:\n    name: Ann\n    {text}\n  bob: {{name: Bob}}\n")


def test_what_is_too_deep_or_too_much_is_left_alone() -> None:
    """The limits are for the careful way to tell."""
    deep = "a:\n" + "".join(f"{' ' * level}a:\n" for level in range(1, 50)) + " " * 50 + "a: 1\n"

    assert read_lines(deep, "a.yaml", BOUNDS.depth, BOUNDS.nodes) is None
    assert read_lines("a: {a: {a: {a: 1}}}\n", "a.yaml", 3, BOUNDS.nodes) is None
    assert read_lines(COMMON, "a.yaml", BOUNDS.depth, 100) is None
