"""A search: nothing is sent until it is iterated, and then page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

from crmsync.catalogue.filters import SEARCHES
from crmsync.client import pages
from crmsync.client.book import Book
from crmsync.client.criteria import Criteria
from crmsync.client.record import Record, row_columns
from crmsync.client.trouble import bad
from crmsync.copper import read
from crmsync.model.catalogue import Field
from crmsync.model.source import Position
from crmsync.model.values import Members, Value

Given = TypeVar("Given")


@dataclass(frozen=True)
class Order:
    """How the records of a search are ordered: by a field, in Copper where it has a word for that (*by*)."""

    row: Field
    by: str | None
    is_descending: bool


@dataclass(frozen=True)
class Search(Generic[Given]):
    """
    The records that meet some conditions, read from Copper each time it is iterated.

    *notices* says what Copper could not be asked, so that crmsync looks itself.
    """

    book: Book
    type: str
    criteria: Criteria
    order: Order | None
    limit: int | None
    give: Callable[[Record], Given]

    @property
    def notices(self) -> tuple[str, ...]:
        """What the caller should know: conditions that Copper cannot be asked, sorting that it cannot do."""
        if self.order is None or self.order.by is not None:
            return self.criteria.notices
        name = self.order.row.name
        return (*self.criteria.notices, f'Copper cannot sort {self.type} by "{name}": crmsync reads all of them, and sorts.')

    def __repr__(self) -> str:
        return f"<search of {self.type}: iterate it, or take .first(), .one(), .ids(), .count(), .to_rows()>"

    def __iter__(self) -> Iterator[Given]:
        found = (self.give(record) for record in self._ordered())
        return islice(found, self.limit)

    def first(self) -> Given | None:
        """Return the first record, or None when there is none."""
        return next(iter(self), None)

    def one(self) -> Given:
        """Return the only record. Raises BadInput when there is none, or several."""
        found = list(islice(iter(self), 2))
        if len(found) == 1:
            return found[0]
        code, what = ("CRM038", "Several") if found else ("CRM037", "None")
        raise bad(code, f"{what} of {self.type} meet these conditions; exactly one should.")

    def count(self) -> int:
        """Return how many there are at most: Copper's count is an upper bound, and what only crmsync checks counts too."""
        return read.count(self.book.client, self.book.path(self.type), self.criteria.filters)

    def ids(self) -> list[int]:
        """Return the ids."""
        return [record.id for record in islice(self._ordered(), self.limit)]

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the records as flat rows, ready for pandas, polars or csv."""
        return [record.to_row() for record in islice(self._ordered(), self.limit)]

    def to_columns(self) -> dict[str, list[Any]]:
        """Return the same as `to_rows`, column by column: polars and pyarrow then see the whole of each."""
        rows = self.to_rows()
        return {name: [row[name] for row in rows] for name in row_columns(self.book.entity(self.type))}

    def _ordered(self) -> Iterator[Record]:
        if self.order is not None and self.order.by is None:
            yield from self._sorted_here()
            return
        try:
            yield from self._fitting(pages.rows(self._question()))
        except pages.TooMany:
            yield from self._sorted_here()

    def _sorted_here(self) -> Iterator[Record]:
        """Yield all records, sorted by us: of more than 100,000 Copper gives only parts, and those by creation."""
        assert self.order is not None
        row = self.order.row
        found = list(self._fitting(pages.in_parts(self._question(is_sorted=False))))
        full = [record for record in found if _key(record.value(row)) is not None]
        empty = [record for record in found if _key(record.value(row)) is None]
        full.sort(key=lambda record: _sortable(record, row), reverse=self.order.is_descending)
        yield from full + empty

    def _fitting(self, bodies: Iterator[pages.Body]) -> Iterator[Record]:
        for body in bodies:
            record = Record(self.type, body, self.book)
            if not self.criteria.checks or self.criteria.fits(record):
                yield record

    def _question(self, *, is_sorted: bool = True) -> pages.Question:
        search = SEARCHES[self.type]
        order = self.order if is_sorted else None
        sort = (order.by, "desc" if order.is_descending else "asc") if order is not None and order.by else None
        # A full page costs no more than a short one, but with one row wanted it takes Copper longer.
        size, limit = read.PAGE_SIZE, self.limit
        is_short = limit is not None and limit <= size * read.LAST_PAGE
        is_short = is_short and not self.criteria.notices and not self.criteria.unsure
        if limit is not None and is_short:
            size = max(1, min(size, limit))
        path = self.book.path(self.type)
        return pages.Question(
            self.book.client,
            path,
            search.walk,
            self.criteria.filters,
            self.criteria.unsure,
            sort,
            page_size=size,
            wants_all=not is_short,
        )


def order_of(book: Book, type_name: str, sort: str | None, is_descending: bool) -> Order | None:
    """Return the order that a field's name, or Copper's own word for one, asks for. Raises BadInput."""
    sorts = SEARCHES[type_name].sorts
    place = Position("--sort", 1, 1, max(1, len(sort or "")))
    if sort is None and is_descending:
        raise bad("CRM047", "There is nothing to sort by. Name a field as well, such as name.", place)
    if sort == "id":
        raise bad("CRM011", "Copper cannot sort by id. date_created is the same order.", place)
    if sort is None:
        return None
    by_word = {word: name for name, word in sorts.items()}
    name = by_word[sort] if sort in by_word and sort not in sorts else sort
    row = book.field(type_name, name, place)
    return Order(row, sorts.get(row.name), is_descending)


def _key(value: Value) -> Any:
    if isinstance(value, Members):
        return next((str(member.text) for member in value), None)
    return value


def _sortable(record: Record, row: Field) -> Any:
    """Return what to sort by: labels by their names, as people read them, text without regard to case."""
    shown = record.shown(row) if row.kind.is_label or row.kind.is_reference else _key(record.value(row))
    if isinstance(shown, list):
        shown = shown[0]
    return shown.casefold() if isinstance(shown, str) else shown
