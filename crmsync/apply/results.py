"""What calls come to: values that the tasks of calls return and the engine absorbs."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from msgspec import Struct

from crmsync.model.bodies import NOTHING_SENT, Sent
from crmsync.model.effects import Answer, Effect
from crmsync.model.events import Intent
from crmsync.model.plan import FieldChange, Step
from crmsync.model.records import Observed

MOVED = "Changed in Copper since the plan was made."


class Prepared(Struct, frozen=True):
    """A step ready to be sent: its changes as they stand now, the record as re-read, its intent, and what it sends."""

    step: Step
    changes: Sequence[FieldChange]
    observed: Observed | None
    intent: Intent
    sent: Sent = NOTHING_SENT


class StepResult(Struct, frozen=True):
    """
    What became of one step.

    *status* is done, conflict, failed, skipped, unknown, retry (nothing happened, it may be tried again), or late (nothing
    happened, it must be re-read).
    *set_aside* names fields that a person moved since the plan; *is_partly*: the other fields of the step go on.
    *prepared* is what was sent, where nobody knows what became of it. *follow* are steps that this one made necessary.
    """

    step: Step
    status: str
    detail: str = ""
    observed: Observed | None = None
    fields: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()
    is_partly: bool = False
    prepared: Prepared | None = None
    follow: tuple[Step, ...] = ()


class CallResult(Struct, frozen=True):
    """
    What became of one call, and what it taught.

    A smaller bulk limit; a bulk call that must be made singly; no such bulk route at all; an account that replaces.
    *left* is when its request left, *noting* how long its intents took to be written down before, in seconds.
    """

    results: tuple[StepResult, ...]
    at: float
    left: float | None = None
    noting: float = 0.0
    bulk_size: int | None = None
    is_bulk_refused: bool = False
    is_bulk_missing: bool = False
    replaces_custom_fields: bool = False
    fatal: str = ""


def stopped(steps: Sequence[Step], at: float) -> CallResult:
    """Return what becomes of a call that is not made because the user asked to stop while it waited for the pace."""
    return CallResult(tuple(StepResult(step, "retry", "interrupted") for step in steps), at)


def late(steps: Sequence[Step], at: float) -> CallResult:
    """Return what becomes of a call whose reading was too old when its turn came."""
    return CallResult(tuple(StepResult(step, "late") for step in steps), at)


Call = Generator[Effect, Answer, CallResult]
