"""
Every row of a search, page by page, each once.

A page with fewer rows than asked for is no end, and X-PW-TOTAL is an upper bound. Copper shows the first 100,000 matches
of a search; beyond them it is asked again for those created later (copper-api.md section 6).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Any

from crmsync.catalogue.filters import Walk
from crmsync.copper import read
from crmsync.copper.client import Client
from crmsync.copper.errors import Rejected, ServerTrouble, odd_answer
from crmsync.model.http import header, json_request

Body = Mapping[str, Any]
Filters = Mapping[str, Any]

#: The last second that Copper's filters take (copper-api.md 6.1).
_LATEST = 2_147_483_647
_NARROW = "Ask for fewer: add a condition, such as a range of date_created."


@dataclass(frozen=True)
class Question:
    """
    A search of one type, as it is sent.

    *unsure* are filters that Copper may refuse; without them the search shows more. *sort* is Copper's word and the
    direction; None reads in the order of *walk*. Without *wants_all* the caller takes a few rows, and stops.
    """

    client: Client
    path: str
    walk: Walk
    filters: Filters
    unsure: Filters
    sort: tuple[str, str] | None = None
    page_size: int = read.PAGE_SIZE
    wants_all: bool = True


@dataclass(frozen=True, slots=True)
class Edge:
    """Where Copper's cap cut a search off: the date of its last row, and whether the rows came in the order of that date."""

    date: int
    is_in_order: bool


class TooMany(Exception):
    """More rows match than Copper shows in the order asked for."""


def rows(question: Question) -> Iterator[Body]:
    """
    Yield the rows of a search in the order asked for, each once.

    Raises TooMany, before the first row, when more match than Copper shows in this order.
    """
    walk = question.walk
    if question.sort is None or question.sort[0] == walk.sort_by:
        yield from in_parts(question)
        return
    filters = {**question.filters, **_sorted(question.sort)}
    if (yield from _pages(question, filters, set(), refuse_too_many=question.wants_all)) is not None:
        raise ServerTrouble(
            f"More than {_cap()} rows match, and Copper shows no more of them when they are sorted.", _NARROW
        )


def in_parts(question: Question) -> Iterator[Body]:
    """Yield the rows of a search in the order of a date, also beyond the first 100,000."""
    walk = question.walk
    direction = question.sort[1] if question.sort else "desc" if walk.is_descending else "asc"
    filters = dict(question.filters)
    if walk.sort_by is not None:
        filters |= _sorted((walk.sort_by, direction))
    bound = walk.maximum if direction == "desc" else walk.minimum
    seen: set[int] = set()
    while True:
        before = len(seen)
        edge = yield from _pages(question, filters, seen)
        if edge is None:
            return
        if not edge.is_in_order:
            yield from _halves(question, filters, (filters.get(walk.minimum, 0), filters.get(walk.maximum, _LATEST)), seen)
            return
        if len(seen) == before:
            raise _too_dense(question)
        filters[bound] = edge.date


def _halves(question: Question, filters: Filters, span: tuple[int, int], seen: set[int]) -> Iterator[Body]:
    """
    Yield the new rows of a time span, newest first, halved until Copper shows all of a part.

    This costs more requests, and needs no order within a part: that of activities is not documented.
    """
    walk, (low, high) = question.walk, span
    part = {**filters, walk.minimum: low, walk.maximum: high}
    if read.count(question.client, question.path, part) <= _cap():
        yield from _pages(question, part, seen)
        return
    if low >= high:
        raise _too_dense(question)
    middle = (low + high) // 2
    yield from _halves(question, filters, (middle + 1, high), seen)
    yield from _halves(question, filters, (low, middle), seen)


def _sorted(sort: tuple[str, str]) -> Filters:
    return {"sort_by": sort[0], "sort_direction": sort[1]}


def _cap() -> int:
    return read.LAST_PAGE * read.PAGE_SIZE


def _too_dense(question: Question) -> ServerTrouble:
    text = f"More than {_cap()} rows of {question.path} are of one second, and Copper shows no more of them."
    return ServerTrouble(text, _NARROW)


def _pages(
    question: Question, filters: Filters, seen: set[int], *, refuse_too_many: bool = False
) -> Generator[Body, None, Edge | None]:
    """Yield new rows until the end, or up to Copper's cap; return where the cap cut them off."""
    here: set[int] = set()
    dates: list[int] = []
    extra = question.unsure
    for page in range(1, _cap() // question.page_size + 1):
        try:
            found, total = _ask(question, {**extra, **filters}, page)
        except Rejected:
            if not extra or page > 1:
                raise
            extra = {}
            found, total = _ask(question, filters, page)
        if refuse_too_many and page == 1 and total is not None and total > _cap():
            raise TooMany
        here.update(row["id"] for row in found)
        # What was deleted is only a stub, without a date.
        dates += [row[question.walk.key] for row in found if isinstance(row.get(question.walk.key), int)]
        for row in found:
            if row["id"] not in seen:
                seen.add(row["id"])
                if row.get("is_deleted") is not True:
                    yield row
        if not found or (total is not None and page >= ceil(total / question.page_size) and len(here) >= total):
            return None
    if not dates:
        raise ServerTrouble(f"No row of {question.path} has a {question.walk.key}.")
    is_in_order = question.walk.sort_by is not None or all(later <= sooner for sooner, later in pairwise(dates))
    return Edge(dates[-1], is_in_order)


def _ask(question: Question, filters: Filters, page: int) -> tuple[list[dict[str, Any]], int | None]:
    payload = {**filters, "page_number": page, "page_size": question.page_size}
    response, data = question.client.read_data(json_request("POST", f"{question.path}/search", payload))
    if not isinstance(data, list) or not all(isinstance(row, dict) and isinstance(row.get("id"), int) for row in data):
        raise odd_answer(response, "a list of objects with ids")
    total = (header(response, "X-PW-TOTAL") or "").strip()
    return data, int(total) if total.isascii() and total.isdigit() else None
