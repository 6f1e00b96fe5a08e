"""
Other processes that read files when many changed, and look at records when there are many: nothing but work for processors.

A fresh interpreter each (a fork would copy the threads' locks), which gets the rows and settings once, then job after job.
It puts sheets on the shelf itself; only what cannot be put there is sent back. It ignores Ctrl-C, which the parent gets as
well and ends it, and ends by itself when its input does. Where none can be started, this process works alone.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from queue import Queue
from typing import IO, Any

from crmsync.catalogue import KINDS
from crmsync.model.catalogue import Catalogue, Kind

#: Less than this is read before another process would have started.
WORTH_BYTES = 4 * 2**20
MOST_PROCESSES = 4
#: What the others need not know.
_SECRETS = ("COPPER_", "CRMSYNC_")

_START = "import sys, pickle; sys.path[:] = pickle.load(sys.stdin.buffer); from crmsync.project.crew import serve; serve()"


def processes_for(size: int) -> int:
    """Return how many processes should read files of so many bytes, 0 for none but this one."""
    count = min(_cores(), MOST_PROCESSES, size // (WORTH_BYTES // 2))
    return count if size >= WORTH_BYTES and count > 1 else 0


def processes_at_hand() -> int:
    """Return how many processes can work while this one does."""
    return min(_cores() - 1, MOST_PROCESSES)


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


class _Pickler(pickle.Pickler):
    """Kinds hold functions; the other side has the same, by name."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, Kind):
            return _kind, (value.name,)
        return NotImplemented


def _kind(name: str) -> Kind:
    return KINDS[name]


def are_known(catalogue: Catalogue) -> bool:
    """Say whether another process has the same kinds by their names."""
    return all(KINDS.get(row.kind.name) is row.kind for entity in catalogue.types for row in entity.fields)


class Unanswered(Exception):
    """The process that was asked has ended; whoever asked does it himself, and is told what is wrong."""


class Crew:
    """Other processes that do `context.read(job)`; made by `at_work`."""

    def __init__(self, processes: Sequence[subprocess.Popen[bytes]], context: Any, most_waiting: int) -> None:
        self._jobs: Queue[tuple[Any, Future[Any]] | None] = Queue(most_waiting)
        threads = [threading.Thread(target=self._feed, args=(each, context), daemon=True) for each in processes]
        self._threads = threads
        for thread in threads:
            thread.start()

    def ask(self, job: Any) -> Future[Any]:
        """Have *job* done and return where its answer will be, or Unanswered; waits while enough are waiting."""
        answer: Future[Any] = Future()
        if self._threads:
            self._jobs.put((job, answer))
        else:
            answer.set_exception(Unanswered())
        return answer

    def end(self) -> None:
        """Wait until all jobs are done."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _feed(self, process: subprocess.Popen[bytes], context: Any) -> None:
        """Give one process job after job; one that did not answer once is asked no more, for it might answer that then."""
        ask: Callable[[Any], Any] | None = None
        while (each := self._jobs.get()) is not None:
            job, answer = each
            try:
                ask = ask or _introduced(process, context)
                answer.set_result(ask(job))
            except Exception:  # it ended, or said something else, of which pickle may raise anything
                process.kill()
                ask = _nobody
                answer.set_exception(Unanswered())


def _nobody(job: Any) -> Any:
    raise EOFError


def _introduced(process: subprocess.Popen[bytes], context: Any) -> Callable[[Any], Any]:
    """Tell a process what it is to work with, and return what asks it."""
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None
    pickle.dump(sys.path, stdin)
    _Pickler(stdin).dump(context)

    def ask(job: Any) -> Any:
        pickle.dump(job, stdin)
        stdin.flush()
        return pickle.load(stdout)  # noqa: S301, our own process wrote it

    return ask


@contextmanager
def at_work(context: Any, count: int, most_waiting: int = 0) -> Iterator[Crew]:
    """Have *count* other processes, as far as they can be started; *context* is pickled once for each."""
    with _started(count) as processes:
        crew = Crew(processes, context, most_waiting)
        try:
            yield crew
        except BaseException:
            for each in processes:
                each.kill()
            raise
        finally:
            crew.end()


def read_apart(jobs: Sequence[Any], context: Any, count: int) -> Mapping[int, Any]:
    """Return what `context.read(job)` gives for *jobs* by their numbers, done by *count* others, but for failed ones."""
    with at_work(context, count) as crew:
        answers = [crew.ask(job) for job in jobs]
    return {number: answer.result() for number, answer in enumerate(answers) if answer.exception() is None}


@contextmanager
def _started(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
    crew: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            command = [sys.executable, "-P", "-c", _START]  # -P: a pickle.py of the project is none of ours
            pipe = subprocess.PIPE
            crew.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environ))  # noqa: S603, our own
    except OSError:
        pass
    try:
        yield crew
    except BaseException:
        for each in crew:
            each.kill()
        raise
    finally:
        for each in crew:
            _let_go(each)


def _let_go(process: subprocess.Popen[bytes]) -> None:
    """End a process by ending its input, and wait until it has ended."""
    if process.stdin is not None:
        with suppress(OSError):  # what it did not read any more
            process.stdin.close()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def serve() -> None:
    """Be one of the others: take the context, then files, until there are no more."""
    import gc
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    try:
        context: Any = pickle.load(stdin)  # noqa: S301, the parent wrote it
        for job in _jobs(stdin):
            pickle.dump(context.read(job), stdout)
            stdout.flush()
    except (OSError, EOFError):
        return


def _jobs(stdin: IO[bytes]) -> Iterator[Any]:
    while True:
        try:
            yield pickle.load(stdin)  # noqa: S301, the parent wrote it
        except EOFError:
            return
