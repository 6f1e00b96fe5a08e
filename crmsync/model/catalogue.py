"""The columns of the catalogue: what a kind, a field and an entity type are. The rows are in `crmsync.catalogue`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from crmsync.model.source import Node, Problem, Table
from crmsync.model.values import Member, Plain, Value, Written


class Locale(Struct, frozen=True):
    """What reading and writing values depends on: the account's zone, its date order, the files' phone region."""

    zone: ZoneInfo = ZoneInfo("UTC")
    close_date_order: str = "mdy"
    phone_region: str = "US"


class Entry(Struct, frozen=True):
    """One entry of a lookup table: a pipeline, a stage, an option, a user. *also* holds further names (e-mail)."""

    id: int
    name: str
    within: int | None = None
    also: tuple[str, ...] = ()


#: Lookup tables by name: users, contact_types, pipelines, stages (within = pipeline id), customer_sources,
#: loss_reasons, and ``options/<definition id>`` for each custom field with options.
LabelTables = Mapping[str, tuple[Entry, ...]]


class Kind(Struct, frozen=True):
    """
    One codec per kind of value, with two faces.

    The file's face: *read* takes a node to ``(value, problems)``; *show* takes a canonical value back to what
    a file would say (labels through the third argument, which turns an id into its name).
    The wire's face: *encode* and *decode*. `decode(encode(v)) == v`, and `read(show(v)) == v`.
    *bump* the version when canonical forms change: digests of another version count as unknown.

    What is common is read faster: *keeps_words* says that a text of usual characters, with no blank around it, is its own
    value. *alike* takes an entry of a set to what reads others that are written just so, but for such a text; that gives
    None where something is to be told. *wire* is what `encode` makes of one member of a set with this text and category.
    """

    name: str
    read: Callable[[Node, Field, Locale], tuple[Written, tuple[Problem, ...]]]
    show: Callable[[Value, Field, Callable[[int], str]], Plain]
    encode: Callable[[Value, Locale], Any]
    decode: Callable[[Any, Locale], Value]
    schema: Mapping[str, Any]
    version: int = 1
    is_set: bool = False
    is_label: bool = False
    is_reference: bool = False
    keeps_words: bool = False
    alike: Callable[[Table, Field, Locale], Callable[[str], Member | None] | None] | None = None
    wire: Callable[[str | int, str | None], Any] | None = None


class Write(StrEnum):
    """When a field can be sent: with every write, only on creation (later through its route), or never."""

    ALWAYS = "always"
    CREATE = "create"
    NEVER = "never"


class Filter(Struct, frozen=True):
    """How Copper's search finds records by the value of a field; *takes_many* when one call may ask for several."""

    key: str
    takes_many: bool = False


class Field(Struct, frozen=True):
    """
    One field of an entity type.

    *name* is the user's word (``assignee``, ``address.city``, ``custom_fields.Tier``), *key* Copper's (``assignee_id``).
    *part* is the key inside a nested object (``city`` inside ``address``).
    *target* is the label table or the entity type that the value points to; *within* the sibling field whose value
    narrows the label table (stage within pipeline). *reset_by* names a sibling whose change makes Copper overwrite this one.
    *route* is ``related`` where a change after creation goes through related items.
    *definition_id* marks a custom field. *choices* are the words of a closed list. *max_length* is in characters.
    *filter* says how a search finds a value of it. *doc* says where the fact comes from.
    """

    name: str
    kind: Kind
    key: str
    doc: str
    part: str | None = None
    target: str | None = None
    within: str | None = None
    write: Write = Write.ALWAYS
    route: str | None = None
    required: bool = False
    unique: bool = False
    definition_id: int | None = None
    choices: tuple[str, ...] = ()
    max_length: int | None = None
    reset_by: str | None = None
    filter: Filter | None = None

    @property
    def id(self) -> str:
        """The name under which the state knows this field: a custom field keeps it when it is renamed."""
        return self.name if self.definition_id is None else f"custom_fields/{self.definition_id}"


class Match(Struct, frozen=True):
    """
    One rung of the identity ladder: records are the same when they share *by*.

    *within*: and this reference as well (opportunity name within its company).
    *where_empty*: only records of Copper where this field is empty count; one that has it filled makes the record held.
    """

    by: str
    within: str | None = None
    where_empty: str | None = None


#: The custom field that says which address a record has, where ``stamp: true`` asks for it.
STAMP = "custom_fields.crmsync"


class EntityType(Struct, frozen=True, dict=True):
    """One type of record. *bulk* holds ``create`` and ``update`` where Copper takes ten in one call."""

    name: str
    singular: str
    path: str
    fields: tuple[Field, ...]
    match_on: tuple[Match, ...]
    bulk: frozenset[str]
    web_path: str
    doc: str

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        """The fields by the user's name."""
        return {field.name: field for field in self.fields}

    @cached_property
    def ids(self) -> Mapping[str, str]:
        """The state's names of the fields by the user's."""
        return {field.name: field.id for field in self.fields}

    @cached_property
    def by_id(self) -> Mapping[str, Field]:
        """The fields by the state's name."""
        return {field.id: field for field in self.fields}

    @cached_property
    def links(self) -> tuple[Field, ...]:
        """The fields that point at other records."""
        return tuple(field for field in self.fields if field.kind.is_reference)

    @cached_property
    def uniques(self) -> tuple[Field, ...]:
        """The fields whose values Copper allows once in an account."""
        return tuple(field for field in self.fields if field.unique)


class Catalogue(Struct, frozen=True, dict=True):
    """All entity types, with the account's custom fields once they are known, its label tables and its locale."""

    types: tuple[EntityType, ...]
    labels: LabelTables = field(default_factory=dict)
    locale: Locale = field(default_factory=Locale)
    has_account: bool = False

    @cached_property
    def by_name(self) -> Mapping[str, EntityType]:
        """The types by their plural names."""
        return {entity.name: entity for entity in self.types}

    def __getitem__(self, name: str) -> EntityType:
        return self.by_name[name]

    def label(self, table: str, id: int) -> str:
        """Return the name of an entry, or ``#id`` when the account does not list it."""
        return self._names.get((table, id), f"#{id}")

    @cached_property
    def _names(self) -> Mapping[tuple[str, int], str]:
        return {(table, entry.id): entry.name for table, entries in self.labels.items() for entry in entries}
