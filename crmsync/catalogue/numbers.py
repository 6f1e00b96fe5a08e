"""Kinds of number, exact: what a file says in digits is what Copper gets and what we compare."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from math import isfinite
from typing import Any

from crmsync.catalogue.reading import Fault, odd, one_text, quoted
from crmsync.model.catalogue import Field, Locale
from crmsync.model.late import late
from crmsync.model.values import Plain, Value, Written

_NUMBER = late(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?")
_WHOLE = late(r"[-+]?[0-9]{1,18}")

#: JSON numbers are doubles for most readers; these digits survive in one, whatever they are.
MAX_DIGITS = 15
_MAX_INT = 10**MAX_DIGITS

_TRUTH = {"true": True, "yes": True, "false": False, "no": False}


def _parse_number(text: str, field: Field, locale: Locale) -> Written | Fault:
    digits = text.strip()
    if digits.isdecimal() and digits.isascii() and len(digits) <= MAX_DIGITS:
        return Decimal(digits)  # a whole number that a double holds
    if not _NUMBER.fullmatch(digits):
        return Fault("CRM023", f"{quoted(text)} is not a number. Write digits and a point, such as 12500.50.")
    number = Decimal(digits)
    if not number:
        return Decimal(0)
    if len(_significant(number)) > MAX_DIGITS:
        return Fault("CRM023", f"{quoted(text)} has more than {MAX_DIGITS} significant digits. Copper would round it.")
    if Decimal(repr(float(number))) != number:
        return Fault("CRM023", f"{quoted(text)} is too large or too small for Copper to hold.")
    return number


def _significant(number: Decimal) -> str:
    return "".join(map(str, number.as_tuple().digits)).strip("0")


read_number = one_text(_parse_number, "a number")


def plain_number(number: Decimal) -> int | float:
    """Return *number* as JSON writes it with the same digits: whole where it is whole."""
    if abs(number) < _MAX_INT and number == number.to_integral_value():
        return int(number)
    return float(number)


def encode_number(value: Value, locale: Locale) -> Any:
    """Return a number as int or float, whose digits are the same."""
    return plain_number(value) if isinstance(value, Decimal) else value


def show_number(value: Value, field: Field, name_of: Callable[[int], str]) -> Plain:
    """Return a number as int or float, whose digits are the same."""
    if isinstance(value, Decimal):
        return plain_number(value)
    assert value is None or isinstance(value, int), value
    return value


def decode_number(data: Any, locale: Locale) -> Value:
    """Return a number exactly; Copper writes some of them as text (``converted_value``, copper-field.md 2.6)."""
    if data is None or data == "":
        return None
    if isinstance(data, str) and _NUMBER.fullmatch(data):
        return _unsigned_zero(Decimal(data))
    if isinstance(data, bool) or not isinstance(data, int | float | Decimal):
        raise odd(data, "a number")
    return _unsigned_zero(Decimal(repr(data)) if isinstance(data, float) else Decimal(data))


def _unsigned_zero(number: Decimal) -> Decimal:
    if not isfinite(number):  # nor is what no double holds
        raise odd(number, "a number")
    return number or Decimal(0)


def _parse_percentage(text: str, field: Field, locale: Locale) -> Written | Fault:
    number = _parse_number(text.strip().removesuffix("%"), field, locale)
    if isinstance(number, Fault):
        return Fault("CRM023", f"{quoted(text)} is not a percentage. Write a whole number from 0 to 100.")
    assert isinstance(number, Decimal)
    if number != number.to_integral_value():
        return Fault("CRM022", f"Copper would cut {quoted(text)} to {int(number)}. Write a whole number from 0 to 100.")
    if not 0 <= number <= 100:
        return Fault("CRM020", f"{quoted(text)} is outside 0 to 100.")
    return int(number)


read_percentage = one_text(_parse_percentage, "a percentage")


def decode_percentage(data: Any, locale: Locale) -> Value:
    """Return a percentage as int, as Copper keeps it."""
    number = decode_number(data, locale)
    return int(number) if isinstance(number, Decimal) and number == number.to_integral_value() else number


def _parse_whole(text: str, field: Field, locale: Locale) -> Written | Fault:
    if not _WHOLE.fullmatch(text.strip()):
        return Fault("CRM023", f"{quoted(text)} is not a whole number. Write digits only.")
    return int(text)


read_whole = one_text(_parse_whole, "a whole number")


def decode_whole(data: Any, locale: Locale) -> Value:
    """Return a whole number."""
    if data is None or (isinstance(data, int) and not isinstance(data, bool)):
        return data
    raise odd(data, "a whole number")


def _parse_checkbox(text: str, field: Field, locale: Locale) -> Written | Fault:
    ticked = _TRUTH.get(text.strip().casefold())
    return Fault("CRM020", f"{quoted(text)} is neither true nor false.") if ticked is None else ticked


read_checkbox = one_text(_parse_checkbox, "true or false")


def decode_checkbox(data: Any, locale: Locale) -> Value:
    """Return whether the box is ticked: one that was never set counts as not ticked (copper-api.md 5.3)."""
    if data is None or data == "":
        return False
    if not isinstance(data, bool):
        raise odd(data, "true or false")
    return data


def encode_checkbox(value: Value, locale: Locale) -> Any:
    """Return true or false; a cleared box is not ticked."""
    return bool(value)
