"""
Applying: the lease, what an earlier run left open, the plan once more, the user's yes, the run.

A saved plan is not replayed. The plan is made again, now, and only what is in both is done: a change that is no longer
the one that was reviewed, because files, state or Copper moved since, is set aside.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crmsync.apply import engine
from crmsync.apply.settle import Settled
from crmsync.apply.work import Job
from crmsync.copper.client import Client
from crmsync.model.address import Address
from crmsync.model.effects import Copy, Outcome, Progress
from crmsync.model.plan import Action, Cause, Plan
from crmsync.model.settings import Pace
from crmsync.model.state import State
from crmsync.model.store import Holder, Locked, Lost, Store
from crmsync.plan.build import narrow
from crmsync.plan.world import Wishes
from crmsync.project.account import identify
from crmsync.project.connect import connect, copper_trouble
from crmsync.project.planning import Planned, make_plan, read_account
from crmsync.project.runner import Runner, steady_clock
from crmsync.project.saving import append_private
from crmsync.project.session import Project, opened_state
from crmsync.project.trouble import LockedTrouble, RefusedTrouble, UsageTrouble
from crmsync.render.document import plan_document

RENEW_SECONDS = 15.0

#: An outcome that this run undertook and did not bring about: exit code 6.
UNDONE = ("conflict", "failed", "skipped", "unknown")


@dataclass(frozen=True)
class ApplyOptions:
    """What the command line says about one apply."""

    wishes: Wishes = Wishes()
    reviewed: Mapping[str, Any] | None = None
    is_auto_approved: bool = False
    settle_seconds: float = 120.0
    allowed: Mapping[str, int] = field(default_factory=dict)
    is_first_run_allowed: bool = False
    backup: Path | None = None


@dataclass(frozen=True)
class Applied:
    """What an apply came to: its plan as a document, its ledger, and how much was left undone."""

    document: Mapping[str, Any]
    ledger: Mapping[str, int]
    set_aside: tuple[Outcome, ...]
    is_interrupted: bool
    requests: int

    @property
    def is_complete(self) -> bool:
        """Say whether everything that this run undertook was done."""
        counts = sum(self.ledger.get(name, 0) for name in UNDONE)
        return not (counts or self.set_aside or self.document["crmsync"]["held"] or self.document["crmsync"]["gone"])


@dataclass(frozen=True)
class Watch:
    """How an apply talks to whoever watches: outcomes and progress, the plan to approve, the flag to stop."""

    tell: Callable[[Outcome | Progress], None]
    approve: Callable[[Mapping[str, Any]], bool]
    stopping: threading.Event


def apply(project: Project, options: ApplyOptions, watch: Watch) -> Applied | None:
    """Apply the project's plan; None when the user said no. Raises Trouble."""
    _refuse_forgetful(project, options)
    clock = steady_clock()
    with opened_state(project, create=True) as (store, state), leased(store, clock), _lost():
        client = connect(project, may_write=True)
        state = _settle_first(project, client, store, state, options, watch, clock)
        planned = make_plan(project, client, state, options.wishes, clock=clock)
        plan, set_aside = agreed(planned, options)
        document = plan_document(plan, planned.account.catalogue, planned.meta)
        _refuse_breaches(planned.plan, options)
        _refuse_unsaved_deletes(project, plan, options)
        if not plan.is_empty and not watch.approve(document):
            return None
        for outcome in set_aside:
            watch.tell(outcome)
        ledger: Mapping[str, int] = {}
        if plan.steps or plan.changes or plan.notes:
            runner = _runner(project, client, store, state, options, watch, clock)
            with copper_trouble():
                ledger = runner.run(engine.run(_job(planned, plan, options)))
        return Applied(document, ledger, set_aside, watch.stopping.is_set(), client.requests.total)


def _refuse_forgetful(project: Project, options: ApplyOptions) -> None:
    """Refuse a state that would die with a runner of CI: the next run would not know what this one created."""
    is_ci = bool(project.environ.get("CI"))
    if is_ci and not (project.root / project.settings.state).exists() and not options.is_first_run_allowed:
        raise RefusedTrouble(
            f"There is no state at {project.settings.state}, and this runs in CI: a local state would be lost with the "
            "runner. Keep the state where all runs find it, or say --first-run if this machine stays."
        )


@contextlib.contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except Lost as error:
        raise LockedTrouble(
            "Another run appended to the state while this one worked. Nothing more was sent. Run again."
        ) from error


