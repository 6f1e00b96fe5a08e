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

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, Field, Write
from crmsync.model.events import (
    Absent,
    Bound,
    Done,
    FieldsApplied,
    FieldsReleased,
    Forgotten,
    Found,
    Intent,
    Origin,
    Refused,
    Renamed,
    WriteAction,
)
from crmsync.model.plan import Action, Cause
from crmsync.model.records import Mode, Observed, OnDrift
from crmsync.model.values import Lookup, Members, Value, is_empty
from crmsync.project.applying import Applied
from tests.simulation.copper import Act, Executed, Item, Watched
from tests.simulation.machine import Machine, Run, Send

#: How old a reading may be, in seconds, when a write relies on it; promise 4 of design.md.
READING_SECONDS = 5.0
Place = tuple[str, int]
_TYPES = ("companies", "people", "opportunities")
Spot = tuple[str, int, str]


@dataclass(frozen=True)
class Breach:
    """An invariant that did not hold, and what was seen."""

    invariant: str
    at: float
    text: str


@dataclass
class Confirmed:
    """What the state noted of a field: the file's value at that time, as written, what Copper had, and when."""

    wanted: Value
    shown: Value
    at: float


@dataclass
class Measured:
    """What is counted beside: edits lost in the gap, and how long the gaps were (seconds)."""

    gap_losses: int = 0
    late_losses: int = 0
    gaps: list[float] = field(default_factory=list)


