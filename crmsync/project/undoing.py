"""
Undoing a run: what it replaced comes back from the copies, as a plan that is shown, agreed to and applied like any other.

The files are not looked at. They still say what the run wrote; so the values put back are noted as kept on purpose, until
the files say something else, and what was taken away is not created again unasked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from crmsync.apply import engine
from crmsync.apply.work import Job
from crmsync.model.address import Address
from crmsync.model.bodies import decode_body
from crmsync.model.catalogue import Catalogue
from crmsync.model.events import Event, FieldsApplied, FieldsReleased, Missed
from crmsync.model.plan import Action, Plan
from crmsync.model.records import Observed
from crmsync.model.state import State
from crmsync.model.store import Store
from crmsync.plan.undoing import Undone, kept_for_good, undo_plan
from crmsync.plan.world import World
from crmsync.project.account import Account, read_account
from crmsync.project.applying import (
    Applied,
    ApplyOptions,
    Run,
    Watch,
    calls_in_flight,
    refuse_breaches,
    refuse_unsaved_deletes,
    run_name,
    settle_first,
)
from crmsync.project.connect import connect, copper_trouble
from crmsync.project.keeping import KeptRun, kept_run, kept_runs
from crmsync.project.leasing import leased, who
from crmsync.project.looking import Looking
from crmsync.project.planned import PLAN_SECONDS, meta_of
from crmsync.project.runner import steady_clock
from crmsync.project.session import Project, opened_state
from crmsync.project.trouble import Trouble
from crmsync.render.document import plan_document


def undo(
    project: Project, name: str, options: ApplyOptions, watch: Watch, clock: Callable[[], float] | None = None
) -> Applied | None:
    """Undo the run *name*; None when the user said no. Raises Trouble."""
    clock = clock or steady_clock()
    with opened_state(project, create=False) as (store, before):
        kept = _kept(project, store, name)
        with leased(store, clock):
            run = Run(project, options, watch, clock, connect(project, may_write=True), store)
            state = settle_first(run, replace(store.read(), head=before.head))
            if watch.stopping.is_set():
                raise KeyboardInterrupt
            return _carry_out(run, state, kept)


def _kept(project: Project, store: Store, name: str) -> KeptRun:
    kept = kept_run(project, store, name)
    if kept.before or kept.deleted:
        return kept
    if name in kept_runs(project, store):
        raise Trouble(f"Run {name} wrote nothing that could be undone.")
    text = f"Nothing is kept of a run {name}. `crmsync runs` lists the runs; what they replaced is kept for"
    raise Trouble(f"{text} {project.settings.keep_days} days, without CRMSYNC_STATE_KEY on the machine that ran them alone.")


def _carry_out(run: Run, state: State, kept: KeptRun) -> Applied | None:
    with copper_trouble():
        account = read_account(run.project, run.client, state.account_id)
        undone = Undone(kept.before, _deleted(kept, account.catalogue))
        observed = _observed(run, account, undone, state)
    now = run.clock()
    planned_at = now + run.client.seconds_ahead
    plan = undo_plan(undone, World({}, observed, state), account.catalogue, run.options.wishes)
    meta = meta_of(run.project, account, state, plan, observed, now, PLAN_SECONDS)
    document = plan_document(plan, account.catalogue, meta)
    refuse_breaches(plan, run.options)
    refuse_unsaved_deletes(run.project, plan, run.options)
    if not run.watch.approve(document):
        return None
    ledger: Mapping[str, int] = {}
    if plan.changes:
        job = _job(run, plan, account, state, planned_at)
        ledger = run.perform(engine.run(job), state, job.run)
        _remember(run.store, plan, state, account.catalogue)
    return Applied(document["crmsync"], ledger, (), run.watch.stopping.is_set(), run.client.requests.total)


def _job(run: Run, plan: Plan, account: Account, state: State, planned_at: float) -> Job:
    return Job(
        plan=plan,
        catalogue=account.catalogue,
        state=state,
        run=run_name(),
        planned_at=planned_at,
        skew_seconds=run.client.seconds_ahead,
        settle_seconds=run.options.settle_seconds,
        parallel=calls_in_flight(run.project),
        pace=run.options.wishes.pace,
        account_id=account.id,
        by=who(),
    )


def _deleted(kept: KeptRun, catalogue: Catalogue) -> Mapping[Address, Observed]:
    found = {}
    for copy in kept.deleted:
        address = Address.parse(copy.address)
        entity = None if address is None else catalogue.by_name.get(address.type)
        if address is not None and entity is not None:
            found[address] = decode_body(entity, copy.body, catalogue.locale)
    return found


def _observed(run: Run, account: Account, undone: Undone, state: State) -> Mapping[tuple[str, int], Observed]:
    """Return what Copper shows of all that a plan has to look at."""
    pairs = undone.pairs(account.catalogue)
    created = {each.address for each in undone.before if each.record_id is None}
    pairs |= {(address.type, state.bindings[address].record_id) for address in created & state.bindings.keys()}
    looking = Looking(run.client, account.id, account.catalogue)
    observed: dict[tuple[str, int], Observed] = {}
    for entity in account.catalogue.types:
        bodies = looking.bodies(entity, [id for type_name, id in pairs if type_name == entity.name])
        observed |= {(entity.name, id): decode_body(entity, body, account.catalogue.locale) for id, body in bodies.items()}
    return observed


def _remember(store: Store, plan: Plan, then: State, catalogue: Catalogue) -> None:
    """Note that what was put back stays so, and that what was taken away is not missing by mistake."""
    now = store.read()
    events: list[Event] = []
    for change in plan.changes:
        bound, earlier = now.bindings.get(change.address), then.bindings.get(change.address)
        if change.action is Action.DELETE and bound is None:
            events.append(Missed(change.address))
        if change.action is not Action.UPDATE or bound is None or earlier is None:
            continue
        for each in change.fields:
            row = catalogue[change.address.type].by_name[each.field]
            before, after = earlier.applied.get(row.id), bound.applied.get(row.id)
            if after is None or after == before:
                continue  # it was set aside, or failed
            kept = kept_for_good(before, after)
            released = FieldsReleased(change.address, (row.id,))
            events.append(released if kept is None else FieldsApplied(change.address, {row.id: kept}))
    if events:
        store.append(now.position, events)
