"""
Other processes that read files, when many changed: reading is nothing but work for the processor.

A fresh interpreter each (a fork would copy the threads' locks), which gets the rows and settings once, then file after file.
It puts sheets on the shelf itself; only what cannot be put there is sent back. It ignores Ctrl-C, which the parent gets as
well and ends it, and ends by itself when its input does. Where none can be started, this process reads alone.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from crmsync.catalogue import KINDS
from crmsync.model.catalogue import Kind

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


def is_known(kind: Kind) -> bool:
    """Say whether another process has the same kind by its name."""
    return KINDS.get(kind.name) is kind


def read_apart(jobs: Sequence[Any], context: Any, count: int) -> Mapping[int, Any]:
    """
    Return what `context.read(job)` gives for each of *jobs*, done by *count* other processes; failed ones are left out.

    *context* is pickled once for each process.
    """
    waiting = deque(enumerate(jobs))
    found: dict[int, Any] = {}
    with _started(count) as crew:
        threads = [threading.Thread(target=_feed, args=(each, context, waiting, found), daemon=True) for each in crew]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return found


@contextmanager
def _started(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
    crew: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            command = [sys.executable, "-c", _START]
            pipe = subprocess.PIPE
            crew.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environ))  # noqa: S603
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


def _feed(process: subprocess.Popen[bytes], context: Any, waiting: deque[tuple[int, Any]], found: dict[int, Any]) -> None:
    """Give one process file after file. What it does not answer is left to the caller, who tells what is wrong."""
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None
    try:
        pickle.dump(sys.path, stdin)
        _Pickler(stdin).dump(context)
        while True:
            try:
                number, job = waiting.popleft()
            except IndexError:
                return
            pickle.dump(job, stdin)
            stdin.flush()
            found[number] = pickle.load(stdout)  # noqa: S301, our own process wrote it
    except (OSError, EOFError, ValueError, pickle.PickleError):
        return  # it ended, or was ended by Ctrl-C


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
