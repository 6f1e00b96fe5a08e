"""The log read back: a snapshot and the segments after it become one state."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence

from crmsync.model.address import Address
from crmsync.model.events import Bound, Event, FieldsApplied, FieldsReleased, Forgotten, Protected, Renamed, Ruled
from crmsync.model.state import Binding, State
from crmsync.model.store import Unusable
from crmsync.state.codec import DAMAGED


def fold(snapshot: State, segments: Iterable[tuple[int, Sequence[Event]]], position: int) -> State:
    """
    Return the state at *position*, which must be where the last of *segments* ends; each is let go of once it is folded in.

    Raises Unusable when a segment is missing, or when an event speaks of something the log never told of.
    """
    try:
        return snapshot.advance(_without_gap(segments, snapshot.position, position), position)
    except KeyError as error:
        raise Unusable(f"The log contradicts itself: {error.args[0]} was never bound. {DAMAGED}") from error


def _without_gap(segments: Iterable[tuple[int, Sequence[Event]]], start: int, end: int) -> Iterator[Event]:
    """Yield the events of *segments*, one for each position after *start* up to *end*. Raises Unusable."""
    at = start
    for position, events in segments:
        if position != at + 1:
            break
        yield from events
        at = position
    if at != end:
        raise Unusable(f"The log has a gap before position {end}. {DAMAGED}")


class Known:
    """
    What an append must know of a log at *position* to keep it free of contradiction: which addresses are bound.

    An append asks `extended` and keeps the answer once its events are stored. That costs what the batch holds and not what
    is bound, so a `Known` is used up by the next one: what it says of addresses is added to what they share.
    """

    def __init__(self, position: int, since: _Since, changed: Mapping[Address, bool]) -> None:
        self.position = position
        self._since = since
        self._changed = changed

    def since(self) -> _Since:
        """Return which addresses are bound."""
        self._since.add(self._changed)
        self._changed = {}
        return self._since


class _Since:
    """
    Which addresses are bound: as *before*, but for what became of some since.

    A run of many creates adds them all and asks for none, so a few bytes are kept of each until somebody asks.
    """

    def __init__(self, before: Mapping[Address, Binding]) -> None:
        self._before = before
        self._hashes = array("q")
        self._are_bound = bytearray()
        self._table: dict[int, int] = {}

    def add(self, changed: Mapping[Address, bool]) -> None:
        """Take in what became of addresses."""
        self._hashes.extend(map(_hash, changed))
        self._are_bound.extend(changed.values())

    def is_bound(self, address: Address) -> bool:
        """Say whether *address* is bound."""
        if self._hashes:
            self._table.update(zip(self._hashes, self._are_bound, strict=True))
            del self._hashes[:], self._are_bound[:]
        known = self._table.get(_hash(address))
        return address in self._before if known is None else bool(known)


def _hash(address: Address) -> int:
    return hash((address.type, address.key))


def extended(known: State | Known, events: Sequence[Event]) -> Known:
    """
    Return what is known after one more segment: what an append asks before it stores, because a log is never mended.

    Raises Unusable when an event speaks of something that is not bound.
    """
    since = known.since() if isinstance(known, Known) else _Since(known.bindings)
    changed: dict[Address, bool] = {}
    for event in events:
        match event:
            case Bound(address):
                changed[address] = True
            case Forgotten(address):
                changed[address] = False
            case Renamed(origin, destination):
                _expect_bound(origin, since, changed)
                changed |= {origin: False, destination: True}
            case FieldsApplied(address) | FieldsReleased(address) | Protected(address) | Ruled(address):
                _expect_bound(address, since, changed)
    return Known(known.position + 1, since, changed)


def _expect_bound(address: Address, since: _Since, changed: Mapping[Address, bool]) -> None:
    is_bound = changed.get(address)
    if not (since.is_bound(address) if is_bound is None else is_bound):
        raise Unusable(
            f"Nothing was noted: {address} is not bound, and the state would contradict itself. "
            "This is a fault of crmsync; please report it."
        )
