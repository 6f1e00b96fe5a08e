"""
The records, their indexes and their relations; every change is a small value that can be replayed.

A change is a JSON list: ["put", plural, record], ["remove", plural, id], ["relate", a, b],
["unrelate", a, b], ["hide", plural, id, hidden], ["next", plural, id], ["keep", shelf, id, thing], with a and b
as [plural, id]. Records are replaced, never edited, so that a copy handed out stays as it was.

A shelf holds what is no record: activities, webhooks, files, links of Connect fields, definitions. A thing is
any JSON object; None in its place says that it was removed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crmsync.sandbox.orders import Order
from crmsync.sandbox.replies import Json
from crmsync.sandbox.tables import SHELVES, EntityRow, FieldRow

Record = dict[str, Any]
Ref = tuple[str, int]


@dataclass(frozen=True)
class Event:
    """One change others may want to hear of: a record or a thing before and after."""

    table: str
    id: int
    old: Record | None
    new: Record | None


def canonical(text: str) -> str:
    """Return *text* as it is compared: without blanks around, upper case aside."""
    return text.strip().casefold()


def index_keys(row: FieldRow, value: Json) -> Iterator[str | int]:
    """Yield the keys under which a record with this value is found."""
    if isinstance(value, str):
        if value.strip():
            yield canonical(value)
    elif isinstance(value, int):
        yield value
    elif row.kind == "resource":
        if value:
            yield f"{value['type']}/{value['id']}"
    elif value:
        for item in value if isinstance(value, list) else [value]:
            yield canonical(item[row.key])


class Store:
    """Holds the records of one account. Not thread-safe; `Sandbox` has the lock."""

    def __init__(self, rows: Mapping[str, EntityRow]) -> None:
        self._rows = rows
        self._indexed = {plural: [f for f in row.fields if f.index] for plural, row in rows.items()}
        self.records: dict[str, dict[int, Record]] = {plural: {} for plural in rows}
        self.hidden: dict[str, set[int]] = {plural: set() for plural in rows}
        self.things: dict[str, dict[int, Json]] = {name: {} for name in SHELVES}
        self.unsaved: list[Json] = []
        self.events: list[Event] = []
        self.version = 0
        self.memo: dict[str, tuple[int, list[Record]]] = {}
        self.rendered: dict[str, tuple[Any, dict[int, Any]]] = {}
        self.versions: dict[str, int] = dict.fromkeys((*rows, *SHELVES), 0)
        self._next = {plural: row.first_id for plural, row in rows.items()} | dict(SHELVES)
        self._edges: dict[Ref, dict[Ref, None]] = {}
        # By (type, field) and key: an id, or several of them in a dict, for most keys have one and a dict costs 230 bytes.
        self._index: dict[tuple[str, str], dict[str | int, int | dict[int, None]]] = {}
        self._orders: dict[str, dict[str, Order]] = {table: {} for table in self.versions}
        self._order_versions: dict[tuple[str, str], int] = {}

    def next_id(self, table: str) -> int:
        """Return the id of the next record or thing of the type; ids are never used twice."""
        return self._next[table]

    def get(self, plural: str, id: int) -> Record | None:
        """Return the record, or None."""
        return self.records[plural].get(id)

    def ids(self, plural: str, field: str, key: str | int) -> Collection[int]:
        """Return the ids of the records whose indexed *field* has *key*, oldest entry first."""
        found = self._index.get((plural, field), {}).get(key, {})
        return (found,) if isinstance(found, int) else found.keys()

    def keys(self, plural: str, field: str) -> Collection[str | int]:
        """Return every key the indexed *field* has."""
        return self._index.get((plural, field), {}).keys()

    def referrers(self, plural: str, id: int) -> list[tuple[str, int, str]]:
        """Return (type, id, field) of each record whose link field names this record."""
        resource = f"{self._rows[plural].singular}/{id}"
        return [
            (row.plural, referrer, field.name)
            for row in self._rows.values()
            for field in row.fields
            if field.target == plural or field.kind == "resource"
            for referrer in self.ids(row.plural, field.name, resource if field.kind == "resource" else id)
        ]

    def edges(self, ref: Ref) -> list[Ref]:
        """Return what the record was related to by the related-items routes, oldest first."""
        return list(self._edges.get(ref, {}))

    def in_order(self, table: str, name: str, key: Callable[[Any], Any], depends: str = "") -> Order:
        """
        Return all ids sorted by *key*, remembered under *name*; only what changed is sorted in anew.

        A key that looks at records of another type *depends* on it: a change there sorts everything anew.
        """
        order = self._orders[table].get(name)
        seen = self.versions[depends] if depends else 0
        if order is None or self._order_versions.get((table, name)) != seen:
            order = self._orders[table][name] = Order(key)
            self._order_versions[table, name] = seen
            for id in self._table(table):
                order.note(id)
        order.settle(self._table(table))
        return order

    def _table(self, table: str) -> Mapping[int, Any]:
        return self.things[table] if table in self.things else self.records[table]

    def put(self, plural: str, record: Record, *, quiet: bool = False) -> None:
        """Add or replace a record; a *quiet* change is no event."""
        self._tell(plural, record["id"], record, quiet)
        self._commit(["put", plural, record])

    def remove(self, plural: str, id: int) -> None:
        """Remove a record and its relations."""
        for other in self.edges((plural, id)):
            self.unrelate((plural, id), other)
        self._tell(plural, id, None)
        self._commit(["remove", plural, id])

    def relate(self, a: Ref, b: Ref) -> None:
        """Relate two records, both ways."""
        self._commit(["relate", list(a), list(b)])

    def unrelate(self, a: Ref, b: Ref) -> None:
        """Undo `relate`."""
        self._commit(["unrelate", list(a), list(b)])

    def hide(self, plural: str, id: int, hidden: bool) -> None:
        """Let a record be out of sight of the API, as team permissions do, or back in sight."""
        self._commit(["hide", plural, id, hidden])

    def keep(self, shelf: str, id: int, thing: Json, *, quiet: bool = False) -> None:
        """Add or replace a thing, or remove it with None; a *quiet* change is no event."""
        self._tell(shelf, id, thing, quiet)
        self._commit(["keep", shelf, id, thing])

    def _tell(self, table: str, id: int, new: Record | None, quiet: bool = False) -> None:
        if not quiet:
            self.events.append(Event(table, id, self._table(table).get(id), new))

    def snapshot(self) -> Iterator[Json]:
        """Yield the changes that build the present content from nothing."""
        for plural, table in self.records.items():
            for record in table.values():
                yield ["put", plural, record]
            yield ["next", plural, self._next[plural]]
            for id in self.hidden[plural]:
                yield ["hide", plural, id, True]
        for a, others in self._edges.items():
            for b in others:
                if a < b:
                    yield ["relate", list(a), list(b)]
        for shelf, things in self.things.items():
            for id, thing in things.items():
                yield ["keep", shelf, id, thing]
            yield ["next", shelf, self._next[shelf]]

    def replay(self, change: Json) -> None:
        """Apply one change that was recorded before."""
        self.version += 1
        verb, *rest = change
        getattr(self, f"_do_{verb}")(*rest)

    def _commit(self, change: Json) -> None:
        self.replay(change)
        self.unsaved.append(change)

    def _do_put(self, plural: str, record: Record) -> None:
        # Keys of custom fields are numbers; JSON makes them text.
        record = {**record, "custom_fields": {int(k): v for k, v in record["custom_fields"].items()}}
        id = record["id"]
        old = self.records[plural].get(id)
        self._reindex(plural, id, old, record)
        self.records[plural][id] = record
        self._next[plural] = max(self._next[plural], id + 1)

    def _do_remove(self, plural: str, id: int) -> None:
        self._reindex(plural, id, self.records[plural].pop(id), None)
        self.hidden[plural].discard(id)

    def _do_relate(self, a: list[Any], b: list[Any]) -> None:
        for one, other in ((a, b), (b, a)):
            self._edges.setdefault((one[0], one[1]), {})[other[0], other[1]] = None

    def _do_unrelate(self, a: list[Any], b: list[Any]) -> None:
        for one, other in ((a, b), (b, a)):
            self._edges.get((one[0], one[1]), {}).pop((other[0], other[1]), None)

    def _do_hide(self, plural: str, id: int, hidden: bool) -> None:
        (self.hidden[plural].add if hidden else self.hidden[plural].discard)(id)

    def _do_next(self, table: str, id: int) -> None:
        self._next[table] = max(self._next[table], id)

    def _do_keep(self, shelf: str, id: int, thing: Json) -> None:
        self._note(shelf, id)
        if thing is None:
            self.things[shelf].pop(id, None)
        else:
            self.things[shelf][id] = thing
        self._next[shelf] = max(self._next[shelf], id + 1)

    def _note(self, table: str, id: int) -> None:
        self.versions[table] += 1
        for order in self._orders[table].values():
            order.note(id)

    def _reindex(self, plural: str, id: int, old: Record | None, new: Record | None) -> None:
        self._note(plural, id)
        for field in self._indexed[plural]:
            before = old[field.name] if old else None
            after = new[field.name] if new else None
            if before == after:
                continue
            index = self._index.setdefault((plural, field.name), {})
            for key in index_keys(field, before):
                _take_out(index, key, id)
            for key in index_keys(field, after):
                _put_in(index, key, id)


def _put_in(index: dict[str | int, int | dict[int, None]], key: str | int, id: int) -> None:
    known = index.setdefault(key, id)
    if isinstance(known, dict):
        known[id] = None
    elif known != id:
        index[key] = {known: None, id: None}


def _take_out(index: dict[str | int, int | dict[int, None]], key: str | int, id: int) -> None:
    known = index.get(key)
    if isinstance(known, dict):
        known.pop(id, None)
    if known == id or known == {}:
        del index[key]
