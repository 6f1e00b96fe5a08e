"""What every engine keeps, whichever it is."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from threading import Barrier, Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.model.events import (
    Applied,
    Bound,
    Done,
    FieldsApplied,
    Forgotten,
    Intent,
    Origin,
    Renamed,
    RunStarted,
    Unknown,
    WriteAction,
)
from crmsync.model.state import Binding, Head, State
from crmsync.model.store import Holder, Locked, Lost, Tail, Unusable

ACME = Address("companies", "acme")
WILE = Address("people", "wile")
BIRTH = [Bound(ACME, 7, Origin.CREATED), FieldsApplied(ACME, {"name": Applied("a", "b")})]
INTENT = Intent("i1", "r1", WILE, WriteAction.CREATE, None, {"name": "d"}, {}, 115.0, 100.0)
MINE = Holder("n1", "dana", "here", 41, since=1000.0, renewed=1000.0)
OTHER = Holder("n2", "ci", "elsewhere", 41, since=1000.0, renewed=1000.0)


def test_a_new_store_is_empty(store, lineage):
    """Before the first append there is position 0, nothing bound and nobody holding."""
    state = store.read()

    assert State(state.head) == state
    assert (state.head.lineage, len(state.head.digest_key)) == (lineage, 32)
    assert list(store.events()) == []
    assert store.holder() is None


def test_appends_are_read_by_everybody(store, open_again, clock):
    """What one handle appends another reads, with its position and time."""
    assert store.append(0, BIRTH) == 1
    clock.now += 5
    assert store.append(1, [INTENT]) == 2
    other = open_again()

    expected = State(
        store.read().head, 2, None, {ACME: Binding(7, Origin.CREATED, {"name": Applied("a", "b")})}, {"i1": INTENT}
    )
    assert expected == other.read()
    assert [(1, 1000.0, BIRTH[0]), (1, 1000.0, BIRTH[1]), (2, 1005.0, INTENT)] == list(other.events())


def test_a_log_stays_readable_when_it_is_opened_again(store, open_again):
    """The secret of the digests is made once and stays."""
    store.append(0, BIRTH)
    key = store.read().head.digest_key
    store.close()

    assert key == open_again().read().head.digest_key


def test_the_second_writer_loses(store, open_again):
    """Of two appends at one position the second raises Lost and leaves no trace."""
    other = open_again()
    store.append(0, BIRTH)

    with pytest.raises(Lost):
        other.append(0, [INTENT])
    assert other.read().open_intents == {}
    assert other.append(1, [INTENT]) == 2


def test_a_writer_ahead_of_the_log_loses(store):
    """A position that the log has not reached belongs to another log, restored from a copy."""
    with pytest.raises(Lost):
        store.append(3, BIRTH)


def test_a_writer_paused_over_a_compaction_loses(store, open_again):
    """Compacting takes a position of its own, so that whoever slept through it cannot append."""
    paused = open_again()
    store.append(0, BIRTH)
    assert store.compact(1) == 2

    for stale in (0, 1):
        with pytest.raises(Lost):
            paused.append(stale, [INTENT])
    assert paused.append(2, [INTENT]) == 3


def test_a_log_is_compacted_where_it_is_overgrown(store, open_again):
    """Whoever is asked sees the state whole; what is written down is that, and otherwise nothing is."""
    store.append(0, BIRTH)
    store.append(1, [INTENT])
    seen = []

    def is_overgrown(state):
        seen.append((dict(state.bindings), state.open_intents, state.logged))
        return len(seen) == 2

    before = open_again().read()
    assert (store.compact_overgrown(is_overgrown), store.read()) == (2, before)
    assert store.compact_overgrown(is_overgrown) == 3

    assert [(dict(before.bindings), before.open_intents, before.logged)] * 2 == seen
    after = open_again().read()
    assert (dict(after.bindings), after.open_intents, after.position) == (*seen[0][:2], 3)
    assert (after.logged, len(store.events())) == (0, 0)


def test_what_came_since_is_read_alone(store, open_again):
    """Whoever remembers a position and its mark is told the events after it, by any handle."""
    store.append(0, BIRTH)
    mark = store.mark(1)
    assert store.since(1, mark) == Tail(store.read().head, 1, mark, ())

    store.append(1, [INTENT])
    store.append(2, [Done("i1", 9)])
    tail = open_again().since(1, mark)

    assert Tail(store.read().head, 3, store.mark(3), (INTENT, Done("i1", 9))) == tail


def test_nothing_is_told_of_another_log(store):
    """A mark is of one log at one position; what is not there has none."""
    store.append(0, BIRTH)
    store.append(1, [INTENT])

    assert [store.since(1, store.mark(2)), store.since(2, "another"), store.since(7, "beyond")] == [None] * 3
    assert [store.mark(7), store.mark(1) == store.mark(2)] == [None, False]


def test_nothing_is_told_over_a_compaction(store):
    """The events in between are gone; the snapshot has a mark of its own."""
    store.append(0, BIRTH)
    mark = store.mark(1)
    store.compact(1)
    assert store.since(1, mark) is None

    mark = store.mark(2)
    store.append(2, [INTENT])

    assert Tail(store.read().head, 3, store.mark(3), (INTENT,)) == store.since(2, mark)


def test_compaction_needs_the_head(store):
    """Somebody who does not know the end of the log may not compact it."""
    store.append(0, BIRTH)

    with pytest.raises(Lost):
        store.compact(0)
    assert store.read().position == 1


def test_compaction_keeps_the_state_and_drops_the_log(store, open_again):
    """Open intents and unknown ones, started plans and an unfinished run survive; the events are gone."""
    store.append(0, [RunStarted("r1", 1.0, 5, "plan"), *BIRTH, INTENT, Unknown("i1", "timeout")])
    before = store.read()

    position = store.compact(1)

    assert replace(before, position=position) == open_again().read()
    assert list(store.events()) == []


def test_positions_only_grow(store):
    """Appends and compactions take turns, and no position is ever used twice."""
    position = 0
    positions = []
    for round in range(12):
        position = store.compact(position) if round % 4 == 3 else store.append(position, BIRTH)
        positions.append(position)

    assert list(range(1, 13)) == positions


def test_an_append_of_nothing_is_a_position_too(store):
    """An empty segment is a fence: it moves the log on."""
    assert store.append(0, []) == 1

    with pytest.raises(Lost):
        store.append(0, BIRTH)


def test_the_fold_follows_the_log(store):
    """Renaming, forgetting and confirming are told in the order they happened."""
    store.append(0, [*BIRTH, INTENT])
    store.append(1, [Done("i1", 9), Bound(WILE, 9, Origin.CREATED)])
    store.append(2, [Renamed(ACME, Address("companies", "corp")), Forgotten(WILE, "gone")])

    state = store.read()
    assert {Address("companies", "corp"): Binding(7, Origin.CREATED, {"name": Applied("a", "b")})} == state.bindings
    assert state.open_intents == {}


def test_a_log_that_contradicts_itself_is_refused(store):
    """A field applied to a record that was never bound is never stored: the log would not be readable any more."""
    with pytest.raises(Unusable):
        store.append(0, [FieldsApplied(ACME, {"name": Applied("a", "b")})])

    assert store.read().position == 0


@pytest.mark.parametrize("cuts", ["", "c", "ac", "ca", "aca", "ccaac"])
def test_when_the_log_was_compacted_does_not_show(open_again, cuts):
    """The same events give the same bindings and intents, wherever compactions fall between them."""
    _check_cuts(open_again(), cuts)


@pytest.mark.parametrize("open_again", ["memory", "sqlite", "postgresql"], indirect=True)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.text("ac", max_size=8))
def test_wherever_the_log_was_compacted_does_not_show(open_again, cuts):
    """The same, wherever they fall; on the engines that are quick enough."""
    _check_cuts(open_again(), cuts)


def _check_cuts(store, cuts):
    position = store.append(store.read().position, [Bound(ACME, 7, Origin.ADOPTED), INTENT])
    for number, cut in enumerate(cuts):
        field = FieldsApplied(ACME, {f"f{number}": Applied("a", "b")})
        position = store.append(position, [field])
        position = store.compact(position) if cut == "c" else position

    state = store.read()
    assert {f"f{number}": Applied("a", "b") for number in range(len(cuts))} == state.bindings[ACME].applied
    assert state.open_intents == {"i1": INTENT}


def test_threads_share_a_store(store):
    """Of threads that append at one position, exactly one wins each."""
    wins: list[int] = []
    start = Barrier(4)

    def race() -> None:
        start.wait()
        while (position := store.read().position) < 8:
            try:
                wins.append(store.append(position, [INTENT]))
            except Lost:
                continue

    threads = [Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert list(range(1, len(wins) + 1)) == sorted(wins)
    assert store.read().position == len(wins)


# The lease.


def test_the_lease_has_one_holder(store, open_again):
    """Whoever comes second is told who holds it; after the release it is free."""
    store.acquire(MINE, 1000.0)

    with pytest.raises(Locked) as locked:
        open_again().acquire(OTHER, 1059.0)
    assert (locked.value.holder, open_again().holder()) == (MINE, MINE)
    store.release("n1")
    assert store.holder() is None


def test_a_renewed_lease_stays(store):
    """A holder that says every 15 seconds that it is alive keeps the lease."""
    store.acquire(MINE, 1000.0)
    for now in range(1015, 1200, 15):
        store.renew("n1", now)

    with pytest.raises(Locked):
        store.acquire(OTHER, 1239.0)
    assert replace(MINE, renewed=1195.0) == store.holder()


def test_a_silent_holder_loses_the_lease(store):
    """After 60 seconds of silence the lease is taken over, and the old holder learns of it."""
    store.acquire(MINE, 1000.0)

    store.acquire(OTHER, 1060.0)

    assert replace(OTHER, renewed=1060.0) == store.holder()
    with pytest.raises(Lost):
        store.renew("n1", 1061.0)


def test_a_dead_holder_on_this_host_loses_the_lease_at_once(store, dead):
    """A process that died here holds nothing; the same number elsewhere says nothing."""
    store.acquire(MINE, 1000.0)
    dead.add(41)

    with pytest.raises(Locked):
        store.acquire(OTHER, 1001.0)
    store.acquire(replace(OTHER, host="here"), 1001.0)


@pytest.mark.parametrize("skew", [-4000.0, 4000.0])
def test_hosts_whose_clocks_differ_lose_no_append(open_again, clock, skew):
    """
    A lease compares the clocks of hosts, and one that is wrong may take over a lease that lives. The append is the fence.

    Whatever either was told is appended is in the log, once, at its position; who has lost the lease learns it at its next
    append or renewal, whichever comes first, and so sends nothing on the strength of an intent that nobody sees.
    """
    ours, theirs = open_again(), open_again()
    rng, acknowledged, lost = Random(7), {}, 0
    ours.acquire(MINE, 1000.0)
    at = [ours.read().position, theirs.read().position]
    for number in range(24):
        real = 1000.0 + number
        who = rng.randrange(2)
        store = (ours, theirs)[who]
        clock.now = real + (skew if who else 0.0)
        if who and number >= 12:
            with suppress(Locked):
                theirs.acquire(OTHER, clock.now)
        event = replace(INTENT, id=f"i{number}")
        try:
            at[who] = store.append(at[who], [event])
            acknowledged[at[who]] = event
        except Lost:
            lost += 1
            at[who] = store.read().position

    assert lost > 0
    assert acknowledged == {position: event for position, _, event in open_again().events()}
    assert set(at) <= {*acknowledged}
    holder = ours.holder()
    if skew > 0:
        assert holder.nonce == "n2"
        with pytest.raises(Lost):
            ours.renew("n1", 1030.0)
    else:
        assert holder.nonce == "n1"


def test_the_holder_may_take_its_own_lease_again(store):
    """Acquiring twice under one nonce is renewing."""
    store.acquire(MINE, 1000.0)
    store.acquire(MINE, 1010.0)

    assert replace(MINE, renewed=1010.0) == store.holder()


def test_a_foreign_lease_is_not_given_back(store):
    """A release after the lease was taken over changes nothing."""
    store.acquire(OTHER, 1000.0)

    store.release("n1")

    assert replace(OTHER, renewed=1000.0) == store.holder()


def test_the_lease_can_be_broken(store):
    """Unlocking returns whom it was taken from, and None where nobody held it."""
    store.acquire(MINE, 1000.0)

    assert store.break_lease() == MINE
    assert store.break_lease() is None
    with pytest.raises(Lost):
        store.renew("n1", 1001.0)


def test_the_lease_is_not_the_fence(store):
    """Who lost the lease may still append as long as nobody else did: only the position counts."""
    store.acquire(MINE, 1000.0)
    store.break_lease()

    assert store.append(0, BIRTH) == 1


def test_a_state_is_put_in_the_place_of_the_log(store, open_again):
    """A state from elsewhere follows at the next position, under the secret that is here; a stale writer loses."""
    stale = open_again()
    position = store.append(store.read().position, BIRTH)
    pushed = State(
        Head("elsewhere", b"x" * 32), 90, 5, {WILE: Binding(9, Origin.ADOPTED)}, {"i1": INTENT}, missed=frozenset({ACME})
    )

    with pytest.raises(Lost):
        stale.replace(position - 1, pushed)
    assert store.replace(position, pushed) == position + 1
    assert replace(pushed, head=store.read().head, position=position + 1) == open_again().read()
    with pytest.raises(Lost):
        stale.append(position, [INTENT])
    assert store.append(position + 1, [Bound(ACME, 7, Origin.REBUILT)]) == position + 2
    assert store.read().missed == frozenset()


# Copies of records, beside the log.


def test_copies_are_kept_by_name(store, open_again):
    """What one handle keeps another finds, by name and in order, and nothing of it is in the log."""
    store.keep({"20261126T080000Z-b/1": b"one", "20261126T080000Z-b/2": bytes(range(256))})
    store.keep({"20261125T080000Z-a/1": b""})
    other = open_again()

    expected = {"20261125T080000Z-a/1": 0, "20261126T080000Z-b/1": 3, "20261126T080000Z-b/2": 256}
    assert expected == other.kept()
    assert list(expected) == list(other.kept())
    assert bytes(range(256)) == other.copy("20261126T080000Z-b/2")
    assert store.read().position == 0


def test_a_copy_is_never_replaced(store, open_again):
    """The same content again is no harm, as after a lost answer; another content under the name is refused."""
    store.keep({"a/1": b"one"})
    store.keep({"a/1": b"one"})

    with pytest.raises(Unusable, match="a/1"):
        open_again().keep({"a/1": b"two"})
    assert store.copy("a/1") == b"one"


def test_copies_are_dropped(store, open_again):
    """What is dropped is gone for everybody; what is not there can be dropped too."""
    store.keep({"a/1": b"one", "a/2": b"two"})
    open_again().drop(["a/1", "b/1"])

    assert store.kept() == {"a/2": 3}
    with pytest.raises(KeyError):
        store.copy("a/1")


def test_copies_survive_a_compaction(store):
    """Copies are beside the log: they have their own time to be kept."""
    store.keep({"a/1": b"one"})
    store.compact(store.append(0, BIRTH))

    assert store.copy("a/1") == b"one"


def test_an_append_keeps_its_copies(store, open_again):
    """What a write replaces goes with the intent to write it, in one: both are there, for everybody."""
    store.keep({"20261126T080000Z-a/000000": b"a copy of a delete"})
    assert store.append(0, BIRTH, {"20261126T080000Z-b/000000": b"sealed", "20261126T080000Z-b/000001": b""}) == 1
    other = open_again()
    assert other.append(1, [INTENT], {"20261126T080000Z-c/001000": bytes(range(256))}) == 2
    assert store.append(2, [Done("i1", 9)], {"20261126T080000Z-b/000002": b"more"}) == 3

    expected = {
        "20261126T080000Z-a/000000": 18,
        "20261126T080000Z-b/000000": 6,
        "20261126T080000Z-b/000001": 0,
        "20261126T080000Z-b/000002": 4,
        "20261126T080000Z-c/001000": 256,
    }
    assert list(expected.items()) == list(open_again().kept().items())
    assert store.copy("20261126T080000Z-c/001000") == bytes(range(256))
    assert [(1, BIRTH[0]), (1, BIRTH[1]), (2, INTENT), (3, Done("i1", 9))] == [
        (position, event) for position, _, event in store.events()
    ]
    assert store.copy("20261126T080000Z-b/000000") == b"sealed"


def test_the_second_writer_appends_nothing_and_goes_on(store, open_again):
    """Who loses keeps nothing that is in anybody's way, and appends with its copies once it has read."""
    other = open_again()
    store.append(0, BIRTH, {"20261126T080000Z-a/000000": b"mine"})

    with pytest.raises(Lost):
        other.append(0, [INTENT], {"20261126T080000Z-b/000000": b"late"})
    assert other.append(1, [INTENT], {"20261126T080000Z-b/000001": b"again"}) == 2
    assert {"20261126T080000Z-a/000000", "20261126T080000Z-b/000001"} <= store.kept().keys()
    assert store.copy("20261126T080000Z-a/000000") == b"mine"


