"""Glancing: nobody can tell whether a record was looked at by its texts or judged in values."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from crmsync.model.address import Address
from crmsync.model.digest import Digester
from crmsync.model.values import Member
from crmsync.project import anew, crew, sifting
from crmsync.project.glancing import Glance, Lot
from crmsync.project.ledger import Ledger
from crmsync.project.ledgerfile import Entry
from tests.catalogue.accounts import ACCOUNT
from tests.test_cache import Desk

COUNT = 6
#: How a record is packed, its body, its binding.
Texts = tuple[bytes, bytes, bytes]

PEOPLE = {
    "as ever": "",
    "seeds": "title: seed, name: seed, details: fill, tags: add, emails: add",
    "enforced": "emails: enforce, tags: enforce, custom_fields.Regions: enforce, phone_numbers: enforce",
    "observed": "emails: observe, title: observe, custom_fields.Tier: observe, details: {on_drift: keep}",
}
SETTINGS = {name: f"policy: {{people: {{fields: {{{rules}}}}}}}\n" if rules else "" for name, rules in PEOPLE.items()}


def files() -> str:
    """Return an account of a few of everything, most values of which are those of several."""
    numbers = range(COUNT)
    companies = "".join(
        f"  c{n}: {{name: C {n}, email_domain: d{n}.test, address: {{city: Reno, country: US}}, primary_contact: p{n}, "
        f"websites: ['https://d{n}.test'], custom_fields: {{Annual revenue: {n}00.50, Regions: [EMEA, APAC]}}}}\n"
        for n in numbers
    )
    people = "".join(
        f"  p{n}: {{name: A {n}, title: Buyer {n % 2}, company: c{n % 2}, details: 'né \"{n}\"', "
        f"assignee: dana@ourfirm.com, emails: [a{n}@x.test, {{email: b{n}@x.test, category: personal}}], "
        f"contact_type: Other, phone_numbers: ['+14155550{n:03d}'], tags: [vip, t{n % 3}], socials: ['https://x.com/a{n}'], "
        f"custom_fields: {{Tier: Gold, Renewal date: 2027-01-0{n + 1}, Code: C-{n}, Regions: [NA]}}}}\n"
        for n in numbers
    )
    deals = "".join(
        f"  d{n}: {{name: D {n}, company: companies.c{n}, primary_contact: p{n}, pipeline: Sales, stage: Negotiation, "
        f"monetary_value: {n}000, close_date: 2027-02-0{n + 1}, win_probability: {n}0}}\n"
        for n in numbers
    )
    protected = "  safe: {name: Safe, crmsync: {protect: true, policy: {on_delete: never}}}\n"
    return f"companies:\n{companies}{protected}people:\n{people}opportunities:\n{deals}"


def album(folder: Path, settings: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Glance, dict[Address, Texts]]:
    """Return the texts of all records of an account where nothing changed, and who looks at them."""
    monkeypatch.setattr(anew, "SIFTED", 0)
    desk = Desk(folder)
    desk.world.settings_text = settings
    desk.settle(files())
    found: dict[Address, Texts] = {}
    looking: list[Glance] = []
    read = Glance.read

    def noted(self: Glance, lot: Lot) -> Any:
        looking.append(self)
        type_name, keys, _, *texts = lot
        found.update(zip([Address(type_name, key) for key in keys], zip(*texts, strict=True), strict=True))
        return read(self, lot)

    monkeypatch.setattr(Glance, "read", noted)
    assert desk.plan(files()).plan.is_empty
    monkeypatch.setattr(Glance, "read", read)
    return looking[0], found


def told(look: Callable[[], Any]) -> object:
    """Return what a look gives: what the record is met by, nothing, or that its body is none."""
    try:
        found = look()
    except ValueError as error:
        return str(error)
    return None if found is None else frozenset(found)


def other(chance: random.Random, value: Any) -> Any:
    """Return another value, mostly of the same kind."""
    if isinstance(value, list) and value and chance.random() < 0.7:
        some = chance.randrange(len(value))
        return [other(chance, each) if at == some else each for at, each in enumerate(value)]
    if isinstance(value, dict) and value and chance.random() < 0.7:
        some = chance.choice(list(value))
        return {name: other(chance, each) if name == some else each for name, each in value.items()}
    return chance.choice([None, "", "x", " x", "A 1", 0, 1, True, False, 1.5, [], {}, ["x"], f"{value}", f"{value}"[:-1]])


def moved(chance: random.Random, texts: Texts, another: Texts) -> Texts:
    """Return the texts of a record of which something moved."""
    flat, body, binding = (json.loads(each) for each in texts)
    theirs, shown, known = (json.loads(each) for each in another)
    fields = [at for at in range(3, len(flat), 5) if at < len(theirs) and flat[at] == theirs[at]]

    def of_file() -> None:
        at = chance.choice(fields)
        flat[at + 4] = theirs[at + 4]

    def without() -> None:
        at = chance.choice(range(3, len(flat), 5))
        del flat[at : at + 5]

    def of_copper() -> None:
        name = chance.choice([each for each in body if each != "id"])
        body[name] = shown.get(name)

    def odd_in_copper() -> None:
        name = chance.choice([each for each in body if each != "id"])
        body[name] = other(chance, body[name])

    def of_state() -> None:
        name = chance.choice(list(binding["applied"]))
        binding["applied"][name] = known["applied"].get(name, "1.0000000000000000")

    def flag() -> None:
        name = chance.choice(list(binding["applied"]))
        each = binding["applied"][name]
        plain = each if isinstance(each, dict) else {"asked": each, "answered": each}
        binding["applied"][name] = {**plain, chance.choice(["is_kept", "is_handed_over"]): True}

    def ruled() -> None:
        binding[chance.choice(["is_protected", "on_delete"])] = True
        binding["on_delete"] = chance.choice([None, "never"])

    def gone() -> None:
        del binding["applied"][chance.choice(list(binding["applied"]))]

    for act in chance.choices(
        [of_file, without, of_copper, odd_in_copper, of_state, flag, ruled, gone], k=chance.choice([1, 1, 2])
    ):
        act()
    return json.dumps(flat).encode(), json.dumps(body).encode(), json.dumps(binding).encode()


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_glance_says_what_a_close_look_does(settings: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of records as they are, and of those of which file, Copper or state moved in any way, in any order."""
    glance, texts = album(tmp_path, settings, monkeypatch)
    chance = random.Random(7)
    addresses = [each for each in texts if json.loads(texts[each][2])["applied"]]
    found = []
    for _ in range(1500):
        address = chance.choice(addresses)
        another = texts[chance.choice([each for each in addresses if each.type == address.type])]
        seen = texts[address] if chance.random() < 0.5 else moved(chance, texts[address], another)
        expected = told(partial(glance._kinds[address.type].closely, address, *seen))
        found.append(expected)

        assert expected == told(partial(glance.settled, address, *seen)), (address, seen)
    assert sum(isinstance(each, frozenset) for each in found) > 500
    assert sum(each is None for each in found) > 200


