"""Whatever stands in a file, reading it ends in values and diagnostics, never in an exception."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from crmsync.catalogue.schema import records_schema, settings_schema
from crmsync.config.document import Document, parse
from crmsync.config.records import read_records
from crmsync.config.settings import read_settings

from .tiny import CATALOGUE, custom, with_custom

RECORDS = records_schema(CATALOGUE)
SETTINGS = settings_schema(CATALOGUE)
ACCOUNT = with_custom(custom("Tier", 1), custom("Zone#2", 2), custom("Zone#3", 3))

PIECES = [
    "companies:", "people:", "defaults:", "moved:", "crmsync:", "custom_fields:", "address:", "name:", "id:", "policy:",
    "fields:", "without:", "acme:", "trial:", "profiles:", "limits:", "project:", "default_profile:", "from:", "to:",
    "&a", "*a", "<<:", "!x", "- ", "? ", ": ", ", ", "[", "]", "{", "}", "\n", "\n  ", "\n    ", "\r\n", "\t", " ", "# ",
    '"', "'", "|", ">", "---", "...", "%YAML 1.1\n", "\\ud83d", "\\x00", "\\u", "null", "~", "1", "1e999", "-", "30%",
    "companies.acme", "🙂", "\u2028", "\x85", "\ufeff", "\x00", "Zone#2", "9" * 5000,
]  # fmt: skip
YAMLISH = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
SCALARS = st.sampled_from(["null", "true", "5", "1.0", "1e999", "x", "~", '""', "", "'y'", "own", "Zone#3", "people.a"])
NAMES = st.sampled_from([*(piece[:-1] for piece in PIECES if piece[0].isalpha() and ":" in piece), '"a\\n"', "x y", "*"])
FLOWS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(NAMES, inner), max_size=4).map(
            lambda entries: "{" + ", ".join(f"{name}: {value}" for name, value in entries) + "}"
        ),
    ),
    max_leaves=25,
)


def read_all(document: Document) -> None:
    """Read *document* as everything that it might be."""
    read_records([document], CATALOGUE, None, RECORDS)
    read_records([document], ACCOUNT, "trial", RECORDS)
    read_settings(document, None, SETTINGS)
    read_settings(document, "trial", SETTINGS)
    lines = document.lines
    for diagnostic in document.diagnostics:
        place = diagnostic.position
        assert place is not None
        if lines:
            assert 1 <= place.line <= len(lines)
            assert 1 <= place.column <= len(lines[place.line - 1]) + 1
    assert document.root is not None or document.diagnostics


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_survived(data: bytes) -> None:
    """Arbitrary bytes give a document, with a reason when it has no content."""
    read_all(parse(data, "f.yaml"))


@given(st.one_of(YAMLISH, st.text(max_size=60)))
@settings(max_examples=400, deadline=None)
@example('a: "\\ud83d\n')
@example("a: !\n")
@example("\u2028")
def test_any_text_is_survived(text: str) -> None:
    """Text made of YAML's own pieces gives a document, and every complaint has a place inside it."""
    read_all(parse(text.encode("utf-8", "replace"), "f.yaml"))


@given(FLOWS)
@settings(max_examples=300, deadline=None)
def test_any_structure_is_survived(text: str) -> None:
    """Our own words nested in any way never confuse the readers into an exception."""
    read_all(parse(text.encode(), "f.yaml"))
