"""
The invariants I1 to I10: what must hold of every history, whatever happened in it.

They look at three witnesses and trust none of them alone: the writes that the sandbox executed, with the record before and
after each; the log of the state; and what the runs reported. What people did is known exactly, so an overwritten edit is
seen in the moment when it happens. Each breach names its invariant and says what was seen.

| | what must hold |
|---|---|
| I1 | an address has at most one living record that crmsync created |
| I2 | what is noted as done was executed, exactly once; what is noted as refused was not; what was created is bound |
| I3 | every executed write was noted before it left, and left before its `send_by` |
| I4 | a write changes only declared fields, and no value that a person put there after the process last looked, within 5 s |
| I5 | a deleted record was created by crmsync, is not declared, was unchanged, is named by nobody, and a copy was kept |
| I6 | once the trouble is over, a few runs bring everything to rest: the plan is empty, nothing is open |
| I7 | the log only grows, at its head, and folds to the state that everybody saw |
| I8 | a run ends with a ledger, or with a trouble that says what to do; never with another exception |
| I9 | no value of a field, and no key, stands in the state |
| I10 | never more requests in 60 s than the account allows |
"""

from __future__ import annotations

from crmsync.model.catalogue import Catalogue, Field
from crmsync.model.events import Origin
from crmsync.model.values import is_empty
from crmsync.project.applying import Applied
from tests.simulation.machine import Machine
from tests.simulation.notes import OfNotes
from tests.simulation.writes import OfWrites


class Checker(OfWrites, OfNotes):
    """Hears everything that happens in one schedule, and notes what must not happen."""

    def __init__(self, machine: Machine, catalogue: Catalogue) -> None:
        super().__init__(machine, catalogue)
        machine.sandbox.on_write = self.on_write
        machine.sandbox.on_act = self.on_act
        machine.on_append = self.on_append
        machine.on_agreed = self.on_agreed
        machine.on_compact = self.on_compact

    def finish(self) -> None:
        """Judge the whole: I2, I7, I8, I9, I10."""
        self._all_bound()
        self._all_written_back()
        self._all_ended()
        folded = self.machine.log.folded()
        if folded != self.machine.log.read():
            self.breach("I7", "the log does not fold to the state that the processes saw")
        self._nothing_leaks()
        self._pace_is_kept()

    def _all_written_back(self) -> None:
        """I4: where an account replaces custom fields, those that were not sent are there again once the run is over."""
        for (type_name, id, _), (row, run) in self.wiped.items():
            record = self.see(type_name, self.raw(type_name, id))
            told = any(outcome.record_id == id and outcome.status in ("failed", "unknown") for outcome in run.outcomes)
            is_known = isinstance(run.result, Applied) and not told and (type_name, id, row.name) not in self.edits
            if (
                record is not None
                and is_known
                and is_empty(record.fields.get(row.name))
                and not self._is_unwanted(row, type_name, id)
            ):
                self.breach("I4", f"{run.name} lost {row.name} of {type_name} {id}")

    def _is_unwanted(self, row: Field, type_name: str, id: int) -> bool:
        """Say whether crmsync itself took the value away, at some time."""
        return any(
            item.id == id
            for executions in self.executions.values()
            for executed, item in executions
            if executed.type == type_name
            for entry in item.body.get("custom_fields", ())
            if entry["custom_field_definition_id"] == row.definition_id and not entry["value"]
        )

    def _all_bound(self) -> None:
        """I2: what was created and lives is bound, or its address says that it is unsettled."""
        state = self.machine.log.read()
        bound = {(address.type, binding.record_id): binding for address, binding in state.bindings.items()}
        unsettled = {intent.address for intent in state.open_intents.values()} | self.said
        for address, places in self.created.items():
            for place in places:
                if self.raw(*place) is None or address in unsettled or self.is_rolled_back:
                    continue
                if place not in bound:
                    self.breach("I2", f"{place} was created for {address} and is bound to nothing")
        for place, binding in bound.items():
            if binding.origin is Origin.CREATED and place not in self.ours | self.same:
                self.breach("I2", f"{place} counts as created, and crmsync did not create it")

    def _all_ended(self) -> None:
        """I8: every run ended as a run may end, and every outcome that is no success says why."""
        for run in self.machine.runs:
            if run.result is None or (isinstance(run.result, Exception) and run.result is self.machine.crash):
                self.breach("I8", f"{run.name} ended with {run.result!r}")
            for outcome in run.outcomes:
                if outcome.status not in ("applied", "adopted", "forgotten") and not outcome.detail:
                    self.breach("I8", f"{run.name} says nothing about {outcome.address}: {outcome.status}")

    def _nothing_leaks(self) -> None:
        text = "".join(self.machine.log.written).casefold()
        for mark in ("zq", "sandbox-key"):
            if mark in text:
                place = text.index(mark)
                self.breach("I9", f"the state holds {text[max(0, place - 40) : place + 40]!r}")

    def _pace_is_kept(self) -> None:
        """I10: among the requests of one host, for those share a pacer."""
        by_host: dict[str, list[float]] = {}
        for send in self.machine.sends:
            by_host.setdefault(send.run.wish.host, []).append(send.at)
        for host, times in by_host.items():
            allowed = self.machine.settings.pace.requests
            times.sort()  # a process that was stopped right there sends what it had decided to send long before
            for first, later in zip(times, times[allowed:], strict=False):
                if later - first < 60.0:
                    self.breach("I10", f"{allowed + 1} requests of host {host} within {later - first:.1f} s")
                    return
