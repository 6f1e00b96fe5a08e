"""Who waits for whom, as numbers: followers, and what lies on cycles or behind them."""

from __future__ import annotations

from contextlib import suppress
from graphlib import CycleError, TopologicalSorter

from hypothesis import given
from hypothesis import strategies as st

from crmsync.model.waits import Waits

COUNT = 12
numbers = st.integers(0, COUNT - 1)


@given(st.lists(st.tuples(numbers, numbers), max_size=30), st.sets(numbers))
def test_waits_are_as_in_pairs(pairs: list[tuple[int, int]], strangers: set[int]) -> None:
    """Whoever waits twice for another follows it twice, and who waits for a stranger never comes."""
    waits = Waits(COUNT, [who for who, _ in pairs], [whom for _, whom in pairs], strangers)

    for number in range(COUNT):
        assert waits.counts[number] == sum(who == number for who, _ in pairs) + (number in strangers)
        assert sorted(waits.followers(number)) == sorted(who for who, whom in pairs if whom == number)


@given(st.sets(st.tuples(numbers, numbers), max_size=30))
def test_entangled_is_what_a_sorter_cannot_reach(pairs: set[tuple[int, int]]) -> None:
    """Peeled from the front, what is left waits for itself or for such; another library says the same."""
    graph = {number: {whom for who, whom in pairs if who == number} for number in range(COUNT)}
    sorter, done = TopologicalSorter(graph), set[int]()
    with suppress(CycleError):  # get_ready still yields what is before the first cycle
        sorter.prepare()
    while ready := sorter.get_ready():
        done.update(ready)
        sorter.done(*ready)

    assert Waits(COUNT, *zip(*pairs, strict=True) if pairs else ((), ())).entangled() == set(range(COUNT)) - done
