"""
Trouble on the way, in virtual time: whatever is lost, late or refused, one address leads to one record.

Each test ends with the same look at the sandbox's log: no address was created twice, and nothing undeclared was sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from crmsync.apply.work import Job
from crmsync.model.address import Address
from crmsync.model.effects import Append, Copy, Send
from crmsync.model.events import Origin
from crmsync.model.plan import Plan
from crmsync.project.planned import Planned
from crmsync.sandbox import Fault, Quirks
from tests.simulator import Killed
from tests.world import World

BULK = """
people:
  ann: {name: Ann, emails: [ann@a.example]}
  ben: {name: Ben}
  cat: {name: Cat, tags: [x]}
"""
SINGLE = """
people:
  ann: {name: Ann, emails: [ann@a.example]}
"""
CREATES = {"single": SINGLE, "bulk": BULK}

#: What an answer was lost to, and whether the request was executed all the same.
UNCLEAR = {
    "timeout_after": Fault("timeout_after", method="POST", path="bulk_create", nth=1),
    "timeout_before": Fault("timeout_before", method="POST", path="bulk_create", nth=1),
    "late": Fault("late", method="POST", path="bulk_create", nth=1, delay=60),
    "5xx before": Fault("status_before", method="POST", path="bulk_create", nth=1),
    "5xx after": Fault("status_after", method="POST", path="bulk_create", nth=1),
    "reset before": Fault("reset_before", method="POST", path="bulk_create", nth=1),
    "reset after": Fault("reset_after", method="POST", path="bulk_create", nth=1),
    "truncated": Fault("truncated", method="POST", path="bulk_create", nth=1),
    "html": Fault("html", method="POST", path="bulk_create", nth=1),
    "html, executed": Fault("html", method="POST", path="bulk_create", nth=1, executed=True),
    "redirect": Fault("redirect", method="POST", path="bulk_create", nth=1),
    "twice before": Fault("timeout_before", method="POST", path="bulk_create", nth=(1, 2)),
    "429": Fault("status_before", method="POST", path="bulk_create", nth=1, status=429),
    "429, Retry-After": Fault("status_before", method="POST", path="bulk_create", nth=(1, 2), status=429, retry_after=7),
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def keeps_promises(world: World, files: str) -> None:
    """Look at everything that was executed: each declared record is there once, and only declared keys were sent."""
    declared = yaml.safe_load(files)
    for type_name, records in declared.items():
        names = Counter(str(record["name"]) for record in records.values())
        assert Counter(world.names(type_name)) == names
    keys = {key for records in declared.values() for record in records.values() for key in record}
    keys |= {f"{key}_id" for key in keys} | {"id", "resource"} | ({"pipeline_stage_id"} if "stage" in keys else set())
    assert {key for body in world.bodies() for key in body} <= keys
    assert world.plan(files).changes == ()
    assert world.store.read().open_intents == {}
    assert {binding.origin for binding in world.store.read().bindings.values()} == {Origin.CREATED}


@pytest.mark.parametrize("lag", [0, 5])
@pytest.mark.parametrize("files", CREATES.values(), ids=CREATES)
@pytest.mark.parametrize("fault", UNCLEAR.values(), ids=UNCLEAR)
def test_an_unclear_create_is_settled(fault: Fault, files: str, lag: int, tmp_path: Path) -> None:
    """A create without a clear answer is found or sent again once the settling time is over: exactly one record each."""
    world = World(tmp_path, quirks=Quirks(search_lag=lag, short_pages="on" if lag else "off"))
    world.fault(fault)
    applied = world.apply(files)
    world.clock.sleep(10)

    assert applied.statuses() == {}
    keeps_promises(world, files)


@pytest.mark.parametrize("kind", ["timeout_after", "timeout_before", "status_after", "reset_before", "truncated", "late"])
@pytest.mark.parametrize("step", ["update", "relate", "unrelate", "delete", "follow-up"])
def test_an_unclear_change_is_settled_by_looking(kind: str, step: str, world: World) -> None:
    """An update, a relation, a delete or a follow-up without a clear answer is re-read, and sent again where it must be."""
    before = (
        "companies: {a: {name: A}, b: {name: B}}\n"
        "people: {p: {name: P, company: a, title: old}, q: {name: Q}, r: {name: R, company: a}}\n"
    )
    after = (
        "companies: {a: {name: A}, b: {name: B}, c: {name: C, primary_contact: s}}\n"
        "people: {p: {name: P, company: b, title: new}, r: {name: R, company: null}, s: {name: S, company: c}}\n"
    )
    routes = {
        "update": ("POST", "people/bulk_update"),
        "relate": ("POST", "related"),
        "unrelate": ("DELETE", "related"),
        "delete": ("DELETE", r"people/\d+$"),
        "follow-up": ("POST", "companies/bulk_update"),
    }
    world.apply(before)
    world.fault(Fault(kind, *routes[step], nth=1))

    assert world.apply(after).statuses() == {}
    world.clock.sleep(60)
    keeps_promises(world, after)


def test_bad_items_fail_alone(world: World) -> None:
    """In a bulk call an item that Copper refuses fails by itself; what depends on it is skipped, with the cause."""
    world.sandbox.create("people", {"name": "Taken", "emails": ["taken@a.example"]})
    taken = world.sandbox.records("people")[0]["id"]
    world.sandbox.hide("people", taken)
    files = (
        "people: {a: {name: A}, b: {name: B, emails: [taken@a.example]}}\n"
        "opportunities: {o: {name: O, primary_contact: b}, p: {name: P, primary_contact: a}}\n"
    )
    applied = world.apply(files)

    assert applied.statuses() == {"people.b": "failed", "opportunities.o": "skipped"}
    details = {str(each.address): each.detail for each in applied.outcomes if each.detail}
    assert details == {"people.b": "Copper refused: emails: taken", "opportunities.o": "It waited for people.b."}
    assert world.names("people") == ["A", "Taken"]
    assert world.names("opportunities") == ["P"]
    world.sandbox.delete("people", taken)
    assert world.apply(files).statuses() == {}
    keeps_promises(world, files)


def test_whatever_waited_for_what_is_not_part_of_the_run_says_so(world: World) -> None:
    """One was to give an e-mail up, and was not reviewed like that: each step of the one that takes it names that cause."""
    before = "people: {q: {name: Q, emails: [q@a.example], company: a}, r: {name: R, emails: [r@a.example]}}\n"
    after = "people: {q: {name: Q, emails: [r@a.example], company: b}, r: {name: R, emails: [%s@a.example]}}\n"
    firms = "companies: {a: {name: A}, b: {name: B}}\n"
    world.apply(firms + before)
    reviewed = world.document(firms + after % "x")

    applied = world.apply(firms + after % "y", reviewed=reviewed)

    cause = "It waited for people.r, which is not part of this run."
    skipped = [(each.action, each.detail) for each in applied.outcomes if each.status == "skipped"]
    assert skipped == [("update", cause), ("unrelate", cause), ("relate", cause)]


TWENTY = yaml.safe_dump({"companies": {f"c{n:02}": {"name": f"Company {n}"} for n in range(23)}})


def test_a_lower_bulk_limit_is_learnt(tmp_path: Path) -> None:
    """When Copper takes fewer records a call, the calls shrink to its limit, and nothing is created twice."""
    world = World(tmp_path, quirks=Quirks(bulk_limit="5"))

    assert world.apply(TWENTY).statuses() == {}
    keeps_promises(world, TWENTY)
    assert {len(each.body["companies"]) for each in world.writes()} == {5, 3}


def test_without_bulk_routes_records_go_one_by_one(world: World) -> None:
    """When the bulk route is gone, it is not tried for every batch, and the records go singly."""
    world.fault(Fault("status_before", path="bulk", status=404))

    assert world.apply(TWENTY).statuses() == {}
    keeps_promises(world, TWENTY)
    assert sum("bulk" in each.path for each in world.sandbox.log) <= 4


@pytest.mark.parametrize("after", range(1, 40, 3))
def test_an_interrupted_run_is_finished_by_the_next(after: int, world: World) -> None:
    """Whenever the user interrupts, what is in flight ends well, and the next run does the rest."""
    world.apply(TWENTY, scheduler={"stop_after": after})
    assert world.store.read().open_intents == {}

    assert world.apply(TWENTY).statuses() == {}
    keeps_promises(world, TWENTY)


def test_a_revoked_key_stops_the_run(world: World) -> None:
    """After a 401 nothing else is started; what was done stays done, and the next run goes on."""
    world.fault(Fault("status_before", path="bulk_create", status=401, nth=(2, 3, 4, 5, 6, 7)))
    applied = world.apply(TWENTY)
    assert applied.ledger["applied"] in (3, 10)
    assert set(applied.statuses().values()) <= {"failed", "skipped"}
    world.fault()

    assert world.apply(TWENTY).statuses() == {}
    keeps_promises(world, TWENTY)


def test_no_connection_stops_the_run(world: World) -> None:
    """A refused connection was not executed, and nothing else is tried."""
    world.fault(Fault("refused", path="bulk_create"))
    applied = world.apply(TWENTY)
    assert set(applied.statuses().values()) == {"failed", "skipped"}
    world.fault()

    assert world.apply(TWENTY).statuses() == {}
    keeps_promises(world, TWENTY)


class Meddling(World):
    """A world where somebody does something between the plan and the run."""

    act: Callable[[World], object] | None = None

    def _job(self, planned: Planned, plan: Plan, settle: float) -> Job:
        if plan.steps and self.act is not None:
            self.clock.sleep(3)
            self.act(self)
        return super()._job(planned, plan, settle)


def _meddled(tmp_path: Path, before: str, after: str, act: Callable[[World], object]) -> tuple[World, dict[str, str]]:
    world = Meddling(tmp_path)
    world.apply(before)
    world.act = act
    statuses = world.apply(after).statuses()
    world.act = None
    return world, statuses


OLD = "people: {a: {name: A, title: old, details: old}, b: {name: B, title: old}, c: {name: C}}\n"
NEW = "people: {a: {name: A, title: new, details: new}, b: {name: B, title: new}, c: {name: C}}\n"


def test_an_edit_after_the_plan_is_not_overwritten(tmp_path: Path) -> None:
    """A field that a person changed after the plan was made is set aside; the other fields and records go on."""
    world, statuses = _meddled(tmp_path, OLD, NEW, lambda world: world.edit("people.a", title="theirs"))

    assert statuses == {"people.a": "conflict"}
    a, b = world.record("people.a"), world.record("people.b")
    assert (a["title"], a["details"], b["title"]) == ("theirs", "new", "new")
    assert [(change.address.key, change.fields[0].cause) for change in world.plan(NEW).changes] == [("a", "conflict")]


def test_a_step_with_nothing_left_is_finished(tmp_path: Path) -> None:
    """When one field was set aside and the others are so already, the record is a conflict and nothing else."""
    _, statuses = _meddled(tmp_path, OLD, NEW, lambda world: world.edit("people.a", title="theirs", details="new"))

    assert statuses == {"people.a": "conflict"}


def test_a_twin_made_after_the_plan_is_not_doubled(tmp_path: Path) -> None:
    """A record that somebody created after the plan is not created again, but adopted by the next run."""
    files = OLD + "companies: {x: {name: X}, y: {name: Y}}\n"
    world, statuses = _meddled(tmp_path, OLD, files, lambda world: world.sandbox.create("companies", {"name": "X"}))

    assert statuses == {"companies.x": "conflict"}
    assert world.apply(files).statuses() == {"companies.x": "adopted"}
    assert world.names("companies") == ["X", "Y"]


def test_a_likeness_that_is_wanted_is_no_twin(tmp_path: Path) -> None:
    """`new: true` creates a record although somebody made one of that name a moment ago; so does another company's deal."""
    files = (
        OLD + "companies: {x: {name: X, crmsync: {new: true}}, y: {name: Y}}\n"
        "opportunities: {o: {name: Renewal, company: y}}\n"
    )

    def act(world: World) -> None:
        world.sandbox.create("companies", {"name": "X"})
        world.sandbox.create("opportunities", {"name": "Renewal"})

    world, statuses = _meddled(tmp_path, OLD, files, act)

    assert statuses == {}
    assert (world.names("companies"), world.names("opportunities")) == (["X", "X", "Y"], ["Renewal", "Renewal"])


