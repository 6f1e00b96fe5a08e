"""
What a plan must look at in Copper, and nothing more.

Bound records by their ids, 200 a request; records without a binding by their natural keys, or in one scan of the type
where that takes fewer requests; what lookups in the files name; and what is related to a record that may be deleted.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping
from functools import partial

from msgspec import Struct, field

from crmsync import resolve
from crmsync.copper import read
from crmsync.copper.client import Client
from crmsync.model.address import Address
from crmsync.model.bodies import decode_body
from crmsync.model.catalogue import STAMP, Catalogue, EntityType, Field
from crmsync.model.events import Origin
from crmsync.model.packed import PackedObserved
from crmsync.model.records import Declared, Moved, Observed
from crmsync.model.rows import Pile
from crmsync.model.state import Binding, State, record_id, record_ids
from crmsync.model.texts import Texts
from crmsync.model.values import Members
from crmsync.plan.identity import keys_of
from crmsync.project.looking import Looking

#: From this many searches on it is worth asking how large a scan would be.
FEW_NAMES = 3

Seen = MutableMapping[tuple[str, int], Observed]


class Gathered(Struct):
    """What was seen: records by (type, id), what is related to those that may be deleted, what lookups found."""

    observed: Seen
    related: dict[tuple[str, int], tuple[tuple[str, int], ...]] = field(default_factory=dict)
    found: dict[tuple[str, str, str], tuple[Observed, ...]] = field(default_factory=dict)


class _Taking:
    """Who is to have which unique *texts*: *who* are ids of records, or None for a new one, *what* the places of texts."""

    def __init__(self) -> None:
        self.texts = Texts()
        self.who: list[int | None] = []
        self.what = array("I")

    def add(self, who: int | None, text: str) -> None:
        self.who.append(who)
        self.what.append(self.texts.add(text))


class _Mine(Struct):
    """
    What the files say of one type, as far as it decides what is looked at.

    *ids* are those that files name. *texts* are the keys, by field, of records that may be any one of Copper's. *taking*
    tells, by field, of the others whose record is known and of those that are new.
    """

    ids: set[int] = field(default_factory=set)
    has_unbound: bool = False
    texts: dict[str, Texts] = field(default_factory=dict)
    taking: dict[str, _Taking] = field(default_factory=dict)


def gather(
    looking: Looking,
    catalogue: Catalogue,
    declared: Mapping[Address, Declared],
    state: State,
    moved: Iterable[Moved],
    is_destroy: bool,
    holders: resolve.Holders | None = None,
    asking: Mapping[Address, Declared] | None = None,
    pile: Pile | None = None,
) -> Gathered:
    """
    Return everything that planning needs to see, many records in *pile*; *holders* as for `resolve.lookups`.

    *asking* are the records whose files look others up, where that is known without looking at each.
    """
    gathered = Gathered(PackedObserved(pile))
    client = looking.client
    renamed = _origins({each.destination: each.origin for each in moved if each.origin not in declared}, state)
    files = _of_files(catalogue, declared, state, renamed)
    bound: dict[str, set[int]] = {}
    for address, id in record_ids(state.bindings):
        bound.setdefault(address.type, set()).add(id)
    for entity in catalogue.types:
        mine = files.pop(entity.name)
        _see_ids(looking, catalogue, entity, bound.pop(entity.name, set()) | mine.ids, gathered.observed)
        if not is_destroy:
            _see_candidates(client, catalogue, entity, mine, gathered.observed)
            _see_holders(client, catalogue, entity, mine, gathered.observed)
    _see_relinked(looking, catalogue, gathered.observed)
    if not is_destroy:
        for lookup in resolve.lookups(declared if asking is None else asking, catalogue, holders=holders):
            gathered.found[lookup] = tuple(_look_up(client, catalogue, *lookup))
    vanished = {
        (address.type, binding.record_id)
        for address, binding in _vanished(declared, state, is_destroy)
        if binding.origin is Origin.CREATED
    }
    renaming = {renamed[each] for each in renamed if each in declared}
    vanished -= {(each.type, record_id(state.bindings, each)) for each in renaming if each in state.bindings}
    _see_related(looking, catalogue, sorted(pair for pair in vanished if pair in gathered.observed), gathered)
    return gathered


def _vanished(declared: Mapping[Address, Declared], state: State, is_destroy: bool) -> Iterator[tuple[Address, Binding]]:
    """Yield what is bound and no file declares."""
    return ((each, state.bindings[each]) for each in state.bindings if is_destroy or each not in declared)


def _of_files(
    catalogue: Catalogue, declared: Mapping[Address, Declared], state: State, renamed: Mapping[Address, Address]
) -> dict[str, _Mine]:
    """Return by type what the files say, in one pass: each record is made for it anew."""
    files = {entity.name: _Mine() for entity in catalogue.types}
    rungs = {entity.name: [match.by for match in entity.match_on] for entity in catalogue.types}
    uniques = {entity.name: [row.name for row in entity.uniques] for entity in catalogue.types}
    for each in declared.values():
        name, options = each.address.type, each.options
        mine = files[name]
        if options.id is not None:
            mine.ids.add(options.id)
        is_unbound = options.id is None and not _is_bound(each.address, state, renamed)
        mine.has_unbound |= is_unbound
        if is_unbound and not options.is_new:  # these keys are searched for all the same
            for by in rungs[name]:
                known = mine.texts.setdefault(by, Texts())
                for text in _texts(each, by):
                    known.add(text)
            continue
        who = None if options.is_new else _record_of(each, state, renamed)
        for unique in uniques[name] if options.is_new or who is not None else ():
            for text in _texts(each, unique):
                mine.taking.setdefault(unique, _Taking()).add(who, text)
    return files


def _origins(renamed: Mapping[Address, Address], state: State) -> dict[Address, Address]:
    """Return, for each new address, the bound one that it comes from, over as many `moved` lines as it takes."""
    origins = {}
    for destination in renamed:
        origin, passed = destination, {destination}
        while origin not in state.bindings and renamed.get(origin, origin) not in passed:
            origin = renamed[origin]
            passed.add(origin)
        if origin != destination:
            origins[destination] = origin
    return origins


def _is_bound(address: Address, state: State, renamed: Mapping[Address, Address]) -> bool:
    return address in state.bindings or renamed.get(address) in state.bindings


def _see(catalogue: Catalogue, entity: EntityType, body: Mapping[str, object], seen: Seen) -> None:
    record = decode_body(entity, body, catalogue.locale)
    seen[entity.name, record.id] = record


def _see_all(catalogue: Catalogue, entity: EntityType, bodies: Iterable[Mapping[str, object]], seen: Seen) -> None:
    for body in bodies:
        _see(catalogue, entity, body, seen)


def _see_ids(looking: Looking, catalogue: Catalogue, entity: EntityType, ids: Iterable[int], seen: Seen) -> None:
    """See the records with *ids*, those that exist."""
    wanted = set(ids) - {id for type_name, id in seen if type_name == entity.name}
    if wanted:
        _see_all(catalogue, entity, looking.each(entity, wanted), seen)


def _see_relinked(looking: Looking, catalogue: Catalogue, seen: Seen) -> None:
    """See again the records whose links changed because another one is gone."""
    for entity in catalogue.types:
        ids = [id for type_name, id in seen if type_name == entity.name]
        _see_all(catalogue, entity, looking.relinked(entity, ids).values(), seen)


def _see_candidates(client: Client, catalogue: Catalogue, entity: EntityType, mine: _Mine, seen: Seen) -> None:
    """See the records that unbound ones may be, by each rung of the identity ladder."""
    keep = partial(_see, catalogue, entity, seen=seen)
    if mine.has_unbound and any(match.by == STAMP for match in entity.match_on):
        # Copper does not search the text of a custom field (copper-api.md 6.2), so all are looked at.
        read.each_of_all(client, entity.path, keep)
        return
    for match in entity.match_on:
        _by(client, entity, match.by, mine.texts.pop(match.by, ()), keep)


def _record_of(declared: Declared, state: State, renamed: Mapping[Address, Address]) -> int | None:
    """Return the record that *declared* is known to be before anything is searched for."""
    origin = declared.address if declared.address in state.bindings else renamed.get(declared.address, declared.address)
    return record_id(state.bindings, origin) if origin in state.bindings else declared.options.id


def _see_holders(client: Client, catalogue: Catalogue, entity: EntityType, mine: _Mine, seen: Seen) -> None:
    """See who holds a unique value that a record is to get: a plan that Copper would refuse says so itself."""
    for row in entity.uniques:
        taking = mine.taking.pop(row.name, None) or _Taking()
        is_wanted = bytearray(len(taking.texts))
        for who, what in zip(taking.who, taking.what, strict=True):
            is_wanted[what] |= who is None or (entity.name, who) in seen
        for pair in [pair for pair in seen if pair[0] == entity.name] if any(is_wanted) else ():
            for place in map(taking.texts.place, _shown(seen[pair], row)):
                if place is not None:
                    is_wanted[place] = False
        texts = [text for text, is_left in zip(taking.texts, is_wanted, strict=True) if is_left]
        _by(client, entity, row.name, texts, partial(_see, catalogue, entity, seen=seen))


def _shown(record: Observed, row: Field) -> Iterable[str]:
    return (str(key) for key in keys_of(record.fields.get(row.name)) if key is not None)


def _texts(declared: Declared, name: str) -> list[str]:
    each = declared.fields.get(name)
    if each is None or each.value is None:
        return []
    if isinstance(each.value, Members):
        return [str(member.key) for member in each.value]
    return [str(each.value)]


def _by(client: Client, entity: EntityType, name: str, texts: Collection[str], keep: Callable[[read.Body], None]) -> None:
    """Keep each record that may have one of *texts* in the field *name*, found in the cheapest way."""
    search = entity.by_name[name].filter
    if not texts or search is None:
        return
    searches = math.ceil(len(texts) / read.TEXTS_PER_CALL) if search.takes_many else len(texts)
    if searches >= FEW_NAMES:
        pages = math.ceil(read.count(client, entity.path) / read.PAGE_SIZE)
        if pages <= searches:
            read.each_of_all(client, entity.path, keep, readings=read.READINGS)
            return
    for body in read.by_texts(client, entity.path, search.key, texts, search.takes_many):
        keep(body)


def _look_up(client: Client, catalogue: Catalogue, type_name: str, by: str, text: str) -> Iterable[Observed]:
    """Return the records of Copper that a lookup in a file means, compared exactly."""
    entity = catalogue[type_name]
    row = entity.by_name[by]
    bodies: list[read.Body] = []
    _by(client, entity, by, [text], bodies.append)
    for body in bodies:
        record = decode_body(entity, body, catalogue.locale)
        value = record.fields.get(row.name)
        keys = {str(member.key) for member in value} if isinstance(value, Members) else {str(value)}
        if text in keys or text.casefold() in keys:
            yield record


def _see_related(looking: Looking, catalogue: Catalogue, pairs: list[tuple[str, int]], gathered: Gathered) -> None:
    types = {entity.singular: entity for entity in catalogue.types}
    wanted: dict[str, set[int]] = {}
    for type_name, id in pairs:
        bodies = read.related(looking.client, catalogue[type_name].path, id)
        related = tuple((str(body["type"]), int(body["id"])) for body in bodies)
        gathered.related[type_name, id] = related
        for singular, other in related:
            if singular in types:
                wanted.setdefault(singular, set()).add(other)
    for singular, ids in sorted(wanted.items()):
        _see_ids(looking, catalogue, types[singular], ids, gathered.observed)
