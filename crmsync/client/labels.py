"""
The lookup tables of an account, both ways: users, pipelines, stages, contact types, sources, options, and the rest.

Each table is fetched once, when it is first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from threading import RLock
from typing import Any

from crmsync.catalogue.account import label_tables, option_tables
from crmsync.client.trouble import a, bad
from crmsync.copper import read
from crmsync.copper.client import Client
from crmsync.copper.errors import odd_answer
from crmsync.model.catalogue import Entry
from crmsync.model.http import Request
from crmsync.model.source import Position
from crmsync.resolve import Ambiguous, Found, find_label

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Table(Sequence[Entry]):
    """One lookup table: entries with id and name, in the order that Copper shows."""

    noun: str
    entries: tuple[Entry, ...]

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, at: Any) -> Any:
        return self.entries[at]

    def __repr__(self) -> str:
        return f"<{self.noun}: {', '.join(f'{entry.name} #{entry.id}' for entry in self.entries) or 'none'}>"

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    @property
    def names(self) -> tuple[str, ...]:
        """The labels."""
        return tuple(entry.name for entry in self.entries)

    def id(self, label: str | int, position: Position | None = None) -> int:
        """Return the id of a label. Raises BadInput when there is none, or when several entries have it."""
        found = self.ids(label, position)
        if len(found) == 1:
            return found[0]
        listed = ", ".join(f"{entry.name} (#{entry.id})" for entry in self.entries if entry.id in found)
        raise bad(
            "CRM031", f'"{label}" could be {listed}. Name the one you mean by its id, such as "#{found[0]}".', position
        )

    def ids(self, label: str | int, position: Position | None = None) -> tuple[int, ...]:
        """Return the ids of all entries with this label. Raises BadInput when there is none."""
        if isinstance(label, int):
            if any(entry.id == label for entry in self.entries):
                return (label,)
            raise bad("CRM030", f"There is no {self.noun} with the id {label} in this Copper account.", position)
        match find_label(self.entries, label):
            case Found(entry):
                return (entry.id,)
            case Ambiguous(candidates):
                return tuple(entry.id for entry in candidates)
            case missing:
                detail = f'There is no {self.noun} called "{label}" in this Copper account.{missing.suggestion}'
                raise bad("CRM030", detail, position)

    def name(self, id: int) -> str:
        """Return the label of an id; ``#id`` for one that the account does not list."""
        return next((entry.name for entry in self.entries if entry.id == id), f"#{id}")


@dataclass(frozen=True)
class CustomField:
    """A custom field: its definition as Copper has it, and its options."""

    id: int
    name: str
    data_type: str
    available_on: tuple[str, ...]
    is_filterable: bool
    options: Table
    raw: Body


_NOUNS = {
    "users": "user",
    "pipelines": "pipeline",
    "stages": "stage",
    "contact_types": "contact type",
    "customer_sources": "customer source",
    "loss_reasons": "loss reason",
    "lead_statuses": "lead status",
    "activity_types": "activity type",
    "custom_fields": "custom field",
}