def test_a_record_deleted_after_the_plan_fails_alone(tmp_path: Path) -> None:
    """A record that is gone by the time of its update fails; it is not created again."""
    world, statuses = _meddled(tmp_path, OLD, NEW, lambda world: world.sandbox.delete("people", world.id("people.a")))

    assert statuses == {"people.a": "failed"}
    assert world.names("people") == ["B", "C"]


def test_a_record_changed_after_the_plan_is_not_deleted(tmp_path: Path) -> None:
    """A person's work since the plan saves a record from its deletion."""
    left = OLD.replace(", c: {name: C}", "")
    world, statuses = _meddled(tmp_path, OLD, left, lambda world: world.edit("people.c", name="Mine now"))

    assert statuses == {"people.c": "conflict"}
    assert world.names("people") == ["A", "B", "Mine now"]


BEFORE = """
companies: {a: {name: A}, b: {name: B}}
people:
  p: {name: P, emails: [p@a.example], company: a, title: old}
  q: {name: Q, emails: [q@a.example]}
  r: {name: R}
"""
AFTER = """
companies: {a: {name: A, primary_contact: s}, b: {name: B}, c: {name: C, primary_contact: t}}
people:
  p: {name: P, emails: [p2@a.example], company: b, title: new}
  s: {name: S, emails: [p@a.example], company: a}
  t: {name: T, company: c}
opportunities:
  o: {name: O, company: c, pipeline: Sales, stage: Proposal, win_probability: 12}
  u: {name: U}
"""


