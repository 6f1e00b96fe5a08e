"""
Records as JSON text: pages taken apart into rows as Copper wrote them, and the one text that every body has.

As `parse_json` does, this leaves to the careful way what `msgspec` refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from crmsync.model.bodies import CUSTOM_FIELDS
from crmsync.model.http import REFUSED, parse_json


class RawRow(NamedTuple):
    """One record of a page: *text* is its JSON, the dates are whatever Copper shows there."""

    id: int
    created: Any
    modified: Any
    text: bytes


class _Dates(msgspec.Struct):
    id: int
    date_created: int
    date_modified: int


_texts = msgspec.json.Decoder(list[msgspec.Raw]).decode
_dates = msgspec.json.Decoder(list[_Dates]).decode
_encode = msgspec.json.Encoder(order="sorted", decimal_format="number").encode


def rows_of(body: bytes) -> list[RawRow] | None:
    """Return the rows of a page; None where it is no list of objects with ids. Raises Unparseable."""
    try:
        body.decode()  # of what is skipped nobody else asks
        found = zip(_dates(body), _texts(body), strict=True)
        return [RawRow(row.id, row.date_created, row.date_modified, bytes(text)) for row, text in found]
    except REFUSED:
        data = parse_json(body)
    if not isinstance(data, list) or not all(isinstance(row, dict) and type(row.get("id")) is int for row in data):
        return None
    return [RawRow(row["id"], row.get("date_created"), row.get("date_modified"), text_of(row)) for row in data]


def canonical(text: bytes) -> bytes:
    """Return what `text_of` gives for the record that *text* is. Raises Unparseable."""
    return text_of(parse_json(text))


def text_of(body: Mapping[str, Any]) -> bytes:
    """Return *body* as JSON that is the same for the same record: the order of custom values means nothing."""
    custom = body.get(CUSTOM_FIELDS)
    if custom:
        with suppress(KeyError, TypeError):  # whoever decodes it will say that it is no list of values by definition
            body = {**body, CUSTOM_FIELDS: sorted(custom, key=_definition)}
    try:
        return _encode(body)
    except REFUSED:
        return _carefully(body)


_definition = itemgetter("custom_field_definition_id")


def _carefully(body: Mapping[str, Any]) -> bytes:
    import simplejson  # seldom needed

    text: str = simplejson.dumps(body, use_decimal=True, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")
