"""Requests with patience and at the account's pace: reads are tried again, writes are sent exactly once."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from crmsync.copper.errors import CopperError, ReadOnlyClient, Unreachable, error_from, odd_answer, retry_after
from crmsync.copper.lanes import Answered, Asked, in_lanes
from crmsync.copper.pace import Pacer, Permit
from crmsync.copper.waiting import Waiting
from crmsync.model.http import Request, Response, Send, Unparseable, parse_json, server_time
from crmsync.model.late import late

TRIES = 4
PATIENCE_SECONDS = 60.0
_FIRST_WAIT = 1.0
# Every route that looks; POST is Copper's way to search (copper-api.md section 2).
_LOOKS = late(r"/(search|fetch_by_email)(\?.*)?$")
_WORTH_ANOTHER_TRY = frozenset({408, 429, *range(500, 600)})


class Requests(Struct, frozen=True):
    """How many requests a client sent, tries included; *bulk* are also among the writes."""

    total: int = 0
    reads: int = 0
    writes: int = 0
    bulk: int = 0


class Client:
    """
    Sends requests to one account; several threads may share it. With *may_write* false it refuses every write.

    *lanes* is how many questions of `in_parallel` are under way at a time.
    """

    def __init__(
        self,
        send: Send,
        pacer: Pacer,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        may_write: bool = False,
        *,
        chance: Callable[[], float] = random.random,
        lanes: int = 1,
    ) -> None:
        self._send = send
        self._pacer = pacer
        self._clock = clock
        self._sleep = sleep
        self._may_write = may_write
        self._chance = chance
        self._lanes = lanes
        self._lock = Lock()
        self._requests = Requests()
        self._waiting = Waiting()
        self._ahead: tuple[float, float] | None = None

    @property
    def requests(self) -> Requests:
        """How many requests were sent so far."""
        return self._requests

    @property
    def waited_seconds(self) -> float:
        """How long this process did nothing but wait for answers so far."""
        return self._waiting.seconds

    @property
    def server_clock(self) -> float | None:
        """Copper's clock now, in unix seconds, as the Date headers tell, or ours where it may be; None before one."""
        return None if self._ahead is None else self._clock() + self.seconds_ahead

    @property
    def seconds_ahead(self) -> float:
        """How far Copper's clock is ahead of ours, as the Date headers tell; 0 where it may be, and before one."""
        low, high = self._ahead or (0.0, 0.0)
        return min(max(0.0, low), high)

    def read(self, request: Request, leaves: Callable[[], None] = lambda: None) -> Response:
        """
        Return the answer to a request that only looks, tried up to 4 times within 60 seconds. Raises CopperError.

        *leaves* is called right before each try is sent.
        """
        return self.read_data(request, leaves)[0]

    def read_data(
        self, request: Request, leaves: Callable[[], None] = lambda: None, parse: Callable[[bytes], Any] = parse_json
    ) -> tuple[Response, Any]:
        """Return the answer of `read` and what *parse* makes of its body; Unparseable is tried again. Raises CopperError."""
        if not only_looks(request):
            raise ReadOnlyClient(f"{request.method} {request.path} writes, and was asked as a read.")
        patience = PATIENCE_SECONDS
        for attempt in range(1, TRIES + 1):
            # The pacer's waiting is not Copper's fault and costs no patience.
            permit = self._pacer.reserve(False)
            started = self._clock()
            leaves()
            answer = self._try(request, permit, parse)
            wait = self._wait(answer, attempt)
            patience -= self._clock() - started + wait
            if not isinstance(answer, _Trouble):
                return answer
            if not answer.is_passing or attempt == TRIES or patience <= 0:
                raise answer.error from answer.error.__cause__
            self._sleep(wait)
        raise AssertionError("the last try returns or raises")

    def in_parallel(self, ask: Callable[[Asked], Answered], questions: Iterable[Asked]) -> Iterator[Answered]:
        """Return what *ask* returns for each of *questions*, in their order, several of them under way at a time."""
        return in_lanes(ask, questions, self._lanes) if self._lanes > 1 else map(ask, questions)

    def reserve(self, is_bulk: bool, patience: float = math.inf) -> Permit | None:
        """Wait for the pace to allow one more write, and return the permit for `write`; None when that takes too long."""
        self._refuse_to_write()
        return self._pacer.reserve_within(patience, is_bulk)

    def write(self, request: Request, is_bulk: bool = False, permit: Permit | None = None) -> Response:
        """
        Return the answer to *request*, sent exactly once, whatever its status.

        *permit* is one that `reserve` gave before; without one this waits.
        Raises ConnectionRefusedError when nothing was executed, ConnectionResetError or TimeoutError when that is unknown.
        """
        self._refuse_to_write()
        return self._sent(request, permit or self._pacer.reserve(is_bulk), is_write=True)

    def _refuse_to_write(self) -> None:
        if not self._may_write:
            raise ReadOnlyClient("A client that was made to look was asked to write.")

    def _try(self, request: Request, permit: Permit, parse: Callable[[bytes], Any]) -> tuple[Response, Any] | _Trouble:
        try:
            response = self._sent(request, permit, is_write=False)
        except (ConnectionError, TimeoutError) as error:
            return _Trouble(_unreachable(error), is_passing=True)
        if not 200 <= response.status < 300:
            return _Trouble(error_from(response), response.status in _WORTH_ANOTHER_TRY, retry_after(response))
        try:
            return response, parse(response.body)
        except Unparseable:
            return _Trouble(odd_answer(response, "JSON"), is_passing=True)

    def _sent(self, request: Request, permit: Permit, *, is_write: bool) -> Response:
        self._count(is_write, permit.is_bulk)
        status = pause = None
        permit.leaves()
        try:
            sent_at = self._clock()
            with self._waiting.answer():
                response = self._send(request)
            status, pause = response.status, retry_after(response)
            self._look_at_clock(response, sent_at)
            return response
        finally:
            permit.done(status, pause)

    def _wait(self, answer: object, attempt: int) -> float:
        """Return how long to wait before the next try: doubling, between half and all of it, or what Copper asks for."""
        if not isinstance(answer, _Trouble) or not answer.is_passing or attempt == TRIES:
            return 0.0
        backoff = _FIRST_WAIT * (1 << attempt - 1) * (0.5 + self._chance() / 2)
        return max(backoff, answer.retry_after or 0.0)

    def _count(self, is_write: bool, is_bulk: bool) -> None:
        with self._lock:
            so_far = self._requests
            self._requests = replace(
                so_far,
                total=so_far.total + 1,
                reads=so_far.reads + (not is_write),
                writes=so_far.writes + is_write,
                bulk=so_far.bulk + is_bulk,
            )

    def _look_at_clock(self, response: Response, sent_at: float) -> None:
        """
        Learn how far Copper's clock is ahead of ours: at least, at most.

        The Date, in whole seconds, was set at some time between our sending and now, and a computer may have slept
        meanwhile: an answer that was long on its way tells little. Where answers contradict each other a clock was set.
        """
        told = server_time(response)
        if told is None:
            return
        least, most = told - self._clock(), told + 1.0 - sent_at
        if self._ahead is not None and self._ahead[0] <= most and least <= self._ahead[1]:
            least, most = max(least, self._ahead[0]), min(most, self._ahead[1])
        self._ahead = least, most


class _Trouble(Struct, frozen=True):
    """A try that gave no answer; *is_passing* when another one may."""

    error: CopperError
    is_passing: bool
    retry_after: float | None = None


def only_looks(request: Request) -> bool:
    """Say whether a request changes nothing in Copper."""
    return request.method == "GET" or (request.method == "POST" and _LOOKS.search(request.path) is not None)


def _unreachable(error: OSError) -> Unreachable:
    unreachable = Unreachable(_REASONS.get(type(error), "The connection to Copper failed."))
    unreachable.__cause__ = error
    return unreachable


_REASONS: dict[type[OSError], str] = {
    ConnectionRefusedError: "There is no connection to Copper.",
    ConnectionResetError: "The connection to Copper broke before the answer was complete.",
    TimeoutError: "Copper gave no answer in time.",
}
