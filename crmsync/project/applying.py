"""
Applying: the lease, what an earlier run left open, the plan once more, the user's yes, the run.

Everything that can refuse comes before the first request that writes. What was reviewed is in `crmsync.project.reviewing`.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from crmsync.apply import engine
from crmsync.apply.settle import Settled
from crmsync.apply.work import Job
from crmsync.copper.client import Client
from crmsync.model.address import Address
from crmsync.model.changes import with_action
from crmsync.model.effects import Outcome, Progress, Task
from crmsync.model.plan import Action, Decided, Plan
from crmsync.model.source import Diagnostic
from crmsync.model.state import State
from crmsync.model.store import Lost, Store, Unusable
from crmsync.plan.world import Wishes
from crmsync.project import deciding
from crmsync.project.account import identify, read_account
from crmsync.project.approving import Approved
from crmsync.project.collector import seldom_collected
from crmsync.project.connect import connect, copper_trouble
from crmsync.project.decisionfile import About
from crmsync.project.keeping import Keeper, drop_old_copies, last_written, state_key
from crmsync.project.leasing import leased, who
from crmsync.project.planned import Planned
from crmsync.project.replanning import replan
from crmsync.project.reviewing import Agreed, addresses_of, agree, review_id
from crmsync.project.runner import Runner, steady_clock
from crmsync.project.session import Project, is_ci, opened_store, read_state, refuse_other_key
from crmsync.project.stamping import NAME, make_field
from crmsync.project.trouble import LineOf, RefusedTrouble, Trouble
from crmsync.render.breaches import refusal_text
from crmsync.render.document import plan_document
from crmsync.render.shown import Showing
from crmsync.state.places import is_local

#: A log of fewer segments than this is read in no time.
LONG_LOG = 200
#: And one of fewer events as well; a large run has few segments of many.
EVENTS_OF_A_LONG_LOG = 5_000
#: An outcome that this run undertook and did not bring about: exit code 6.
UNDONE = ("conflict", "failed", "skipped", "unknown")


class ApplyOptions(Struct, frozen=True):
    """What the command line says about one apply."""

    wishes: Wishes = Wishes()
    reviewed: Mapping[str, Any] | None = None
    is_auto_approved: bool = False
    approved: Approved | None = None
    settle_seconds: float = 120.0
    allowed: Mapping[str, int] = field(default_factory=dict)
    is_first_run_allowed: bool = False
    backup: Path | None = None


class Applied(Struct, frozen=True):
    """
    What an apply came to.

    What its plan says beside the changes, its ledger (what was set aside counts as conflicts), changes that nobody
    reviewed, and how many requests it took. *is_interrupted*: it was asked to stop before its end. *questions*: so many
    lines wait in this file for a choice. *is_approved*: only what a digest approves was done, and the rest counts as not
    done. *unwritten*: why the questions could not be written down.
    """

    own: Mapping[str, Any]
    ledger: Mapping[str, int]
    not_reviewed: tuple[Address, ...]
    is_interrupted: bool
    requests: int
    set_aside: frozenset[str] = frozenset()
    questions: tuple[str, int] = ("", 0)
    is_approved: bool = False
    unwritten: str = ""

    @property
    def left(self) -> str:
        """What the plan itself left alone, in words: ``2 held, 1 gone``; conflicts are in the ledger."""
        held = {each["address"] for each in self.own["held"]} - self.set_aside
        counts = {"held": len(held), "gone": len(self.own["gone"]), "waiting": len(self.own["unsettled"])}
        return ", ".join(f"{count} {word}" for word, count in counts.items() if count)

    @property
    def is_complete(self) -> bool:
        """Say whether everything that this run undertook was done."""
        own = self.own
        if self.is_approved and self.not_reviewed:
            return False
        return not (any(self.ledger.get(name, 0) for name in UNDONE) or own["held"] or own["gone"] or own["unsettled"])


class Watch(Struct, frozen=True):
    """
    How an apply talks to whoever watches: outcomes and progress, warnings on the files, the plan to approve.

    *working* surrounds what must not be torn apart; while it lasts a wish to stop is told by *stopping* alone.
    """

    tell: Callable[[Outcome | Progress], None]
    warn: Callable[[Sequence[Diagnostic], LineOf], None]
    approve: Callable[[Mapping[str, Any]], bool]
    working: Callable[[], AbstractContextManager[None]]
    stopping: threading.Event


class Run(Struct, frozen=True):
    """What every part of one apply needs."""

    project: Project
    options: ApplyOptions
    watch: Watch
    clock: Callable[[], float]
    client: Client
    store: Store
    told: list[Outcome] = field(default_factory=list)
    appended: list[int] = field(default_factory=list)  # the number of events in each append

    def tell(self, seen: Outcome | Progress) -> None:
        """Tell whoever watches, and remember what was not brought about."""
        if isinstance(seen, Outcome) and seen.status in UNDONE:
            self.told.append(seen)
        self.watch.tell(seen)

    def perform(self, task: Task, state: State, run: str) -> Any:
        """Let the engine work as *run*: from here on Ctrl-C lets the calls in flight end."""
        keeper = Keeper(self.project, self.store, run, self.clock(), self.options.backup)
        parallel = calls_in_flight(self.project)
        runner = Runner(
            self.client, self.store, state.position, self.tell, keeper, self.watch.stopping, self.clock, parallel
        )
        try:
            with self.watch.working(), copper_trouble():
                return runner.run(task)
        finally:
            self.appended.extend(runner.appended)

    def is_done(self, decided: Decided) -> bool:
        """Say whether nothing is told that kept a decided field from being brought about."""
        address, name = decided.about
        mine = [each for each in self.told if each.address == address and each.status in UNDONE]
        return not any(not each.fields or name in each.fields for each in mine) and not self.watch.stopping.is_set()


def apply(project: Project, options: ApplyOptions, watch: Watch, clock: Callable[[], float] | None = None) -> Applied | None:
    """Apply the project's plan; None when the user said no. Raises Trouble."""
    _refuse_forgetful(project, options)
    clock = clock or steady_clock()
    with opened_store(project, create=True) as store, leased(store, clock):
        run = Run(project, options, watch, clock, connect(project, may_write=True), store)
        state = read_state(project, store)
        size = LogSize.of(state)
        state = settle_first(run, state)
        if watch.stopping.is_set():
            raise KeyboardInterrupt
        also = frozenset() if options.reviewed is None else addresses_of(options.reviewed)
        applied = _carry_out(run, replan(project, run.client, store, options.wishes, clock=clock, state=state, also=also))
        del state  # with many records it is large, and compacting reads another
        if size.after(run.appended).may_be_overgrown:
            _compact(store)
        drop_old_copies(project, store, clock)
        return applied