class Labels:
    """All lookup tables of one account."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = RLock()
        self._tables: dict[str, tuple[Entry, ...]] = {}
        self._definitions: tuple[Body, ...] | None = None

    @property
    def users(self) -> Table:
        """The users; also found by e-mail."""
        return self.table("users")

    @property
    def pipelines(self) -> Table:
        """The pipelines."""
        return self.table("pipelines")

    @property
    def contact_types(self) -> Table:
        """The contact types."""
        return self.table("contact_types")

    @property
    def customer_sources(self) -> Table:
        """The customer sources."""
        return self.table("customer_sources")

    @property
    def loss_reasons(self) -> Table:
        """The loss reasons."""
        return self.table("loss_reasons")

    @property
    def lead_statuses(self) -> Table:
        """The lead statuses."""
        return self.table("lead_statuses")

    @property
    def activity_types(self) -> Table:
        """The activity types; those of the system have negative ids here, for the two kinds share one space of ids."""
        return self.table("activity_types")

    @property
    def custom_fields(self) -> Table:
        """The custom fields, by name and id."""
        return self.table("custom_fields")

    def stages(self, pipeline: str | int | None = None) -> Table:
        """Return the stages of a pipeline, by its label or id, or of all."""
        table = self.table("stages")
        if pipeline is None:
            return table
        within = self.pipelines.id(pipeline)
        return Table(table.noun, tuple(entry for entry in table if entry.within == within))

    def custom_field(self, field: str | int, on: str | None = None) -> CustomField:
        """
        Return a custom field by its name or id.

        Several may have one name (copper-api.md 5.1): *on* narrows them to a type, such as ``company``. Raises BadInput.
        """
        here = [each for each in self.definitions() if on is None or on in each.get("available_on", ())]
        table = Table("custom field" if on is None else f"custom field of {a(on)}", _entries(here))
        id = table.id(field)
        return _custom_field(next(each for each in here if each["id"] == id))

    def options(self, field: str | int, on: str | None = None) -> Table:
        """Return the options of a custom field, by its name or id. Raises BadInput."""
        return self.custom_field(field, on).options

    def table(self, name: str) -> Table:
        """Return a table by the name it has in the catalogue; ``options/<definition id>`` as well."""
        with self._lock:
            if name not in self._tables:
                self._tables.update(self._fetch(name))
            noun = _NOUNS.get(name) or f"option of {self._field_of(name)}"
            return Table(noun, self._tables.get(name, ()))

    def definitions(self) -> tuple[Body, ...]:
        """Return the custom field definitions as Copper has them."""
        with self._lock:
            if self._definitions is None:
                self._definitions = tuple(read.definitions(self._client))
            return self._definitions

    def forget(self) -> None:
        """Forget all tables: they are fetched again when they are needed."""
        with self._lock:
            self._tables.clear()
            self._definitions = None

    def _field_of(self, name: str) -> str:
        id = int(name.partition("/")[2])
        return next((str(each["name"]) for each in self.definitions() if each["id"] == id), name)

    def _fetch(self, name: str) -> Mapping[str, tuple[Entry, ...]]:
        if name == "custom_fields":
            return {name: _entries(self.definitions())}
        fetch = _FETCH.get(name)
        if fetch is not None:
            return fetch(self._client)
        return option_tables(self.definitions())


def _tables(client: Client, question: str) -> Mapping[str, tuple[Entry, ...]]:
    """Return the tables in the answer to one of the questions that every account answers; pipelines hold the stages."""
    bodies = {name: ask(client) if name == question else [] for name, ask in _QUESTIONS.items()}
    tables = label_tables(*bodies.values())
    return {name: tables[name] for name in (question, *_WITH_IT.get(question, ()))}


# In the order that `label_tables` takes them.
_QUESTIONS: Mapping[str, Callable[[Client], list[Any]]] = {
    "users": read.users,
    "pipelines": read.pipelines,
    "contact_types": read.contact_types,
    "customer_sources": read.customer_sources,
    "loss_reasons": read.loss_reasons,
}
_WITH_IT = {"pipelines": ("stages",)}


def _lead_statuses(client: Client) -> Mapping[str, tuple[Entry, ...]]:
    return {"lead_statuses": _entries(_listing(client, "/lead_statuses"))}


def _activity_types(client: Client) -> Mapping[str, tuple[Entry, ...]]:
    response, data = client.read_data(Request("GET", "/activity_types"))
    if not isinstance(data, dict) or not isinstance(data.get("user"), list):
        raise odd_answer(response, "an object with activity types")
    mine = tuple(Entry(int(each["id"]), str(each["name"])) for each in data["user"])
    theirs = tuple(Entry(-int(each["id"]), str(each["name"])) for each in data.get("system") or ())
    return {"activity_types": mine + theirs}


def _listing(client: Client, path: str) -> list[Any]:
    response, data = client.read_data(Request("GET", path))
    if not isinstance(data, list) or not all(isinstance(each, dict) and "id" in each for each in data):
        raise odd_answer(response, "a list of objects with ids")
    return data


_FETCH: Mapping[str, Callable[[Client], Mapping[str, tuple[Entry, ...]]]] = {
    **{name: partial(_tables, question=name) for name in _QUESTIONS},
    "stages": partial(_tables, question="pipelines"),
    "lead_statuses": _lead_statuses,
    "activity_types": _activity_types,
}


def _entries(bodies: Sequence[Body]) -> tuple[Entry, ...]:
    return tuple(Entry(int(each["id"]), str(each["name"])) for each in bodies)


def _custom_field(definition: Body) -> CustomField:
    options = option_tables([definition]).get(f"options/{definition['id']}", ())
    return CustomField(
        id=int(definition["id"]),
        name=str(definition["name"]),
        data_type=str(definition["data_type"]),
        available_on=tuple(definition.get("available_on", ())),
        is_filterable=bool(definition.get("is_filterable")),
        options=Table(f"option of {definition['name']}", options),
        raw=definition,
    )
