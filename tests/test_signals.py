"""Being interrupted, and two runs at once: what stops says so truthfully, and the next run completes."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from crmsync.model.store import Holder
from crmsync.sandbox import Fault, Sandbox
from tests.desk import Desk

COUNT = 100
MANY = "companies:\n" + "".join(f"  c{n}:\n    name: Company {n}\n" for n in range(COUNT))


class Gate:
    """Holds back the *nth* matching request and those after it, until `open` is set."""

    def __init__(self, nth: int, pattern: str = "bulk_create") -> None:
        self.nth = nth
        self.pattern = pattern
        self.seen = 0
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self, sandbox: Sandbox, request: Any) -> Any:
        """Stand between a request and its handling."""
        if re.search(self.pattern, request.path):
            self.seen += 1
            if self.seen >= self.nth:
                self.reached.set()
                self.open.wait(30)
        return sandbox.handle(request)


@pytest.fixture
def gate(desk: Desk) -> Iterator[Gate]:
    """A gate at the second call that creates."""
    desk.write("crm/a.yaml", MANY)
    gate = Gate(2)
    desk.stage.hook = gate
    yield gate
    gate.open.set()


def _ledger(out: str) -> int:
    """Return how many records the ledger calls applied."""
    found = re.search(r"^Applied (\d+)", out, re.MULTILINE)
    assert found, out
    return int(found[1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda each: each.name)
def test_first_signal(desk: Desk, gate: Gate, number: signal.Signals) -> None:
    """The first Ctrl-C lets the calls in flight end, tells truthfully what was done, and ends with 130."""
    process = desk.spawn("apply", "-y")
    assert gate.reached.wait(20)
    process.send_signal(number)
    time.sleep(0.2)
    gate.open.set()
    out, err = process.communicate(timeout=20)
    done = len(desk.names("companies"))

    assert process.returncode == 130
    assert "Stopping after the calls in flight" in err
    assert 10 <= done < COUNT
    assert _ledger(out) == done
    assert not desk.state().open_intents

    desk.stage.hook = None
    desk.done("apply", "-y")

    assert len(desk.names("companies")) == COUNT
    assert "No changes." in desk.done("plan")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda each: each.name)
def test_first_signal_as_json(desk: Desk, gate: Gate, number: signal.Signals) -> None:
    """With --json every line is whole, and the last one counts what Copper has."""
    process = desk.spawn("apply", "-y", "--json")
    assert gate.reached.wait(20)
    process.send_signal(number)
    time.sleep(0.2)
    gate.open.set()
    out, _ = process.communicate(timeout=20)
    lines = [json.loads(line) for line in out.splitlines()]

    assert process.returncode == 130
    assert (lines[0]["type"], lines[-1]["type"]) == ("planned", "summary")
    assert lines[-1]["counts"]["applied"] == len(desk.names("companies"))


@pytest.mark.parametrize("more", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("numbers", [(signal.SIGINT, signal.SIGTERM), (signal.SIGTERM, signal.SIGTERM)], ids=str)
def test_leaving_at_once_prints_nothing_half(
    desk: Desk, gate: Gate, numbers: tuple[signal.Signals, signal.Signals], more: list[str]
) -> None:
    """Any second signal ends with 130 at once, and each line that was printed is whole."""
    code, out = _leave_at_once(desk, gate, numbers, *more)

    assert code == 130
    assert not out or out.endswith("\n")
    assert not more or all(json.loads(line) for line in out.splitlines())


def test_leaving_at_once_leaves_nothing_half_done(desk: Desk, gate: Gate) -> None:
    """The run after one that left at once completes it: a quarter of a minute, for the open requests may still leave."""
    _leave_at_once(desk, gate, (signal.SIGINT, signal.SIGTERM))
    desk.done("apply", "-y", "--settle", "1")

    assert len(desk.names("companies")) == COUNT


def _leave_at_once(desk: Desk, gate: Gate, numbers: tuple[signal.Signals, signal.Signals], *more: str) -> tuple[int, str]:
    """Send both signals to an apply with a call in flight; return its exit code and what it printed."""
    process = desk.spawn("apply", "-y", *more)
    assert gate.reached.wait(20)
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.3)
    out, _ = process.communicate(timeout=20)
    gate.open.set()
    desk.stage.hook = None
    return process.returncode, out


def test_second_signal(desk: Desk, gate: Gate) -> None:
    """The second Ctrl-C leaves at once, although a call is in flight; its intent stays open for the next run."""
    process = desk.spawn("apply", "-y")
    assert gate.reached.wait(20)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)

    assert process.returncode == 130
    assert time.monotonic() - started < 3
    assert desk.state().open_intents
    refused = desk.run("plan", "--out", "plan.json")
    assert (refused.code, (desk.root / "plan.json").exists()) == (5, False)
    assert "Let `crmsync apply` settle that first." in refused.err
    assert "Waiting for an earlier request:" in desk.done("plan")
    assert "without a known outcome" in desk.done("doctor")


def test_interrupted_before_anything_was_sent(desk: Desk) -> None:
    """Ctrl-C while the plan is made ends the command at once: there is nothing to tear apart."""
    desk.write("crm/a.yaml", MANY)
    gate = Gate(1, "pipelines")
    desk.stage.hook = gate
    process = desk.spawn("apply", "-y")
    assert gate.reached.wait(20)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=5)
    gate.open.set()

    assert (process.returncode, out, err) == (130, "", "\nInterrupted. It is safe to run again.\n")
    assert desk.names("companies") == []


def test_two_applies_at_once(desk: Desk, gate: Gate) -> None:
    """While one run works, another ends with 4, names the holder, and sends nothing."""
    process = desk.spawn("apply", "-y")
    assert gate.reached.wait(20)
    before = len(desk.sandbox.log)
    second = desk.run("apply", "-y")
    sent = desk.sandbox.log[before:]
    gate.open.set()
    process.communicate(timeout=20)

    assert second.code == 4
    assert f"process {process.pid}" in second.err
    assert "crmsync unlock" in second.err
    assert not [each for each in sent if each.path == "/account"]
    assert process.returncode == 0
    assert len(desk.names("companies")) == COUNT


def test_a_run_that_was_unlocked_loses(desk: Desk, gate: Gate) -> None:
    """After `unlock` and another run, the first one notices at its next append and sends nothing more."""
    process = desk.spawn("apply", "-y")
    assert gate.reached.wait(20)
    address = _bound(desk)
    desk.done("unlock")
    forgotten = desk.run("state", "forget", address)
    gate.open.set()
    _, err = process.communicate(timeout=20)

    assert forgotten.code == 0, forgotten
    assert process.returncode == 4
    assert "Another run appended to the state" in err


def _bound(desk: Desk) -> str:
    """Return an address that is bound, once the run at the gate appends nothing more."""
    deadline, state = time.monotonic() + 20, desk.state()
    while time.monotonic() < deadline:
        time.sleep(0.4)
        earlier, state = state, desk.state()
        if state.bindings and state.position == earlier.position:
            break
    return str(next(iter(state.bindings)))


def test_a_dead_holder_is_followed_at_once(desk: Desk, gate: Gate) -> None:
    """A killed run leaves its lease behind; the next one on the same host sees that the process is gone."""
    process = desk.spawn("apply", "-y")
    assert gate.reached.wait(20)
    address = _bound(desk)
    process.kill()
    process.communicate(timeout=20)
    gate.open.set()
    desk.stage.hook = None
    started = time.monotonic()
    forgotten = desk.run("state", "forget", address)

    assert forgotten.code == 0, forgotten
    assert time.monotonic() - started < 5


def test_unlock_after_another_host_died(desk: Desk) -> None:
    """A holder on another host cannot be asked; `unlock` says who it was and lets the next run go on."""
    desk.write("crm/a.yaml", MANY)
    now = time.time()
    desk.hold(Holder("nonce", "lee", "laptop", 1, now, now))

    assert desk.run("apply", "-y").code == 4
    assert desk.done("unlock") == "Taken from lee on laptop, process 1.\n"
    desk.done("apply", "-y")
    assert len(desk.names("companies")) == COUNT


def test_a_silent_holder_is_followed_after_a_minute(desk: Desk) -> None:
    """A holder that said nothing for 60 seconds has lost the state."""
    desk.write("crm/a.yaml", MANY)
    long_ago = time.time() - 61
    desk.hold(Holder("nonce", "lee", "laptop", 1, long_ago, long_ago))

    assert desk.run("apply", "-y").code == 0


def test_an_interrupted_plan_is_not_applied_again(desk: Desk, gate: Gate) -> None:
    """A saved plan runs once, also when its run was interrupted; a new plan does the rest."""
    desk.done("plan", "--out", "plan.json")
    process = desk.spawn("apply", "plan.json")
    assert gate.reached.wait(20)
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    gate.open.set()
    process.communicate(timeout=20)
    desk.stage.hook = None

    again = desk.run("apply", "plan.json")
    assert again.code == 5
    assert "started before" in again.err or "empty state" in again.err
    desk.done("plan", "--out", "rest.json")
    desk.done("apply", "rest.json")
    assert len(desk.names("companies")) == COUNT


def test_the_same_plan_may_be_made_again(desk: Desk) -> None:
    """A plan of which nothing could be done can be planned again, although it is the same list of changes."""
    desk.write("crm/a.yaml", "companies:\n  acme:\n    name: Acme\n")
    desk.done("plan", "--out", "plan.json")
    desk.sandbox.faults = [Fault("status_before", path="bulk_create|companies$", status=422)]
    assert desk.run("apply", "plan.json").code == 6
    desk.sandbox.faults = []

    assert desk.run("apply", "plan.json").code == 5
    desk.done("plan", "--out", "again.json")
    desk.done("apply", "again.json")
    assert desk.names("companies") == ["Acme"]
