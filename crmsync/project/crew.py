"""
Other processes that read files when many changed, and look at records when there are many: nothing but work for processors.

A fresh interpreter each (a fork would copy the threads' locks), which gets the rows and settings once, then job after job;
where it is `kept` it then waits for other work. It puts sheets on the shelf itself; only what cannot be put there is sent
back. It ignores Ctrl-C, which the parent gets as well and ends it, and ends by itself when its input does. Where none can be
started, this process works alone.
"""

from __future__ import annotations

import itertools
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from queue import Full, Queue, SimpleQueue
from typing import IO, Any

from crmsync.catalogue import KINDS
from crmsync.model.catalogue import Catalogue, Kind

if sys.platform == "linux":
    import fcntl

#: Less than this is read before another process would have started.
WORTH_BYTES = 4 * 2**20
MOST_PROCESSES = 4
#: A pipe holds a job and the next one: of a job that comes in pieces a process waits for each, until this one has time.
PIPE_BYTES = 2**20
#: So many jobs a process has at a time: the one that it does, and the next.
AHEAD = 2
#: What the others need not know.
_SECRETS = ("COPPER_", "CRMSYNC_")

_START = "import sys, pickle; sys.path[:] = pickle.load(sys.stdin.buffer); from crmsync.project.crew import serve; serve()"

#: Jobs are numbered, so that nothing else a process says is an answer.
_numbers = itertools.count()
#: Processes that wait for the next work.
_waiting: list[subprocess.Popen[bytes]] = []


