"""
The order of a plan: which step must wait for which, cycles cut, the same order every time.

Links wait for the records they name. A unique value (e-mail, domain) is released before it is taken. A record is
deleted after those that link to it and after the steps that unlink from it. A cycle of links between new records is
cut at links that are not required, which become follow-ups, and where the record that one named is to go it is cleared
first; a ring of unique values is broken by clearing one of them first; deletes that wait for each other need not.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from msgspec import Struct, field
from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, Field, Write
from crmsync.model.changes import MOST_STEPS, WRITE, Steps, as_changes
from crmsync.model.events import WriteAction
from crmsync.model.packed import PackedFields, fields_named
from crmsync.model.plan import Action, Cause, Change, Delta, FieldChange, Step, StepId
from crmsync.model.records import Observed
from crmsync.model.values import Members, Value
from crmsync.model.waits import Waits
from crmsync.plan.draftsteps import FOLLOW_RELATE, FOLLOW_UP, RELEASE, DraftSteps, Placed
from crmsync.plan.identity import keys_of
from crmsync.plan.numbering import Link, Links, StepNumbers


class _Draft(Struct):
    """
    The steps while they are put in order, and what makes them wait, by their numbers.

    *takes* says who gives up the unique value that a step takes, *extra* for which others a step waits.
    """

    catalogue: Catalogue
    observed: Mapping[tuple[str, int], Observed]
    steps: DraftSteps
    numbers: StepNumbers
    links: Links = field(default_factory=Links)
    takes: dict[tuple[int, str], int] = field(default_factory=dict)
    extra: dict[int, set[int]] = field(default_factory=dict)

    def pairs(self) -> tuple[Sequence[int], Sequence[int]]:
        """Return who must wait, and for whom."""
        others = [(id.address, self.numbers.of(id)) for id in sorted(self.steps.others)]
        more = [
            *((one, other) for one, before in self.extra.items() for other in before),
            *((one, other) for (one, _), other in self.takes.items()),
            *((later[1], earlier[1]) for earlier, later in itertools.pairwise(others) if earlier[0] == later[0]),
        ]
        who, whom = self.links.who[:], self.links.whom[:]
        who.extend(one for one, _ in more)
        whom.extend(other for _, other in more)
        return who, whom


def order(changes: Sequence[Change], catalogue: Catalogue, observed: Mapping[tuple[str, int], Observed]) -> Steps:
    """Return the steps of *changes* in an order that can be carried out; *observed* holds every record they touch."""
    ordered = as_changes(changes)
    draft = _Draft(catalogue, observed, DraftSteps(ordered, catalogue), StepNumbers(ordered))
    _wait_for_links(draft)
    _cut_links(draft)
    _wait_for_uniques(draft)
    _wait_for_unlinks(draft)
    _break_rings(draft)
    return _sorted(draft)


def _wait_for_links(draft: _Draft) -> None:
    names = {entity.name: {row.name for row in entity.links} for entity in draft.catalogue.types}
    found = Links()
    for step in draft.steps:
        for change in fields_named(step.fields, names[step.address.type]):
            target = draft.numbers.write(change.after) if isinstance(change.after, Address) else None
            if target is not None and target != draft.numbers.of(step.id):
                found.add(draft.numbers.of(step.id), change.field, target)
    there = {target for target in sorted(set(found.whom)) if draft.numbers.id(target) in draft.steps}
    for each in found.to(there):
        draft.links.add(each.who, each.field, each.whom)


def _cut_links(draft: _Draft) -> None:
    """Cut cycles among new records at links that an update can set later; at routed ones where nothing else helps."""
    rules: tuple[Callable[[Field], bool], ...] = (lambda row: row.write is Write.ALWAYS, lambda row: True)
    for may_cut in rules:
        for link in _sorted_links(draft, _core(draft)):
            row = draft.catalogue[draft.numbers.id(link.who).address.type].by_name[link.field]
            if not row.required and may_cut(row):
                _postpone(draft, link)


def _sorted_links(draft: _Draft, steps: Container[int]) -> list[Link]:
    """Return the links that some steps set to what others of them make, by address and field."""
    return sorted(draft.links.among(steps), key=lambda link: (draft.numbers.rank(link.who), link.field))


def _postpone(draft: _Draft, link: Link) -> None:
    """Move one link of a step into a follow-up of the same record; one to a record that is to go is cleared before."""
    id, name = draft.numbers.id(link.who), link.field
    step = draft.steps[id]
    row = draft.catalogue[id.address.type].by_name[name]
    moved = next(change for change in step.fields if change.field == name)
    left = [change for change in step.fields if change.field != name]
    if _is_awaited(draft, link.who, str(row.target), moved.before):
        left.append(replace(moved, after=None))
        moved = replace(moved, before=None)
    number, action = (FOLLOW_RELATE, WriteAction.RELATE) if row.route else (FOLLOW_UP, WriteAction.UPDATE)
    follow_id = StepId(id.address, number)
    earlier = draft.steps.get(follow_id)
    fields = (*(earlier.fields if earlier else ()), moved)
    draft.steps[id] = replace(step, fields=PackedFields(left))
    draft.steps[follow_id] = Step(follow_id, action, step.record_id, fields)
    draft.links.move(link.place, draft.numbers.of(follow_id))


def _is_awaited(draft: _Draft, step: int, type_name: str, record_id: Value) -> bool:
    """Say whether the delete of a record waits for a step, which unlinks from it."""
    waiting = (draft.numbers.id(each) for each, before in draft.extra.items() if step in before)
    return any(draft.steps[id].record_id == record_id for id in waiting if id.address.type == type_name)


def _core(draft: _Draft) -> set[int]:
    """Return the steps that lie on cycles, or between two: they wait for such, and such wait for them."""
    who, whom = draft.pairs()
    behind = Waits(len(draft.numbers), who, whom).entangled()
    return behind and behind & Waits(len(draft.numbers), whom, who).entangled()


def _unique_changes(draft: _Draft, steps: Iterable[Step]) -> Iterable[tuple[StepId, Field, Value, Value]]:
    """Yield each step and field with a unique value: what the record has before and after it."""
    uniques = {entity.name: {row.name for row in entity.uniques} for entity in draft.catalogue.types}
    for step in steps:
        id, entity = step.id, draft.catalogue[step.address.type]
        if step.action is WriteAction.DELETE and step.record_id is not None:
            record = draft.observed.get((entity.name, step.record_id))
            for row in entity.uniques:
                yield id, row, record.fields.get(row.name) if record else None, None
        for change in fields_named(step.fields, uniques[entity.name]):
            yield id, entity.by_name[change.field], change.before, change.after


def _wait_for_uniques(draft: _Draft) -> None:
    number = draft.numbers.of
    released: dict[tuple[str, str, Value], StepId] = {}
    for id, row, before, after in _unique_changes(draft, draft.steps.of_existing()):
        for key in set(keys_of(before)) - set(keys_of(after)) - {None}:
            released[id.address.type, row.name, key] = id
    for id, row, before, after in _unique_changes(draft, draft.steps) if released else ():
        for key in sorted(set(keys_of(after)) - set(keys_of(before)) - {None}, key=str):
            holder = released.get((id.address.type, row.name, key))
            if holder is not None and holder.address != id.address:
                draft.takes[number(id), f"{row.name}\0{key}"] = number(holder)


def _wait_for_unlinks(draft: _Draft) -> None:
    """Let a delete wait for the deletes of the records that link to it and for the steps that unlink from it."""
    deleting = draft.steps.changes.with_action(Action.DELETE)
    number = draft.numbers.of
    deleted = {(change.address.type, change.record_id): number(StepId(change.address, WRITE)) for change in deleting}
    if not deleted:
        return
    for step in draft.steps:
        id, entity = step.id, draft.catalogue[step.address.type]
        record = draft.observed.get((entity.name, step.record_id)) if step.record_id is not None else None
        if step.action is WriteAction.DELETE and record is not None:
            pairs = [(link, record.fields.get(link.name)) for link in entity.links]
        else:
            rows = ((entity.by_name[change.field], change) for change in step.fields)
            pairs = [(row, change.before) for row, change in rows if row.kind.is_reference]
        for link, target_id in pairs:
            target = deleted.get((str(link.target), target_id if isinstance(target_id, int) else None))
            if target is not None and target != number(id) and not _is_mutual(draft, target, number(id)):
                draft.extra.setdefault(target, set()).add(number(id))


def _is_mutual(draft: _Draft, target: int, step: int) -> bool:
    """Say whether two deletes would wait for each other; then the type that stands first in the catalogue goes last."""
    if step not in draft.extra or target not in draft.extra[step]:
        return False
    names = [entity.name for entity in draft.catalogue.types]
    mine, other = (names.index(draft.numbers.id(each).address.type) for each in (step, target))
    if mine < other:
        return True
    draft.extra[step].discard(target)
    return False


def _break_rings(draft: _Draft) -> None:
    """Break each remaining cycle: at a link that may wait, else by clearing a unique value first, else between deletes."""
    while core := _core(draft):
        cycle = _cycle(draft, core)
        if cycle is None:
            return
        links = [link for link in _sorted_links(draft, cycle) if _may_wait(draft, link)]
        takes = [key for key, holder in draft.takes.items() if _may_release(draft, key, holder, cycle)]
        if links:
            _postpone(draft, links[0])
        elif takes:
            first = min(takes, key=lambda key: (draft.numbers.rank(key[0]), key[1]))
            _release_first(draft, draft.takes[first], first[1].partition("\0")[0])
        else:
            waiting = min((each for each in cycle if draft.extra.get(each, set()) & cycle), key=draft.numbers.rank)
            draft.extra[waiting] -= cycle


def _may_wait(draft: _Draft, link: Link) -> bool:
    id = draft.numbers.id(link.who)
    return id.number == WRITE and not draft.catalogue[id.address.type].by_name[link.field].required


def _may_release(draft: _Draft, key: tuple[int, str], holder: int, cycle: set[int]) -> bool:
    """Say whether *holder* can give up the value early. A delete cannot: it was promised that nothing else touches it."""
    return {key[0], holder} <= cycle and draft.steps[draft.numbers.id(holder)].action is not WriteAction.DELETE


def _cycle(draft: _Draft, core: set[int]) -> set[int] | None:
    """Return the steps of one cycle among those of *core*, the same one every time."""
    pairs = {(who, whom) for who, whom in zip(*draft.pairs(), strict=True) if who in core and whom in core}
    sorter: TopologicalSorter[int] = TopologicalSorter()
    for who, whom in sorted(pairs, key=lambda pair: tuple(map(draft.numbers.rank, pair))):
        sorter.add(who, whom)
    try:
        sorter.prepare()
    except CycleError as error:
        return set(error.args[1])
    return None


def _release_first(draft: _Draft, number: int, name: str) -> None:
    """Give the record of a step another one that gives up the unique values it loses, before everything else."""
    id = draft.numbers.id(number)
    step = draft.steps[id]
    change = next(each for each in step.fields if each.field == name)
    released = _released(change)
    release_id = StepId(id.address, RELEASE)
    release = replace(change, after=released, cause=Cause.RELEASED, delta=_release_delta(change))
    earlier = draft.steps.get(release_id)
    released_fields = (*(earlier.fields if earlier else ()), release)
    draft.steps[release_id] = Step(release_id, WriteAction.UPDATE, step.record_id, released_fields)
    fields = PackedFields(replace(each, before=released) if each.field == name else each for each in step.fields)
    draft.steps[id] = replace(step, fields=fields)
    for key, holder in list(draft.takes.items()):
        if holder == number and key[1].partition("\0")[0] == name:
            draft.takes[key] = draft.numbers.of(release_id)


def _released(change: FieldChange) -> Value:
    """Return what is left of a unique value when everything that it loses is taken out."""
    if not isinstance(change.before, Members) or not isinstance(change.after, Members):
        return None
    stays = {member.key for member in change.after}
    return Members(tuple(member for member in change.before if member.key in stays))


def _release_delta(change: FieldChange) -> Delta | None:
    if change.delta is None:
        return None
    return Delta(removed=change.delta.removed, foreign=change.delta.foreign, remembered=change.delta.remembered)


def _sorted(draft: _Draft) -> Steps:
    """Return the steps wave by wave: those that wait for none, then those that waited for those; by name in each."""
    result = Steps(draft.steps.changes)
    who, whom = draft.pairs()
    if not who:
        for step, place in _pruned(_every(draft)):
            result.add(step, place)
        return result
    number, places = draft.numbers.of, array("I", bytes(4 * len(draft.numbers)))
    for step, place in _pruned(_waves(draft, who, whom)):
        places[number(step.id)] = result.filled
        result.add(step, place, [places[number(id)] for id in step.after])
    return result


def _every(draft: _Draft) -> Iterator[Placed]:
    """Yield the steps type by type, by name in each."""
    return itertools.chain.from_iterable(draft.steps.of_type(entity.name) for entity in draft.catalogue.types)


def _waves(draft: _Draft, who: Sequence[int], whom: Sequence[int]) -> Iterator[Placed]:
    numbers, rank = draft.numbers, {entity.name: place for place, entity in enumerate(draft.catalogue.types)}
    waits, before = Waits(len(numbers), who, whom), Waits(len(numbers), whom, who)
    is_waiting = bytearray(map(bool, waits.counts))

    def standing(number: int) -> int:
        return rank[numbers.id(number).address.type] * MOST_STEPS * len(numbers) + numbers.rank(number)

    wave: Iterator[Placed] = (each for each in _every(draft) if not is_waiting[numbers.of(each[0].id)])
    count = 0
    while True:
        ready = array("I")
        for step, place in wave:
            count += 1
            number = numbers.of(step.id)
            after = sorted(set(before.followers(number)), key=numbers.rank)
            yield (replace(step, after=tuple(map(numbers.id, after))) if after else step), place
            for each in waits.followers(number):
                waits.counts[each] -= 1
                if not waits.counts[each]:
                    ready.append(each)
        if not ready:
            break
        wave = map(draft.steps.placed, map(numbers.id, sorted(ready, key=standing)))
    assert count == len(draft.steps), "cycles were cut"


def pruned(steps: Iterable[Step]) -> Iterator[Step]:
    """Yield *steps* without those that have nothing to send; what waited for one waits for what that one waited for."""
    return (step for step, _ in _pruned((step, None) for step in steps))


def _pruned(steps: Iterable[Placed]) -> Iterator[Placed]:
    waits: dict[StepId, tuple[StepId, ...]] = {}
    for step, place in steps:
        after = step.after
        if any(before in waits for before in after):
            after = tuple(sorted({id for before in after for id in waits.get(before, (before,))}))
        if step.fields or step.action in (WriteAction.CREATE, WriteAction.DELETE):
            yield (step if after == step.after else replace(step, after=after)), place
        else:
            waits[step.id] = after
