"""
Planning again, with as little work as what changed allows.

Where nothing moved that an empty plan was made of, nothing is parsed or compared, and not even imported (`quiet`). Else the
plan is made `anew`, as far as need be.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

from msgspec.structs import replace

from crmsync.copper.client import Client
from crmsync.model.address import Address
from crmsync.model.plan import Plan
from crmsync.model.state import State
from crmsync.model.store import Store
from crmsync.plan.cost import price
from crmsync.plan.world import Wishes
from crmsync.project import quiet
from crmsync.project.again import Again
from crmsync.project.collector import without_collector
from crmsync.project.connect import copper_trouble
from crmsync.project.decisionfile import load_decisions
from crmsync.project.files import Sources
from crmsync.project.hashing import Hashes
from crmsync.project.planned import PLAN_SECONDS, Begun, Planned, meta_of
from crmsync.project.session import Project, peek
from crmsync.project.stopwatch import Stopwatch


@without_collector()
def replan(
    project: Project,
    client: Client,
    store: Store,
    wishes: Wishes,
    *,
    expires_seconds: float = PLAN_SECONDS,
    clock: Callable[[], float] = time.time,
    check: Callable[[State], None] = lambda state: None,
    hashes: Hashes | None = None,
    state: State | None = None,
    also: frozenset[Address] = frozenset(),
) -> Planned:
    """
    Return the plan for *project* as `make_plan` does, with as little work as what changed allows.

    *check* looks at the state before Copper is asked, and may raise; with requests open the whole plan is made. *hashes* are
    of the record files, begun by who calls. Who holds the lease has the *state*, and gets a plan on just that one. Of the
    records in *also* the plan has what Copper shows, whether or not they moved.
    """
    watch = Stopwatch(lambda: client.requests.total)
    with closing(hashes or Hashes(project.cache)) as hashes:
        again = Again(project, client, store, wishes, expires_seconds, clock, watch, hashes, state, also)
        planned = (None if also else _quick(again)) or _anew(again, check)
    return replace(planned, phases=again.watch.phases, state=state or planned.state)


def _anew(again: Again, check: Callable[[State], None]) -> Planned:
    from crmsync.project.anew import plan_anew  # for its cost: where nothing moved it is not needed

    return plan_anew(again, check)


# Nothing moved


def _quick(again: Again) -> Planned | None:
    """Return the empty plan where one is remembered and nothing moved."""
    memo = quiet.load(again.project)
    if memo is None or memo.inputs != again.inputs():
        return None
    again.watch.lap("digests of the files")
    with copper_trouble():
        begun = again.begin(memo.account, frozenset(memo.types))
        planned_at = again.clock() + again.client.seconds_ahead
        is_as_before = quiet.is_as_before(begun.looking, begun.account.catalogue, memo)
    again.watch.lap("Copper" if is_as_before else "account and changes")
    return _nothing_to_do(again, begun, planned_at) if is_as_before else None


def _nothing_to_do(again: Again, begun: Begun, planned_at: float) -> Planned:
    """Return the empty plan of a world in which everything is as it was."""
    head = peek(again.project, again.store)
    assert head is not None, "there was one a moment ago"
    account, now = begun.account, again.clock()
    plan = Plan(price=price((), account.catalogue, again.wishes.pace))
    state = State(head[0], position=head[1], account_id=account.id)
    meta = meta_of(again.project, account, state, plan, {}, now, again.expires_seconds)
    return Planned(
        plan=plan,
        account=account,
        state=state,
        sources=Sources((), ()),
        warnings=(),
        observed={},
        planned_at=planned_at,
        skew_seconds=again.client.seconds_ahead,
        meta=replace(meta, state_was_empty=False),
        looking=begun.looking,
        is_asking=False,
        decisions=load_decisions(again.project),
    )
