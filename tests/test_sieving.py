"""
Plans of what moved alone: the same as of everything, byte for byte, over random histories, and seldom more than they need.
"""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from crmsync.catalogue import CATALOGUE
from crmsync.copper import ranks, read
from crmsync.model.address import Address
from crmsync.plan.world import Wishes
from crmsync.project import anew
from crmsync.project.deciding import Ending, asking, contested, write_decisions
from crmsync.project.planned import Planned
from crmsync.project.stamping import make_field
from crmsync.project.trouble import InputTrouble, RefusedTrouble, UsageTrouble
from crmsync.render.shown import Showing
from tests.test_cache import Desk

FIRMS, STAFF, DEALS = 20, 24, 6
#: What may be chosen in `decisions.yaml`; nothing leaves a question open.
CHOICES = ("keep_human", "take_file", "hand_over", "accept", "", "")


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "PAGE_SIZE", 5)
    monkeypatch.setattr(ranks, "PAGE_SIZE", 5)


class Office:
    """Files about companies, people and opportunities that can be changed, each line as it stands in its file."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.rows: dict[str, dict[str, dict[str, str]]] = {"companies": {}, "people": {}, "opportunities": {}}
        for number in range(FIRMS):
            self.rows["companies"][f"f{number}"] = {"name": f"Firm {number}", "email_domain": f"f{number}.test"}
        for number in range(STAFF):
            firm = chance.randrange(FIRMS)
            self.rows["people"][f"p{number}"] = {
                "name": f"Ann {number}",
                "emails": f"[a{number}@x.test]",
                "company": f"f{firm}",
                "tags": "[ours]",
            }
        for number in range(DEALS):
            contact = f"p{chance.randrange(STAFF)}"
            self.rows["opportunities"][f"d{number}"] = {"name": f"Deal {number}", "primary_contact": contact}

    def files(self) -> dict[str, str]:
        """Return the texts by file."""
        found = {}
        for type_name, rows in self.rows.items():
            lines = "".join(f"  {key}: {{{', '.join(f'{n}: {v}' for n, v in row.items())}}}\n" for key, row in rows.items())
            found[f"crm/{type_name}.yaml"] = f"{type_name}:\n{lines}"
        return found

    def any(self, type_name: str) -> dict[str, str]:
        """Return a record to change."""
        return self.rows[type_name][self.chance.choice(list(self.rows[type_name]))]

    def leave(self, type_name: str) -> None:
        """Take a record out of the files, and every line that names it."""
        self.take_out(type_name, self.chance.choice(list(self.rows[type_name])))

    def take_out(self, type_name: str, key: str) -> None:
        """Take *key* out of the files, and every line that names it."""
        del self.rows[type_name][key]
        for rows in self.rows.values():
            for row in rows.values():
                for name in ("company", "primary_contact"):
                    if row.get(name) == key:
                        del row[name]


def moves(desk: Desk, office: Office, chance: random.Random) -> list[Callable[[], Any]]:
    """Return everything that may happen between two plans."""
    sandbox = desk.world.sandbox

    def body(type_name: str) -> dict[str, Any]:
        return chance.choice(list(sandbox.records(type_name)))

    def edit(type_name: str, **values: Any) -> None:
        desk.world.clock.sleep(60)
        sandbox.edit(type_name, body(type_name)["id"], values)

    def merge(type_name: str) -> None:
        one, two = body(type_name)["id"], body(type_name)["id"]
        if one != two:
            sandbox.merge(type_name, one, two)

    def decide() -> None:
        """Have what is contested written down as questions, and answer some."""
        planned = desk.plan(office.files(), uses_cache=False)
        asked = asking(planned.plan, contested(planned.plan))
        ending = Ending(planned.state, Showing(planned.account.catalogue, planned.meta), Wishes())
        write_decisions(planned.decisions, planned.plan, asked, ending)
        text = decisions.read_text(encoding="utf-8")
        decisions.write_text(re.sub("choice: ,", lambda _: f"choice: {chance.choice(CHOICES)},", text), encoding="utf-8")

    def spoil() -> None:
        with decisions.open("a", encoding="utf-8") as file:
            file.write(chance.choice(["  - {address: people.nobody}\n", "  - nothing\n", "# a remark\n"]))

    decisions = desk.world.root / "decisions.yaml"
    return [
        decide,
        decide,
        spoil,
        decisions.unlink,
        lambda: edit("people", title=f"Boss {chance.randrange(3)}"),
        lambda: edit("people", name=f"Zoe {chance.randrange(3)}"),
        lambda: edit("people", tags=["theirs"]),
        lambda: edit("people", emails=[{"email": f"a{chance.randrange(STAFF)}@x.test", "category": "work"}]),
        lambda: edit("companies", details=f"Note {chance.randrange(3)}"),
        lambda: edit("companies", name=f"Other {chance.randrange(3)}"),
        lambda: sandbox.edit("people", *misstamped(body("people"))),
        lambda: sandbox.create("people", {"name": "New", "emails": [f"n{chance.randrange(5)}@x.test"]}),
        lambda: sandbox.delete("people", body("people")["id"]),
        lambda: sandbox.delete("companies", body("companies")["id"]),
        lambda: merge("companies"),
        lambda: merge("people"),
        lambda: office.any("people").update(title=f"Chief {chance.randrange(3)}"),
        lambda: office.any("people").update(emails=f"[a{chance.randrange(STAFF)}@x.test]"),
        lambda: office.any("people").update(company=chance.choice(list(office.rows["companies"]))),
        lambda: office.any("people").update(company=f"{{id: {body('companies')['id']}}}"),
        lambda: office.any("people").update(company="{name: Firm 3}"),
        lambda: office.any("people").update(crmsync="{policy: {on_drift: keep}}"),
        lambda: office.any("companies").update(crmsync="{policy: {on_drift: hold}, protect: true}"),
        lambda: office.any("companies").update(email_domain=f"f{chance.randrange(FIRMS)}.test"),
        lambda: office.rows["people"].update({f"n{chance.randrange(5)}": {"name": "N", "emails": "[n1@x.test]"}}),
        lambda: office.leave("people"),
        lambda: office.leave("companies"),
        lambda: office.leave("opportunities"),
        lambda: desk.world.clock.sleep(chance.choice([1, 200, 4000])),
        lambda: desk.world.apply(office.files()),
        lambda: desk.world.apply(office.files(), auto_approve=True),
        lambda: desk.world.store.compact(desk.world.store.read().position),
    ]


def judged(planned: Planned) -> int | None:
    """Return how many records were judged; None where it was the whole."""
    told = [each.way for each in planned.looking.told if each.type == "records"]
    return int(told[0].split()[0]) if told and told[0][0].isdigit() else None


@pytest.mark.parametrize("seed", range(24))
def test_over_random_histories_the_plan_is_the_same(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens in files, state and Copper: what moved alone makes the plan of everything, held at once or not."""
    monkeypatch.setattr(anew, "SIFTED", seed % 2 * 1000)
    chance = random.Random(seed)
    desk, office = Desk(tmp_path, seed=seed), Office(chance)
    if seed % 3 == 0:
        stamping(desk)
    desk.settle(office.files())
    desk.plan(office.files())
    choices = moves(desk, office, chance)
    for _ in range(12):
        good = deepcopy(office.rows)
        for _ in range(chance.choice([1, 1, 2, 4])):
            act(chance.choice(choices))
        files, selection = office.files(), chance.choice(SELECTIONS)
        assert outcome(desk, files, uses_cache=False, **selection) == outcome(desk, files, **selection)
        expected = outcome(desk, files, uses_cache=False)
        assert expected == outcome(desk, files)
        if expected.startswith("CRM"):
            office.rows = good
            (tmp_path / "decisions.yaml").unlink(missing_ok=True)


