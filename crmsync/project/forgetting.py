"""Forgetting: an address stops naming a record, which stays in Copper."""

from __future__ import annotations

from collections.abc import Sequence

from crmsync.model.address import Address
from crmsync.model.events import Absent, Event, Forgotten
from crmsync.project.leasing import leased
from crmsync.project.session import Project, opened_state
from crmsync.project.trouble import Trouble


def forget_addresses(project: Project, addresses: Sequence[Address]) -> tuple[tuple[Address, bool], ...]:
    """
    Forget *addresses*, with what is still open about them, all or none. Raises Trouble.

    Returned with each is whether it was bound: what was only missed, or about to be created, has no record to leave.
    """
    with opened_state(project, create=False) as (store, state), leased(store):
        about = {id: intent.address for id, intent in state.open_intents.items()}
        known = {*state.bindings, *about.values(), *state.missed}
        missing = [each for each in addresses if each not in known]
        if missing:
            raise Trouble(f"{missing[0]} is not bound to a record; nothing was forgotten.")
        events: list[Event] = [Absent(id) for id, address in about.items() if address in addresses]
        events += [Forgotten(each, "forgotten") for each in addresses]
        store.append(state.position, events)
    return tuple((each, each in state.bindings) for each in addresses)
