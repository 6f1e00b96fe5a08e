"""Many texts, addresses and hashes in little memory are found as they are in a dict."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crmsync.config.facts import PackedRecord
from crmsync.model.address import Address
from crmsync.model.addresses import Addresses, Naming, SomeOf
from crmsync.model.numbered import FewInARow, Numbered
from crmsync.model.texts import Texts
from crmsync.project.hashrow import HashRow
from crmsync.project.names import Names
from crmsync.project.reading import SheetRecords
from crmsync.project.sheets import About, Told, sheet_of

texts = st.lists(st.text(st.characters(exclude_categories=[]), max_size=5), max_size=200)
addresses = st.builds(Address, st.sampled_from(["people", "companies", "x"]), st.text("ab.-1", min_size=1, max_size=3))
many = st.lists(addresses, max_size=200)
keys = st.sampled_from("abcdefghij")


@given(texts, texts)
def test_texts_are_found_as_in_a_dict(added: list[str], asked: list[str]) -> None:
    """Whatever they are, half a character among them; each has the place at which it came first."""
    found = Texts(added)
    places = {text: place for place, text in enumerate(dict.fromkeys(added))}

    assert list(found) == list(places)
    assert [found.place(each) for each in (*added, *asked)] == [places.get(each) for each in (*added, *asked)]
    assert [found.at(place) for place in found.places_in_order()] == sorted(places)
    assert [found.add(each) for each in (*added, "\0new")] == [places.get(each, len(places)) for each in (*added, "\0new")]
    assert [found.at(place) for place in found.places_in_order()] == sorted({*places, "\0new"})


@given(many, many)
def test_addresses_are_found_as_in_a_dict(added: list[Address], asked: list[Address]) -> None:
    """All of them, those of a type, and in the order of addresses."""
    found = Addresses(added)

    assert list(found) == list(dict.fromkeys(added))
    assert [each in found for each in asked] == [each in set(added) for each in asked]
    assert list(found.in_order()) == sorted(set(added))
    for name in ("people", "companies", "x", "nothing"):
        assert list(found.of_type(name)) == sorted({each for each in added if each.type == name})


@given(many, st.lists(st.tuples(st.booleans(), addresses)), many)
def test_some_of_them_are_as_a_set(added: list[Address], deeds: list[tuple[bool, Address]], others: list[Address]) -> None:
    """Of those that are there, whichever are put in and taken out."""
    found, expected = SomeOf(Addresses(added)), set[Address]()
    for is_added, each in deeds:
        if not is_added:
            found.discard(each)
            expected.discard(each)
        elif each in added:
            found.add(each)
            expected.add(each)

    assert (set(found), len(found), found & set(others)) == (expected, len(expected), expected & set(others))
    assert [each in found for each in others] == [each in expected for each in others]


@given(st.lists(st.tuples(addresses, st.lists(addresses, max_size=3)), max_size=50))
def test_who_names_whom_is_as_in_pairs(naming: list[tuple[Address, list[Address]]]) -> None:
    """Asked for any of those that are named."""
    found = Naming(Addresses(who for who, _ in naming))
    for who, whom in naming:
        found.add(who, whom)
    pairs = [(who, each) for who, whom in naming for each in whom]
    wanted = {each for _, each in pairs[::2]}

    assert list(found.named) == list(dict.fromkeys(each for _, each in pairs))
    assert list(found.pairs(wanted)) == [pair for pair in pairs if pair[1] in wanted]


@given(st.lists(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 40).map(lambda each: each << 20), max_size=60)))
def test_hashes_are_found_as_in_a_dict(columns: list[list[int]]) -> None:
    """Also those that fall into the same place of the index."""
    row = [each for column in columns for each in column]
    found = HashRow(columns)

    assert [found.place(each) for each in row] == [row.index(each) for each in row]
    assert [each in found for each in range(50)] == [each in row for each in range(50)]
    assert list(found.places(range(50))) == [row.index(each) for each in range(50) if each in row]


@given(st.lists(st.text("aä.🙂", min_size=1, max_size=4), max_size=12), st.data())
def test_names_in_a_row_are_those_of_a_list(names: list[str], data: st.DataObject) -> None:
    """Each by itself, from either end, and those from one place to another."""
    found = Names(names)

    assert (len(found), list(found), found[1:]) == (len(names), names, tuple(names[1:]))
    assert [found[place] for place in range(-len(names), len(names))] == names * 2
    for place in (len(names), -len(names) - 1):
        with pytest.raises(IndexError):
            found[place]
    if names:
        start = data.draw(st.integers(0, len(names) - 1))
        stop = data.draw(st.integers(start + 1, len(names)))
        assert found.between(start, stop) == names[start:stop]


@given(st.lists(st.lists(keys, unique=True, max_size=4), max_size=5), st.lists(keys))
@example([["a", "b"], [], ["c"]], ["b", "c"])
def test_packed_records_are_found_in_whatever_sheet_they_stand(files: list[list[str]], wanted: list[str]) -> None:
    """Those in a row too, also where one file ends and the next begins, or is empty; a key in two files is the first's."""
    entries = [
        [PackedRecord("people", key, 1, f"{n} {key}".encode(), About()) for key in each] for n, each in enumerate(files)
    ]
    sheets = [sheet_of(str(number), "f", 1, each, Told()) for number, each in enumerate(entries)]
    records = SheetRecords(sheets, mend=sheets.__getitem__)
    first = {each.key: each.data for some in reversed(entries) for each in some}

    assert records.packed(Address("people", key) for key in wanted) == {
        Address("people", key): first[key] for key in wanted if key in first
    }


@given(st.lists(st.tuples(keys, keys), max_size=200))
def test_few_values_in_a_row_are_those_that_were_put_there(values: list[tuple[str, str]]) -> None:
    """However often each came; and the number of one is the same, however it is found."""
    row, numbered = FewInARow[tuple[str, str]](), Numbered[tuple[str, str]]()
    for each in values:
        row.append(each)
    numbers = [numbered.number_by(tuple(map(id, each)), each) for each in values]

    assert [row.at(place) for place in range(len(values))] == values
    assert list(row.different) == list(numbered) == list(dict.fromkeys(values))
    assert [numbered[number] for number in numbers] == values
    assert [numbered.number(each) for each in values] == numbers
