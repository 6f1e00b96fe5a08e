"""
I6: whether everything has come to rest, and whether what was not done is rightly not done.

Where nobody interfered nothing may be held, but for what nobody could do: a unique value that somebody has who keeps it,
a custom value that went with a write of a killed process, in an account that replaces them (docs/reliability.md), and what
only the user knows, whether a record of the same name is the one that is meant. That is looked up in Copper, and in what it
executed; the reason that a plan gives is not taken for a proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from crmsync.model.address import Address
from crmsync.model.catalogue import Field
from crmsync.model.plan import Held, Plan
from crmsync.model.values import Lookup, Value
from crmsync.plan.identity import keys_of
from crmsync.project.applying import Applied
from tests.simulation.files import Files
from tests.simulation.invariants import Checker
from tests.simulation.machine import Machine
from tests.simulation.runs import Run
from tests.simulation.witness import is_same


@dataclass
class Rest:
    """What of a schedule has come to rest; *has_others*: records were in Copper before anything was applied."""

    machine: Machine
    checker: Checker
    has_others: bool

    @property
    def is_untouched(self) -> bool:
        """Say whether nobody but crmsync had a hand in it, and nothing was restored."""
        return not self.machine.sandbox.touched and not self.checker.is_rolled_back

    def is_reached(self, run: Run) -> bool:
        """Say whether nothing is left to do; a change that Copper refuses, because of what people did, is left for them."""
        if not isinstance(run.result, Applied) or run.plan is None or self.machine.log.read().open_intents:
            return False
        refused = {outcome.address for outcome in run.outcomes if outcome.status == "failed" and "refused" in outcome.detail}
        waiting = {outcome.address for outcome in run.outcomes if outcome.status == "skipped" and refused}
        left = {change.address for change in run.plan.changes}
        has_others = bool(self.machine.sandbox.touched or self.has_others)
        return not left or (has_others and left <= refused | waiting)

    def must_hold(self, run: Run, files: Files) -> None:
        """Note what *run*, the last, left undone, and what it should not have left."""
        if not self.is_reached(run):
            plan = run.plan.changes if run.plan is not None else ()
            open_ = [str(each.address) for each in self.machine.log.read().open_intents.values()]
            seen = f"{run.result!r}" if isinstance(run.result, BaseException) else ""
            seen += "".join(str(each) for each in getattr(run.result, "diagnostics", ()))
            self.checker.breach("I6", f"no rest: changes {[str(e.address) for e in plan]}, open {open_} {seen}")
            return
        assert run.plan is not None
        if self.is_untouched and not any(held.rival for held in run.plan.held):
            self._nothing_is_amiss(run, run.plan, files)
        self._all_is_there(run, run.plan, files)

    def _nothing_is_amiss(self, run: Run, plan: Plan, files: Files) -> None:
        """Nobody interfered: nothing is held but for a good cause, and nothing is gone."""
        for held in plan.held:
            is_excused = self._is_excused(held, run, files)
            if not is_excused and not any(self._is_excused(each, run, files) for each in self._named(held, run, plan)):
                self.checker.breach("I6", f"nobody interfered, and yet {held.address} is held: {held.reason}")
        for address in [each for each, id in plan.gone if (each.type, id) not in self.checker.deleted]:
            self.checker.breach("I6", f"nobody interfered, and yet {address} is gone")

    def _is_excused(self, held: Held, run: Run, files: Files) -> bool:
        # What would be left without its company stays; the files say no more about that link.
        is_left = held.address not in files.records and "leave" in held.reason
        is_beyond = is_left or self._went_with_a_killed_run(held) or self._is_like_a_stranger(held, run)
        return is_beyond or self.is_left_to_another(held, run, files)

    def _named(self, held: Held, run: Run, plan: Plan) -> list[Held]:
        """Return the new records that are held and that *held* names: it has to wait for those."""
        name = held.field.field if held.field is not None else None
        links = [row for row in self.checker.catalogue[held.address.type].links if name in (None, row.name)]
        named = {(row.target, _key(self.checker.wanted(run, held.address, row.name))) for row in links}
        new = [each for each in plan.held if each.field is None and each.address not in self.machine.log.read().bindings]
        return [each for each in new if (each.address.type, each.address.key) in named]

    def _went_with_a_killed_run(self, held: Held) -> bool:
        """
        Say whether custom values went with a write that nobody was left to mend: they look like a person's edit.

        Where a whole record is held, that must be so of everything that is not as it was confirmed.
        """
        names = self._changed(held) if held.field is None else [held.field.field]
        writers = [self.checker.wiped.get((held.address.type, held.record_id or 0, name)) for name in names]
        return bool(names) and all(each is not None and not isinstance(each[1].result, Applied) for each in writers)

    def _changed(self, held: Held) -> list[str]:
        """Return the fields of a record that are not as they were confirmed."""
        record = self.checker.see(held.address.type, self.checker.raw(held.address.type, held.record_id or 0))
        rows = self.checker.catalogue[held.address.type].fields if record is not None else ()
        known = {row.name: self.checker.confirmed.get((held.address, row.id)) for row in rows}
        fields = record.fields if record is not None else {}
        return [name for name, each in known.items() if each is not None and not is_same(each.shown, fields.get(name))]

    def _is_like_a_stranger(self, held: Held, run: Run) -> bool:
        """Say whether a record is not created, for Copper has one of that name that crmsync neither made nor manages."""
        place = held.address.type, held.record_id or 0
        record = self.checker.see(held.address.type, self.checker.raw(*place))
        if record is None or held.field is not None or place in self.checker.ours or place in self.checker.bound():
            return False
        return record.fields["name"] == self.checker.wanted(run, held.address, "name")

    def _all_is_there(self, run: Run, plan: Plan, files: Files) -> None:
        """Every declared record is bound and there, or the run says something about it."""
        bindings = self.machine.log.read().bindings
        told = {held.address for held in plan.held} | {kept.address for kept in plan.kept}
        told |= {address for address, _ in plan.gone} | set(plan.unsettled)
        told |= {outcome.address for outcome in run.outcomes if outcome.status in ("failed", "skipped")}
        for address in files.records:
            binding = bindings.get(address)
            if binding is None and address not in told:
                self.checker.breach("I6", f"{address} is declared, not bound, and nobody says why")
            elif binding is not None and self.checker.raw(address.type, binding.record_id) is None and address not in told:
                self.checker.breach("I6", f"{address} is bound to {binding.record_id}, which is gone")

    def is_left_to_another(self, held: Held, run: Run, files: Files, behind: frozenset[Address] = frozenset()) -> bool:
        """
        Say whether a unique value is wanted that another record has and keeps.

        It keeps it when nobody declares it, when its file does not declare that field, which is then left as it is, when no
        file ever had that member of it, or when it is itself held for such a reason; two that wait for each other are no
        reason.
        """
        if "once" not in held.reason or held.address in behind:
            return False
        behind |= {held.address}
        return any(self._keeps(*spot, run, files, behind) for spot in self._holders(held, run))

    def _holders(self, held: Held, run: Run) -> Iterator[tuple[Address | None, Field, set[Value]]]:
        """Yield who has unique values that *held* wants, None where nobody manages it, in which field, and which."""
        type_name = held.address.type
        for row in self.checker.catalogue[type_name].uniques:
            wanted = set(keys_of(self.checker.wanted(run, held.address, row.name))) - {None}
            for id, raw in self.machine.sandbox.everything(type_name).items():
                record = self.checker.see(type_name, raw)
                taken = wanted & set(keys_of(record.fields.get(row.name))) if record is not None else set()
                if taken and id != held.record_id:
                    yield self.checker.bound().get((type_name, id)), row, taken

    def _keeps(
        self, owner: Address | None, row: Field, taken: set[Value], run: Run, files: Files, behind: frozenset[Address]
    ) -> bool:
        if owner is None:
            return True
        if owner in files.records and row.name not in files.records[owner]:
            return True
        if row.kind.is_set and taken - self.checker.members_of_files(owner, row):
            return True  # they were found there when it was adopted, or released: nobody takes them away
        helds = [each for each in (run.plan.held if run.plan is not None else ()) if each.address == owner]
        return any(owner not in files.records or self.is_left_to_another(each, run, files, behind) for each in helds)


def _key(value: Value) -> str | None:
    """Return the key that a file names."""
    return value.text.rpartition(".")[2] if isinstance(value, Lookup) and value.by == "key" else None
