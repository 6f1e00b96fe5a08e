"""Twice the records is twice the work: lines of our code that run are counted, so no clock and no machine matters."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import crmsync
from crmsync.plan.world import Wishes
from crmsync.project import anew
from crmsync.project.replanning import replan
from crmsync.project.session import open_project, opened_state
from crmsync.project.validating import validate
from tests.desk import Desk
from tests.world import World

PACKAGE = str(Path(crmsync.__file__).parent)
NOT_OURS = str(Path(PACKAGE) / "sandbox")
FEW = 40
#: How often a line may run that has nothing to do with how many records there are.
NOISE = 500


def lines_run(act: Callable[[], Any]) -> Counter[str]:
    """Return how often each line of the product, but for the sandbox, runs during *act*; each round of a loop counts."""
    count: Counter[str] = Counter()

    def line(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            count[f"{frame.f_code.co_filename.removeprefix(PACKAGE)}:{frame.f_lineno}"] += 1
        return line

    def call(frame: FrameType, event: str, _: Any) -> Any:
        name = frame.f_code.co_filename
        return line if name.startswith(PACKAGE) and not name.startswith(NOT_OURS) else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        act()
    finally:
        sys.settrace(before)
    return count


def files(count: int, title: str = "Buyer") -> str:
    """Return files of so many people who work for so many companies, with a deal each."""
    numbers = range(count)
    people = "".join(f"  p{n}: {{name: A {n}, emails: [a{n}@x.test], company: c{n}, title: {title}}}\n" for n in numbers)
    companies = "".join(f"  c{n}: {{name: C {n}, email_domain: d{n}.test, details: {title}}}\n" for n in numbers)
    deals = "".join(f"  d{n}: {{name: D {n}, company: c{n}, details: {title}}}\n" for n in numbers)
    return f"companies:\n{companies}people:\n{people}opportunities:\n{deals}"


def planning(world: World, count: int) -> Callable[[], Any]:
    """Plan as many creates."""
    return lambda: world.planned(files(count))


def quiet(world: World, count: int) -> Callable[[], Any]:
    """Plan when nothing changed."""
    world.apply(files(count))
    return lambda: world.planned(files(count))


def cold(world: World, count: int) -> Callable[[], Any]:
    """Plan when nothing changed and nothing is known of Copper, as many records are planned: at a glance."""
    world.apply(files(count))
    world.clock.sleep(600)
    project = world.write(files(count))
    wishes = Wishes(limits=project.settings.limits, policies=project.settings.policies)

    def plan() -> None:
        assert replan(project, world.client(), world.store, wishes, clock=world.clock).plan.is_empty

    plan()
    for path in project.cache.glob("*.*"):
        path.unlink()
    return plan


def creating(world: World, count: int) -> Callable[[], Any]:
    """Apply as many creates."""
    return lambda: world.apply(files(count))


def updating(world: World, count: int) -> Callable[[], Any]:
    """Apply an update of each record."""
    world.apply(files(count))
    world.clock.sleep(600)
    return lambda: world.apply(files(count, "Seller"))


def deleting(world: World, count: int) -> Callable[[], Any]:
    """Apply the removal of all but one."""
    world.apply(files(count))
    world.clock.sleep(600)
    return lambda: world.apply(files(1))


def _person(number: int) -> str:
    tail = "    crmsync: {protect: true}\n" if number % 5 == 0 else ""
    emails = "".join(f"      - {{email: {name}{number}@x.test, category: work}}\n" for name in ("a", "b"))
    return (
        f"  p{number}:\n    name: A {number}\n    title: Buyer\n    emails:\n{emails}    address:\n      city: Reno\n{tail}"
    )


def validating(world: World, count: int) -> Callable[[], Any]:
    """Read so many people, one a line for each field, every fifth with options of its own."""
    world.planned("people:\n  p: {name: A}\n")
    project = world.write(f"people:\n{''.join(map(_person, range(count)))}")
    return lambda: validate(project)


def validating_rows(world: World, count: int) -> Callable[[], Any]:
    """Read so many people from rows, every fifth with an escape."""
    world.planned("people:\n  p: {name: A}\n")
    row = '{{"key": "p{0}", "name": "A{1} {0}", "emails": [{{"email": "a{0}@x.test", "category": "work"}}]}}\n'
    rows = "".join(row.format(number, "\\u0041" if number % 5 == 0 else "") for number in range(count))
    project = world.write({"crm/people.jsonl": rows})
    return lambda: validate(project)


LINES = """\
  p{0}:
    title: Buyer
    details: Met at fair
    tags: [a, b]
    address:
      city: Reno
      state: NV
    custom_fields:
      Tier: Gold
