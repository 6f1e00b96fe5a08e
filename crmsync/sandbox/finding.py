"""Finding the records of a search without looking at all of them, where an index or a kept order allows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from crmsync.sandbox.codec import read_number
from crmsync.sandbox.filters import FILTERS, NOBODY, Test, read_ids
from crmsync.sandbox.orders import Order
from crmsync.sandbox.replies import Json, dump_text
from crmsync.sandbox.sorts import SORTS, sort_key
from crmsync.sandbox.store import Record, canonical
from crmsync.sandbox.tables import EntityRow
from crmsync.sandbox.world import World

NARROW = 4
"""Fewer than one in so many records are sorted on their own rather than picked out of the whole order."""

DATES = ("date_created", "date_modified")


class Rows(Sequence[Record]):
    """The records of a stretch of an order, looked up only when a page is cut."""

    def __init__(self, table: Mapping[int, Record], order: Order, start: int, end: int) -> None:
        self._table = table
        self._order = order
        self._start = start
        self._end = end

    def __len__(self) -> int:
        return self._end - self._start

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            start, end, _ = at.indices(len(self))
            return [self._table[id] for id in self._order[self._start + start : self._start + end]]
        return self._table[self._order[self._start + at]]


def cut(matches: Sequence[Record], start: int, end: int, descending: bool) -> Sequence[Record]:
    """Return the records from *start* to *end* of the matches, counted from their other end if *descending*."""
    if not descending:
        return matches[start:end]
    count = len(matches)
    return matches[max(count - end, 0) : max(count - start, 0)][::-1]


def find(world: World, row: EntityRow, body: Mapping[str, Json], tests: dict[str, Test], name: str) -> Sequence[Record]:
    """Return the records that pass the *tests*, read from *body*, in ascending order of the sort *name*."""
    table = world.store.records[row.plural]
    tests = tests | _unseen(world, row, body)
    key = sort_key(world, SORTS[row.plural][name].key)
    if world.quirks.search_lag:
        # Ghosts are in no index, so a lag means looking at everything.
        return _sorted(_lagging(world, row.plural, table.values()), tests, key)
    narrow = _candidates(world, row, body)
    if narrow is not None:
        return _sorted((table[id] for id in set(narrow) if id in table), tests, key)
    order = _order(world, row, name)
    stretch = _stretch(world, row, body)
    if stretch is not None:
        field, dates, start, end = stretch
        rest = {key: test for key, test in tests.items() if FILTERS[row.plural].get(key, NONE).field != field}
        if field == name and not rest:
            return Rows(table, dates, start, end)
        if field == name or (end - start) * NARROW < len(table):
            found = (table[id] for id in dates[start:end])
            return [r for r in found if _passes(r, rest)] if field == name else _sorted(found, rest, key)
    if order is not None and not tests:
        return Rows(table, order, 0, len(order))
    return _remembered(world, f"{row.plural}/{name}", body, lambda: _scan(table, order, tests, key))


def _scan(
    table: Mapping[int, Record], order: Order | None, tests: Mapping[str, Test], key: Callable[[Record], Any]
) -> list[Record]:
    """Look at every record."""
    if order is None:
        return _sorted(table.values(), tests, key)
    if len(tests) == 1:
        [check] = tests.values()
        return [record for record in map(table.__getitem__, order) if check(record)]
    return [record for record in map(table.__getitem__, order) if _passes(record, tests)]


def _remembered(world: World, place: str, body: Mapping[str, Json], look: Callable[[], list[Record]]) -> list[Record]:
    """Return what *look* found last for the same criteria, as long as nothing was changed since."""
    criteria = {key: body[key] for key in sorted(body) if key not in PAGING}
    question = f"{place} {world.quirks} {dump_text(criteria)}"
    version, found = world.store.memo.get(question, NOTHING)
    # `age` asks for another time with each request.
    if version != world.store.version or "age" in body:
        found = look()
        world.store.memo = dict(list(world.store.memo.items())[-REMEMBERED:])
        world.store.memo[question] = (world.store.version, found)
    return found


REMEMBERED = 3
NOTHING: tuple[int, list[Record]] = (-1, [])
PAGING = ("page_number", "page_size", "sort_by", "sort_direction")


NONE = FILTERS["people"]["custom_fields"]


def _passes(record: Record, tests: Mapping[str, Test]) -> bool:
    return all(test(record) for test in tests.values())


def _sorted(records: Iterable[Record], tests: Mapping[str, Test], key: Callable[[Record], Any]) -> list[Record]:
    return sorted((r for r in records if _passes(r, tests)), key=lambda record: (key(record), record["id"]))


def _order(world: World, row: EntityRow, name: str) -> Order | None:
    sort = SORTS[row.plural][name]
    return world.store.in_order(row.plural, name, sort_key(world, sort.key), sort.depends) if sort.is_kept else None


def _unseen(world: World, row: EntityRow, body: Mapping[str, Json]) -> dict[str, Test]:
    """Return tests for what a search leaves out unasked: hidden records, and leads that were converted."""
    tests: dict[str, Test] = {}
    hidden = world.store.hidden[row.plural]
    if hidden:
        tests["hidden"] = lambda record: record["id"] not in hidden
    any_converted = row.plural == "leads" and bool(world.store.keys("leads", "converted_contact_id"))
    if any_converted and str(body.get("include_converted_leads", "")).lower() != "true":
        tests["converted"] = lambda record: record["converted_at"] is None
    return tests


def _stretch(world: World, row: EntityRow, body: Mapping[str, Json]) -> tuple[str, Order, int, int] | None:
    """Return the shortest stretch of a date's order that the bounds in *body* allow, or None without bounds."""
    found = []
    for name in DATES:
        low, high = (read_number(body.get(f"{end}_{name[5:]}_date")) for end in ("minimum", "maximum"))
        if low is not None or high is not None:
            order = _order(world, row, name)
            assert order is not None
            bounds = [(False, bound) if bound is not None else None for bound in (low, high)]
            found.append((name, order, *order.window(*bounds)))
    return min(found, key=lambda stretch: stretch[3] - stretch[2], default=None)


