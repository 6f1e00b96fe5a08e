"""
What the apply engine asks of the world, one effect at a time.

The engine is a generator: it yields an effect and is sent an `Answer`. It knows no thread, clock or socket; a runner
performs the effects for real (`crmsync.project.runner`), a scheduler performs them in tests in virtual time.
`Start` hands over another generator to run beside; `Join` waits until one of those has ended.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from crmsync.model.address import Address
from crmsync.model.events import Event, WriteAction
from crmsync.model.http import Request, Response
from crmsync.model.undo import Before


@dataclass(frozen=True, slots=True)
class Append:
    """Commit events to the log, durably, and with intents what their requests will replace. Answered with None."""

    events: Sequence[Event]
    before: Sequence[Before] = ()


@dataclass(frozen=True, slots=True)
class Read:
    """Ask Copper, with the client's own patience. Answered with a `Response`, or with `Failed`."""

    request: Request


@dataclass(frozen=True, slots=True)
class Reserve:
    """
    Wait for the pace to allow one more write, so that an intent is written when its request can leave at once.

    Answered with False, as soon as that is known, when it is only allowed after *until* (unix seconds).
    """

    is_bulk: bool
    until: float = math.inf


@dataclass(frozen=True, slots=True)
class Send:
    """Send a write, once, unless *send_by* (unix seconds) has passed. Answered with a `Response`, `NotSent` or `Failed`."""

    request: Request
    send_by: float


@dataclass(frozen=True, slots=True)
class Copy:
    """Keep a full copy of a record before it is deleted, durably. Answered with None."""

    address: Address
    record_id: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait until this time, in unix seconds. Answered with None."""

    until: float


@dataclass(frozen=True, slots=True)
class Emit:
    """Tell whoever watches. Answered with None."""

    outcome: Outcome | Progress


@dataclass(frozen=True, slots=True)
class Start:
    """Run *task* beside this one. Answered with None."""

    task: Task


@dataclass(frozen=True, slots=True)
class Join:
    """Wait until one started task has ended. Answered with its return value."""


Effect = Append | Read | Reserve | Send | Copy | Sleep | Emit | Start | Join


@dataclass(frozen=True, slots=True)
class Answer:
    """
    The world's answer at *now* (our clock, unix seconds); *is_stopping* once the user asked to stop.

    *left* is when the request of a `Read` left, at its last try: what is read was so then or later. None where nobody
    looked; then it left after the effect was yielded.
    """

    now: float
    value: Any = None
    is_stopping: bool = False
    left: float | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request certainly did not leave: refused connection, or `send_by` had passed (*is_late*)."""

    reason: str
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """Nobody knows whether the request was executed: timeout, reset. For a Read: no answer in time."""

    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What did happen to one record in one step; *status* is a line of the ledger."""

    address: Address
    action: WriteAction | str
    status: str  # applied, adopted, forgotten, conflict, failed, skipped, unknown
    detail: str = ""
    name: str = ""
    record_id: int | None = None
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: steps done of all, and what it is waiting for, if anything."""

    done: int
    of: int
    waiting_for: str = ""


Task = Generator[Effect, Answer, Any]

__all__ = [
    "Answer",
    "Append",
    "Copy",
    "Effect",
    "Emit",
    "Failed",
    "Join",
    "NotSent",
    "Outcome",
    "Progress",
    "Read",
    "Reserve",
    "Response",
    "Send",
    "Sleep",
    "Start",
    "Task",
]
