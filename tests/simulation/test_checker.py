"""The checker itself: each rule that excuses something still catches what it is for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import Any

import pytest
from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.model.events import Absent, Done, RunStarted, WriteAction
from crmsync.model.plan import Cause, FieldChange, Held
from crmsync.sandbox import DEFAULT_ACCOUNT, Fault, Quirks, Rate
from tests.simulation.copper import ASIDE, HEADERS, Sent, Watched
from tests.simulation.dice import Script
from tests.simulation.edges import edges, in_place
from tests.simulation.files import Files
from tests.simulation.runs import Network, Run, Send
from tests.simulation.schedule import START, Schedule
from tests.simulation.teeth import TEETH

A, B = Address("companies", "a"), Address("companies", "b")
P, Q = Address("people", "p"), Address("people", "q")
Records = dict[Address, dict[str, Any]]


@contextmanager
def staged(*missing: str, **quirks: Any) -> Iterator[Schedule]:
    """Yield an empty schedule, with the mechanisms *missing* switched off."""
    off = {place: each for tooth in TEETH if tooth.name in missing for place, each in tooth.off.items()}
    with in_place({**edges(), **off}):
        yield Schedule(Script(1, Quirks(**quirks), Network(), {}, (), (), ()))


def applied(schedule: Schedule, records: Records) -> Run:
    """Return the run that applied *records*."""
    return schedule.run(Files(records))


def told(schedule: Schedule) -> list[str]:
    """Return the invariants that did not hold, in the order in which it was noticed."""
    return [breach.invariant for breach in schedule.checker.breaches]


# ---- what the simulation asks itself


@pytest.mark.parametrize(("sender", "expected"), [(ASIDE, [200, 200, 200]), (None, [200, 429, 429])])
def test_what_is_asked_aside_is_not_counted(sender: str | None, expected: list[int]) -> None:
    """Labels are read once for all schedules, at whatever time: no request of a schedule has to wait for that."""
    sandbox = Watched(DEFAULT_ACCOUNT.account, lambda: START, Quirks(), Rate(1, 1), 0)

    assert expected == [sandbox.handle(Sent("GET", "/account", b"", HEADERS, sender)).status for _ in range(3)]


# ---- I1: what nobody can know of


@pytest.mark.parametrize(("is_hidden", "expected"), [(True, []), (False, ["I1"])])
def test_what_is_hidden_is_made_again_when_the_state_was_restored(is_hidden: bool, expected: list[str]) -> None:
    """The state is that of before it was made, and Copper does not show it: nobody can know. Where it does, it is a twin."""
    with staged() as schedule:
        before = schedule._picture()
        applied(schedule, {A: {"name": "zq A"}})
        if is_hidden:
            schedule.sandbox.hide("companies", 40000001)
        schedule._go_back(before)
        applied(schedule, {A: {"name": "zq A", "crmsync": {"new": True}}})

        assert len(schedule.sandbox.everything("companies")) == 2
        assert expected == told(schedule)


@pytest.mark.parametrize(("is_hidden", "expected"), [(True, []), (False, ["I2"])])
def test_what_is_hidden_cannot_be_found_when_the_state_was_restored(is_hidden: bool, expected: list[str]) -> None:
    """The restored state has the intent, and Copper does not show what came of it: nobody can know. Else it is a loss."""
    with staged() as schedule:
        before = schedule._picture()
        run = applied(schedule, {A: {"name": "zq A"}})
        if is_hidden:
            schedule.sandbox.hide("companies", 40000001)
        schedule._go_back(before)
        (intent,) = schedule.checker.intents.values()
        schedule.checker._is_not_done(run, Absent(intent.id), intent, set())

        assert expected == told(schedule)


@pytest.mark.parametrize(("says_so", "expected"), [(True, []), (False, ["I1"])])
def test_what_the_user_gave_to_another_address_is_made_again(says_so: bool, expected: list[str]) -> None:
    """The user says that what was created for one address is another's: the first is not there. Unsaid, it is a twin."""
    with staged() as schedule:
        applied(schedule, {A: {"name": "zq A"}})
        schedule.forget(Files({}), (A,))
        schedule.checker.created[A] = [("companies", 40000001)]  # as if its create had been unclear
        applied(schedule, {B: {"name": "zq A", "crmsync": {"id": 40000001}}})
        given = {B: {"name": "zq A", "crmsync": {"id": 40000001}}} if says_so else {B: {"name": "zq A"}}
        applied(schedule, {**given, A: {"name": "zq Other"}})

        assert len(schedule.sandbox.everything("companies")) == 2
        assert expected == told(schedule)


