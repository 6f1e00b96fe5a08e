"""Kinds of text: as written, but composed (NFC), with plain line ends and no blanks around; no text at all is None."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any

from crmsync.catalogue.countries import country_code
from crmsync.catalogue.reading import Fault, Reader, odd, one_text, quoted
from crmsync.model.catalogue import Field, Locale
from crmsync.model.late import late
from crmsync.model.suggest import did_you_mean
from crmsync.model.values import Plain, Value, Written

#: Gives a text its canonical form, or None when it says nothing.
Canonical = Callable[[str], str | None]

_DOMAIN = late(r"(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_](?:[\w-]*[^\W_])")
_URL = late(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<user>[^\s/?#@]*@)?(?P<host>[^\s/?#@:]+)(?P<port>:[0-9]*)?(?P<rest>[/?#].*)?",
    re.DOTALL,
)
_DEFAULT_PORTS = {"http": ":80", "https": ":443", "ftp": ":21"}

#: The word that Copper shows where no priority was chosen; null is seen as well (copper-api.md 4.4).
_NO_CHOICE = "none"


def canonical_text(text: str) -> str | None:
    """Return *text* composed, with LF line ends, without blanks around it."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.replace("\r\n", "\n").strip() or None


def canonical_domain(text: str) -> str | None:
    """Return *text* in lower case."""
    return canonical_text(text.lower())


def canonical_country(text: str) -> str | None:
    """Return the two letters of a country that is known, else the text."""
    name = canonical_text(text)
    return name and (country_code(name) or name)


def canonical_url(text: str) -> str | None:
    """
    Return *text* with scheme and host in lower case, without a default port and without a slash that is the whole path.

    A text that is no url stays as it is, and a missing scheme stays missing: Copper does not check urls.
    """
    url = canonical_text(text)
    found = _URL.fullmatch(url) if url else None
    if found is None:
        return url
    scheme, host = (found["scheme"] or "").lower(), found["host"].lower()
    if not scheme and "." not in host:
        return url
    port = "" if found["port"] in (":", _DEFAULT_PORTS.get(scheme)) else found["port"] or ""
    rest = "" if found["rest"] == "/" else found["rest"] or ""
    prefix = f"{scheme}://" if scheme else ""
    return canonical_text(f"{prefix}{found['user'] or ''}{host}{port}{rest}")


def host_of(url: str) -> str:
    """Return the host that *url* names, without ``www.``; no text when there is none."""
    found = _URL.fullmatch(url.strip())
    return found["host"].lower().removeprefix("www.") if found is not None else ""


def reader(canonical: Canonical) -> Reader:
    """Return the reader of a text with this canonical form, no longer than the field allows."""

    def parse(text: str, field: Field, locale: Locale) -> Written | Fault:
        value = canonical(text)
        if value is not None and field.max_length is not None and len(value) > field.max_length:
            return Fault("CRM024", f'"{field.name}" holds at most {field.max_length} characters, these are {len(value)}.')
        return value

    return one_text(parse, "one text")


def decoder(canonical: Canonical) -> Callable[[Any, Locale], Value]:
    """Return the decoder of a text with this canonical form."""

    def decode(data: Any, locale: Locale) -> Value:
        if data is None:
            return None
        if not isinstance(data, str):
            raise odd(data, "a text")
        return canonical(data)

    return decode


def _parse_domain(text: str, field: Field, locale: Locale) -> Written | Fault:
    domain = canonical_domain(text)
    if domain is not None and not _DOMAIN.fullmatch(domain):
        return Fault("CRM028", f"{quoted(text)} is not a domain. Write it without https:// and @, such as acme.com.")
    return domain


read_domain = one_text(_parse_domain, "one domain")


def _parse_choice(text: str, field: Field, locale: Locale) -> Written | Fault:
    wanted = canonical_text(text) or ""
    for word in field.choices:
        if word.casefold() == wanted.casefold():
            return _canonical_choice(word)
    words = ", ".join(field.choices)
    return Fault("CRM026", f'"{field.name}" is one of {words}, not {quoted(text)}.{did_you_mean(wanted, field.choices)}')


read_choice = one_text(_parse_choice, "one word")


def _canonical_choice(text: str) -> str | None:
    word = canonical_text(text)
    return None if word is None or word.casefold() == _NO_CHOICE else word


decode_choice = decoder(_canonical_choice)


def send(value: Value, locale: Locale) -> Any:
    """Return *value* as it is: what Copper takes and what we hold are the same."""
    return value


def show(value: Value, field: Field, name_of: Callable[[int], str]) -> Plain:
    """Return *value* as it is: what a file says and what we hold are the same."""
    assert value is None or isinstance(value, str | bool | int), value
    return value


def decode_opaque(data: Any, locale: Locale) -> Value:
    """Return data that we only look at, as JSON text; nothing, in any form, is None."""
    if data in (None, "", [], {}):
        return None
    return json.dumps(data, ensure_ascii=False, sort_keys=True, default=str)


def encode_opaque(value: Value, locale: Locale) -> Any:
    """Return the data behind its JSON text; it is never sent."""
    return json.loads(str(value)) if value is not None else None
