"""The opening of a run: what the state learns without a request, before the first one is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from crmsync.apply.work import Work
from crmsync.model.address import Address
from crmsync.model.events import (
    Absent,
    Bound,
    Event,
    FieldsApplied,
    FieldsReleased,
    Forgotten,
    Origin,
    Protected,
    Renamed,
    Ruled,
    RunStarted,
)
from crmsync.model.plan import Action, Note

#: So many events of the opening go into one append, or a few more: those about one record are not torn apart.
PORTION = 2_000


def opening(work: Work, started: RunStarted) -> Iterator[list[Event]]:
    """Yield what goes to the log first, that the run *started* before all, in portions for an append each."""
    return _portions(chain([[started]], _learnt(work)))


def _learnt(work: Work) -> Iterator[list[Event]]:
    """
    Yield what the state learns first, record by record: bindings before what is known of their fields.

    Names come before all, for bindings go by them.
    """
    plan = work.job.plan
    yield [Renamed(note.renamed_from, note.address) for note in plan.notes if note.renamed_from is not None]
    yield [Absent(id) for id, intent in sorted(work.job.state.open_intents.items()) if _is_said(work, intent.address)]
    for change in work.changes.with_action(Action.ADOPT, Action.FORGET):
        if change.action is Action.ADOPT and change.record_id is not None:
            bound = Bound(change.address, change.record_id, Origin.ADOPTED)
            yield [bound, *(event for note in work.notes.get(change.address, ()) for event in events_of(note))]
        elif change.action is Action.FORGET:
            yield [Forgotten(change.address, "forgotten")]
    for note in plan.notes:
        mine = work.changes.of(note.address)
        if mine is None or mine.action not in (Action.CREATE, Action.ADOPT):
            yield events_of(note)


def _portions(groups: Iterable[list[Event]]) -> Iterator[list[Event]]:
    """Yield the events of *groups*, some at a time: adopting a hundred thousand records is two events for each."""
    waiting: list[Event] = []
    for events in groups:
        waiting += events
        if len(waiting) >= PORTION:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _is_said(work: Work, address: Address) -> bool:
    """Say whether the user settled an unclear create by saying which record it is."""
    change = work.changes.of(address)
    return change is not None and change.action is Action.ADOPT


def events_of(note: Note) -> list[Event]:
    """Return what the state learns by *note*."""
    events: list[Event] = []
    if note.applied:
        events.append(FieldsApplied(note.address, note.applied))
    if note.released:
        events.append(FieldsReleased(note.address, note.released))
    if note.is_protected is not None:
        events += [Protected(note.address, note.is_protected), Ruled(note.address, note.on_delete)]
    return events
