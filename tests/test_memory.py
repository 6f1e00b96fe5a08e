"""What a record costs in memory and in the log: bytes are counted, so no machine matters, and margins are wide."""

from __future__ import annotations

import gc
import tracemalloc
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crmsync.catalogue import CATALOGUE
from crmsync.model import packed, rows, wanted
from crmsync.model.address import Address
from crmsync.model.changes import Changes
from crmsync.model.events import Applied, Bound, Done, Event, FieldsApplied, Intent, Origin, WriteAction
from crmsync.model.packed import PackedFields
from crmsync.model.plan import Action, Cause, Change, FieldChange
from crmsync.model.records import Desired, DesiredField, Policy
from crmsync.model.settings import Pace
from crmsync.model.source import Position
from crmsync.model.state import Binding, State
from crmsync.plan.cost import price
from crmsync.plan.order import order
from crmsync.plan.world import Wishes
from crmsync.project import filepile, looking
from crmsync.project.planfile import sealed, write_plan
from crmsync.render.document import plan_document, with_digest
from crmsync.render.text import plan_pieces
from crmsync.state.codec import decode_state, encode_state
from crmsync.state.sqlite import SqliteStore, open_sqlite
from tests.world import World

FEW = 150
DIGEST = "1.0123456789abcdef"
FIELDS = tuple(f"field_{number}" for number in range(20))


def files(count: int) -> str:
    """Return a file of so many people with twelve values each."""
    return "people:\n" + "".join(
        f"  p{n}:\n    name: Person {n}\n    title: Buyer {n}\n    details: Met at fair {n}\n"
        f"    address: {{street: {n} Main St, city: Reno {n}, state: NV, postal_code: '{10000 + n}', country: US}}\n"
        f"    emails: [a{n}@x.test, b{n}@y.test]\n    tags: [crowd, group {n}]\n"
        for n in range(count)
    )


def held(act: Callable[[], Any]) -> int:
    """Return how many bytes are in use for what *act* returns, beside the sandbox; where a test fails it shows which."""
    gc.collect()
    tracemalloc.start()
    try:
        kept = act()
        gc.collect()
        found = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, "*/sandbox/*")])
        assert kept is not None
        print(*found.statistics("lineno")[:12], "", sep="\n")
        return sum(each.size for each in found.statistics("filename"))
    finally:
        tracemalloc.stop()


def highest(act: Callable[[], Any]) -> int:
    """Return how many bytes more than before are in use at the worst moment of *act*."""
    gc.collect()
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def more(measure: Callable[[int], int]) -> float:
    """Return what one record more costs, by *measure* of so many records and of three times as many."""
    measure(FEW)  # what is cached for all
    return (measure(3 * FEW) - measure(FEW)) / (2 * FEW)


@pytest.fixture
def _many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few records count as many: none stay values, and what is put aside goes to the file at once."""
    monkeypatch.setattr(packed, "FEW", 0)
    monkeypatch.setattr(wanted, "FEW", 0)
    monkeypatch.setattr(rows, "_REMEMBERED", 1)
    monkeypatch.setattr(filepile, "_AT_ONCE_BYTES", 4_000)
    monkeypatch.setattr(filepile, "_BLOCKS", 1)


@pytest.mark.usefixtures("_many")
def test_a_planned_create_is_small(tmp_path: Path) -> None:
    """What the plan says of a new record is in a file: what is left is its place, where objects took twelve kilobytes."""

    def plan(count: int) -> int:
        world = World(tmp_path)
        return held(lambda: world.planned(files(count)).plan)

    assert more(plan) < 400


@pytest.mark.usefixtures("_many")
def test_an_adopted_record_is_small(tmp_path: Path) -> None:
    """Neither what Copper showed of it nor what the state will learn stays as objects, once they are many."""

    def plan(count: int) -> int:
        world = World(tmp_path)
        world.apply(files(count))
        world.store.replace(world.store.read().position, State(world.store.read().head))
        return held(lambda: world.planned(files(count)))

    assert more(plan) < 1_200


@pytest.mark.usefixtures("_many")
def test_a_planned_update_is_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is bound stays the text of the snapshot: each binding is made when its record is planned, and let go of."""
    monkeypatch.setattr(looking, "MIRROR_REQUESTS", 0)  # the bodies of a few are kept, to be asked for again

    def plan(count: int) -> int:
        world = World(tmp_path)
        world.apply(files(count))
        state = world.store.read()
        snapshot = decode_state(encode_state(state), state.head, is_checked=True)
        world.store.read = lambda: snapshot
        return held(lambda: world.planned(files(count).replace("Buyer", "Seller")))

    assert more(plan) < 1_000


def linked(folder: Path, count: int) -> Changes:
    """Return a plan of so many new companies, each with a new person, and a deal with both."""
    links = {"people": ("companies",), "opportunities": ("companies", "people")}
    names = {"companies": "company", "people": "primary_contact"}

    def change(type_name: str, number: int) -> Change:
        fields = [FieldChange("name", None, f"Number {number}", Cause.CREATED)]
        for target in links.get(type_name, ()):
            fields.append(FieldChange(names[target], None, Address(target, f"k{number:07}"), Cause.CREATED))
        return Change(Address(type_name, f"k{number:07}"), Action.CREATE, None, "", PackedFields(fields), None, "new")

    pile = filepile.FilePile(folder)
    return Changes(
        pile, (change(name, number) for name in ("companies", "opportunities", "people") for number in range(count))
    )