def _effects(tmp_path: Path, kinds: tuple[type, ...]) -> list[int]:
    """Return the numbers of the effects of these kinds in a run from BEFORE to AFTER."""
    world = World(tmp_path)
    world.apply(BEFORE)
    numbers: list[int] = []

    def note(number: int, effect: object) -> None:
        if isinstance(effect, kinds):
            numbers.append(number)

    world.apply(AFTER, scheduler={"kill": note})
    keeps_promises(world, AFTER)
    return numbers


def _crash(number: int, world: World) -> None:
    """Die at effect *number* of the run from BEFORE to AFTER, and run again."""

    def kill(now: int, effect: object) -> None:
        if now == number:
            raise Killed

    world.apply(BEFORE)
    with pytest.raises(Killed):
        world.apply(AFTER, scheduler={"kill": kill})
    world.clock.sleep(1)
    assert set(world.apply(AFTER).statuses().values()) <= {"forgotten"}, number
    world.clock.sleep(10)
    keeps_promises(world, AFTER)


@pytest.mark.parametrize("shard", range(4))
def test_a_crash_at_every_effect(shard: int, tmp_path: Path) -> None:
    """
    Wherever the process dies, the next run ends with exactly the right records, and nothing left to do.

    Between two effects that change something (an append, a send, a copy) it makes no difference where.
    """
    for number in _effects(tmp_path, (Append, Send, Copy))[shard::4]:
        _crash(number, World(tmp_path))


