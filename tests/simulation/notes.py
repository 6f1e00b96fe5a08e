"""I2 and I7: what the state notes is what happened, and it only grows at its head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crmsync.model.address import Address
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
    RunStarted,
    WriteAction,
)
from crmsync.model.records import Observed
from crmsync.model.values import Members
from tests.simulation.runs import Run
from tests.simulation.witness import Confirmed, Witness

#: A record as it was seen, and when.
Looked = tuple[Observed, float]


class OfNotes(Witness):
    """Judges what is appended to the state."""

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
        settled = [each.intent for each in events if isinstance(each, Found | Absent)]
        owners = {self.intents[id].address: self.owners[id] for id in settled}
        said = {event.address for event in events if isinstance(event, Bound) and event.origin is Origin.ADOPTED}
        looked = self._looked(run, events)
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
                    self._confirm(owners.get(address, run), address, fields, looked.get(address))
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
            lost = [place for place in places if self.raw(*place) and not self.is_out_of_reach(place)]
            ids = [place[1] for place in lost if place not in self.bound()]
            is_link = intent.action in (WriteAction.RELATE, WriteAction.UNRELATE)
            if intent.address in said:
                self.said.add(intent.address)  # the user chose among likenesses, or there was only one left
            elif ids and not is_link and not run.is_forgetting:
                self.breach("I2", f"{intent.address} is noted as {type(event).__name__}, and was executed on {ids}")

    def _looked(self, run: Run, events: tuple[Any, ...]) -> dict[Address, Looked]:
        """Return what was seen of records that are noted: in answers to writes, or by the plan that a run begins with."""
        found: dict[Address, Looked] = {}
        for id in (each.intent for each in events if isinstance(each, Done)):
            for executed, item in self.executions.get(id, ())[-1:]:
                record = self.see(executed.type, item.after)
                if record is not None:
                    found[self.intents[id].address] = record, executed.at
        if run.planned is not None and any(isinstance(each, RunStarted) for each in events):
            for place, address in self.bound().items():
                if place in run.planned.observed:
                    found[address] = run.planned.observed[place], run.planned_seen.get(place, self.machine.hub.now)
        return found

    def _confirm(self, run: Run, address: Address, fields: Mapping[str, Any], looked: Looked | None) -> None:
        """Remember what the state says was so, as it was *looked* at, or as it is now."""
        entity = self.catalogue[address.type]
        binding = self.machine.log.read().bindings.get(address)
        now = self.see(address.type, self.raw(address.type, binding.record_id)) if binding is not None else None
        record, at = looked or (now, self.machine.hub.now)
        for id in fields:
            row = entity.by_id.get(id)
            if row is not None:
                wanted = self.wanted(run, address, row.name)
                shown = record.fields.get(row.name) if record is not None else None
                self.confirmed[address, id] = Confirmed(wanted, shown, at)

    def _forget_confirmed(self, address: Address) -> None:
        for key in [key for key in self.confirmed if key[0] == address]:
            del self.confirmed[key]

    def _renamed(self, origin: Address, destination: Address) -> None:
        if origin in self.created:
            self.created[destination] = self.created.pop(origin)
        for address, id in list(self.confirmed):
            if address == origin:
                self.confirmed[destination, id] = self.confirmed.pop((address, id))
        for address, name in list(self.declared_members):
            if address == str(origin):
                self.declared_members[str(destination), name] = self.declared_members[address, name]
