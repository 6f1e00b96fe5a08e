"""
After the state is lost: which record each declared address was, found again in Copper.

A plan on an empty state would create what has no stamp and no natural key a second time. So what cannot be found is noted as
missed, and nothing is created under it until the files say so.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from msgspec import Struct

from crmsync.model.address import Address
from crmsync.model.digest import key_mark
from crmsync.model.events import Bound, Event, Missed, Origin, RunEnded, RunStarted
from crmsync.model.plan import Action
from crmsync.plan.world import Wishes
from crmsync.project.connect import connect
from crmsync.project.leasing import leased, who
from crmsync.project.planning import make_plan
from crmsync.project.session import Project, opened_state
from crmsync.project.trouble import RefusedTrouble


class Rebuilt(Struct, frozen=True):
    """What a rebuild came to: addresses with the record each was found to be, and those without one."""

    found: tuple[tuple[Address, int, str], ...]
    missed: tuple[Address, ...]


def rebuild(project: Project, clock: Callable[[], float] = time.time) -> Rebuilt:
    """Bind every declared address without a binding to its record, and note those that have none. Raises Trouble."""
    with opened_state(project, create=True) as (store, state), leased(store, clock):
        if state.open_intents:
            raise RefusedTrouble(
                "Requests of an earlier run have no known outcome yet. Let `crmsync apply` settle them first."
            )
        planned = make_plan(project, connect(project, may_write=False), state, Wishes(), clock=clock)
        changes = planned.plan.changes
        found = tuple(
            (each.address, each.record_id, each.name)
            for each in changes
            if each.action is Action.ADOPT and each.record_id is not None
        )
        unbound = {each.address for each in planned.plan.held if each.field is None and each.address not in state.bindings}
        unbound |= {each.address for each in changes if each.action is Action.CREATE}
        missed = tuple(sorted(unbound - {address for address, _, _ in found}))
        run, now = secrets.token_hex(6), clock()
        key = key_mark(state.head.digest_key, state.head.lineage)
        events: list[Event] = [RunStarted(run, now, planned.account.id, by=who(), key=key)]
        events += [Bound(address, id, Origin.REBUILT) for address, id, _ in found]
        events += [Missed(address) for address in missed if address not in state.missed]
        events.append(RunEnded(run, now, {"adopted": len(found)}))
        store.append(state.position, events)
    return Rebuilt(found, missed)
