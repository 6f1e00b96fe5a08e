"""Records as JSON text: the quick way gives what the careful one does, whatever Copper sends."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import simplejson
from hypothesis import given
from hypothesis import strategies as st

from crmsync.copper.rowtext import canonical, rows_of, text_of
from crmsync.model.http import Unparseable, parse_json, parse_json_carefully

ODD = [
    *("", " ", "NaN", "Infinity", "01", "1.", "-", "1e", "-0", "-0.0", "1e5", "1E400", "1.10", "[1,]", '{"a":1,"a":2}'),
    *("9" * 30, "18446744073709551616", "-9223372036854775809", "9" * 5000, "[" * 3000 + "]" * 3000, '{"a":1}x', "\x00"),
    *(
        r'"\ud800"',
        r'{"\ud800":1}',
        r'"\ud83d\ude00"',
        '"a\x01b"',
        '"a\tb"',
        '"\x7f"',
        r'"\u0000"',
        r'"\/"',
        "\ufeff1",
        " \x0b1",
    ),
]
ODD_BYTES = [*(text.encode() for text in ODD), b'"\xff"', b'"\xed\xa0\x80"', b'"\xc3\x28"', "1".encode("utf-16")]

_plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def _given(read: Callable[[bytes], Any], text: bytes) -> str:
    """Return what is read, with the types of numbers, or that it is refused."""
    try:
        return repr(read(text))
    except Unparseable:
        return "refused"


def _written(value: Any) -> bytes:
    return simplejson.dumps(value, use_decimal=True).encode()


@pytest.mark.parametrize("text", ODD_BYTES, ids=lambda text: repr(text)[:30])
def test_odd_text_is_read_or_refused_as_ever(text: bytes) -> None:
    """What msgspec refuses is asked of `json`, and what it takes means the same."""
    assert _given(parse_json_carefully, text) == _given(parse_json, text)


@given(_plain)
def test_any_value_is_read_as_ever(value: Any) -> None:
    """Numbers with a fraction are exact, whole ones whole, texts and order as written."""
    text = _written(value)

    assert _given(parse_json_carefully, text) == _given(parse_json, text)


@given(st.dictionaries(st.text(), _plain, max_size=5))
def test_a_body_has_one_text(body: dict[str, Any]) -> None:
    """The order of keys and the blanks between them mean nothing, and nothing is lost."""
    backwards = dict(reversed(body.items()))

    assert text_of(body) == text_of(backwards)
    assert canonical(_written(backwards)) == text_of(parse_json(_written(body)))
    assert parse_json(text_of(body)) == parse_json(_written(body))


def test_the_order_of_custom_values_means_nothing() -> None:
    """Copper shows them in any order."""
    one, two = ({"custom_field_definition_id": id, "value": id} for id in (1, 2))

    assert text_of({"custom_fields": [one, two]}) == text_of({"custom_fields": [two, one]})


def test_custom_values_that_are_none_have_a_text() -> None:
    """Whoever decodes the body says what is wrong with them."""
    assert text_of({"custom_fields": [{"odd": 1}, 2]}) == b'{"custom_fields":[{"odd":1},2]}'


@pytest.mark.parametrize("name", ["Ann", "\ud800"])
def test_rows_of_a_page(name: str) -> None:
    """Each row has its id, its dates and its text, also where only the careful way can read it."""
    bodies = [{"id": id, "name": name, "date_created": 5, "date_modified": 6, "value": Decimal("1.50")} for id in (1, 2)]
    rows = rows_of(_written(bodies))

    assert rows is not None
    assert [row[:3] for row in rows] == [(1, 5, 6), (2, 5, 6)]
    assert [parse_json(row.text) for row in rows] == bodies


def test_rows_without_dates_are_rows() -> None:
    """What is no date is shown as it is: the mirror is given up for it."""
    assert rows_of(b'[{"id":1},{"id":2,"date_created":"x"}]') == [
        (1, None, None, b'{"id":1}'),
        (2, "x", None, b'{"date_created":"x","id":2}'),
    ]


@pytest.mark.parametrize("body", [b"{}", b"null", b"[1]", b'[{"id":"1"}]', b'[{"id":true}]', b'[{"id":1.0}]', b"[{}]"])
def test_no_rows(body: bytes) -> None:
    """Anything but a list of objects with ids is no page."""
    assert rows_of(body) is None


@pytest.mark.parametrize("body", [b'[{"id":1,"date_created":1,"date_modified":1,"a":"\xff"}]', b"[", b'[{"id":nope}]'])
def test_a_page_that_is_cut_or_no_text(body: bytes) -> None:
    """It is refused, so that it is asked for again."""
    with pytest.raises(Unparseable):
        rows_of(body)
    with pytest.raises(ValueError, match=r".*"):
        json.loads(body)
