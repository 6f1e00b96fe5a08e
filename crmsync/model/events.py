"""
The events of the state: an append-only log under one lineage.

Nothing here holds a value of a field: only ids, addresses as the user wrote them, and keyed digests.
`crmsync.state.codec` turns events into JSON and back; the format is frozen (`EVENT_FORMAT`),
a new kind of event raises the number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct, field

from crmsync.model.address import Address

EVENT_FORMAT = 2


class Origin(StrEnum):
    """How an address came to its record."""

    CREATED = "created"
    ADOPTED = "adopted"
    REBUILT = "rebuilt"


class WriteAction(StrEnum):
    """What one request does to one record."""

    CREATE = "create"
    UPDATE = "update"
    RELATE = "relate"
    UNRELATE = "unrelate"
    DELETE = "delete"


class Applied(Struct, frozen=True):
    """
    What crmsync last confirmed of one field: digests of what was *asked* and what Copper *answered*.

    *members* holds the same pair for each member that is ours, by the digest of its key.
    *is_kept*: the answer is a person's value, left on purpose while the file asks for something else.
    *is_handed_over*: the field is not managed any more although a file declares it, until no file does.
    """

    asked: str
    answered: str
    members: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    is_kept: bool = False
    is_handed_over: bool = False


@dataclass(frozen=True, slots=True)
class AsIntended(Mapping[str, Applied]):
    """What is known of fields that came back as an intent has them, *members* of sets among them; made when asked for."""

    fields: Mapping[str, str]
    members: Mapping[str, Mapping[str, str]]

    def __len__(self) -> int:
        return len(self.fields)

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __getitem__(self, name: str) -> Applied:
        digest, mine = self.fields[name], self.members.get(name)
        return Applied(digest, digest, {key: (each, each) for key, each in mine.items()} if mine else {})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and dict(self) == dict(other)

    def __hash__(self) -> int:
        raise TypeError("a mapping has no hash")


class Bound(Struct, frozen=True):
    """An address names this record from now on."""

    address: Address
    record_id: int
    origin: Origin


class FieldsApplied(Struct, frozen=True):
    """Fields confirmed: by field id (not name). Also written for a value *kept* on purpose, with `is_kept` set."""

    address: Address
    fields: Mapping[str, Applied]


class FieldsReleased(Struct, frozen=True):
    """Fields no longer managed: what was applied to them is forgotten."""

    address: Address
    fields: tuple[str, ...]


class Intent(Struct, frozen=True):
    """
    About to send this; committed before the first byte leaves.

    *fields* holds the digest of each sent field by field id; *likeness* the digests of name and natural keys, by which
    a twin is recognised.
    *send_by* is our clock in unix seconds, *server_clock* Copper's at the time.
    *record_id* is None for a create. *members* holds, for the sets that were sent, our members' digests by the digest of
    their key. *target_id* is the other end of a relation. *besides* are records of the same likeness that were there
    before a create: it did not make those.
    """

    id: str
    run: str
    address: Address
    action: WriteAction
    record_id: int | None
    fields: Mapping[str, str]
    likeness: Mapping[str, str]
    send_by: float
    server_clock: float
    members: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    target_id: int | None = None
    besides: tuple[int, ...] = ()


class Done(Struct, frozen=True):
    """The server confirmed the intent."""

    intent: str
    record_id: int


class Refused(Struct, frozen=True):
    """The intent was not executed."""

    intent: str
    reason: str


class Unknown(Struct, frozen=True):
    """Nobody can say yet whether the intent was executed."""

    intent: str
    reason: str


class Found(Struct, frozen=True):
    """An unknown intent was executed after all: this is its record."""

    intent: str
    record_id: int


class Absent(Struct, frozen=True):
    """An unknown intent was not executed and, after the settling time, never will be."""

    intent: str


class Protected(Struct, frozen=True):
    """The record may not be deleted, also after its file is gone (or may again)."""

    address: Address
    is_on: bool


class Ruled(Struct, frozen=True):
    """A record's own ``on_delete``, remembered because it counts when the file is gone; None takes it back."""

    address: Address
    on_delete: str | None


class Renamed(Struct, frozen=True):
    """A record has a new address (``moved`` in the files, ``state mv``)."""

    origin: Address
    destination: Address


class Forgotten(Struct, frozen=True):
    """An address names no record any more; *reason* is ``deleted``, ``forgotten`` or ``gone``."""

    address: Address
    reason: str


class Missed(Struct, frozen=True):
    """``state rebuild`` found no record for a declared address: nothing is created under it until somebody says so."""

    address: Address


class RunStarted(Struct, frozen=True):
    """
    An apply began; *plan* is the digest of a saved plan, which may start once. *account_id* pins the account.

    *key* tells under which secret digests are made from here on, without telling the secret.
    """

    run: str
    at: float
    account_id: int
    plan: str | None = None
    by: str = ""
    key: str | None = None


class RunEnded(Struct, frozen=True):
    """An apply ended; *counts* is its ledger."""

    run: str
    at: float
    counts: Mapping[str, int]


Event = (
    Bound
    | FieldsApplied
    | FieldsReleased
    | Intent
    | Done
    | Refused
    | Unknown
    | Found
    | Absent
    | Protected
    | Ruled
    | Renamed
    | Forgotten
    | Missed
    | RunStarted
    | RunEnded
)
