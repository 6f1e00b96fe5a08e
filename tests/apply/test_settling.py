"""What is settled, and as what: outcomes that Copper or a person made harder to tell than usual."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from crmsync.apply.engine import settle_open
from crmsync.model.effects import Answer, Append, Read, Send, Sleep
from crmsync.model.events import Intent
from crmsync.model.http import Request
from crmsync.model.plan import Cause, Plan
from crmsync.sandbox import Fault, Quirks
from tests.simulator import Killed
from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _dying(world: World, files: str, after: type, nth: int = 1, **settings: Any) -> None:
    """Apply *files* and die at the effect that follows the *nth* one of kind *after*."""
    seen = []

    def kill(number: int, effect: object) -> None:
        if len(seen) == nth:
            raise Killed
        if isinstance(effect, after):
            seen.append(number)

    with pytest.raises(Killed):
        world.apply(files, scheduler={"kill": kill}, **settings)


# --- `new: true` ----------------------------------------------------------------------------------

NEW = "companies: {x: {name: Acme, crmsync: {new: true}}, y: {name: Other}}\n"


@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after", "status_after", "late"])
@pytest.mark.parametrize("is_killed", [True, False])
def test_a_wanted_twin_is_made_once(kind: str, is_killed: bool, world: World) -> None:
    """`new: true` after an unclear create makes no second one, in the same run or in the next."""
    world.sandbox.create("companies", {"name": "Acme", "details": "another"})
    world.clock.sleep(3600)
    world.fault(Fault(kind, path="bulk_create", nth=1, delay=20))
    if is_killed:
        _dying(world, NEW, Send)
        world.fault()
    assert world.apply(NEW, auto_approve=True).statuses() == {}

    assert world.names("companies") == ["Acme", "Acme", "Other"]
    assert world.store.read().open_intents == {}
    assert world.plan(NEW).changes == ()


@pytest.mark.parametrize("is_killed", [True, False])
def test_a_wanted_twin_is_not_stopped_by_a_likeness(is_killed: bool, world: World) -> None:
    """What is created although a likeness exists is settled although one does, and is not taken for that one."""
    world.sandbox.create("companies", {"name": "Acme", "details": "another"})
    world.clock.sleep(70 if is_killed else 5)  # a new process does not know what was there before the request
    world.fault(Fault("timeout_before", path="bulk_create", nth=1))
    if is_killed:
        _dying(world, NEW, Send)
        world.fault()
    assert world.apply(NEW, auto_approve=True).statuses() == {}

    assert world.names("companies") == ["Acme", "Acme", "Other"]
    assert world.record("companies.x")["details"] is None
    assert world.plan(NEW).changes == ()


@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after"])
@pytest.mark.parametrize("is_killed", [True, False])
def test_a_wanted_twin_is_not_taken_for_the_one_it_is_like(is_killed: bool, kind: str, world: World) -> None:
    """Somebody's record, made just before and equal in every field, is not bound as ours after a lost answer."""
    world.sandbox.create("companies", {"name": "Acme"})
    (theirs,) = [each["id"] for each in world.sandbox.records("companies")]
    world.clock.sleep(5)
    world.fault(Fault(kind, path="bulk_create", nth=1))
    if is_killed:
        _dying(world, NEW, Send)
        world.fault()
    world.apply(NEW, auto_approve=True)

    assert world.names("companies") == ["Acme", "Acme", "Other"]
    assert world.record("companies.x")["id"] != theirs


# --- fields that Copper resets ----------------------------------------------------------------------

DEAL = "opportunities: {{o: {{name: O, pipeline: Sales, stage: {}, win_probability: {}}}}}\n"


@pytest.mark.parametrize("quirk", ["unless_sent", "always"])
@pytest.mark.parametrize("kind", [None, "timeout_after", "timeout_before", "status_after"])
@pytest.mark.parametrize("death", [0, 1, 2])
@pytest.mark.parametrize(("before", "after"), [(50, 50), (10, 50), (None, 50)])
def test_a_probability_that_a_stage_resets_ends_as_declared(
    quirk: str, kind: str | None, death: int, before: int | None, after: int, tmp_path: Path
) -> None:
    """Whatever becomes of the answer, and of the run, the declared probability stands beside the new stage in the end."""
    world = World(tmp_path, quirks=Quirks(stage_resets_probability=quirk))
    first = DEAL.format("Qualifying", before) if before is not None else DEAL.format("Qualifying", 0)
    world.apply(first.replace(", win_probability: 0", ""))
    files = DEAL.format("Negotiation", after)
    if kind is not None:
        world.fault(Fault(kind, method="PUT", nth=1))
    if death:
        _dying(world, files, Send, nth=1) if death == 1 else _late_death(world, files)
    assert world.apply(files, auto_approve=True).statuses() == {}

    assert world.record("opportunities.o")["win_probability"] == after
    assert world.plan(files).is_empty
    assert not any(note.applied for note in world.plan(files).notes)


