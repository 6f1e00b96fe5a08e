"""Completion: the script that is printed, and what it is answered."""

from __future__ import annotations

import pytest

from tests.desk import Desk


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_asks_crmsync(desk: Desk, shell: str) -> None:
    """The script calls the command under the variable that the command looks at."""
    assert f"_CRMSYNC_COMPLETE={shell}_complete" in desk.done("completion", shell)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("crmsync ex", ["plain,explain"]),
        ("crmsync plan --dec", ["plain,--decisions"]),
        ("crmsync completion z", ["plain,zsh"]),
    ],
)
def test_what_is_completed(desk: Desk, words: str, expected: list[str]) -> None:
    """Commands, options and choices are completed."""
    asked = {"_CRMSYNC_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}

    assert expected == desk.call(environ=asked).out.split()
