"""Processes that work beside a command: what they answer arrives, whatever happens to them."""

from __future__ import annotations

import fcntl
import io
import os
import pickle
import signal
import sys
import termios
import threading
import time
from dataclasses import dataclass
from typing import IO

import pytest

from crmsync.project import crew


@dataclass(frozen=True)
class Repeating:
    """Answers with so many bytes."""

    def read(self, job: int) -> bytes:
        return b"x" * job


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_answer_is_whole_when_a_process_was_stopped(monkeypatch: pytest.MonkeyPatch, unbuffered: str) -> None:
    """A process that is stopped and goes on while it answers writes the rest, also where Python was told not to buffer."""
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with crew.kept(1):
        (process,) = crew._waiting
        assert process.stdin is not None
        assert process.stdout is not None
        for each in (Repeating(), (1, 1_000_000)):
            pickle.dump(each, process.stdin)
        process.stdin.flush()
        _wait_until_full(process.stdout)
        for each in (signal.SIGSTOP, signal.SIGCONT):
            os.kill(process.pid, each)
            time.sleep(0.05)
        answer = _loaded(process.stdout)

    assert answer == (1, b"x" * 1_000_000)


def _wait_until_full(stream: IO[bytes]) -> None:
    """Wait until no more goes into a pipe of which nobody reads yet."""
    before = 0
    for _ in range(500):
        waiting = _held_by(stream)
        if waiting and waiting == before:
            return
        before = waiting
        time.sleep(0.1)
    raise AssertionError("nothing was written")


def _held_by(pipe: IO[bytes]) -> int:
    """Return how many bytes wait in a pipe."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def _loaded(stream: IO[bytes]) -> object:
    """Return what is read within some seconds; None when it does not come."""
    found: list[object] = []
    reading = threading.Thread(target=lambda: found.append(pickle.load(stream)), daemon=True)  # noqa: S301, our own process
    reading.start()
    reading.join(20)
    return found[0] if found else None


@dataclass(frozen=True)
class Long:
    """Answers as long as the jobs, which are longer than a pipe holds."""

    def read(self, job: bytes) -> bytes:
        return job[::-1]


def test_long_jobs_and_long_answers_pass_each_other() -> None:
    """A process is given the next job while it answers, and heard meanwhile: neither waits for the other for ever."""
    jobs = [bytes([number]) * 3_000_000 for number in range(12)]
    with crew.at_work(Long(), 1, len(jobs)) as others:
        answers = [others.ask(job) for job in jobs]

    assert [job[::-1] for job in jobs] == [answer.result() for answer in answers if answer is not None]


@dataclass(frozen=True)
class Slow:
    """Answers after a second."""

    def read(self, job: bytes) -> int:
        time.sleep(1)
        return len(job)


@pytest.mark.skipif(sys.platform != "linux", reason="only there a pipe can be made wider")
def test_the_next_job_is_there_when_one_is_done() -> None:
    """A page of records goes into the pipe while the process works: it need not wait until somebody has time to send it."""
    job = bytes(500_000)
    with crew.kept(1):
        (process,) = crew._waiting
        with crew.at_work(Slow(), 1, 2) as others:
            answers = [others.ask(job), others.ask(job)]
            _wait_until_full(_piped(process.stdin))
            held = _held_by(_piped(process.stdin))

    assert held > len(job) - io.DEFAULT_BUFFER_SIZE  # so much of it may have been read with the one before
    assert [answer.result() for answer in answers if answer is not None] == [len(job), len(job)]


def _piped(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def test_of_a_process_that_ends_nobody_waits_for_an_answer() -> None:
    """Neither for that of the job that it had, nor for those that it was given ahead or later."""
    with crew.kept(1):
        (process,) = crew._waiting
        with crew.at_work(Repeating(), 1, 8) as others:
            answers = [others.ask(1) for _ in range(4)]
            process.kill()
            answers += [others.ask(1) for _ in range(4)]

    found = [answer.exception() for answer in answers if answer is not None]
    assert len(found) == 8
    assert isinstance(found[-1], crew.Unanswered)
