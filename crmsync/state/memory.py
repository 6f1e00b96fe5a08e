"""A state in memory, for tests, the simulator and the Python client; several threads may use one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from threading import RLock

from msgspec.structs import replace

from crmsync.model.events import Event
from crmsync.model.state import Head, State
from crmsync.model.store import NO_COPIES, Holder, Locked, Lost, Tail, Unusable
from crmsync.state.codec import decode_events, decode_state, encode_events, encode_state
from crmsync.state.fold import Known, extended, fold
from crmsync.state.lease import may_take, process_is_alive


class MemoryStore:
    """
    The contract of `crmsync.model.store.Store`, kept in memory.

    Events pass through the codec, so that what cannot be written down fails here too.
    """

    def __init__(
        self,
        lineage: str = "memory",
        *,
        digest_key: bytes = bytes(32),
        clock: Callable[[], float] = time.time,
        is_alive: Callable[[int], bool] = process_is_alive,
    ) -> None:
        self._head = Head(lineage, digest_key)
        self._clock = clock
        self._is_alive = is_alive
        self._lock = RLock()
        self._snapshot = encode_state(State(self._head))
        self._segments: list[tuple[int, float, str]] = []
        self._position = 0
        self._known: State | Known = State(self._head)
        self._holder: Holder | None = None
        self._copies: dict[str, bytes] = {}

    def read(self) -> State:
        """Return the state at the head of the log. Raises Unusable."""
        with self._lock:
            segments = [(position, decode_events(text)) for position, _, text in self._segments]
            return fold(decode_state(self._snapshot, self._head), segments, self._position)

    def peek(self) -> tuple[Head, int]:
        """Return whose log it is and how long, without reading it."""
        return self._head, self._position

    def events(self) -> Sequence[tuple[int, float, Event]]:
        """Return the events since the last compaction: position, time of appending (unix seconds), event."""
        with self._lock:
            return [(position, at, event) for position, at, text in self._segments for event in decode_events(text)]

    def mark(self, position: int) -> str | None:
        """Return what tells a log that reached *position* from every other: what was appended there, and when."""
        with self._lock:
            for at, seconds, text in self._segments:
                if at == position:
                    return blake2b(f"{at} {seconds} {text}".encode(), digest_size=16).hexdigest()
            is_snapshot = position == self._position - len(self._segments)
            return blake2b(self._snapshot.encode(), digest_size=16).hexdigest() if is_snapshot else None

    def since(self, position: int, mark: str) -> Tail | None:
        """Return what came after *position*; None when the log is not that of *mark*, or was compacted."""
        with self._lock:
            if self.mark(position) != mark:
                return None
            events = tuple(event for at, _, event in self.events() if at > position)
            return Tail(self._head, self._position, self.mark(self._position) or "", events)

    def append(self, position: int, events: Sequence[Event], copies: Mapping[str, bytes] = NO_COPIES) -> int:
        """Append *events* and keep *copies* if the log is still at *position*; return the new one. Raises Lost, Unusable."""
        text = encode_events(events)
        with self._lock:
            if position != self._position:
                raise Lost
            known = extended(self._known, events)
            self.keep(copies)
            self._known = known
            self._move_on_from(position)
            self._segments.append((self._position, self._clock(), text))
            return self._position

    def compact(self, position: int) -> int:
        """Replace the events up to *position* by a snapshot, and return the new position. Raises Lost."""
        with self._lock:
            return self.replace(position, self.read())

    def compact_overgrown(self, is_overgrown: Callable[[State], bool]) -> int:
        """Replace the log by a snapshot if the state *is overgrown*, and return the position. Raises Lost, Unusable."""
        state = self.read()
        return self.compact(state.position) if is_overgrown(state) else state.position

    def replace(self, position: int, state: State) -> int:
        """Put *state* in the place of everything up to *position*, and return the new position. Raises Lost."""
        with self._lock:
            self._move_on_from(position)
            self._known = state = replace(state, position=self._position)
            self._snapshot = encode_state(state)
            self._segments.clear()
            return self._position

    def acquire(self, holder: Holder, now: float) -> None:
        """Take the lease for *holder*. Raises Locked."""
        with self._lock:
            if self._holder is not None and not may_take(self._holder, holder, now, self._is_alive):
                raise Locked(self._holder)
            self._holder = replace(holder, renewed=now)

    def renew(self, nonce: str, now: float) -> None:
        """Say that the holder is alive. Raises Lost when the lease was taken over."""
        with self._lock:
            if self._holder is None or self._holder.nonce != nonce:
                raise Lost
            self._holder = replace(self._holder, renewed=now)

    def release(self, nonce: str) -> None:
        """Give the lease back, if it is still ours."""
        with self._lock:
            if self._holder is not None and self._holder.nonce == nonce:
                self._holder = None

    def holder(self) -> Holder | None:
        """Return who holds the lease."""
        with self._lock:
            return self._holder

    def break_lease(self) -> Holder | None:
        """Take the lease from whoever holds it and return them."""
        with self._lock:
            holder, self._holder = self._holder, None
            return holder

    def keep(self, copies: Mapping[str, bytes]) -> None:
        """Keep *copies* by name. Raises Unusable for a name that is taken."""
        with self._lock:
            for name, content in copies.items():
                if self._copies.setdefault(name, content) != content:
                    raise Unusable(f"There is a copy {name} already.")

    def kept(self) -> Mapping[str, int]:
        """Return the names of the kept copies with their sizes in bytes, in the order of the names."""
        with self._lock:
            return {name: len(self._copies[name]) for name in sorted(self._copies)}

    def copy(self, name: str) -> bytes:
        """Return one kept copy. Raises KeyError."""
        with self._lock:
            return self._copies[name]

    def drop(self, names: Iterable[str]) -> None:
        """Keep these copies no longer; a name that is not there is fine."""
        with self._lock:
            for name in names:
                self._copies.pop(name, None)

    def close(self) -> None:
        """Do nothing: what is in memory stays for other handles."""

    def _move_on_from(self, position: int) -> None:
        if position != self._position:
            raise Lost
        self._position += 1
