"""
What a write replaces, kept so that a run can be undone; and how it is written down.

These are values of people. They never go into the log: they lie sealed beside it, or in a private file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from msgspec import Struct, field

from crmsync.model.address import Address
from crmsync.model.events import WriteAction
from crmsync.model.values import Member, Members, Value


class Before(Struct, frozen=True):
    """
    One write, as it was about to be sent: of each field, by its id, what was there and what was put in its place.

    *record_id* is None for a create, of which the fields are not kept: undoing it takes the record away. *at* is Copper's
    clock in unix seconds.
    """

    address: Address
    action: WriteAction
    record_id: int | None
    at: float
    fields: Mapping[str, tuple[Value, Value]] = field(default_factory=dict)


def write_before(before: Before) -> dict[str, Any]:
    """Return *before* as JSON data."""
    return {
        "action": before.action.value,
        "address": str(before.address),
        "id": before.record_id,
        "at": round(before.at, 3),
        "fields": {id: [_written(old), _written(new)] for id, (old, new) in before.fields.items()},
    }


def read_before(data: Mapping[str, Any]) -> Before:
    """Return what `write_before` wrote. Raises ValueError, KeyError, TypeError."""
    address = Address.parse(data["address"])
    if address is None:
        raise ValueError("this is no address")
    fields = {id: (_read(old), _read(new)) for id, (old, new) in data["fields"].items()}
    return Before(address, WriteAction(data["action"]), data["id"], float(data["at"]), fields)


def _written(value: Value) -> Any:
    if isinstance(value, Members):
        return {"members": [[each.key, each.text, each.category] for each in value]}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, Decimal):
        return {"number": str(value)}
    assert not isinstance(value, Address), "a write names records by their ids"
    return value


def _read(data: Any) -> Value:
    if not isinstance(data, dict):
        assert data is None or isinstance(data, str | bool | int)
        return data
    ((kind, content),) = data.items()
    return _READ[kind](content)


_READ: Mapping[str, Callable[[Any], Value]] = {
    "members": lambda content: Members(tuple(Member(key, text, category) for key, text, category in content)),
    "date": date.fromisoformat,
    "number": Decimal,
}
