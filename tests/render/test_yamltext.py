"""Values as YAML on one line: whatever stands in the CRM, our own parser reads one harmless line."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crmsync.config.document import parse
from crmsync.model.source import Listing, Node, Scalar, Table
from crmsync.render.sanitise import clean
from crmsync.render.yamltext import bare, flow, node_flow, quoted

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=8).map(clean), inner, max_size=3)
    ),
    max_leaves=8,
)


def _read(text: str) -> Node:
    document = parse(f"- {{value: {text}, after: x}}\n".encode(), "decisions.yaml")
    assert not document.diagnostics, document.diagnostics
    assert isinstance(document.root, Listing)
    (item,) = document.root.items
    assert isinstance(item, Table)
    assert [key.text for key, _ in item.entries] == ["value", "after"]
    return item.entries[0][1]


def _shape(value: Any) -> Any:
    if isinstance(value, list):
        return [_shape(each) for each in value]
    if isinstance(value, dict):
        return {name: _shape(each) for name, each in value.items()}
    return "\n".join(map(clean, value.split("\n"))) if isinstance(value, str) else flow(value)


def _node_shape(node: Node) -> Any:
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Listing):
        return [_node_shape(each) for each in node.items]
    return {key.text: _node_shape(each) for key, each in node.entries}


@given(PLAIN)
def test_what_is_written_is_read(value: Any) -> None:
    """Texts come back as they are shown, also those that YAML would take for something else; nothing breaks out."""
    node = _read(flow(value))

    assert _shape(value) == _node_shape(node)
    assert _node_shape(node) == _node_shape(_read(node_flow(node)))


@given(st.text(max_size=30))
def test_nothing_unseen_is_written(text: str) -> None:
    """A quoted text is one line that a terminal prints as it stands."""
    assert clean(quoted(text)) == quoted(text)
    assert _node_shape(_read(bare(text))) == _shape(text)
