"""What files may say for each kind, what Copper says, and how both become one value."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from crmsync.catalogue import KINDS, members
from crmsync.model.catalogue import Field, Locale
from crmsync.model.values import Label, Labels, Lookup, Member, Members, Plain
from tests.catalogue.nodes import HERE, node_of

LOCALE = Locale()
CHOICES = ("None", "Low", "Medium", "High")


def _field(kind: str, **columns: Any) -> Field:
    return Field("field", KINDS[kind], "field", "A field for tests.", choices=CHOICES, **columns)


def _read(kind: str, data: Plain, **columns: Any) -> Any:
    """Return the value read, or the numbers of what is wrong."""
    field = _field(kind, **columns)
    value, problems = field.kind.read(node_of(data), field, LOCALE)
    return [each.code.number for each in problems] if problems else value


@pytest.mark.parametrize(
    ("kind", "data", "value"),
    [
        ("text", "  Caf\u0065\u0301 ", "Caf\u00e9"),
        ("text", "a\r\nb\tc", "a\nb\tc"),
        ("text", "NO", "NO"),
        ("text", "00501", "00501"),
        ("text", "   ", None),
        ("domain", "ACME.com", "acme.com"),
        ("domain", "bücher.de", "bücher.de"),
        ("country", "USA", "US"),
        ("country", "u.k.", "GB"),
        ("country", "NO", "NO"),
        ("country", "norway", "NO"),
        ("country", "Curacao", "CW"),
        ("country", "Middle-earth", "Middle-earth"),
        ("url", "HTTPS://Acme.com:443/", "https://acme.com"),
        ("url", "https://acme.com/Path/", "https://acme.com/Path/"),
        ("url", "Acme.com", "acme.com"),
        ("url", "see the wiki", "see the wiki"),
        ("choice", "medium", "Medium"),
        ("choice", "none", None),
        ("number", "12500.50", Decimal("12500.5")),
        ("number", "1e3", Decimal(1000)),
        ("number", "-0", Decimal(0)),
        ("number", "999999999999999", Decimal(999999999999999)),
        ("percentage", "95", 95),
        ("percentage", "95%", 95),
        ("percentage", "95.0", 95),
        ("checkbox", "True", True),
        ("checkbox", "no", False),
        ("label", "Gold", Label("Gold", HERE)),
        ("label", "2024", Label("2024", HERE)),
        ("options", ["EMEA", "APAC"], Labels((Label("EMEA", HERE), Label("APAC", HERE)))),
        ("options", [], Labels(())),
        ("reference", "acme", Lookup("key", "acme", HERE)),
        ("reference", "companies.acme", Lookup("key", "companies.acme", HERE)),
        ("reference", {"email_domain": "acme.com"}, Lookup("email_domain", "acme.com", HERE)),
        ("reference", {"email": "ann@acme.com"}, Lookup("emails", "ann@acme.com", HERE)),
        ("reference", {"id": "12"}, Lookup("id", "12", HERE)),
        ("emails", ["Ann@Acme.com"], Members((Member("ann@acme.com", "Ann@Acme.com", "work"),))),
        ("emails", [{"email": "a@b.io", "category": "Other"}], Members((Member("a@b.io", "a@b.io", "other"),))),
        ("phone_numbers", ["(415) 555-0123"], Members((Member("tel:+1-415-555-0123", "(415) 555-0123", "work"),))),
        ("phone_numbers", ["+1 415 555 0123 x7"], Members((Member("tel:+1-415-555-0123;ext=7", "", "work"),))),
        ("phone_numbers", ["ask Ann"], Members((Member("askann", "ask Ann", "work"),))),
        ("websites", ["http://ACME.com/"], Members((Member("http://acme.com", "http://ACME.com/", "work"),))),
        (
            "socials",
            ["https://www.LinkedIn.com/in/ann"],
            Members((Member("https://www.linkedin.com/in/ann", "", "linkedin"),)),
        ),
        ("socials", ["https://x.com/ann"], Members((Member("https://x.com/ann", "", "twitter"),))),
        ("socials", ["https://netflix.com/ann"], Members((Member("https://netflix.com/ann", "", "other"),))),
        ("tags", ["VIP", "Über"], Members((Member("vip", "VIP"), Member("über", "Über")))),
    ],
)
def test_what_files_say(kind: str, data: Plain, value: Any) -> None:
    """A value of a file becomes its one canonical form."""
    assert value == _read(kind, data)


@pytest.mark.parametrize(
    ("kind", "data", "codes"),
    [
        ("text", ["a"], ["CRM014"]),
        ("domain", "https://acme.com", ["CRM028"]),
        ("domain", "@acme.com", ["CRM028"]),
        ("domain", "acme", ["CRM028"]),
        ("choice", "urgent", ["CRM026"]),
        ("number", "12,500", ["CRM023"]),
        ("number", "$5", ["CRM023"]),
        ("number", "NaN", ["CRM023"]),
        ("number", "0x10", ["CRM023"]),
        ("number", "1234567890.1234567", ["CRM023"]),
        ("number", "1e400", ["CRM023"]),
        ("number", "1e-400", ["CRM023"]),
        ("number", {"a": "b"}, ["CRM014"]),
        ("percentage", "0.34", ["CRM022"]),
        ("percentage", "101", ["CRM020"]),
        ("percentage", "-1", ["CRM020"]),
        ("percentage", "many", ["CRM023"]),
        ("checkbox", "maybe", ["CRM020"]),
        ("label", ["Gold"], ["CRM014"]),
        ("label", "", ["CRM015"]),
        ("options", "EMEA", ["CRM014"]),
        ("options", ["EMEA", "emea"], ["CRM027"]),
        ("reference", ["acme"], ["CRM014"]),
        ("reference", {"name": "a", "id": "1"}, ["CRM014"]),
        ("reference", {"phone": "1"}, ["CRM011"]),
        ("reference", {"id": "acme"}, ["CRM020"]),
        ("reference", {"id": "0"}, ["CRM020"]),
        ("reference", {"name": " "}, ["CRM015"]),
        ("emails", "ann@acme.com", ["CRM014"]),
        ("emails", ["ann"], ["CRM025"]),
        ("emails", ["Ann <ann@acme.com>"], ["CRM025"]),
        ("emails", ["a@b.io", "A@B.io"], ["CRM027"]),
        ("emails", [{"email": "a@b.io", "category": "home"}], ["CRM026"]),
        ("emails", [{"email": "a@b.io", "kind": "home"}], ["CRM011"]),
        ("emails", [{"category": "work"}], ["CRM014"]),
        ("emails", ["nope", "a@b.io", "neither"], ["CRM025", "CRM025"]),
        ("phone_numbers", ["415-555-0123", "+1 (415) 555 0123"], ["CRM027"]),
        ("tags", ["VIP", "vip"], ["CRM027"]),
        ("tags", ["x" * 51], ["CRM024"]),
        ("tags", [" "], ["CRM015"]),
        ("tags", [{"tag": "x"}], ["CRM014"]),
    ],
)
def test_what_is_wrong_with_a_value(kind: str, data: Plain, codes: list[str]) -> None:
    """Everything that is wrong with a value is told, by its code."""
    assert codes == _read(kind, data)


def test_text_too_long_for_its_field() -> None:
    """A text may be as long as its field allows, not longer."""
    assert (_read("text", "x" * 255, max_length=255), _read("text", "x" * 256, max_length=255)) == ("x" * 255, ["CRM024"])


@pytest.mark.parametrize(
    ("kind", "data", "value"),
    [
        # the traps of copper-field.md 2.7
        ("money", 789, Decimal(789)),
        ("money", Decimal("789.0"), Decimal(789)),
        ("number", Decimal("55.5"), Decimal("55.5")),
        ("number", 0.1, Decimal("0.1")),
        ("money", "250000.0", Decimal(250000)),
        ("percentage", Decimal("95.0"), 95),
        ("percentage", 0, 0),
        ("checkbox", None, False),
        ("checkbox", False, False),
        ("options", [3, 1, 2], Members((Member(1, 1), Member(2, 2), Member(3, 3)))),
        ("options", [], Members()),
        ("options", None, Members()),
        ("connect", [], None),
        # empty in all its forms
        ("text", "", None),
        ("label", "", None),
        ("label", "12", 12),
        ("emails", None, Members()),
        ("choice", "None", None),
        ("choice", None, None),
        # what real accounts hold
        ("emails", [{"email": " Ann@Acme.com ", "category": "work"}], Members((Member("ann@acme.com", "", "work"),))),
        ("emails", [{"email": "", "category": "work"}, {"email": None}], Members()),
        ("websites", [{"url": "acme.com", "category": None}], Members((Member("acme.com", "", "work"),))),
        ("socials", [{"url": "fb.com/a", "category": None}], Members((Member("fb.com/a", "", "facebook"),))),
        (
            "phone_numbers",
            [{"number": "415.555.0123", "category": "work"}],
            Members((Member("tel:+1-415-555-0123", "", "work"),)),
        ),
        ("tags", ["b", "A"], Members((Member("a", ""), Member("b", "")))),
        ("country", "United States", "US"),
    ],
)
def test_what_copper_says(kind: str, data: Any, value: Any) -> None:
    """Whatever form Copper gives a value, it is one value here."""
    assert value == KINDS[kind].decode(data, LOCALE)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("text", 7),
        ("number", True),
        ("number", "many"),
        ("number", float("nan")),
        ("number", Decimal("1e400")),
        ("number", "-1e400"),
        ("percentage", Decimal("1e999999999")),
        ("whole", "7"),
        ("checkbox", "yes"),
        ("label", True),
        ("options", ["a"]),
        ("options", {"a": 1}),
        ("emails", "a@b.io"),
        ("emails", ["a@b.io"]),
        ("emails", [{"email": 7}]),
        ("tags", [7]),
        ("close_date", 7),
        ("timestamp", "2020"),
    ],
)
def test_odd_data_fails_loudly(kind: str, data: Any) -> None:
    """Data that is not what a field of this kind holds is an error that shows it."""
    with pytest.raises(ValueError, match=r"is not"):
        KINDS[kind].decode(data, LOCALE)


@pytest.mark.parametrize(
    ("kind", "data", "sent"),
    [
        ("number", "1200000", "1200000"),
        ("number", "0.1", "0.1"),
        ("number", "123456789012.345", "123456789012.345"),
        ("money", "50000.00", "50000"),
        ("percentage", "95%", "95"),
    ],
)
def test_numbers_are_sent_with_the_same_digits(kind: str, data: str, sent: str) -> None:
    """Nothing is lost or added on the way to JSON."""
    assert sent == repr(KINDS[kind].encode(_read(kind, data), LOCALE))


@pytest.mark.parametrize(
    ("kind", "sent"),
    [("text", None), ("number", None), ("label", None), ("checkbox", False), ("emails", []), ("tags", []), ("options", [])],
)
def test_clearing(kind: str, sent: Any) -> None:
    """Nothing at all is sent as what clears a field of this kind."""
    assert sent == KINDS[kind].encode(None, LOCALE)


def test_what_is_written_is_what_is_sent() -> None:
    """Members go to Copper in the user's spelling, with their category."""
    value = _read("phone_numbers", [{"number": "+1 415 555 0123", "category": "mobile"}])

    assert KINDS["phone_numbers"].encode(value, LOCALE) == [{"number": "+1 415 555 0123", "category": "mobile"}]


