"""The sandbox itself: requests in, replies out; faults, limits, the log, and the hands of other people."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from random import Random
from typing import Any

from crmsync.sandbox import outside
from crmsync.sandbox.account import Account
from crmsync.sandbox.accountfile import DEFAULT_ACCOUNT, AccountFile
from crmsync.sandbox.faults import Fault, SilentTimeout, Troubles
from crmsync.sandbox.headers import authenticate, reply_headers
from crmsync.sandbox.journal import Journal
from crmsync.sandbox.quirks import Quirks
from crmsync.sandbox.rate import Rate, Turnstile
from crmsync.sandbox.replies import Answer, Json, Refusal, Reply, Request, common, dump, parse
from crmsync.sandbox.routes import Call, find_route, read_query
from crmsync.sandbox.show import show
from crmsync.sandbox.store import Store
from crmsync.sandbox.tables import ENTITIES, EntityRow
from crmsync.sandbox.world import Lag, World


@dataclass(frozen=True)
class Logged:
    """
    One request as it was received.

    *status* is None where no reply was given; *executed* marks writes that were carried out, which a late
    one becomes when its time has come.
    """

    at: float
    method: str
    path: str
    body: Json
    status: int | None
    executed: bool


@dataclass(frozen=True)
class _Late:
    due: float
    request: Request
    entry: int


class Sandbox:
    """
    A Copper account to practise on.

    *clock* gives unix seconds. *rate* None means no limit. *data* is a file that keeps the records between
    runs. *quirks* defaults to those of the account file.
    """

    def __init__(
        self,
        account: Account | AccountFile = DEFAULT_ACCOUNT,
        clock: Callable[[], float] = time.time,
        quirks: Quirks | None = None,
        rate: Rate | None = None,
        faults: Sequence[Fault] = (),
        seed: int = 0,
        data: str | PathLike[str] | None = None,
    ) -> None:
        file = account if isinstance(account, AccountFile) else AccountFile(account)
        self.account = file.account
        self.quirks = quirks or file.quirks
        self.log: list[Logged] = []
        self._clock = clock
        self._lock = threading.RLock()
        self._store = Store(ENTITIES)
        self._lag = Lag()
        self._seed = seed
        self._rng = Random(seed)
        self._turnstile = Turnstile(rate) if rate else None
        self._late: list[_Late] = []
        self.faults = list(faults)
        self._journal = Journal(Path(data), self.account.id) if data is not None else None
        with self._lock:
            if self._journal is None or not self._journal.open(self._store):
                problems = outside.seed(self._world(clock()), file.records)
                assert not problems, problems
            self._save()

    @property
    def faults(self) -> list[Fault]:
        """The faults in force; setting them starts their counts anew."""
        return self._troubles.faults

    @faults.setter
    def faults(self, faults: Sequence[Fault]) -> None:
        with self._lock:
            self._troubles = Troubles(faults, Random(f"faults/{self._seed}"))

    # ---- the API

    def handle(self, request: Request) -> Reply:
        """
        Return the reply to one request; this is a `send` of crmsync.

        A fault may raise ConnectionRefusedError (not executed), or ConnectionResetError or TimeoutError
        (which say nothing about execution).
        """
        with self._lock:
            now = self._clock()
            self._run_late(now)
            path, _ = read_query(request.path)
            fault = self._troubles.strike(request.method.upper(), path)
            if fault is not None and fault.kind in BEFORE and not (fault.executed and fault.kind in AFTER):
                self._note(now, request, fault.status_code if fault.kind in TELLING else None)
                return BEFORE[fault.kind](self, fault, now)
            if fault is not None and fault.kind == "late":
                self._late.append(_Late(now + fault.delay, request, len(self.log)))
                self._note(now, request, None)
                raise SilentTimeout(fault.seconds)
            reply, executed = self._limited(request, now)
            if fault is None:
                self._note(now, request, reply.status, executed)
                return reply
            told = reply.status if fault.kind == "truncated" else None
            self._note(now, request, fault.status_code if fault.kind in TELLING else told, executed)
            return AFTER[fault.kind](self, fault, now, reply)

    def _limited(self, request: Request, now: float) -> tuple[Reply, bool]:
        wait = self._wait(request, now)
        if wait <= 0:
            return self._execute(request, now)
        headers = {"Retry-After": str(math.ceil(wait))} if self.quirks.retry_after == "yes" else {}
        return self._reply(now, 429, common(429, "Too many requests"), headers), False

    def _wait(self, request: Request, now: float) -> float:
        if self._turnstile is None:
            return 0.0
        try:
            route, _ = find_route(request.method.upper(), read_query(request.path)[0])
            is_bulk = route.is_bulk
        except Refusal:
            is_bulk = False
        return self._turnstile.wait(now, is_bulk=is_bulk)

    def _execute(self, request: Request, now: float) -> tuple[Reply, bool]:
        """Return the reply, and whether it confirms a write."""
        path, query = read_query(request.path)
        try:
            email = authenticate(self.account, request.headers)
            route, parts = find_route(request.method.upper(), path)
            call = Call(parts, query, parse(request.body), email)
            answer, executed = route.handler(self._world(now), call), route.writes
        except Refusal as refusal:
            answer, executed = Answer(refusal.value, refusal.status), False
        finally:
            self._save()
        return self._reply(now, answer.status, answer.value, dict(answer.headers)), executed

    def _reply(self, now: float, status: int, value: Json, headers: Mapping[str, str] | None = None) -> Reply:
        body = dump(value)
        return Reply(status, {**reply_headers(now, len(self.log) + 1, body), **(headers or {})}, body)

    def _run_late(self, now: float) -> None:
        """Execute what was ordered to come late and is due by now."""
        for late in sorted((late for late in self._late if late.due <= now), key=lambda late: late.due):
            self._late.remove(late)
            _, executed = self._execute(late.request, late.due)
            self.log[late.entry] = replace(self.log[late.entry], executed=executed)

    def _note(self, now: float, request: Request, status: int | None, executed: bool = False) -> None:
        try:
            body = parse(request.body) if request.body else None
        except Refusal:
            body = None
        self.log.append(Logged(now, request.method.upper(), request.path, body, status, executed))

    def _world(self, now: float) -> World:
        return World(self.account, self._store, self.quirks, self._rng, now, self._seed, self._lag)

    def _save(self) -> None:
        if self._journal is not None and self._store.unsaved:
            self._journal.append(self._store.unsaved)
        self._store.unsaved.clear()

    # ---- other people, and the eyes of a test; past rate, faults and log

    @contextmanager
    def _outside(self, plural: str) -> Iterator[tuple[World, EntityRow]]:
        with self._lock:
            now = self._clock()
            self._run_late(now)
            if plural not in ENTITIES:
                raise outside.LabelError(f"There are no {plural}. Known types: {', '.join(ENTITIES)}.")
            try:
                yield self._world(now), ENTITIES[plural]
            finally:
                self._save()

    def create(self, plural: str, values: Mapping[str, Any]) -> int:
        """Return the id of a record made as in the web app, from wire keys or labels."""
        with self._outside(plural) as (world, row):
            return int(outside.create_by_label(world, row, values)["id"])

    def edit(self, plural: str, id: int, values: Mapping[str, Any]) -> dict[str, Json]:
        """Change a record as in the web app, by wire keys or labels, and return it."""
        with self._outside(plural) as (world, row):
            return show(world, row, outside.edit_by_label(world, row, id, values))

    def delete(self, plural: str, id: int) -> None:
        """Delete a record as in the web app."""
        with self._outside(plural) as (world, row):
            outside.delete_outside(world, row, id)

    def merge(self, plural: str, winner: int, loser: int) -> None:
        """Merge two records as in the web app: the loser is gone, the winner has its links."""
        with self._outside(plural) as (world, row):
            outside.merge(world, row, winner, loser)

    def clone(self, plural: str, id: int) -> int:
        """Return the id of a copy made as in the web app."""
        with self._outside(plural) as (world, row):
            return int(outside.clone(world, row, id)["id"])

    def hide(self, plural: str, id: int, hidden: bool = True) -> None:
        """Put a record out of the sight of the API, as team permissions do, or back."""
        with self._outside(plural) as (world, _):
            world.store.hide(plural, id, hidden)

    def record(self, plural: str, id: int) -> dict[str, Json] | None:
        """Return the record as Copper would show it, hidden or not, or None."""
        with self._outside(plural) as (world, row):
            record = world.store.get(plural, id)
            return show(world, row, record) if record is not None else None

    def records(self, plural: str) -> list[dict[str, Json]]:
        """Return all records of the type as Copper would show them, oldest first."""
        with self._outside(plural) as (world, row):
            return [show(world, row, record) for record in world.store.records[plural].values()]

    def close(self) -> None:
        """Let go of the data file."""
        if self._journal is not None:
            self._journal.close()


# ---- what faults do: before the request is executed, and instead of its reply


def _status(sandbox: Sandbox, fault: Fault, now: float, reply: Reply | None = None) -> Reply:
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    status = fault.status_code
    text = "Too many requests" if status == 429 else "Internal Server Error"
    return sandbox._reply(now, status, common(status, text), headers)


def _html(sandbox: Sandbox, fault: Fault, now: float, reply: Reply | None = None) -> Reply:
    page = b"<!DOCTYPE html><html><body><h1>We'll be right back</h1></body></html>"
    headers = {**reply_headers(now, len(sandbox.log), page), "Content-Type": "text/html; charset=utf-8"}
    return Reply(fault.status_code, headers, page)


def _redirect(sandbox: Sandbox, fault: Fault, now: float, reply: Reply | None = None) -> Reply:
    location = "https://elsewhere.invalid/developer_api/v1/"
    return sandbox._reply(now, fault.status_code, {}, {"Location": location})


def _truncated(sandbox: Sandbox, fault: Fault, now: float, reply: Reply) -> Reply:
    body = reply.body[: len(reply.body) // 2]
    return Reply(reply.status, {**reply.headers, "Content-Length": str(len(body))}, body)


def _refused(sandbox: Sandbox, fault: Fault, now: float, reply: Reply | None = None) -> Reply:
    raise ConnectionRefusedError("the sandbox refused the connection")


def _reset(sandbox: Sandbox, fault: Fault, now: float, reply: Reply | None = None) -> Reply:
    raise ConnectionResetError("the sandbox dropped the connection")


def _timeout(sandbox: Sandbox, fault: Fault, now: float, reply: Reply | None = None) -> Reply:
    raise SilentTimeout(fault.seconds)


TELLING = ("status_before", "status_after", "html", "redirect")
BEFORE: Mapping[str, Callable[[Sandbox, Fault, float], Reply]] = {
    "status_before": _status,
    "refused": _refused,
    "reset_before": _reset,
    "timeout_before": _timeout,
    "html": _html,
    "redirect": _redirect,
}
AFTER: Mapping[str, Callable[[Sandbox, Fault, float, Reply], Reply]] = {
    "status_after": _status,
    "reset_after": _reset,
    "timeout_after": _timeout,
    "truncated": _truncated,
    "html": _html,
}
