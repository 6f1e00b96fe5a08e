"""What can be done with one type of record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, overload

from crmsync.catalogue.others import SINGULARS
from crmsync.client import bulk
from crmsync.client.bodies import Sheet, needs_pipeline, sheet
from crmsync.client.book import Book, type_named
from crmsync.client.criteria import conditions, criteria
from crmsync.client.record import Record
from crmsync.client.search import Search, order_of
from crmsync.client.trouble import bad, each_row
from crmsync.client.values import Named
from crmsync.client.writing import write
from crmsync.copper import read
from crmsync.copper.errors import CopperError, NotFound, Rejected, odd_answer
from crmsync.model.bodies import CUSTOM_FIELDS
from crmsync.model.catalogue import EntityType
from crmsync.model.http import json_request
from crmsync.model.values import Value

#: A record, or its id.
Which = Named | int
#: A record, or its type and id.
Other = Named | tuple[str, int]
#: The id of a record, what shall change in it, and the record as it is where that is needed.
_Intent = tuple[int, Sheet, Record | None]


class Records:
    """The records of one type: ``copper.people``."""

    def __init__(self, book: Book, type_name: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._book = book
        self._sleep = sleep
        self.type = type_name
        self.path = book.path(type_name)

    @overload
    def search(
        self,
        *where: str,
        sort: str | None = ...,
        descending: bool = ...,
        limit: int | None = ...,
        raw: Literal[False] = ...,
        **fields: Any,
    ) -> Search[Record]: ...
    @overload
    def search(
        self,
        *where: str,
        sort: str | None = ...,
        descending: bool = ...,
        limit: int | None = ...,
        raw: Literal[True],
        **fields: Any,
    ) -> Search[Mapping[str, Any]]: ...
    def search(
        self,
        *where: str,
        sort: str | None = None,
        descending: bool = False,
        limit: int | None = None,
        raw: bool = False,
        **fields: Any,
    ) -> Search[Any]:
        """
        Return the records that meet every condition, read when they are iterated; *raw* gives bodies as on the wire.

        Conditions are fields with a value, or several of which any will do, None for empty (``company="Acme"``,
        ``tags=["vip", "gold"]``, ``minimum_monetary_value=1000``), and texts such as ``"monetary_value>=1000"``.
        Raises BadInput before anything is searched.
        """
        if limit is not None and limit < 0:
            raise bad("CRM020", "The limit is a number of records, 0 or more.")
        wanted = criteria(self._book, type_named(self.type), conditions(self.type, where, fields))
        order = order_of(self._book, self.type, sort, descending)
        give: Callable[[Record], Any] = (lambda record: record.raw) if raw else (lambda record: record)
        return Search(self._book, self.type, wanted, order, limit, give)

    def get(self, id: Which) -> Record:
        """Return one record. Raises NotFound."""
        body = read.get(self._book.client, self.path, _id(id))
        if body is None:
            raise _gone(self.type, _id(id))
        return self._record(body)

    def get_many(self, ids: Iterable[Which]) -> list[Record]:
        """Return the records with these ids that Copper shows, in the order given: 200 cost one request."""
        wanted = list(dict.fromkeys(_id(id) for id in ids))
        try:
            found = read.by_ids(self._book.client, self.path, wanted)
        except Rejected:  # that leads and activities can be searched by id is not documented (copper-api.md 14, 21)
            bodies = {id: read.get(self._book.client, self.path, id) for id in wanted}
            found = {id: body for id, body in bodies.items() if body is not None}
        return [self._record(found[id]) for id in wanted if id in found]

    def create(self, values: Mapping[str, Any] | None = None, /, **fields: Any) -> Record:
        """Return the new record. Raises BadInput before anything is sent, CopperError after."""
        made = sheet(self._book, self.type, {**(values or {}), **fields}, is_new=True)
        return self._record(self._write("POST", self.path, made.body(self._book, None)))

    def update(self, which: Which, values: Mapping[str, Any] | None = None, /, **fields: Any) -> Record:
        """
        Return the record with the given fields changed, and no other; None clears. Lists such as tags are replaced whole.

        Raises BadInput before anything is changed, CopperError after.
        """
        id, given = _id(which), {**(values or {}), **fields}
        changed, before = self._sheet(id, given)
        after = before
        if changed.routed:
            after = self._reroute(id, changed.routed, before or self.get(id))
        body = changed.body(self._book, before.observed if before is not None else None)
        if body or after is None:
            after = self._record(self._write("PUT", f"{self.path}/{id}", body))
        return after

    def delete(self, which: Which) -> None:
        """Delete a record, for good. Raises NotFound when there is none."""
        self._write("DELETE", f"{self.path}/{_id(which)}")

    def create_many(self, rows: Iterable[Mapping[str, Any]]) -> bulk.Written:
        """Return what became of each row; Copper's limit of 10 in a call is nobody's concern. Raises BadInput first."""
        sheets = each_row(rows, lambda row: sheet(self._book, self.type, row, is_new=True))
        entity = self._book.entity(self.type)
        parts = [bulk.part(entity, each.values, each.body(self._book, None)) for each in sheets]
        return bulk.Written(tuple(bulk.send_many(self._book, entity, "create", parts, sleep=self._sleep)))

    def update_many(self, rows: Iterable[Mapping[str, Any]]) -> bulk.Written:
        """
        Return what became of each row; each names its record as ``id``. Raises BadInput before anything is changed.

        What Copper changes through another call (the company of a person) is changed one by one.
        """
        entity = self._book.entity(self.type)
        parts = [self._part(entity, intent) for intent in each_row(rows, self._intent)]
        ready = [each for each in parts if isinstance(each, bulk.Part)]
        sent = iter(bulk.send_many(self._book, entity, "update", ready, sleep=self._sleep))
        return bulk.Written(tuple(next(sent) if isinstance(each, bulk.Part) else each for each in parts))

    def delete_many(self, ids: Iterable[Which]) -> bulk.Deleted:
        """Return what became of each record, deleted one by one, for Copper has no bulk call. Raises BadInput first."""
        return bulk.delete_many(self._book, self.path, [_id(id) for id in ids], sleep=self._sleep)

    @overload
    def related(self, which: Which, type: str | None = ..., *, full: Literal[False] = ...) -> list[tuple[str, int]]: ...
    @overload
    def related(self, which: Which, type: str | None = ..., *, full: Literal[True]) -> list[Record]: ...
    def related(self, which: Which, type: str | None = None, *, full: bool = False) -> Any:
        """Return what a record is related to, as types and ids, of one *type* or of all; *full* gives the records."""
        wanted = None if type is None else type_named(type).name
        found = read.related(self._book.client, self.path, _id(which))
        pairs = [(type_named(str(each["type"])).name, int(each["id"])) for each in found]
        pairs = [pair for pair in pairs if wanted in (None, pair[0])]
        if not full:
            return pairs
        records: list[Record] = []
        for type_name in dict.fromkeys(pair[0] for pair in pairs):
            others = Records(self._book, type_name, self._sleep)
            records += others.get_many([id for name, id in pairs if name == type_name])
        return records

    def relate(self, which: Which, other: Other) -> None:
        """Relate two records; what is related already stays so."""
        pair = _pair(other)
        if pair not in self.related(which):
            self._write("POST", f"{self.path}/{_id(which)}/related", _resource(pair))

    def unrelate(self, which: Which, other: Other) -> None:
        """Take two records apart; what is not related stays so."""
        pair = _pair(other)
        try:
            self._write("DELETE", f"{self.path}/{_id(which)}/related", _resource(pair))
        except Rejected:
            if pair in self.related(which):
                raise

    def activities(self, which: Which, *where: str, **fields: Any) -> Search[Record]:
        """Return the activities of a record, newest first."""
        parent = f"{SINGULARS[self.type]}/{_id(which)}"
        return Records(self._book, "activities", self._sleep).search(*where, parent=parent, **fields)

    def _sheet(self, id: int, given: Mapping[str, Any]) -> tuple[Sheet, Record | None]:
        """Return what shall change, and the record as it is where that is needed to say it."""
        before = self.get(id) if needs_pipeline(given) else None
        pipeline = before.ids.get("pipeline") if before is not None else None
        changed = sheet(self._book, self.type, given, is_new=False, pipeline=pipeline)
        if before is None and changed.needs_observed:
            before = self.get(id)
        return changed, before

    def _intent(self, row: Mapping[str, Any]) -> _Intent | CopperError:
        """Return what shall become of the record that a row names, or why it cannot be read. Raises BadInput."""
        if "id" not in row:
            raise bad("CRM041", 'Each row of update_many needs an "id".')
        id, given = _id(row["id"]), {name: value for name, value in row.items() if name != "id"}
        try:
            return id, *self._sheet(id, given)
        except CopperError as error:
            return error

    def _part(self, entity: EntityType, intent: _Intent | CopperError) -> bulk.Part | CopperError:
        """Return what is left for a bulk call, once links were changed that it cannot change."""
        if isinstance(intent, CopperError):
            return intent
        id, changed, before = intent
        try:
            if changed.routed:
                before = self._reroute(id, changed.routed, before or self.get(id))
        except CopperError as error:
            return error
        body = changed.body(self._book, before.observed if before is not None else None)
        return bulk.part(entity, changed.values, {"id": id, **body})

    def _reroute(self, id: int, routed: Mapping[str, Value], before: Record) -> Record:
        """Change links that Copper changes through related items: the old one goes, the new one comes."""
        for name, target in routed.items():
            row = before.entity.by_name[name]
            old = before.value(row)
            if old == target:
                continue
            if isinstance(old, int):
                self.unrelate(id, (str(row.target), old))
            if isinstance(target, int):
                self.relate(id, (str(row.target), target))
        return self.get(id)

    def _record(self, body: Any) -> Record:
        return Record(self.type, body, self._book)

    def _write(self, method: str, path: str, payload: Any = None) -> Any:
        return write(self._book, method, path, payload, sleep=self._sleep)


class People(Records):
    """People: also found by e-mail."""

    def get_by_email(self, email: str) -> Record:
        """Return the person with this e-mail address. Raises NotFound."""
        request = json_request("POST", f"{self.path}/fetch_by_email", {"email": email})
        try:
            response, data = self._book.client.read_data(request)
        except NotFound as error:
            # A client found this route gone; the search finds the same (copper-field.md 2.4).
            found = None if error.is_record else self.search(emails=email).first()
            if found is None:
                raise NotFound(f"Nobody in Copper has the e-mail {email}.", status=404, is_record=True) from error
            return found
        if not isinstance(data, dict) or not isinstance(data.get("id"), int):
            raise odd_answer(response, "a person")
        return self._record(data)


class Leads(Records):
    """Leads: also created or updated in one call, and converted."""

    def get_by_email(self, email: str) -> Record:
        """Return the one lead with this e-mail address. Raises NotFound, and BadInput when several have it."""
        found = list(self.search(email=email, limit=2))
        if not found:
            raise NotFound(f"No lead in Copper has the e-mail {email}.", status=404, is_record=True)
        if len(found) > 1:
            raise bad("CRM038", f"Several leads have the e-mail {email}: {', '.join(f'#{each.id}' for each in found)}, ...")
        return found[0]

    def upsert(self, match_on: str, values: Mapping[str, Any] | None = None, /, **fields: Any) -> Record:
        """
        Return the lead that has the same *match_on*, updated, or a new one, in one call of Copper's.

        *match_on* is ``email``, ``name`` or a custom field, and is among the values. Raises Rejected when several match.
        """
        given = {**(values or {}), **fields}
        made = sheet(self._book, self.type, given, is_new=True)
        row = self._book.field(self.type, match_on)
        if row.name not in made.values:
            raise bad("CRM041", f'"{match_on}" decides which lead is meant, so it must be among the values.')
        body = made.body(self._book, None)
        match = {"field_name": row.key, "field_value": _matched(body, row.key)}
        if row.definition_id is not None:
            entry = next(each for each in body[CUSTOM_FIELDS] if each["custom_field_definition_id"] == row.definition_id)
            match = {"field_name": "custom", "field_value": entry}
        return self._record(self._write("PUT", f"{self.path}/upsert", {"properties": body, "match": match}))

    def convert(
        self,
        which: Which,
        *,
        person: Mapping[str, Any] | None = None,
        company: str | int | Named | None = None,
        opportunity: Mapping[str, Any] | None = None,
    ) -> dict[str, Record]:
        """
        Return the records that a lead becomes, by type; the lead is gone.

        *company* is the name of one, made if there is none called exactly so, or a record or id; "" for none.
        *person* takes name, contact_type and assignee, *opportunity* name, pipeline, stage, monetary_value and assignee;
        without it none is made (developer.copper.com/leads/convert-a-lead.html).
        """
        details: dict[str, Any] = {}
        details["person"] = self._details("people", {"name": self.get(which)["name"], **(person or {})})
        if isinstance(company, str):
            details["company"] = {"name": company, **({"exact_match": True} if company else {})}
        elif company is not None:
            details["company"] = {"id": _id(company)}
        if opportunity is not None:
            details["opportunity"] = self._details("opportunities", opportunity)
        data = self._write("POST", f"{self.path}/{_id(which)}/convert", {"details": details})
        made = ((type_named(name).name, body) for name, body in data.items() if isinstance(body, dict))
        return {type_name: Record(type_name, body, self._book) for type_name, body in made}

    def _details(self, type_name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        allowed = _CONVERTED[type_name]
        for name in given:
            row = self._book.field(type_name, name)
            if row.name not in allowed:
                detail = f'"{name}" cannot be given when a lead is converted; change it afterwards.'
                raise bad("CRM018", f"{detail} There are: {', '.join(allowed)}.")
        return sheet(self._book, type_name, given, is_new=True).body(self._book, None)


_CONVERTED = {
    "people": ("name", "contact_type", "assignee"),
    "opportunities": ("name", "pipeline", "stage", "monetary_value", "assignee"),
}


def _matched(body: Mapping[str, Any], key: str) -> Any:
    value = body[key]
    return value["email"] if isinstance(value, dict) else value


def _id(which: Any) -> int:
    if isinstance(which, Named):
        return which.id
    if isinstance(which, bool) or not isinstance(which, int):
        raise bad("CRM020", f"A record is named by its id, a whole number, not by {which!r}.")
    return which


def _pair(other: Other) -> tuple[str, int]:
    if isinstance(other, Named):
        return other.type, other.id
    return type_named(other[0]).name, _id(other[1])


def _resource(pair: tuple[str, int]) -> dict[str, Any]:
    return {"resource": {"id": pair[1], "type": SINGULARS[pair[0]]}}


def _gone(type_name: str, id: int) -> NotFound:
    return NotFound(f"Copper has no {SINGULARS.get(type_name, 'activity')} #{id}.", status=404, is_record=True)
