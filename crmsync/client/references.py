"""Names of records to ids: a company by its name or domain, a person by name or e-mail, anything by its id."""

from __future__ import annotations

import re

from crmsync.client.book import Book
from crmsync.client.trouble import bad, bad_value
from crmsync.copper import read
from crmsync.model.bodies import decode_body
from crmsync.model.catalogue import EntityType, Field
from crmsync.model.source import Listing, Position, Scalar
from crmsync.model.values import Lookup, Member, Members

_ID = re.compile(r"#?([0-9]{1,18})")


def find_ids(book: Book, field: Field, lookup: Lookup) -> tuple[int, ...]:
    """Return the ids of all records that *lookup* names, in order. Raises BadInput when there is none."""
    target = book.entity(str(field.target))
    id = _ID.fullmatch(lookup.text)
    if id is not None and lookup.by in ("key", "id"):
        return (int(id[1]),)
    question = (target.name, lookup.by, lookup.text)
    if question not in book.found:
        book.found[question] = _find(book, target, lookup)
    return book.found[question]


def _find(book: Book, target: EntityType, lookup: Lookup) -> tuple[int, ...]:
    text = lookup.text.removeprefix(f"{target.name}.")
    rows = [target.by_name[lookup.by]] if lookup.by != "key" else _likely(target, text)
    for row in rows:
        found = _search(book, target, row, text, lookup.position)
        if found:
            return found
    by = " or ".join(dict.fromkeys(row.name for row in rows))
    raise bad("CRM037", f'There is no {target.singular} with the {by} "{text}" in Copper.', lookup.position)


def find_id(book: Book, field: Field, lookup: Lookup) -> int:
    """Return the id of the one record that *lookup* names. Raises BadInput when there is none, or several."""
    found = find_ids(book, field, lookup)
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"#{id}" for id in found)
    raise bad(
        "CRM038", f'"{lookup.text}" fits several {field.target}: {listed}. Name the one you mean by its id.', lookup.position
    )


def _likely(target: EntityType, text: str) -> list[Field]:
    """Return the fields to look in, the most telling first: what is unique where the text looks like it, then the name."""
    looks_unique = " " not in text and ("@" in text or "." in text)
    uniques = [field for field in target.uniques if field.filter is not None] if looks_unique else []
    return [*uniques, target.by_name["name"]]


def _search(book: Book, target: EntityType, row: Field, text: str, position: Position) -> tuple[int, ...]:
    node = Scalar(text, position)
    value, problems = row.kind.read(Listing((node,), position) if row.kind.is_set else node, row, book.locale)
    if problems:
        if row.name == "name":
            raise bad_value(problems)
        return ()
    assert row.filter is not None
    bodies = read.by_texts(book.client, target.path, row.filter.key, [text], row.filter.takes_many)
    wanted = _folded(value)
    records = [decode_body(target, body, book.locale) for body in bodies]
    return tuple(sorted(each.id for each in records if wanted & _folded(each.fields[row.name])))


def _folded(value: object) -> frozenset[str]:
    members = value.items if isinstance(value, Members) else (value,)
    texts = (str(each.key) if isinstance(each, Member) else str(each) for each in members if each is not None)
    return frozenset(text.casefold() for text in texts)