"""
ROW = (
    '{{"key": "p{0}", "title": "Buyer", "details": "Met at fair", "tags": ["a", "b"], '
    '"address": {{"city": "Reno", "state": "NV"}}, "custom_fields": {{"Tier": "Gold"}}}}\n'
)
WORKS = [planning, quiet, cold, creating, updating, deleting, validating, validating_rows]


@pytest.fixture(autouse=True)
def _many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few records be planned as many are."""
    monkeypatch.setattr(anew, "SIFTED", 0)


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.__name__)
def test_twice_the_records_is_twice_the_work(work: Callable[[World, int], Callable[[], Any]], tmp_path: Path) -> None:
    """What a record costs is the same among twice as many; and no line runs four times as often, as one of N x N would."""
    few, many = (lines_run(work(World(_folder(tmp_path, count)), count)) for count in (FEW, 2 * FEW))

    assert many.total() <= 2.2 * few.total()
    assert {line: times for line, times in many.items() if times > max(NOISE, 3 * few[line])} == {}


@pytest.mark.parametrize("row", [False, True], ids=["yaml", "rows"])
def test_what_was_read_before_is_not_read_again(tmp_path: Path, row: bool) -> None:
    """One more record that says what others say costs a few of our lines for each of its own, not the kinds' work again."""
    record = ROW if row else LINES

    def steps(count: int) -> int:
        world = World(_folder(tmp_path, count))
        world.planned("people:\n  p: {name: A}\n")
        text = "".join(record.format(number) for number in range(count))
        project = world.write({"crm/people.jsonl": text} if row else {"crm/people.yaml": f"people:\n{text}"})
        return lines_run(lambda: validate(project)).total()

    assert (steps(2 * FEW) - steps(FEW)) / FEW <= 25 * len(LINES.splitlines())


def test_a_glance_is_short(tmp_path: Path) -> None:
    """Of a record that is as it was a plan without a mirror runs few lines, from its page to what is noted of it."""
    few, many = (_of_rooms(lines_run(cold(World(_folder(tmp_path, count)), count))) for count in (FEW, 2 * FEW))

    assert (many - few) / (3 * FEW) < 500


def test_an_apply_of_one_change_leaves_the_others_alone(desk: Desk) -> None:
    """What is bound is read as text, and of the records that did not move none is planned, so of each a few lines run."""
    few, many = (_applying_one(desk, count) for count in (FEW, 2 * FEW))

    assert (many - few) / (3 * FEW) < 120


def _applying_one(desk: Desk, count: int) -> int:
    """Return how many lines run in an apply of one change among three times as many records."""
    desk.write("crm/a.yaml", files(count))
    desk.write("crm/one.yaml", "people:\n  one: {name: One, title: Buyer}\n")
    desk.done("apply", "-y")
    with opened_state(open_project(start=desk.root, environ={}), create=False) as (store, state):
        store.compact(state.position)
    desk.done("plan")
    desk.write("crm/one.yaml", f"people:\n  one: {{name: One, title: Buyer {count}}}\n")
    ran = lines_run(lambda: desk.done("apply", "-y"))
    return ran.total()


def _of_rooms(lines: Counter[str]) -> int:
    """Return how often lines ran that look at records, not those that read files and state."""
    return sum(count for line, count in lines.items() if line.startswith(("/project/", "/copper/", "/plan/", "/resolve/")))


def _folder(root: Path, count: int) -> Path:
    folder = root / str(count)
    folder.mkdir()
    return folder
