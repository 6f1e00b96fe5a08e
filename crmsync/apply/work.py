"""What the engine knows while it works: the one mutable thing in the room."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property

from msgspec import Struct, field
from msgspec.structs import replace

from crmsync.apply.results import Prepared
from crmsync.apply.tables import Ids, Tally, Todo
from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, EntityType
from crmsync.model.changes import Changes
from crmsync.model.digest import Digester
from crmsync.model.effects import Outcome, Progress
from crmsync.model.plan import Action, Change, FieldChange, Note, Plan, Step, StepId
from crmsync.model.records import Observed
from crmsync.model.settings import Pace
from crmsync.model.state import Binding, State
from crmsync.model.values import Value

#: How old a read may be, in seconds, when a write relies on it (design.md, promise 4).
GUARD_SECONDS = 5.0
#: What a reading must at least have left when its write is prepared, and how often the time that noting an intent takes.
LEFT_SECONDS, NOTINGS = 0.1, 1.5
#: How long an intent lives, in seconds: after that its request is not sent any more.
SEND_SECONDS = 15.0
#: An answer comes, or is given up, so many seconds after its request left; later only where the process was stopped.
ANSWER_SECONDS = 60.0


class Job(Struct, frozen=True):
    """
    What to do and under which rules.

    *run* is a fresh random name. *planned_at* is Copper's clock when the plan was made,
    *skew_seconds* Copper's clock minus ours.
    *settle_seconds* is how long an unclear create may still turn up after it was sent.
    *parallel* is how many calls may be in flight.
    """

    plan: Plan
    catalogue: Catalogue
    state: State
    run: str
    planned_at: float
    skew_seconds: float = 0.0
    settle_seconds: float = 120.0
    parallel: int = 4
    bulk_size: int = 10
    pace: Pace = Pace()
    plan_digest: str | None = None
    account_id: int = 0
    by: str = ""


class Work(Struct, dict=True):
    """The tables of a run; *several* are the records with more steps than one, *creating* the types of new ones."""

    job: Job
    digester: Digester
    ids: Ids
    bindings: Mapping[Address, Binding]
    changes: Changes
    todo: Todo
    tally: Tally
    notes: Mapping[Address, Sequence[Note]] = field(default_factory=dict)
    done: int = 0
    failed: dict[StepId, str] = field(default_factory=dict)
    unclear: dict[str, Prepared] = field(default_factory=dict)
    heard: dict[str, float] = field(default_factory=dict)
    several: frozenset[Address] = frozenset()
    creating: frozenset[str] = frozenset()
    written: set[Address] = field(default_factory=set)
    fresh: OrderedDict[Address, tuple[Observed, float]] = field(default_factory=OrderedDict)
    noting: float = 0.0
    earlier: set[tuple[str, int]] = field(default_factory=set)
    earlier_by_mark: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    deleted: set[tuple[str, int]] = field(default_factory=set)
    withheld: dict[Address, Outcome] = field(default_factory=dict)
    attempts: Counter[StepId] = field(default_factory=Counter)
    bulk_size: int = 10
    no_bulk: set[tuple[str, str]] = field(default_factory=set)
    replaces_custom_fields: bool = False
    stop_reason: str = ""
    is_stopping: bool = False
    skew: float = 0.0

    @property
    def catalogue(self) -> Catalogue:
        """The rows."""
        return self.job.catalogue

    def change(self, address: Address) -> Change:
        """Return the change of an address that has one."""
        change = self.changes.of(address)
        assert change is not None, address
        return change

    def entity(self, address: Address) -> EntityType:
        """Return the row of an address."""
        return self.job.catalogue[address.type]

    def record_id(self, step: Step) -> int:
        """Return the id of the record that a step is about; it exists by now."""
        return self.ids[step.address]

    def with_ids(self, change: FieldChange) -> FieldChange:
        """Return *change* with the id of the record it names."""
        if not isinstance(change.after, Address) and not isinstance(change.before, Address):
            return change
        return replace(change, after=self.id_of(change.after), before=self.id_of(change.before))

    def id_of(self, value: Value) -> Value:
        """Return the id behind an address, any other value as it is."""
        return self.ids[value] if isinstance(value, Address) else value

    @cached_property
    def leaving(self) -> frozenset[tuple[str, int | None]]:
        """The types and ids of the records that the plan deletes."""
        deletes = self.changes.with_action(Action.DELETE)
        return frozenset((change.address.type, change.record_id) for change in deletes)

    def remember(self, address: Address, observed: Observed, at: float, *, is_over: bool) -> None:
        """Keep what an answer showed at *at* for as long as it may be relied on, if there is more to do to its record."""
        if is_over and address not in self.several:
            return
        self.written.add(address)
        self.fresh[address] = observed, at
        self.fresh.move_to_end(address)
        while at - next(iter(self.fresh.values()))[1] > GUARD_SECONDS:
            self.fresh.popitem(last=False)

    @property
    def good_for(self) -> float:
        """How old a reading may be, in seconds, when the intents of its write are still to be noted."""
        return GUARD_SECONDS - max(LEFT_SECONDS, NOTINGS * self.noting)

    @property
    def may_go_on(self) -> bool:
        """Say whether new calls may be started: nobody asked to stop, and nothing makes every call fail."""
        return not self.is_stopping and not self.stop_reason

    @property
    def progress(self) -> Progress:
        """How far the run is."""
        return Progress(self.done, len(self.job.plan.steps))
