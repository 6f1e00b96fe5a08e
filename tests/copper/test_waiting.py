"""What counts as waiting for Copper."""

from __future__ import annotations

from crmsync.copper.waiting import Waiting


def test_two_at_once_are_waited_for_once_and_work_is_no_waiting() -> None:
    """From second 1 to 5 requests are under way, two of them from 2 to 3; this process works for one second of that."""
    now, worked = [1.0], [7.0]
    waiting = Waiting(lambda: now[0], lambda: worked[0])
    with waiting.answer():
        now[0] = 2.0
        with waiting.answer():
            now[0], worked[0] = 3.0, 8.0
        now[0] = 5.0
    now[0] = 9.0

    assert waiting.seconds == 3.0


def test_more_work_than_time_is_no_waiting() -> None:
    """Two threads may work two seconds in one."""
    now, worked = [1.0], [0.0]
    waiting = Waiting(lambda: now[0], lambda: worked[0])
    with waiting.answer():
        now[0], worked[0] = 2.0, 2.0

    assert waiting.seconds == 0.0
