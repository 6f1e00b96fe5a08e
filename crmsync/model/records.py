"""Records at the stations of their way: declared, desired, observed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct, field

from crmsync.model.address import Address
from crmsync.model.source import Position
from crmsync.model.structs import Partly
from crmsync.model.values import Plain, Value, Written


class Mode(StrEnum):
    """What crmsync does with a field; see design.md section 3, field policies."""

    ENFORCE = "enforce"
    OWN = "own"
    ADD = "add"
    SEED = "seed"
    FILL = "fill"
    OBSERVE = "observe"


class OnDrift(StrEnum):
    """What happens to a field that was changed in Copper while the file stayed the same."""

    OVERWRITE = "overwrite"
    KEEP = "keep"
    HOLD = "hold"


class OnAdopt(StrEnum):
    """What happens to a field that differs when its record is adopted."""

    OVERWRITE = "overwrite"
    FILL = "fill"
    HOLD = "hold"


class OnDelete(StrEnum):
    """What happens to a record that vanished from the files. Unsaid: what we created is deleted, the rest forgotten."""

    DELETE = "delete"
    FORGET = "forget"
    NEVER = "never"


class Policy(Struct, frozen=True):
    """The rules of one field. *is_decided*: they come from a decision of the user, which counts for this once."""

    mode: Mode = Mode.ENFORCE
    on_drift: OnDrift = OnDrift.OVERWRITE
    on_adopt: OnAdopt = OnAdopt.OVERWRITE
    is_decided: bool = False


class PolicyRule(Struct, frozen=True):
    """
    One ``policy`` entry as written; None where it says nothing.

    *modes* maps field names to a rule of their own.
    """

    mode: Mode | None = None
    on_drift: OnDrift | None = None
    on_adopt: OnAdopt | None = None
    on_delete: OnDelete | None = None
    fields: Mapping[str, PolicyRule] = field(default_factory=dict)


class RecordOptions(Struct, frozen=True):
    """The reserved key ``crmsync:`` of a record. *id* is already the one of the active profile."""

    id: int | None = None
    id_position: Position | None = None
    is_new: bool = False
    is_protected: bool = False
    policy: PolicyRule = field(default_factory=PolicyRule)


class DeclaredField(NamedTuple):
    """A value as a file says it, labels and references not yet looked up; a named tuple, because there are millions."""

    value: Written
    position: Position


class Declared(Struct, frozen=True):
    """A record as the files declare it, defaults laid under; `fields` by the user's field name."""

    address: Address
    fields: Mapping[str, DeclaredField]
    position: Position
    options: RecordOptions = field(default_factory=RecordOptions)


class DesiredField(Struct, frozen=True):
    """A canonical value that a field should have, with its rules and its place."""

    value: Value
    policy: Policy
    position: Position


class Desired(Struct, frozen=True):
    """A record as it should be."""

    address: Address
    fields: Mapping[str, DesiredField]
    position: Position
    options: RecordOptions = field(default_factory=RecordOptions)


class Moved(Struct, frozen=True):
    """A ``moved`` entry: the record of address *origin* is now called *destination*."""

    origin: Address
    destination: Address
    position: Position


class Observed(Partly, frozen=True, eq=False):
    """A record as Copper showed it: canonical values by field name. The *body* that it was decoded from is not compared."""

    type: str
    id: int
    fields: Mapping[str, Value]
    date_modified: int | None = None
    body: Mapping[str, Plain] = field(default_factory=dict)
    uncompared = frozenset({"body"})

    @property
    def name(self) -> str:
        """The record's name in Copper."""
        return str(self.fields.get("name") or f"#{self.id}")
