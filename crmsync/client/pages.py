"""
Every row of a search, page by page, each once.

A page with fewer rows than asked for is no end, and X-PW-TOTAL is an upper bound. Copper shows the first 100,000 matches
of a search; beyond them it is asked again for those created later (copper-api.md section 6).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from crmsync.catalogue.filters import Walk
from crmsync.copper import read
from crmsync.copper.client import Client
from crmsync.copper.errors import Rejected, ServerTrouble, odd_answer
from crmsync.model.http import header, json_request

Body = Mapping[str, Any]
Filters = Mapping[str, Any]


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


class TooMany(Exception):
    """More rows match than Copper shows in the order asked for."""


def rows(question: Question) -> Iterator[Body]:
    """
    Yield the rows of a search in the order asked for, each once.

    Raises TooMany, before the first row, when more match than Copper shows in this order.
    """
    walk = question.walk
    if question.sort is not None and question.sort[0] != walk.sort_by:
        seen: set[int] = set()
        yield from _pages(question, {**question.filters, **_sorted(question.sort)}, seen, refuse_too_many=question.wants_all)
        return
    yield from in_parts(question)


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
        if len(seen) == before:
            raise ServerTrouble(f"More than {_cap()} records of {question.path} are of the same second.")
        filters[bound] = edge


def _sorted(sort: tuple[str, str]) -> Filters:
    return {"sort_by": sort[0], "sort_direction": sort[1]}


def _cap() -> int:
    return read.LAST_PAGE * read.PAGE_SIZE


def _pages(
    question: Question, filters: Filters, seen: set[int], *, refuse_too_many: bool = False
) -> Generator[Body, None, int | None]:
    """Yield new rows until the end, or up to Copper's cap; return the date of the last row when the cap cut them off."""
    here: set[int] = set()
    extra, last = question.unsure, None
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
        for row in found:
            last = row
            if row["id"] not in seen:
                seen.add(row["id"])
                if row.get("is_deleted") is not True:
                    yield row
        if not found or (total is not None and page >= ceil(total / question.page_size) and len(here) >= total):
            return None
    edge = (last or {}).get(question.walk.key)
    if not isinstance(edge, int):
        raise ServerTrouble(f"A record of {question.path} has no {question.walk.key}.")
    return edge


def _ask(question: Question, filters: Filters, page: int) -> tuple[list[dict[str, Any]], int | None]:
    payload = {**filters, "page_number": page, "page_size": question.page_size}
    response, data = question.client.read_data(json_request("POST", f"{question.path}/search", payload))
    if not isinstance(data, list) or not all(isinstance(row, dict) and isinstance(row.get("id"), int) for row in data):
        raise odd_answer(response, "a list of objects with ids")
    total = (header(response, "X-PW-TOTAL") or "").strip()
    return data, int(total) if total.isascii() and total.isdigit() else None