# ---- I4: custom values that went because they were not sent

CUSTOM = {"name": "zq A", "custom_fields": {"Tier": "Gold", "Code": "zq one"}}
IDS = {"Tier": 100001, "Code": 100008}


def _put(schedule: Schedule, run: Run, values: Mapping[str, Any], seconds: float = 0.0) -> None:
    """Let *run* have sent custom *values* of the company, *seconds* before Copper carries them out."""
    at = schedule.hub.now - seconds
    (created,) = schedule.checker.intents.values()
    intent = replace(created, id=f"i{at}", action=WriteAction.UPDATE, record_id=40000001, send_by=at + 5)
    send = Send(run, None, at, 99, (intent,), seen={("companies", 40000001): at})
    fields = [{"custom_field_definition_id": IDS[name], "value": value} for name, value in values.items()]
    body = json.dumps({"custom_fields": fields}).encode()
    assert schedule.sandbox.handle(Sent("PUT", "/companies/40000001", body, HEADERS, send)).status == 200


@pytest.mark.parametrize(("is_back", "is_late", "expected"), [(0, 0, ["I4"]), (1, 0, []), (1, 1, ["I4"])])
def test_custom_values_must_be_back_after_the_last_write_that_took_them(
    is_back: bool, is_late: bool, expected: list[str]
) -> None:
    """Written back is well; emptied once more by a request that Copper carried out a minute late is not."""
    with staged(custom_fields_update="replace") as schedule:
        run = applied(schedule, {A: CUSTOM})
        _put(schedule, run, {"Tier": 120002})
        if is_back:
            _put(schedule, run, {"Tier": 120002, "Code": "zq one"})
        if is_late:
            _put(schedule, run, {"Tier": 120002}, 60.0)
        schedule.checker.finish()

        assert expected == told(schedule)


def test_what_a_run_begins_with_was_so_when_its_plan_read_it() -> None:
    """A person edits between the reading and the note of it: the state says what was read."""
    with staged() as schedule:
        records: Records = {A: {"name": "zq A", "details": "one"}}
        applied(schedule, records)
        run = applied(schedule, records)
        schedule.sandbox.edit("companies", 40000001, {"details": "two"})
        looked = schedule.checker._looked(run, (RunStarted("r1", 0.0, 1, None, "dana", ""),))

        assert looked[A][0].fields["details"] == "one"


def test_what_an_answer_showed_was_so_when_it_was_given() -> None:
    """A person edits between the write and the note of it: the state says what the answer showed."""
    with staged() as schedule:
        run = applied(schedule, {A: {"name": "zq A", "details": "one"}})
        schedule.sandbox.edit("companies", 40000001, {"details": "two"})
        (intent,) = schedule.checker.intents.values()
        looked = schedule.checker._looked(run, (Done(intent.id, 40000001),))

        assert looked[A][0].fields["details"] == "one"


def test_what_came_late_is_not_the_deed_of_whoever_acts_next() -> None:
    """Copper carries a request out just as a person deletes something else: the person changed nothing of that record."""
    with staged() as schedule:
        applied(schedule, {A: {"name": "zq A"}, P: {"name": "zq P"}})
        schedule.sandbox.faults = [Fault("late", nth=1, delay=30)]
        with pytest.raises(TimeoutError):
            schedule.sandbox.handle(Sent("PUT", "/companies/40000001", b'{"details": "zq one"}', HEADERS, None))
        schedule.hub.now += 60
        schedule.sandbox.act("delete", "people", 70000001, lambda: schedule.sandbox.delete("people", 70000001))

        assert schedule.sandbox.everything("companies")[40000001]["details"] == "zq one"
        assert schedule.sandbox.touched == {("people", 70000001)}


