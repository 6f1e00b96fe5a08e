"""
Noting: what the ledger is told after a plan, and of what it must have been told that the next one may ask it.

An entry says of one record what a plan found, the head how far files, state and mirror were seen; see `sieving`, which asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from hashlib import blake2b
from operator import attrgetter
from typing import Any

import crmsync
from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue
from crmsync.model.state import Head, State, record_id
from crmsync.plan import restriction
from crmsync.plan.restriction import Touch
from crmsync.plan.world import Wishes, World
from crmsync.project.inputs import labels_of
from crmsync.project.ledgerfile import Entry, LedgerHead
from crmsync.project.looking import Looking
from crmsync.project.mirrorfile import Mark
from crmsync.project.reading import Reading
from crmsync.project.session import Project
from crmsync.state.codec import encode_binding
from crmsync.state.packed import text_of

FORMAT = 1


def inputs_of(project: Project, wishes: Wishes) -> str | None:
    """
    Return the digest of what every verdict depends on; None for a plan of which the ledger has nothing to say.

    What is settled is so whether or not it is selected, and leaves nothing to decide: choices make no difference to it.
    """
    plain = Wishes(wishes.only, wishes.excepted, limits=wishes.limits, pace=wishes.pace, policies=wishes.policies)
    if wishes != plain:
        return None
    told = f"{FORMAT} {crmsync.__version__} {project.settings} {wishes.policies}"
    return blake2b(told.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def log_of(head: Head) -> str:
    """Return what says whose log a ledger is about, without its secret."""
    return f"{head.lineage} {blake2b(head.digest_key, digest_size=16).hexdigest()}"


def plain_mark(mark: Mark | None) -> list[Any] | None:
    """Return how far a mirror was seen, as the ledger writes it."""
    return None if mark is None else [mark.read_at, mark.changes, mark.tag]


def entries_of(
    addresses: Iterable[Address],
    world: World,
    said: Collection[Address],
    asking: Collection[Address],
    looking: Looking,
    catalogue: Catalogue,
) -> Iterator[Entry]:
    """
    Yield what a plan of *world* found of *addresses*.

    *said* are those of which it, or anything wrong with the files, says something; *asking* those whose files ask Copper.
    """
    bindings = world.state.bindings
    for address in addresses:
        desired, is_bound = world.desired.get(address), address in bindings
        if desired is None and not is_bound:
            continue
        id = record_id(bindings, address) if is_bound else None
        record = None if id is None else world.observed.get((address.type, id))
        is_there = desired is not None and record is not None
        is_settled = is_there and address not in said and address not in asking
        touches: frozenset[Touch] = frozenset()
        if is_settled and desired is not None and record is not None:
            values = {name: each.value for name, each in desired.fields.items()}
            touches = frozenset(restriction.touches_of(catalogue[address.type], values, record.fields))
        content = looking.small.get(address.type, {}).get(id or 0, b"")
        text = text_of(bindings, address, encode_binding) if is_bound else ""
        yield Entry(address, id, content, text, is_settled, is_there, touches)


def asking_of(reading: Reading) -> frozenset[Address]:
    """Return the records whose files look others up, in Copper if no file has them: what they mean may change any time."""
    return frozenset(reading.where(lambda sheet: sheet.questions.owners))


def head_of(
    inputs: str, state: State, state_mark: str, account: int, catalogue: Catalogue, reading: Reading, looking: Looking
) -> LedgerHead:
    """Return the head of a ledger about all records, after a plan of the whole."""
    bound = Counter(map(attrgetter("type"), state.bindings))
    types = dict.fromkeys(sorted(reading.types().union(bound)))
    marks = {name: plain_mark(looking.mark(catalogue[name])) for name in types}
    return LedgerHead(
        inputs=inputs,
        lineage=log_of(state.head),
        position=state.position,
        state_mark=state_mark,
        account=account,
        labels=labels_of(catalogue, types),
        files=reading.mark(),
        marks=marks,
        bound=dict(bound),
    )
