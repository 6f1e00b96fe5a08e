"""Small readers of JSON values that several kinds of value share; all raise `Bad` with the reason."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from crmsync.sandbox.replies import Json

LARGEST = Decimal(10) ** 15


class Bad(Exception):
    """A value cannot be taken; carries the reason and the code a bulk call shows."""

    def __init__(self, why: str, code: str = "invalid", field: str | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.code = code
        self.field = field


def as_int(value: Json) -> int | None:
    """Return a JSON number without a fraction, or a numeric string, as int; None if it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value.strip(), re.ASCII):
        return int(value)
    if isinstance(value, Decimal) and value.is_finite() and abs(value) < LARGEST and value == int(value):
        return int(value)
    return value if isinstance(value, int) else None


def read_id(value: Json) -> int | None:
    """Return an id; null and "" are unset (section 13, tolerance), text is refused (section 9)."""
    if value is None or value == "":
        return None
    number = as_int(value)
    if number is None or number <= 0:
        raise Bad(f"IDs must be positive integers: {value}")
    return number


def read_number(value: Json) -> Decimal | None:
    """Return a number, or a numeric string (section 5.3: `"55.5"` is taken), with a point: 77000.0."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (int, Decimal, str)):
        raise Bad("must be a number")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise Bad(f"must be a number: {value}") from error
    if not number.is_finite() or abs(number) >= LARGEST:
        raise Bad(f"must be a number below {LARGEST:f}: {value}")
    return pointed(number)


def pointed(number: Decimal) -> Decimal:
    """Return *number* so that JSON shows it as Copper shows floats: `77000.0`, `55.5`, never `7.7E+4`."""
    text = format(number, "f")
    whole, _, fraction = text.partition(".")
    return Decimal(f"{whole}.{fraction.rstrip('0') or '0'}")


def read_text(value: Json, longest: int = 0) -> str | None:
    """Return text or null; numbers are refused (strict: what Copper does with them is unknown)."""
    if value is not None and not isinstance(value, str):
        raise Bad("must be a string")
    if value is not None and longest and len(value) > longest:
        raise Bad(f"is too long (maximum is {longest} characters)", "too_long")
    return value


def read_list(value: Json) -> list[Json]:
    """Return a list; null is empty and one item stands for a list of one (section 13, tolerance)."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def read_day(text: str, order: str) -> datetime.date:
    """Return the date in `M/D/YYYY`, padded or not, or `D/M/YYYY` where *order* is dmy (7.5)."""
    match = re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4})", text, re.ASCII)
    if match is None:
        raise Bad(f"must be a date such as {'12/31' if order == 'mdy' else '31/12'}/2026: {text}")
    first, second, year = (int(part) for part in match.groups())
    month, day = (first, second) if order == "mdy" else (second, first)
    try:
        return datetime.date(year, month, day)
    except ValueError as error:
        raise Bad(f"must be a date: {text}") from error


def show_day(day: datetime.date, order: str) -> str:
    """Return *day* as Copper writes close_date: no zero padding (section 3)."""
    return f"{day.month}/{day.day}/{day.year}" if order == "mdy" else f"{day.day}/{day.month}/{day.year}"


def midnight(day: datetime.date, zone: datetime.tzinfo) -> int:
    """Return the unix time of 00:00 of *day* in *zone*."""
    return int(datetime.datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


def local_day(stamp: int, zone: ZoneInfo | datetime.tzinfo) -> datetime.date:
    """Return the date that the unix time *stamp* has in *zone*."""
    try:
        return datetime.datetime.fromtimestamp(stamp, zone).date()
    except (ValueError, OverflowError, OSError) as error:
        raise Bad(f"must be a time: {stamp}") from error