def _late_death(world: World, files: str) -> None:
    """Die two effects after the first request was sent: its outcome is noted, and nothing more."""
    seen: list[int] = []

    def kill(number: int, effect: object) -> None:
        if len(seen) == 1 and number > seen[0] + 1:
            raise Killed
        if isinstance(effect, Send) and not seen:
            seen.append(number)

    with pytest.raises(Killed):
        world.apply(files, scheduler={"kill": kill})


def test_a_probability_is_no_news_of_a_new_deal(tmp_path: Path) -> None:
    """A new deal whose probability the account resets gets the declared one; dying between, the next run does it."""
    world = World(tmp_path, quirks=Quirks(stage_resets_probability="always"))
    files = DEAL.format("Negotiation", 7)
    _late_death(world, files)
    assert world.apply(files, auto_approve=True).statuses() == {}

    assert world.record("opportunities.o")["win_probability"] == 7
    assert world.names("opportunities") == ["O"]


# --- accounts that replace custom fields --------------------------------------------------------------

TIER = "companies: {{a: {{name: A, custom_fields: {{Tier: {}}}}}}}\n"


def custom(world: World, address: str) -> dict[str, Any]:
    """Return the custom values of a record that are set, by label."""
    names = {each.id: each.name for each in world.sandbox.account.definitions}
    values = {names[each["custom_field_definition_id"]]: each["value"] for each in world.record(address)["custom_fields"]}
    return {name: value for name, value in values.items() if value not in (None, "", [], False)}


def _others(world: World) -> dict[str, Any]:
    """Give the company two more custom values, as a person would, and return all of them."""
    ids = {each.name: each.id for each in world.sandbox.account.definitions}
    values = {each["custom_field_definition_id"]: each["value"] for each in world.record("companies.a")["custom_fields"]}
    values |= {ids["Annual revenue"]: 12, ids["VIP"]: True}
    world.edit("companies.a", custom_fields=[{"custom_field_definition_id": id, "value": values[id]} for id in values])
    return custom(world, "companies.a")


LOST = ["timeout_after", "status_after", "reset_after", "truncated", "timeout_before", "late"]


@pytest.mark.parametrize("kind", LOST)
def test_custom_values_come_back_when_the_answer_is_lost(kind: str, tmp_path: Path) -> None:
    """An account that replaces custom fields, and an answer that says nothing: what was lost with it is written back."""
    world = World(tmp_path, quirks=Quirks(custom_fields_update="replace"))
    world.apply(TIER.format("Gold"))
    before = _others(world)
    assert len(before) == 3
    world.fault(Fault(kind, path="bulk_update", nth=1, delay=60))
    assert world.apply(TIER.format("Silver")).statuses() == {}
    world.clock.sleep(300)

    assert world.plan(TIER.format("Silver")).changes == ()
    after = custom(world, "companies.a")
    assert (after.keys(), after["Annual revenue"]) == (before.keys(), 12)


def test_custom_values_that_a_later_run_cannot_know_are_named(tmp_path: Path) -> None:
    """A run that died with the answer: the next one says what seems to be gone, and puts back what the files declare."""
    world = World(tmp_path, quirks=Quirks(custom_fields_update="replace"))
    files = TIER.replace("Tier: {}", "Tier: {}, VIP: true")
    world.apply(files.format("Gold"))
    _dying(world, files.format("Silver"), Send)
    job = world._job(world.planned(files.format("Silver")), Plan(), 120.0)
    (settled,) = world._scheduler({}).run(settle_open(job))

    assert settled.status == "found"
    assert "no custom_fields.VIP any more" in settled.detail
    assert world.apply(files.format("Silver")).statuses() == {}
    assert custom(world, "companies.a").keys() == {"Tier", "VIP"}


