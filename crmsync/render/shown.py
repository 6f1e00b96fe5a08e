"""Values as a file would say them: labels and addresses, never an id alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from msgspec import Struct, field

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, Field
from crmsync.model.source import Position
from crmsync.model.values import Members, Plain, Value


class Meta(Struct, frozen=True):
    """
    What a plan document says of the world it was made in.

    *created_at* and *expires_at* are unix seconds. *address_of* and *names* (display names of records) go by type and id;
    the names may be fewer than the records.
    """

    account_id: int
    account_name: str
    lineage: str
    state_position: int
    labels_digest: str
    created_at: float
    crmsync_version: str
    profile: str | None = None
    state_was_empty: bool = False
    expires_at: float | None = None
    address_of: Mapping[tuple[str, int], Address] = field(default_factory=dict)
    names: Mapping[tuple[str, int], str] = field(default_factory=dict)
    web_base: str = "https://app.copper.com"


class Showing(Struct, frozen=True):
    """Shows values and links of one account."""

    catalogue: Catalogue
    meta: Meta
    _showers: dict[tuple[str, str], Callable[[Value], Plain]] = field(default_factory=dict)

    def value(self, address: Address, name: str, value: Value) -> Plain:
        """Return *value* of the field *name* of a record as plain data."""
        return self.shower(address, name)(value)

    def shower(self, address: Address, name: str) -> Callable[[Value], Plain]:
        """Return what shows values of the field *name* of a record as plain data."""
        known = address.type, name
        shower = self._showers.get(known)
        if shower is None:
            shower = self._showers[known] = self._shower(self.catalogue[address.type].by_name[name])
        return shower

    def _shower(self, row: Field) -> Callable[[Value], Plain]:
        """Return what shows values of *row*: set out once, for a plan has many."""
        show, target, nothing = row.kind.show, row.target or "", Members() if row.kind.is_set else None

        def name_of(id: int) -> str:
            return self.catalogue.label(target, id)

        if row.kind.is_reference:
            return lambda value: self._reference(row, value)
        return lambda value: show(nothing if value is None else value, row, name_of)

    def _reference(self, row: Field, value: Value) -> Plain:
        if value is None:
            return None
        if isinstance(value, Address):
            return str(value)
        assert isinstance(value, int), value
        known = (row.target or "", value)
        if known in self.meta.address_of:
            return str(self.meta.address_of[known])
        if known in self.meta.names:
            return {"id": value, "name": self.meta.names[known]}
        return {"id": value}

    def members(self, address: Address, name: str, members: Members) -> list[Plain]:
        """Return the members of a set as plain data, sorted as they are."""
        shown = self.value(address, name, members) if members else []
        assert isinstance(shown, list), shown
        return shown

    def link(self, address: Address, record_id: int | None) -> str | None:
        """Return where the record is seen in Copper's web application; None while it does not exist."""
        entity = self.catalogue.by_name.get(address.type)
        if record_id is None or entity is None:
            return None
        return f"{self.meta.web_base}/companies/{self.meta.account_id}/app#/{entity.web_path}/{record_id}"


def place(position: Position | None) -> dict[str, Plain] | None:
    """Return *position* as plain data."""
    if position is None:
        return None
    return {"name": position.file, "line": position.line, "column": position.column}


def moment(seconds: float | None) -> str | None:
    """Return a time in unix seconds as ``2026-12-31T23:59:59Z``."""
    return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