def processes_for(size: int) -> int:
    """Return how many processes should read files of so many bytes beside this one."""
    count = min(_cores() - 1, MOST_PROCESSES, size // (WORTH_BYTES // 2))
    return count if size >= WORTH_BYTES else 0


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

    def ask(self, job: Any) -> Future[Any] | None:
        """Have *job* done and return where its answer will be, or Unanswered; None where enough wait, or nobody is there."""
        if not self._threads:
            return None
        answer: Future[Any] = Future()
        try:
            self._jobs.put_nowait((job, answer))
        except Full:
            return None
        return answer

    def end(self) -> None:
        """Wait until all jobs are done."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _feed(self, process: subprocess.Popen[bytes], context: Any) -> None:
        """Give one process job after job, the next one while it works, so that it need not wait until this one has time."""
        hearing: _Hearing | None = None
        while (each := self._jobs.get()) is not None:
            job, answer = each
            is_new, hearing = hearing is None, hearing or _Hearing(process)
            number = hearing.expect(answer)
            try:
                _tell(process, number, job, context if is_new else None)
            except Exception:  # it ended, or this cannot be told; no answer will come
                process.kill()
        if hearing is not None and hearing.ended():
            _dismiss(process)


class _Hearing:
    """
    Takes what a process answers, in the order of the jobs, of which it has a few at a time.

    A thread of its own, for a process that is not heard may not listen. One that did not answer once is asked in vain from
    then on, for it might answer that then.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._expected: SimpleQueue[tuple[int, Future[Any]] | None] = SimpleQueue()
        self._room = threading.Semaphore(AHEAD)
        self._is_well = True
        self._is_done = threading.Event()
        threading.Thread(target=self._hear, daemon=True).start()

    def expect(self, answer: Future[Any]) -> int:
        """Wait until one more job may be given, and return its number."""
        self._room.acquire()
        number = next(_numbers)
        self._expected.put((number, answer))
        return number

    def ended(self) -> bool:
        """Wait for the last answer, and say whether all came."""
        self._expected.put(None)
        self._is_done.wait()
        return self._is_well

    def _hear(self) -> None:
        while (each := self._expected.get()) is not None:
            number, answer = each
            try:
                answer.set_result(self._heard(number))
            except Exception:  # it ended, or said something else, of which pickle may raise anything
                self._is_well = False
                self._process.kill()
                answer.set_exception(Unanswered())
            self._room.release()
        self._is_done.set()

    def _heard(self, number: int) -> Any:
        if not self._is_well:
            raise EOFError
        assert self._process.stdout is not None
        answered, answer = pickle.load(self._process.stdout)  # noqa: S301, our own process wrote it
        if answered != number:
            raise ValueError(f"an answer to {answered}")
        return answer


def _tell(process: subprocess.Popen[bytes], number: int, job: Any, context: Any) -> None:
    """Give a process a job, and before the first one what it is to work with."""
    assert process.stdin is not None
    if context is not None:
        _Pickler(process.stdin).dump(context)
    pickle.dump((number, job), process.stdin)
    process.stdin.flush()


def _dismiss(process: subprocess.Popen[bytes]) -> None:
    """Tell a process that no more jobs come, but perhaps another work."""
    assert process.stdin is not None
    with suppress(OSError, ValueError):
        pickle.dump(None, process.stdin)
        process.stdin.flush()


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


def read_together(jobs: Sequence[Any], context: Any, count: int) -> Mapping[int, Any]:
    """Return what `context.read(job)` gives for *jobs* by their numbers, done by *count* others and this one."""
    found: dict[int, Any] = {}
    answers: dict[int, Future[Any]] = {}
    with at_work(context, count, 2 * count) as crew:
        for number, job in enumerate(jobs):
            answer = crew.ask(job)
            if answer is not None:
                answers[number] = answer
            else:
                found[number] = context.read(job)
    return found | {number: answer.result() for number, answer in answers.items() if answer.exception() is None}


@contextmanager
def kept(count: int) -> Iterator[None]:
    """Have *count* others start while this one does something else; when they have done one work they wait for the next."""
    with _ended(new := _new(count)):
        _waiting.extend(new)
        try:
            yield
        finally:
            _waiting[:] = [each for each in _waiting if each not in new]


@contextmanager
def _started(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Give *count* processes, those that wait first."""
    ready = [_waiting.pop() for _ in range(min(count, len(_waiting)))]
    with _ended(new := _new(count - len(ready))):
        yield [*ready, *new]
    _waiting.extend(each for each in ready if each.poll() is None)


def _new(count: int) -> list[subprocess.Popen[bytes]]:
    """Start *count* processes, as far as that goes."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
    crew: list[subprocess.Popen[bytes]] = []
    with suppress(OSError):
        for _ in range(count):
            command = [sys.executable, "-P", "-c", _START]  # -P: a pickle.py of the project is none of ours
            pipe = subprocess.PIPE
            crew.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environ))  # noqa: S603, our own
            assert crew[-1].stdin is not None
            _widen(crew[-1].stdin)
            pickle.dump(sys.path, crew[-1].stdin)
            crew[-1].stdin.flush()
    return crew


def _widen(pipe: IO[bytes]) -> None:
    """Let *pipe* hold PIPE_BYTES, where that can be had: a user may have few such pipes."""
    if sys.platform == "linux":
        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


@contextmanager
def _ended(crew: list[subprocess.Popen[bytes]]) -> Iterator[None]:
    """End *crew* at the end, at once where something went wrong."""
    try:
        yield
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
    """Be one of the others: take a context, then jobs until there are no more, and so on."""
    import gc
    import signal

    # What the work will need, while whoever asks for it is still busy.
    import crmsync.project.glancing
    import crmsync.project.sheetreader  # noqa: F401, to have it loaded

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    # Not `sys.stdout.buffer`: with PYTHONUNBUFFERED that is the file itself, and writes a part where the process is stopped.
    stdin, stdout = sys.stdin.buffer, os.fdopen(sys.stdout.fileno(), "wb", closefd=False)
    sys.stdout = sys.stderr  # what a library prints is no answer
    try:
        while True:
            context: Any = pickle.load(stdin)  # noqa: S301, the parent wrote it
            for number, job in iter(lambda: pickle.load(stdin), None):  # noqa: S301, it too
                pickle.dump((number, context.read(job)), stdout)
                stdout.flush()
    except (OSError, EOFError):
        os._exit(0)  # whoever waits for that need not wait until all that was remembered is taken apart
