"""Processes that work beside a command: what they answer arrives, whatever happens to them."""

from __future__ import annotations

import fcntl
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
        waiting = int.from_bytes(fcntl.ioctl(stream, termios.FIONREAD, bytes(4)), sys.byteorder)
        if waiting and waiting == before:
            return
        before = waiting
        time.sleep(0.1)
    raise AssertionError("nothing was written")


def _loaded(stream: IO[bytes]) -> object:
    """Return what is read within some seconds; None when it does not come."""
    found: list[object] = []
    reading = threading.Thread(target=lambda: found.append(pickle.load(stream)), daemon=True)  # noqa: S301, our own process
    reading.start()
    reading.join(20)
    return found[0] if found else None
