"""
Undoing a run: an ordinary plan that puts back what its writes replaced.

Only what is still as the run left it is put back; what anybody changed since is held and named. What the run created is
deleted, under the rules of every delete; what it deleted is made again, with another id and without its history.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, Field, Write
from crmsync.model.digest import Digester
from crmsync.model.events import Applied, Origin, WriteAction
from crmsync.model.plan import Action, Cause, Change, Delta, FieldChange, Held, Note, Plan
from crmsync.model.records import Observed
from crmsync.model.state import own_copy
from crmsync.model.undo import Before
from crmsync.model.values import Member, Members, Value, is_empty
from crmsync.plan import guard
from crmsync.plan.build import counts_of, held_order
from crmsync.plan.cost import price
from crmsync.plan.diff import ABSENT
from crmsync.plan.order import order
from crmsync.plan.removal import forbidden
from crmsync.plan.sent import compose
from crmsync.plan.world import Wishes, Work, World

REASON = "as before that run"
#: How long after its intent a record may have been created by it, in seconds; what is younger is another one.
_CREATING_SECONDS = 3600.0
_CURE = "Put it right in Copper, or in the files."

Pair = tuple[str, int]


class Undone(Struct, frozen=True):
    """What is known of a run: what its writes replaced, in their order, and the records that it deleted."""

    before: tuple[Before, ...]
    deleted: Mapping[Address, Observed]

    def pairs(self, catalogue: Catalogue) -> set[Pair]:
        """Return the records, as (type, id), that a plan has to look at: those written, and those to be linked again."""
        found = {(each.address.type, each.record_id) for each in self.before if each.record_id is not None}
        links: list[tuple[Field, Value]] = []
        for each in self.before:
            rows = catalogue[each.address.type].by_id
            links += [(rows[id], old) for id, (old, _) in each.fields.items() if id in rows]
        for record in self.deleted.values():
            links += [(row, record.fields.get(row.name)) for row in catalogue[record.type].links]
        return found | {(str(row.target), id) for row, id in links if row.kind.is_reference and isinstance(id, int)}


def _is_link(row: Field, value: Value) -> bool:
    return row.kind.is_reference and isinstance(value, int)


def undo_plan(undone: Undone, world: World, catalogue: Catalogue, wishes: Wishes) -> Plan:
    """Return the plan that undoes a run, in view of the state and of what Copper shows now; no file is looked at."""
    work = Work(world, catalogue, wishes, Digester(world.state.head.digest_key), own_copy(world.state.bindings))
    wanted = {address: record for address, record in undone.deleted.items() if wishes.selects(address)}
    again = {(record.type, record.id): address for address, record in wanted.items() if address not in work.bindings}
    for pair, fields in sorted(_merged(undone.before).items()):
        _put_back(work, pair, fields, again)
    for each in undone.before:
        if each.action is WriteAction.CREATE and wishes.selects(each.address):
            _take_away(work, each)
    for address in sorted(wanted):
        _make_again(work, address, wanted[address], again)
    return _finished(work)


def _merged(before: Iterable[Before]) -> dict[Pair, dict[str, tuple[Value, Value]]]:
    """Return by record and field what was there before the first write of the run and after its last."""
    merged: dict[Pair, dict[str, tuple[Value, Value]]] = {}
    for each in before:
        if each.record_id is not None:
            fields = merged.setdefault((each.address.type, each.record_id), {})
            for id, (old, new) in each.fields.items():
                fields[id] = (fields.get(id, (old,))[0], new)
    return merged


def _put_back(work: Work, pair: Pair, fields: Mapping[str, tuple[Value, Value]], again: Mapping[Pair, Address]) -> None:
    address = work.world.state.address_of.get(pair)
    record = work.world.observed.get(pair)
    if address is None or not work.wishes.selects(address):
        return  # forgotten since: it is nobody's business any more
    if record is None:
        work.gone.append((address, pair[1]))
        return
    entity = work.catalogue[pair[0]]
    known = work.bindings[address].applied
    changes = []
    for id, (old, new) in fields.items():
        row = entity.by_id.get(id)
        if row is None:
            work.held.append(Held(address, f"Its field {id} is gone from this account.", _CURE, None, None, *_who(record)))
            continue
        back = _linked(work, row, old, again)
        if back is None and old is not None:
            work.held.append(Held(address, f"What its {row.name} named is gone.", _CURE, None, None, *_who(record)))
            continue
        change, is_moved = _reverted(row, (back, new), record.fields.get(row.name), known.get(id), work.digester)
        if change is not None:
            changes.append(change)
        if is_moved:
            field = FieldChange(row.name, record.fields.get(row.name), back, Cause.UNDONE)
            work.held.append(Held(address, "It was changed since that run.", _CURE, field, None, *_who(record)))
    if changes:
        changed = tuple(sorted(changes, key=lambda change: change.field))
        work.changes.append(Change(address, Action.UPDATE, *_who(record), changed, None, REASON))


def _who(record: Observed) -> tuple[int, str]:
    return record.id, record.name


def _linked(work: Work, row: Field, value: Value, again: Mapping[Pair, Address]) -> Value:
    """Return *value*, or of a link to a record that is made again its address; None of one to a record that is gone."""
    if not _is_link(row, value):
        return value
    assert isinstance(value, int)
    pair = (str(row.target), value)
    return value if pair in work.world.observed else again.get(pair)


def _reverted(
    row: Field, replaced: tuple[Value, Value], live: Value, known: Applied | None, digester: Digester
) -> tuple[FieldChange | None, bool]:
    """Return the change that puts the first of *replaced* back where *live* is the second, and whether it is neither."""
    old, new = replaced
    if isinstance(old, Members) and isinstance(new, Members) and isinstance(live, Members):
        return _reverted_members(row, (old, new), live, known, digester)
    if live == old:
        return None, False
    if live != new:
        return None, True
    return FieldChange(row.name, live, old, Cause.UNDONE), False


def _reverted_members(
    row: Field, replaced: tuple[Members, Members], live: Members, known: Applied | None, digester: Digester
) -> tuple[FieldChange | None, bool]:
    """Do the same for a set, member by member: those that the run did not touch stay as they are."""
    old, new = replaced
    touched = [each for each in (*old, *new) if old.get(each.key) != new.get(each.key)]
    keys = {each.key for each in touched}
    moved = [key for key in keys if live.get(key) not in (old.get(key), new.get(key))]
    due = {key for key in keys if key not in moved and live.get(key) != old.get(key)}
    delta = Delta(
        added=Members(tuple(each for each in old if each.key in due and new.get(each.key) is None)),
        removed=Members(tuple(each for each in new if each.key in due and old.get(each.key) is None)),
        changed=Members(tuple(each for each in old if each.key in due and new.get(each.key) is not None)),
        foreign=Members(tuple(each for each in live if each.key not in due)),
        remembered=_untouched(row, [each for each in touched if each.key in due], known, digester),
    )
    change = FieldChange(row.name, live, compose(live, delta), Cause.UNDONE, None, delta) if due else None
    return change, bool(moved)


def _untouched(
    row: Field, touched: Iterable[Member], known: Applied | None, digester: Digester
) -> Mapping[str, tuple[str, str]]:
    keys = {digester.member_key(row, each) for each in touched}
    return {} if known is None else {key: pair for key, pair in known.members.items() if key not in keys}


def _take_away(work: Work, created: Before) -> None:
    address = created.address
    binding = work.bindings.get(address)
    if binding is None:
        return
    record = work.record(address, binding.record_id)
    if record is None:
        work.gone.append((address, binding.record_id))
        return
    made = record.body.get("date_created")
    is_that = isinstance(made, int) and created.at - 60 <= made <= created.at + _CREATING_SECONDS
    if binding.origin is not Origin.CREATED or not is_that:
        unsafe: tuple[str, str] | None = ("It is another record than that run created.", "Remove it from the files.")
    else:
        unsafe = forbidden(work, address, record, {})
    if unsafe is not None:
        work.held.append(Held(address, *unsafe, None, None, *_who(record)))
        return
    if all(change.address != address for change in work.changes):
        work.changes.append(Change(address, Action.DELETE, *_who(record), (), None, "that run created it"))


def _make_again(work: Work, address: Address, record: Observed, again: Mapping[Pair, Address]) -> None:
    if address in work.bindings:
        reason = f"{address} names another record by now."
        work.held.append(Held(address, reason, f"Rename it: crmsync state mv {address} NEW", None, None, *_who(record)))
        return
    entity = work.catalogue[record.type]
    fields, lost = [], []
    for row in entity.fields:
        value = record.fields.get(row.name)
        after = _linked(work, row, value, again)
        if is_empty(after) or row.write is Write.NEVER:
            lost += [row.name] if not is_empty(value) and row.kind.is_reference else []
        else:
            fields.append(FieldChange(row.name, _nothing(row), after, Cause.CREATED))
    without = f", without its {', '.join(lost)}, which is gone" if lost else ""
    reason = f"made again from its copy, with another id and no history{without}"
    origin = Origin.CREATED
    work.changes.append(Change(address, Action.CREATE, None, record.name, tuple(fields), None, reason, origin))
    # No file declares it as long as nobody brings that back: then it is let go, not deleted once more.
    work.notes.append(Note(address, is_protected=False, on_delete="forget"))


def _nothing(row: Field) -> Value:
    return Members() if row.kind.is_set else None


def _finished(work: Work) -> Plan:
    changes = work.changes.in_order()
    steps = order(changes, work.catalogue, work.world.observed)
    totals: dict[str, int] = {}
    for address in work.bindings:
        totals[address.type] = totals.get(address.type, 0) + 1
    return Plan(
        changes=changes,
        steps=steps,
        held=tuple(sorted(work.held, key=held_order)),
        gone=tuple(sorted(set(work.gone))),
        notes=tuple(work.notes),
        breaches=guard.breaches(changes, totals, work.wishes.limits),
        counts=counts_of(changes, 0, len(work.held)),
        price=price(steps, work.catalogue, work.wishes.pace),
        is_partial=bool(work.wishes.only or work.wishes.excepted),
    )


def kept_for_good(then: Applied | None, now: Applied) -> Applied | None:
    """
    Return what the state shall know of a field that was put back: that the value stays until the file says something else.

    *then* is what it knew before the undo, *now* what it learnt. None: the field was not managed, and is not.
    """
    if then is None:
        return None
    members = {key: (asked, now.members.get(key, ("", ABSENT))[1]) for key, (asked, _) in then.members.items()}
    return Applied(then.asked, now.answered, members, is_kept=True)