def test_only_unusual_categories_are_shown() -> None:
    """A member with the usual category is shown as its text alone."""
    value = KINDS["emails"].decode(
        [{"email": "a@b.io", "category": "work"}, {"email": "c@b.io", "category": "personal"}], LOCALE
    )

    assert KINDS["emails"].show(value, _field("emails"), str) == ["a@b.io", {"email": "c@b.io", "category": "personal"}]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_nothing_at_all_is_shown_as_nothing(kind: Any) -> None:
    """What Copper shows for an unset field of any kind is shown as null, false or an empty list."""
    shown = kind.show(kind.decode(None, LOCALE), _field(kind.name), str)

    assert shown in (None, False, [])


@pytest.mark.parametrize("seed", range(4))
def test_american_numbers_are_what_phonenumbers_says(seed: int) -> None:
    """They are put into form without it, and come out the same, whatever country the files are of."""
    chance = random.Random(seed)
    for _ in range(300):
        digits = f"{chance.randrange(2, 10)}{chance.randrange(10**9):09d}"
        between = chance.choice(["", " ", "-", "."])
        text = between.join(("+1", digits[:3], digits[3:6], digits[6:]))

        for region in ("US", "DE", "GB"):
            assert members._parsed_phone_key(text, region) == members._phone_key(text, region)


