"""
From what the files say to what should be: labels become ids, references become addresses or ids, policies are merged.

Everything that is wrong is told, and the field it is about left out, so that one run tells everything.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue
from crmsync.model.records import Declared, Desired, Observed, PolicyRule
from crmsync.model.rows import Pile
from crmsync.model.source import Diagnostic, in_file_order
from crmsync.model.wanted import PackedDesired
from crmsync.resolve.alone import Alone, Pointer, has_misfit, resolve_alone
from crmsync.resolve.labels import Ambiguous, Found, NotFound, find_label
from crmsync.resolve.policies import merged_policy
from crmsync.resolve.resolving import Holders, Question, Resolving, keys_of, possible_targets


class Resolved(Struct, frozen=True):
    """The records as they should be, without the fields that *diagnostics* are about."""

    records: Mapping[Address, Desired]
    diagnostics: tuple[Diagnostic, ...]


def lookups(
    declared: Mapping[Address, Declared], catalogue: Catalogue, *, holders: Holders | None = None
) -> tuple[Question, ...]:
    """Return the lookups that no declared record answers, so that Copper must be asked: type, field, canonical text."""
    resolving = Resolving(declared, catalogue, {}, None, holders)
    found = tuple(sorted(set(resolving.open_questions())))
    resolving.let_go()
    return found


def resolve(
    declared: Mapping[Address, Declared],
    catalogue: Catalogue,
    policies: Mapping[str, PolicyRule],
    found: Mapping[Question, tuple[Observed, ...]] | None,
    *,
    only: Mapping[Address, Declared] | None = None,
    holders: Holders | None = None,
    pile: Pile | None = None,
) -> Resolved:
    """
    Return the records as they should be, all that are *declared* or *only* some of them.

    *found* are Copper's answers to `lookups`; with None nobody asked, and what only Copper can answer is left out without
    a complaint. So are labels while the catalogue knows no account. *holders* says which declared records a lookup finds,
    where that is known without looking at each. Many records are put aside in *pile*.
    """
    resolving = Resolving(declared, catalogue, policies, found, holders)
    records: Mapping[Address, Desired]
    if only is None:  # they may be many, and are packed
        records = PackedDesired((resolving.record(record) for record in declared.values()), pile)
    else:
        records = {address: resolving.record(record) for address, record in only.items()}
    diagnostics = in_file_order(resolving.diagnostics)
    resolving.let_go()
    return Resolved(records, diagnostics)


__all__ = [
    "Alone",
    "Ambiguous",
    "Found",
    "Holders",
    "NotFound",
    "Pointer",
    "Question",
    "Resolved",
    "find_label",
    "has_misfit",
    "keys_of",
    "lookups",
    "merged_policy",
    "possible_targets",
    "resolve",
    "resolve_alone",
]
