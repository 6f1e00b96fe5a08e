"""
Looking at records of Copper by the cheapest way: in batches of ids, in one scan, or in the mirror.

The mirror is brought up to date by a search for the newest changes, which goes on until it meets what is known; then the
last page in the order of creation shows whether anything is gone, rank probes say what, and a GET proves it. One page of
ids is audited each time: edits that move no date are found so. All of it only saves requests: whatever is odd drops the
mirror, and Copper is asked. Nothing is written to Copper on the word of a mirror; each write reads again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from math import ceil
from typing import Any

from crmsync.copper import read
from crmsync.copper.client import Client
from crmsync.copper.ranks import NoRanks, missing
from crmsync.model.catalogue import Catalogue, EntityType
from crmsync.project.mirror import Head, Known, Mark, Mirror, Row, Stale, content_digest

Body = dict[str, Any]

#: So many requests a mirror costs even when nothing changed: the newest, the last page, the audit.
MIRROR_REQUESTS = 3
#: How far behind Copper's clock the mirror counts as complete, in seconds: clocks differ, and searches lag.
OVERLAP_SECONDS = 300.0
#: After so many seconds all is read again, whatever the dates say.
LONGEST_SECONDS = 7 * 24 * 3600.0

_NEWEST = {"sort_by": "date_modified", "sort_direction": "desc"}
_CREATED = {"sort_by": "date_created", "sort_direction": "asc"}


@dataclass(frozen=True)
class Told:
    """Which way was taken for a type, and what it came to, for `-v`."""

    type: str
    way: str


@dataclass
class Looking:
    """
    One command's look at records; *told* fills up with what was done and why.

    *fresh* holds the heads of the types that are mirrored, *small* the digests of what was asked for by ids, *gone* what
    was known and Copper does not show any more, whether the mirror or an id said so. When it *has all* there is a mirror of
    every type of which not all ids were *asked* for, and it is up to date.
    """

    client: Client
    account: int
    catalogue: Catalogue
    mirror: Mirror | None = None
    told: list[Told] = field(default_factory=list)
    fresh: dict[str, Head | None] = field(default_factory=dict)
    small: dict[str, dict[int, bytes]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    gone: dict[str, frozenset[int]] = field(default_factory=dict)
    is_refreshed: bool = False
    has_all: bool = False
    unlinked: set[tuple[str, str, int]] = field(default_factory=set)
    asked: dict[str, dict[int, Body | None]] = field(default_factory=dict)

    def bodies(self, entity: EntityType, ids: Iterable[int]) -> dict[int, Body]:
        """Return the records with *ids* that exist; what no search shows is asked for by itself: not seen is not gone."""
        wanted = sorted(set(ids))
        if self.has_all:
            return self._known(entity, wanted)
        if self.mirror is None or ceil(len(wanted) / read.PAGE_SIZE) <= MIRROR_REQUESTS:
            return self._noted(entity, wanted)
        try:
            with self.mirror.opened():
                bodies = self._mirrored(self.mirror, entity, wanted)
                self._note_gone(entity, set(wanted) - set(bodies))
                return bodies
        except Stale as stale:
            self._give_up(stale)
            return self._noted(entity, wanted)

    def relinked(self, entity: EntityType, ids: Iterable[int]) -> dict[int, Body]:
        """
        Return anew those of *ids* that the mirror has naming a record that is gone: Copper changed them and moved no date.

        To be asked once all types were looked at, for a record of a later one may be found gone.
        """
        if self.mirror is None or self.fresh.get(entity.name) is None:
            return {}
        wanted = set(ids)
        try:
            with self.mirror.opened():
                named = wanted & set(self._unlinked(self.mirror, entity))
                bodies = self.mirror.bodies(entity.name, named) if self.fresh[entity.name] is not None else {}
                return bodies | self._asked(entity, sorted(named - set(bodies)))
        except Stale as stale:
            self._give_up(stale)
            return self._asked(entity, sorted(wanted))

    def head(self, entity: EntityType) -> Head | None:
        """Bring the mirror up to date without asking for any record, and return a type's head; None if it cannot be."""
        if self.mirror is None:
            return None
        try:
            with self.mirror.opened():
                self._refresh(self.mirror)
        except Stale as stale:
            self._give_up(stale)
        return self.fresh.get(entity.name)

    def prepare(self, entity: EntityType, ids: Collection[int]) -> frozenset[int]:
        """Have the records with *ids* at hand, in the mirror or asked for, and return those that exist."""
        wanted = sorted(set(ids))
        if self.mirror is None or ceil(len(wanted) / read.PAGE_SIZE) <= MIRROR_REQUESTS:
            return self._all_asked(entity, wanted)
        try:
            with self.mirror.opened():
                return self._prepared(self.mirror, entity, wanted)
        except Stale as stale:
            self._give_up(stale)
            return self._all_asked(entity, wanted)

    def _prepared(self, mirror: Mirror, entity: EntityType, wanted: list[int]) -> frozenset[int]:
        self._make_fresh(mirror, entity, wanted)
        if self.fresh[entity.name] is None:
            return self._all_asked(entity, wanted)
        kept = mirror.kept(entity.name)
        others = [id for id in wanted if id not in kept]
        found = self._kept(mirror, entity, others) if others else {}
        self.asked.setdefault(entity.name, {}).update((id, found.get(id)) for id in others)
        self._note_gone(entity, set(others) - set(found))
        return kept.intersection(wanted) | set(found)

    def _all_asked(self, entity: EntityType, wanted: list[int]) -> frozenset[int]:
        bodies = self._noted(entity, wanted)
        self.asked[entity.name] = {id: bodies.get(id) for id in wanted}
        return frozenset(bodies)

    def unlink(self) -> None:
        """Read again what named a record that is gone, once all types are at hand."""
        if self.mirror is not None:
            try:
                with self.mirror.opened():
                    for entity in self.catalogue.types:
                        if self.fresh.get(entity.name) is not None:
                            self._unlinked(self.mirror, entity)
            except Stale as stale:
                self._give_up(stale)

    def _known(self, entity: EntityType, wanted: list[int]) -> dict[int, Body]:
        """Return what was asked for already, or is in the mirror, or else ask for it."""
        known = self.asked.get(entity.name, {})
        others = [id for id in wanted if id not in known]
        found = {id: body for id in wanted if (body := known.get(id)) is not None}
        if not others:
            return found
        if self.mirror is None or self.fresh.get(entity.name) is None:
            return found | self._noted(entity, others)
        try:
            with self.mirror.opened():
                bodies = self._mirrored(self.mirror, entity, others)
        except Stale as stale:
            self._give_up(stale)
            return found | self._noted(entity, others)
        self._note_gone(entity, set(others) - set(bodies))
        return found | bodies

    def changed(self, entity: EntityType, mark: Mark) -> frozenset[int] | None:
        """Return the bound records that changed since *mark*; None when nobody knows."""
        if self.head(entity) is None or self.mirror is None:
            return None
        try:
            with self.mirror.opened():
                self._unlinked(self.mirror, entity)
                head = self.fresh[entity.name]
                return None if head is None else self.mirror.changed(entity.name, head, mark)
        except Stale as stale:
            self._give_up(stale)
            return None

    def mark(self, entity: EntityType) -> Mark | None:
        """Return from where on `changed` is to be asked next time; None where the type has no mirror."""
        head = self.fresh.get(entity.name)
        if self.mirror is None or head is None:
            return None
        try:
            with self.mirror.opened():
                return self.mirror.mark(entity.name, head)
        except Stale as stale:
            self._give_up(stale)
            return None

    def _note_gone(self, entity: EntityType, ids: Iterable[int]) -> None:
        self.gone[entity.name] = self.gone.get(entity.name, frozenset()).union(ids)

    def _give_up(self, stale: Stale) -> None:
        if not stale.is_busy:
            self.notices.append(f"The cache of what Copper last showed is not used, and made anew: {stale}.")
        if self.mirror is not None and not stale.is_busy:
            self.mirror.drop()
        self.mirror = None
        self.fresh.clear()

    def _noted(self, entity: EntityType, wanted: list[int]) -> dict[int, Body]:
        """Ask for records without a mirror, and note what they look like: it may be asked again whether they still do."""
        bodies = self._asked(entity, wanted)
        self.small.setdefault(entity.name, {}).update((id, content_digest(body)) for id, body in bodies.items())
        if ceil(len(wanted) / read.PAGE_SIZE) <= MIRROR_REQUESTS:
            self.asked.setdefault(entity.name, {}).update((id, bodies.get(id)) for id in wanted)
        self._note_gone(entity, set(wanted) - set(bodies))
        return bodies

    def _asked(self, entity: EntityType, wanted: list[int]) -> dict[int, Body]:
        bodies = read.by_ids(self.client, entity.path, wanted)
        for id in wanted:
            if id not in bodies:
                body = read.get(self.client, entity.path, id)
                if body is not None:
                    bodies[id] = body
        return bodies

    def _mirrored(self, mirror: Mirror, entity: EntityType, wanted: list[int]) -> dict[int, Body]:
        self._make_fresh(mirror, entity, wanted)
        if self.fresh[entity.name] is None:
            return self._noted(entity, wanted)
        bodies = mirror.bodies(entity.name, wanted)
        others = [id for id in wanted if id not in bodies]
        if others:
            bodies |= self._kept(mirror, entity, others)
        return bodies

    def _make_fresh(self, mirror: Mirror, entity: EntityType, wanted: list[int]) -> None:
        """Bring the mirror up to date, and fill it where it has nothing of a type."""
        self._refresh(mirror)
        if entity.name not in self.fresh:
            self.fresh[entity.name] = self._filled(mirror, entity, set(wanted))

    def _kept(self, mirror: Mirror, entity: EntityType, ids: list[int]) -> dict[int, Body]:
        """Ask for records whose bodies the mirror has not, and keep those it knows of."""
        asked = self._asked(entity, ids)
        head = self.fresh[entity.name]
        assert head is not None
        known = mirror.known(entity.name, list(asked))
        rows = [_row(body, whole=True) for id, body in asked.items() if id in known]
        if rows:
            self.fresh[entity.name] = mirror.update(entity.name, head, rows) or head
        return asked

    def _is_usable(self, head: Head) -> bool:
        return head.account == self.account and 0 <= self._now() - head.read_at < LONGEST_SECONDS

    def _now(self) -> float:
        now = self.client.server_clock
        if now is None:
            raise Stale("Copper tells no time")
        return now

    # Everything

    def _filled(self, mirror: Mirror, entity: EntityType, wanted: set[int]) -> Head | None:
        """Read the whole type into the mirror, where that is worth it; None where it is not, or no page order holds."""
        first, total = read.page(self.client, entity.path, _CREATED, 1)
        pages, batches = ceil((total or 0) / read.PAGE_SIZE), ceil(len(wanted) / read.PAGE_SIZE)
        if total is None or pages > min(read.LAST_PAGE, batches + batches // 2 + MIRROR_REQUESTS) or not first:
            self.told.append(Told(entity.name, f"{batches} batches of ids; reading all takes {pages} requests"))
            return None
        started = self._now()
        head = Head(self.account, started - OVERLAP_SECONDS, started)
        try:
            kept = mirror.fill(entity.name, head, self._scan(entity, first, pages, wanted))
        except _ShortPage:
            self.told.append(Told(entity.name, f"{batches} batches of ids; pages come short, so nothing is mirrored"))
            return None
        self.told.append(Told(entity.name, f"all read, {pages} requests; from now on only what changed"))
        return kept

    def _scan(self, entity: EntityType, rows: list[Body], pages: int, wanted: set[int]) -> Iterator[Row]:
        """Yield all records, of which *rows* are the first page. Raises _ShortPage."""
        seen: set[int] = set()
        yield from self._new_rows(rows, seen, wanted)
        for others in self.client.in_parallel(lambda page: self._page(entity, page), range(2, pages + 1)):
            if len(rows) < read.PAGE_SIZE:
                raise _ShortPage
            rows = others
            yield from self._new_rows(rows, seen, wanted)
        while len(rows) == read.PAGE_SIZE:
            pages += 1
            rows = self._page(entity, pages)
            yield from self._new_rows(rows, seen, wanted)

    def _new_rows(self, rows: list[Body], seen: set[int], wanted: set[int]) -> Iterator[Row]:
        for body in rows:
            if body["id"] not in seen:
                seen.add(body["id"])
                yield _row(body, whole=body["id"] in wanted)

    def _page(self, entity: EntityType, number: int) -> list[Body]:
        return read.page(self.client, entity.path, _CREATED, number)[0] if number <= read.LAST_PAGE else []

    # What changed

    def _refresh(self, mirror: Mirror) -> None:
        """Bring all that is mirrored up to date, once: what is gone from one type may have left its mark on another."""
        if self.is_refreshed:
            return
        self.is_refreshed = True
        for entity in self.catalogue.types:
            head = mirror.head(entity.name)
            fresh = self._refreshed(mirror, entity, head) if head is not None and self._is_usable(head) else None
            if fresh is not None:
                self.fresh[entity.name] = fresh
        for entity in self.catalogue.types:
            if self.fresh.get(entity.name) is not None:
                self._unlinked(mirror, entity)

    def _unlinked(self, mirror: Mirror, entity: EntityType) -> list[int]:
        """Ask again for what named a record that is gone, and return it: Copper clears or moves links and moves no date."""
        links = [(entity.name, row.key, id) for row in entity.links for id in sorted(self.gone.get(str(row.target), ()))]
        pairs = [(key, id) for name, key, id in links if (name, key, id) not in self.unlinked]
        self.unlinked |= set(links)
        ids = sorted({naming for key, id in pairs for naming in mirror.naming(entity.name, key, id)})
        head = self.fresh[entity.name]
        if ids and head is not None:
            self.fresh[entity.name] = self._looked_again(mirror, entity, head, ids)
        return ids

    def _looked_again(self, mirror: Mirror, entity: EntityType, head: Head, ids: list[int]) -> Head | None:
        """Read *ids* whatever their dates say; what is not shown is no longer vouched for."""
        bodies = read.by_ids(self.client, entity.path, ids)
        rows, _ = self._sorted_in(mirror, entity, list(bodies.values()))
        return mirror.update(entity.name, head, rows, [id for id in ids if id not in bodies])

    def _refreshed(self, mirror: Mirror, entity: EntityType, head: Head) -> Head | None:
        """Bring the mirror of a type up to date; None where reading everything is due."""
        before = self.client.requests.total
        newest = self._newest(entity, head)
        if newest is None:
            return None
        rows, seen_until = newest
        changed, count = self._sorted_in(mirror, entity, rows)
        kept = mirror.update(entity.name, replace(head, seen_until=seen_until), changed)
        if kept is None:
            return None
        try:
            kept = self._without_gone(mirror, entity, kept)
        except NoRanks:
            return None
        kept = kept and self._audited(mirror, entity, kept)
        self.told.append(Told(entity.name, f"mirror, {self.client.requests.total - before} requests; {count} changed"))
        return kept

    def _newest(self, entity: EntityType, head: Head) -> tuple[list[Body], float] | None:
        """Return what was modified since the mirror was complete, and until when it is now; None if that is too much."""
        found: dict[int, Body] = {}
        number, most = 1, max(2, ceil(head.count / read.PAGE_SIZE) // 2)
        rows, _ = read.page(self.client, entity.path, _NEWEST, number)
        seen_until = self._now() - OVERLAP_SECONDS
        while True:
            found |= {body["id"]: body for body in rows}
            if len(rows) < read.PAGE_SIZE or any(_modified(body) < head.seen_until for body in rows):
                return list(found.values()), seen_until
            number += 1
            if number > most:
                return None
            rows, _ = read.page(self.client, entity.path, _NEWEST, number)

    def _sorted_in(self, mirror: Mirror, entity: EntityType, bodies: list[Body]) -> tuple[list[Row], int]:
        """Return the rows that differ from the mirror's, and how many of them are of bound records."""
        known = mirror.known(entity.name, [body["id"] for body in bodies])
        differing = [body for body in bodies if _differs(known.get(body["id"]), body)]
        rows = [_row(body, whole=_is_kept(known.get(body["id"]))) for body in differing]
        return rows, sum(row.body is not None for row in rows)

    def _without_gone(self, mirror: Mirror, entity: EntityType, head: Head) -> Head | None:
        """Find what is gone. Raises NoRanks."""
        pages = ceil(head.count / read.PAGE_SIZE)
        last = [body["id"] for body in self._page(entity, max(pages, 1))]
        tail = mirror.last(entity.name, head.count - (pages - 1) * read.PAGE_SIZE) if pages else []
        if last == tail:
            return head
        ids = mirror.in_order(entity.name, head)

        def ask(page: int) -> list[int]:
            return last if page == pages - 1 else [body["id"] for body in self._page(entity, page + 1)]

        gone = missing(ids, ask, max(20, pages // 2))
        self._note_gone(entity, gone)
        return mirror.update(entity.name, head, (), gone)

    def _audited(self, mirror: Mirror, entity: EntityType, head: Head) -> Head | None:
        """Look at one page of bound records whatever their dates say."""
        ids = mirror.kept_after(entity.name, head.audited, read.PAGE_SIZE) or mirror.kept_after(
            entity.name, 0, read.PAGE_SIZE
        )
        if not ids:
            return head
        return self._looked_again(mirror, entity, replace(head, audited=ids[-1]), ids)


class _ShortPage(Exception):
    """A page had fewer rows although more followed: places on pages tell nothing."""


def content_of(contents: Mapping[int, bytes]) -> str:
    """Return one digest for the digests of several records by id."""
    parts = b"".join(id.to_bytes(8, "big") + content for id, content in sorted(contents.items()))
    return blake2b(parts, digest_size=16).hexdigest()


def _row(body: Body, *, whole: bool) -> Row:
    return Row(body["id"], _date(body, "date_created"), _modified(body), body if whole else None)


def _modified(body: Body) -> int:
    return _date(body, "date_modified")


def _date(body: Body, name: str) -> int:
    value = body.get(name)
    if type(value) is not int:
        raise Stale(f"{name} is no date")
    return value


def _is_kept(known: Known | None) -> bool:
    return known is not None and known.content is not None


def _differs(known: Known | None, body: Body) -> bool:
    if known is None or known.modified != _modified(body) or known.created != _date(body, "date_created"):
        return True
    return known.content is not None and known.content != content_digest(body)