WORDS = ["Ann", "ann@acme.com", "A.b+c/d", "1 Main St", "Met, at fair 3", "x@y", "null", "(a", "+14155550123", "www.x.com/Y"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.keeps_words], ids=lambda kind: kind.name)
@pytest.mark.parametrize("word", WORDS)
def test_a_kind_that_keeps_words_reads_them_as_they_are(kind, word):
    """What a row says of its kind is so: a usual text is its own value."""
    assert word == _read(kind.name, word)


@pytest.mark.parametrize("category", [{}, {"category": "Work"}, {"category": "other"}, {"category": "none"}, {"more": "x"}])
@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.alike is not None], ids=lambda kind: kind.name)
def test_an_entry_like_another_is_read_as_by_itself(kind, category):
    """What reads entries that are like another one gives the member that the entry is, and none where something is told."""
    assert kind.alike is not None
    name, field = {"emails": "email", "phone_numbers": "number", "tags": "tag"}.get(kind.name, "url"), _field(kind.name)

    def read(word: str) -> list[Member] | None:
        value = _read(kind.name, [{name: word, **category}])
        return [(each.key, each.text, each.category) for each in value] if isinstance(value, Members) else None

    begin = kind.alike(node_of({name: "ann@acme.com", **category}), field, LOCALE)
    members = [begin(word) if begin is not None else None for word in WORDS]

    assert list(map(read, WORDS)) == [each and [(each.key, each.text, each.category)] for each in members]
