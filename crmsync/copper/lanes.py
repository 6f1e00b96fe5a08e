"""Several questions under way at a time, each in a thread that nobody waits for: who is interrupted leaves at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


def in_lanes(ask: Callable[[Asked], Answered], questions: Iterable[Asked], lanes: int) -> Iterator[Answered]:
    """Yield what *ask* returns for each of *questions*, in their order, so many of them under way at a time; or raise it."""
    jobs: SimpleQueue[tuple[Future[Any], Any] | None] = SimpleQueue()
    waiting: deque[Future[Any]] = deque()
    started = 0

    def work() -> None:
        while (job := jobs.get()) is not None:
            answer, question = job
            if not answer.set_running_or_notify_cancel():
                continue
            try:
                answer.set_result(ask(question))
            except BaseException as error:
                answer.set_exception(error)

    try:
        for question in questions:
            waiting.append(Future())
            jobs.put((waiting[-1], question))
            if started < lanes:
                Thread(target=work, name="crmsync-read", daemon=True).start()
                started += 1
            if len(waiting) > 2 * lanes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for each in waiting:
            each.cancel()
        for _ in range(started):
            jobs.put(None)
