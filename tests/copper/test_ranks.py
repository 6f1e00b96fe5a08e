"""Rank probes find what is gone exactly, with few pages, and say so when they cannot."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsync.copper.ranks import NoRanks, missing


class Listing:
    """What Copper shows, in pages of 200."""

    def __init__(self, ids: list[int]) -> None:
        self.ids = ids
        self.pages = 0

    def __call__(self, page: int) -> list[int]:
        self.pages += 1
        return self.ids[page * 200 : page * 200 + 200]


@settings(max_examples=200, deadline=None)
@given(count=st.integers(1, 3000), seed=st.integers(0, 10_000), share=st.sampled_from([0.0, 0.001, 0.01, 0.3, 1.0]))
def test_exactly_what_is_gone_is_found(count: int, seed: int, share: float) -> None:
    """However many are gone and wherever they were."""
    chance = random.Random(seed)
    known = chance.sample(range(count * 3), count)
    gone = frozenset(id for id in known if chance.random() < share)

    assert gone == missing(known, Listing([id for id in known if id not in gone]), 1000)


@pytest.mark.parametrize(("gone", "usual", "most"), [(0, 1, 1), (1, 10, 12), (10, 55, 60)])
def test_few_pages_are_asked_among_100_000(gone: int, usual: int, most: int) -> None:
    """One that is gone among 100,000 takes at most 12 pages, ten usually take 55 or fewer; of 20 draws."""
    known = list(range(100_000))
    asked = []
    for seed in range(20):
        away = frozenset(random.Random(seed).sample(known, gone))
        listing = Listing([id for id in known if id not in away])
        assert away == missing(known, listing, 500)
        asked.append(listing.pages)

    assert sorted(asked)[len(asked) // 2] <= usual
    assert max(asked) <= most


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param([*range(399), 5000], id="a record nobody knows"),
        pytest.param([*range(200), *range(399, 199, -1)], id="another order"),
    ],
)
def test_what_ranks_cannot_tell_is_said(shown: list[int]) -> None:
    """Then everything is read."""
    with pytest.raises(NoRanks):
        missing(list(range(400)), Listing(shown), 100)


def test_a_search_that_costs_too_much_is_given_up() -> None:
    """Reading everything is cheaper then."""
    known = list(range(10_000))
    with pytest.raises(NoRanks):
        missing(known, Listing(known[::2]), 10)