# ---- I4: links to what is gone


@pytest.mark.parametrize(("is_gone", "expected"), [(True, []), (False, ["I4"])])
def test_a_link_to_what_is_gone_is_nobodys_value(is_gone: bool, expected: list[str]) -> None:
    """A person set the contact, and a write of ours that does not speak of it takes it away: unless that person is gone."""
    with staged(delete_links="dangle") as schedule:
        person = schedule.sandbox.create("people", {"name": "zq Somebody"})
        run = applied(schedule, {A: {"name": "zq A"}})
        edit = {"primary_contact_id": person}
        schedule.sandbox.act("edit", "companies", 40000001, lambda: schedule.sandbox.edit("companies", 40000001, edit))
        if is_gone:
            schedule.sandbox.delete("people", person)
        schedule.hub.now += 10
        at = schedule.hub.now
        (created,) = schedule.checker.intents.values()
        intent = replace(created, id="i1", action=WriteAction.UPDATE, record_id=40000001, send_by=at + 5)
        send = Send(run, None, at, 99, (intent,), seen={("companies", 40000001): at})
        run.planned_seen["companies", 40000001] = at
        body = b'{"name": "zq A", "primary_contact_id": null}' if not is_gone else b'{"name": "zq A2"}'
        assert schedule.sandbox.handle(Sent("PUT", "/companies/40000001", body, HEADERS, send)).status == 200

        assert expected == [each.invariant for each in schedule.checker.breaches if "overwrote" in each.text]


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_link_that_a_deletion_emptied_is_nobodys_choice(is_deleted: bool) -> None:
    """The contact was deleted, which emptied the link: no value that a person put there, as where it was taken off."""
    with staged() as schedule:
        applied(schedule, {A: {"name": "zq A", "primary_contact": "p"}, P: {"name": "zq P"}})
        if is_deleted:
            schedule.sandbox.act("delete", "people", 70000001, lambda: schedule.sandbox.delete("people", 70000001))
        else:
            edit = {"primary_contact_id": None}
            schedule.sandbox.act("edit", "companies", 40000001, lambda: schedule.sandbox.edit("companies", 40000001, edit))

        assert schedule.sandbox.raw("companies", 40000001)["primary_contact_id"] is None
        assert (not is_deleted) == (("companies", 40000001, "primary_contact") in schedule.checker.edits)


# ---- I5: who names what is deleted

NAMING: Records = {A: {"name": "zq A", "primary_contact": "p"}, P: {"name": "zq P"}, Q: {"name": "zq Q"}}


@pytest.mark.parametrize(("is_forgotten", "expected"), [(False, ["I5"]), (True, [])])
def test_what_a_company_names_is_not_deleted_unless_no_plan_can_see_the_company(
    is_forgotten: bool, expected: list[str]
) -> None:
    """Nobody asks who names the person: noticed where the plan had read the company, not where it is managed no more."""
    with staged("who names it", "links of what was read") as schedule:
        applied(schedule, NAMING)
        left: Records = {A: {"name": "zq A"}, Q: {"name": "zq Q"}}
        if is_forgotten:
            left = {Q: {"name": "zq Q"}}
            schedule.forget(Files(left), (A,))
        applied(schedule, left)

        assert schedule.sandbox.raw("people", 70000001) is None
        assert expected == told(schedule)


@pytest.mark.parametrize(("is_late", "expected"), [(False, (["I5"], 0)), (True, ([], 1))])
def test_what_a_person_linked_counts_once_the_plan_has_read_it(is_late: bool, expected: tuple[list[str], int]) -> None:
    """Linked while the plan is looked at: lost in the gap, whatever is asked. Before that, where nobody looks: noticed."""
    with staged(*(() if is_late else ("who names it", "links of what was read"))) as schedule:
        applied(schedule, {A: {"name": "zq A"}, P: {"name": "zq P"}, Q: {"name": "zq Q"}})

        def link() -> None:
            edit = {"primary_contact_id": 70000001}
            schedule.sandbox.act("edit", "companies", 40000001, lambda: schedule.sandbox.edit("companies", 40000001, edit))

        if is_late:
            schedule.machine.while_looking = lambda run: link()
        else:
            link()
        applied(schedule, {A: {"name": "zq A"}, Q: {"name": "zq Q"}})

        assert schedule.sandbox.raw("people", 70000001) is None
        assert expected == (told(schedule), schedule.checker.measured.gap_losses)


