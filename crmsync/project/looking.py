"""
Looking at records of Copper by the cheapest way: in batches of ids, in one scan, or in the mirror.

`crmsync.project.upkeep` brings the mirror up to date. All of it only saves requests: whatever is odd drops the mirror, and
Copper is asked. Nothing is written to Copper on the word of a mirror; each write reads again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from math import ceil

from msgspec import Struct, field

from crmsync.copper import read
from crmsync.copper.client import Client
from crmsync.copper.rowtext import RawRow, text_of
from crmsync.model.catalogue import Catalogue, EntityType
from crmsync.project.mirror import Mirror
from crmsync.project.mirrorfile import Head, Mark, Row, Stale, content_digest
from crmsync.project.upkeep import MIRROR_REQUESTS, Body, OnPage, Told, Upkeep, alone, row_of

#: So many bodies are held at a time where many are looked at.
AT_A_TIME = 1000


class Looking(Struct, dict=True):
    """
    One command's look at records.

    *small* holds the digests of what was asked for by ids. When it *has all* there is a mirror of every type of which not
    all ids were *asked* for, and it is up to date.
    """

    client: Client
    account: int
    catalogue: Catalogue
    mirror: Mirror | None = None
    small: dict[str, dict[int, bytes]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    has_all: bool = False
    asked: dict[str, dict[int, Body | None]] = field(default_factory=dict)

    @cached_property
    def upkeep(self) -> Upkeep:
        """What brings the mirror up to date, and remembers what it found."""
        return Upkeep(self.client, self.account, self.catalogue)

    def relabel(self, catalogue: Catalogue) -> None:
        """Go on with *catalogue*, which has the labels of more types."""
        self.catalogue = self.upkeep.catalogue = catalogue

    @property
    def told(self) -> list[Told]:
        """Which way was taken for each type, and what it came to."""
        return self.upkeep.told

    @property
    def fresh(self) -> dict[str, Head | None]:
        """The heads of the types that are mirrored; None where that is not worth it."""
        return self.upkeep.fresh

    @property
    def gone(self) -> dict[str, frozenset[int]]:
        """What was known and Copper does not show any more, whether the mirror or an id said so."""
        return self.upkeep.gone

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
                self.upkeep.note_gone(entity, set(wanted) - set(bodies))
                return bodies
        except Stale as stale:
            self._give_up(stale)
            return self._noted(entity, wanted)

    def each(self, entity: EntityType, ids: Iterable[int]) -> Iterator[Body]:
        """Yield what `bodies` returns; where they are many and in the mirror, few of them are held at a time."""
        wanted = sorted(set(ids))
        if self.has_all or self.mirror is None or ceil(len(wanted) / read.PAGE_SIZE) <= MIRROR_REQUESTS:
            yield from self.bodies(entity, wanted).values()
            return
        left = set(wanted)
        try:
            for bodies in self._in_portions(self.mirror, entity, wanted):
                left -= bodies.keys()
                yield from bodies.values()
            self.upkeep.note_gone(entity, left)
        except Stale as stale:
            self._give_up(stale)
            yield from self._noted(entity, sorted(left)).values()

    def _in_portions(self, mirror: Mirror, entity: EntityType, wanted: list[int]) -> Iterator[dict[int, Body]]:
        with mirror.opened():
            self._make_fresh(mirror, entity, wanted)
            is_mirrored = self.fresh[entity.name] is not None
            kept = sorted(mirror.kept(entity.name).intersection(wanted)) if is_mirrored else []
            others = sorted(set(wanted).difference(kept)) if is_mirrored else []
            found = self._kept(mirror, entity, others) if others else {}
        yield found if is_mirrored else self._noted(entity, wanted)
        for start in range(0, len(kept), AT_A_TIME):
            with mirror.opened():
                bodies = mirror.bodies(entity.name, kept[start : start + AT_A_TIME])
            yield bodies

    def texts(self, entity: EntityType, ids: Collection[int]) -> dict[int, bytes]:
        """Return the same as `bodies` as texts, once all are at hand."""
        asked, found = self.asked.get(entity.name, {}), dict[int, bytes]()
        if self.mirror is not None and self.fresh.get(entity.name) is not None:
            try:
                with self.mirror.opened():
                    found = self.mirror.texts(entity.name, [id for id in ids if id not in asked])
            except Stale as stale:
                self._give_up(stale)
        others = [id for id in ids if id not in found]
        return found | {id: text_of(body) for id, body in (self.bodies(entity, others) if others else {}).items()}

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
                named = wanted & set(self.upkeep.unlink(self.mirror, entity))
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
                self.upkeep.refresh(self.mirror)
        except Stale as stale:
            self._give_up(stale)
        return self.fresh.get(entity.name)

    def prepare(self, entity: EntityType, ids: Collection[int], on_page: OnPage = alone) -> frozenset[int]:
        """
        Have the records with *ids* at hand, in the mirror or asked for, and return those that exist.

        *on_page* is given the pages that are read into the mirror, as they come.
        """
        wanted = sorted(set(ids))
        if self.mirror is None or ceil(len(wanted) / read.PAGE_SIZE) <= MIRROR_REQUESTS:
            return self._all_asked(entity, wanted)
        try:
            with self.mirror.opened():
                return self._prepared(self.mirror, entity, wanted, on_page)
        except Stale as stale:
            self._give_up(stale)
            return self._all_asked(entity, wanted)

    def _prepared(self, mirror: Mirror, entity: EntityType, wanted: list[int], on_page: OnPage) -> frozenset[int]:
        came: set[int] = set()

        def noted(entity: EntityType, rows: Sequence[RawRow], wanted: Collection[int]) -> Callable[[], Sequence[Row]]:
            came.update(row.id for row in rows)
            return on_page(entity, rows, wanted)

        self._make_fresh(mirror, entity, wanted, noted)
        if self.fresh[entity.name] is None:
            return self._all_asked(entity, wanted)
        # When all was read just now, what was wanted of it is kept.
        kept = came.intersection(wanted) or mirror.kept(entity.name)
        others = [id for id in wanted if id not in kept]
        found = self._kept(mirror, entity, others) if others else {}
        self.asked.setdefault(entity.name, {}).update((id, found.get(id)) for id in others)
        self.upkeep.note_gone(entity, set(others) - set(found))
        return frozenset(kept.intersection(wanted) | set(found))

    def _all_asked(self, entity: EntityType, wanted: list[int]) -> frozenset[int]:
        bodies = self._noted(entity, wanted)
        self.asked[entity.name] = {id: bodies.get(id) for id in wanted}
        return frozenset(bodies)

    def unlink(self) -> set[tuple[str, int]]:
        """Read again what named a record that is gone, once all types are at hand, and return what that is."""
        again: set[tuple[str, int]] = set()
        if self.mirror is not None:
            try:
                with self.mirror.opened():
                    for entity in self.catalogue.types:
                        if self.fresh.get(entity.name) is not None:
                            again |= {(entity.name, id) for id in self.upkeep.unlink(self.mirror, entity)}
            except Stale as stale:
                self._give_up(stale)
        return again

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
        self.upkeep.note_gone(entity, set(others) - set(bodies))
        return found | bodies

    def changed(self, entity: EntityType, mark: Mark) -> frozenset[int] | None:
        """Return the bound records that changed since *mark*; None when nobody knows."""
        if self.head(entity) is None or self.mirror is None:
            return None
        try:
            with self.mirror.opened():
                self.upkeep.unlink(self.mirror, entity)
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
        self.upkeep.note_gone(entity, set(wanted) - set(bodies))
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

    def _make_fresh(self, mirror: Mirror, entity: EntityType, wanted: list[int], on_page: OnPage = alone) -> None:
        """Bring the mirror up to date, and fill it where it has nothing of a type."""
        self.upkeep.refresh(mirror)
        if entity.name not in self.fresh:
            self.fresh[entity.name] = self.upkeep.fill(mirror, entity, set(wanted), on_page)

    def _kept(self, mirror: Mirror, entity: EntityType, ids: list[int]) -> dict[int, Body]:
        """Ask for records whose bodies the mirror has not, and keep those it knows of."""
        asked = self._asked(entity, ids)
        head = self.fresh[entity.name]
        assert head is not None
        known = mirror.known(entity.name, list(asked))
        rows = [row_of(body, whole=True) for id, body in asked.items() if id in known]
        if rows:
            self.fresh[entity.name] = mirror.update(entity.name, head, rows) or head
        return asked


def content_of(contents: Mapping[int, bytes]) -> str:
    """Return one digest for the digests of several records by id."""
    parts = b"".join(id.to_bytes(8, "big") + content for id, content in sorted(contents.items()))
    return blake2b(parts, digest_size=16).hexdigest()
