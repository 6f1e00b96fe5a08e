"""The ledger finds what was put into it, whatever was put in and taken out since, and nothing odd is believed."""

from __future__ import annotations

import os
import random
import sqlite3
from array import array
from pathlib import Path

import pytest
from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.project.ledger import Ledger
from crmsync.project.ledgerfile import Entry, LedgerHead, Worn, hash_of_touch, hashes_of, touch_of_unmirrored
from crmsync.project.ledgerpart import Settled

HEAD = LedgerHead(
    "inputs", "log", 3, "mark", 12, "labels", {"a.yaml": "1"}, {"people": [1.0, 2, "t"], "firms": None}, {"people": 40}
)
IDS = range(100, 170)
TOUCHES = [("names", f"firms.f{n}") for n in range(5)]


def entry(chance: random.Random, number: int) -> Entry:
    """Return something that may be known of a record."""
    address = Address(chance.choice(["people", "firms"]), f"k{number}")
    id = chance.choice([None, 100 + number])
    is_settled = id is not None and chance.random() < 0.7
    touches = frozenset(chance.sample(TOUCHES, chance.randrange(3))) if is_settled else frozenset()
    return Entry(address, id, b"c%d" % chance.randrange(9), "{}" if id else "", is_settled, is_settled, touches)


def bare(entries: dict[Address, Entry]) -> dict[Address, Entry]:
    """Return *entries* as they come back: what they touch is not told."""
    return {address: replace(each, touches=()) for address, each in entries.items()}


def check(ledger: Ledger, known: dict[Address, Entry]) -> None:
    """Compare everything that a ledger can be asked with a table that is searched through."""
    found = bare(known)
    assert found == ledger.find([*known, Address("people", "nobody")])
    assert {each.address for each in known.values() if not each.is_settled} == {each.address for each in ledger.open()}
    for type_name in ("people", "firms"):
        bound = {
            each.record_id: each.address for each in known.values() if each.address.type == type_name and each.record_id
        }
        settled = {id: address for id, address in bound.items() if known[address].is_settled}
        assert [settled.get(id) for id in IDS] == [ledger.at(type_name, id) for id in IDS]
        assert bound == {each.record_id: each.address for each in ledger.bound_to(type_name, IDS)}
    assert {each.address for each in ledger.of_type("firms")} == {
        each.address for each in known.values() if each.address.type == "firms" and each.record_id
    }
    for touch in TOUCHES:
        assert {each.address for each in known.values() if touch in each.touches} == ledger.touching([touch])


@pytest.mark.parametrize("seed", range(10))
def test_what_was_put_in_is_found(tmp_path: Path, seed: int) -> None:
    """After each of many changes."""
    chance, ledger = random.Random(seed), Ledger(tmp_path / "ledger.db")
    known = {each.address: each for each in (entry(chance, number) for number in range(40))}
    ledger.replace(HEAD, known.values())
    for position in range(4, 10):
        with ledger.opened():
            before = ledger.head()
            check(ledger, known)
            gone = set(chance.sample(list(known), min(5, len(known))))
            new = {each.address: each for each in (entry(chance, chance.randrange(60)) for _ in range(6))}
            assert ledger.update(before, replace(before, position=position), new.values(), gone)
            known = {**{address: each for address, each in known.items() if address not in gone}, **new}
        with ledger.opened():
            assert (position, HEAD.files) == (ledger.head().position, ledger.head().files)
            check(ledger, known)


@pytest.mark.parametrize("seed", range(5))
def test_a_new_ledger_takes_things_back(tmp_path: Path, seed: int) -> None:
    """What came by and is not sure any more is not found, and may be put in once more."""
    chance, ledger = random.Random(seed), Ledger(tmp_path / "ledger.db")
    first, second = ([entry(chance, number) for number in range(40)] for _ in range(2))
    back = chance.sample(first, 10)
    known = {each.address: each for each in first if each not in back}
    again = {each.address: each for each in second if each.address not in known}
    with ledger.renewed(40) as new:
        new.put(first, lambda type_name: type_name == "people")
        for each in back:
            new.take_back(each.address)
        new.put(again.values(), lambda type_name: type_name == "people")
        new.finish(HEAD)

    with ledger.opened():
        ledger.head()
        check(ledger, known | again)


def settled(entries: list[Entry]) -> Settled:
    """Return entries of one type in columns; those that are not settled have no hashes."""
    bound = [each for each in entries if each.record_id is not None]
    hashes = [array("I", hashes_of(each, True)).tobytes() if each.is_settled else b"" for each in bound]
    return Settled(
        entries[0].address.type,
        [each.address.key for each in bound],
        [each.record_id or 0 for each in bound],
        [each.content for each in bound],
        [each.binding.encode() for each in bound],
        hashes,
    )