@seldom_collected()
def _compact(store: Store) -> None:
    """Replace the log by a snapshot once it has outgrown one. That only saves work: where it fails, the log is as good."""
    with suppress(Lost, Unusable):
        store.compact_overgrown(is_overgrown)


class LogSize(Struct, frozen=True):
    """How long a log is beside what it binds: *segments* and *events* since its snapshot, and *bindings* at the least."""

    bindings: int
    segments: int
    events: int

    @classmethod
    def of(cls, state: State) -> LogSize:
        """Return the size of the log that *state* was read from."""
        return cls(len(state.bindings), state.position - state.compacted_at, state.logged)

    def after(self, appended: Sequence[int]) -> LogSize:
        """Return the size after so many events more in each append: each of them may have taken a binding away."""
        more = sum(appended)
        return LogSize(max(0, self.bindings - more), self.segments + len(appended), self.events + more)

    @property
    def may_be_overgrown(self) -> bool:
        """Say whether the log is long; what a snapshot costs is then a small part of what was appended."""
        is_long = self.segments > max(LONG_LOG, self.bindings // 4)
        return is_long or self.events > max(EVENTS_OF_A_LONG_LOG, self.bindings)


def is_overgrown(state: State) -> bool:
    """Say whether the log of *state* is long beside what it binds."""
    return LogSize.of(state).may_be_overgrown


@seldom_collected()
def _carry_out(run: Run, planned: Planned) -> Applied | None:
    options, watch, wishes = run.options, run.watch, run.options.wishes
    unasked, approved = options.is_auto_approved, options.approved
    agreed = agree(planned, options.reviewed, unasked, wishes.pace, wishes.limits, approved)
    plan = agreed.plan
    document = plan_document(plan, planned.account.catalogue, planned.meta, at_once=False)
    refuse_breaches(plan, options)
    refuse_unsaved_deletes(run.project, plan, options)
    watch.warn(planned.warnings, planned.sources.line_of)
    if not watch.approve(document):
        return None
    own = dict(document["crmsync"])  # without what would make a digest of all changes
    del document  # and with it, once they are sent, the changes
    _make_stamp_field(run, planned)
    for outcome in agreed.set_aside:
        run.tell(outcome)
    ledger: dict[str, int] = {}
    if plan.steps or plan.changes or plan.notes or options.reviewed is not None:
        job = _job(planned, plan, options, calls_in_flight(run.project))
        ledger = dict(run.perform(engine.run(job), planned.state, job.run))
    if agreed.set_aside:
        ledger["conflict"] = ledger.get("conflict", 0) + len({each.address for each in agreed.set_aside})
    set_aside = frozenset(str(each.address) for each in agreed.set_aside)
    requests = run.client.requests.total
    try:
        questions, unwritten = _leave_questions(run, planned, agreed), ""
    except OSError as error:  # what was done is done, and must be told
        questions, unwritten = ("", 0), f"{planned.decisions.path.name} could not be written: {error.strerror}."
    is_stopping, is_approved = watch.stopping.is_set(), approved is not None
    return Applied(own, ledger, agreed.not_reviewed, is_stopping, requests, set_aside, questions, is_approved, unwritten)


def _leave_questions(run: Run, planned: Planned, agreed: Agreed) -> tuple[str, int]:
    """Write what is left to decide, archive what was; return the name of the file and how many lines wait in it."""
    loaded, plan, wishes = planned.decisions, agreed.plan, run.options.wishes
    contested = deciding.set_aside(planned.plan, agreed.set_aside) | _moved_meanwhile(run, planned, agreed)
    asked = deciding.asking(plan, contested)
    if not asked.questions and loaded.document is None:
        return loaded.path.name, 0
    showing = Showing(planned.account.catalogue, planned.meta)
    state = replace(run.store.read(), head=planned.state.head)
    ending = deciding.Ending(
        state,
        showing,
        wishes,
        run.is_done,
        run.options.reviewed,
        lambda places: last_written(run.project, run.store, places),
    )
    deciding.archive(run.project, loaded, plan, run.is_done, run.clock())
    return loaded.path.name, deciding.write_decisions(loaded, plan, asked, ending)


def _moved_meanwhile(run: Run, planned: Planned, agreed: Agreed) -> dict[About, deciding.Contested]:
    """
    Return what people changed between the plan and its writes, as a plan sees it that is made of those records now.

    The run has met only that a value was another one; to decide, it takes what it is.
    """
    moved = [each for each in run.told if each.status == "conflict" and each.fields and each not in agreed.set_aside]
    if not moved or run.watch.stopping.is_set() or run.options.wishes.is_destroy:
        return {}
    state = replace(run.store.read(), head=planned.state.head)
    also = frozenset(each.address for each in moved)
    wishes = replace(run.options.wishes, only=tuple(sorted(map(str, also))))
    try:
        fresh = replan(run.project, run.client, run.store, wishes, clock=run.clock, state=state, also=also)
    except Trouble:
        return {}  # the ledger tells it, and the next apply meets it again
    return deciding.set_aside(fresh.plan, moved)


def _make_stamp_field(run: Run, planned: Planned) -> None:
    """Make the custom field that ``stamp: true`` asks for; the next plan marks the records with it."""
    if not run.project.settings.has_stamp:
        return
    with copper_trouble():
        id = make_field(run.client, planned.account.catalogue)
    if id is not None:
        run.watch.tell(
            Outcome(Address("custom_fields", NAME), "create", "applied", "the next plan marks the records", NAME, id)
        )


def settle_first(run: Run, state: State) -> State:
    """Settle what an earlier run left open, and return the state after that. Raises RefusedTrouble, also for another key."""
    refuse_other_key(run.project, state)
    if not state.open_intents:
        return state
    with copper_trouble():
        identify(run.client, run.project.settings, state.account_id)
        account = read_account(run.project, run.client, state.account_id)
    skew, settle_seconds = run.client.seconds_ahead, run.options.settle_seconds
    job = Job(Plan(), account.catalogue, state, run_name(), 0.0, skew, settle_seconds)
    settled: list[Settled] = run.perform(engine.settle_open(job), state, job.run)
    for each in settled:
        if each.status == "unknown" or each.detail:
            run.watch.tell(Outcome(each.intent.address, each.intent.action, "unknown", each.detail))
    return replace(run.store.read(), head=state.head)


def calls_in_flight(project: Project) -> int:
    """Return how many calls may be under way: each waits for Copper, and for two appends, which may take a second."""
    return 6 if is_local(project.settings.state) else 16


def run_name() -> str:
    return secrets.token_hex(6)


def _job(planned: Planned, plan: Plan, options: ApplyOptions, parallel: int) -> Job:
    return Job(
        plan=plan,
        catalogue=planned.account.catalogue,
        state=planned.state,
        run=run_name(),
        planned_at=planned.planned_at,
        skew_seconds=planned.skew_seconds,
        settle_seconds=options.settle_seconds,
        parallel=parallel,
        pace=options.wishes.pace,
        plan_digest=None if options.reviewed is None else review_id(options.reviewed),
        account_id=planned.account.id,
        by=who(),
    )


def agreed(planned: Planned, options: ApplyOptions) -> tuple[Plan, tuple[Outcome, ...]]:
    """Return the part of the plan that may run under *options*, and what is set aside. Raises RefusedTrouble."""
    found = agree(planned, options.reviewed, options.is_auto_approved, options.wishes.pace, options.wishes.limits)
    return found.plan, found.set_aside


# --- what is refused ----------------------------------------------------------------------------


def _refuse_forgetful(project: Project, options: ApplyOptions) -> None:
    """Refuse a state that would die with a runner of CI: the next run would not know what this one created."""
    url = project.settings.state
    is_new = is_local(url) and not (project.root / url).exists()
    if is_ci(project) and is_new and not options.is_first_run_allowed:
        raise RefusedTrouble(
            f"There is no state at {url}, and this runs in CI: a local state would be lost with the runner. Keep it where "
            "all runs find it, such as state: git:refs/crmsync/main, or say --first-run if this machine stays."
        )


def refuse_breaches(plan: Plan, options: ApplyOptions) -> None:
    exceeded = [each for each in plan.breaches if each.count > options.allowed.get(each.kind, 0)]
    if exceeded:
        raise RefusedTrouble(refusal_text(map(asdict, exceeded)))


def refuse_unsaved_deletes(project: Project, plan: Plan, options: ApplyOptions) -> None:
    deletes = sum(1 for _ in with_action(plan.changes, Action.DELETE))
    if deletes and is_ci(project) and options.backup is None and state_key(project.environ) is None:
        records = f"{deletes} record{'s' if deletes != 1 else ''}"
        raise RefusedTrouble(
            f"The plan deletes {records}, and in CI the copies kept of them would be lost with the runner. "
            "Say where to keep them: --backup DIR, or export CRMSYNC_STATE_KEY to seal them beside the state."
        )