def test_custom_values_that_were_to_be_written_back_are_no_persons_doing(tmp_path: Path) -> None:
    """A run that died right before it wrote a value back: the next one does, though edits of people are held."""
    world = World(tmp_path, quirks=Quirks(custom_fields_update="replace"))
    world.settings_text = 'policy: {"*": {on_drift: hold}}\n'
    files = TIER.replace("Tier: {}", "Tier: {}, VIP: true")
    world.apply(files.format("Gold"))

    def kill(number: int, effect: object) -> None:
        if isinstance(effect, Send) and effect.request.method == "PUT":
            raise Killed

    with pytest.raises(Killed):
        world.apply(files.format("Silver"), scheduler={"kill": kill})

    assert custom(world, "companies.a").keys() == {"Tier"}
    assert world.apply(files.format("Silver")).statuses() == {}
    assert custom(world, "companies.a").keys() == {"Tier", "VIP"}
    assert world.plan(files.format("Silver")).held == ()


def test_custom_values_that_could_not_be_written_back_are_no_persons_doing(tmp_path: Path) -> None:
    """Copper refuses to have a value written back: the next run does it, though edits of people are held."""
    world = World(tmp_path, quirks=Quirks(custom_fields_update="replace"))
    world.settings_text = 'policy: {"*": {on_drift: hold}}\n'
    files = TIER.replace("Tier: {}", "Tier: {}, VIP: true")
    world.apply(files.format("Gold"))
    world.fault(Fault("status_before", path="/companies/", method="PUT", nth=1, status=403))

    assert list(world.apply(files.format("Silver")).statuses().values()) == ["failed"]
    assert custom(world, "companies.a").keys() == {"Tier"}
    assert world.plan(files.format("Silver")).held == ()
    assert world.apply(files.format("Silver")).statuses() == {}
    assert custom(world, "companies.a").keys() == {"Tier", "VIP"}


def test_custom_values_are_written_back_on_a_young_reading(tmp_path: Path) -> None:
    """A refusal that is waited out: the record is read again, and what a person gave it meanwhile stays."""
    world = World(tmp_path, quirks=Quirks(custom_fields_update="replace"))
    world.apply(TIER.format("Gold"))
    _others(world)
    ids = {each.name: each.id for each in world.sandbox.account.definitions}
    world.fault(Fault("status_before", path="/companies/", method="PUT", nth=1, status=429))
    put: list[int] = []

    def edit(number: int, effect: object) -> None:
        if isinstance(effect, Send) and effect.request.method == "PUT":
            put.append(number)
            if len(put) == 1:
                values = world.record("companies.a")["custom_fields"]
                mine = {"custom_field_definition_id": ids["Annual revenue"], "value": 77}
                left = [each for each in values if each["custom_field_definition_id"] != ids["Annual revenue"]]
                world.edit("companies.a", custom_fields=[*left, mine])

    assert world.apply(TIER.format("Silver"), scheduler={"kill": edit}).statuses() == {}

    after = custom(world, "companies.a")
    assert len(put) == 3  # the first was held up by that minute and so never left, the second was refused, the third went
    assert (after["Annual revenue"], after["VIP"]) == (77, True)


def test_an_update_that_is_executed_late_is_known_to_be_ours(world: World) -> None:
    """The run died, and so did the next once it had settled: what Copper carried out a minute later is no person's edit."""
    files = "companies: {{a: {{name: A, details: {}}}}}\n"
    world.apply(files.format("one"))
    world.fault(Fault("late", path="bulk_update", nth=1, delay=60))
    _dying(world, files.format("two"), Send)
    with suppress(pytest.fail.Exception):  # it has nothing left to do once it has settled
        _dying(world, files.format("two"), Append)
    world.clock.sleep(300)
    world.plan(files.format("three"))
    (change,) = world.plan(files.format("three")).changes

    assert [(each.field, each.cause) for each in change.fields] == [("details", Cause.EDITED)]


def test_what_a_call_did_in_part_is_seen(tmp_path: Path) -> None:
    """A bulk call that leaves the assignee alone and empties custom fields, and no answer: they are written back."""
    world = World(tmp_path, quirks=Quirks(custom_fields_update="replace", bulk_company_links="ignore"))
    files = "companies: {{a: {{name: A, assignee: {}, custom_fields: {{Tier: {}}}}}}}\n"
    world.apply(files.format("Dana", "Gold"))
    before = _others(world)
    world.fault(Fault("status_after", path="bulk_update", nth=1, status=502))
    assert world.apply(files.format("Lee", "Silver")).statuses() == {}

    assert custom(world, "companies.a").keys() == before.keys()


# --- what takes another value along ---------------------------------------------------------------


