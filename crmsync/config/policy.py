"""Policy entries, as they stand in crmsync.yaml and in records."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TypeVar

from crmsync.model.records import Mode, OnAdopt, OnDelete, OnDrift, PolicyRule
from crmsync.model.source import Node, Scalar, Table

#: Turns a field as named in a policy into the fields it stands for: `address` into its parts.
Names = Callable[[Scalar], Iterable[str]]

Word = TypeVar("Word", bound=StrEnum)


def read_policy(node: Node | None, names: Names) -> PolicyRule:
    """Return the rule written as *node*; words that do not exist are left out, `check_structure` tells them."""
    if isinstance(node, Scalar):
        return PolicyRule(mode=_word(Mode, node))
    if not isinstance(node, Table):
        return PolicyRule()
    fields = node.get("fields")
    return PolicyRule(
        mode=_word(Mode, node.get("mode")),
        on_drift=_word(OnDrift, node.get("on_drift")),
        on_adopt=_word(OnAdopt, node.get("on_adopt")),
        on_delete=_word(OnDelete, node.get("on_delete")),
        fields=_by_field(fields, names) if isinstance(fields, Table) else {},
    )


def _by_field(table: Table, names: Names) -> dict[str, PolicyRule]:
    """Return the rules by field; one for `address.city` wins over one for `address`, wherever they stand."""
    broad_first = sorted(table.entries, key=lambda entry: "." in entry[0].text)
    return {name: read_policy(rule, names) for key, rule in broad_first for name in names(key)}


def _word(words: type[Word], node: Node | None) -> Word | None:
    """Return the word of *words* that *node* is, or None."""
    if not isinstance(node, Scalar):
        return None
    return next((word for word in words if word.value == node.text), None)
