"""Text in, nodes out: what YAML may hold, where it stands, and what is refused."""

from __future__ import annotations

import pytest
import yaml

from crmsync.config import building
from crmsync.config.document import Document, parse
from crmsync.config.texts import Bounds
from crmsync.model.source import Listing, Node, Scalar, Table


def plain(node: Node | None) -> object:
    """Return a node as lists and dicts of its texts."""
    if isinstance(node, Table):
        return {key.text: plain(value) for key, value in node.entries}
    if isinstance(node, Listing):
        return [plain(item) for item in node.items]
    return node.text if node is not None else None


def told(document: Document) -> list[tuple[str, int, int, int]]:
    """Return code, line, column and length of each diagnostic."""
    places = [(each.code.number, each.position) for each in document.diagnostics]
    return [(code, place.line, place.column, place.length) for code, place in places if place is not None]


READABLE = {
    "nested": ("a:\n  b: [1, x]\n  c: {d: e}\n", {"a": {"b": ["1", "x"], "c": {"d": "e"}}}),
    "JSON": ('{"a": {"b": [1, true, null, "x\\u00e9"]}}', {"a": {"b": ["1", "true", "null", "xé"]}}),
    "comments": ("# one\na: b  # two\n", {"a": "b"}),
    "folded text": ("a: >\n  one\n  two\n", {"a": "one two\n"}),
    "literal text": ("a: |\n  one\n  two\n", {"a": "one\ntwo\n"}),
    "tab and newline in quotes": ('a: "x\\ty\\nz"', {"a": "x\ty\nz"}),
    "anchor and alias": ("a: &x [1, 2]\nb: *x\n", {"a": ["1", "2"], "b": ["1", "2"]}),
    "merge key": ("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n", {"a": {"b": "1", "c": "2"}, "d": {"c": "3", "b": "1"}}),
    "merge of several": (
        "a: &x {b: 1}\nc: &y {b: 2, d: 3}\ne: {<<: [*x, *y]}\n",
        {"a": {"b": "1"}, "c": {"b": "2", "d": "3"}, "e": {"b": "1", "d": "3"}},
    ),
    "quoted merge key is a key": ('a: {"<<": 1}', {"a": {"<<": "1"}}),
    "an anchor used again": ("a: &x 1\nb: &x 2\nc: *x\n", {"a": "1", "b": "2", "c": "2"}),
    "emoji and private characters": ("🙂: é\ue000\n", {"🙂": "é\ue000"}),
    "start and end of a document": ("---\na: 1\n...\n", {"a": "1"}),
    "long key": (f"{'k' * 900}: 1", {"k" * 900: "1"}),
}


@pytest.mark.parametrize(("text", "nodes"), READABLE.values(), ids=READABLE.keys())
@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf"], ids=["", "BOM"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_what_yaml_users_expect_is_read_as_text(text: str, nodes: object, prefix: bytes, line_end: str) -> None:
    """Every scalar stays text; byte order mark and kind of line end make no difference."""
    document = parse(prefix + text.replace("\n", line_end).encode(), "f.yaml")

    assert (nodes, ()) == (plain(document.root), document.diagnostics)


