"""`POST /{plural}/search`: criteria, order, pages and the total (copper-api.md section 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

from crmsync.sandbox.codec import Bad, as_int
from crmsync.sandbox.filters import FILTERS, MODIFIED, UNDOCUMENTED_MODIFIED, FilterRow, Test, read_ids
from crmsync.sandbox.replies import Answer, Invalid, Json, Problem, bad_request, unrecognized, wrong
from crmsync.sandbox.show import show
from crmsync.sandbox.sorts import SORTS, sort_key
from crmsync.sandbox.store import Record, canonical
from crmsync.sandbox.tables import EntityRow
from crmsync.sandbox.world import World

PAGING = ("page_number", "page_size", "sort_by", "sort_direction")
LARGEST_PAGE = 200
CAP = 100_000


def search(world: World, row: EntityRow, body: Json, *, computed: bool = False) -> Answer:
    """Return one page of the records that meet every criterion in *body*, and X-PW-TOTAL."""
    if not isinstance(body, dict):
        raise bad_request("the body must be an object")
    problems: list[Problem] = []
    tests = _tests(world, row, body, problems)
    number, size = _paging(world, body, problems)
    name, descending = _sorting(row, body, problems)
    if problems:
        raise Invalid(problems)
    matches = _matches(world, row, body, tests, name)
    if descending:
        matches = matches[::-1]
    start, end, total = _window(world, len(matches), number, size)
    # Only the first 100,000 matches can be had (section 6); pages beyond are empty (section 13).
    page = matches[start:end] if number * size <= CAP else []
    if world.quirks.total == "surplus":
        total += 1 + total // 100
    rows = [show(world, row, record, computed=computed) for record in page]
    return Answer(rows, headers=(("X-PW-TOTAL", str(total)),))


def search_users(world: World, body: Json) -> Answer:
    """Return one page of the users; paging is all this search knows (4.1)."""
    if not isinstance(body, dict):
        raise bad_request("the body must be an object")
    unknown = [key for key in body if key not in PAGING[:2]]
    problems = [unrecognized(unknown)] if unknown else []
    number, size = _paging(world, body, problems)
    if problems:
        raise Invalid(problems)
    users = world.account.users
    page = [user.show() for user in users[(number - 1) * size : number * size]]
    return Answer(page, headers=(("X-PW-TOTAL", str(len(users))),))


def _known(world: World, row: EntityRow, key: str) -> bool:
    if key in MODIFIED and row.plural in UNDOCUMENTED_MODIFIED and world.quirks.modified_filter == "refused":
        return False
    return key in PAGING or key in FILTERS[row.plural]


def _tests(world: World, row: EntityRow, body: dict[str, Json], problems: list[Problem]) -> list[Test]:
    unknown = [key for key in body if not _known(world, row, key)]
    if unknown:
        problems.append(unrecognized(unknown))
    tests = []
    for key in body.keys() - set(unknown) - set(PAGING):
        filter_row: FilterRow = FILTERS[row.plural][key]
        try:
            if body[key] is None:
                raise Bad("can't be null")
            test = filter_row.make(world, filter_row, body[key])
        except Bad as bad:
            problems.append(Problem(key, wrong(key, bad.why).text, bad.code))
            continue
        if test is not None:
            tests.append(test)
    return tests


def _paging(world: World, body: dict[str, Json], problems: list[Problem]) -> tuple[int, int]:
    number, size = as_int(body.get("page_number", 1)), as_int(body.get("page_size", 20))
    if number is None or number < 1:
        problems.append(wrong("page_number", f"must be 1 or more: {body['page_number']}"))
    if size is not None and world.quirks.page_size == "clamp":
        size = min(max(size, 1), LARGEST_PAGE)
    if size is None or not 1 <= size <= LARGEST_PAGE:
        problems.append(wrong("page_size", f"must be from 1 to {LARGEST_PAGE}: {body['page_size']}"))
    return number or 1, size or 1


def _sorting(row: EntityRow, body: dict[str, Json], problems: list[Problem]) -> tuple[str, bool]:
    name = body.get("sort_by", row.default_sort)
    if not isinstance(name, str) or name not in SORTS[row.plural]:
        problems.append(wrong("sort_by", f"{name}"))
        name = row.default_sort
    direction = body.get("sort_direction", "asc")
    if direction not in ("asc", "desc"):
        problems.append(wrong("sort_direction", f"{direction}"))
    return name, direction == "desc"


def _matches(world: World, row: EntityRow, body: dict[str, Json], tests: Sequence[Test], name: str) -> Sequence[Record]:
    """Return the matching records in ascending order; an index serves where one of the filters has one."""
    key = sort_key(world, SORTS[row.plural][name])
    table = world.store.records[row.plural]
    narrow = _candidates(world, row, body)
    if narrow is None and name in ("date_created", "date_modified"):
        found: Iterable[Record] = _Rows(table, world.store.in_order(row.plural, name, key))
    else:
        ids = table if narrow is None else {id for id in narrow if id in table}
        found = sorted((table[id] for id in ids), key=lambda record: (key(record), record["id"]))
    if world.quirks.search_lag:
        found = _lagging(world, row.plural, found)
        found = sorted(found, key=lambda record: (key(record), record["id"]))
    hidden = world.store.hidden[row.plural]
    if not tests and not hidden and isinstance(found, Sequence):
        return found
    return [r for r in found if r["id"] not in hidden and all(test(r) for test in tests)]


class _Rows(Sequence[Record]):
    """The records behind a sorted list of ids, looked up only when a page is cut."""

    def __init__(self, table: dict[int, Record], ids: list[int]) -> None:
        self._table = table
        self._ids = ids

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return _Rows(self._table, self._ids[at])
        return self._table[self._ids[at]]


def _by_ids(world: World, row: EntityRow, value: Json) -> Iterable[int] | None:
    return read_ids(world, value)


def _by_text(field: str) -> Callable[[World, EntityRow, Json], Iterable[int] | None]:
    def ids(world: World, row: EntityRow, value: Json) -> Iterable[int]:
        texts = value if isinstance(value, list) else [value]
        return [id for text in texts for id in world.store.ids(row.plural, field, canonical(text))]

    return ids


INDEXES: dict[str, tuple[str, str, Callable[[World, EntityRow, Json], Iterable[int] | None]]] = {
    # filter: (quirk, the value under which the index gives every match, look-up)
    "ids": ("", "", _by_ids),
    "emails": ("email_filter", "exact", _by_text("emails")),
    "email_domains": ("email_filter", "exact", _by_text("email_domain")),
    "name": ("name_filter", "exact", _by_text("name")),
}


def _candidates(world: World, row: EntityRow, body: dict[str, Json]) -> Iterable[int] | None:
    """Return the ids an index offers, or None; ghosts are in no index, so a lag means scanning."""
    if world.quirks.search_lag:
        return None
    for key, (quirk, value, look_up) in INDEXES.items():
        if key in body and (not quirk or getattr(world.quirks, quirk) == value):
            return look_up(world, row, body[key])
    return None


def _lagging(world: World, plural: str, records: Iterable[Record]) -> list[Record]:
    """Return the records as the search index knew them `search_lag` seconds ago (6.5)."""
    horizon = world.now - world.quirks.search_lag
    known = [r for r in records if world.lag.born.get((plural, r["id"]), horizon) <= horizon]
    ghosts = [g for g in world.lag.ghosts if g.plural == plural and g.deleted_at > horizon]
    seen = [g.record for g in ghosts if world.lag.born.get((plural, g.record["id"]), horizon) <= horizon]
    return known + seen


def _window(world: World, count: int, number: int, size: int) -> tuple[int, int, int]:
    """
    Return start and end of a page, and the total to tell.

    Short pages give up to a tenth of their rows to the pages after them; the total then is the bound that
    keeps `ceil(total / page_size)` pages sufficient (section 6, section 13).
    """
    if world.quirks.short_pages == "off":
        return (number - 1) * size, number * size, count
    ends = [0]
    lengths = Random(f"{world.seed}/{size}")
    while ends[-1] < count:
        ends.append(ends[-1] + size - lengths.randint(0, size // 10))
    pages = len(ends) - 1
    total = max(count, (pages - 1) * size + 1 if pages else 0)
    return (ends[number - 1], ends[number], total) if number <= pages else (count, count, total)
