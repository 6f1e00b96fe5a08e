"""The contract of a state store; the engines are in `crmsync.state`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from msgspec import Struct

from crmsync.model.events import Event
from crmsync.model.state import Head, State

#: What an append keeps beside its events when it keeps nothing.
NO_COPIES: Mapping[str, bytes] = MappingProxyType({})


class Holder(Struct, frozen=True):
    """Who holds the lease: a made-up *nonce*, a human description, the host and process, and since when (unix seconds)."""

    nonce: str
    who: str
    host: str
    pid: int
    since: float
    renewed: float


class Lost(Exception):
    """Somebody else appended first: what we know is stale, and nothing was written."""


class Locked(Exception):
    """Another run holds the lease."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(f"held by {holder.who} on {holder.host}, process {holder.pid}")
        self.holder = holder


class Unusable(Exception):
    """The store cannot be used as it is: corrupt, newer, foreign, unreachable. The message says what to do."""


class Tail(Struct, frozen=True):
    """What was appended to a log after a position: *events*, up to *position*, which *mark* tells from every other log's."""

    head: Head
    position: int
    mark: str
    events: tuple[Event, ...]


class Store(Protocol):
    """An append-only log of events with compare-and-append, a courtesy lease, and copies of records kept beside them."""

    def read(self) -> State:
        """Return the state at the head of the log. Raises Unusable."""

    def events(self) -> Sequence[tuple[int, float, Event]]:
        """Return the events since the last compaction: position, time of appending (unix seconds), event."""

    def mark(self, position: int) -> str | None:
        """
        Return what tells a log that reached *position* from every other; None where it cannot be told (any more).

        Whoever restores an old copy of a log and appends to it makes another log.
        """

    def since(self, position: int, mark: str) -> Tail | None:
        """
        Return what came after *position*, without reading what came before. Raises Unusable.

        None when the log is not the one that *mark* was of, or was compacted since.
        """

    def append(self, position: int, events: Sequence[Event], copies: Mapping[str, bytes] = NO_COPIES) -> int:
        """
        Append *events* if the log is still at *position*, durably, and return the new position (one more per call).

        With them go *copies* (see `keep`) under names of their own: once this has returned they are kept, and an append
        that did not happen is not seen to have kept any.

        Raises Lost when somebody else appended, Unusable when the store failed (nothing was written, or it is unclear
        and was settled by reading back).
        """

    def compact(self, position: int) -> int:
        """Replace the events up to *position* by a snapshot, open intents kept, and return the new position. Raises Lost."""

    def compact_overgrown(self, is_overgrown: Callable[[State], bool]) -> int:
        """
        Do the same for the whole log if the state *is overgrown*, at the least cost, and return the position. Raises Lost.

        The state that is asked about is not for keeping: its bindings may be nowhere but on disk.
        """

    def replace(self, position: int, state: State) -> int:
        """Put *state* in the place of everything up to *position*, and return the new position. Raises Lost."""

    def acquire(self, holder: Holder, now: float) -> None:
        """Take the lease for *holder*; over one silent for 60 s, or whose process on this host is dead. Raises Locked."""

    def renew(self, nonce: str, now: float) -> None:
        """Say that the holder is alive. Raises Lost when the lease was taken over."""

    def release(self, nonce: str) -> None:
        """Give the lease back, if it is still ours."""

    def holder(self) -> Holder | None:
        """Return who holds the lease."""

    def break_lease(self) -> Holder | None:
        """Take the lease from whoever holds it and return them (``crmsync unlock``)."""

    def keep(self, copies: Mapping[str, bytes]) -> None:
        """
        Keep *copies*, sealed before, durably and by name (``run/number``).

        Raises Unusable, also for a name that is taken by another content.
        """

    def kept(self) -> Mapping[str, int]:
        """Return the names of the kept copies with their sizes in bytes, in the order of the names."""

    def copy(self, name: str) -> bytes:
        """Return one kept copy. Raises KeyError, Unusable."""

    def drop(self, names: Iterable[str]) -> None:
        """Keep these copies no longer; a name that is not there is fine."""

    def close(self) -> None:
        """Close the store."""
