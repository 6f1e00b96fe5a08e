"""I1, I3, I4, I5: each write is judged in the moment of its execution."""

from __future__ import annotations

from typing import Any

from crmsync.model.address import Address
from crmsync.model.catalogue import Field, Write
from crmsync.model.events import (
    Intent,
    WriteAction,
)
from crmsync.model.plan import Action
from crmsync.model.records import Observed, OnDrift
from crmsync.model.values import Members, Value, is_empty
from tests.simulation.copper import Executed, Item
from tests.simulation.runs import Run, Send
from tests.simulation.witness import LINKED, Place, Witness, is_same

#: How old a reading may be, in seconds, when a write relies on it; promise 4 of design.md.
READING_SECONDS = 5.0


class OfWrites(Witness):
    """Judges what Copper executed."""

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
        known = [each for each in self.created.get(intent.address, ()) if not self.is_out_of_reach(each)]
        run = executed.sender.run
        others = [each for each in known if self.raw(*each) is not None and not self._is_given_away(each, intent, run)]
        if others:
            self.breach("I1", f"{intent.address} was created again as {place}, beside {others}")
        self._no_twin(executed, item, intent)
        self.created.setdefault(intent.address, []).append(place)
        self.ours.add(place)
        self._sparse(executed, item, intent, run)

    def _is_given_away(self, place: Place, intent: Intent, run: Run) -> bool:
        """Say whether the user has said by id that what was created for *intent*'s address is another address's record.

        A person who merges two companies whose creates are unclear leaves one record for two addresses: whichever it is
        said to be, the other is not there.
        """
        holder = self.bound().get(place)
        said = run.files.records.get(holder, {}).get("crmsync", {}) if holder is not None else {}
        return holder != intent.address and said.get("id") == place[1]

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
            if entry["custom_field_definition_id"] not in definitions and not self.may_replace():
                self.breach("I4", f"{run.name} sent custom field {entry['custom_field_definition_id']} of {intent.address}")

    def may_replace(self) -> bool:
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
            if row.definition_id is not None and self.may_replace() and row.definition_id not in definitions:
                self._wiped(executed, item, row, run)
                continue
            if isinstance(old, Members) and isinstance(new, Members):
                self._members_kept(executed, intent, row, old, new, looked, run)
            else:
                self._value_kept(executed, intent, row, old, new, looked, run)

    def _wiped(self, executed: Executed, item: Item, row: Field, run: Run) -> None:
        """Remember who last made the account throw a custom value away, by not sending it: it must be written back."""
        self.wiped[executed.type, item.id or 0, row.name] = row, run

    def _value_kept(
        self, executed: Executed, intent: Intent, row: Field, old: Value, new: Value, looked: float, run: Run
    ) -> None:
        """I4: the value that goes was not a person's, or the process had seen it and was allowed to overwrite it."""
        id = intent.record_id or 0
        edit = self.edits.get((executed.type, id, row.name))
        if edit is None or edit[1] != old:
            return
        if row.target in LINKED and isinstance(old, int) and self.raw(row.target, old) is None:
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
        edit = self.edits[intent.address.type, intent.record_id or 0, row.name]
        if known is None or known.at >= at or self.is_rolled_back or is_same(known.shown, edit[1]):
            return
        has_moved = not is_same(known.wanted, self.wanted(run, intent.address, row.name))
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
            if old != new and not (row.definition_id is not None and self.may_replace() and is_empty(new)):
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
            if is_empty(edit[1]) and (row.target, known.shown) in self.deleted:
                continue  # what it named is gone since, and the link would be empty all the same: nobody can tell
            if edit[0] > looked:
                self.measured.gap_losses += 1
            elif not isinstance(edit[1], Members) and not is_same(known.shown, edit[1]):
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
