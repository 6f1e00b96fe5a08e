"""The label that somebody wrote, and the entry of the account that has it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from crmsync.model.catalogue import Entry
from crmsync.model.late import late
from crmsync.model.suggest import did_you_mean

_LABEL_BY_ID = late(r"#([0-9]{1,18})")


class Found(Struct, frozen=True):
    """Exactly one entry has the label."""

    entry: Entry


class NotFound(Struct, frozen=True):
    """No entry has the label; *suggestion* is a sentence naming a near one, or no text."""

    suggestion: str


class Ambiguous(Struct, frozen=True):
    """Several entries have the label, which only their ids tell apart."""

    candidates: tuple[Entry, ...]


def find_label(entries: Iterable[Entry], text: str, within: int | None = None) -> Found | NotFound | Ambiguous:
    """
    Return the entry called *text*, among those *within* one parent when that is given.

    As written first, then without regard to case, where further names (a user's e-mail) count as well.
    ``#123`` names an entry by its id, for labels that several entries have.
    """
    table = [entry for entry in entries if within is None or entry.within == within]
    written, folded = _composed(text), _composed(text).casefold()
    rungs: Sequence[Callable[[Entry], bool]] = (
        lambda entry: _composed(entry.name) == written,
        lambda entry: folded in {_composed(name).casefold() for name in (entry.name, *entry.also)},
        lambda entry: _is_id(written, entry),
    )
    for is_meant in rungs:
        matches = tuple(entry for entry in table if is_meant(entry))
        if matches:
            return Found(matches[0]) if len(matches) == 1 else Ambiguous(matches)
    return NotFound(did_you_mean(text, (name for entry in table for name in (entry.name, *entry.also))))


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _is_id(text: str, entry: Entry) -> bool:
    named = _LABEL_BY_ID.fullmatch(text)
    return named is not None and int(named.group(1)) == entry.id
