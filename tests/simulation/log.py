"""The state of all processes: in memory, under the contract of every store, at each append of which a process may die."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crmsync.model.events import Event as StateEvent
from crmsync.model.events import Intent
from crmsync.model.state import State
from crmsync.model.store import NO_COPIES, Holder, Unusable
from crmsync.project import together
from crmsync.state import MemoryStore
from tests.simulation.hub import fiber

if TYPE_CHECKING:
    from tests.simulation.runs import Run


class Log(MemoryStore):
    """The state in memory, for all processes; it is folded as it grows, not again at every look."""

    def __init__(self, lineage: str, **wishes: Any) -> None:
        super().__init__(lineage, **wishes)
        self.written: list[str] = []
        self._state = super().read()

    def read(self) -> State:
        """Return the state at the head of the log."""
        return self._state

    def append(self, position: int, events: Sequence[StateEvent], copies: Mapping[str, bytes] = NO_COPIES) -> int:
        """Append, as the contract says."""
        new = super().append(position, events, copies)
        self._state = self._state.advance(events, new)
        self.written.append(self._segments[-1][2])
        return new

    def compact(self, position: int) -> int:
        """Replace the events by a snapshot."""
        new = super().compact(position)
        self._state = super().read()
        self.written.append(self._snapshot)
        return new

    def folded(self) -> State:
        """Return the state as its log alone tells it."""
        return super().read()

    def picture(self) -> Any:
        """Return everything, to go back to."""
        return self._snapshot, list(self._segments), self._position, self._state

    def go_back(self, picture: Any) -> None:
        """Be what it was: a backup was restored."""
        self._snapshot, segments, self._position, self._state = picture
        self._segments, self._known = list(segments), self._state


class Together(together.Together[StateEvent]):
    """Appends that go together; each fiber remembers what it wanted noted."""

    def write(self, items: Sequence[StateEvent]) -> None:
        """Write *items*."""
        super().write(items)
        fiber().intents = tuple(each for each in items if isinstance(each, Intent)) or fiber().intents


class Handle:
    """The state as one process has it open: at each append the process may die before, or after, or never hear of it."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._log = run.machine.log

    def read(self) -> State:
        """Return the state at the head of the log."""
        self._run.process.step()
        return self._log.read()

    def append(self, position: int, events: Any, copies: Mapping[str, bytes] = NO_COPIES) -> int:
        """Append, as the contract says."""
        run = self._run
        run.process.step()
        run.appends += 1
        self._travel()
        new = self._log.append(position, events, copies)
        run.machine.tell("append", run, position, tuple(events))
        run.machine.on_append(run, position, new, tuple(events))
        self._travel()
        if run.wish.loses_reply == run.appends:
            raise Unusable("The state could not be reached, and nobody knows whether it was written.")
        run.process.step()
        return new

    def _travel(self) -> None:
        """Let an append take its time, where the state is far away."""
        if self._run.machine.network.append_seconds:
            self._run.process.sleep(self._run.machine.network.append_seconds / 2)

    def compact(self, position: int) -> int:
        """Put a snapshot in the place of the log."""
        self._run.process.step()
        new = self._log.compact(position)
        self._run.machine.tell("compact", self._run, position)
        self._run.machine.on_compact(position, new)
        return new

    def compact_overgrown(self, is_overgrown: Callable[[State], bool]) -> int:
        """Put a snapshot in the place of a log that is long beside its state."""
        state = self.read()
        return self.compact(state.position) if is_overgrown(state) else state.position

    def keep(self, copies: Mapping[str, bytes]) -> None:
        """Keep copies beside the state."""
        self._log.keep(copies)

    def kept(self) -> Mapping[str, int]:
        """Return the names of the kept copies."""
        return self._log.kept()

    def drop(self, names: Iterable[str]) -> None:
        """Drop copies."""
        self._log.drop(names)

    def acquire(self, holder: Holder, now: float) -> None:
        """Take the lease."""
        self._run.process.step()
        self._log.acquire(holder, now)

    def renew(self, nonce: str, now: float) -> None:
        """Say that the holder is alive."""
        if not self._run.process.is_dead:
            self._log.renew(nonce, now)

    def release(self, nonce: str) -> None:
        """Give the lease back; the dead do not."""
        if not self._run.process.is_dead:
            self._log.release(nonce)

    def close(self) -> None:
        """Do nothing."""
