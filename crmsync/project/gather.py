"""
What a plan must look at in Copper, and nothing more.

Bound records by their ids, 200 a request; records without a binding by their natural keys, or in one scan of the type
where that takes fewer requests; what lookups in the files name; and what is related to a record that may be deleted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from crmsync import resolve
from crmsync.copper import read
from crmsync.copper.client import Client
from crmsync.model.address import Address
from crmsync.model.bodies import decode_body
from crmsync.model.catalogue import STAMP, Catalogue, EntityType, Field
from crmsync.model.events import Origin
from crmsync.model.records import Declared, Moved, Observed
from crmsync.model.state import State
from crmsync.model.values import Members
from crmsync.plan.identity import keys_of
from crmsync.project.looking import Looking

#: From this many searches on it is worth asking how large a scan would be.
FEW_NAMES = 3

Seen = dict[tuple[str, int], Observed]


@dataclass
class Gathered:
    """What was seen: records by (type, id), what is related to those that may be deleted, what lookups found."""

    observed: Seen = field(default_factory=dict)
    related: dict[tuple[str, int], tuple[tuple[str, int], ...]] = field(default_factory=dict)
    found: dict[tuple[str, str, str], tuple[Observed, ...]] = field(default_factory=dict)


def gather(
    looking: Looking,
    catalogue: Catalogue,
    declared: Mapping[Address, Declared],
    state: State,
    moved: Iterable[Moved],
    is_destroy: bool,
    holders: resolve.Holders | None = None,
) -> Gathered:
    """Return everything that planning needs to see; *holders* as for `resolve.lookups`."""
    gathered = Gathered()
    client = looking.client
    renamed = _origins({each.destination: each.origin for each in moved if each.origin not in declared}, state)
    for entity in catalogue.types:
        ids = {binding.record_id for address, binding in state.bindings.items() if address.type == entity.name}
        mine = [each for each in declared.values() if each.address.type == entity.name]
        ids |= {each.options.id for each in mine if each.options.id is not None}
        _see_ids(looking, catalogue, entity, ids, gathered.observed)
        unbound = [each for each in mine if not _is_bound(each.address, state, renamed) and each.options.id is None]
        if not is_destroy:
            _see_candidates(client, catalogue, entity, unbound, gathered.observed)
            new = {each.address for each in unbound if not each.options.is_new}  # their keys were searched for just now
            taking = [(each, _record_of(each, state, renamed)) for each in mine if each.address not in new]
            _see_holders(client, catalogue, entity, taking, gathered.observed)
    _see_relinked(looking, catalogue, gathered.observed)
    if not is_destroy:
        for lookup in resolve.lookups(declared, catalogue, holders=holders):
            gathered.found[lookup] = tuple(_look_up(client, catalogue, *lookup))
    vanished = {
        (address.type, binding.record_id)
        for address, binding in state.bindings.items()
        if binding.origin is Origin.CREATED and (is_destroy or address not in declared)
    }
    renaming = {renamed[each] for each in declared if each in renamed}
    vanished -= {(each.type, state.bindings[each].record_id) for each in renaming if each in state.bindings}
    _see_related(looking, catalogue, sorted(vanished & set(gathered.observed)), gathered)
    return gathered


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


def _see(catalogue: Catalogue, entity: EntityType, bodies: Iterable[Mapping[str, object]], seen: Seen) -> None:
    for body in bodies:
        record = decode_body(entity, body, catalogue.locale)
        seen[entity.name, record.id] = record


def _see_ids(looking: Looking, catalogue: Catalogue, entity: EntityType, ids: Iterable[int], seen: Seen) -> None:
    """See the records with *ids*, those that exist."""
    wanted = set(ids) - {id for type_name, id in seen if type_name == entity.name}
    if wanted:
        _see(catalogue, entity, looking.bodies(entity, wanted).values(), seen)


def _see_relinked(looking: Looking, catalogue: Catalogue, seen: Seen) -> None:
    """See again the records whose links changed because another one is gone."""
    for entity in catalogue.types:
        ids = [id for type_name, id in seen if type_name == entity.name]
        _see(catalogue, entity, looking.relinked(entity, ids).values(), seen)


def _see_candidates(client: Client, catalogue: Catalogue, entity: EntityType, unbound: list[Declared], seen: Seen) -> None:
    """See the records that *unbound* ones may be, by each rung of the identity ladder."""
    if unbound and any(match.by == STAMP for match in entity.match_on):
        # Copper does not search the text of a custom field (copper-api.md 6.2), so all are looked at.
        _see(catalogue, entity, read.search_all(client, entity.path), seen)
        return
    for match in entity.match_on:
        texts = sorted({text for each in unbound for text in _texts(each, match.by) if not each.options.is_new})
        _see(catalogue, entity, _by(client, entity, match.by, texts), seen)


def _record_of(declared: Declared, state: State, renamed: Mapping[Address, Address]) -> int | None:
    """Return the record that *declared* is known to be before anything is searched for."""
    origin = declared.address if declared.address in state.bindings else renamed.get(declared.address, declared.address)
    return state.bindings[origin].record_id if origin in state.bindings else declared.options.id


def _see_holders(
    client: Client, catalogue: Catalogue, entity: EntityType, taking: list[tuple[Declared, int | None]], seen: Seen
) -> None:
    """See who holds a unique value that one of *taking* is to get: a plan that Copper would refuse says so itself."""
    for row in entity.uniques:
        known = {key for (type_name, _), record in seen.items() if type_name == entity.name for key in _shown(record, row)}
        texts: set[str] = set()
        for declared, id in taking:
            record = seen.get((entity.name, id)) if id is not None else None
            if record is not None or declared.options.is_new:
                texts.update(_texts(declared, row.name))
        _see(catalogue, entity, _by(client, entity, row.name, sorted(texts - known)), seen)


def _shown(record: Observed, row: Field) -> Iterable[str]:
    return (str(key) for key in keys_of(record.fields.get(row.name)) if key is not None)


def _texts(declared: Declared, name: str) -> list[str]:
    each = declared.fields.get(name)
    if each is None or each.value is None:
        return []
    if isinstance(each.value, Members):
        return [str(member.key) for member in each.value]
    return [str(each.value)]


def _by(client: Client, entity: EntityType, name: str, texts: list[str]) -> list[read.Body]:
    """Return records that may have one of *texts* in the field *name*, in the cheapest way."""
    search = entity.by_name[name].filter
    if not texts or search is None:
        return []
    searches = math.ceil(len(texts) / read.TEXTS_PER_CALL) if search.takes_many else len(texts)
    if searches >= FEW_NAMES:
        pages = math.ceil(read.count(client, entity.path) / read.PAGE_SIZE)
        if pages <= searches:
            return read.search_all(client, entity.path, readings=read.READINGS)
    return read.by_texts(client, entity.path, search.key, texts, search.takes_many)


def _look_up(client: Client, catalogue: Catalogue, type_name: str, by: str, text: str) -> Iterable[Observed]:
    """Return the records of Copper that a lookup in a file means, compared exactly."""
    entity = catalogue[type_name]
    row = entity.by_name[by]
    for body in _by(client, entity, by, [text]):
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