@pytest.mark.soak
@pytest.mark.parametrize("quirks", [Quirks(), Quirks(search_lag=5), Quirks(short_pages="on"), Quirks(delete_links="dangle")])
def test_a_crash_at_every_effect_under_doubt(quirks: Quirks, tmp_path: Path) -> None:
    """The same at each effect whatsoever, while searches lag, pages are short, links dangle."""
    for number in _effects(tmp_path, (object,)):
        _crash(number, World(tmp_path, quirks=quirks))


def test_a_crash_after_sending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the process dies right after a request was executed, its record is found, not made again."""
    number = 0
    is_dying = True
    while is_dying:
        number += 1
        world = World(tmp_path)
        world.apply(BEFORE)
        last, send = len(world.writes()) + number, world.send

        def dying(request: Any, world: World = world, last: int = last, send: Callable[[Any], Any] = send) -> Any:
            answer = send(request)
            if len(world.writes()) == last:
                raise Killed
            return answer

        try:
            with monkeypatch.context() as patched:
                patched.setattr(world, "send", dying)
                world.apply(AFTER)
            is_dying = False
        except Killed:
            assert set(world.apply(AFTER).statuses().values()) <= {"forgotten"}, number
        keeps_promises(world, AFTER)

    assert number > 10


def test_a_create_that_only_looks_alike_stops(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a new record is like an unclear create but not the same, nobody guesses; the user says which it is."""
    world.fault(Fault("timeout_before", path="bulk_create", nth=1))
    sent = world.send

    def with_twin(request: Any) -> Any:
        try:
            return sent(request)
        except TimeoutError:
            world.sandbox.create("people", {"name": "Ann", "title": "another"})
            raise

    files = "people: {ann: {name: Ann, emails: [ann@a.example]}}\n"
    with monkeypatch.context() as patched:
        patched.setattr(world, "send", with_twin)
        assert world.apply(files).statuses() == {"people.ann": "unknown"}
    assert world.plan(files).unsettled == (Address("people", "ann"),)
    id = world.sandbox.records("people")[0]["id"]
    adopting = files.replace("}}", f", crmsync: {{id: {id}}}}}}}")

    assert world.apply(adopting).statuses() == {"people.ann": "adopted"}
    assert world.store.read().open_intents == {}
    assert world.names("people") == ["Ann"]
    assert world.plan(adopting).changes == ()


