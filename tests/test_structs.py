"""Structs that say themselves when they are equal, or what of them may be shown."""

from __future__ import annotations

from typing import Any

import pytest

from crmsync.model.digest import Digester
from crmsync.model.http import Request
from crmsync.model.records import Observed
from crmsync.model.source import Position
from crmsync.model.state import Head, State
from crmsync.model.values import Label, Lookup, Member, Members

ONE, OTHER = Position("a.yaml", 1, 1), Position("b.yaml", 2, 2)
HEAD = Head("ours", b"secret")
SAME = [
    (Member("a", "A"), Member("a", "a")),
    (Members((Member("a", "a"), Member("b", "b"))), Members((Member("b", "B"), Member("a", "A")))),
    (Label("Gold", ONE), Label("Gold", OTHER)),
    (Lookup("key", "acme", ONE), Lookup("key", "acme", OTHER)),
    (Observed("people", 1, {}, 5, {"id": 1}), Observed("people", 1, {}, 5)),
    (State(HEAD, 7, compacted_at=3, logged=4), State(HEAD, 7)),
]
DIFFERENT = [
    (Member("a", "A"), Member("b", "A")),
    (Member("a", "A", "work"), Member("a", "A", "home")),
    (Members((Member("a", "a"),)), Members((Member("b", "b"),))),
    (Label("Gold", ONE), Label("Silver", ONE)),
    (Label("Gold", ONE), Member("Gold", "Gold")),
    (Lookup("key", "acme", ONE), Lookup("name", "acme", ONE)),
    (Observed("people", 1, {}), Observed("people", 2, {})),
    (State(HEAD, 7), State(HEAD, 8)),
    (State(HEAD, 7), HEAD),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_is_not_compared(one: Any, other: Any) -> None:
    """Values are equal, and not unequal, that differ only in how they came about."""
    assert (one == other, one != other) == (True, False)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_is_compared(one: Any, other: Any) -> None:
    """And of all else they are unequal, and not equal."""
    assert (one == other, one != other) == (False, True)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (HEAD, "Head(lineage='ours')"),
        (Digester(b"secret"), "Digester()"),
        (Request("GET", "/people", b"", {"X-Key": "secret"}), "Request(method='GET', path='/people', body=b'')"),
    ],
)
def test_secrets_are_not_shown(value: Any, shown: str) -> None:
    """Whoever prints a value that holds a secret, rich among them, does not print the secret."""
    assert (repr(value), "secret" in str(value.__rich_repr__())) == (shown, False)
