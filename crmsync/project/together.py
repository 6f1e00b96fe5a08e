"""Writes that wait for each other go together: what several threads want noted becomes one append."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _Ticket(Generic[Item]):
    """What one thread wants written, and what became of it."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.is_done = False
        self.error: BaseException | None = None


class Together(Generic[Item]):
    """
    Calls *commit* for one thread at a time, with everything that came up while the last call was under way.

    A push to a git remote takes a second, whatever it holds; without this a state there could not keep pace with Copper.
    """

    def __init__(self, commit: Callable[[Sequence[Item]], None]) -> None:
        self._commit = commit
        self._waiting: list[_Ticket[Item]] = []
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def write(self, items: Sequence[Item]) -> None:
        """Return when *items* are written, alone or with others; raise what *commit* raised."""
        ticket = _Ticket(items)
        with self._lock:
            self._waiting.append(ticket)
        with self._turn:
            if not ticket.is_done:
                with self._lock:
                    tickets, self._waiting = self._waiting, []
                self._write(tickets)
        if ticket.error is not None:
            raise ticket.error

    def _write(self, tickets: Sequence[_Ticket[Item]]) -> None:
        error: BaseException | None = None
        try:
            self._commit([item for each in tickets for item in each.items])
        except BaseException as raised:
            error = raised
        for each in tickets:
            each.error, each.is_done = error, True
