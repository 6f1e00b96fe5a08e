"""
The order of a plan: which step must wait for which, cycles cut, the same order every time.

Links wait for the records they name. A unique value (e-mail, domain) is released before it is taken. A record is
deleted after those that link to it and after the steps that unlink from it. A cycle of links between new records is
cut at links that are not required, which become follow-ups, and where the record that one named is to go it is cleared
first; a ring of unique values is broken by clearing one of them first; deletes that wait for each other need not.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, Field, Write
from crmsync.model.changes import WRITE, Steps, as_changes
from crmsync.model.events import WriteAction
from crmsync.model.packed import PackedFields, fields_named
from crmsync.model.plan import Action, Cause, Change, Delta, FieldChange, Step, StepId
from crmsync.model.records import Observed
from crmsync.model.values import Members, Value
from crmsync.plan.draftsteps import FOLLOW_RELATE, FOLLOW_UP, RELEASE, DraftSteps, Placed, in_order
from crmsync.plan.identity import keys_of

Graph = dict[StepId, set[StepId]]


@dataclass
class _Draft:
    """The steps while they are put in order, and what makes them wait."""

    catalogue: Catalogue
    observed: Mapping[tuple[str, int], Observed]
    steps: DraftSteps
    links: dict[tuple[StepId, str], StepId] = field(default_factory=dict)
    takes: dict[tuple[StepId, str], StepId] = field(default_factory=dict)
    extra: Graph = field(default_factory=dict)

    def prerequisites(self) -> Graph:
        """Return which steps each must wait for; of most that is none, and they are left out."""
        graph: Graph = {id: set(before) for id, before in self.extra.items() if before}
        for (id, _), before in (*self.links.items(), *self.takes.items()):
            graph.setdefault(id, set()).add(before)
        for earlier, later in itertools.pairwise(sorted(self.steps.others)):
            if earlier.address == later.address:
                graph.setdefault(later, set()).add(earlier)
        return graph


def order(changes: Sequence[Change], catalogue: Catalogue, observed: Mapping[tuple[str, int], Observed]) -> Steps:
    """Return the steps of *changes* in an order that can be carried out; *observed* holds every record they touch."""
    draft = _Draft(catalogue, observed, DraftSteps(as_changes(changes), catalogue))
    _wait_for_links(draft)
    _cut_links(draft)
    _wait_for_uniques(draft)
    _wait_for_unlinks(draft)
    _break_rings(draft)
    return _sorted(draft)


def _wait_for_links(draft: _Draft) -> None:
    links = {entity.name: {row.name for row in entity.links} for entity in draft.catalogue.types}
    found = [
        (step.id, change.field, StepId(change.after, WRITE))
        for step in draft.steps
        for change in fields_named(step.fields, links[step.address.type])
        if isinstance(change.after, Address)
    ]
    there = {id for id in sorted({target for _, _, target in found}, key=in_order) if id in draft.steps}
    draft.links.update(((id, name), target) for id, name, target in found if target in there and target != id)


def _cut_links(draft: _Draft) -> None:
    """Cut cycles among new records at links that an update can set later; at routed ones where nothing else helps."""
    rules: tuple[Callable[[Field], bool], ...] = (lambda row: row.write is Write.ALWAYS, lambda row: True)
    for may_cut in rules:
        core = _core(draft.prerequisites())
        for (id, name), target in sorted(draft.links.items()):
            row = draft.catalogue[id.address.type].by_name[name]
            if id in core and target in core and not row.required and may_cut(row):
                _postpone(draft, id, name)


def _postpone(draft: _Draft, id: StepId, name: str) -> None:
    """Move one link of a step into a follow-up of the same record; one to a record that is to go is cleared before."""
    step = draft.steps[id]
    row = draft.catalogue[id.address.type].by_name[name]
    moved = next(change for change in step.fields if change.field == name)
    left = [change for change in step.fields if change.field != name]
    if _is_awaited(draft, id, str(row.target), moved.before):
        left.append(replace(moved, after=None))
        moved = replace(moved, before=None)
    number, action = (FOLLOW_RELATE, WriteAction.RELATE) if row.route else (FOLLOW_UP, WriteAction.UPDATE)
    follow_id = StepId(id.address, number)
    earlier = draft.steps.get(follow_id)
    fields = (*(earlier.fields if earlier else ()), moved)
    draft.steps[id] = replace(step, fields=PackedFields(left))
    draft.steps[follow_id] = Step(follow_id, action, step.record_id, fields)
    draft.links[follow_id, name] = draft.links.pop((id, name))


def _is_awaited(draft: _Draft, id: StepId, type_name: str, record_id: Value) -> bool:
    """Say whether the delete of a record waits for a step, which unlinks from it."""
    waiting = (each for each, before in draft.extra.items() if id in before and each.address.type == type_name)
    return any(draft.steps[each].record_id == record_id for each in waiting)


def _core(graph: Graph) -> set[StepId]:
    """Return the steps that lie on cycles (or between two): what is left after peeling the graph from both ends."""
    forward = _peeled(graph)
    backward: Graph = {id: set() for id in graph}
    for id, before in graph.items():
        for each in before:
            backward.setdefault(each, set()).add(id)
    return set(graph) - forward - _peeled(backward)


def _peeled(graph: Graph) -> set[StepId]:
    sorter = TopologicalSorter(graph)
    with suppress(CycleError):  # get_ready still yields everything before the first cycle
        sorter.prepare()
    done: set[StepId] = set()
    while ready := sorter.get_ready():
        done.update(ready)
        sorter.done(*ready)
    return done


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
    released: dict[tuple[str, str, Value], StepId] = {}
    for id, row, before, after in _unique_changes(draft, draft.steps.of_existing()):
        for key in set(keys_of(before)) - set(keys_of(after)) - {None}:
            released[id.address.type, row.name, key] = id
    for id, row, before, after in _unique_changes(draft, draft.steps) if released else ():
        for key in sorted(set(keys_of(after)) - set(keys_of(before)) - {None}, key=str):
            holder = released.get((id.address.type, row.name, key))
            if holder is not None and holder.address != id.address:
                draft.takes[id, f"{row.name}\0{key}"] = holder


def _wait_for_unlinks(draft: _Draft) -> None:
    """Let a delete wait for the deletes of the records that link to it and for the steps that unlink from it."""
    deleting = draft.steps.changes.with_action(Action.DELETE)
    deleted = {(change.address.type, change.record_id): StepId(change.address, WRITE) for change in deleting}
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
            if target is not None and target != id and not _is_mutual(draft, target, id):
                draft.extra.setdefault(target, set()).add(id)


def _is_mutual(draft: _Draft, target: StepId, id: StepId) -> bool:
    """Say whether two deletes would wait for each other; then the type that stands first in the catalogue goes last."""
    if id not in draft.extra or target not in draft.extra[id]:
        return False
    names = [entity.name for entity in draft.catalogue.types]
    if names.index(id.address.type) < names.index(target.address.type):
        return True
    draft.extra[id].discard(target)
    return False


def _break_rings(draft: _Draft) -> None:
    """Break each remaining cycle: at a link that may wait, else by clearing a unique value first, else between deletes."""
    while core := _core(draft.prerequisites()):
        graph = {id: before & core for id, before in draft.prerequisites().items() if id in core}
        cycle = _cycle(graph)
        if cycle is None:
            return
        link = min((key for key, target in draft.links.items() if _may_wait(draft, key, target, cycle)), default=None)
        taken = min((key for key, holder in draft.takes.items() if _may_release(draft, key, holder, cycle)), default=None)
        if link is not None:
            _postpone(draft, *link)
        elif taken is not None:
            _release_first(draft, draft.takes[taken], taken[1].partition("\0")[0])
        else:
            waiting = min(id for id in cycle if draft.extra.get(id, set()) & cycle)
            draft.extra[waiting] -= cycle


def _may_wait(draft: _Draft, key: tuple[StepId, str], target: StepId, cycle: set[StepId]) -> bool:
    id, name = key
    row = draft.catalogue[id.address.type].by_name[name]
    return id in cycle and target in cycle and id.number == WRITE and not row.required


def _may_release(draft: _Draft, key: tuple[StepId, str], holder: StepId, cycle: set[StepId]) -> bool:
    """Say whether *holder* can give up the value early. A delete cannot: it was promised that nothing else touches it."""
    return {key[0], holder} <= cycle and draft.steps[holder].action is not WriteAction.DELETE


def _cycle(graph: Graph) -> set[StepId] | None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return set(error.args[1])
    return None


def _release_first(draft: _Draft, id: StepId, name: str) -> None:
    """Give *id*'s record a step of its own that gives up the unique values it loses, before everything else."""
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
        if holder == id and key[1].partition("\0")[0] == name:
            draft.takes[key] = release_id


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
    graph = draft.prerequisites()
    result = Steps(draft.steps.changes)
    for step, place in _pruned(_waves(draft, graph)):
        result.add(step, place)
    return result


