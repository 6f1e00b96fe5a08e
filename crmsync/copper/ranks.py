"""
Which of the records we know are gone, found with few requests and no trust in any count.

In order of creation a record's place tells how many before it are gone: its rank among all we know, less its position in
what Copper shows now. One page of 200 gives 200 such ranks. Between two pages with the same difference nothing is gone;
where it differs, the page in the middle is asked for. One record among 100,000 takes about ten pages instead of 500.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from msgspec import Struct, field

from crmsync.copper.read import PAGE_SIZE

#: A page, counted from 0, of all records in the order of their creation: their ids.
AskPage = Callable[[int], Sequence[int]]


class NoRanks(Exception):
    """Ranks tell nothing here: an unknown record, another order, or something changed meanwhile. Read everything."""


class _Search(Struct):
    """What the pages told so far; *missing* are ranks."""

    ids: Sequence[int]
    rank_of: dict[int, int]
    ask: AskPage
    pages_left: int
    missing: set[int] = field(default_factory=set)


def missing(ids: Sequence[int], ask: AskPage, most_pages: int) -> frozenset[int]:
    """
    Return which of *ids*, known in the order of their creation, Copper no longer lists.

    Raises NoRanks, also when it would take more than *most_pages*.
    """
    search = _Search(ids, {id: rank for rank, id in enumerate(ids)}, ask, most_pages)
    page, ranks = _tail(search)
    first, last = (ranks[0], ranks[-1]) if ranks else (0, -1)
    search.missing.update(set(range(first, last + 1)).difference(ranks), range(last + 1, len(ids)))
    _narrow(search, 0, 0, first, first - page * PAGE_SIZE)
    return frozenset(ids[rank] for rank in search.missing)


def _tail(search: _Search) -> tuple[int, list[int]]:
    """Return the last page that shows anything, and the ranks on it: nothing that we know comes after those."""
    page = max(0, len(search.ids) - 1) // PAGE_SIZE
    while True:
        ranks = _page(search, page)
        if ranks or page == 0:
            return page, ranks
        page -= 1


def _page(search: _Search, page: int) -> list[int]:
    """Return the ranks of the records on a page."""
    if search.pages_left <= 0:
        raise NoRanks
    search.pages_left -= 1
    try:
        ranks = [search.rank_of[id] for id in search.ask(page)]
    except KeyError as error:
        raise NoRanks from error
    if any(later <= earlier for earlier, later in pairwise(ranks)):
        raise NoRanks
    return ranks


def _narrow(search: _Search, start: int, gone_before: int, end: int, gone_until: int) -> None:
    """Find what is gone among the ranks from *start* to *end*, of which so many are gone before and until the end."""
    gone = gone_until - gone_before
    shown = end - start - gone
    if gone < 0 or shown < 0:
        raise NoRanks
    if gone == 0:
        return
    if shown == 0:
        search.missing.update(range(start, end))
        return
    position = start - gone_before + shown // 2
    page = position // PAGE_SIZE
    ranks = _page(search, page)
    if not ranks or position - page * PAGE_SIZE >= len(ranks):
        raise NoRanks
    here = [(rank, page * PAGE_SIZE + place) for place, rank in enumerate(ranks) if start <= rank < end]
    if not here:
        raise NoRanks
    (first, first_place), (last, last_place) = here[0], here[-1]
    search.missing.update(set(range(first, last + 1)).difference(ranks))
    _narrow(search, start, gone_before, first, first - first_place)
    _narrow(search, last + 1, last - last_place, end, gone_until)
