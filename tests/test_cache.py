"""
The cache only saves work: with it and without it the plan is the same, byte for byte, and fewer requests are sent.

Pages of five records, so that two dozen people are as many pages as thousands would be.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from msgspec import structs

from crmsync.copper import ranks, read
from crmsync.copper.client import Client
from crmsync.copper.pace import Pacer
from crmsync.model.plan import Note, Plan, Step
from crmsync.plan.world import Wishes
from crmsync.project import anew, looking, validating
from crmsync.project.hashing import Hashes
from crmsync.project.inputs import files_of
from crmsync.project.mirror import Mirror
from crmsync.project.planned import Planned
from crmsync.project.planning import make_plan
from crmsync.project.replanning import replan
from crmsync.project.saving import read_private
from crmsync.project.session import open_project
from crmsync.project.trouble import Trouble
from crmsync.project.upkeep import LONGEST_SECONDS
from crmsync.project.validating import validate
from crmsync.render.document import dump, plan_document
from crmsync.sandbox import Quirks
from tests.world import World

PEOPLE = 24


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "PAGE_SIZE", 5)
    monkeypatch.setattr(ranks, "PAGE_SIZE", 5)


def people(titles: dict[int, str] | None = None, without: frozenset[int] = frozenset()) -> str:
    """Return a file with two dozen people."""
    rows = [
        f"  p{n}: {{name: Ann {n}, emails: [a{n}@x.test], title: {(titles or {}).get(n, 'Buyer')}}}\n"
        for n in range(PEOPLE)
        if n not in without
    ]
    return "people:\n" + "".join(rows)


def step_text(step: Step) -> str:
    """Return what a step does, after which others."""
    fields = [(each.field, each.before, each.after, each.cause) for each in step.fields]
    return repr((step.id, step.action, step.record_id, step.after, fields))


def note_text(note: Note) -> str:
    """Return what the state is to learn of a record."""
    rules = (note.is_protected, note.on_delete, note.rules)
    return repr((note.address, sorted(note.applied.items()), note.released, note.renamed_from, *rules))


class Desk:
    """One project with a cache on disk, in a world."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.world = World(root, **settings)
        self.requests = 0

    def settle(self, files: str) -> None:
        """Apply *files*, and let so much time pass that nothing counts as new."""
        self.world.apply(files)
        self.world.clock.sleep(3600)

    def plan(self, files: str | None, *, uses_cache: bool = True, **selection: Any) -> Planned:
        """Return the plan for *files* (None: as they are) as the command makes it; *requests* says what it took."""
        if files is not None:
            self.world.write(files)
        project = open_project(start=self.world.root, environ={})
        client = self.world.client()
        wishes = Wishes(limits=project.settings.limits, policies=project.settings.policies, **selection)
        planned = self._planned(project, client, wishes, uses_cache)
        self.requests = client.requests.total
        return planned

    def _planned(self, project: Any, client: Client, wishes: Wishes, uses_cache: bool) -> Planned:
        if uses_cache:
            return replan(project, client, self.world.store, wishes, clock=self.world.clock)
        return make_plan(project, client, self.world.store.read(), wishes, clock=self.world.clock)

    def text(self, files: str | None, *, uses_cache: bool = True, **selection: Any) -> str:
        """Return the plan for *files* (None: as they are) as its document, with all that an apply makes of it."""
        planned = self.plan(files, uses_cache=uses_cache, **selection)
        document = plan_document(planned.plan, planned.account.catalogue, planned.meta)
        document["crmsync"] |= {"created_at": "", "expires_at": ""}
        told = [f"{each.code.number} {each.position} {each.detail}" for each in planned.warnings]
        lines = [planned.sources.line_of(each.position.file, each.position.line) for each in planned.warnings]
        policies = repr(sorted(planned.plan.policies.items()))
        plan = [*map(step_text, planned.plan.steps), *sorted(map(note_text, planned.plan.notes)), policies]
        return "\n".join([dump(document), *plan, *told, repr(lines)])

    @property
    def cache(self) -> Path:
        """The folder of the cache."""
        return self.world.root / ".crmsync" / "cache" / "default"

    def ids(self) -> list[int]:
        """Return the ids of the people, by their keys."""
        return [self.world.id(f"people.p{n}") for n in range(PEOPLE)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk whose two dozen people are applied and were planned once, so that the mirror is full."""
    made = Desk(tmp_path)
    made.settle(people())
    made.plan(people())
    return made


def test_nothing_changed_takes_few_requests_and_parses_nothing(desk: Desk) -> None:
    """Account, definitions, users, contact types; the newest changes, the last page, the audit."""
    planned = desk.plan(people())

    assert (desk.requests, planned.sources.files, planned.plan.is_empty) == (7, (), True)


def test_without_a_cache_everything_is_read(desk: Desk) -> None:
    """`--no-cache` asks for every batch and every table."""
    desk.plan(people(), uses_cache=False)

    assert desk.requests == 7 + 5


def test_a_change_in_copper_is_one_page(desk: Desk) -> None:
    """One changed record is found by the search for the newest, and nothing else is read again."""
    desk.world.edit("people.p7", title="Seller")

    planned = desk.plan(people())

    assert [str(each.address) for each in planned.plan.changes] == ["people.p7"]
    assert desk.requests == 7


def test_a_deletion_is_located_and_proven(desk: Desk) -> None:
    """The last page does not match, probes say which, an ids search and a GET prove it."""
    gone = desk.world.id("people.p11")
    desk.world.sandbox.delete("people", gone)

    planned = desk.plan(people())

    assert [("people.p11", gone)] == [(str(address), id) for address, id in planned.plan.gone]
    asked = [each.path for each in desk.world.sandbox.log[-desk.requests :] if each.method == "GET"]
    assert f"/people/{gone}" in asked


@pytest.mark.parametrize("seed", range(6))
def test_over_random_histories_the_plan_is_the_same(tmp_path: Path, seed: int) -> None:
    """People edit, create, merge and delete, files change, crmsync applies: after each step both plans are equal."""
    desk, chance = Desk(tmp_path, seed=seed), random.Random(seed)
    titles: dict[int, str] = {}
    without: set[int] = set()
    desk.settle(people())
    moves: list[Callable[[], Any]] = [
        lambda: desk.world.edit(f"people.p{chance.randrange(4)}", title=f"Boss {chance.randrange(3)}"),
        lambda: desk.world.edit(f"people.p{chance.randrange(4)}", emails=[{"email": f"z{chance.random()}@y.test"}]),
        lambda: desk.world.sandbox.create("people", {"name": f"Other {chance.random()}"}),
        lambda: desk.world.sandbox.delete("people", chance.choice(list(desk.world.sandbox.records("people")))["id"]),
        lambda: titles.update({chance.randrange(PEOPLE): f"Chief {chance.randrange(3)}"}),
        lambda: without.add(chance.randrange(10, PEOPLE)) if len(without) < 3 else None,
        lambda: desk.world.clock.sleep(chance.choice([1, 200, 4000])),
        lambda: desk.world.apply(people(titles, frozenset(without))),
        lambda: None,
    ]
    for _ in range(12):
        move = chance.choice(moves)
        try:
            move()
        except KeyError:
            continue  # that person is gone already
        files = people(titles, frozenset(without))
        assert desk.text(files, uses_cache=False) == desk.text(files)


def _edit_silently(desk: Desk, number: int, **values: Any) -> None:
    """Change a record without moving its date."""
    store = desk.world.sandbox._store
    id = desk.world.id(f"people.p{number}")
    store.put("people", store.records["people"][id] | values, quiet=True)


def test_an_edit_that_moves_no_date_is_found_by_the_audit(desk: Desk) -> None:
    """Each plan looks at one page of ids, so that after as many plans as there are pages every record was looked at."""
    _edit_silently(desk, 17, title="Seller")
    pages = PEOPLE // 5 + 1

    found = [not desk.plan(people()).plan.is_empty for _ in range(pages)]

    assert any(found)
    assert desk.text(people(), uses_cache=False) == desk.text(people())


def test_an_edit_that_moves_no_date_is_found_after_seven_days(desk: Desk) -> None:
    """An old mirror is read again as a whole."""
    _edit_silently(desk, 17, title="Seller")
    desk.world.clock.sleep(LONGEST_SECONDS)

    assert not desk.plan(people()).plan.is_empty


def test_labels_and_what_is_needed_of_records_are_asked_for_together(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the seven requests of a plan in which nothing changed three are under way at a time: it waits three times."""
    monkeypatch.setattr(desk.world, "client", lambda: Client(send, Pacer(1e6, 1e6), desk.world.clock, lanes=4))
    together, sent = Barrier(3, timeout=20), list[str]()
    original = desk.world.send

    def send(request: Any) -> Any:
        sent.append(request.path)
        if len(sent) > 1:  # all but the account
            together.wait()
        return original(request)

    assert desk.plan(None).plan.is_empty
    assert len(sent) == 7


@pytest.mark.parametrize("place", [7, 8], ids=["of the newest", "of the others"])
@pytest.mark.parametrize("edit", ["dated", "silent"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)], ids=["newest first", "audit first"])
@pytest.mark.parametrize("before", range(4))
def test_what_is_asked_together_may_be_answered_in_any_order(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, place: int, edit: str, order: tuple[int, ...], before: int
) -> None:
    """An edit before any of the answers that would show it is seen, and what was answered later is what counts."""
    oldest_first = sorted(range(PEOPLE), key=lambda number: desk.world.id(f"people.p{number}"))
    desk.settle(people({oldest_first[7]: "Chief"}))
    desk.plan(None)  # which audits five others
    number, numbers = oldest_first[place], list[int]()

    def in_parallel(self: Client, ask: Callable[[Any], Any], questions: Iterable[Any]) -> Iterator[Any]:
        each = list(questions)
        if not (each and all(map(callable, each))):  # labels, or records by ids
            return map(ask, each)
        answers = {}
        for at in (*order, None):
            if len(numbers) == before:
                _edit(desk, edit, number)
            numbers.append(len(numbers))
            if at is not None:
                answers[at] = ask(each[at])
        return iter([answers[at] for at in range(3)])

    monkeypatch.setattr(Client, "in_parallel", in_parallel)
    found = not desk.plan(None).plan.is_empty
    monkeypatch.undo()
    newest, audit = order.index(0), order.index(2)
    is_shown = before <= audit or (before <= newest and (edit == "dated" or place == 7))

    assert len(numbers) == 4
    assert found == is_shown
    if is_shown or edit == "dated":
        assert desk.text(None, uses_cache=False) == desk.text(None)


