"""At a terminal: the question, the one answer that counts, and the progress bar."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest

from tests.desk import PROGRAM, Desk

MANY = "companies:\n" + "".join(f"  c{n}:\n    name: Company {n}\n" for n in range(12))


@dataclass
class Terminal:
    """A command at a terminal of its own."""

    process: subprocess.Popen[bytes]
    master: int
    shown: str = ""

    def until(self, text: str, seconds: float = 60.0) -> str:
        """Read what is shown until *text* is."""
        deadline = time.monotonic() + seconds
        while text not in self.shown and time.monotonic() < deadline:
            if not self._read(0.1) and self.process.poll() is not None:
                break
        assert text in self.shown, self.shown
        return self.shown

    def say(self, text: str) -> None:
        """Type *text*."""
        os.write(self.master, text.encode())

    def end(self) -> int:
        """Read to the end, and return the exit code."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and (self._read(0.1) or self.process.poll() is None):
            pass
        while self._read(0):
            pass  # what it said between the last look and its end
        os.close(self.master)
        return self.process.wait(5)

    def _read(self, seconds: float) -> bool:
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.shown += data.decode("utf-8", "replace")
        return bool(data)


def _at_terminal(desk: Desk, *arguments: str, **environ: str) -> Terminal:
    master, slave = pty.openpty()
    command = [sys.executable, "-c", PROGRAM, *arguments]
    process = subprocess.Popen(
        command,
        cwd=desk.root,
        env=desk.environment(TERM="xterm", **environ),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),
    )
    os.close(slave)
    return Terminal(process, master)


@pytest.mark.parametrize("answer", ["", "y", "YES", "yes please", "no"])
def test_anything_but_yes_is_no(desk: Desk, answer: str) -> None:
    """Only the whole word "yes" lets an apply begin."""
    desk.write("crm/a.yaml", MANY)
    terminal = _at_terminal(desk, "apply")
    terminal.until("Answer: ")
    terminal.say(f"{answer}\n")

    assert terminal.end() == 1
    assert "Nothing was applied." in terminal.shown
    assert desk.names("companies") == []


def test_yes_applies(desk: Desk) -> None:
    """At a terminal apply shows the plan in colours, asks by the account's name, and shows how far it is."""
    desk.write("crm/a.yaml", MANY)
    terminal = _at_terminal(desk, "apply")
    asked = terminal.until("Answer: ")
    terminal.say("yes\n")

    assert terminal.end() == 0
    assert 'Apply this to "Sandbox" (1)? Only "yes" is accepted.' in asked
    assert "Plan: 12 to add" in asked
    assert "\x1b[32m" in asked
    assert "Applying" in terminal.shown.partition("Answer: ")[2]
    assert "Applied 12." in terminal.shown
    assert len(desk.names("companies")) == 12


def test_no_colour_at_a_terminal(desk: Desk) -> None:
    """NO_COLOR is heeded at a terminal."""
    desk.write("crm/a.yaml", MANY)
    terminal = _at_terminal(desk, "apply", "-y", NO_COLOR="1")

    assert terminal.end() == 0
    assert "\x1b[32m" not in terminal.shown
    assert "\x1b[1m" not in terminal.shown


def test_no_progress_bar_without_a_terminal(desk: Desk) -> None:
    """Into a file or a pipe goes no progress bar, and no escape sequence."""
    desk.write("crm/a.yaml", MANY)

    ran = desk.run("apply", "-y")

    assert ran.err == ""
    assert "\x1b" not in ran.out


def test_nothing_is_asked_for_nothing(desk: Desk) -> None:
    """An empty plan is printed once and asks nothing."""
    desk.write("crm/a.yaml", MANY)
    desk.done("apply", "-y")
    terminal = _at_terminal(desk, "apply")

    assert terminal.end() == 0
    assert terminal.shown.count("No changes.") == 1
    assert "Answer" not in terminal.shown


@pytest.mark.parametrize("keys", ["\x03", "\x04"], ids=["ctrl-c", "ctrl-d"])
def test_leaving_the_question(desk: Desk, keys: str) -> None:
    """Ctrl-C or Ctrl-D at the question ends the command: nothing was sent, and the state is free."""
    desk.write("crm/a.yaml", MANY)
    terminal = _at_terminal(desk, "apply")
    terminal.until("Answer: ")
    terminal.say(keys)

    assert terminal.end() == 130
    assert "Interrupted. It is safe to run again." in terminal.shown
    assert desk.names("companies") == []
    assert desk.done("unlock") == "Nobody holds the state.\n"