@pytest.mark.parametrize("seed", range(10))
def test_parts_hold_what_entries_do(tmp_path: Path, seed: int) -> None:
    """What was put in as columns is found, taken back, replaced and taken out like what was put in by itself."""
    chance, ledger = random.Random(seed), Ledger(tmp_path / "ledger.db")
    entries = [entry(chance, number) for number in range(50)]
    known = {each.address: each for each in entries}
    back = chance.sample(entries, 5)
    with ledger.renewed(40) as new:
        for some in (entries[:20], entries[20:]):
            for name in ("people", "firms"):
                mine = [each for each in some if each.address.type == name]
                new.put_settled(settled(mine), () if name == "people" else (hash_of_touch(touch_of_unmirrored(name)),))
        new.put((each for each in entries if not each.is_settled), lambda type_name: type_name == "people")
        for each in back:
            new.take_back(each.address)
        new.finish(HEAD)
    known = {address: each for address, each in known.items() if each not in back}
    for position in range(4, 8):
        with ledger.opened():
            before = ledger.head()
            check(ledger, known)
            gone = set(chance.sample(list(known), 4))
            moved = {each.address: each for each in (entry(chance, chance.randrange(60)) for _ in range(6))}
            as_it_was = dict(chance.sample(list(known.items()), 3))
            assert ledger.update(before, replace(before, position=position), {**moved, **as_it_was}.values(), gone)
            known = {address: each for address, each in known.items() if address not in gone} | moved | as_it_was
    with ledger.opened():
        ledger.head()
        check(ledger, known)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM part",
        "UPDATE part SET first = first + 1",
        "UPDATE part SET columns = replace(columns, 'k1', 'k2')",
        "UPDATE part SET bindings = replace(bindings, '{\"', '{ ')",
        "UPDATE part SET bindings = substr(bindings, 1, length(bindings) - 1)",
        "UPDATE part SET digest = zeroblob(8)",
    ],
)
def test_an_odd_part_is_not_believed(tmp_path: Path, statement: str) -> None:
    """Neither its columns nor its bindings."""
    path = tmp_path / "ledger.db"
    ledger = Ledger(path)
    mine = [Entry(Address("people", f"k{n}"), n, b"", f'{{"record_id":{n}}}', True, True) for n in (1, 2, 3)]
    with ledger.renewed(3) as new:
        new.put_settled(settled(mine))
        new.finish(HEAD)
    with ledger.opened():
        ledger.head()
        assert [ledger.at("people", n) for n in (1, 2, 3, 4)] == [*(each.address for each in mine), None]
    changed(path, statement)

    with pytest.raises(Worn):
        look(ledger, *(each.address for each in mine))


def test_what_a_killed_command_left_is_thrown_away(tmp_path: Path) -> None:
    """A ledger that was not finished, once nothing was written to it for an hour; not that of a command at work."""
    old, young = tmp_path / ".ledger.db.0a", tmp_path / ".ledger.db.0b"
    for path in (old, young):
        path.touch()
    os.utime(old, (1.0, 1.0))

    Ledger(tmp_path / "ledger.db").replace(HEAD, ())

    assert {tmp_path / "ledger.db", young} == set(tmp_path.iterdir())


def test_whoever_comes_second_keeps_nothing(tmp_path: Path) -> None:
    """Of two commands that looked at the same ledger one notes what it found."""
    ledger, other = Ledger(tmp_path / "ledger.db"), Ledger(tmp_path / "ledger.db")
    ledger.replace(HEAD, [])
    with ledger.opened():
        before = ledger.head()
    with other.opened():
        assert other.update(other.head(), replace(before, position=7), [], [])
    with ledger.opened():
        assert not ledger.update(before, replace(before, position=8), [], [])
    with ledger.opened():
        assert ledger.head().position == 7


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM bucket",
        "UPDATE bucket SET data = zeroblob(8)",
        "DELETE FROM entry",
        "UPDATE entry SET id = id + 1",
        "UPDATE entry SET standing = 2",
        "UPDATE head SET data = replace(data, '\"position\": 3', '\"position\": 4')",
        "PRAGMA user_version = 999",
    ],
)
def test_what_is_odd_is_not_believed(tmp_path: Path, statement: str) -> None:
    """Also what is not there any more is missed."""
    path = tmp_path / "ledger.db"
    ledger = Ledger(path)
    address = Address("people", "ann")
    ledger.replace(HEAD, [Entry(address, 7, b"", "{}", False, True)])
    changed(path, statement)

    with pytest.raises(Worn):
        look(ledger, address)


def look(ledger: Ledger, *addresses: Address) -> None:
    """Ask what a plan asks."""
    with ledger.opened():
        ledger.head()
        ledger.find(addresses)
        ledger.open()


def changed(path: Path, statement: str) -> None:
    """Let somebody else change the file of a ledger."""
    connection = sqlite3.connect(path)
    count = connection.execute(statement).rowcount
    connection.commit()
    connection.close()
    assert count