REFUSED = {
    "UTF-16": (b"\xff\xfea\x00:\x00", [("CRM001", 1, 1, 1)]),
    "UTF-16 without mark": ("a: b".encode("utf-16-le"), [("CRM001", 1, 1, 1)]),
    "not UTF-8": (b"a: 1\nb: caf\xe9\n", [("CRM001", 2, 7, 1)]),
    "empty": (b"", [("CRM003", 1, 1, 1)]),
    "only comments": (b"# nothing\n\n", [("CRM003", 1, 1, 1)]),
    "only a start": (b"---\n", [("CRM003", 1, 1, 1)]),
    "colon in a value": (b"a: b: c\n", [("CRM002", 1, 5, 1)]),
    "tab as indentation": (b"a:\n\tb: 1\n", [("CRM002", 2, 1, 1)]),
    "open quote": (b'a: 1\nb: "x\nc: 2\n', [("CRM002", 2, 4, 1)]),
    "open bracket": (b"a: [1,\n", [("CRM002", 1, 7, 1)]),
    "no key": (b"a: 1\nb\nc: 2\n", [("CRM002", 2, 1, 1)]),
    "at sign": (b"a: @dana\n", [("CRM002", 1, 4, 1)]),
    "unknown escape": (b'a: "C:\\dir"\n', [("CRM002", 1, 7, 1)]),
    "alias without anchor": (b"a: *x\n", [("CRM002", 1, 4, 2)]),
    "alias inside its anchor": (b"a: &x [*x]\n", [("CRM002", 1, 8, 2)]),
    "surrogate pair": (b'a: "x \\ud83d\\ude42"\n', [("CRM005", 1, 7, 12)]),
    "surrogate pairs on two lines": (b'a: "\\ud83d\\ude42"\nb: "\\uD83D"\n', [("CRM005", 1, 5, 12), ("CRM005", 2, 5, 6)]),
    "python tag": (b"a: !!python/object:os.system x\n", [("CRM006", 1, 4, 25)]),
    "tag on a mapping": (b"a: !x\n  b: 1\n", [("CRM006", 1, 4, 2)]),
    "tag after an anchor": (b"a: &x !!str 1\n", [("CRM006", 1, 7, 5)]),
    "tag handle": (b"a: !x!y 1\n", [("CRM006", 1, 4, 1)]),
    "raw control character": ("a: x\x07y\nb: \x9b\n".encode(), [("CRM007", 1, 5, 1), ("CRM007", 2, 4, 1)]),
    "mark in the middle": ("a: x\ufeff".encode(), [("CRM007", 1, 5, 1)]),
    "escaped control character": (b'a: "x\\x07"\n', [("CRM007", 1, 4, 7)]),
    "escaped carriage return": (b'a: "x\\r\\n"\n', [("CRM007", 1, 4, 7)]),
    "escaped zero in a key": (b'"\\0": 1\n', [("CRM007", 1, 1, 4)]),
    "duplicate key": (b"a: 1\nb: 2\na: 3\n", [("CRM010", 3, 1, 1)]),
    "duplicate key, quoted": (b'a: 1\n"a": 3\n', [("CRM010", 2, 1, 3)]),
    "duplicate key, thrice, on one line": (b"{a: 1, a: 2, a: 3}", [("CRM010", 1, 8, 1), ("CRM010", 1, 14, 1)]),
    "list as a key": (b"? [a]\n: 1\n", [("CRM013", 1, 3, 3)]),
    "nothing as a key": (b"? \n: 1\n", [("CRM013", 1, 2, 1)]),
    "two documents": (b"a: 1\n---\nb: 2\n", [("CRM014", 2, 1, 3)]),
    "merge of a text": (b"a: {<<: b}\n", [("CRM014", 1, 9, 1)]),
    "columns after emoji": ("a: {🙂🙂: 1, 🙂🙂: 2}\n".encode(), [("CRM010", 1, 12, 2)]),
    "columns after a mark": ("\ufeffa: b: c\n".encode(), [("CRM002", 1, 5, 1)]),
    "lines after CRLF": (b"a: 1\r\nb: 2\r\na: 3\r\n", [("CRM010", 3, 1, 1)]),
    "several at once": (b'b: !x 1\na: 1\na: "\\a"\n', [("CRM006", 1, 4, 2), ("CRM007", 3, 4, 4), ("CRM010", 3, 1, 1)]),
}


@pytest.mark.parametrize(("data", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_trouble_is_told_with_its_place(data: bytes, expected: list[tuple[str, int, int, int]]) -> None:
    """Each kind of trouble in a text has its code and the exact place."""
    assert sorted(expected) == sorted(told(parse(data, "f.yaml")))


def test_the_first_of_two_equal_keys_is_named() -> None:
    """A duplicate key says on which line the first one stands, and the first one stays."""
    document = parse(b"a: 1\nb: 2\na: 3\n", "f.yaml")

    assert (
        plain(document.root),
        document.diagnostics[0].detail,
    ) == ({"a": "1", "b": "2"}, '"a" already stands on line 1. Keep one of the two.')


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ('"\\ud83d\\ude42"', "YAML does not join the two halves \\ud83d\\ude42. Write 🙂 itself, or \\U0001F642."),
        ('"\\ude42"', "\\ude42 is half a character; its other half is missing. Write the character itself."),
    ],
)
def test_a_surrogate_escape_says_what_to_write(text: str, detail: str) -> None:
    """Python's and JavaScript's JSON writers make such pairs; the character itself is suggested."""
    assert [detail] == [each.detail for each in parse(text.encode(), "f.yaml").diagnostics]


