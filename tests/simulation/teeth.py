"""
The teeth: one mechanism at a time is switched off, and the simulation must notice within 200 seeds.

A harness that cannot see that a mechanism is gone does not count; and a mechanism that nobody misses should be deleted.
Each row says what is switched off, how, and which invariants tell. Nothing of this is in the product: the named functions
and constants are replaced for as long as one schedule runs.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from crmsync.apply import agenda, engine, reading, settle, single, work, writing
from crmsync.apply.classify import NotExecuted, Unclear, classify
from crmsync.apply.reading import Guard
from crmsync.copper.client import Client
from crmsync.copper.pace import Pacer
from crmsync.model.digest import Digester
from crmsync.model.effects import Append, Emit, Progress, Sleep
from crmsync.model.events import Intent
from crmsync.model.plan import Cause
from crmsync.model.records import OnDelete
from crmsync.model.store import NO_COPIES
from crmsync.plan import diff, guard, removal
from crmsync.project import reviewing
from crmsync.project.runner import Runner
from crmsync.state import MemoryStore
from tests.simulation.log import Log
from tests.simulation.runs import running
from tests.simulation.schedule import simulate

#: Within so many seeds the loss of a mechanism must be noticed.
SEEDS = 200
Missing = Mapping[tuple[Any, str], Any]


@dataclass(frozen=True)
class Tooth:
    """A mechanism that can be switched off: *off* says what then stands where, *told_by* which invariants notice."""

    name: str
    what: str
    off: Missing
    told_by: tuple[str, ...]

    def bites(self, seed: int) -> bool:
        """Say whether the schedule of *seed* notices that the mechanism is gone."""
        return any(name in self.told_by for name in simulate(seed, self.off).invariants)

    def first(self, seeds: Iterable[int]) -> int | None:
        """Return the first of *seeds* that notices."""
        return next((seed for seed in seeds if self.bites(seed)), None)


# ---- what stands in the place of a mechanism


def _no_intents(events: Any, before: Any = ()) -> Append:
    return Append([event for event in events if not isinstance(event, Intent)])


def _planned_guard(work: Any, entity: Any, steps: Any, now: float) -> Generator[Any, Any, Guard]:
    """Look at nothing: what the plan saw is taken for what there is."""
    yield Emit(Progress(0, 0))
    observed = running().planned.observed
    return Guard(now, {step.address: observed.get((entity.name, work.record_id(step))) for step in steps})


def _whole_body(entity: Any, values: Any, observed: Any, locale: Any, **wishes: Any) -> Any:
    body = _ENCODE(entity, values, observed, locale, **wishes)
    return body if observed is None else {**{key: observed.body.get(key) for key in ("details", "assignee_id")}, **body}


_ENCODE = writing.encode_fields
_SEND = Runner._send
_WRITE = Client.write
_APPEND = MemoryStore.append


def _always_sent(runner: Runner, effect: Any) -> Any:
    return _SEND(runner, replace(effect, send_by=math.inf))


def _stubborn_write(client: Client, request: Any, is_bulk: bool = False, permit: Any = None) -> Any:
    """Send a write again when its connection broke."""
    try:
        return _WRITE(client, request, is_bulk, permit)
    except (ConnectionResetError, TimeoutError):
        return _WRITE(client, request, is_bulk)


def _unfenced_append(log: Log, position: int, events: Any, copies: Any = NO_COPIES) -> int:
    new = _APPEND(log, log._position, events, copies)
    log._state = log._state.advance(events, new)
    return new


def _optimistic(answer: Any) -> Any:
    result = classify(answer)
    return NotExecuted(429, result.reason) if isinstance(result, Unclear) else result


def _nobody(work: Any, entity: Any, *rest: Any) -> Generator[Any, Any, None]:
    yield Emit(Progress(0, 0))


def _nothing_found(work: Any) -> Generator[Any, Any, list[Any]]:
    yield Emit(Progress(0, 0))
    return []


def _ignorant_verdict(is_same: bool, desired: str, observed: str, applied: Any) -> Cause | None:
    return None if is_same else Cause.ADOPTED


def _plain_digest(digester: Digester, field: Any, value: Any) -> str:
    return f"{field.kind.version}.{value}"


def _young(work: Any, entity: Any, steps: Any, guard: Guard, now: float) -> Generator[Any, Any, Guard]:
    yield Emit(Progress(0, 0))
    return guard


def _all(planned: Any, *rest: Any) -> Any:
    return reviewing.Agreed(planned.plan)


_AT_ONCE: Missing = {(settle, "Sleep"): lambda until: Sleep(0.0)}
_NO_AGE: Missing = {(each, "GUARD_SECONDS"): 1e9 for each in (work, writing, reading)} | {(writing, "young"): _young}
_AS_CHANGED: Missing = {(single, "_moved"): lambda *_: (), (removal, "moved_fields"): lambda *_: ()}
_UNASKED: Missing = {(single, "find_naming"): _nobody, (guard, "dependants"): lambda *_: ()}

TEETH = (
    Tooth("settling time", "a lost create is looked for at once", _AT_ONCE, ("I1", "I2")),
    Tooth("intents", "requests leave without being noted", {(writing, "Append"): _no_intents}, ("I3",)),
    Tooth("guard read", "what the plan saw is written on", {(agenda, "read_guard"): _planned_guard}, ("I4",)),
    Tooth(
        "age of a reading",
        "a reading is good for ever",
        _NO_AGE,
        ("I4",),
    ),
    Tooth("value compare", "what was read is not compared", {(writing, "rebase"): lambda change, seen: change}, ("I4",)),
    Tooth("sparse body", "fields that nobody declared are sent along", {(writing, "encode_fields"): _whole_body}, ("I4",)),
    Tooth("append fence", "anybody may append, wherever the log is", {(Log, "append"): _unfenced_append}, ("I7",)),
    Tooth("send_by", "a request leaves however late it is", {(Runner, "_send"): _always_sent}, ("I3", "I4")),
    Tooth("no client retries", "the client sends writes again", {(Client, "write"): _stubborn_write}, ("I1", "I2", "I3")),
    Tooth("unclear is unclear", "no answer means not executed", {(writing, "classify"): _optimistic}, ("I1", "I2")),
    Tooth("readings", "one search is proof", {(settle, "READINGS"): 1}, ("I1", "I2")),
    Tooth("ownership", "adopted records are deleted too", {(removal, "_on_delete"): lambda *_: OnDelete.DELETE}, ("I5",)),
    Tooth(
        "delete as left",
        "records are deleted that people changed",
        _AS_CHANGED,
        ("I5",),
    ),
    Tooth("copies", "nothing is kept of what is deleted", {(single, "Copy"): lambda *_: Emit(Progress(0, 0))}, ("I5",)),
    Tooth(
        "who names it",
        "nobody asks who names a record",
        _UNASKED,
        ("I5",),
    ),
    Tooth("links of what was read", "only related items count", {(guard, "named_by"): lambda *_: {}}, ("I5",)),
    Tooth("digests", "the state says nothing of fields", {(diff, "verdict"): _ignorant_verdict}, ("I4",)),
    Tooth("review of conflicts", "without asking all is written", {(reviewing, "_without_conflicts"): _all}, ("I4",)),
    Tooth("keyed digests", "values stand in the state", {(Digester, "value"): _plain_digest}, ("I9",)),
    Tooth("pace", "requests leave at once", {(Pacer, "_wait"): lambda *_: 0.0}, ("I10",)),
    Tooth("twins", "what people created meanwhile is not looked for", {(engine, "find_twins"): _nothing_found}, ("I1",)),
)