def test_a_record_made_much_later_is_not_ours(world: World) -> None:
    """What is created after the settling time is over cannot be our lost create, however much it looks like it."""
    world.fault(Fault("timeout_before", path="bulk_create"))

    def kill(number: int, effect: object) -> None:
        if type(effect).__name__ == "Sleep":
            raise Killed

    with pytest.raises(Killed):
        world.apply(SINGLE, scheduler={"kill": kill})
    world.fault()
    world.clock.sleep(3600)
    world.sandbox.create("people", {"name": "Ann", "emails": ["ann@a.example"]})

    assert world.apply(SINGLE).statuses() == {"people.ann": "adopted"}
    assert world.names("people") == ["Ann"]


def test_a_short_page_is_no_proof_that_a_create_was_lost(world: World) -> None:
    """A search that leaves out rows is read again before a lost create is believed to be absent."""
    world.fault(
        Fault("timeout_after", path="bulk_create", nth=1),
        Fault("short_page", path="people/search", nth=2),
    )
    files = "people: {a: {name: A}, b: {name: B}}\n"

    assert world.apply(files).statuses() == {}
    assert world.names("people") == ["A", "B"]


def test_what_was_read_before_a_wait_is_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While unclear creates are waited for, what was read before grows old; an edit made meanwhile is not overwritten."""
    companies = "companies: {a: {name: A}, b: {name: B}, c: {name: C}}\n"
    world.apply(companies + "people: {p: {name: P, company: a, title: old}}\n")
    world.fault(
        Fault("timeout_after", path="people/bulk_update", nth=1),
        Fault("timeout_after", path="opportunities/bulk", nth=1),
    )
    after = companies + "people: {p: {name: P, company: b, title: new}}\nopportunities: {o: {name: O}}\n"
    person, theirs = world.id("people.p"), world.id("companies.c")
    sent = world.send

    def meddling(request: Any) -> Any:
        if request.path.startswith("/opportunities/search") and world.sandbox.record("people", person)["title"] == "new":
            world.sandbox.edit("people", person, {"company_id": theirs})
        return sent(request)

    monkeypatch.setattr(world, "send", meddling)
    applied = world.apply(after)

    assert [str(each.address) for each in applied.outcomes if each.status == "conflict"] == ["people.p"]
    assert world.record("people.p")["company_id"] == theirs
