"""The laws of the kinds: what is sent and read back is the same value, and so is what is shown and read again."""

from __future__ import annotations

import zoneinfo
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from crmsync.catalogue import KINDS
from crmsync.catalogue.dates import local_date, start_of_day
from crmsync.catalogue.members import EMAIL_CATEGORIES, PHONE_CATEGORIES, SOCIAL_CATEGORIES, WEBSITE_CATEGORIES
from crmsync.model.address import Address
from crmsync.model.catalogue import Field, Kind, Locale
from crmsync.model.values import Label, Labels, Lookup, Member, Members
from tests.catalogue.nodes import HERE, node_of

ZONES = sorted(zoneinfo.available_timezones())
LOCALES = st.builds(
    Locale,
    zone=st.sampled_from(ZONES).map(zoneinfo.ZoneInfo),
    close_date_order=st.sampled_from(["mdy", "dmy"]),
    phone_region=st.sampled_from(["US", "GB", "DE", "IT"]),
)
LAW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])

WORDS = ("None", "Low", "Medium", "High")
TEXT = st.text(min_size=1, max_size=40)
IDS = st.integers(min_value=1, max_value=2**40)
NUMBERS = st.builds(
    lambda digits, exponent: str(Decimal(digits).scaleb(exponent)),
    st.integers(-(10**15) + 1, 10**15 - 1),
    st.integers(-12, 12),
)
PHONES = st.one_of(
    TEXT,
    st.from_regex(r"\+?[0-9][0-9 ()-]{5,14}[0-9]( ?(x|ext\. )[0-9]{1,4})?", fullmatch=True),
    st.sampled_from(
        ["+1 415 555 0123", "(415) 555-0123 ext. 7", "1-800-FLOWERS", "+39 06 698 12345", "555 0123", "ask Ann"]
    ),
)
URLS = st.one_of(
    TEXT,
    st.from_regex(r"((HTTP|https)://)?(www\.)?[A-Za-z]{1,8}\.(com|DE)(:80|:443|:)?(/|/[A-Za-z/?#]{0,9})?", fullmatch=True),
    st.sampled_from(["https://LinkedIn.com/in/ann", "x.com/ann", "http://Acme.com:80/", "not a url", "mailto:a@B.com"]),
)
EMAIL_TEXTS = st.builds(
    "{}@{}.com".format, st.from_regex(r"[A-Za-zÀ-ž.+-]{1,9}", fullmatch=True), st.from_regex(r"[A-Za-z]+", fullmatch=True)
)


def _sets(item: str, texts: st.SearchStrategy[str], categories: tuple[str, ...]) -> st.SearchStrategy[Any]:
    categorised = st.fixed_dictionaries({item: texts, "category": st.sampled_from(categories)})
    return st.lists(st.one_of(texts, categorised), max_size=4)


#: What a file may say, by kind; values that the kind refuses are passed over.
WRITTEN: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXT,
    "long_text": TEXT,
    "domain": st.from_regex(r"[A-Za-z0-9]{1,5}(\.[a-zÀ-ž]{2,6}){1,2}", fullmatch=True),
    "country": st.one_of(
        TEXT, st.sampled_from(["US", "usa", "U.K.", "Norway", "no", "Türkiye", "Wakanda", "the Netherlands"])
    ),
    "url": URLS,
    "choice": st.sampled_from(["None", "low", "MEDIUM", "High"]),
    "number": NUMBERS,
    "money": NUMBERS,
    "percentage": st.integers(0, 100).map(str),
    "whole": st.integers(-(10**17), 10**17).map(str),
    "checkbox": st.booleans(),
    "date": st.dates().map(str),
    "close_date": st.dates().map(str),
    "timestamp": st.datetimes().map(lambda moment: f"{moment:%Y-%m-%dT%H:%M:%SZ}"),
    "emails": _sets("email", EMAIL_TEXTS, EMAIL_CATEGORIES),
    "phone_numbers": _sets("number", PHONES, PHONE_CATEGORIES),
    "websites": _sets("url", URLS, WEBSITE_CATEGORIES),
    "socials": _sets("url", URLS, SOCIAL_CATEGORIES),
    "tags": st.lists(TEXT, max_size=5),
    "connect": st.just('[{"id": 7, "type": "person"}]'),
    "opaque": st.sampled_from(['["a"]', '{"b": 1}', "7"]),
}

