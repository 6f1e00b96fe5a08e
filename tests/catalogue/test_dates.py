"""Dates on the wire, where clocks change and where clients disagree."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crmsync.catalogue.kinds import CLOSE_DATE, DATE, TIMESTAMP
from crmsync.model.catalogue import Field, Locale
from tests.catalogue.nodes import node_of

FIELD = Field("due", DATE, "due", "A date.")


def _in(zone: str) -> Locale:
    return Locale(ZoneInfo(zone))


def _at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("zone", "day", "sent"),
    [
        ("UTC", "2026-12-31", "2026-12-31T00:00"),
        ("America/Los_Angeles", "2020-12-15", "2020-12-15T08:00"),  # the recording 1608019200
        ("America/Los_Angeles", "2024-03-10", "2024-03-10T08:00"),  # clocks go forward that day
        ("America/Los_Angeles", "2024-11-03", "2024-11-03T07:00"),  # and back
        ("Europe/London", "2024-03-31", "2024-03-31T00:00"),
        ("Europe/London", "2024-07-01", "2024-06-30T23:00"),
        ("Europe/London", "2024-10-27", "2024-10-26T23:00"),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00"),  # 00:00 does not exist: the day starts at 01:00
        ("America/Sao_Paulo", "2019-02-17", "2019-02-17T03:00"),  # 23:00 the day before came twice
        ("America/Havana", "2024-03-10", "2024-03-10T05:00"),  # 00:00 does not exist
        ("America/Havana", "2024-11-03", "2024-11-03T04:00"),  # 00:00 comes twice: the earlier one
        ("Asia/Beirut", "2024-03-31", "2024-03-30T22:00"),  # 00:00 does not exist
        ("Asia/Beirut", "2024-10-27", "2024-10-26T22:00"),  # 23:00 the day before came twice
        ("Atlantic/Azores", "2024-03-31", "2024-03-31T01:00"),
        ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00"),  # the day before the one left out
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00"),
        ("America/St_Johns", "2010-11-07", "2010-11-07T02:30"),  # at 00:01 it was 23:01 of the day before again
        ("America/Los_Angeles", "9999-12-31", "9999-12-31T08:00"),
    ],
)
def test_a_day_is_sent_as_its_first_instant(zone: str, day: str, sent: str) -> None:
    """A day goes to Copper as the first instant of it in the account's zone, and comes back as the same day."""
    instant = DATE.encode(date.fromisoformat(day), _in(zone))

    assert (_at(sent), date.fromisoformat(day)) == (instant, DATE.decode(instant, _in(zone)))


@pytest.mark.parametrize(
    ("zone", "wire", "day"),
    [
        ("America/Los_Angeles", 1608019200, date(2020, 12, 15)),
        ("America/Los_Angeles", 1754031600, date(2025, 8, 1)),  # recorded in summer
        ("America/Los_Angeles", _at("2020-12-15T00:00"), date(2020, 12, 15)),  # a client that counts in UTC
        ("America/Los_Angeles", _at("2020-12-15T05:00"), date(2020, 12, 14)),  # neither: the local day
        ("Asia/Tokyo", _at("2020-12-14T15:00"), date(2020, 12, 15)),
        ("America/Havana", _at("2024-11-03T05:00"), date(2024, 11, 3)),  # the second midnight
        ("America/Los_Angeles", "12/15/2020", date(2020, 12, 15)),
        ("UTC", "1/5/2020", date(2020, 1, 5)),
        ("UTC", None, None),
        ("UTC", "", None),
    ],
)
def test_dates_are_read_as_whoever_wrote_them_meant(zone: str, wire: Any, day: date | None) -> None:
    """Local midnight, midnight in UTC and text are all read as the day that was meant."""
    assert day == DATE.decode(wire, _in(zone))


@pytest.mark.parametrize("wire", [True, 1.5, "2020-12-15", "13/45/2020", 10**15, []])
def test_what_is_no_date_is_refused(wire: Any) -> None:
    """Data that no client was seen to write fails loudly."""
    with pytest.raises(ValueError, match=r"is not"):
        DATE.decode(wire, _in("UTC"))


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("12/31/2026", '"12/31/2026" is not a date. Write year, month and day, such as 2026-12-31.'),
        ("2026-02-30", 'There is no "2026-02-30" in the calendar.'),
        ("2011-12-30", "There was no 2011-12-30 in Pacific/Apia, the time zone of this account."),
    ],
)
def test_an_impossible_date_is_told(text: str, detail: str) -> None:
    """A date that is not in the calendar, or not in the account's zone, is told with what to write."""
    value, problems = DATE.read(node_of(text), FIELD, _in("Pacific/Apia"))

    assert (None, [("CRM021", detail)]) == (value, [(each.code.number, each.detail) for each in problems])


def test_a_day_left_out_cannot_be_sent() -> None:
    """Nothing is made up for a day that has no instant."""
    with pytest.raises(ValueError, match="there was no 2011-12-30 in Pacific/Apia"):
        DATE.encode(date(2011, 12, 30), _in("Pacific/Apia"))


@pytest.mark.parametrize(
    ("order", "wire"), [("mdy", "1/15/2018"), ("mdy", "01/15/2018"), ("dmy", "15/1/2018"), ("dmy", "15/01/2018")]
)
def test_close_dates_follow_the_account(order: str, wire: str) -> None:
    """The same day is written in the account's order, with or without zeros."""
    assert date(2018, 1, 15) == CLOSE_DATE.decode(wire, Locale(close_date_order=order))


@pytest.mark.parametrize(("order", "wire"), [("mdy", "1/15/2018"), ("dmy", "15/1/2018")])
def test_close_dates_are_sent_without_zeros(order: str, wire: str) -> None:
    """A close date goes to Copper as Copper shows it."""
    assert wire == CLOSE_DATE.encode(date(2018, 1, 15), Locale(close_date_order=order))


def test_a_close_date_in_another_order_names_the_setting() -> None:
    """A day in the place of the month can only be a wrong setting, so it is named."""
    with pytest.raises(ValueError, match=r"15/1/2018 is not month/day/year; see close_date_order in crmsync\.yaml"):
        CLOSE_DATE.decode("15/1/2018", Locale())


def test_a_timestamp_is_shown_in_utc() -> None:
    """Instants are shown as text that says its zone."""
    assert TIMESTAMP.show(1608019200, FIELD, str) == "2020-12-15T08:00:00Z"
