"""Decisions: what a user answered to a field that a person in Copper and a file say differently."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from crmsync.model.address import Address
from crmsync.model.source import Position, Table


class Choice(StrEnum):
    """What shall become of a field (docs/plan-and-apply.md, "Decisions")."""

    KEEP_HUMAN = "keep_human"
    TAKE_FILE = "take_file"
    HAND_OVER = "hand_over"
    ACCEPT = "accept"


class Seen(Struct, frozen=True):
    """
    What a decision was made on, as digests: what crmsync had confirmed, what the file says, what Copper shows.

    *base* is the state's own, or None where nothing was confirmed; the other two stand beside their values, so need no key.
    """

    base: str | None
    file: str
    live: str


class Decision(Struct, frozen=True):
    """One line of ``decisions.yaml``; *choice* is None as long as nobody chose. *written* is the line itself."""

    address: Address
    field: str
    seen: Seen
    choice: Choice | None
    position: Position
    written: Table
