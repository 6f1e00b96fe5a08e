"""
Kinds of date.

A custom field of type Date is an instant on the wire: unix seconds of midnight in the account's zone (every recording is;
copper-field.md 2.7). Clocks change at midnight in some zones, so *midnight* here is the first instant of that day there:
01:00 where 00:00 does not exist, the earlier one where it comes twice. A day that a zone left out (Pacific/Apia,
2011-12-30) has no instant and cannot be written.

``close_date`` is the one date that is text on the wire: ``1/15/2018``, in the account's order, without zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from crmsync.catalogue.reading import Fault, odd, one_text, quoted
from crmsync.model.catalogue import Field, Locale
from crmsync.model.late import late
from crmsync.model.values import Plain, Value, Written

_ISO = late(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SLASHED = late(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_INSTANT = late(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400
#: The calendar and the rules of a zone repeat after 400 years; near the ends of what `datetime` holds we count from there.
_CYCLE_YEARS, _CYCLE = 400, 146_097 * _DAY
_LATEST, _EARLIEST = 253_402_300_799 - 2 * _DAY, -62_135_596_800 + 2 * _DAY


@lru_cache(maxsize=10_000)
def local_date(seconds: int, zone: ZoneInfo) -> date:
    """Return which day it is in *zone* at this instant."""
    cycles = 1 if seconds < _EARLIEST else -1 if seconds > _LATEST else 0
    day = (_EPOCH + timedelta(seconds=seconds + cycles * _CYCLE)).astimezone(zone).date()
    return day.replace(year=day.year - cycles * _CYCLE_YEARS)


@lru_cache(maxsize=10_000)
def start_of_day(day: date, zone: ZoneInfo) -> int | None:
    """Return the first instant of *day* in *zone*, in unix seconds; None for a day that the zone left out."""
    midnight = datetime.combine(day, time(), zone)
    before = _seconds(midnight)
    after = _seconds(midnight.replace(fold=1))
    if after >= before:  # 00:00 exists, or comes twice
        return before
    first = _change(after, before, zone)
    return first if local_date(first, zone) == day else None


def _seconds(moment: datetime) -> int:
    return round((moment - _EPOCH).total_seconds())


def _change(low: int, high: int, zone: ZoneInfo) -> int:
    """Return the instant in (*low*, *high*] at which the clocks of *zone* go forward, by halving."""
    offset = _offset(low, zone)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle, zone) == offset:
            low = middle
        else:
            high = middle
    return high


def _offset(seconds: int, zone: ZoneInfo) -> timedelta | None:
    return (_EPOCH + timedelta(seconds=seconds)).astimezone(zone).utcoffset()


def _parse_day(text: str) -> date | Fault:
    if not _ISO.fullmatch(text.strip()):
        return Fault("CRM021", f"{quoted(text)} is not a date. Write year, month and day, such as 2026-12-31.")
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return Fault("CRM021", f"There is no {quoted(text)} in the calendar.")


def _parse_date(text: str, field: Field, locale: Locale) -> Written | Fault:
    return _day_in(text, locale.zone)


@lru_cache(maxsize=10_000)
def _day_in(text: str, zone: ZoneInfo) -> date | Fault:
    day = _parse_day(text)
    if isinstance(day, date) and start_of_day(day, zone) is None:
        return Fault("CRM021", f"There was no {day} in {zone.key}, the time zone of this account.")
    return day


read_date = one_text(_parse_date, "a date")


def encode_date(value: Value, locale: Locale) -> Any:
    """Return the first instant of the day in the account's zone. Raises ValueError for a day that the zone left out."""
    if value is None:
        return None
    assert isinstance(value, date), value
    first = start_of_day(value, locale.zone)
    if first is None:
        raise ValueError(f"there was no {value} in {locale.zone.key}")
    return first


def decode_date(data: Any, locale: Locale) -> Value:
    """
    Return the day of an instant, or of the text ``12/31/2026`` (the best practices page has it so).

    An instant that starts no day in the account's zone, but one in UTC, was written by a client that counts in UTC.
    """
    if data is None or data == "":
        return None
    if isinstance(data, str):
        return _slashed(data, "mdy")
    if isinstance(data, bool) or not isinstance(data, int):
        raise odd(data, "a date")
    try:
        day = local_date(data, locale.zone)
        if data % _DAY == 0 and start_of_day(day, locale.zone) != data:
            return local_date(data, ZoneInfo("UTC"))
    except (OverflowError, ValueError) as error:
        raise odd(data, "a date") from error
    return day


def show_date(value: Value, field: Field, name_of: Callable[[int], str]) -> Plain:
    """Return a day as ISO text."""
    if value is None:
        return None
    assert isinstance(value, date), value
    return value.isoformat()


def _parse_close_date(text: str, field: Field, locale: Locale) -> Written | Fault:
    return _parse_day(text)


read_close_date = one_text(_parse_close_date, "a date")


def encode_close_date(value: Value, locale: Locale) -> Any:
    """Return a day as the account writes it: ``1/15/2018``, or ``15/1/2018`` where days come first."""
    if value is None:
        return None
    assert isinstance(value, date), value
    first, second = (value.day, value.month) if locale.close_date_order == "dmy" else (value.month, value.day)
    return f"{first}/{second}/{value.year:04d}"


def decode_close_date(data: Any, locale: Locale) -> Value:
    """Return the day that the account writes so, with or without zeros."""
    if data is None or data == "":
        return None
    if not isinstance(data, str):
        raise odd(data, "a close date")
    return _slashed(data, locale.close_date_order)


def _slashed(text: str, order: str) -> date:
    found = _SLASHED.fullmatch(text.strip())
    if found is None:
        raise odd(text, "a date such as 12/31/2026")
    first, second, year = map(int, found.groups())
    day, month = (first, second) if order == "dmy" else (second, first)
    try:
        return date(year, month, day)
    except ValueError as error:
        written = "day/month/year" if order == "dmy" else "month/day/year"
        raise ValueError(f"{text.strip()} is not {written}; see close_date_order in crmsync.yaml") from error


def show_timestamp(value: Value, field: Field, name_of: Callable[[int], str]) -> Plain:
    """Return an instant as ``2026-12-31T23:59:59Z``."""
    if value is None:
        return None
    assert isinstance(value, int), value
    return f"{_EPOCH + timedelta(seconds=value):%Y-%m-%dT%H:%M:%SZ}"


def _parse_timestamp(text: str, field: Field, locale: Locale) -> Written | Fault:
    if not _INSTANT.fullmatch(text.strip()):
        return Fault("CRM021", f"{quoted(text)} is not a time such as 2026-12-31T23:59:59Z.")
    try:
        return _seconds(datetime.fromisoformat(text.strip()))
    except ValueError:
        return Fault("CRM021", f"There is no {quoted(text)} in the calendar.")


read_timestamp = one_text(_parse_timestamp, "a time")


def decode_timestamp(data: Any, locale: Locale) -> Value:
    """Return an instant, in unix seconds."""
    if data is None or data == "":
        return None
    if isinstance(data, bool) or not isinstance(data, int) or not _EARLIEST <= data <= _LATEST:
        raise odd(data, "a time in unix seconds")
    return data