def _by_ids(world: World, row: EntityRow, value: Json) -> Iterable[int] | None:
    return read_ids(world, value)


def _by_text(field: str) -> Callable[[World, EntityRow, Json], Iterable[int] | None]:
    def ids(world: World, row: EntityRow, value: Json) -> Iterable[int]:
        name = "email" if field == "emails" and row.plural == "leads" else field
        texts = value if isinstance(value, list) else [value]
        return [id for text in texts for id in world.store.ids(row.plural, name, canonical(text))]

    return ids


def _by_link(field: str) -> Callable[[World, EntityRow, Json], Iterable[int] | None]:
    def ids(world: World, row: EntityRow, value: Json) -> Iterable[int] | None:
        wanted = read_ids(world, value, allows_empty=True)
        if not wanted or NOBODY in wanted:
            return None
        groups = [world.store.ids(row.plural, field, id) for id in wanted]
        few = sum(map(len, groups)) * NARROW < len(world.store.records[row.plural])
        return [id for group in groups for id in group] if few else None

    return ids


LINKS = ("assignee_id", "company_id", "primary_contact_id", "contact_type_id", "customer_source_id", "loss_reason_id")
INDEXES: dict[str, tuple[str, str, Callable[[World, EntityRow, Json], Iterable[int] | None]]] = {
    # filter: (quirk, the value under which the index gives every match, look-up), the narrowest first
    "ids": ("", "", _by_ids),
    "emails": ("email_filter", "exact", _by_text("emails")),
    "email_domains": ("email_filter", "exact", _by_text("email_domain")),
    "name": ("name_filter", "exact", _by_text("name")),
    **{f"{field}s": ("", "", _by_link(field)) for field in (*LINKS, "pipeline_id", "pipeline_stage_id")},
}


def _candidates(world: World, row: EntityRow, body: Mapping[str, Json]) -> Iterable[int] | None:
    """Return the ids an index offers, or None."""
    for key, (quirk, value, look_up) in INDEXES.items():
        if key in body and (not quirk or getattr(world.quirks, quirk) == value):
            ids = look_up(world, row, body[key])
            if ids is not None:
                return ids
    return None


def _lagging(world: World, plural: str, records: Iterable[Record]) -> list[Record]:
    """Return the records as the search index knew them `search_lag` seconds ago (6.5)."""
    horizon = world.now - world.quirks.search_lag
    known = [r for r in records if world.lag.born.get((plural, r["id"]), horizon) <= horizon]
    ghosts = [g for g in world.lag.ghosts if g.plural == plural and g.deleted_at > horizon]
    seen = [g.record for g in ghosts if world.lag.born.get((plural, g.record["id"]), horizon) <= horizon]
    return known + seen