def a_record(measure: Callable[[int], int]) -> float:
    """Return what each of the three records of `linked` costs, where there are many."""
    measure(100)
    return (measure(2_000) - measure(600)) / (3 * 1_400)


def test_links_are_put_in_order_in_little(tmp_path: Path) -> None:
    """Of who waits for whom only numbers are kept, where ids and sets took over a kilobyte a record."""

    def ordered(count: int) -> int:
        changes = linked(tmp_path, count)
        return highest(lambda: order(changes, CATALOGUE, {}))

    assert a_record(ordered) < 350


def test_links_are_priced_in_little(tmp_path: Path) -> None:
    """What becomes ready when is known by places alone."""

    def priced(count: int) -> int:
        steps = order(linked(tmp_path, count), CATALOGUE, {})
        return highest(lambda: price(steps, CATALOGUE, Pace()))

    assert a_record(priced) < 150


def test_a_declared_record_is_small(tmp_path: Path) -> None:
    """An address, where it is packed: its fields are in a file."""

    def record(number: int) -> Desired:
        policy, place = Policy(), Position("a.yaml", number + 1, 1)
        fields = {"name": DesiredField(f"Number {number}", policy, place)}
        return Desired(Address("people", f"p{number:07}"), fields, place)

    def desired(count: int) -> int:
        return held(lambda: wanted.PackedDesired(map(record, range(count)), filepile.FilePile(tmp_path)))

    assert (desired(20_000) - desired(5_000)) / 15_000 < 80


def test_printing_a_plan_holds_no_change(tmp_path: Path) -> None:
    """A plan is printed in pieces, each change set out when it is its turn: what stays of one is its digest."""

    def printed(count: int) -> int:
        planned = World(tmp_path).planned(files(count))

        def show() -> None:
            document = plan_document(planned.plan, planned.account.catalogue, planned.meta, at_once=False)
            deque(plan_pieces(document), maxlen=0)

        return highest(show)

    assert more(printed) < 1_000


def test_saving_a_plan_holds_no_change(tmp_path: Path) -> None:
    """It is sealed and written in pieces as well."""

    def saved(count: int) -> int:
        planned = World(tmp_path).planned(files(count))

        def save() -> None:
            document = plan_document(planned.plan, planned.account.catalogue, planned.meta, at_once=False)
            write_plan(tmp_path / "plan.json", sealed(with_digest(document), Wishes()), {})

        return highest(save)

    assert more(saved) < 1_000


def write(number: int) -> list[Event]:
    """Return what the log is told of one created record."""
    address, digests = Address("people", f"p{number:07}"), dict.fromkeys(FIELDS, DIGEST)
    intent = Intent(f"run-{number:07}", "run", address, WriteAction.CREATE, None, digests, {}, 15.5, 0.5)
    applied = dict.fromkeys(FIELDS, Applied(DIGEST, DIGEST))
    known = [Done(intent.id, 10**7 + number), Bound(address, 10**7 + number, Origin.CREATED)]
    return [intent, *known, FieldsApplied(address, applied)]


def appended(store: SqliteStore, start: int, count: int) -> None:
    """Append so many writes, ten at a time as a bulk call does."""
    position = store.read().position
    for number in range(start, start + count, 10):
        position = store.append(position, [event for each in range(number, number + 10) for event in write(each)])


@pytest.mark.parametrize(
    ("compact", "most"),
    [
        (lambda store: store.compact(store.read().position), 600),
        (lambda store: store.compact_overgrown(lambda state: True), 50),
    ],
    ids=["of a state that was read", "after a run"],
)
def test_folding_a_log_holds_no_event(tmp_path: Path, compact: Callable[[SqliteStore], int], most: int) -> None:
    """A log is compacted entry by entry: bindings stay as text, after a run on disk, and what was decoded is let go of."""

    def folded(count: int) -> int:
        store = open_sqlite(tmp_path / f"{count}.db", "lineage", create=not (tmp_path / f"{count}.db").exists())
        appended(store, 0, count)
        store.close()
        again = open_sqlite(tmp_path / f"{count}.db", "lineage", create=False)
        return highest(lambda: compact(again))

    assert (folded(6_000) - folded(2_000)) / 4_000 < most


@pytest.mark.parametrize("bound", [1_000, 10_000])
def test_a_write_costs_the_log_the_same_whatever_is_bound(tmp_path: Path, bound: int) -> None:
    """A hundred writes add as many bytes to a state of ten thousand records as to one of a thousand."""
    path = tmp_path / "state.db"
    store = open_sqlite(path, "lineage", create=True)
    bindings = {Address("people", f"b{n:07}"): Binding(n + 1, Origin.CREATED) for n in range(bound)}
    store.replace(0, State(store.read_head(), bindings=bindings))
    appended(store, 0, 100)  # what compaction left free in the file is used up
    before = path.stat().st_size
    appended(store, 100, 1_000)
    store.close()

    assert (path.stat().st_size - before) / 1_000 == pytest.approx(1_690, rel=0.05)
