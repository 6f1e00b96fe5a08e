"""Kinds that point: labels of the account's tables, several labels, references to other records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crmsync.catalogue.reading import Fault, Read, not_a_list, odd, one_text, quoted, refuse
from crmsync.catalogue.texts import canonical_text
from crmsync.model.address import Address
from crmsync.model.catalogue import Field, Locale
from crmsync.model.source import Listing, Node, Problem, Scalar, Table, is_null
from crmsync.model.suggest import did_you_mean
from crmsync.model.values import Label, Labels, Lookup, Member, Members, Plain, Value, Written

#: How a lookup may be written, and the field (or ``id``) it means.
LOOKUP_WORDS = {"email_domain": "email_domain", "emails": "emails", "email": "emails", "name": "name", "id": "id"}


def _parse_nothing(text: str, field: Field, locale: Locale) -> Written | Fault:
    if canonical_text(text) is None:
        return Fault("CRM015", f'"{field.name}" is empty. Write null to clear it, or remove the line.')
    return canonical_text(text)


_read_text = one_text(_parse_nothing, "one label")


def read_label(node: Node, field: Field, locale: Locale) -> Read:
    """Return the label that *node* names; whether it exists is for the account to say."""
    text, problems = _read_text(node, field, locale)
    return (Label(text, node.position) if isinstance(text, str) else None), problems


def decode_id(data: Any, locale: Locale) -> Value:
    """Return an id; null and no text are none, and some clients have left ids as text (copper-field.md 2.3)."""
    if data is None or data == "":
        return None
    if isinstance(data, str) and data.isdecimal():
        return int(data)
    if isinstance(data, bool) or not isinstance(data, int):
        raise odd(data, "an id")
    return data


def encode_id(value: Value, locale: Locale) -> Any:
    """Return an id. Raises ValueError for a record that does not exist yet."""
    if isinstance(value, Address):
        raise ValueError(f"{value} has no id yet")
    return value


def show_label(value: Value, field: Field, name_of: Callable[[int], str]) -> Plain:
    """Return the name behind an id."""
    if value is None:
        return None
    assert isinstance(value, int), value
    return name_of(value)


def read_labels(node: Node, field: Field, locale: Locale) -> Read:
    """Return the labels listed."""
    if not isinstance(node, Listing):
        return refuse(not_a_list(field), node.position)
    labels: dict[str, Label] = {}
    problems: list[Problem] = []
    for item in node.items:
        label, wrong = read_label(item, field, locale)
        problems += wrong
        if not isinstance(label, Label):
            continue
        if label.text.casefold() in labels:
            detail = f'"{field.name}" lists {quoted(label.text)} twice. Keep one of the two.'
            problems.append(Fault("CRM027", detail).at(item.position))
        labels[label.text.casefold()] = label
    return (None if problems else Labels(tuple(labels.values()))), tuple(problems)


def options(ids: list[int]) -> Members:
    """Return the set of these options."""
    return Members(tuple(Member(id, id) for id in ids))


def decode_ids(data: Any, locale: Locale) -> Value:
    """Return the set of the options with these ids."""
    if data is None or data == "":
        return Members()
    if not isinstance(data, list) or not all(isinstance(id, int) and not isinstance(id, bool) for id in data):
        raise odd(data, "a list of ids")
    return options(data)


def encode_ids(value: Value, locale: Locale) -> Any:
    """Return the ids of a set of options; none is an empty list, which clears."""
    assert value is None or isinstance(value, Members), value
    return [member.key for member in value or ()]


def show_labels(value: Value, field: Field, name_of: Callable[[int], str]) -> Plain:
    """Return the names of a set of options."""
    assert value is None or isinstance(value, Members), value
    return [name_of(int(member.key)) for member in value or ()]


def read_reference(node: Node, field: Field, locale: Locale) -> Read:
    """Return what *node* says of another record: its key, its address, or one word to look it up by."""
    if isinstance(node, Scalar):
        text, problems = _read_text(node, field, locale)
        return (Lookup("key", text, node.position) if isinstance(text, str) else None), problems
    if not isinstance(node, Table) or len(node.entries) != 1 or not isinstance(node.entries[0][1], Scalar):
        detail = f'"{field.name}" is a key, such as acme, or one lookup, such as {{name: Acme}}.'
        return refuse(Fault("CRM014", detail), node.position)
    word, wanted = node.entries[0]
    assert isinstance(wanted, Scalar)
    by = LOOKUP_WORDS.get(word.text)
    if by is None:
        detail = f"Nothing is looked up by {quoted(word.text)}.{did_you_mean(word.text, LOOKUP_WORDS)}"
        return refuse(Fault("CRM011", detail), word.position)
    text = canonical_text(wanted.text)
    if text is None or is_null(wanted):
        return refuse(Fault("CRM015", f"There is no {word.text} to look up by."), wanted.position)
    if by == "id" and not (text.isdecimal() and int(text) > 0):
        return refuse(Fault("CRM020", f"{quoted(text)} is not the id of a record, which is a number."), wanted.position)
    return Lookup(by, text, node.position), ()


def show_reference(value: Value, field: Field, name_of: Callable[[int], str]) -> Plain:
    """Return an address as text, the id of a record without one as a lookup."""
    if isinstance(value, Address):
        return str(value)
    assert value is None or isinstance(value, int), value
    return None if value is None else {"id": value}
