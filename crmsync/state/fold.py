"""The log read back: a snapshot and the segments after it become one state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from crmsync.model.address import Address
from crmsync.model.events import Bound, Event, FieldsApplied, FieldsReleased, Forgotten, Protected, Renamed, Ruled
from crmsync.model.state import State
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
    is bound, so a `Known` is used up by the next one: what it says of addresses is merged into the set they share.
    """

    def __init__(self, position: int, bound: set[Address], changed: Mapping[Address, bool]) -> None:
        self.position = position
        self._bound = bound
        self._changed = changed

    def bound(self) -> set[Address]:
        """Return the addresses that are bound."""
        for address, is_bound in self._changed.items():
            (self._bound.add if is_bound else self._bound.discard)(address)
        self._changed = {}
        return self._bound


def extended(known: State | Known, events: Sequence[Event]) -> Known:
    """
    Return what is known after one more segment: what an append asks before it stores, because a log is never mended.

    Raises Unusable when an event speaks of something that is not bound.
    """
    bound = known.bound() if isinstance(known, Known) else set(known.bindings)
    changed: dict[Address, bool] = {}
    for event in events:
        match event:
            case Bound(address):
                changed[address] = True
            case Forgotten(address):
                changed[address] = False
            case Renamed(origin, destination):
                _expect_bound(origin, bound, changed)
                changed |= {origin: False, destination: True}
            case FieldsApplied(address) | FieldsReleased(address) | Protected(address) | Ruled(address):
                _expect_bound(address, bound, changed)
    return Known(known.position + 1, bound, changed)


def _expect_bound(address: Address, bound: set[Address], changed: Mapping[Address, bool]) -> None:
    if not changed.get(address, address in bound):
        raise Unusable(
            f"Nothing was noted: {address} is not bound, and the state would contradict itself. "
            "This is a fault of crmsync; please report it."
        )
