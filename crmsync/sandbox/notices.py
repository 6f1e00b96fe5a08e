"""
What webhooks tell (copper-api.md section 10): who is told of a change, in which words, and how it is sent.

A notice is sent once or never. Without a hook of the test's own, only targets on this computer are reached:
nothing leaves it.
"""

from __future__ import annotations

import contextlib
import datetime
import http.client
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from crmsync.sandbox.custom import computed_value
from crmsync.sandbox.hooks import SHELF, is_loopback
from crmsync.sandbox.replies import Json, dump
from crmsync.sandbox.show import show
from crmsync.sandbox.store import Event
from crmsync.sandbox.tables import ENTITIES
from crmsync.sandbox.world import World

MOST_IDS = 30
WINDOWS = ((60.0, 600), (600.0, 1800))
"""Seconds, and the notices an account may send in them; more are dropped."""

SECONDS = 5.0
"""How long a target is waited for."""

QUIET = ("date_modified",)


@dataclass(frozen=True)
class Notice:
    """One message for one target; *at* is the sandbox's time. *body* is what is POSTed, as JSON."""

    at: float
    target: str
    headers: Mapping[str, str]
    body: Mapping[str, Json]


Deliver = Callable[[Notice], None]


class Post:
    """Decides what is sent, and gives it to *deliver*; without one, to a thread that reaches this computer only."""

    def __init__(self, deliver: Deliver | None) -> None:
        self.sent: list[Notice] = []
        self._deliver = deliver or Messenger()
        self._windows = [(length, limit, deque[float]()) for length, limit in WINDOWS]

    def tell(self, world: World, events: Sequence[Event]) -> None:
        """Send the notices that *events* give rise to."""
        for notice in notices(world, events) if world.store.things[SHELF] else ():
            if self._may(world.now):
                self.sent.append(notice)
                self._deliver(notice)

    def _may(self, now: float) -> bool:
        for length, _, times in self._windows:
            while times and times[0] <= now - length:
                times.popleft()
        if any(len(times) >= limit for _, limit, times in self._windows):
            return False
        for _, _, times in self._windows:
            times.append(now)
        return True


def notices(world: World, events: Sequence[Event]) -> Iterator[Notice]:
    """Yield what each subscription is told of the events of one request."""
    told: dict[tuple[str, str], list[tuple[int, Json]]] = {}
    for event in events:
        kind = "activity_log" if event.table == "activities" else _singular(event.table)
        if kind is None:
            continue
        name = _name(event)
        changes = _changes(world, event) if name == "update" else None
        if name != "update" or changes:
            told.setdefault((kind, name), []).append((event.id, changes))
    for hook in world.store.things[SHELF].values():
        entries = told.get((hook["type"], hook["event"]), [])
        # What changed differs from record to record; creations and deletions go together.
        size = 1 if hook["event"] == "update" else MOST_IDS
        for start in range(0, len(entries), size):
            yield _notice(world, hook, [(id, _named(world, hook, told)) for id, told in entries[start : start + size]])


def _singular(table: str) -> str | None:
    return ENTITIES[table].singular if table in ENTITIES else None


def _name(event: Event) -> str:
    if event.old is None:
        return "new"
    # A deleted activity leaves a stub; a converted lead is removed.
    was_removed = event.new is None or event.new.get("is_deleted") or event.new.get("converted_at")
    return "delete" if was_removed else "update"


def _changes(world: World, event: Event) -> dict[str, Json]:
    """Return `{"field": [old, new]}`, custom fields keyed by the ids of their definitions."""
    assert event.old is not None
    assert event.new is not None
    before, after = event.old, event.new
    if event.table in ENTITIES:
        row = ENTITIES[event.table]
        before, after = show(world, row, event.old), show(world, row, event.new)
        before["custom_fields"], after["custom_fields"] = {}, {}
        olds, news = event.old["custom_fields"], event.new["custom_fields"]
        customs = {str(id): [olds.get(id), news.get(id)] for id in sorted({*olds, *news}) if olds.get(id) != news.get(id)}
    else:
        customs = {}
    changes: dict[str, Json] = {k: [before[k], after[k]] for k in after if before[k] != after[k] and k not in QUIET}
    return changes | ({"custom_fields": customs} if customs else {})


def _named(world: World, hook: Mapping[str, Any], changes: Json) -> Json:
    """Return the changes with the names of options for their ids, where the subscription asks for it."""
    if not hook["custom_field_computed_values"] or not changes or "custom_fields" not in changes:
        return changes
    definitions = world.account.by_definition
    named = {
        id: [computed_value(definitions[int(id)], value) for value in pair] for id, pair in changes["custom_fields"].items()
    }
    return {**changes, "custom_fields": named}


def _notice(world: World, hook: Mapping[str, Any], entries: Sequence[tuple[int, Json]]) -> Notice:
    when = datetime.datetime.fromtimestamp(world.now, datetime.UTC)
    body: dict[str, Json] = {
        **(hook["secret"] or {}),
        "ids": [id for id, _ in entries],
        "type": hook["type"],
        "event": hook["event"],
        "subscription_id": hook["id"],
    }
    if hook["event"] == "update":
        body["updated_attributes"] = entries[0][1]
    body["timestamp"] = when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Notice(world.now, hook["target"], dict(hook["headers"] or {}), body)


class Messenger:
    """Sends notices to targets on this computer, in order, from a thread that starts with the first."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Notice] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def __call__(self, notice: Notice) -> None:
        """Queue a notice; one for elsewhere is forgotten."""
        if not is_loopback(notice.target):
            return
        self._waiting.put(notice)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sandbox-webhooks", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            # At most once: what cannot be delivered is lost (section 10).
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                post(self._waiting.get())


def post(notice: Notice) -> None:
    """POST a notice to its target, without following redirects."""
    parts = urlsplit(notice.target)
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connect(parts.hostname or "", parts.port, timeout=SECONDS)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        headers = {"Content-Type": "application/json", **notice.headers}
        connection.request("POST", path, dump(notice.body), headers)
        connection.getresponse().read()
    finally:
        connection.close()