@pytest.mark.parametrize("line", ["a: '\\ud83d\\ude42'", "a: \\ud83d\\ude42", "a: |\n  \\ud83d"])
def test_a_backslash_outside_of_double_quotes_is_just_a_backslash(line: str) -> None:
    """What looks like an escape in plain or single-quoted text is text."""
    assert parse(line.encode(), "f.yaml").diagnostics == ()


PLACES = {
    "plain": (b"a: some text  # c\n", (1, 4, 9)),
    "quoted": (b"a: 'some text'\n", (1, 4, 11)),
    "anchored": (b"a: &x text\n", (1, 7, 4)),
    "over two lines": (b"a: one\n  two\n", (1, 4, 3)),
    "literal": (b"a: |-\n  one\n", (1, 4, 2)),
    "nothing": (b"a:\nb: 1\n", (1, 3, 1)),
    "list on one line": (b"a: [1, 2]\n", (1, 4, 6)),
    "mapping on one line": (b"a: {b: 2}\n", (1, 4, 6)),
    "list over lines": (b"a:\n  - 1\n", (2, 3, 1)),
    "mapping over lines": (b"a:\n  first: 1\n", (2, 3, 5)),
}


@pytest.mark.parametrize(("data", "place"), PLACES.values(), ids=PLACES.keys())
def test_a_value_knows_its_place(data: bytes, place: tuple[int, int, int]) -> None:
    """Line and column count from 1, in characters; the length marks what stands on that line."""
    root = parse(data, "f.yaml").root
    assert isinstance(root, Table)
    position = root.entries[0][1].position

    assert place == (position.line, position.column, position.length)


def test_a_bare_empty_value_can_be_told_from_an_empty_text() -> None:
    """`name:` is a plain scalar without text, `name: ""` is not plain."""
    root = parse(b'a:\nb: ""\n', "f.yaml").root
    assert isinstance(root, Table)

    assert [(node.text, node.is_plain) for _, node in root.entries if isinstance(node, Scalar)] == [("", True), ("", False)]


def test_source_lines_are_kept_for_carets() -> None:
    """The lines of a document are those the positions count, without line ends."""
    assert parse("\ufeffa: 1\r\nb: é\n".encode(), "f.yaml").lines == ("a: 1", "b: é", "")


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MERGE_BOMB = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{n}: &a{n} {{{', '.join(f'k{i}: *a{n - 1}' for i in range(9))}}}\n" for n in range(1, 12)
)
DEEP_ALIASES = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 60))
TOO_MUCH = {
    "deep lists": b"[" * 60_000,
    "deep mappings": b"{a: " * 60_000,
    "deep block lists": b"- " * 60_000,
    "deep keys": b"? " * 60_000,
    "alias bomb": BOMB.encode(),
    "mapping bomb": MERGE_BOMB.encode(),
    "deep by aliases": DEEP_ALIASES.encode(),
    "huge": b"a: " + b"x" * 70_000_000,
}


@pytest.mark.parametrize("data", TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_too_much_is_refused_before_anything_is_built(data: bytes) -> None:
    """A file made to exhaust us costs next to nothing: limits are checked before anything is built."""
    document = parse(data, "f.yaml")

    assert (document.root, [each.code.number for each in document.diagnostics]) == (None, ["CRM004"])


def test_too_many_nodes_are_refused() -> None:
    """The number of values in one file has a limit of its own."""
    assert told(parse(b"[1, 2, 3, 4]", "f.yaml", Bounds(nodes=3))) == [("CRM004", 1, 8, 1)]


def test_without_libyaml_the_same_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pure parser gives the same nodes, places and codes."""
    texts = [text.encode() for text, _ in READABLE.values()] + [data for data, _ in PLACES.values()]
    quick = [parse(text, "f.yaml") for text in texts]
    monkeypatch.setattr(building, "_LOADER", yaml.SafeLoader)

    assert quick == [parse(text, "f.yaml") for text in texts]


def test_without_libyaml_surrogates_are_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pure parser lets half characters through; they never reach a record."""
    monkeypatch.setattr(building, "_LOADER", yaml.SafeLoader)

    assert told(parse(b'a: "\\ud83d"\n', "f.yaml")) == [("CRM005", 1, 4, 8)]
