"""
What the shared engines are made on: numbered entries that are created once, a lease that is swapped, copies by name.

A medium moves bytes and keeps order; what the bytes say is for `crmsync.state.shared`. Three places answer to it: a ref of
a git repository, PostgreSQL, object storage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol


class Unclear(Exception):
    """The place gave no usable answer, so that nobody knows yet whether it did what it was asked; the message says why."""


class Medium(Protocol):
    """
    One place for a state. Every method raises Unusable when the place cannot be used.

    Several threads may use one; each method is whole in itself.
    """

    place: str
    """Where this is, for messages: never with a password."""

    def head(self) -> bytes | None:
        """Return the head of the log, None where there is no log."""

    def create_head(self, content: bytes) -> None:
        """Begin a log, unless somebody else has: whose head it is shows when it is read."""

    def load(self, after: int) -> Sequence[tuple[int, bytes]]:
        """Return the entries after position *after* in order, as of one moment; those before a snapshot may be missing."""

    def entry(self, position: int) -> bytes | None:
        """Return the entry at *position*, as everybody sees it now."""

    def create(self, position: int, content: bytes, copies: Mapping[str, bytes]) -> None:
        """
        Create the entry at *position*, durably, which must be the first free one, and keep *copies*, under new names.

        Raises Lost when it is not the first free one, Unclear.
        """

    def create_snapshot(self, position: int, content: bytes) -> None:
        """Create the entry at *position* likewise, and let it take the place of those before it. Raises Lost, Unclear."""

    def lease(self) -> tuple[bytes, Any]:
        """Return what the lease says (nothing: ``b""``), and the token that `swap_lease` asks for."""

    def swap_lease(self, token: Any, content: bytes) -> bool:
        """Replace the lease that *token* stands for; False when it is another one by now. Raises Unclear."""

    def keep(self, copies: Mapping[str, bytes]) -> None:
        """Keep copies by name, each created once. Raises Unusable for a name that is taken."""

    def kept(self) -> Mapping[str, int]:
        """Return names and sizes of the copies."""

    def copy(self, name: str) -> bytes | None:
        """Return one copy."""

    def drop(self, names: Iterable[str]) -> None:
        """Remove copies."""

    def destroy(self) -> None:
        """Remove all there is under this name: for what a self-test left."""

    def close(self) -> None:
        """Close connections."""