@contextlib.contextmanager
def leased(store: Store, clock: Callable[[], float] = time.time) -> Iterator[None]:
    """Hold the state's lease, renewing it, for as long as the block runs."""
    now = clock()
    holder = Holder(secrets.token_hex(8), _who(), socket.gethostname(), os.getpid(), now, now)
    try:
        store.acquire(holder, now)
    except Locked as error:
        raise LockedTrouble(f"The state is {error}. If that run is gone: crmsync unlock") from error
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(RENEW_SECONDS):
            with contextlib.suppress(Exception):  # the append is the fence; the lease is courtesy
                store.renew(holder.nonce, clock())

    thread = threading.Thread(target=renew, name="crmsync-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        store.release(holder.nonce)


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


def _settle_first(
    project: Project,
    client: Client,
    store: Store,
    state: State,
    options: ApplyOptions,
    watch: Watch,
    clock: Callable[[], float],
) -> State:
    """Settle what an earlier run left open, and return the state after that."""
    if not state.open_intents:
        return state
    with copper_trouble():
        identify(client, project.settings, state.account_id)
        account = read_account(project, client, state)
        job = Job(Plan(), account.catalogue, state, _run_name(), 0.0, settle_seconds=options.settle_seconds)
        runner = _runner(project, client, store, state, options, watch, clock)
        settled: list[Settled] = runner.run(engine.settle_open(job))
    for each in settled:
        if each.status == "unknown":
            watch.tell(Outcome(each.intent.address, each.intent.action, "unknown", each.detail))
    return replace(store.read(), head=state.head)


def _runner(
    project: Project,
    client: Client,
    store: Store,
    state: State,
    options: ApplyOptions,
    watch: Watch,
    clock: Callable[[], float],
) -> Runner:
    folder = options.backup or project.private / "runs"

    def keep(copy: Copy) -> None:
        line = {"address": str(copy.address), "id": copy.record_id, "body": json.loads(copy.body)}
        append_private(folder / "deleted.jsonl", json.dumps(line, ensure_ascii=False) + "\n")

    return Runner(client, store, state.position, watch.tell, keep, watch.stopping, clock)


def _run_name() -> str:
    return secrets.token_hex(6)


def _job(planned: Planned, plan: Plan, options: ApplyOptions) -> Job:
    reviewed = options.reviewed
    return Job(
        plan=plan,
        catalogue=planned.account.catalogue,
        state=planned.state,
        run=_run_name(),
        planned_at=planned.planned_at,
        skew_seconds=planned.skew_seconds,
        settle_seconds=options.settle_seconds,
        pace=options.wishes.pace,
        plan_digest=None if reviewed is None else str(reviewed["crmsync"]["digest"]),
        account_id=planned.account.id,
        by=_who(),
    )


# --- what was reviewed --------------------------------------------------------------------------


def agreed(planned: Planned, options: ApplyOptions) -> tuple[Plan, tuple[Outcome, ...]]:
    """Return the part of the plan that may run, and what is set aside because nobody has agreed to it."""
    if options.reviewed is not None:
        _refuse_stale(planned, options.reviewed)
        return _only_reviewed(planned, options.reviewed, options.wishes.pace)
    if options.is_auto_approved:
        return _without_conflicts(planned, options.wishes.pace)
    return planned.plan, ()


def _refuse_stale(planned: Planned, reviewed: Mapping[str, Any]) -> None:
    ours = reviewed["crmsync"]
    meta = planned.meta
    if ours["account"]["id"] != meta.account_id:
        raise RefusedTrouble("The plan was made for another account. Make a new plan.")
    if ours["lineage"] != meta.lineage:
        raise RefusedTrouble("The plan was made for another project or state. Make a new plan.")
    if ours["digest"] in planned.state.started_plans:
        raise RefusedTrouble("This plan was started before. A plan runs once: make a new one.")
    if _expired(ours, planned):
        raise RefusedTrouble(f"The plan expired at {ours['expires_at']}. Make a new plan.")
    if ours["state_was_empty"] and not planned.state.is_empty:
        raise RefusedTrouble("The plan was made on an empty state, and the state is not empty. Make a new plan.")


def _expired(ours: Mapping[str, Any], planned: Planned) -> bool:
    document = plan_document(Plan(), planned.account.catalogue, planned.meta)
    return str(ours["expires_at"]) < str(document["crmsync"]["created_at"])


def _only_reviewed(planned: Planned, reviewed: Mapping[str, Any], pace: Pace) -> tuple[Plan, tuple[Outcome, ...]]:
    """Keep the changes, field by field, that stand in the reviewed plan just as they stand in this one."""
    account = planned.account
    document = plan_document(planned.plan, account.catalogue, planned.meta)
    fresh = {change["address"]: change for change in document["resource_changes"]}
    keep: dict[Address, frozenset[str]] = {}
    set_aside: list[Outcome] = []
    seen = set()
    for old in reviewed["resource_changes"]:
        address = Address.parse(old["address"])
        assert address is not None
        seen.add(old["address"])
        now = fresh.get(old["address"])
        same = _same_fields(old, now)
        if same is None:
            set_aside.append(_aside(address, old, ()))
            continue
        keep[address] = frozenset(same)
        moved = tuple(sorted(_names(old) - set(same)))
        if moved:
            set_aside.append(_aside(address, old, moved))
    return narrow(planned.plan, keep, account.catalogue, pace), tuple(set_aside)


def _names(change: Mapping[str, Any]) -> set[str]:
    return {each["field"] for each in change["crmsync"]["fields"]}


def _same_fields(old: Mapping[str, Any], now: Mapping[str, Any] | None) -> list[str] | None:
    """Return the fields that are the same in both; None when the change as a whole is another one (or is no more)."""
    if now is None:
        return None
    ours, theirs = old["crmsync"], now["crmsync"]
    if ours["action"] != theirs["action"] or ours["record_id"] != theirs["record_id"]:
        return None
    by_name = {each["field"]: each for each in theirs["fields"]}
    keys = ("before", "after", "members")
    same = [
        each["field"]
        for each in ours["fields"]
        if each["field"] in by_name and all(each[key] == by_name[each["field"]][key] for key in keys)
    ]
    if ours["action"] == "create" and (len(same) != len(ours["fields"]) or len(same) != len(theirs["fields"])):
        return None
    if ours["action"] == "update" and not same:
        return None
    return same


def _aside(address: Address, old: Mapping[str, Any], fields: tuple[str, ...]) -> Outcome:
    detail = "It is not as it was when the plan was made: files, state or Copper moved since. Make a new plan."
    return Outcome(
        address,
        old["crmsync"]["action"],
        "conflict",
        detail,
        old["crmsync"].get("display_name") or "",
        old["crmsync"]["record_id"],
        fields,
    )


def _without_conflicts(planned: Planned, pace: Pace) -> tuple[Plan, tuple[Outcome, ...]]:
    """Set aside, field by field, what was changed on both sides: without a review nobody has agreed to lose an edit."""
    keep: dict[Address, frozenset[str]] = {}
    set_aside = []
    for change in planned.plan.changes:
        conflicts = tuple(each.field for each in change.fields if each.cause is Cause.CONFLICT)
        left = frozenset(each.field for each in change.fields) - set(conflicts)
        if conflicts:
            detail = "Changed in Copper and in the file. Review a plan to decide: crmsync plan --out plan.json"
            set_aside.append(
                Outcome(change.address, change.action.value, "conflict", detail, change.name, change.record_id, conflicts)
            )
        if left or change.action is not Action.UPDATE:
            keep[change.address] = left
    if not set_aside:
        return planned.plan, ()
    plan = narrow(planned.plan, keep, planned.account.catalogue, pace)
    return plan, tuple(set_aside)


# --- what is refused ----------------------------------------------------------------------------


def _refuse_breaches(plan: Plan, options: ApplyOptions) -> None:
    exceeded = [each for each in plan.breaches if each.count > options.allowed.get(each.kind, 0)]
    if exceeded:
        lines = [f"  {each.count} {each.kind} of {each.of} {each.type}; the limit is {each.limit}." for each in exceeded]
        flags = " ".join(
            f"--allow-{kind} {max(each.count for each in exceeded if each.kind == kind)}"
            for kind in sorted({each.kind for each in exceeded})
        )
        raise RefusedTrouble("\n".join(["The plan is over the limits:", *lines, f"If that is meant, apply with: {flags}"]))


def _refuse_unsaved_deletes(project: Project, plan: Plan, options: ApplyOptions) -> None:
    deletes = sum(change.action is Action.DELETE for change in plan.changes)
    if deletes and project.environ.get("CI") and options.backup is None:
        raise RefusedTrouble(
            f"The plan deletes {deletes} records, and in CI the copies kept of them would be lost with the runner. "
            "Say where to keep them: --backup DIR"
        )


def load_reviewed(path: Path) -> Mapping[str, Any]:
    """Return the saved plan in *path*. Raises UsageTrouble, RefusedTrouble."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageTrouble(f"The plan {path} could not be read: {error.strerror}.") from error
    except ValueError as error:
        raise RefusedTrouble(f"{path} is not a plan of crmsync, or was cut.") from error
    if not isinstance(document, dict) or "crmsync" not in document or "resource_changes" not in document:
        raise RefusedTrouble(f"{path} is not a plan of crmsync.")
    return document
