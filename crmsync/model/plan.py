"""The plan: all that shall happen, as a value. Printing and applying are its two readers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct, field

from crmsync.model.address import Address
from crmsync.model.decisions import Decision
from crmsync.model.events import Applied, Origin, WriteAction
from crmsync.model.records import Policy
from crmsync.model.source import Position
from crmsync.model.values import Members, Value


class Action(StrEnum):
    """What happens to a record, as the user sees it."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    ADOPT = "adopt"
    FORGET = "forget"


class Cause(StrEnum):
    """Why a field changes or is set aside: the verdict of the difference law (design.md section 4)."""

    CREATED = "created"  # the record is new
    EDITED = "edited"  # the file changed
    DRIFTED = "drifted"  # Copper changed, the file did not
    CONFLICT = "conflict"  # both changed
    ADOPTED = "adopted"  # nothing known of it yet
    RELEASED = "released"  # a unique value is given up for another record
    UNDONE = "undone"  # a run is undone


class Delta(Struct, frozen=True):
    """
    What happens to the members of a set; members in none of the lists stay as they are.

    *foreign* members are others' and stay. *remembered* are the digests of our members that do not change, for the state.
    """

    added: Members = Members()
    removed: Members = Members()
    changed: Members = Members()
    foreign: Members = Members()
    remembered: Mapping[str, tuple[str, str]] = field(default_factory=dict)


class FieldChange(Struct, frozen=True):
    """
    One field goes from *before* (as observed) to *after*.

    For a set under `own` or `add`, *delta* is what we change of it; otherwise *after* is the whole value.
    One that *is_sent_along* stays as it is, and is sent because Copper resets it when a sibling changes.
    """

    field: str
    before: Value
    after: Value
    cause: Cause
    position: Position | None = None
    delta: Delta | None = None
    is_sent_along: bool = False


class StepId(Struct, frozen=True, order=True):
    """Which step: of which record, and which of its steps."""

    address: Address
    number: int


class Step(Struct, frozen=True):
    """
    One request for one record.

    *record_id* is None where the record does not exist yet: a create, or a follow-up to one.
    RELATE and UNRELATE carry exactly one field, the link.
    *after* names the steps that must be done before.
    An `Address` among the values stands for the id that its create will bring.
    """

    id: StepId
    action: WriteAction
    record_id: int | None
    fields: Sequence[FieldChange]
    after: tuple[StepId, ...] = ()

    @property
    def address(self) -> Address:
        """The record."""
        return self.id.address


class Change(Struct, frozen=True):
    """
    What shall happen to one record; *name* is its display name, *fields* everything that changes over all its steps.

    *along* are fields that do not change and are sent with their sibling all the same.
    *orphans* are the records (type, id) that a delete leaves without their company or contact, as the user allowed.
    """

    address: Address
    action: Action
    record_id: int | None
    name: str
    fields: Sequence[FieldChange]
    position: Position | None
    reason: str
    origin: Origin | None = None
    may_be_twin: bool = False  # `new: true`: create it although a likeness exists
    along: tuple[FieldChange, ...] = ()
    orphans: tuple[tuple[str, int], ...] = ()


class Kept(Struct, frozen=True):
    """A person's value that stays: the field moved and its policy says keep (or observe: then *is_observed*)."""

    address: Address
    record_id: int
    name: str
    change: FieldChange
    is_observed: bool = False


class Held(Struct, frozen=True):
    """
    Something the plan will not do by itself: a field set aside, or (field None) a whole record.

    *reason* is one sentence, *cure* says how to let it happen (a line for the file or a flag).
    *rival* is the vanished address that holds the record this one seems to be.
    *is_question*: the user may decide it, for a person's value stands against the file's.
    """

    address: Address
    reason: str
    cure: str
    field: FieldChange | None = None
    position: Position | None = None
    record_id: int | None = None
    name: str = ""
    rival: Address | None = None
    is_question: bool = False


class Decided(Struct, frozen=True):
    """A decision that this plan obeys, and the question that it answers: *before* is Copper's value, *after* the file's."""

    decision: Decision
    record_id: int
    name: str
    question: FieldChange

    @property
    def about(self) -> tuple[Address, str]:
        """The address and the field."""
        return self.decision.address, self.decision.field


class Breach(Struct, frozen=True):
    """A limit that this plan exceeds: apply refuses until *flag* is given. *addresses* are named for records missing."""

    kind: str  # updates, deletes, adopts, missing
    type: str
    count: int
    of: int
    limit: str
    flag: str
    addresses: tuple[str, ...] = ()


class Note(Struct, frozen=True):
    """What the state learns without a request: a binding, fields seen in sync, values kept, renames."""

    address: Address
    applied: Mapping[str, Applied] = field(default_factory=dict)
    released: tuple[str, ...] = ()
    renamed_from: Address | None = None
    is_protected: bool | None = None
    on_delete: str | None = None
    rules: tuple[str, ...] = ()  # what of protect and on_delete is new, in words


class Price(Struct, frozen=True):
    """What applying costs: requests, of which *bulk* bulk calls, and minutes at the account's pace."""

    requests: int
    bulk: int
    minutes: float


class Counts(Struct, frozen=True):
    """Records by their first action."""

    add: int = 0
    change: int = 0
    destroy: int = 0
    adopt: int = 0
    forget: int = 0
    filled: int = 0
    overwritten: int = 0
    kept: int = 0
    held: int = 0


class Plan(Struct, frozen=True):
    """
    All that shall happen.

    *changes* are sorted by address; *steps* stand in an order that respects their prerequisites and is the same every time.
    *gone* are managed records that Copper no longer has (by address, with their id).
    *unsettled* are addresses with an open intent: nothing is planned for them.
    *decided* are the user's decisions that it obeys, *stale* those that do not count any more.
    """

    changes: Sequence[Change] = ()
    steps: Sequence[Step] = ()
    kept: tuple[Kept, ...] = ()
    held: tuple[Held, ...] = ()
    gone: tuple[tuple[Address, int], ...] = ()
    unsettled: tuple[Address, ...] = ()
    notes: tuple[Note, ...] = ()
    breaches: tuple[Breach, ...] = ()
    counts: Counts = Counts()
    price: Price = Price(0, 0, 0.0)
    policies: Mapping[Address, Mapping[str, Policy]] = field(default_factory=dict)
    is_partial: bool = False
    decided: tuple[Decided, ...] = ()
    stale: tuple[Decision, ...] = ()

    @property
    def has_notes_to_remember(self) -> bool:
        """Say whether applying would make the state remember a decision, or another name, protection or rule."""
        return bool(self.decided or self.noted)

    @property
    def noted(self) -> Collection[Address]:
        """The records that were bound before, and of which applying makes the state remember a name or rules."""
        noted = {note.address for note in self.notes if note.renamed_from or note.rules}
        binding = (Action.CREATE, Action.ADOPT)
        for change in self.changes if noted else ():
            if change.action in binding:
                noted.discard(change.address)
        return noted

    @property
    def is_empty(self) -> bool:
        """Say whether nothing would change in Copper or in what is bound."""
        return not self.changes