def test_plain_records_need_no_close_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what has options of its own is judged in values."""
    glance, texts = album(tmp_path, "", monkeypatch)
    closely: list[Address] = []
    for kind in glance._kinds.values():
        monkeypatch.setattr(kind, "closely", lambda address, *texts: closely.append(address))
    found = {address: glance.settled(address, *each) for address, each in texts.items()}

    assert closely == [Address("companies", "safe")]
    assert [address for address, hashes in found.items() if hashes is None] == closely


def test_the_quick_digests_are_the_digests() -> None:
    """Texts and members have the digest that the state has of them, whichever way it is made."""
    digester = Digester(b"k" * 32)
    rows = ACCOUNT["people"].by_name
    texts = ["Ann", 'né "x"\n', "\ud800", "", "\u2028"]
    members = [Member("a@x.test", "A@x.test", "work"), Member("vip", "vip"), Member(501, 501), Member("\ud800", "", "né")]

    assert [digester.value(rows["name"], each) for each in texts] == list(map(digester.texts(rows["name"]), texts))
    assert [digester.member(rows["tags"], each) for each in members] == [
        digester.members(rows["tags"])(each.key, each.category) for each in members
    ]


@pytest.mark.parametrize("start", [crew._START, "raise SystemExit"], ids=["at work", "ended"])
def test_who_looks_makes_no_difference(start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other processes note what this one would; it does the work of those that end."""
    monkeypatch.setattr(anew, "SIFTED", 0)
    monkeypatch.setattr(crew, "_START", start)
    monkeypatch.setattr(sifting, "processes_at_hand", lambda: 2)
    noted = []
    for worth in (10_000, 0):
        monkeypatch.setattr(sifting, "WORTH_A_CREW", worth)
        (tmp_path / str(worth)).mkdir()
        desk = Desk(tmp_path / str(worth))
        desk.settle(files())
        plan = desk.plan(files().replace("title: Buyer 1", "title: Seller")).plan
        noted.append((plan, _entries(desk)))

    assert noted[0] == noted[1]
    assert sum(each.is_settled for each in noted[0][1]) == 3 * COUNT + 1 - COUNT // 2


def _entries(desk: Desk) -> list[Entry]:
    ledger = Ledger(desk.cache / "ledger.db")
    with ledger.opened():
        ledger.head()
        addresses = desk.world.store.read().bindings
        return [each for _, each in sorted(ledger.find(addresses).items())]