def _waves(draft: _Draft, graph: Graph) -> Iterator[Placed]:
    rank = {entity.name: number for number, entity in enumerate(draft.catalogue.types)}
    followers: dict[StepId, list[StepId]] = {}
    for id, before in graph.items():
        for each in before:
            followers.setdefault(each, []).append(id)
    waiting = {id: len(before) for id, before in graph.items()}
    every = itertools.chain.from_iterable(map(draft.steps.of_type, rank))
    wave: Iterator[Placed] = (each for each in every if each[0].id not in graph)
    count = 0
    while True:
        ready: list[StepId] = []
        for step, place in wave:
            count += 1
            yield _after(step, graph), place
            ready += _released_by(step.id, followers, waiting)
        if not ready:
            break
        ready.sort(key=lambda each: (rank[each.address.type], *in_order(each)))
        wave = map(draft.steps.placed, ready)
    assert count == len(draft.steps), "cycles were cut"


def _after(step: Step, graph: Graph) -> Step:
    return replace(step, after=tuple(sorted(graph[step.id]))) if step.id in graph else step


def _released_by(done: StepId, followers: Mapping[StepId, Sequence[StepId]], waiting: dict[StepId, int]) -> Iterator[StepId]:
    """Yield the steps that wait for nothing any more once one is done."""
    for follower in followers.get(done, ()):
        waiting[follower] -= 1
        if not waiting[follower]:
            yield follower


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