def test_what_an_append_kept_is_dropped_and_outlives_compactions(store, open_again):
    """It is a copy like any other."""
    store.compact(store.append(0, BIRTH, {"20261126T080000Z-a/000000": b"one", "20261126T080000Z-a/000001": b"two"}))
    assert open_again().copy("20261126T080000Z-a/000000") == b"one"

    open_again().drop(["20261126T080000Z-a/000000"])

    assert store.kept() == {"20261126T080000Z-a/000001": 3}
    assert store.append(2, [INTENT], {"20261126T080000Z-b/000000": b"three"}) == 3
    assert open_again().kept() == {"20261126T080000Z-a/000001": 3, "20261126T080000Z-b/000000": 5}


# Much at once.


def test_a_big_batch_is_one_segment(store, open_again):
    """Thousands of events go in one append, and come back."""
    events = [Bound(Address("companies", f"c{number}"), number, Origin.CREATED) for number in range(3000)]
    assert store.append(0, events) == 1
    assert store.compact(1) == 2

    assert len(open_again().read().bindings) == 3000


def test_reading_again_reads_what_is_new(store, open_again):
    """A handle that has read follows the log through appends and compactions of others."""
    other = open_again()
    assert other.read().position == 0
    position = store.append(0, BIRTH)
    assert other.read().bindings == store.read().bindings
    position = store.append(store.compact(position), [INTENT])

    assert other.read() == store.read()
    assert list(other.events()) == [(3, 1000.0, INTENT)]
    assert other.append(position, [Done("i1", 9), Bound(WILE, 9, Origin.CREATED)]) == 4