@pytest.mark.parametrize(("goes_back", "expected"), [(True, []), (False, ["I5"])])
def test_what_a_restored_state_has_not_confirmed_is_not_known_to_be_changed(goes_back: bool, expected: list[str]) -> None:
    """The state of before a field was declared knows nothing of it, so that a person's edit of it keeps no delete up."""
    with staged("delete as left") as schedule:
        applied(schedule, {A: {"name": "zq A"}, P: {"name": "zq P"}})
        before = schedule._picture()
        applied(schedule, {A: {"name": "zq A", "details": "zq one"}, P: {"name": "zq P"}})
        if goes_back:
            schedule._go_back(before)
        edit = {"details": "zq two"}
        schedule.sandbox.act("edit", "companies", 40000001, lambda: schedule.sandbox.edit("companies", 40000001, edit))
        applied(schedule, {P: {"name": "zq P"}})

        assert schedule.sandbox.raw("companies", 40000001) is None
        assert expected == told(schedule)


@pytest.mark.parametrize(("is_gone", "expected"), [(True, []), (False, ["I5"])])
def test_a_link_that_a_person_cleared_says_nothing_once_its_target_is_gone(is_gone: bool, expected: list[str]) -> None:
    """The delete of what it named would have cleared it as well; while that is there, the edit keeps a delete up."""
    deal = Address("opportunities", "x")
    with staged("delete as left") as schedule:
        applied(schedule, {deal: {"name": "zq X", "primary_contact": "p"}, P: {"name": "zq P"}, Q: {"name": "zq Q"}})
        place = "opportunities", 20000001
        schedule.sandbox.act("edit", *place, lambda: schedule.sandbox.edit(*place, {"primary_contact_id": None}))
        left: Records = {Q: {"name": "zq Q"}, **({} if is_gone else {P: {"name": "zq P"}})}
        if is_gone:
            applied(schedule, {deal: {"name": "zq X"}, **left})
        applied(schedule, left)

        assert schedule.sandbox.raw(*place) is None
        assert expected == told(schedule)


# ---- I6: what may be held

MAIL = "zq-p@a.example"
WISH: Records = {P: {"name": "zq P", "emails": [MAIL]}, Q: {"name": "zq Q"}}


def _judged(schedule: Schedule, run: Run, records: Records) -> list[str]:
    schedule.rest.must_hold(run, Files(records))
    return told(schedule)


def test_an_email_that_somebody_keeps_may_be_held() -> None:
    """Somebody whom nobody manages has it; once that record is gone, the same hold has no reason any more."""
    with staged() as schedule:
        applied(schedule, {P: {"name": "zq P"}, Q: {"name": "zq Q"}})
        somebody = schedule.sandbox.create("people", {"name": "zq Old", "emails": [MAIL]})
        run = applied(schedule, WISH)
        assert run.plan is not None
        assert [held.address for held in run.plan.held] == [P]
        assert _judged(schedule, run, WISH) == []

        schedule.sandbox.delete("people", somebody)
        assert _judged(schedule, run, WISH) == ["I6"]


def test_who_names_a_record_that_is_rightly_held_waits_for_it() -> None:
    """A company waits for a contact whose e-mail another keeps; once that one is gone, neither has a reason any more."""
    with staged() as schedule:
        somebody = schedule.sandbox.create("people", {"name": "zq Old", "emails": [MAIL]})
        kept: Records = {Q: {"name": "zq Q", "crmsync": {"id": somebody}}}
        applied(schedule, kept)
        wish = kept | {A: {"name": "zq A", "primary_contact": "p"}, P: {"name": "zq P", "emails": [MAIL]}}
        run = applied(schedule, wish)
        assert run.plan is not None
        assert {held.address for held in run.plan.held} == {A, P}
        assert _judged(schedule, run, wish) == []

        schedule.sandbox.delete("people", somebody)
        assert _judged(schedule, run, wish) == ["I6"] * 3  # and that the other is gone


