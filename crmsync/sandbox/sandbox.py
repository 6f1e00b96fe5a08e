"""The sandbox itself: requests in, replies out; faults, limits, the log, and the hands of other people."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from random import Random
from typing import Any

from crmsync.sandbox import activity_types, definitions, outside
from crmsync.sandbox.account import Account
from crmsync.sandbox.accountfile import DEFAULT_ACCOUNT, AccountFile
from crmsync.sandbox.calls import Call
from crmsync.sandbox.crowd import fill
from crmsync.sandbox.faults import Fault, SilentTimeout, Troubles, ambient
from crmsync.sandbox.headers import authenticate, reply_headers, user_email
from crmsync.sandbox.history import write_history
from crmsync.sandbox.journal import Journal
from crmsync.sandbox.notices import Notice, Post
from crmsync.sandbox.quirks import Quirks
from crmsync.sandbox.rate import Rate, Turnstile, turnstile
from crmsync.sandbox.replies import Answer, Json, Refusal, Reply, Request, Unrecorded, dump, parse
from crmsync.sandbox.routes import answer, find_route, read_query
from crmsync.sandbox.show import show
from crmsync.sandbox.store import Store, canonical
from crmsync.sandbox.tables import ENTITIES, EntityRow
from crmsync.sandbox.trouble import AFTER, BEFORE, MEDDLING, PASSING, TELLING, meddle
from crmsync.sandbox.uploads import Uploads
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
    runs. *quirks* defaults to those of the account file. *deliver* is given the notices of webhooks, wherever
    they go; without it they are sent to targets on this computer. *populate* is how many made-up records of a
    type there are to begin with.
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
        deliver: Callable[[Notice], None] | None = None,
        populate: Mapping[str, int] | None = None,
    ) -> None:
        file = account if isinstance(account, AccountFile) else AccountFile(account)
        self._account = self.account = file.account
        self.quirks = quirks or file.quirks
        self.log: list[Logged] = []
        self._clock = clock
        self._lock = threading.RLock()
        self._store = Store(ENTITIES)
        self._lag = Lag()
        self._post = Post(deliver)
        self.uploads = Uploads()
        self._seed = seed
        self._written = 0
        self._rng = Random(seed)
        self._rate = rate
        self._turnstiles: dict[str, Turnstile | None] = {}
        self._late: list[_Late] = []
        self.faults = list(faults)
        self._journal = Journal(Path(data), self.account.id) if data is not None else None
        with self._lock:
            if self._journal is None or not self._journal.open(self._store):
                problems = outside.seed(self._world(clock()), file.records)
                assert not problems, problems
                # In a data file the beginning is one line: all of it is there after a kill, or nothing.
                fill(self._world(clock()), populate or {}, self._keep if self._journal is None else lambda: None)
            self._keep()

    @property
    def faults(self) -> list[Fault]:
        """The faults that were ordered; setting them starts their counts anew."""
        return self._faults

    @faults.setter
    def faults(self, faults: Sequence[Fault]) -> None:
        with self._lock:
            self._faults = list(faults)
            self._troubles = Troubles([*faults, *ambient(self.quirks.trouble)], Random(f"faults/{self._seed}"))

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
            if fault is not None and fault.kind in MEDDLING:
                meddle(self._world(now), fault, path, self._rng)
                self._save(self._world(now))
            if fault is not None and fault.kind in BEFORE and not (fault.executed and fault.kind in AFTER):
                self._note(now, request, fault.status_code if fault.kind in TELLING else None)
                return BEFORE[fault.kind](fault, partial(self._reply, now))
            if fault is not None and fault.kind == "late":
                self._late.append(_Late(now + fault.delay, request, len(self.log)))
                self._note(now, request, None)
                raise SilentTimeout(fault.seconds)
            quirks = self.quirks
            if fault is not None and fault.kind == "stale_search":
                quirks = replace(quirks, search_lag=max(quirks.search_lag, fault.delay))
            reply, executed = self._limited(request, now, quirks)
            if fault is None or fault.kind not in AFTER:
                self._note(now, request, reply.status, executed)
                return reply
            told = reply.status if fault.kind in PASSING else None
            self._note(now, request, fault.status_code if fault.kind in TELLING else told, executed)
            return AFTER[fault.kind](fault, partial(self._reply, now), reply)

    def upload(self, key: str, body: bytes, content_type: str = "") -> None:
        """Take the bytes of a file at the address that `s3_signed_url` gave; raise UploadError."""
        with self._lock:
            self.uploads.receive(key, len(body), content_type)

    @property
    def notices(self) -> list[Notice]:
        """What webhooks were told, oldest first, delivered or not."""
        return self._post.sent

    def _limited(self, request: Request, now: float, quirks: Quirks) -> tuple[Reply, bool]:
        wait = self._wait(request, now)
        if wait <= 0:
            return self._execute(request, now, quirks)
        headers = {"Retry-After": str(math.ceil(wait))} if self.quirks.retry_after == "yes" else {}
        return self._reply(now, 429, self._told(Unrecorded(429, "Too many requests")), headers), False

    def _wait(self, request: Request, now: float) -> float:
        scope = user_email(request.headers) if self.quirks.rate_scope == "user" else ""
        if scope not in self._turnstiles:
            self._turnstiles[scope] = turnstile(self._rate, self.quirks.rate_limit)
        counter = self._turnstiles[scope]
        if counter is None:
            return 0.0
        try:
            route, _ = find_route(request.method.upper(), read_query(request.path)[0])
            is_bulk = route.is_bulk
        except Refusal:
            is_bulk = False
        return counter.wait(now, is_bulk=is_bulk)

    def _execute(self, request: Request, now: float, quirks: Quirks | None = None) -> tuple[Reply, bool]:
        """Return the reply, and whether it confirms a write."""
        world = self._world(now, quirks)
        path, query = read_query(request.path)
        try:
            email = authenticate(self.account, request.headers)
            route, parts = find_route(request.method.upper(), path)
            call = Call(parts, query, parse(request.body), email)
            given, executed = answer(route, world, call), route.writes
        except Refusal as refusal:
            given, executed = Answer(self._told(refusal), refusal.status), False
        finally:
            self._save(world, user_email(request.headers))
        return self._reply(now, given.status, given.value, dict(given.headers)), executed

    def _told(self, refusal: Refusal) -> Json:
        """Return the body of a refusal; one that nobody has seen may have the other shape (quirk error_shape)."""
        if isinstance(refusal, Unrecorded) and self.quirks.error_shape == "error":
            return {"error": refusal.message}
        return refusal.value

    def _reply(self, now: float, status: int, value: Json, headers: Mapping[str, str] | None = None) -> Reply:
        body = dump(value)
        return Reply(status, reply_headers(now, len(self.log) + 1, body, headers or {}), body)

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

    def _world(self, now: float, quirks: Quirks | None = None) -> World:
        store = self._store
        written = sum(store.versions[shelf] for shelf in (definitions.SHELF, activity_types.SHELF))
        if written != self._written:
            self.account, self._written = definitions.present(self._account, store), written
        return World(self.account, store, quirks or self.quirks, self._rng, now, self._seed, self._lag, self.uploads)

    def _save(self, world: World, email: str = "") -> None:
        """Write down what was changed, by the user or, without an e-mail, by the first one; let the webhooks tell of it."""
        users = world.account.users
        write_history(
            world, self._store.events, next((u.id for u in users if canonical(u.email) == canonical(email)), users[0].id)
        )
        events = list(self._store.events)
        self._keep()
        self._post.tell(world, events)

    def _keep(self) -> None:
        """Write down what was changed; it is no news any more."""
        if self._journal is not None and self._store.unsaved:
            self._journal.append(self._store.unsaved)
        self._store.unsaved.clear()
        self._store.events.clear()

    # ---- other people, and the eyes of a test; past rate, faults and log

    @contextmanager
    def _outside(self, plural: str) -> Iterator[tuple[World, EntityRow]]:
        with self._lock:
            now = self._clock()
            self._run_late(now)
            if plural not in ENTITIES:
                raise outside.LabelError(f"There are no {plural}. Known types: {', '.join(ENTITIES)}.")
            world = self._world(now)
            try:
                yield world, ENTITIES[plural]
            finally:
                self._save(world)

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
