"""What the text of any file may be: how much of it, where its lines end, and no characters that nobody sees."""

from __future__ import annotations

from msgspec import Struct

from crmsync.model.codes import CODES
from crmsync.model.late import late
from crmsync.model.source import Diagnostic, Position

LINE_BREAK = late("\r\n|[\r\n\x85\u2028\u2029]")  # what libyaml counts as the end of a line
CONTROL_IN_TEXT = late("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\ufffe\uffff]")


class Bounds(Struct, frozen=True):
    """How much one file may hold: bytes, levels of nesting, nodes, and nodes that its aliases stand for."""

    bytes: int = 64 * 2**20
    depth: int = 40
    nodes: int = 5_000_000
    aliased: int = 500_000


BOUNDS = Bounds()


def split_lines(text: str) -> tuple[str, ...]:
    """Return the lines of *text* as libyaml counts them."""
    return tuple(LINE_BREAK.split(text))


def control_diagnostic(character: str, position: Position) -> Diagnostic:
    """Return the complaint about one invisible *character*."""
    name = "a byte order mark" if character == "\ufeff" else f"the control character U+{ord(character):04X}"
    return Diagnostic(CODES["CRM007"], f"There is {name} here. Nobody sees it in Copper; delete it.", position)
