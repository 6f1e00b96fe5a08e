"""Several questions under way at a time: their answers come in order, and nobody waits for those that are not needed."""

from __future__ import annotations

import threading
import time

import pytest

from crmsync.copper.lanes import in_lanes


@pytest.mark.parametrize("lanes", [1, 3, 20])
def test_answers_come_in_order(lanes: int) -> None:
    """However long each takes, and never more of them under way than there are lanes."""
    under_way: list[int] = []
    most: list[int] = []

    def ask(number: int) -> int:
        under_way.append(number)
        most.append(len(under_way))
        time.sleep(0.001 * (7 * number % 5))
        under_way.remove(number)
        return -number

    assert list(in_lanes(ask, range(40), lanes)) == [-number for number in range(40)]
    assert max(most) <= lanes


def test_the_first_error_is_raised_where_its_answer_would_come() -> None:
    """What was not begun by then is not asked."""
    asked: list[int] = []

    def ask(number: int) -> int:
        asked.append(number)
        if number == 5:
            raise LookupError(number)
        return number

    answers = in_lanes(ask, range(1000), 3)

    assert [next(answers) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(LookupError, match="5"):
        next(answers)
    assert len(asked) < 20


def test_who_leaves_waits_for_nobody() -> None:
    """An answer that never comes keeps no one: not who turns away from the answers, nor the end of the process."""
    forever, begun = threading.Event(), threading.Event()

    def ask(number: int) -> int:
        if number:
            begun.set()
            forever.wait()
        return number

    answers = in_lanes(ask, range(10), 2)
    assert next(answers) == 0
    assert begun.wait(10)
    answers.close()

    assert all(each.daemon for each in threading.enumerate() if each.name == "crmsync-read")
    forever.set()