class Checker:
    """Hears everything that happens in one schedule, and notes what must not happen."""

    def __init__(self, machine: Machine, catalogue: Catalogue) -> None:
        self.machine = machine
        self.catalogue = catalogue
        self.breaches: list[Breach] = []
        self.measured = Measured()
        self.created: dict[Address, list[Place]] = {}
        self.ours: set[Place] = set()
        self.deleted: set[Place] = set()
        self.same: set[Place] = set()
        self.said: set[Address] = set()
        self.executions: dict[str, list[tuple[Executed, Item]]] = {}
        self.intents: dict[str, Intent] = {}
        self.made: dict[str, list[tuple[float, int]]] = {}
        self.owners: dict[str, Run] = {}
        self.edits: dict[Spot, tuple[float, Value]] = {}
        self.members: dict[Spot, dict[Any, float]] = {}
        self.confirmed: dict[tuple[Address, str], Confirmed] = {}
        self.declared_members: dict[tuple[str, str], set[Any]] = {}
        self.wiped: dict[Spot, tuple[Field, Run]] = {}
        self.position = 0
        self.is_rolled_back = False
        machine.sandbox.on_write = self.on_write
        machine.sandbox.on_act = self.on_act
        machine.on_append = self.on_append
        machine.on_agreed = self.on_agreed
        machine.on_compact = self.on_compact

    def breach(self, invariant: str, text: str) -> None:
        """Note a breach."""
        self.breaches.append(Breach(invariant, self.machine.hub.now, text))
        self.machine.tell("breach", invariant, text)

    def see(self, type_name: str, raw: Mapping[str, Any] | None) -> Observed | None:
        """Return a raw record as crmsync would see it."""
        return None if raw is None else self.machine.sandbox.picture(type_name, raw, self.catalogue)

    def raw(self, type_name: str, id: int) -> Mapping[str, Any] | None:
        """Return a record as Copper holds it."""
        return self.machine.sandbox.raw(type_name, id)

    # ---- people

    def on_act(self, act: Act) -> None:
        """Remember which values are a person's, and since when."""
        self.machine.tell("act", act)
        before, after = self.see(act.type, act.before), self.see(act.type, act.after)
        if after is None:
            return
        if before is None:
            self.made.setdefault(act.type, []).append((act.at, act.id))
        for row in self.catalogue[act.type].fields:
            old = before.fields.get(row.name) if before is not None else None
            new = after.fields.get(row.name)
            if old == new or row.write is Write.NEVER:
                continue
            spot = act.type, act.id, row.name
            self.edits[spot] = act.at, new
            if isinstance(new, Members):
                had = {each.key: each for each in old} if isinstance(old, Members) else {}
                known = self.members.setdefault(spot, {})
                known.update({each.key: act.at for each in new if had.get(each.key) != each})

    # ---- writes

    def on_write(self, executed: Executed) -> None:
        """Judge a write in the moment of its execution."""
        send = executed.sender
        if not isinstance(send, Send):
            return
        self.machine.tell("write", executed)
        self._noted(executed, send)
        for number, item in enumerate(executed.items):
            intent = send.intents[number] if number < len(send.intents) else None
            if item.id is None or intent is None:
                continue  # refused, or told already
            self.executions.setdefault(intent.id, []).append((executed, item))
            if executed.action is WriteAction.CREATE:
                self._created(executed, item, intent)
            elif executed.action is WriteAction.DELETE:
                self._deleted(executed, item, intent, send)
            else:
                self._updated(executed, item, intent, send)
            self._forget_edits(executed, item)

    def _noted(self, executed: Executed, send: Send) -> None:
        """I3: the intents stand in the log, they are what was sent, and it was sent in time."""
        if len(send.intents) != len(executed.items):
            self.breach("I3", f"{send.run.name} sent {len(executed.items)} {executed.action}s, noted {len(send.intents)}")
            return
        for intent, item in zip(send.intents, executed.items, strict=True):
            is_same = intent.action is executed.action and intent.record_id in (None, item.id)
            if not is_same and item.id is not None:
                self.breach("I3", f"{send.run.name} noted {intent.action} {intent.record_id}, sent {item.id}")
            if send.at + send.run.wish.skew > intent.send_by + 0.01:
                late = send.at + send.run.wish.skew - intent.send_by
                self.breach("I3", f"{send.run.name} sent {intent.address} {late:.1f} s after its send_by")

    def _created(self, executed: Executed, item: Item, intent: Intent) -> None:
        """I1: nothing else that we created for this address is alive."""
        assert item.id is not None
        place = executed.type, item.id
        known = [each for each in self.created.get(intent.address, ()) if not self._is_out_of_reach(each)]
        others = [each for each in known if self.raw(*each) is not None]
        if others:
            self.breach("I1", f"{intent.address} was created again as {place}, beside {others}")
        self._no_twin(executed, item, intent)
        self.created.setdefault(intent.address, []).append(place)
        self.ours.add(place)
        self._sparse(executed, item, intent, executed.sender.run)

    def _is_out_of_reach(self, place: Place) -> bool:
        """Say whether neither Copper shows a record, nor a state knows of it that was restored to before it was made."""
        return self.is_rolled_back and self.machine.sandbox.is_hidden(*place) and place not in self.bound()

    def _no_twin(self, executed: Executed, item: Item, intent: Intent) -> None:
        """I1: no record is created beside one that a person made of that name, and that a search had shown by then."""
        run = executed.sender.run
        if "new" in run.files.records.get(intent.address, {}).get("crmsync", {}) or executed.type == "people":
            return
        looked = run.looked_new.get(executed.type, executed.sender.at) - self.machine.sandbox.quirks.search_lag
        made = item.after or {}
        for at, id in self.made.get(executed.type, ()):
            other = self.raw(executed.type, id)
            if (
                other is None
                or at >= looked
                or self.machine.sandbox.is_hidden(executed.type, id)
                or self.machine.short_pages
            ):
                continue
            is_like = other["name"] == made.get("name") and not other.get("email_domain")
            if is_like and other.get("company_id") == made.get("company_id") and (executed.type, id) not in self.bound():
                self.breach("I1", f"{intent.address} was created beside {executed.type} #{id}, which a person had made")

    def bound(self) -> Mapping[Place, Address]:
        """Return which records are bound to which address."""
        return self.machine.log.read().address_of

    def _sparse(self, executed: Executed, item: Item, intent: Intent, run: Run) -> None:
        """I4: the body has no key of a field that no file declares."""
        entity = self.catalogue[executed.type]
        names = self._managed(run, intent.address)
        rows = [entity.by_name[name] for name in names if name in entity.by_name]
        keys = {row.key for row in rows if row.definition_id is None}
        keys |= {"custom_fields"} if any(row.definition_id is not None for row in rows) else set()
        extra = set(item.body) - keys
        if extra and executed.action in (WriteAction.CREATE, WriteAction.UPDATE):
            self.breach("I4", f"{run.name} sent {sorted(extra)} of {intent.address}, which no file declares")
        definitions = {row.definition_id for row in rows}
        for entry in item.body.get("custom_fields", ()):
            if entry["custom_field_definition_id"] not in definitions and not self._may_replace():
                self.breach("I4", f"{run.name} sent custom field {entry['custom_field_definition_id']} of {intent.address}")

    def _may_replace(self) -> bool:
        return self.machine.sandbox.quirks.custom_fields_update == "replace"

    def _managed(self, run: Run, address: Address) -> set[str]:
        """Return the fields that the files declare of an address; a released value was declared before."""
        change = next((each for each in run.plan.changes if each.address == address), None) if run.plan else None
        planned = {each.field for each in (*change.fields, *change.along)} if change is not None else set()
        declared = run.machine.read_files
        for (files_id, _), declarations in declared.items():
            if files_id == id(run.files) and address in declarations.records:
                return planned | set(declarations.records[address].fields)
        return planned

    def _updated(self, executed: Executed, item: Item, intent: Intent, send: Send) -> None:
        before, after = self.see(executed.type, item.before), self.see(executed.type, item.after)
        if before is None or after is None:
            return
        run = send.run
        self._sparse(executed, item, intent, run)
        looked = send.seen.get((executed.type, before.id))
        self.measured.gaps += [executed.at - looked] if looked is not None and executed.at - send.at < 2.0 else []
        if looked is None or send.at - looked > READING_SECONDS + send.gap + 0.01:
            age = "never" if looked is None else f"{send.at - looked:.1f} s before"
            self.breach("I4", f"{run.name} wrote {intent.address} and had looked at it {age}")
            looked = looked or 0.0
        definitions = {entry["custom_field_definition_id"] for entry in item.body.get("custom_fields", ())}
        for row in self.catalogue[executed.type].fields:
            old, new = before.fields.get(row.name), after.fields.get(row.name)
            if old == new or row.write is Write.NEVER or row.reset_by is not None:
                continue
            if row.definition_id is not None and self._may_replace() and row.definition_id not in definitions:
                self._wiped(executed, item, row, run)
                continue
            if isinstance(old, Members) and isinstance(new, Members):
                self._members_kept(executed, intent, row, old, new, looked, run)
            else:
                self._value_kept(executed, intent, row, old, new, looked, run)

    def _wiped(self, executed: Executed, item: Item, row: Field, run: Run) -> None:
        """Remember who last made the account throw a custom value away, by not sending it: it must be written back."""
        self.wiped[executed.type, item.id or 0, row.name] = row, run

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

    def _value_kept(
        self, executed: Executed, intent: Intent, row: Field, old: Value, new: Value, looked: float, run: Run
    ) -> None:
        """I4: the value that goes was not a person's, or the process had seen it and was allowed to overwrite it."""
        id = intent.record_id or 0
        edit = self.edits.get((executed.type, id, row.name))
        if edit is None or edit[1] != old:
            return
        if row.target in _TYPES and isinstance(old, int) and self.raw(row.target, old) is None:
            return  # what the link named is gone, and Copper drops the rest of it: judged when that was deleted
        at = edit[0]
        what = f"{run.name} overwrote {row.name} of {intent.address} ({old!r} by a person, now {new!r})"
        if at > looked:
            if executed.at - executed.sender.at > 2.0:
                self.measured.late_losses += 1
            else:
                self.measured.gap_losses += 1
            return
        change = self._planned_change(run, intent.address, row.name)
        if at > run.planned_seen.get((executed.type, id), looked):
            if change is None or change.before != old:
                self.breach("I4", f"{what}, edited after the plan was made")
            return
        if change is None:
            self.breach("I4", f"{what}, which the plan does not speak of")
            return
        self._consented(run, intent, row, at, what)

    def _planned_change(self, run: Run, address: Address, name: str) -> Any:
        changes = run.plan.changes if run.plan is not None else ()
        for change in changes:
            if change.address == address:
                return next((each for each in change.fields if each.field == name), None)
        return None

    def _consented(self, run: Run, intent: Intent, row: Field, at: float, what: str) -> None:
        """I4: what both sides changed needs a review; what the policy keeps or holds is not overwritten."""
        known = self.confirmed.get((intent.address, row.id))
        edit = self.edits[executed_type(intent), intent.record_id or 0, row.name]
        if known is None or known.at >= at or self.is_rolled_back or _same(known.shown, edit[1]):
            return
        has_moved = not _same(known.wanted, self.wanted(run, intent.address, row.name))
        if has_moved and run.wish.mode == "auto":
            self.breach("I4", f"{what}, changed on both sides and nobody was asked")
        policy = self.machine.settings.policies.get("*")
        if not has_moved and policy is not None and policy.on_drift in (OnDrift.KEEP, OnDrift.HOLD):
            self.breach("I4", f"{what}, and the policy says {policy.on_drift}")

    def _members_kept(
        self, executed: Executed, intent: Intent, row: Field, old: Members, new: Members, looked: float, run: Run
    ) -> None:
        """I4: a member that a person added is still there, unless the files had it for ours."""
        left = {member.key for member in new}
        theirs = self.members.get((executed.type, intent.record_id or 0, row.name), {})
        for member in old:
            at = theirs.get(member.key)
            if member.key in left or at is None:
                continue
            if at > looked:
                self.measured.gap_losses += 1
            elif member.key not in self.declared_members.get((str(intent.address), row.name), set()):
                what = f"{run.name} took {member.key!r} out of {row.name} of {intent.address}"
                self.breach("I4", f"{what}: a person put it there, and no file ever had it")

    def _forget_edits(self, executed: Executed, item: Item) -> None:
        before, after = self.see(executed.type, item.before), self.see(executed.type, item.after)
        for row in self.catalogue[executed.type].fields:
            old = before.fields.get(row.name) if before is not None else None
            new = after.fields.get(row.name) if after is not None else None
            if old != new and not (row.definition_id is not None and self._may_replace() and is_empty(new)):
                self.edits.pop((executed.type, item.id or 0, row.name), None)

    def _deleted(self, executed: Executed, item: Item, intent: Intent, send: Send) -> None:
        """I5: only what is ours, planned, unchanged, named by nobody, with a copy."""
        before = self.see(executed.type, item.before)
        if before is None:
            return
        run, place = send.run, (executed.type, before.id)
        self.deleted.add(place)
        what = f"{run.name} deleted {intent.address} {place}"
        planned = [each for each in run.plan.changes if each.address == intent.address] if run.plan is not None else []
        if not planned or planned[0].action is not Action.DELETE or planned[0].record_id != before.id:
            self.breach("I5", f"{what}, which was not planned")
        if intent.address in run.files.records:
            self.breach("I5", f"{what}, which the files declare")
        if place not in self.ours | self.same:
            self.breach("I5", f"{what}, which crmsync did not create")
        if place not in run.copies:
            self.breach("I5", f"{what}, of which no copy was kept")
        self._deleted_unchanged(executed, intent, before, send, what)
        self._deleted_unnamed(item, before, run, what)

    def _deleted_unchanged(self, executed: Executed, intent: Intent, before: Observed, send: Send, what: str) -> None:
        looked = send.seen.get((executed.type, before.id), 0.0)
        for row in self.catalogue[executed.type].fields:
            edit = self.edits.get((executed.type, before.id, row.name))
            known = self.confirmed.get((intent.address, row.id))
            if edit is None or known is None or edit[1] != before.fields.get(row.name) or known.at >= edit[0]:
                continue
            if edit[0] > looked:
                self.measured.gap_losses += 1
            elif not isinstance(edit[1], Members) and not _same(known.shown, edit[1]):
                self.breach("I5", f"{what}, although a person changed its {row.name}")

    def _deleted_unnamed(self, item: Item, before: Observed, run: Run, what: str) -> None:
        leaving = (
            {(each.address.type, each.record_id) for each in run.plan.changes if each.action is Action.DELETE}
            if run.plan
            else set()
        )
        looked = run.related_seen.get((before.type, before.id), 0.0)
        for entity in self.catalogue.types:
            for row in entity.links:
                if row.target != before.type:
                    continue
                for id, raw in item.others[entity.name].items():
                    is_named = raw.get(row.key) == before.id and (entity.name, id) not in leaving
                    if not is_named or self.machine.sandbox.is_hidden(entity.name, id):
                        continue
                    # A company is not among the related items of its primary contact and cannot be searched by it: one that
                    # the plan does not read, forgotten or made by a person, nobody can see, nor what a person linked
                    # after the plan had read it (docs/reliability.md).
                    if entity.name == "companies" and (entity.name, id) not in run.planned_seen:
                        continue
                    edit = self.edits.get((entity.name, id, row.name))
                    is_company = entity.name == "companies"
                    seen = run.planned_seen[entity.name, id] if is_company else looked
                    if edit is not None and edit[0] > seen and (is_company or looked >= run.agreed_at):
                        self.measured.gap_losses += 1
                    elif not self._is_busy(run):
                        self.breach("I5", f"{what}, although {entity.name} #{id} names it")

    def _is_busy(self, run: Run) -> bool:
        """Say whether another run was under way, which may have set a link in between."""
        return any(other is not run and other.process.is_running for other in self.machine.runs)

    # ---- the log

    def on_agreed(self, run: Run) -> None:
        """Remember which members the files ever had."""
        declarations = next((each for (id_, _), each in self.machine.read_files.items() if id_ == id(run.files)), None)
        for address, declared in (declarations.records if declarations is not None else {}).items():
            for name, each in declared.fields.items():
                if isinstance(each.value, Members):
                    known = self.declared_members.setdefault((str(address), name), set())
                    known.update(member.key for member in each.value)
        for address, change in ((each.address, each) for each in (run.plan.changes if run.plan else ())):
            for each in change.fields:
                if isinstance(each.after, Members) and each.delta is not None:
                    known = self.declared_members.setdefault((str(address), each.field), set())
                    known.update(member.key for member in each.delta.added)

    def on_append(self, run: Run, position: int, new: int, events: tuple[Any, ...]) -> None:
        """I7 while it grows, and what the events say about intents."""
        if position != self.position or new != position + 1:
            self.breach("I7", f"{run.name} appended at {position}, the log was at {self.position}")
        self.position = new
        owners = {self.intents[each.intent].address: self.owners[each.intent] for each in events if isinstance(each, Found)}
        said = {event.address for event in events if isinstance(event, Bound) and event.origin is Origin.ADOPTED}
        for event in events:
            match event:
                case Intent(id=id):
                    self.intents[id] = event
                    self.owners[id] = run
                case Done(intent, record_id) | Found(intent, record_id):
                    self._is_done(event, self.intents.get(intent), record_id)
                case Refused(intent) | Absent(intent):
                    self._is_not_done(run, event, self.intents.get(intent), said)
                case FieldsApplied(address, fields):
                    self._confirm(owners.get(address, run), address, fields)
                case FieldsReleased(address, names):
                    for name in names:
                        self.confirmed.pop((address, name), None)
                case Renamed(origin, destination):
                    self._renamed(origin, destination)
                case Bound(address):
                    self._forget_confirmed(address)  # it is another record from now on
                case Forgotten(address):
                    self.created.pop(address, None)
                    self._forget_confirmed(address)
                case _:
                    pass

    def on_compact(self, position: int, new: int) -> None:
        """I7: a snapshot takes the place of what everybody saw."""
        if position != self.position or new != position + 1:
            self.breach("I7", f"a snapshot was made at {position}, the log was at {self.position}")
        self.position = new

    def _is_done(self, event: Any, intent: Intent | None, record_id: int) -> None:
        """I2: what is noted as done was executed once, on this record."""
        if intent is None:
            self.breach("I2", f"{event} speaks of an intent that nobody noted")
            return
        found = self.executions.get(intent.id, [])
        if isinstance(event, Done) and intent.action is WriteAction.UNRELATE and not found:
            return  # "not related": there was nothing to take away
        if isinstance(event, Done) and intent.action is WriteAction.DELETE and not found:
            return  # 404: it was gone
        if isinstance(event, Done) and (len(found) != 1 or found[0][1].id != record_id):
            ids = [item.id for _, item in found]
            self.breach("I2", f"{intent.address} is noted as done ({record_id}), and was executed on {ids}")
        if (
            isinstance(event, Found)
            and intent.action is WriteAction.CREATE
            and (intent.address.type, record_id) not in self.ours
        ):
            if record_id in {id for _, id in self.made.get(intent.address.type, ())}:
                # Equal in every field that was sent: nobody could tell, and the one that is ours stays without an address.
                self.same.add((intent.address.type, record_id))
                self.said.add(intent.address)
                return
            self.breach("I2", f"{intent.address} was found as {record_id}, which crmsync did not create")

    def _is_not_done(self, run: Run, event: Any, intent: Intent | None, said: set[Address]) -> None:
        """I2: what is noted as refused, or a create as absent, was never executed, unless the user *said* which it is."""
        if intent is None or not self.executions.get(intent.id):
            return
        if isinstance(event, Refused) or intent.action is WriteAction.CREATE:
            places = [(intent.address.type, item.id or 0) for _, item in self.executions[intent.id]]
            lost = [place for place in places if self.raw(*place) and not self._is_out_of_reach(place)]
            ids = [place[1] for place in lost if place not in self.bound()]
            is_link = intent.action in (WriteAction.RELATE, WriteAction.UNRELATE)
            if intent.address in said:
                self.said.add(intent.address)  # the user chose among likenesses, or there was only one left
            elif ids and not is_link and not run.is_forgetting:
                self.breach("I2", f"{intent.address} is noted as {type(event).__name__}, and was executed on {ids}")

    def _confirm(self, run: Run, address: Address, fields: Mapping[str, Any]) -> None:
        entity = self.catalogue[address.type]
        binding = self.machine.log.read().bindings.get(address)
        record = self.see(address.type, self.raw(address.type, binding.record_id)) if binding else None
        for id in fields:
            row = entity.by_id.get(id)
            if row is not None:
                wanted = self.wanted(run, address, row.name)
                shown = record.fields.get(row.name) if record is not None else None
                self.confirmed[address, id] = Confirmed(wanted, shown, self.machine.hub.now)

    def members_of_files(self, address: Address, row: Field) -> set[Value]:
        """Return the members of a set field that are there because a file has them, as the state last noted."""
        known = self.confirmed.get((address, row.id))
        return {member.key for member in known.wanted} if known is not None and isinstance(known.wanted, Members) else set()

    def _forget_confirmed(self, address: Address) -> None:
        for key in [key for key in self.confirmed if key[0] == address]:
            del self.confirmed[key]

    def wanted(self, run: Run, address: Address, name: str) -> Value:
        """Return what the files of a run want a field to be."""
        for (files_id, _), declarations in self.machine.read_files.items():
            if files_id == id(run.files) and address in declarations.records:
                each = declarations.records[address].fields.get(name)
                return each.value if each is not None else None
        return None

    def _renamed(self, origin: Address, destination: Address) -> None:
        if origin in self.created:
            self.created[destination] = self.created.pop(origin)
        for address, id in list(self.confirmed):
            if address == origin:
                self.confirmed[destination, id] = self.confirmed.pop((address, id))
        for address, name in list(self.declared_members):
            if address == str(origin):
                self.declared_members[str(destination), name] = self.declared_members[address, name]

    # ---- at the end

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


def _same(one: Any, other: Any) -> bool:
    """Say whether two values are the same, written or looked up; a record that was moved is the one it was."""
    if isinstance(one, Lookup) and isinstance(other, Lookup):
        return one.text.removesuffix("-new") == other.text.removesuffix("-new")
    return one == other or (is_empty(one) and is_empty(other))


def executed_type(intent: Intent) -> str:
    """Return the type of the record that an intent is about."""
    return intent.address.type


def breached(checker: Checker) -> Iterator[str]:
    """Yield the names of the invariants that did not hold."""
    yield from dict.fromkeys(breach.invariant for breach in checker.breaches)


__all__ = ["Breach", "Cause", "Checker", "Measured", "Mode", "Watched", "breached"]
