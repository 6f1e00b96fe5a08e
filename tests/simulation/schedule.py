"""
One schedule: a script carried out, then the trouble over, then everything must come to rest.

First the rounds: each with its files, one or two processes that apply them, faults, people. Then no more faults: the user
runs again, as long as a user would, and follows the advice that is given. What is left after that must be nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from crmsync.model.address import Address
from crmsync.model.settings import Pace, Settings
from crmsync.project.applying import Applied
from crmsync.project.session import Project
from crmsync.project.trouble import InputTrouble
from crmsync.sandbox import DEFAULT_ACCOUNT, Rate
from tests.simulation import people
from tests.simulation.copper import Watched
from tests.simulation.dice import Script, script
from tests.simulation.edges import account_of, edges, in_place
from tests.simulation.files import Files
from tests.simulation.hub import Hub
from tests.simulation.invariants import Checker
from tests.simulation.machine import LINEAGE, Machine
from tests.simulation.mirrored import mirrors
from tests.simulation.rest import Rest
from tests.simulation.runs import Network, Run, RunWish
from tests.simulation.witness import Breach, Measured

START = 1_790_000_000.0
#: How old the records are that were there before anything is applied, in seconds.
LONG_AGO = 86_400.0
#: Runs after the trouble until the plan must be empty, when nobody interfered (reliability.md 6.1, I6).
RUNS_TO_REST = 3
#: Runs that follow the advice of the one before.
ADVISED_RUNS = 8


@dataclass
class Report:
    """What a schedule came to."""

    seed: int
    breaches: list[Breach]
    measured: Measured
    history: list[tuple[Any, ...]]
    requests: int
    seconds: float
    script: Script
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def invariants(self) -> tuple[str, ...]:
        """The invariants that did not hold."""
        return tuple(dict.fromkeys(breach.invariant for breach in self.breaches))


def simulate(seed: int, missing: Mapping[tuple[Any, str], Any] | None = None, *, has_mirrors: bool = False) -> Report:
    """Carry out the schedule of *seed*; *missing* stands in the place of mechanisms that are switched off."""
    with mirrors() if has_mirrors else nullcontext({}) as kept, in_place({**edges(), **kept, **(missing or {})}):
        return Schedule(script(seed)).carry_out()


class Schedule:
    """A script while it is carried out."""

    def __init__(self, wish: Script) -> None:
        self.script = wish
        self.rng = Random(f"luck/{wish.seed}")
        self.hub = Hub(START - LONG_AGO, self.rng.random)
        rate = Rate(wish.pace, 3)
        account = DEFAULT_ACCOUNT.account
        self.sandbox = Watched(account, lambda: self.hub.now, wish.quirks, rate, wish.seed)
        for type_name, values in wish.before:
            self.sandbox.create(type_name, values)
        self.hub.now = START
        settings = Settings(LINEAGE, policies=wish.policies, pace=Pace(wish.pace, 3))
        self.machine = Machine(self.sandbox, self.hub, self.rng, settings, wish.network)
        self.machine.real_reads = wish.real_reads
        catalogue = account_of(self.sandbox, Project(Path("/nowhere"), settings, {}), START).catalogue
        self.checker = Checker(self.machine, catalogue)
        self.rest = Rest(self.machine, self.checker, bool(wish.before))
        self.deeds = list(wish.deeds)
        self.machine.before_request = lambda number: self._let_people_act("request", number)
        self.machine.while_looking = lambda run: self._let_people_act("plan", self.machine.shown, run=run)

    def _let_people_act(self, when: str, at: int, **context: Any) -> None:
        """Let people do what they do when it comes to this."""
        for deed in [each for each in self.deeds if each.when == when and each.at <= at]:
            self.deeds.remove(deed)
            self.machine.tell("deed", deed)
            people.do(deed, self.sandbox, self.script.seed, self.machine, **context)

    def carry_out(self) -> Report:
        """Carry it out and return what was seen."""
        picture = None
        for number, each in enumerate(self.script.rounds):
            self.machine.tell("round", number + 1, each)
            self._let_people_act("round", number + 1, before=self.script.rounds[number - 1].files, files=each.files)
            if number == 0:
                picture = self._picture()
            self._round([self.machine.start(wish, each.files) for wish in each.runs])
            self._wait(each.rest)
            if each.goes_back and picture is not None:
                self._go_back(picture)
            picture = self._picture()
        self.machine.tell("calm")
        self.machine.network = Network(latency=0.2)
        self._let_people_act("request", 10**9)
        self._wait(200.0)
        files = self._come_to_rest(self.script.rounds[-1].files)
        self.checker.finish()
        seconds = self.hub.now - START
        machine = self.machine
        counts = {"runs": len(machine.runs), "writes": sum(run.writes for run in machine.runs), "files": len(files.records)}
        return Report(
            self.script.seed,
            self.checker.breaches,
            self.checker.measured,
            machine.history,
            len(machine.requests),
            seconds,
            self.script,
            counts,
        )

    def _picture(self) -> Any:
        """Return what a backup holds: the state, and so what it has confirmed."""
        return self.machine.log.picture(), dict(self.checker.confirmed)

    def _go_back(self, picture: Any) -> None:
        self.machine.tell("rollback")
        log, self.checker.confirmed = picture
        self.machine.log.go_back(log)
        self.checker.position = self.machine.log.read().position
        self.checker.is_rolled_back = True

    def _round(self, runs: list[Run]) -> None:
        self.hub.run(lambda: all(run.result is not None and not run.process.is_running for run in runs))

    def _wait(self, seconds: float) -> None:
        """Let time pass in which nobody runs anything; what was on its way arrives."""
        until = self.hub.now + seconds
        over: list[bool] = []
        self.hub.at(until, lambda: over.append(True))
        self.hub.run(lambda: bool(over))

    # ---- rest

    def run(self, files: Files, **wishes: Any) -> Run:
        """Let a process apply *files*, and a minute pass."""
        run = self.machine.start(RunWish(**wishes), files)
        self._round([run])
        self._wait(60.0)
        return run

    def forget(self, files: Files, addresses: tuple[Address, ...]) -> None:
        """Let the user forget *addresses*."""
        self._round([self.machine.forget(RunWish(), files, addresses)])

    def _come_to_rest(self, files: Files) -> Files:
        """I6: without other people's hands three runs do it; with them, as many as it takes to follow the advice."""
        for _ in range(RUNS_TO_REST):
            run = self.run(files)
            if self.rest.is_reached(run):
                break
        if self.rest.is_untouched and not self.sandbox.has_other_labels:
            self.rest.must_hold(run, files)
        for _ in range(ADVISED_RUNS):
            advised = self._advised(run, files)
            if advised is files:
                self._forget_undeclared(files)
            run = self.run(advised, mode="asked")
            if advised is files and self.rest.is_reached(run):
                break
            files = advised
        self.rest.must_hold(run, files)
        return files

    def _forget_undeclared(self, files: Files) -> None:
        """Let the user forget what is unsettled and not declared any more: nobody wants to know which record it is."""
        open_ = {intent.address for intent in self.machine.log.read().open_intents.values()}
        undeclared = tuple(sorted(open_ - set(files.records)))
        if undeclared:
            self.forget(files, undeclared)
            self.checker.created = {a: places for a, places in self.checker.created.items() if a not in undeclared}

    def _advised(self, run: Run, files: Files) -> Files:
        """Return the files as a user changes them who follows the advice of the last run."""
        records = {address: dict(written) for address, written in files.records.items()}
        moved = files.moved
        details = {outcome.address: outcome.detail for outcome in run.outcomes if outcome.status == "unknown"}
        renamed = dict(files.moved)
        for address, detail in details.items():
            self._adopt(records, renamed.get(address, address), detail)
        if run.plan is not None and isinstance(run.result, Applied):
            for held in run.plan.held:
                if held.field is None and held.rival is not None:
                    moved = (*moved, (held.rival, held.address))
                elif held.field is None and "Adopt it" in held.cure:
                    records[held.address]["crmsync"] = {"new": True}
        if isinstance(run.result, InputTrouble):
            self._mend(run.result, records)
        if records == {address: dict(written) for address, written in files.records.items()} and moved == files.moved:
            return files
        return Files(records, moved)

    def _adopt(self, records: dict[Address, dict[str, Any]], address: Address, detail: str) -> None:
        """Let the user say which record it is: one that crmsync made, where there is one among those named."""
        named = [int(each) for each in re.findall(r"#(\d+)", detail)]
        named.sort(key=lambda id: (address.type, id) not in self.checker.ours)
        if address in records and named:
            records[address]["crmsync"] = {"id": named[0]}

    def _mend(self, trouble: InputTrouble, records: dict[Address, dict[str, Any]]) -> None:
        for diagnostic in trouble.diagnostics:
            address = diagnostic.address
            if address is None or address not in records:
                continue
            number = diagnostic.code.number
            if number == "CRM038":
                self._adopt(records, address, diagnostic.detail)
            elif number == "CRM030":
                record = records[address]
                record.pop("contact_type", None)
                if "Tier" in record.get("custom_fields", {}):
                    record.pop("custom_fields")
            elif number in ("CRM042", "CRM044"):
                records[address].pop("crmsync", None)