def stamping(desk: Desk) -> None:
    """Let the records of *desk* carry their addresses in Copper."""
    make_field(desk.world.client(may_write=True), CATALOGUE)
    desk.world.settings_text = "stamp: true\n"


def misstamped(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Return the id of a person, and what gives it the stamp of nobody if it has one."""
    return body["id"], {
        "custom_fields": [{**each, "value": "0"} for each in body["custom_fields"] if isinstance(each["value"], str)]
    }


def act(move: Callable[[], Any]) -> None:
    """Let something happen, if it can."""
    try:
        move()
    except (KeyError, IndexError, ValueError, FileNotFoundError):
        return  # that record is gone already, Copper takes no such value, or nothing is to be decided
    except (InputTrouble, UsageTrouble, RefusedTrouble):
        return  # the files are wrong, so that nothing is applied


#: What `--only` and `--except` may say.
SELECTIONS: tuple[dict[str, tuple[str, ...]], ...] = (
    {"only": ("people.*",)},
    {"only": ("companies.*", "people.p3")},
    {"excepted": ("people.p*",)},
    {"only": ("people.*",), "excepted": ("people.p3",)},
    {"only": ("nobody.*",)},
)


def outcome(desk: Desk, files: Any, **how: Any) -> str:
    """Return the plan as a document, or what is wrong with the files."""
    try:
        return desk.text(files, **how)
    except UsageTrouble as trouble:
        return str(trouble)
    except InputTrouble as trouble:
        return "\n".join(f"{each.code.number} {each.position} {each.detail}" for each in trouble.diagnostics)


def test_few_records_are_judged(tmp_path: Path) -> None:
    """Two people change, one in a file and one in Copper: they are judged, and nobody else."""
    chance = random.Random(1)
    desk, office = Desk(tmp_path), Office(chance)
    desk.settle(office.files())
    desk.plan(office.files())
    office.rows["people"]["p3"]["title"] = "Chief"
    desk.world.edit("people.p5", name="Someone")

    planned = desk.plan(office.files())

    assert judged(planned) == 2
    assert [Address("people", "p3"), Address("people", "p5")] == [each.address for each in planned.plan.changes]


def test_what_is_not_selected_is_still_to_come(tmp_path: Path) -> None:
    """`--only` takes no more than what moved either, and what it leaves out is in the next plan."""
    desk, office = settled(tmp_path)
    office.rows["people"]["p3"]["title"] = "Chief"
    office.rows["companies"]["f2"]["details"] = "Other"
    selected = [desk.plan(office.files(), only=("companies.*",)) for _ in range(2)]
    plain = desk.plan(office.files())

    assert [judged(each) for each in (*selected, plain)] == [2, 2, 2]
    assert [[str(each.address) for each in one.plan.changes] for one in selected] == [["companies.f2"]] * 2
    assert [str(each.address) for each in plain.plan.changes] == ["companies.f2", "people.p3"]


def test_a_file_may_change_many_times_between_plans_of_everything(tmp_path: Path) -> None:
    """A selected plan notes what it saw as well: else the file that the ledger knows would be forgotten."""
    desk, office = settled(tmp_path)
    counts = []
    for number in range(6):
        office.rows["people"]["p3"]["title"] = f"Chief {number}"
        counts.append(judged(desk.plan(office.files(), only=("companies.*",))))

    assert counts == [1] * 6


def test_what_is_open_is_judged_each_time(tmp_path: Path) -> None:
    """A value that is kept is told by every plan, and costs one record to look at."""
    desk, office = Desk(tmp_path), Office(random.Random(1))
    desk.world.settings_text = 'policy: {"*": {on_drift: keep}}\n'
    desk.settle(office.files())
    desk.plan(office.files())
    desk.world.edit("people.p5", name="Someone")

    plans = [desk.plan(office.files()) for _ in range(3)]

    assert [judged(each) for each in plans] == [1, 1, 1]
    assert [[str(kept.address) for kept in each.plan.kept] for each in plans] == [["people.p5"]] * 3


def test_those_who_name_an_open_record_are_not_judged(tmp_path: Path) -> None:
    """A value kept at a company is no reason to look at its people."""
    desk, office = Desk(tmp_path), Office(random.Random(1))
    for row in office.rows["people"].values():
        row["company"] = "f3"
    desk.world.settings_text = 'policy: {"*": {on_drift: keep}}\n'
    desk.settle(office.files())
    desk.plan(office.files())
    desk.world.edit("companies.f3", email_domain="other.test")

    assert [judged(desk.plan(office.files())) for _ in range(2)] == [1, 1]


def settled(tmp_path: Path) -> tuple[Desk, Office]:
    """Return a desk whose files are applied and were planned, so that the ledger is full."""
    desk, office = Desk(tmp_path), Office(random.Random(1))
    desk.settle(office.files())
    desk.plan(office.files())
    return desk, office


def test_records_with_stamps_are_judged_as_few(tmp_path: Path) -> None:
    """The stamp of a record follows from its address: no reason to look at all. A new one may be any, by its stamp."""
    desk = Desk(tmp_path)
    stamping(desk)
    office = Office(random.Random(1))
    desk.settle(office.files())
    desk.plan(office.files())
    office.rows["people"]["p3"]["title"] = "Chief"
    one = desk.plan(office.files())
    office.rows["people"]["p99"] = {"name": "Nobody", "emails": "[n@x.test]"}
    new = desk.plan(office.files())

    assert [judged(each) for each in (one, new)] == [1, None]
    assert [each.address.key for each in new.plan.changes] == ["p3", "p99"]
    assert desk.text(office.files(), uses_cache=False) == desk.text(office.files())


def test_records_with_stamps_are_settled_at_a_glance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first look at all finds each stamp beside what its record is packed in; one that was changed is not settled."""
    monkeypatch.setattr(anew, "SIFTED", 0)
    desk = Desk(tmp_path)
    stamping(desk)
    office = Office(random.Random(1))
    desk.settle(office.files())
    (person, *_) = desk.world.sandbox.records("people")
    desk.world.sandbox.edit("people", *misstamped(person))

    assert judged(desk.plan(office.files())) == 1


def test_a_mirror_of_another_version_is_made_anew_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large project is not held in memory for it, and nothing is read twice."""
    monkeypatch.setattr(anew, "SIFTED", 0)
    desk, office = settled(tmp_path)
    with closing(sqlite3.connect(desk.cache / "mirror.db")) as mirror:
        mirror.execute("PRAGMA user_version = 99")
    planned = desk.plan(office.files())
    pages = sum(-(-len(desk.world.sandbox.records(name)) // read.PAGE_SIZE) for name in office.rows)

    assert [each.way for each in planned.looking.told if each.type == "people"] == [
        f"all read, {-(-STAFF // read.PAGE_SIZE)} requests; from now on only what changed"
    ]
    assert desk.requests <= pages + 12
    assert planned.plan.is_empty


def test_a_state_put_back_and_grown_again_is_another_one(tmp_path: Path) -> None:
    """The position is the same, and what stands there is not: the ledger has nothing to say of it."""
    desk, office = settled(tmp_path)
    copy = deepcopy(desk.world.store.__dict__ | {"_lock": None}) | {"_lock": desk.world.store._lock}
    office.rows["people"]["p3"]["title"] = "Chief"
    desk.world.apply(office.files())
    assert judged(desk.plan(office.files())) is not None
    desk.world.store.__dict__.update(copy)
    office.rows["people"]["p3"]["title"] = "Buyer"
    desk.world.apply(office.files())

    assert desk.text(office.files(), uses_cache=False) == desk.text(office.files())


def test_a_mirror_put_back_and_grown_again_is_another_one(tmp_path: Path) -> None:
    """Somebody restores a part of the cache: its changes are numbered as before, and are others."""
    desk, office = settled(tmp_path)
    mirror = (desk.cache / "mirror.db").read_bytes()
    desk.world.edit("people.p3", title="Seller")
    desk.plan(office.files())
    (desk.cache / "mirror.db").write_bytes(mirror)
    desk.world.edit("people.p5", title="Seller")
    desk.world.edit("people.p3", title=None)

    assert desk.text(office.files(), uses_cache=False) == desk.text(office.files())


def test_a_reference_that_means_another_record_now_is_judged_again(tmp_path: Path) -> None:
    """`companies.f3` is the company f3, until a file declares a company of just that key."""
    desk, office = settled(tmp_path)
    office.rows["people"]["p3"]["company"] = "companies.f3"
    desk.settle(office.files())
    desk.plan(office.files())
    office.rows["companies"]["companies.f3"] = {"name": "Odd", "email_domain": "odd.test"}

    planned = desk.plan(office.files())

    assert judged(planned) == 2
    assert desk.text(office.files(), uses_cache=False) == desk.text(office.files())


@pytest.mark.parametrize("name", ["mirror.db", "ledger.db"])
def test_an_older_copy_of_one_cache_changes_no_plan(tmp_path: Path, name: str) -> None:
    """Each part of the cache is relative to what it saw, and says so."""
    desk, office = settled(tmp_path)
    old = (desk.cache / name).read_bytes()
    office.rows["people"]["p3"]["title"] = "Chief"
    desk.world.edit("people.p5", name="Someone")
    desk.plan(office.files())
    (desk.cache / name).write_bytes(old)
    office.rows["people"]["p7"]["title"] = "Chief"

    assert desk.text(office.files(), uses_cache=False) == desk.text(office.files())


def test_a_link_to_what_crmsync_deleted_is_gone_by_its_own_doing(tmp_path: Path) -> None:
    """A person who had stayed when the company was deleted, for an edit that is taken back, is deleted by a part as well."""
    desk, office = settled(tmp_path)
    office.rows["people"]["p3"]["company"] = "f3"
    desk.settle(office.files())
    desk.world.edit("people.p3", name="Someone")
    del office.rows["people"]["p3"]
    office.take_out("companies", "f3")
    desk.world.apply(office.files(), may_orphan=True)
    desk.plan(office.files())
    desk.world.edit("people.p3", name="Ann 3")

    planned = desk.plan(office.files())

    assert [(Address("people", "p3"), "delete")] == [(each.address, each.action) for each in planned.plan.changes]
    assert desk.text(office.files(), uses_cache=False) == desk.text(office.files())
