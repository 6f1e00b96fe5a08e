"""Answers to hand out, and a time in which waiting costs nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from crmsync.copper.client import Client
from crmsync.copper.pace import Pacer
from crmsync.model.http import Request, Response


@dataclass(frozen=True)
class Answer:
    """What comes back."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(value: Any, status: int = 200, **headers: str) -> Answer:
    """Return an answer with *value* as its body; headers are written with ``_`` for ``-``."""
    return Answer(status, json.dumps(value).encode(), {name.replace("_", "-"): text for name, text in headers.items()})


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Script:
    """A `send` that plays answers in order and keeps what it was asked; the last answer repeats."""

    time: Time
    answers: list[Answer | Exception]
    asked: list[Request] = field(default_factory=list)
    seconds: float = 0.0

    def __call__(self, request: Request) -> Response:
        self.time.now += self.seconds
        self.asked.append(request)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def time() -> Time:
    """The time of the test."""
    return Time()


@pytest.fixture
def client_of(time: Time) -> Callable[..., Client]:
    """A function that gives a client for a `send`."""

    def make(send: Any, *, may_write: bool = False) -> Client:
        pacer = Pacer(clock=time.clock, sleep=time.sleep)
        return Client(send, pacer, time.clock, time.sleep, may_write, chance=lambda: 1.0)

    return make