@pytest.mark.parametrize("when", ["before the plan", "after the plan"])
def test_another_pipeline_does_not_take_along_the_stage_that_a_person_chose(when: str, world: World) -> None:
    """The stage is set aside, and the pipeline with it: Copper would put the deal into the first stage of the new one."""
    files = "opportunities: {{o: {{name: O, pipeline: {}, stage: {}}}}}\n"
    world.apply(files.format("Sales", "Qualifying"))
    proposal = world.record("opportunities.o")["pipeline_stage_id"] + 1
    if when == "before the plan":
        world.edit("opportunities.o", pipeline_stage_id=proposal)
    seen: list[int] = []

    def edit(number: int, effect: object) -> None:
        if not seen and when == "after the plan":
            world.edit("opportunities.o", pipeline_stage_id=proposal)
        seen.append(number)

    applied = world.apply(files.format("Renewals", "Upcoming"), auto_approve=True, scheduler={"kill": edit})

    fields = {name for outcome in applied.outcomes if outcome.status == "conflict" for name in outcome.fields}
    assert (fields, world.record("opportunities.o")["pipeline_stage_id"]) == ({"pipeline", "stage"}, proposal)


# --- a link that a person took away ---------------------------------------------------------------


def test_a_link_that_a_person_cleared_is_not_set_elsewhere(world: World) -> None:
    """A person is to move from x to y, and loses the company by hand before the run looks: a conflict, not a new link."""
    files = "people: {{a: {{name: A, company: {}}}}}\ncompanies: {{x: {{name: X}}, y: {{name: Y}}}}\n"
    world.apply(files.format("x"))
    seen: list[int] = []

    def clear(number: int, effect: object) -> None:
        if not seen:
            world.edit("people.a", company_id=None)
        seen.append(number)

    world.apply(files.format("y"), scheduler={"kill": clear})

    assert world.record("people.a")["company_id"] is None