def _edit(desk: Desk, how: str, number: int) -> None:
    if how == "dated":
        desk.world.edit(f"people.p{number}", title="Seller")
    else:
        _edit_silently(desk, number, title="Seller")


HEAP = "mirror.db-*.bodies"


def _file(desk: Desk, name: str) -> Path:
    """Return a file of the cache, the only one that is called so."""
    if "*" not in name:
        return desk.cache / name
    (path,) = desk.cache.glob(name)
    return path


@pytest.mark.parametrize("name", ["mirror.db", HEAP, "quiet.json", "ledger.db", "digests.json"])
@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_cache_is_noticed(desk: Desk, name: str, seed: int) -> None:
    """Whatever bytes are in it: never an error, never another plan."""
    chance = random.Random(seed)
    desk.world.edit("people.p3", title="Seller")
    path = _file(desk, name)
    content = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 20, 400])):
        content[chance.randrange(len(content))] = chance.randrange(256)
    path.write_bytes(content[: chance.choice([len(content), len(content), len(content) // 2, 0])])

    with_cache = desk.text(people())

    assert desk.text(people(), uses_cache=False) == with_cache
    assert with_cache == desk.text(people())


NAMES = ["mirror.db", HEAP, "ledger.db", "quiet.json", "digests.json", "account.json", "sheets", "."]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "content", [None, "", "{}", "[" * 100_000, '{"format": 1, "tables": 5}'], ids=lambda text: repr(text)[:9]
)
def test_what_stands_in_the_place_of_the_cache_is_no_error(desk: Desk, name: str, content: str | None) -> None:
    """A folder where a file should be, a file where a folder should be, text that is none of ours; also where it stays."""
    desk.world.edit("people.p3", title="Seller")
    path = _file(desk, name)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    if content is None:
        (path / "more").mkdir(parents=True)
    else:
        path.write_text(content, encoding="utf-8")

    found = [desk.text(people()), desk.text(people())]

    assert [desk.text(people(), uses_cache=False)] * 2 == found


STATEMENTS = [
    *(
        "UPDATE record SET content = 'x'",
        "UPDATE record SET body = 5",
        "UPDATE record SET heap = 7",
        "UPDATE record SET place = 'x'",
        "UPDATE record SET place = -1",
        "UPDATE record SET length = length - 1",
        "UPDATE record SET length = 9223372036854775807",
        "UPDATE record SET id = 'a' WHERE id IN (SELECT max(id) FROM record)",
    ),
    *("DROP TABLE change", "DELETE FROM change", "UPDATE head SET data = '{}'", "PRAGMA user_version = 99"),
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_mirror_that_holds_something_else_is_made_anew(desk: Desk, statement: str) -> None:
    """Another version's, or one of which a bit fell over that says of a value what it is."""
    desk.world.edit("people.p3", title="Seller")
    connection = sqlite3.connect(desk.cache / "mirror.db")
    connection.execute(statement)
    connection.commit()
    connection.close()

    assert desk.text(people(), uses_cache=False) == desk.text(people())


def test_only_files_of_ours_are_read(tmp_path: Path) -> None:
    """A link leads somewhere else, and a pipe has no end."""
    (tmp_path / "file").write_text("x", encoding="utf-8")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")

    assert read_private(tmp_path / "file") == "x"
    for name in ("link", "pipe"):
        with pytest.raises(FileNotFoundError):
            read_private(tmp_path / name)


@pytest.mark.parametrize("settings", [{"short_pages": "on"}, {"total": "surplus"}, {"search_lag": "30"}])
def test_odd_listings_only_cost_requests(tmp_path: Path, settings: dict[str, str]) -> None:
    """Where pages come short, totals are too high or searches lag behind, the plan is the same."""
    desk = Desk(tmp_path, quirks=Quirks.parse([f"{name}={value}" for name, value in settings.items()]))
    desk.settle(people())
    for number in (3, 9):
        desk.plan(people())
        desk.world.edit(f"people.p{number}", title="Seller")
        desk.world.sandbox.delete("people", desk.world.id(f"people.p{number + 1}"))
        desk.world.clock.sleep(60)

        assert desk.text(people(), uses_cache=False) == desk.text(people())


def test_links_to_what_is_gone_are_looked_at_again(tmp_path: Path) -> None:
    """Copper clears the links to a deleted record without moving a date."""
    desk = Desk(tmp_path)
    firms = "companies:\n" + "".join(f"  f{n}: {{name: Firm {n}}}\n" for n in range(PEOPLE))
    staff = "".join(f"  p{n}: {{name: Ann {n}, company: f{n}}}\n" for n in range(PEOPLE))
    files = f"{firms}people:\n{staff}"
    desk.settle(files)
    desk.plan(files)
    desk.world.sandbox.delete("companies", desk.world.id("companies.f3"))

    assert desk.text(files, uses_cache=False) == desk.text(files)


@pytest.mark.parametrize("how", ["delete", "merge"])
def test_links_to_what_is_gone_of_a_small_type_are_looked_at_again(tmp_path: Path, how: str) -> None:
    """People are mirrored, their few companies are asked for by ids: those tell as well whose links must be looked at."""
    desk = Desk(tmp_path)
    firms = "companies:\n" + "".join(f"  f{n}: {{name: Firm {n}}}\n" for n in range(4))
    staff = "".join(f"  p{n}: {{name: Ann {n}, company: f{n % 4}}}\n" for n in range(PEOPLE))
    files = f"{firms}people:\n{staff}"
    desk.settle(files)
    desk.plan(files)
    lost, other = desk.world.id("companies.f3"), desk.world.id("companies.f2")
    ways = {
        "delete": lambda: desk.world.sandbox.delete("companies", lost),
        "merge": lambda: desk.world.sandbox.merge("companies", other, lost),
    }
    ways[how]()

    assert desk.text(files, uses_cache=False) == desk.text(files)


def test_links_of_a_mirrored_type_to_what_is_gone_of_a_later_one_are_looked_at_again(tmp_path: Path) -> None:
    """Companies come first, and only then it turns out that a contact is gone."""
    desk = Desk(tmp_path)
    firms = "companies:\n" + "".join(f"  f{n}: {{name: Firm {n}, primary_contact: p{n % 4}}}\n" for n in range(PEOPLE))
    staff = "".join(f"  p{n}: {{name: Ann {n}}}\n" for n in range(4))
    files = f"{firms}people:\n{staff}"
    desk.settle(files)
    desk.plan(files)
    desk.world.sandbox.delete("people", desk.world.id("people.p3"))

    assert desk.text(files, uses_cache=False) == desk.text(files)


def test_links_to_what_is_gone_are_looked_at_again_when_its_type_is_first_mirrored(tmp_path: Path) -> None:
    """People are mirrored; companies become so many that they are now read as a whole, and one of them is not there."""
    desk = Desk(tmp_path)
    staff = "people:\n" + "".join(f"  p{n}: {{name: Ann {n}, company: f{n % 4}}}\n" for n in range(PEOPLE))
    few, many = ("companies:\n" + "".join(f"  f{n}: {{name: Firm {n}}}\n" for n in range(count)) for count in (4, 24))
    desk.settle(few + staff)
    desk.plan(few + staff)
    desk.settle(many + staff)
    desk.world.sandbox.delete("companies", desk.world.id("companies.f3"))

    assert desk.text(many + staff, uses_cache=False) == desk.text(many + staff)


def test_commands_at_once_share_one_cache(desk: Desk) -> None:
    """Whoever comes second keeps nothing, and nobody is told anything wrong."""
    desk.world.edit("people.p3", title="Seller")
    expected = desk.text(people(), uses_cache=False)
    desk.cache.joinpath("quiet.json").unlink()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: desk.text(None), range(8)))

    assert [expected] * 8 == found


def test_what_the_cache_holds_is_private(desk: Desk) -> None:
    """It holds what Copper showed."""
    found = {(path.is_dir(), path.stat().st_mode & 0o777) for path in desk.cache.rglob("*")}

    assert {(False, 0o600), (True, 0o700)} == found


def test_valid_files_are_not_read_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """`validate` remembers that nothing was wrong, as long as files, settings and labels are the same."""
    project = open_project(start=desk.world.root, environ={})
    first = validate(project)
    monkeypatch.setattr(validating, "load_project_sources", lambda project: pytest.fail("the files were read again"))

    assert (first.records, first.files, first.diagnostics) == (PEOPLE, 1, ())
    assert structs.replace(validate(project), line_of=first.line_of) == first


def test_a_changed_file_is_validated_again(desk: Desk) -> None:
    """A mistake is told, and told again."""
    project = open_project(start=desk.world.root, environ={})
    validate(project)
    desk.world.write(people({3: "null"}).replace("title: null", "titel: Buyer"))

    assert [[each.code.number for each in validate(project).diagnostics] for _ in range(2)] == [["CRM011"], ["CRM011"]]


def test_what_is_no_plain_file_is_left_to_the_careful_way(desk: Desk) -> None:
    """A pipe would be waited for; a link may lead anywhere."""
    project = open_project(start=desk.world.root, environ={})
    plain = files_of(project, (), Hashes(project.cache))
    os.mkfifo(desk.world.root / "crm" / "pipe.yaml")

    assert plain is not None
    assert files_of(project, (), Hashes(project.cache)) is None


@pytest.mark.parametrize("sifted", [0, 1000])
@pytest.mark.parametrize("odd", ['"title":7', '"tags":7', '"emails":[null]', '"custom_fields":[5]'])
def test_what_makes_no_sense_in_copper_is_told(
    odd: str, sifted: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that cannot be read is named, in the same words whichever way it was looked at, and nothing is planned."""
    monkeypatch.setattr(anew, "SIFTED", sifted)
    desk = Desk(tmp_path)
    desk.settle(people())
    name, id, send = odd.partition(":")[0], desk.world.id("people.p3"), desk.world.send

    def sent(request: Any) -> Any:
        answer = send(request)
        rows = json.loads(answer.body)
        for row in rows if isinstance(rows, list) else [rows]:
            if row.get("id") == id and "emails" in row:
                row[name.strip('"')] = "odd"
        return replace(answer, body=json.dumps(rows, separators=(",", ":")).replace(f'{name}:"odd"', odd).encode())

    monkeypatch.setattr(desk.world, "send", sent)

    found = [_trouble(desk, uses_cache=uses_cache) for uses_cache in (False, True, True)]

    assert found == found[:1] * 3
    assert found[0].startswith(f"Copper shows a record that makes no sense: {name[1:-1]} of person {id}")


def _trouble(desk: Desk, **settings: Any) -> str:
    with pytest.raises(Trouble) as caught:
        desk.plan(None, **settings)
    return str(caught.value)


@pytest.mark.parametrize("sifted", [0, 1000])
def test_the_first_record_of_a_type_finds_its_labels(sifted: int, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a type that nothing used so far the labels may be others than once: they are read when a file begins to use it."""
    monkeypatch.setattr(anew, "SIFTED", sifted)
    account = desk.world.sandbox.account
    first, *others = account.pipelines
    desk.world.sandbox.account = replace(account, pipelines=(replace(first, name="Brand new"), *others))
    deal = "opportunities:\n  deal: {name: Deal, primary_contact: p1, pipeline: Brand new}\n"

    found = [desk.text(people() + deal, uses_cache=uses_cache) for uses_cache in (True, False)]

    assert found[0] == found[1]
    assert '"opportunities.deal"' in found[0]


def test_many_records_of_the_mirror_come_a_few_at_a_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan of everything from the mirror is that of what Copper shows, also where a record changed or is gone."""
    monkeypatch.setattr(looking, "MIRROR_REQUESTS", 0)
    monkeypatch.setattr(looking, "AT_A_TIME", 5)
    desk.world.edit("people.p3", title="Seller")
    desk.world.sandbox.delete("people", desk.world.id("people.p7"))
    project = open_project(start=desk.world.root, environ={})
    wishes = Wishes(limits=project.settings.limits, policies=project.settings.policies)

    def made(mirror: Mirror | None) -> Plan:
        state = desk.world.store.read()
        return make_plan(project, desk.world.client(), state, wishes, clock=desk.world.clock, mirror=mirror).plan

    assert made(None) == made(Mirror(desk.cache / "mirror.db"))


@pytest.mark.parametrize("value", [1.5, 5, None])
def test_odd_labels_are_told_either_way(desk: Desk, value: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fraction in a definition is none of our business; a name or a list that is missing is told."""
    send = desk.world.send

    def sent(request: Any) -> Any:
        answer = send(request)
        if request.path != "/custom_field_definitions":
            return answer
        rows = [
            {**row, "new_in_copper": value, **({} if value == 1.5 else {"options": value, "name": 5})}
            for row in json.loads(answer.body)
        ]
        for row in rows if value is None else ():
            del row["name"]
        return replace(answer, body=json.dumps(rows).encode())

    monkeypatch.setattr(desk.world, "send", sent)
    found = [_said(desk, uses_cache=uses_cache) for uses_cache in (False, True, True)]

    assert found == found[:1] * 3
    assert found[0].startswith("Copper shows custom fields, pipelines or other labels that make no sense") == (value != 1.5)


def _said(desk: Desk, **settings: Any) -> str:
    try:
        return desk.text(people(), **settings)
    except Trouble as trouble:
        return str(trouble)
