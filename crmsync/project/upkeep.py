"""
A mirror brought up to date, and filled where it has nothing of a type.

A search for the newest changes goes on until it meets what is known; then the last page in the order of creation shows
whether anything is gone, rank probes say what, and a GET proves it. One page of ids is audited each time: edits that move
no date are found so. What is odd raises Stale.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from functools import partial
from math import ceil
from typing import Any, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from crmsync.copper import read
from crmsync.copper.client import Client
from crmsync.copper.ranks import NoRanks, missing
from crmsync.copper.rowtext import RawRow, canonical, text_of
from crmsync.model.catalogue import Catalogue, EntityType
from crmsync.project.mirror import Mirror
from crmsync.project.mirrorfile import Head, Known, Row, Stale, digest_of_text

Body = dict[str, Any]

#: So many requests a mirror costs even when nothing changed: the newest, the last page, the audit. They are sent together.
MIRROR_REQUESTS = 3
#: How far behind Copper's clock the mirror counts as complete, in seconds: clocks differ, and searches lag.
OVERLAP_SECONDS = 300.0
#: After so many seconds all is read again, whatever the dates say.
LONGEST_SECONDS = 7 * 24 * 3600.0

_NEWEST = {"sort_by": "date_modified", "sort_direction": "desc"}
_CREATED = {"sort_by": "date_created", "sort_direction": "asc"}


#: So many pages wait for their rows to be made: more than others work at, so that this process need not wait for them.
WAITING = 16

#: Is given what a page shows of a type, and returns what makes the rows of that page, whole ones of those that are wanted.
OnPage = Callable[[EntityType, Sequence[RawRow], Collection[int]], Callable[[], Sequence[Row]]]


def alone(entity: EntityType, rows: Sequence[RawRow], wanted: Collection[int]) -> Callable[[], Sequence[Row]]:
    """Make the rows of a page here."""
    return lambda: kept_rows(rows, wanted)


class Told(Struct, frozen=True):
    """Which way was taken for a type, and what it came to, for `-v`."""

    type: str
    way: str


class Upkeep(Struct):
    """
    The mirror of one account, as one command keeps it; *told* fills up with what was done and why.

    *fresh* holds the heads of the types that are mirrored, *gone* what was known and Copper does not show any more.
    """

    client: Client
    account: int
    catalogue: Catalogue
    told: list[Told] = field(default_factory=list)
    fresh: dict[str, Head | None] = field(default_factory=dict)
    gone: dict[str, frozenset[int]] = field(default_factory=dict)
    _is_refreshed: bool = False
    _seen: set[tuple[str, str, int]] = field(default_factory=set)

    def note_gone(self, entity: EntityType, ids: Iterable[int]) -> None:
        """Remember that Copper does not show these any more."""
        self.gone[entity.name] = self.gone.get(entity.name, frozenset()).union(ids)

    def _is_usable(self, head: Head) -> bool:
        return head.account == self.account and 0 <= self._now() - head.read_at < LONGEST_SECONDS

    def _now(self) -> float:
        now = self.client.server_clock
        if now is None:
            raise Stale("Copper tells no time")
        return now

    # Everything

    def fill(self, mirror: Mirror, entity: EntityType, wanted: set[int], on_page: OnPage = alone) -> Head | None:
        """
        Read the whole type into the mirror, where that is worth it; None where it is not, or no page order holds.

        *on_page* is given each page as it comes, and asked for its rows when some more have come.
        """
        first, total = read.raw_page(self.client, entity.path, _CREATED, 1)
        pages, batches = ceil((total or 0) / read.PAGE_SIZE), ceil(len(wanted) / read.PAGE_SIZE)
        if total is None or pages > min(read.LAST_PAGE, batches + batches // 2 + MIRROR_REQUESTS) or not first:
            self.told.append(Told(entity.name, f"{batches} batches of ids; reading all takes {pages} requests"))
            return None
        started = self._now()
        head = Head(self.account, started - OVERLAP_SECONDS, started)
        try:
            kept = mirror.fill(entity.name, head, self._rows(entity, first, pages, wanted, on_page))
        except _ShortPage:
            self.told.append(Told(entity.name, f"{batches} batches of ids; pages come short, so nothing is mirrored"))
            return None
        self.told.append(Told(entity.name, f"all read, {pages} requests; from now on only what changed"))
        return kept

    def _rows(self, entity: EntityType, first: list[RawRow], pages: int, wanted: set[int], on_page: OnPage) -> Iterator[Row]:
        """Yield all records, each once, of which *first* are the first page. Raises _ShortPage."""
        seen: set[int] = set()
        waiting: deque[Callable[[], Sequence[Row]]] = deque()
        for page in self._scan(entity, first, pages):
            new: dict[int, RawRow] = {}
            for row in page:
                if row.id not in seen:
                    new.setdefault(row.id, row)
            seen.update(new)
            waiting.append(on_page(entity, [*new.values()], wanted))
            if len(waiting) > WAITING:
                yield from waiting.popleft()()
        for rows in waiting:
            yield from rows()

    def _scan(self, entity: EntityType, rows: list[RawRow], pages: int) -> Iterator[list[RawRow]]:
        """Yield all pages, of which *rows* are the first. Raises _ShortPage."""
        yield rows
        for others in self.client.in_parallel(lambda page: self._raw_page(entity, page), range(2, pages + 1)):
            if len(rows) < read.PAGE_SIZE:
                raise _ShortPage
            rows = others
            yield rows
        while len(rows) == read.PAGE_SIZE:
            pages += 1
            rows = self._raw_page(entity, pages)
            yield rows

    def _raw_page(self, entity: EntityType, number: int) -> list[RawRow]:
        return read.raw_page(self.client, entity.path, _CREATED, number)[0] if number <= read.LAST_PAGE else []

    # What changed

    def refresh(self, mirror: Mirror) -> None:
        """Bring all that is mirrored up to date, once: what is gone from one type may have left its mark on another."""
        if self._is_refreshed:
            return
        self._is_refreshed = True
        heads = {entity.name: mirror.head(entity.name) for entity in self.catalogue.types}
        usable = {name: head for name, head in heads.items() if head is not None and self._is_usable(head)}
        for name, glimpse in self._glimpses(mirror, usable).items():
            fresh = self._refreshed(mirror, self.catalogue[name], usable[name], glimpse)
            if fresh is not None:
                self.fresh[name] = fresh
        for entity in self.catalogue.types:
            if self.fresh.get(entity.name) is not None:
                self.unlink(mirror, entity)

    def _glimpses(self, mirror: Mirror, heads: Mapping[str, Head]) -> dict[str, _Glimpse]:
        """Ask for what is needed of all types together: one after the other, it would be waited for three times each."""
        audited = {name: self._to_audit(mirror, name, head) for name, head in heads.items()}
        asks: list[Callable[[], Any]] = []
        for name, head in heads.items():
            entity = self.catalogue[name]
            asks += [
                partial(self._first_of_newest, entity),
                partial(self._ids_on_page, entity, _pages(head)),
                partial(read.raw_by_ids, self.client, entity.path, audited[name]),
            ]
        answers = iter(list(self.client.in_parallel(lambda ask: ask(), asks)))
        found = {}
        for name in heads:
            (newest, until), last, shown = next(answers), next(answers), next(answers)
            found[name] = _Glimpse(newest, until, last, audited[name], shown)
        return found

    def _first_of_newest(self, entity: EntityType) -> tuple[list[RawRow], float]:
        rows, _ = read.raw_page(self.client, entity.path, _NEWEST, 1)
        return rows, self._now() - OVERLAP_SECONDS

    def _ids_on_page(self, entity: EntityType, number: int) -> list[int]:
        return [row.id for row in self._raw_page(entity, max(number, 1))]

    def _to_audit(self, mirror: Mirror, name: str, head: Head) -> list[int]:
        return mirror.kept_after(name, head.audited, read.PAGE_SIZE) or mirror.kept_after(name, 0, read.PAGE_SIZE)

    def unlink(self, mirror: Mirror, entity: EntityType) -> list[int]:
        """Ask again for what named a record that is gone, and return it: Copper clears or moves links and moves no date."""
        links = [(entity.name, row.key, id) for row in entity.links for id in sorted(self.gone.get(str(row.target), ()))]
        gone: dict[str, set[int]] = {}
        for name, key, id in links:
            if (name, key, id) not in self._seen:
                gone.setdefault(key, set()).add(id)
        self._seen |= set(links)
        ids = sorted({naming for key, those in gone.items() for naming in mirror.naming(entity.name, key, those)})
        head = self.fresh[entity.name]
        if ids and head is not None:
            self.fresh[entity.name] = self._looked_again(mirror, entity, head, ids)
        return ids

    def _looked_again(self, mirror: Mirror, entity: EntityType, head: Head, ids: list[int]) -> Head | None:
        """Read *ids* whatever their dates say; what is not shown is no longer vouched for."""
        return self._looked_at(mirror, entity, head, ids, read.raw_by_ids(self.client, entity.path, ids))

    def _looked_at(
        self, mirror: Mirror, entity: EntityType, head: Head, ids: list[int], shown: Mapping[int, RawRow]
    ) -> Head | None:
        rows, _ = self._sorted_in(mirror, entity, shown.values())
        return mirror.update(entity.name, head, rows, [id for id in ids if id not in shown])

    def _refreshed(self, mirror: Mirror, entity: EntityType, head: Head, glimpse: _Glimpse) -> Head | None:
        """Bring the mirror of a type up to date; None where reading everything is due."""
        before = self.client.requests.total
        rows = self._newest(entity, head, glimpse.newest)
        if rows is None:
            return None
        changed, count = self._sorted_in(mirror, entity, rows)
        kept = mirror.update(entity.name, replace(head, seen_until=glimpse.until), changed)
        if kept is None:
            return None
        try:
            kept = self._without_gone(mirror, entity, kept, glimpse.last if kept.count == head.count else None)
        except NoRanks:
            return None
        kept = kept and self._audited(mirror, entity, kept, glimpse, rows)
        asked = 2 + bool(glimpse.audited) + self.client.requests.total - before
        self.told.append(Told(entity.name, f"mirror, {asked} requests; {count} changed"))
        return kept

    def _newest(self, entity: EntityType, head: Head, rows: list[RawRow]) -> list[RawRow] | None:
        """Return what was modified since the mirror was complete, beginning with *rows*; None if that is too much."""
        found: dict[int, RawRow] = {}
        number, most = 1, max(2, ceil(head.count / read.PAGE_SIZE) // 2)
        while True:
            found |= {row.id: row for row in rows}
            if len(rows) < read.PAGE_SIZE or any(_modified(row) < head.seen_until for row in rows):
                return list(found.values())
            number += 1
            if number > most:
                return None
            rows, _ = read.raw_page(self.client, entity.path, _NEWEST, number)

    def _sorted_in(self, mirror: Mirror, entity: EntityType, shown: Collection[RawRow]) -> tuple[list[Row], int]:
        """Return the rows that differ from the mirror's, and how many of them are of bound records."""
        known = mirror.known(entity.name, [row.id for row in shown])
        looks = {row.id: _look(known.get(row.id), row) for row in shown}
        texts = mirror.texts(entity.name, [id for id, look in looks.items() if look is _Look.WRITTEN_OTHERWISE])
        differing = [
            row
            for row in shown
            if looks[row.id] is _Look.OTHER or (row.id in texts and canonical(texts[row.id]) != canonical(row.text))
        ]
        rows = kept_rows(differing, {id for id, each in known.items() if each.content is not None})
        return rows, sum(row.text is not None for row in rows)

    def _without_gone(self, mirror: Mirror, entity: EntityType, head: Head, last: list[int] | None) -> Head | None:
        """Find what is gone, where *last* are the ids on the last page, if that is the last one still. Raises NoRanks."""
        pages = _pages(head)
        last = self._ids_on_page(entity, pages) if last is None else last
        tail = mirror.last(entity.name, head.count - (pages - 1) * read.PAGE_SIZE) if pages else []
        if last == tail:
            return head
        ids, seen = mirror.in_order(entity.name, head), last

        def ask(page: int) -> list[int]:
            return seen if page == pages - 1 else self._ids_on_page(entity, page + 1)

        gone = missing(ids, ask, max(20, pages // 2))
        self.note_gone(entity, gone)
        return mirror.update(entity.name, head, (), gone)

    def _audited(
        self, mirror: Mirror, entity: EntityType, head: Head, glimpse: _Glimpse, newest: list[RawRow]
    ) -> Head | None:
        """Look at some bound records whatever their dates say; what was seen among the *newest* may be older, or newer."""
        if not glimpse.audited:
            return head
        seen = {row.id: row for row in newest}
        shown = {id: row for id, row in glimpse.shown.items() if id not in seen or _modified(seen[id]) < _modified(row)}
        unclear = [id for id, row in glimpse.shown.items() if id not in shown and _is_another(row, seen[id])]
        shown |= read.raw_by_ids(self.client, entity.path, unclear) if unclear else {}
        ids = [id for id in glimpse.audited if id in shown or id in unclear or id not in glimpse.shown]
        return self._looked_at(mirror, entity, replace(head, audited=glimpse.audited[-1]), ids, shown)


class _Glimpse(NamedTuple):
    """
    What nearly every look at a type needs, asked for at once: the newest changes and until when those are all, the ids on
    the last page, and how those bound records are *shown* that are *audited*: looked at whatever their dates say.
    """

    newest: list[RawRow]
    until: float
    last: list[int]
    audited: list[int]
    shown: dict[int, RawRow]


class _Look(Enum):
    """How a record is shown: as it is known, in another way that may mean the same, or as another one for certain."""

    SAME = auto()
    WRITTEN_OTHERWISE = auto()
    OTHER = auto()


class _ShortPage(Exception):
    """A page had fewer rows although more followed: places on pages tell nothing."""


def row_of(body: Body, *, whole: bool) -> Row:
    """Return what a mirror keeps of a body, all of it when *whole*. Raises Stale."""
    dates = _date(body.get("date_created")), _date(body.get("date_modified"))
    return Row(body["id"], *dates, text_of(body) if whole else None)


def kept_rows(rows: Sequence[RawRow], wanted: Collection[int]) -> list[Row]:
    """Return what a mirror keeps of rows, all of those that are *wanted*. Raises Stale."""
    if not all(type(row.created) is type(row.modified) is int for row in rows):
        raise Stale("a record has no date")
    return [Row(id, created, modified, text if id in wanted else None) for id, created, modified, text in rows]


def _look(known: Known | None, row: RawRow) -> _Look:
    if known is None or known.modified != _modified(row) or known.created != _date(row.created):
        return _Look.OTHER
    is_same = known.content is None or known.content == digest_of_text(row.text)
    return _Look.SAME if is_same else _Look.WRITTEN_OTHERWISE


def _is_another(row: RawRow, other: RawRow) -> bool:
    """Say whether a record is shown in two ways under one date: nobody knows then which of them is the later one."""
    return _modified(row) == _modified(other) and row.text != other.text and canonical(row.text) != canonical(other.text)


def _pages(head: Head) -> int:
    return ceil(head.count / read.PAGE_SIZE)


def _modified(row: RawRow) -> int:
    return _date(row.modified)


def _date(value: Any) -> int:
    if type(value) is not int:
        raise Stale("a record has no date")
    return value
