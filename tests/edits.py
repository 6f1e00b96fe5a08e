"""Random edits of a text, for laws that say that two readers agree on whatever a file may hold."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random


def edited(text: str, pieces: Sequence[str], chance: Random) -> str:
    """Return *text* with one of *pieces*, or nothing, in the place of a few characters, once or some times."""
    for _ in range(chance.choice([1, 1, 2, 5])):
        at = chance.randrange(len(text))
        end = at + chance.choice([0, 0, 1, 3])
        text = text[:at] + chance.choice([*pieces, ""]) + text[end:]
    return text
