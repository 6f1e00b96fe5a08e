"""
The sandbox under observation: what each executed write found and left, and what people did meanwhile.

Records are replaced in the sandbox, never edited, so a picture of one costs nothing; it is decoded only when a check looks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from crmsync.model.bodies import decode_body
from crmsync.model.catalogue import Catalogue
from crmsync.model.events import WriteAction
from crmsync.model.http import parse_json
from crmsync.model.records import Observed
from crmsync.sandbox import Quirks, Rate, Sandbox
from crmsync.sandbox.account import Account
from crmsync.sandbox.replies import dump
from crmsync.sandbox.show import show
from crmsync.sandbox.tables import ENTITIES

_ROUTE = re.compile(
    r"^/(companies|people|opportunities)(?:/(\d+|bulk_create|bulk_update|search))?(?:/(related))?/?(?:\?.*)?$"
)


HEADERS = {
    "X-PW-AccessToken": "sandbox-key",
    "X-PW-Application": "developer_api",
    "X-PW-UserEmail": "dana@ourfirm.com",
    "Content-Type": "application/json",
}

#: Sends what the simulation wants to know itself.
ASIDE = "the simulation"


@dataclass(frozen=True, eq=False)
class Sent:
    """A request on its way, and whose it is: *sender* is the record of one send, a person, or `ASIDE`."""

    method: str
    path: str
    body: bytes
    headers: Mapping[str, str]
    sender: Any = None


@dataclass
class Item:
    """
    One record in an executed write: what was asked, what it was before, what it is after (raw, None if none).

    *others* is everything that was there before a delete, by type and id.
    """

    id: int | None
    body: Mapping[str, Any]
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    others: Mapping[str, Mapping[int, Mapping[str, Any]]] = field(default_factory=dict)


@dataclass
class Executed:
    """A write as it was carried out at *at*, by Copper's clock."""

    at: float
    type: str
    action: WriteAction
    items: list[Item]
    sender: Any
    status: int


@dataclass
class Act:
    """What a person did to a record."""

    at: float
    kind: str
    type: str
    id: int
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True)
class Route:
    """What a request is about: a read has no *action*."""

    type: str
    id: int | None
    action: WriteAction | None
    is_bulk: bool = False

    @property
    def is_delete(self) -> bool:
        """Say whether it deletes."""
        return self.action is WriteAction.DELETE


def route_of(method: str, path: str) -> Route | None:
    """Return what a request is about, or None for one that is not about records."""
    found = _ROUTE.match(path)
    if found is None:
        return None
    type_name, word, is_related = found.groups()
    id = int(word) if word is not None and word.isdigit() else None
    if is_related:
        actions = {"POST": WriteAction.RELATE, "DELETE": WriteAction.UNRELATE}
        return Route(type_name, id, actions.get(method))
    if word in ("bulk_create", "bulk_update"):
        return Route(type_name, None, WriteAction(word.removeprefix("bulk_")), is_bulk=True)
    actions = {"PUT": WriteAction.UPDATE, "DELETE": WriteAction.DELETE}
    if word is None and method == "POST":
        return Route(type_name, None, WriteAction.CREATE)
    return Route(type_name, id, actions.get(method) if id is not None else None)


class Watched(Sandbox):
    """A sandbox that tells."""

    def __init__(self, account: Account, clock: Callable[[], float], quirks: Quirks, rate: Rate | None, seed: int) -> None:
        super().__init__(account, clock=clock, quirks=quirks, rate=rate, seed=seed)
        self.on_write: Callable[[Executed], None] = lambda executed: None
        self.on_act: Callable[[Act], None] = lambda act: None
        self.touched: set[tuple[str, int]] = set()
        self.has_other_labels = False
        self.known: Callable[[], Collection[tuple[str, int]]] = tuple

    # ---- requests

    def _execute(self, request: Any, now: float, quirks: Quirks | None = None) -> Any:
        route = route_of(request.method, request.path)
        if route is None or route.action is None:
            return super()._execute(request, now, quirks)
        items = self._items(route, request)
        reply, executed = super()._execute(request, now, quirks)
        if executed:
            self._settle(route, items, reply)
            self.on_write(Executed(now, route.type, route.action, items, request.sender, reply.status))
        return reply, executed

    def _wait(self, request: Any, now: float) -> float:
        """Count nothing that is asked aside: whether it is asked depends on what was simulated before."""
        return 0.0 if request.sender is ASIDE else super()._wait(request, now)

    def _items(self, route: Route, request: Any) -> list[Item]:
        body = json.loads(request.body) if request.body else {}
        bodies = body[route.type] if route.is_bulk else [body]
        items = []
        for each in bodies:
            id = each.get("id") if route.is_bulk else route.id
            before = self._store.records[route.type].get(id) if id is not None else None
            values = {key: value for key, value in each.items() if key != "id"}
            # Once a record is deleted Copper may have emptied the links to it.
            others = {name: dict(shelf) for name, shelf in self._store.records.items()} if route.is_delete else {}
            items.append(Item(id, values, before, None, others))
        return items

    def _settle(self, route: Route, items: list[Item], reply: Any) -> None:
        """Note what was made of each item; those that Copper refused are taken out."""
        if route.action is WriteAction.CREATE or route.is_bulk:
            data = parse_json(reply.body)
            answers = data if route.is_bulk else [data]
            refused = [item for item, answer in zip(items, answers, strict=True) if answer.get("success") is False]
            for item, answer in zip(items, answers, strict=True):
                item.id = item.id or answer.get("id")
            for item in refused:
                item.id = None
        for item in items:
            item.after = self._store.records[route.type].get(item.id) if item.id is not None else None

    # ---- people

    def act(self, kind: str, type_name: str, id: int, do: Callable[[], Any]) -> None:
        """Let a person do something, and tell of every record that it changed; what came late is not the person's."""
        self._run_late(self._clock())
        shelves = {name: dict(self._store.records[name]) for name in ("companies", "people", "opportunities")}
        do()
        for name, old in shelves.items():
            new = self._store.records[name]
            for each in old.keys() | new.keys():
                if old.get(each) is not new.get(each):
                    self.touched.add((name, each))
                    self.on_act(Act(self._clock(), kind, name, each, old.get(each), new.get(each)))

    def rename(self, account: Account) -> None:
        """Let the account have other labels from now on."""
        self._account = account
        self._written = -1

    def raw(self, type_name: str, id: int) -> Mapping[str, Any] | None:
        """Return a record as the sandbox holds it."""
        return self._store.records[type_name].get(id)

    def everything(self, type_name: str) -> Mapping[int, Mapping[str, Any]]:
        """Return all records of a type as the sandbox holds them."""
        return self._store.records[type_name]

    def is_hidden(self, type_name: str, id: int) -> bool:
        """Say whether a record is out of the API's sight."""
        return id in self._store.hidden[type_name]

    def picture(self, type_name: str, raw: Mapping[str, Any], catalogue: Catalogue) -> Observed:
        """Return a raw record as crmsync would see it."""
        row = ENTITIES[type_name]
        world = replace(self._world(self._clock()), sees_hidden=True)
        body = parse_json(dump(show(world, row, dict(raw))))
        return decode_body(catalogue[type_name], body, catalogue.locale)
