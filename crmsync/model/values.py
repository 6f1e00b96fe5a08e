"""Values of fields: canonical inside the house, so that comparing is ``==``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from msgspec import Struct

from crmsync.model.address import Address
from crmsync.model.source import Position
from crmsync.model.structs import Comparing


class Member(Comparing, frozen=True, eq=False, gc=False):
    """
    One member of a set: an e-mail, a phone number, a tag, an option.

    *key* says which member it is (canonical address, digits, url, tag; the id of an option),
    *category* is its attribute, compared as a value.
    *text* is how it is written and sent, and is not compared.
    """

    key: str | int
    text: str | int
    category: str | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Member) and self.key == other.key and self.category == other.category

    def __hash__(self) -> int:
        return hash((self.key, self.category))


class Members(Comparing, frozen=True, eq=False):
    """The members of a set field, in Copper's or the file's order; equal whatever the order."""

    items: tuple[Member, ...] = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Members):
            return False
        return self.items == other.items or frozenset(self.items) == frozenset(other.items)

    def __hash__(self) -> int:
        return hash(frozenset(self.items))

    def __iter__(self) -> Iterator[Member]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __bool__(self) -> bool:
        return bool(self.items)

    def get(self, key: str | int) -> Member | None:
        """Return the member with *key*, or None."""
        return next((member for member in self.items if member.key == key), None)


class Label(Comparing, frozen=True, eq=False):
    """A label as the user wrote it, not yet looked up in the account; where it stands is not compared."""

    text: str
    position: Position

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Label) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


class Labels(Struct, frozen=True):
    """Several labels as written, for a set of options."""

    items: tuple[Label, ...]


class Lookup(Comparing, frozen=True, eq=False):
    """
    A reference as the user wrote it; where it stands is not compared.

    Either ``by == "key"`` and *text* is ``acme`` or ``companies.acme``,
    or *by* names a field of the target (``email_domain``, ``name``, ``emails``) or ``id``.
    """

    by: str
    text: str
    position: Position

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lookup) and self.by == other.by and self.text == other.text

    def __hash__(self) -> int:
        return hash((self.by, self.text))


#: A canonical value. ``int`` is the id behind a label or a reference, ``Address`` a record still to be created,
#: None is empty: Copper's null, "", false for an unset checkbox, and [] of a set all read as empty (``Members()`` for sets).
Value = str | bool | int | Decimal | date | Members | Address | None

#: What a file says before labels and references are looked up.
Written = Value | Label | Labels | Lookup

#: Plain data as in JSON: what files, bodies and documents are made of.
Plain = str | int | float | bool | Decimal | None | list["Plain"] | dict[str, "Plain"]


def is_same(one: Value, other: Value) -> bool:
    """Say whether two values are equal; that a value is itself needs no look at its members."""
    return one is other or one == other


def is_empty(value: Value) -> bool:
    """Say whether *value* is nothing: null, no text, no members, or an unticked box."""
    return value is None or value is False or value == "" or (isinstance(value, Members) and not value.items)
