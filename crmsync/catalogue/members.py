"""
Kinds of set: e-mails, phone numbers, websites, social profiles, tags.

What is written stays the text that is sent; the key says which member it is, and is what we compare.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct

from crmsync.catalogue.reading import ANY_SCALAR, Fault, Read, Reader, not_a_list, odd, quoted, refuse
from crmsync.catalogue.texts import canonical_text, canonical_url, host_of
from crmsync.model.catalogue import Field, Locale
from crmsync.model.late import late
from crmsync.model.source import Listing, Node, Problem, Scalar, Table
from crmsync.model.suggest import did_you_mean
from crmsync.model.values import Member, Members, Plain, Value

TAG_LENGTH = 50

EMAIL_CATEGORIES = WEBSITE_CATEGORIES = ("work", "personal", "other")
PHONE_CATEGORIES = ("mobile", "work", "home", "other")
SOCIAL_HOSTS: Mapping[str, str] = {
    "linkedin.com": "linkedin",
    "twitter.com": "twitter",
    "x.com": "twitter",
    "plus.google.com": "googleplus",
    "facebook.com": "facebook",
    "fb.com": "facebook",
    "youtube.com": "youtube",
    "youtu.be": "youtube",
    "quora.com": "quora",
    "foursquare.com": "foursquare",
    "klout.com": "klout",
    "gravatar.com": "gravatar",
}
SOCIAL_CATEGORIES = (*dict.fromkeys(SOCIAL_HOSTS.values()), "other")

_AMERICAN = late(r"\+1[ .-]?([2-9][0-9]{2})[ .-]?([0-9]{3})[ .-]?([0-9]{4})")
_EMAIL = late(r"[^@\s<>,;]+@[^@\s<>,;.]+(?:\.[^@\s<>,;.]+)+")


class Form(Struct, frozen=True):
    """
    The shape of one kind of set.

    *item* is the key of the text inside a member (``email``); None where a member is nothing but its text.
    *key* gives the canonical key of a text, *default* its category where none was chosen, *check* what is wrong with it.
    """

    item: str | None
    categories: tuple[str, ...]
    key: Callable[[str, Locale], str]
    default: Callable[[str], str | None]
    check: Callable[[str], Fault | None]

    def member(self, text: str, category: str | None, locale: Locale) -> Member:
        """Return the member written as *text*."""
        return Member(self.key(text, locale), text, category or self.default(text))


def email_key(text: str, locale: Locale) -> str:
    """Return an e-mail address without regard to case; whether Copper regards it is not known (copper-api.md 7.4)."""
    return _folded(text)


def phone_key(text: str, locale: Locale) -> str:
    """Return a number as ``tel:+1-415-555-0123;ext=5``, or a text that is no number without its punctuation."""
    return _phone_key(text, locale.phone_region)


def _phone_key(text: str, region: str) -> str:
    # Half of all numbers in these files; what phonenumbers says of them too, in a tenth of the time (tests/catalogue).
    american = _AMERICAN.fullmatch(text)
    return f"tel:+1-{'-'.join(american.groups())}" if american is not None else _parsed_phone_key(text, region)


@lru_cache(maxsize=100_000)
def _parsed_phone_key(text: str, region: str) -> str:
    import phonenumbers  # large, and needed only where there are phone numbers

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return _collapsed(text)
    if not phonenumbers.is_possible_number(number):
        return _collapsed(text)
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.RFC3966))


def _collapsed(text: str) -> str:
    kept = "".join(each for each in _folded(text) if each.isalnum() or each in "+*#")
    return kept or _folded(text)


def url_key(text: str, locale: Locale) -> str:
    """Return a url in its canonical form."""
    return canonical_url(text) or ""


def tag_key(text: str, locale: Locale) -> str:
    """Return a tag without regard to case: Copper keeps tags in lower case (copper-api.md section 3)."""
    return _folded(text)


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower().strip()
    return unicodedata.normalize("NFC", text.casefold()).strip()


def social_category(text: str) -> str:
    """Return the network that a url belongs to."""
    host = host_of(text)
    return next((category for name, category in SOCIAL_HOSTS.items() if host == name or host.endswith(f".{name}")), "other")


def _no_fault(text: str) -> Fault | None:
    return None


def _check_email(text: str) -> Fault | None:
    if _EMAIL.fullmatch(text):
        return None
    return Fault("CRM025", f"{quoted(text)} is not an e-mail address such as ann@acme.com.")


def _check_tag(text: str) -> Fault | None:
    if len(text) <= TAG_LENGTH:
        return None
    return Fault("CRM024", f"The tag {quoted(text)} has {len(text)} characters. Copper cuts tags at {TAG_LENGTH}.")


EMAILS = Form("email", EMAIL_CATEGORIES, email_key, lambda text: "work", _check_email)
PHONES = Form("number", PHONE_CATEGORIES, phone_key, lambda text: "work", _no_fault)
WEBSITES = Form("url", WEBSITE_CATEGORIES, url_key, lambda text: "work", _no_fault)
SOCIALS = Form("url", SOCIAL_CATEGORIES, url_key, social_category, _no_fault)
TAGS = Form(None, (), tag_key, lambda text: None, _check_tag)


def reader(form: Form) -> Reader:
    """Return the reader of sets of this form: a list of texts, or of mappings with a category."""

    def read(node: Node, field: Field, locale: Locale) -> Read:
        if not isinstance(node, Listing):
            return refuse(not_a_list(field), node.position)
        members: dict[str | int, Member] = {}
        problems: list[Problem] = []
        for item in node.items:
            found = _read_member(item, form, field, locale)
            if isinstance(found, Problem):
                problems.append(found)
            elif found.key in members:
                detail = f'"{field.name}" lists {quoted(str(found.text))} twice. Keep one of the two.'
                problems.append(Fault("CRM027", detail).at(item.position))
            else:
                members[found.key] = found
        return (None if problems else Members(tuple(members.values()))), tuple(problems)

    return read


def _read_member(node: Node, form: Form, field: Field, locale: Locale) -> Member | Problem:
    entries = _entries(node, form, field)
    if isinstance(entries, Problem):
        return entries
    scalar, category = entries
    text = canonical_text(scalar.text)
    if text is None:
        return Fault("CRM015", f'An entry of "{field.name}" is empty. Remove it.').at(scalar.position)
    fault = form.check(text)
    if fault is not None:
        return fault.at(scalar.position)
    if category is None:
        return form.member(text, None, locale)
    word = category.text.strip().casefold()
    if word not in form.categories:
        detail = f"{quoted(category.text)} is no category of {field.name}.{did_you_mean(word, form.categories)}"
        return Fault("CRM026", f"{detail} There are: {', '.join(form.categories)}.").at(category.position)
    return form.member(text, word, locale)


def alike(form: Form) -> Callable[[Table, Field, Locale], Callable[[str], Member | None] | None]:
    """Return what takes an entry to the reader of entries that are like it but for their text, which is canonical."""

    def begin(entry: Table, field: Field, locale: Locale) -> Callable[[str], Member | None] | None:
        entries = _entries(entry, form, field)
        if isinstance(entries, Problem) or entry.entries[0][1] is not entries[0]:
            return None
        category = None if entries[1] is None else entries[1].text.strip().casefold()
        if category is not None and category not in form.categories:
            return None

        def read(text: str) -> Member | None:
            return form.member(text, category, locale) if form.check(text) is None else None

        return read

    return begin


def _entries(node: Node, form: Form, field: Field) -> tuple[Scalar, Scalar | None] | Problem:
    """Return the text and the category that *node* writes."""
    if isinstance(node, Scalar):
        return node, None
    if form.item is None or not isinstance(node, Table):
        return Fault("CRM014", f'An entry of "{field.name}" is one text.').at(node.position)
    text: Node | None = None
    category: Node | None = None
    for key, value in node.entries:
        if key.text == form.item:
            text = value
        elif key.text == "category":
            category = value
        else:
            detail = f'An entry of "{field.name}" has `{form.item}` and `category`, not {quoted(key.text)}.'
            return Fault("CRM011", detail).at(key.position)
    if not isinstance(text, Scalar) or not isinstance(category, Scalar | None):
        return Fault("CRM014", f"Write {{{form.item}: ..., category: ...}}, each with one text.").at(node.position)
    return text, category


def shower(form: Form) -> Callable[[Value, Field, Callable[[int], str]], Plain]:
    """Return what shows sets of this form: as texts where the category is the usual one."""

    def show_one(member: Member) -> Plain:
        if form.item is None or member.category == form.default(str(member.text)):
            return member.text
        return {form.item: member.text, "category": member.category}

    def show(value: Value, field: Field, name_of: Callable[[int], str]) -> Plain:
        return [show_one(member) for member in _members(value)]

    return show


def encoder(form: Form) -> Callable[[Value, Locale], Any]:
    """Return the encoder of sets of this form; no members are an empty list, which clears."""

    one = wire(form)

    def encode(value: Value, locale: Locale) -> Any:
        return [one(member.text, member.category) for member in _members(value)]

    return encode


def wire(form: Form) -> Callable[[str | int, str | None], Any]:
    """Return what gives one member of a set as Copper shows it."""
    item = form.item
    if item is None:
        return lambda text, category: text
    return lambda text, category: {item: text, "category": category}


def _members(value: Value) -> Iterable[Member]:
    assert value is None or isinstance(value, Members), value
    return value or ()


def decoder(form: Form) -> Callable[[Any, Locale], Value]:
    """Return the decoder of sets of this form; entries without a text say nothing."""

    def text_of(item: Any) -> str | None:
        if form.item is not None and not isinstance(item, Mapping):
            raise odd(item, f"a mapping with {form.item}")
        text = item if form.item is None else item.get(form.item)
        if text is not None and not isinstance(text, str):
            raise odd(item, "a text" if form.item is None else f"a mapping with {form.item}")
        return canonical_text(text) if text else None

    def decode(data: Any, locale: Locale) -> Value:
        if data is None or data == "":
            return Members()
        if not isinstance(data, list):
            raise odd(data, "a list")
        texts = [(text_of(item), item) for item in data]
        return Members(tuple(form.member(text, _category(item), locale) for text, item in texts if text))

    return decode


def _category(item: Any) -> str | None:
    """Return the category on the wire; real websites have null there (copper-field.md 2.6)."""
    category = item.get("category") if isinstance(item, Mapping) else None
    return category.casefold() if isinstance(category, str) and category else None


def schema(form: Form) -> Mapping[str, Any]:
    """Return the JSON schema of sets of this form."""
    text = {"type": list(ANY_SCALAR)}
    if form.item is None:
        return {"type": "array", "items": text}
    member = {
        "type": "object",
        "properties": {form.item: text, "category": {"enum": list(form.categories)}},
        "required": [form.item],
        "additionalProperties": False,
    }
    return {"type": "array", "items": {"anyOf": [text, member]}}