@pytest.mark.parametrize("value", [None, "another"], ids=["cleared", "set elsewhere"])
def test_a_link_that_a_bulk_call_left_alone_is_the_persons(
    value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They move a contact after it was read, and the bulk call, which leaves contacts alone, shows theirs: it stays."""
    world = World(tmp_path, quirks=Quirks(bulk_company_links="ignore"))
    files = (
        "people: {{p: {{name: P}}, q: {{name: Q}}, r: {{name: R}}}}\n"
        "companies: {{a: {{name: A, details: {0}, primary_contact: {1}}}, b: {{name: B, details: {0}}}}}\n"
    )
    world.apply(files.format("old", "p"))
    theirs = None if value is None else world.id("people.r")

    handle = world.sandbox.handle

    def moving(request: Any) -> Any:
        if "bulk_update" in request.path:
            world.sandbox.edit("companies", world.id("companies.a"), {"primary_contact_id": theirs})
        return handle(request)

    monkeypatch.setattr(world.sandbox, "handle", moving)

    assert world.apply(files.format("new", "q")).statuses() == {"companies.a": "conflict"}
    company = world.record("companies.a")
    assert (company["primary_contact_id"], company["details"]) == (theirs, "new")
    (change,) = world.plan(files.format("new", "q")).changes
    assert [(each.field, each.cause) for each in change.fields] == [("primary_contact", Cause.CONFLICT)]


# --- clocks that differ ---------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [-3600.0, 0.0, 3600.0])
@pytest.mark.parametrize("action", ["create", "update"])
def test_another_host_is_waited_for_by_the_clock_of_copper(ahead: float, action: str, world: World) -> None:
    """What another host's clock says of its intent has no say in how long we wait for it."""
    first, second = "companies: {x: {name: X}}\n", "companies: {x: {name: X, details: d}}\n"
    files = first
    if action == "update":
        world.apply(first)
        files = second
    _dying(world, files, Send)
    job = world._job(world.planned(files), Plan(), 120.0)
    (intent,) = job.state.open_intents.values()
    foreign = replace(intent, send_by=intent.send_by + ahead)
    job = replace(job, state=replace(job.state, open_intents={intent.id: foreign}))
    engine, slept = settle_open(job), []
    effect = next(engine)
    while not isinstance(effect, Read):
        slept += [effect.until] if isinstance(effect, Sleep) else []
        effect = engine.send(Answer(None, world.clock.now))

    assert slept == [intent.server_clock + 15.0 + (120.0 if action == "create" else 0.0) - job.skew_seconds]


# --- what a write relies on is at most five seconds old -----------------------------------------------

BEFORE = "people: {a: {name: A, title: old, company: x}, b: {name: B}}\ncompanies: {x: {name: X}, y: {name: Y}}\n"
AFTER = "people: {a: {name: A, title: new, company: y}}\ncompanies: {x: {name: X}, y: {name: Y, details: new}}\n"


@pytest.mark.parametrize("latency", [0.2, 1.0, 2.0])
def test_no_intent_outlives_the_reading_it_relies_on(latency: float, world: World) -> None:
    """An update, a link or a delete may leave until five seconds after its record was asked for, and no later."""
    world.apply(BEFORE)
    ids = {world.id(address): address for address in ("people.a", "people.b", "companies.x", "companies.y")}
    asked: dict[int, float] = {}
    intents: list[tuple[str, float]] = []

    def note(number: int, effect: object) -> None:
        if isinstance(effect, Read | Send):
            body = json.loads(effect.request.body or b"{}")
            items = next((each for each in body.values() if isinstance(each, list)), [])
            found = body.get("ids") or [each["id"] for each in items if isinstance(each, dict) and "id" in each]
            found = found or re.findall(r"/(\d+)$", effect.request.path)
            asked.update({int(id): world.clock.now for id in found})
        for event in effect.events if isinstance(effect, Append) else ():
            if isinstance(event, Intent) and event.record_id is not None:
                intents.append((ids[event.record_id], event.send_by - asked[event.record_id]))

    world.apply(AFTER, scheduler={"kill": note, "latency_seconds": latency})

    assert {address for address, _ in intents} == {"people.a", "people.b", "companies.y"}
    assert max(age for _, age in intents) <= 5.0
    assert world.plan(AFTER).changes == ()


@pytest.mark.parametrize("seconds", [6, 60])
def test_a_write_that_is_late_reads_again(seconds: int, world: World) -> None:
    """A request held up after its reading is not sent on the strength of it: what a person did meanwhile stays."""
    world.apply(BEFORE)
    late: list[int] = []

    def hold_up(number: int, effect: object) -> None:
        if isinstance(effect, Append) and any(isinstance(each, Intent) for each in effect.events) and not late:
            late.append(number)
            world.clock.sleep(seconds - 60)  # an edit takes a minute of its own
            world.edit("people.a", title="theirs")

    files = BEFORE.replace("title: old", "title: new")

    assert world.apply(files, scheduler={"kill": hold_up}).statuses() == {"people.a": "conflict"}
    assert world.record("people.a")["title"] == "theirs"


def test_a_record_with_many_relations_is_deleted_all_the_same(world: World) -> None:
    """Looking at all that is related takes longer than a reading is good for: the record is read once more."""
    world.apply("people: {a: {name: A}, b: {name: B}}\n")
    a = world.id("people.a")
    for number in range(30):
        id = world.sandbox.create("opportunities", {"name": f"Deal {number}"})
        body = json.dumps({"resource": {"id": a, "type": "person"}}).encode()
        assert world.send(Request("POST", f"opportunities/{id}/related", body=body)).status == 200

    assert world.apply("people: {b: {name: B}}\n").statuses() == {}
    assert world.names("people") == ["B"]


# --- what Copper took in part -------------------------------------------------------------------------


def test_what_an_update_brought_about_in_part_is_no_persons_edit(tmp_path: Path) -> None:
    """Copper took the city and not the owner, and nobody heard of it: once no file declares it, the company may go."""
    world = World(tmp_path, quirks=Quirks(bulk_company_links="ignore"))
    files = "companies: {{a: {{name: A, address: {{city: {}}}{}}}, b: {{name: B}}}}\n"
    world.apply(files.format("Old", ""))
    world.fault(Fault("status_after", path="bulk_update", nth=1))
    _dying(world, files.format("New", ", assignee: Dana"), Send)
    world.fault()

    assert world.apply("companies: {b: {name: B}}\n", auto_approve=True).statuses() == {}
    assert world.names("companies") == ["B"]


# --- a process that was stopped just before its request left ------------------------------------------


def test_a_create_that_left_much_too_late_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process slept between its last look at the clock and the request, whose answer was none: it is made once."""
    world.fault(Fault("status_after", path="bulk_create", nth=1))
    handle = world.sandbox.handle

    def sleeping(request: Any) -> Any:
        if "bulk_create" in request.path and not world.names("companies"):
            world.clock.sleep(4000)
        return handle(request)

    monkeypatch.setattr(world.sandbox, "handle", sleeping)

    assert world.apply("companies: {a: {name: A}}\n").statuses() == {}
    assert world.names("companies") == ["A"]
    assert world.plan("companies: {a: {name: A}}\n").changes == ()