def test_an_email_that_its_holder_declares_no_more_may_be_held() -> None:
    """What is declared no longer stays as it is, so that another cannot have it."""
    with staged() as schedule:
        applied(schedule, {P: {"name": "zq P"}, Q: {"name": "zq Q", "emails": [MAIL]}})
        run = applied(schedule, WISH)

        assert run.plan is not None
        assert [held.address for held in run.plan.held] == [P]
        assert _judged(schedule, run, WISH) == []


def test_two_that_wait_for_each_other_are_no_reason() -> None:
    """Each wants what the other has, and a plan can do that: held for that, neither is excused."""
    other = "zq-q@a.example"
    with staged() as schedule:
        applied(schedule, {P: {"name": "zq P", "emails": [MAIL]}, Q: {"name": "zq Q", "emails": [other]}})
        somebody = schedule.sandbox.create("people", {"name": "zq Old", "emails": ["zq-old@a.example"]})
        swapped = {P: {"name": "zq P", "emails": [other]}, Q: {"name": "zq Q", "emails": [MAIL, "zq-old@a.example"]}}
        run = applied(schedule, swapped)
        assert run.plan is not None
        assert [held.address for held in run.plan.held] == [P, Q]
        assert _judged(schedule, run, swapped) == []

        schedule.sandbox.delete("people", somebody)
        assert _judged(schedule, run, swapped) == ["I6", "I6"]


def test_an_email_that_no_file_gave_its_holder_may_be_held() -> None:
    """It was there when the record was adopted, and a list that crmsync does not own alone keeps what others put in."""
    with staged() as schedule:
        schedule.sandbox.create("people", {"name": "zq Old", "emails": [MAIL, "zq-q@a.example"]})
        applied(schedule, {P: {"name": "zq P", "emails": ["zq-q@a.example"]}})
        wish: Records = {P: {"name": "zq P", "emails": ["zq-q@a.example"]}, Q: {"name": "zq Q", "emails": [MAIL]}}
        run = applied(schedule, wish)

        assert run.plan is not None
        assert [held.address for held in run.plan.held] == [Q]
        assert _judged(schedule, run, wish) == []


def test_a_record_like_one_of_somebody_else_may_be_held() -> None:
    """Whether a company of that name is the one that is meant only the user knows; once it is gone there is no question."""
    wish: Records = {A: {"name": "zq A"}}
    with staged() as schedule:
        somebody = schedule.sandbox.create("companies", {"name": "zq A", "email_domain": "zq-a.example"})
        run = applied(schedule, wish)
        assert run.plan is not None
        assert [held.address for held in run.plan.held] == [A]
        assert _judged(schedule, run, wish) == []

        schedule.sandbox.delete("companies", somebody)
        assert _judged(schedule, run, wish) == ["I6"]


@pytest.mark.parametrize(
    ("result", "is_whole", "tier", "expected"),
    [
        ("killed", False, 120002, []),
        (None, False, 120002, ["I6"]),
        ("killed", True, 120001, []),
        ("killed", True, 120002, ["I6"]),
        (None, True, 120001, ["I6"]),
    ],
)
def test_what_went_with_the_write_of_a_killed_run_may_be_held(
    result: str | None, is_whole: bool, tier: int, expected: list[str]
) -> None:
    """
    Nobody was left to write it back, and it looks like a person's edit; a run that lived has no such excuse.

    Nor has a record that is held as a whole, and of which something else is not as it was confirmed.
    """
    with staged(custom_fields_update="replace") as schedule:
        run = applied(schedule, {A: CUSTOM})
        writer = copy(run)
        writer.result = result or run.result
        _put(schedule, writer, {"Tier": tier})
        change = None if is_whole else FieldChange("custom_fields.Code", None, "zq one", Cause.DRIFTED, None)
        held = Held(A, "It was changed in Copper, and the policy says hold.", "", change, None, 40000001)
        assert run.plan is not None
        run.plan = replace(run.plan, changes=(), held=(held,))

        assert _judged(schedule, run, {A: CUSTOM}) == expected
