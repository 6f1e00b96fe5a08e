"""
The order of a plan: which step must wait for which, cycles cut, the same order every time.

Links wait for the records they name. A unique value (e-mail, domain) is released before it is taken. A record is
deleted after those that link to it and after the steps that unlink from it. A cycle of links between new records is
cut at links that are not required, which become follow-ups; a ring of unique values is broken by clearing one of them
first; deletes that wait for each other need not.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, Field, Write
from crmsync.model.events import WriteAction
from crmsync.model.packed import PackedFields, fields_named
from crmsync.model.plan import Action, Cause, Change, Delta, FieldChange, Step, StepId
from crmsync.model.records import Observed
from crmsync.model.values import Members, Value
from crmsync.plan.identity import keys_of

#: Step numbers of one record; each waits for the lower ones.
_RELEASE, _WRITE, _UNRELATE, _RELATE, _FOLLOW_UP, _FOLLOW_RELATE = range(6)

Graph = dict[StepId, set[StepId]]


@dataclass
class _Draft:
    """The steps while they are put in order; *several* are the records that have more than one."""

    catalogue: Catalogue
    observed: Mapping[tuple[str, int], Observed]
    steps: dict[StepId, Step] = field(default_factory=dict)
    links: dict[tuple[StepId, str], StepId] = field(default_factory=dict)
    takes: dict[tuple[StepId, str], StepId] = field(default_factory=dict)
    extra: Graph = field(default_factory=dict)
    several: set[Address] = field(default_factory=set)

    def add(self, steps: Sequence[Step]) -> None:
        self.steps.update((step.id, step) for step in steps)
        if len(steps) > 1:
            self.several.add(steps[0].address)

    def add_another(self, step: Step) -> None:
        self.steps[step.id] = step
        self.several.add(step.address)

    def prerequisites(self) -> Graph:
        """Return which steps each must wait for; of most that is none, and they are left out."""
        graph: Graph = {id: set(before) for id, before in self.extra.items() if before}
        for (id, _), before in (*self.links.items(), *self.takes.items()):
            graph.setdefault(id, set()).add(before)
        by_record: dict[Address, list[StepId]] = {}
        for id in self.steps if self.several else ():
            if id.address in self.several:
                by_record.setdefault(id.address, []).append(id)
        for ids in by_record.values():
            for earlier, later in itertools.pairwise(sorted(ids)):
                graph.setdefault(later, set()).add(earlier)
        return graph


def order(changes: Iterable[Change], catalogue: Catalogue, observed: Mapping[tuple[str, int], Observed]) -> tuple[Step, ...]:
    """Return the steps of *changes* in an order that can be carried out; *observed* holds every record they touch."""
    draft = _Draft(catalogue, observed)
    for change in changes:
        draft.add(_steps(change, catalogue))
    _wait_for_links(draft)
    _cut_links(draft)
    _wait_for_uniques(draft)
    _wait_for_unlinks(draft)
    _break_rings(draft)
    return _sorted(draft)


def _steps(change: Change, catalogue: Catalogue) -> list[Step]:
    entity = catalogue[change.address.type]

    def step(number: int, action: WriteAction, fields: Sequence[FieldChange]) -> Step:
        return Step(StepId(change.address, number), action, change.record_id, fields)

    if change.action is Action.CREATE:
        return [step(_WRITE, WriteAction.CREATE, change.fields)]
    if change.action is Action.DELETE:
        return [step(_WRITE, WriteAction.DELETE, ())]
    if change.action is Action.FORGET:
        return []
    routed = [each for each in change.fields if entity.by_name[each.field].route]
    plain = change.fields
    if routed or change.along:
        plain = PackedFields([*(each for each in change.fields if not entity.by_name[each.field].route), *change.along])
    steps = [step(_WRITE, WriteAction.UPDATE, plain)] if plain else []
    for each in routed:
        if each.before is not None:
            steps.append(step(_UNRELATE, WriteAction.UNRELATE, (replace(each, after=None),)))
        if each.after is not None:
            steps.append(step(_RELATE, WriteAction.RELATE, (replace(each, before=None),)))
    return steps


def _wait_for_links(draft: _Draft) -> None:
    links = {entity.name: {row.name for row in entity.links} for entity in draft.catalogue.types}
    for id, step in draft.steps.items():
        for change in fields_named(step.fields, links[id.address.type]):
            if isinstance(change.after, Address):
                target = StepId(change.after, _WRITE)
                if target in draft.steps and target != id:
                    draft.links[id, change.field] = target


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
    """Move one link of a step into a follow-up of the same record."""
    step = draft.steps[id]
    row = draft.catalogue[id.address.type].by_name[name]
    moved = next(change for change in step.fields if change.field == name)
    number, action = (_FOLLOW_RELATE, WriteAction.RELATE) if row.route else (_FOLLOW_UP, WriteAction.UPDATE)
    follow_id = StepId(id.address, number)
    earlier = draft.steps.get(follow_id)
    fields = (*(earlier.fields if earlier else ()), moved)
    draft.steps[id] = replace(step, fields=PackedFields(change for change in step.fields if change.field != name))
    draft.add_another(Step(follow_id, action, step.record_id, fields))
    draft.links[follow_id, name] = draft.links.pop((id, name))


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


def _unique_changes(draft: _Draft) -> Iterable[tuple[StepId, Field, Value, Value]]:
    """Yield each step and field with a unique value: what the record has before and after it."""
    uniques = {entity.name: {row.name for row in entity.uniques} for entity in draft.catalogue.types}
    for id, step in sorted(draft.steps.items(), key=lambda each: in_order(each[0])):
        entity = draft.catalogue[id.address.type]
        if step.action is WriteAction.DELETE and step.record_id is not None:
            record = draft.observed.get((entity.name, step.record_id))
            for row in entity.uniques:
                yield id, row, record.fields.get(row.name) if record else None, None
        for change in fields_named(step.fields, uniques[entity.name]):
            yield id, entity.by_name[change.field], change.before, change.after


def _wait_for_uniques(draft: _Draft) -> None:
    released: dict[tuple[str, str, Value], StepId] = {}
    for id, row, before, after in _unique_changes(draft):
        for key in set(keys_of(before)) - set(keys_of(after)) - {None}:
            released[id.address.type, row.name, key] = id
    for id, row, before, after in _unique_changes(draft) if released else ():
        for key in sorted(set(keys_of(after)) - set(keys_of(before)) - {None}, key=str):
            holder = released.get((id.address.type, row.name, key))
            if holder is not None and holder.address != id.address:
                draft.takes[id, f"{row.name}\0{key}"] = holder


def _wait_for_unlinks(draft: _Draft) -> None:
    """Let a delete wait for the deletes of the records that link to it and for the steps that unlink from it."""
    deleted = {
        (id.address.type, step.record_id): id for id, step in draft.steps.items() if step.action is WriteAction.DELETE
    }
    if not deleted:
        return
    for id, step in draft.steps.items():
        entity = draft.catalogue[id.address.type]
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
    return id in cycle and target in cycle and id.number == _WRITE and not row.required


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
    release_id = StepId(id.address, _RELEASE)
    release = replace(change, after=released, cause=Cause.RELEASED, delta=_release_delta(change))
    earlier = draft.steps.get(release_id)
    released_fields = (*(earlier.fields if earlier else ()), release)
    draft.add_another(Step(release_id, WriteAction.UPDATE, step.record_id, released_fields))
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


def _sorted(draft: _Draft) -> tuple[Step, ...]:
    """Return the steps wave by wave: those that wait for none, then those that waited for those; by name in each."""
    graph = draft.prerequisites()
    rank = {entity.name: number for number, entity in enumerate(draft.catalogue.types)}
    followers: dict[StepId, list[StepId]] = {}
    for id, before in graph.items():
        for each in before:
            followers.setdefault(each, []).append(id)
    waiting = {id: len(before) for id, before in graph.items()}
    ready = [id for id in draft.steps if id not in graph]
    result: list[Step] = []
    while ready:
        ready.sort(key=lambda each: (rank[each.address.type], *in_order(each)))
        result += (_after(draft.steps[id], graph) for id in ready)
        ready = list(_released_by(ready, followers, waiting))
    assert len(result) == len(draft.steps), "cycles were cut"
    return pruned(result)


def _after(step: Step, graph: Graph) -> Step:
    return replace(step, after=tuple(sorted(graph[step.id]))) if step.id in graph else step


def _released_by(
    done: Iterable[StepId], followers: Mapping[StepId, Sequence[StepId]], waiting: dict[StepId, int]
) -> Iterator[StepId]:
    """Yield the steps that wait for nothing any more once those are done."""
    for id in done:
        for follower in followers.get(id, ()):
            waiting[follower] -= 1
            if not waiting[follower]:
                yield follower


def in_order(id: StepId) -> tuple[str, str, int]:
    """Return what many steps are sorted by: to compare two of them takes ten times as long."""
    return id.address.type, id.address.key, id.number


def pruned(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return *steps* without those that have nothing to send; what waited for one waits for what that one waited for."""
    waits: dict[StepId, tuple[StepId, ...]] = {}
    result = []
    for step in steps:
        after = step.after
        if any(before in waits for before in after):
            after = tuple(sorted({id for before in after for id in waits.get(before, (before,))}))
        if step.fields or step.action in (WriteAction.CREATE, WriteAction.DELETE):
            result.append(step if after == step.after else replace(step, after=after))
        else:
            waits[step.id] = after
    return tuple(result)
