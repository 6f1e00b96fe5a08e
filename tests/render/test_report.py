"""A plan in a pull request or on a page: nothing of it acts, and without its values none is there."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsync.render.document import dump, plan_document
from crmsync.render.report import LONGEST, plan_markdown, plan_page, without_values
from crmsync.render.sanitise import fenced, html
from crmsync.render.text import plan_text

from .sample import CATALOGUE, META, PLAN
from .test_sanitise import NASTY, dangerous, poisoned

DOCUMENT = plan_document(PLAN, CATALOGUE, META)

MARKUP = (
    "```",
    "````",
    "~~~",
    "@everyone",
    "</pre>",
    "<script>",
    "<!--",
    "![x](http://x)",
    "&lt;",
    "\n",
    "\n```\n# x",
    "'",
    '"',
)
TEXTS = st.lists(st.one_of(st.text(max_size=5), st.sampled_from([*MARKUP, *NASTY]))).map("".join)


def outside_fences(markdown: str) -> list[str]:
    """Return the lines of *markdown* that are in no block of code, by the rules of CommonMark (section 4.5)."""
    outside, fence = [], ""
    for line in markdown.split("\n"):
        opening = re.fullmatch(r" {0,3}(`{3,}|~{3,})([^`]*)", line)
        if fence and re.fullmatch(rf" {{0,3}}{fence[0]}{{{len(fence)},}}[ \t]*", line):
            fence = ""
        elif not fence and opening:
            fence = opening[1]
        elif not fence:
            outside.append(line)
    assert fence == "", "a block that does not end"
    return outside


class Elements(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Keep the element."""
        self.elements.append(tag)

    def handle_comment(self, data: str) -> None:
        """Count a comment as an element."""
        self.elements.append("!--")

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.text += data


@given(TEXTS)
def test_no_text_leaves_its_fence(text: str) -> None:
    """Whatever a text holds, all of it stays inside the block of code, and the block ends."""
    assert outside_fences(fenced(text, "text")) == [""]
    assert dangerous(fenced(text).replace("\n", "")) == []


@given(TEXTS)
def test_no_text_makes_an_element(text: str) -> None:
    """In a page every text is text."""
    parsed = Elements(f'<p title="{html(text)}">{html(text)}</p>')

    assert parsed.elements == ["p"]
    assert dangerous(parsed.text) == []


@pytest.mark.parametrize("poison", [*MARKUP, *NASTY])
def test_a_plan_of_hostile_values(poison: str) -> None:
    """A plan whose every text is hostile has one heading of ours, and the elements of a plan that is not."""
    hostile, harmless = (poisoned(DOCUMENT, each) for each in (poison, "y"))

    assert outside_fences(plan_markdown(hostile)) == outside_fences(plan_markdown(harmless))
    assert Elements(plan_page(hostile)).elements == Elements(plan_page(harmless)).elements


def test_what_is_written() -> None:
    """Both say what the text says, under the numbers."""
    text = plan_text(DOCUMENT)

    assert f"\n```text\n{text}```\n" in plan_markdown(DOCUMENT)
    assert text in Elements(plan_page(DOCUMENT)).text
    assert "default-src 'none'" in plan_page(DOCUMENT)
    assert plan_markdown(DOCUMENT).startswith("### crmsync: ")


def test_a_plan_too_long_for_a_comment_is_cut() -> None:
    """The block of a cut plan ends, and says how much is missing."""
    many = {**DOCUMENT, "resource_changes": list(DOCUMENT["resource_changes"]) * 200}
    markdown = plan_markdown(many)

    assert len(markdown) < LONGEST + 200
    assert "lines more. The whole plan: crmsync plan" in markdown
    assert outside_fences(markdown) == outside_fences(plan_markdown(DOCUMENT))


HOLDING = ("before", "after", "members", "display_name")


def with_canaries(value: Any, values: list[str], is_held: bool = False) -> Any:
    """Return *value* with every text in it that is a value replaced by one that is nowhere else, kept in *values*."""
    if isinstance(value, dict):
        return {name: with_canaries(each, values, is_held or name in HOLDING) for name, each in value.items()}
    if isinstance(value, list):
        return [with_canaries(each, values, is_held) for each in value]
    if not is_held or not isinstance(value, str):
        return value
    values.append(f"canary{len(values)}")
    return values[-1]


def test_a_redacted_plan_holds_no_value() -> None:
    """Without values there are addresses, fields, reasons and numbers, and the same changes with the same signs."""
    values: list[str] = []
    redacted = without_values(with_canaries(DOCUMENT, values))
    texts = (dump(redacted), plan_text(redacted, verbose=2), plan_markdown(redacted), plan_page(redacted))

    assert len(values) > 20
    assert not any("canary" in text for text in texts)
    assert not any(str(number) in text for text in texts for number in (1200000, 50000))
    signs = [
        [line.split()[0] for line in plan_text(each).splitlines() if line.startswith("  ") and line[2:3] in "+~-x<"]
        for each in (DOCUMENT, without_values(DOCUMENT))
    ]
    assert signs[0] == signs[1]
