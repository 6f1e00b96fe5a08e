"""The log read back: a snapshot and the segments after it become one state."""

from __future__ import annotations

from collections.abc import Sequence

from crmsync.model.events import Event
from crmsync.model.state import State
from crmsync.model.store import Unusable
from crmsync.state.codec import DAMAGED


def fold(snapshot: State, segments: Sequence[tuple[int, Sequence[Event]]], position: int) -> State:
    """
    Return the state at *position*, which must be where the last of *segments* ends.

    Raises Unusable when a segment is missing, or when an event speaks of something the log never told of.
    """
    expected = range(snapshot.position + 1, position + 1)
    if [each for each, _ in segments] != list(expected):
        raise Unusable(f"The log has a gap before position {position}. {DAMAGED}")
    try:
        return snapshot.advance((event for _, events in segments for event in events), position)
    except KeyError as error:
        raise Unusable(f"The log contradicts itself: {error.args[0]} was never bound. {DAMAGED}") from error


def extended(state: State, events: Sequence[Event]) -> State:
    """
    Return the state after one more segment: what an append asks before it stores, because a log is never mended.

    Raises Unusable when an event speaks of something that is not bound.
    """
    try:
        return state.advance(events, state.position + 1)
    except KeyError as error:
        raise Unusable(
            f"Nothing was noted: {error.args[0]} is not bound, and the state would contradict itself. "
            "This is a fault of crmsync; please report it."
        ) from error
