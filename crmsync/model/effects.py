"""
What the apply engine asks of the world, one effect at a time.

The engine is a generator: it yields an effect and is sent an `Answer`. It knows no thread, clock or socket; a runner
performs the effects for real (`crmsync.project.runner`), a scheduler performs them in tests in virtual time.
`Start` hands over another generator to run beside; `Join` waits until one of those has ended.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import Any

from msgspec import Struct

from crmsync.model.address import Address
from crmsync.model.events import Event, WriteAction
from crmsync.model.http import Request, Response
from crmsync.model.undo import Before


class Append(Struct, frozen=True):
    """Commit events to the log, durably, and with intents what their requests will replace. Answered with None."""

    events: Sequence[Event]
    before: Sequence[Before] = ()


class Read(Struct, frozen=True):
    """Ask Copper, with the client's own patience. Answered with a `Response`, or with `Failed`."""

    request: Request


class Reserve(Struct, frozen=True):
    """
    Wait for the pace to allow one more write, so that an intent is written when its request can leave at once.

    Answered with False, as soon as that is known, when it is only allowed after *until* (unix seconds).
    """

    is_bulk: bool
    until: float = math.inf


class Send(Struct, frozen=True):
    """Send a write, once, unless *send_by* (unix seconds) has passed. Answered with a `Response`, `NotSent` or `Failed`."""

    request: Request
    send_by: float


class Copy(Struct, frozen=True):
    """Keep a full copy of a record before it is deleted, durably. Answered with None."""

    address: Address
    record_id: int
    body: bytes


class Sleep(Struct, frozen=True):
    """Wait until this time, in unix seconds. Answered with None."""

    until: float


class Emit(Struct, frozen=True):
    """Tell whoever watches. Answered with None."""

    outcome: Outcome | Progress


class Start(Struct, frozen=True):
    """Run *task* beside this one. Answered with None."""

    task: Task


class Join(Struct, frozen=True):
    """Wait until one started task has ended. Answered with its return value."""


Effect = Append | Read | Reserve | Send | Copy | Sleep | Emit | Start | Join


class Answer(Struct, frozen=True):
    """
    The world's answer at *now* (our clock, unix seconds); *is_stopping* once the user asked to stop.

    *left* is when the request of a `Read` left, at its last try: what is read was so then or later. None where nobody
    looked; then it left after the effect was yielded.
    """

    now: float
    value: Any = None
    is_stopping: bool = False
    left: float | None = None


class NotSent(Struct, frozen=True):
    """The request certainly did not leave: refused connection, or `send_by` had passed (*is_late*)."""

    reason: str
    is_late: bool = False


class Failed(Struct, frozen=True):
    """Nobody knows whether the request was executed: timeout, reset. For a Read: no answer in time."""

    reason: str


class Outcome(Struct, frozen=True):
    """What did happen to one record in one step; *status* is a line of the ledger."""

    address: Address
    action: WriteAction | str
    status: str  # applied, adopted, forgotten, conflict, failed, skipped, unknown
    detail: str = ""
    name: str = ""
    record_id: int | None = None
    fields: tuple[str, ...] = ()


class Progress(Struct, frozen=True):
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