#: What Copper may say, by kind, beyond what files say.
ON_THE_WIRE: dict[str, st.SearchStrategy[Any]] = {
    "text": st.one_of(st.none(), st.text()),
    "country": st.one_of(st.none(), st.text()),
    "url": st.one_of(st.none(), st.text()),
    "choice": st.sampled_from(["None", None, "Open", "Won't Do"]),
    "number": st.one_of(st.none(), st.integers(-(10**14), 10**14), st.floats(allow_nan=False, allow_infinity=False)),
    "percentage": st.sampled_from([None, 0, 95, Decimal("95.0"), Decimal("0.5")]),
    "checkbox": st.sampled_from([None, True, False]),
    "date": st.one_of(st.none(), st.integers(-(2**35), 2**36)),
    "timestamp": st.one_of(st.none(), st.integers(0, 2**31)),
    "label": st.one_of(st.none(), IDS),
    "reference": st.one_of(st.none(), IDS),
    "options": st.one_of(st.none(), st.lists(IDS)),
    "emails": st.lists(st.fixed_dictionaries({"email": st.text(), "category": st.sampled_from([None, "work", "Other"])})),
    "phone_numbers": st.lists(st.fixed_dictionaries({"number": st.text(), "category": st.sampled_from([None, "home"])})),
    "websites": st.lists(st.fixed_dictionaries({"url": st.text(), "category": st.none()})),
    "socials": st.lists(st.fixed_dictionaries({"url": URLS, "category": st.none()})),
    "tags": st.lists(st.text()),
    "opaque": st.sampled_from([None, [], [{"id": 1}], {"a": [1, 2]}, 7, "x"]),
}


def _field(kind: Kind) -> Field:
    return Field("field", kind, "field", "A field for tests.", choices=WORDS, target="companies")


def _name_of(id: int) -> str:
    return f"Label {id}"


@pytest.mark.parametrize("name", WRITTEN)
def test_what_a_file_says_survives_copper_and_the_file(name: str) -> None:
    """`decode(encode(v)) == v` and `read(show(v)) == v` for every value that a file can state, in every zone and order."""
    kind, field = KINDS[name], _field(KINDS[name])

    @LAW
    @given(WRITTEN[name], LOCALES)
    def law(written: Any, locale: Locale) -> None:
        value: Any
        value, problems = kind.read(node_of(written), field, locale)
        assume(not problems)

        assert kind.decode(kind.encode(value, locale), locale) == value
        if value is not None:
            assert kind.read(node_of(kind.show(value, field, _name_of)), field, locale) == (value, ())

    law()


@pytest.mark.parametrize("name", ON_THE_WIRE)
def test_what_copper_says_survives_sending(name: str) -> None:
    """`decode(encode(v)) == v` for every value that Copper can show."""
    kind = KINDS[name]

    @LAW
    @given(ON_THE_WIRE[name], LOCALES)
    def law(data: Any, locale: Locale) -> None:
        value = kind.decode(data, locale)

        assert kind.decode(kind.encode(value, locale), locale) == value

    law()


@LAW
@given(IDS)
def test_labels_show_the_name_that_is_read(id: int) -> None:
    """A label shown is read as the label of that name."""
    kind = KINDS["label"]

    assert (Label(_name_of(id), HERE), ()) == kind.read(
        node_of(kind.show(id, _field(kind), _name_of)), _field(kind), Locale()
    )


@LAW
@given(st.lists(IDS, unique=True))
def test_options_show_the_names_that_are_read(ids: list[int]) -> None:
    """A set of options shown is read as the labels of their names."""
    kind = KINDS["options"]
    value = Members(tuple(Member(id, id) for id in ids))
    expected = Labels(tuple(Label(_name_of(id), HERE) for id in ids))

    assert (expected, ()) == kind.read(node_of(kind.show(value, _field(kind), _name_of)), _field(kind), Locale())


@pytest.mark.parametrize(
    ("value", "expected"),
    [(Address("companies", "acme"), Lookup("key", "companies.acme", HERE)), (123, Lookup("id", "123", HERE))],
)
def test_references_show_what_is_read(value: Address | int, expected: Lookup) -> None:
    """A reference shown is read as a lookup of the same record."""
    kind = KINDS["reference"]

    assert (expected, ()) == kind.read(node_of(kind.show(value, _field(kind), _name_of)), _field(kind), Locale())


def test_every_kind_is_under_the_laws() -> None:
    """No kind escapes: each is in a table above."""
    assert set(KINDS) == set(WRITTEN) | set(ON_THE_WIRE)


@LAW
@given(st.dates(), st.sampled_from(ZONES).map(zoneinfo.ZoneInfo))
def test_a_day_starts_at_its_first_instant(day: Any, zone: zoneinfo.ZoneInfo) -> None:
    """The instant that is sent lies on the day, and the second before it does not."""
    start = start_of_day(day, zone)
    assume(start is not None and day.year > 1)
    assert start is not None

    assert (local_date(start, zone), local_date(start - 1, zone) < day) == (day, True)


@LAW
@given(st.dates(), LOCALES, st.booleans())
def test_close_dates_may_have_zeros(day: Any, locale: Locale, is_padded: bool) -> None:
    """`01/05/2018` and `1/5/2018` are the same day, in both orders."""
    first, second = (day.day, day.month) if locale.close_date_order == "dmy" else (day.month, day.day)
    text = f"{first:02}/{second:02}/{day.year:04}" if is_padded else f"{first}/{second}/{day.year:04}"

    assert day == KINDS["close_date"].decode(text, locale)
