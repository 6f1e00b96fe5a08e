"""
The state in a place that many machines share: the contract of `crmsync.model.store`, kept on any medium.

An append creates the next entry; whether that succeeded is for the medium to say, and where no answer came the entry is
read back. A compaction is an entry too: a snapshot of all that came before it. What was read once is kept, because entries
never change: reading again costs the new ones only.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import RLock

from msgspec.structs import replace

from crmsync.model.events import Event
from crmsync.model.state import Head, State
from crmsync.model.store import NO_COPIES, Holder, Locked, Lost, Tail, Unusable
from crmsync.state.codec import DAMAGED, empty_state
from crmsync.state.entry import (
    content_mark,
    is_snapshot_entry,
    pack_events,
    pack_head,
    pack_lease,
    pack_snapshot,
    unpack_entry,
    unpack_head,
    unpack_lease,
)
from crmsync.state.fold import Known, extended, fold
from crmsync.state.lease import may_take, process_is_alive
from crmsync.state.medium import Medium, Unclear

#: An entry as it is kept: its position, its bytes. Of a long run there are many, and what they say is asked at its end.
Content = tuple[int, bytes]

#: A lease that is swapped under our hands this often in a row is fought over.
_SWAPS = 5


def open_shared(
    medium: Medium,
    lineage: str,
    *,
    create: bool,
    digest_key: bytes | None = None,
    seed: bytes | None = None,
    clock: Callable[[], float] = time.time,
    is_alive: Callable[[int], bool] = process_is_alive,
) -> SharedStore:
    """
    Return the store on *medium*, which belongs to *lineage*.

    A missing log is begun, or with *create* false reads as empty for as long as it is missing. *digest_key* takes the place
    of the secret in the head; *seed* is the secret of a new one. Raises Unusable.
    """
    store = SharedStore(medium, lineage, digest_key=digest_key, clock=clock, is_alive=is_alive)
    try:
        with store.naming():
            if create and medium.head() is None:
                medium.create_head(pack_head(lineage, seed or secrets.token_bytes(32)))
        store.read_head()
    except BaseException:
        store.close()
        raise
    return store


class SharedStore:
    """The contract of `crmsync.model.store.Store` on one medium; several threads may share it."""

    def __init__(
        self,
        medium: Medium,
        lineage: str,
        *,
        digest_key: bytes | None,
        clock: Callable[[], float],
        is_alive: Callable[[int], bool],
    ) -> None:
        self.medium = medium
        self._empty = Head(lineage, digest_key or secrets.token_bytes(32))
        self._digest_key = digest_key
        self._clock = clock
        self._is_alive = is_alive
        self._lock = RLock()  # the log; the lease is renewed while an append is under way
        self._head: Head | None = None
        self._state: State | None = None  # as it was last folded
        self._appended: list[Content] = []  # what we appended since
        self._known: State | Known | None = None  # what the next append must know
        self._segments: list[Content] = []

    def read(self) -> State:
        """Return the state at the head of the log. Raises Unusable."""
        with self._lock, self.naming():
            return self._read()

    def read_head(self) -> Head:
        """Return whose log it is, without reading the log. Raises Unusable."""
        with self._lock, self.naming():
            return self._found_head() or self._empty

    def events(self) -> Sequence[tuple[int, float, Event]]:
        """Return the events since the last compaction: position, time of appending (unix seconds), event."""
        with self._lock, self.naming():
            self._read()
            entries = (unpack_entry(content, self._empty.lineage, at) for at, content in self._segments)
            return [(entry.position, entry.at, event) for entry in entries for event in entry.events]

    def mark(self, position: int) -> str | None:
        """Return what tells a log that reached *position* from every other: the digest of the entry, with its writer."""
        with self._lock, self.naming():
            content = self.medium.entry(position) if self._found_head() is not None else None
            return None if content is None else content_mark(content)

    def since(self, position: int, mark: str) -> Tail | None:
        """Return what came after *position*; None when the log is not that of *mark*, or was compacted. Raises Unusable."""
        with self._lock, self.naming():
            head = self._found_head()
            contents = self.medium.load(position - 1) if head is not None else ()
            if head is None or not contents or contents[0][0] != position or content_mark(contents[0][1]) != mark:
                return None
            entries = [unpack_entry(content, head.lineage, at) for at, content in contents[1:]]
            if any(entry.snapshot is not None for entry in entries):
                return None
            end, last = contents[-1]
            if [entry.position for entry in entries] != list(range(position + 1, end + 1)):
                raise Unusable(f"The log has a gap before position {end}. {DAMAGED}")
            return Tail(head, end, content_mark(last), tuple(event for entry in entries for event in entry.events))

    def append(self, position: int, events: Sequence[Event], copies: Mapping[str, bytes] = NO_COPIES) -> int:
        """Append *events* and keep *copies* if the log is still at *position*; return the new one. Raises Lost, Unusable."""
        with self._lock, self.naming():
            grown = extended(self._at(position), events)
            at, new = float(self._clock()), position + 1
            content = pack_events(self._empty.lineage, new, at, secrets.token_hex(8), tuple(events))
            self._create(new, content, copies)
            self._known = grown
            self._appended.append((new, content))
            return new

    def compact(self, position: int) -> int:
        """Replace the events up to *position* by a snapshot, and return the new position. Raises Lost, Unusable."""
        with self._lock, self.naming():
            self._require_head()
            return self.replace(position, self._read())

    def compact_overgrown(self, is_overgrown: Callable[[State], bool]) -> int:
        """Replace the log by a snapshot if the state *is overgrown*, and return the position. Raises Lost, Unusable."""
        state = self.read()
        return self.compact(state.position) if is_overgrown(state) else state.position

    def replace(self, position: int, state: State) -> int:
        """Put *state* in the place of everything up to *position*, and return the new position. Raises Lost, Unusable."""
        with self._lock, self.naming():
            head = self._require_head()
            if self._read().position != position:
                raise Lost
            new = replace(state, head=head, position=position + 1, compacted_at=position + 1, logged=0)
            content = pack_snapshot(self._empty.lineage, float(self._clock()), secrets.token_hex(8), new)
            self._create(new.position, content, None)
            self._take(new, [])
            return new.position

    def acquire(self, holder: Holder, now: float) -> None:
        """Take the lease for *holder*; over one silent for 60 s, or whose process here is dead. Raises Locked."""

        def changed(current: Holder | None) -> Holder:
            if current is not None and not may_take(current, holder, now, self._is_alive):
                raise Locked(current)
            return replace(holder, renewed=now)

        with self.naming():
            self._require_head()
            self._swap(changed)

    def renew(self, nonce: str, now: float) -> None:
        """Say that the holder is alive. Raises Lost when the lease was taken over."""

        def changed(current: Holder | None) -> Holder:
            if current is None or current.nonce != nonce:
                raise Lost
            return replace(current, renewed=now)

        with self.naming():
            self._swap(changed)

    def release(self, nonce: str) -> None:
        """Give the lease back, if it is still ours."""
        with self.naming():
            self._swap(lambda current: None if current is None or current.nonce == nonce else current)

    def holder(self) -> Holder | None:
        """Return who holds the lease."""
        with self.naming():
            return unpack_lease(self.medium.lease()[0])

    def break_lease(self) -> Holder | None:
        """Take the lease from whoever holds it and return them."""
        with self.naming():
            self._require_head()
            return self._swap(lambda current: None)

    def keep(self, copies: Mapping[str, bytes]) -> None:
        """Keep *copies*, sealed before, durably and by name. Raises Unusable, also for a name that is taken."""
        with self.naming():
            self._require_head()
            self.medium.keep(copies)

    def kept(self) -> Mapping[str, int]:
        """Return the names of the kept copies with their sizes in bytes, in the order of the names."""
        with self.naming():
            return dict(sorted(self.medium.kept().items()))

    def copy(self, name: str) -> bytes:
        """Return one kept copy. Raises KeyError, Unusable."""
        with self.naming():
            content = self.medium.copy(name)
        if content is None:
            raise KeyError(name)
        return content

    def drop(self, names: Iterable[str]) -> None:
        """Keep these copies no longer; a name that is not there is fine."""
        with self.naming():
            self.medium.drop(names)

    def close(self) -> None:
        """Close the connections; the next call opens them again."""
        self.medium.close()

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Name the place in every Unusable."""
        try:
            yield
        except Unclear as error:
            raise Unusable(f"Cannot use the state in {self.medium.place}. {error}") from error
        except Unusable as error:
            if str(error).startswith("Cannot use the state in "):
                raise
            raise Unusable(f"Cannot use the state in {self.medium.place}. {error}") from error

    # The log.

    def _found_head(self) -> Head | None:
        if self._head is None:
            content = self.medium.head()
            if content is not None:
                key = unpack_head(content, self._empty.lineage)
                self._head = Head(self._empty.lineage, self._digest_key or key)
        return self._head

    def _require_head(self) -> Head:
        head = self._found_head()
        if head is None:
            raise Unusable("There is none, and this command begins none. Run: crmsync apply")
        return head

    def _read(self) -> State:
        """Return the state after what is new since the last reading."""
        head = self._found_head()
        if head is None:
            return State(self._empty)
        known, contents = self._state or empty_state(head), self._appended
        contents = [*contents, *self.medium.load(contents[-1][0] if contents else known.position)]
        segments = [*self._segments, *contents]
        at_snapshot = max((at for at, (_, each) in enumerate(contents) if is_snapshot_entry(each)), default=None)
        if at_snapshot is not None:
            for position, content in contents[: at_snapshot + 1]:
                entry = unpack_entry(content, head.lineage, position)
            known = entry.state(head)
            segments = contents = contents[at_snapshot + 1 :]
        position = contents[-1][0] if contents else known.position
        events = ((at, unpack_entry(content, head.lineage, at).events) for at, content in contents)
        known = fold(known, events, position)
        self._take(known, segments)
        return known

    def _take(self, state: State, segments: list[Content]) -> None:
        """Keep what was read: the state, and the segments since the last compaction."""
        self._state = self._known = state
        self._appended = []
        self._segments = segments

    def _at(self, position: int) -> State | Known:
        """Return what is known at *position*, which must be the end of the log as far as we know. Raises Lost."""
        self._require_head()
        known = self._known
        if known is None or known.position != position:
            known = self._read()
        if known.position != position:
            raise Lost
        return known

    def _create(self, position: int, content: bytes, copies: Mapping[str, bytes] | None) -> None:
        """Create an entry, without *copies* a snapshot; again once where that was lost on the way. Raises Lost, Unusable."""
        reason = ""
        for _ in range(2):
            try:
                if copies is None:
                    self.medium.create_snapshot(position, content)
                else:
                    self.medium.create(position, content, copies)
                return
            except Unclear as unclear:
                reason = str(unclear)
                if self._stands(position, content):
                    return
            except Lost:
                # The first try may have arrived after all, between reading back and the second.
                if reason and self._stands(position, content):
                    return
                raise
        raise Unusable(f"Nothing was noted: {reason}")

    def _stands(self, position: int, content: bytes) -> bool:
        """Say whether the entry is in the log; False: nothing is there. Raises Lost when that is somebody else's."""
        try:
            found, is_last = self.medium.entry(position), not self.medium.load(position)
        except Unclear as unclear:
            text = f"Whether the last entry was noted is not known: {unclear} The next run will see. Run again."
            raise Unusable(text) from unclear
        if is_last and found in (content, None):
            return found is not None
        raise Lost

    # The lease.

    def _swap(self, change: Callable[[Holder | None], Holder | None]) -> Holder | None:
        """Change the lease, and return who held it before."""
        for _ in range(_SWAPS):
            content, token = self.medium.lease()
            before = unpack_lease(content)
            after = change(before)
            if after == before:
                return before
            with suppress(Unclear):
                if self.medium.swap_lease(token, pack_lease(after)):
                    return before
        raise Unusable("Its lease changes all the time: other runs want it too. Run again.")
