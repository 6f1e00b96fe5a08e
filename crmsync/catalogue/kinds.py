"""
The kinds: one codec per kind of value, as rows.

*read* and *show* face the files, *encode* and *decode* face Copper. Everything inside the house is canonical, so that
two values are the same when ``==`` says so. Two laws hold for each row: ``decode(encode(v)) == v`` and
``read(show(v)) == v``.

A canonical form that changes raises the version of its row: digests of the old form then count as unknown.
"""

from __future__ import annotations

from collections.abc import Mapping

from crmsync.catalogue import dates, members, numbers, pointers, texts
from crmsync.catalogue.reading import ANY_SCALAR
from crmsync.model.catalogue import Kind

_WORD = {"type": list(ANY_SCALAR)}
_NUMBER = {"type": ["number", "string"]}
_DATE = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}


def _text(name: str, canonical: texts.Canonical, *, keeps_words: bool = False) -> Kind:
    faces = texts.reader(canonical), texts.show, texts.send, texts.decoder(canonical)
    return Kind(name, *faces, _WORD, keeps_words=keeps_words)


def _number(name: str) -> Kind:
    return Kind(name, numbers.read_number, numbers.show_number, numbers.encode_number, numbers.decode_number, _NUMBER)


def _opaque(name: str) -> Kind:
    return Kind(name, texts.reader(texts.canonical_text), texts.show, texts.encode_opaque, texts.decode_opaque, {})


def _set(name: str, form: members.Form) -> Kind:
    faces = members.reader(form), members.shower(form), members.encoder(form), members.decoder(form)
    return Kind(name, *faces, members.schema(form), is_set=True, alike=members.alike(form), wire=members.wire(form))


TEXT = _text("text", texts.canonical_text, keeps_words=True)
LONG_TEXT = _text("long_text", texts.canonical_text, keeps_words=True)
DOMAIN = Kind("domain", texts.read_domain, texts.show, texts.send, texts.decoder(texts.canonical_domain), {"type": "string"})
COUNTRY = _text("country", texts.canonical_country)
URL = _text("url", texts.canonical_url)
CHOICE = Kind("choice", texts.read_choice, texts.show, texts.send, texts.decode_choice, {"type": "string"})

NUMBER = _number("number")
MONEY = _number("money")
PERCENTAGE = Kind(
    "percentage", numbers.read_percentage, numbers.show_number, numbers.encode_number, numbers.decode_percentage, _NUMBER
)
WHOLE = Kind("whole", numbers.read_whole, numbers.show_number, texts.send, numbers.decode_whole, {"type": "integer"})
CHECKBOX = Kind(
    "checkbox",
    numbers.read_checkbox,
    texts.show,
    numbers.encode_checkbox,
    numbers.decode_checkbox,
    {"type": ["boolean", "string"]},
)

DATE = Kind("date", dates.read_date, dates.show_date, dates.encode_date, dates.decode_date, _DATE)
CLOSE_DATE = Kind(
    "close_date", dates.read_close_date, dates.show_date, dates.encode_close_date, dates.decode_close_date, _DATE
)
TIMESTAMP = Kind("timestamp", dates.read_timestamp, dates.show_timestamp, texts.send, dates.decode_timestamp, {})

LABEL = Kind("label", pointers.read_label, pointers.show_label, pointers.encode_id, pointers.decode_id, _WORD, is_label=True)
OPTIONS = Kind(
    "options",
    pointers.read_labels,
    pointers.show_labels,
    pointers.encode_ids,
    pointers.decode_ids,
    {"type": "array", "items": _WORD},
    is_set=True,
    is_label=True,
)
REFERENCE = Kind(
    "reference",
    pointers.read_reference,
    pointers.show_reference,
    pointers.encode_id,
    pointers.decode_id,
    {
        "anyOf": [
            _WORD,
            {
                "type": "object",
                "properties": dict.fromkeys(pointers.LOOKUP_WORDS, _WORD),
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
            },
        ]
    },
    is_reference=True,
)

EMAILS = _set("emails", members.EMAILS)
PHONES = _set("phone_numbers", members.PHONES)
WEBSITES = _set("websites", members.WEBSITES)
SOCIALS = _set("socials", members.SOCIALS)
TAGS = _set("tags", members.TAGS)

#: Connections of records through a custom field: written through another route of Copper, here only looked at.
CONNECT = _opaque("connect")
#: Data of a type that we do not know: only looked at.
OPAQUE = _opaque("opaque")

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        TEXT,
        LONG_TEXT,
        DOMAIN,
        COUNTRY,
        URL,
        CHOICE,
        NUMBER,
        MONEY,
        PERCENTAGE,
        WHOLE,
        CHECKBOX,
        DATE,
        CLOSE_DATE,
        TIMESTAMP,
        LABEL,
        OPTIONS,
        REFERENCE,
        EMAILS,
        PHONES,
        WEBSITES,
        SOCIALS,
        TAGS,
        CONNECT,
        OPAQUE,
    )
}
