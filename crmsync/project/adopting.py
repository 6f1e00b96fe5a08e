"""Adopting by hand: an address names a record that exists, without a line in a file."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from crmsync.catalogue import CATALOGUE
from crmsync.copper import read
from crmsync.model.address import Address
from crmsync.model.events import Absent, Bound, Event, Origin, WriteAction
from crmsync.model.state import State
from crmsync.project.account import identify
from crmsync.project.connect import connect, copper_trouble
from crmsync.project.leasing import leased
from crmsync.project.session import Project, opened_state
from crmsync.project.trouble import RefusedTrouble, Trouble, UsageTrouble


class Adopted(Struct, frozen=True):
    """The record that an address names from now on."""

    address: Address
    record_id: int
    name: str


def adopt(project: Project, address: Address, id: int, ask: Callable[[Adopted], bool]) -> Adopted | None:
    """
    Bind *address* to the record *id* of Copper, if *ask* agrees to what it is; None if not. Raises Trouble.

    Nothing is written to Copper. The next plan shows where the record and the files differ.
    """
    entity = CATALOGUE.by_name.get(address.type)
    if entity is None:
        raise UsageTrouble(f"There is no record type called {address.type}.")
    with opened_state(project, create=True) as (store, before), leased(store):
        _refuse_bound(before, address, id)
        client = connect(project, may_write=False)
        with copper_trouble():
            identify(client, project.settings, before.account_id)
            body = read.get(client, entity.path, id)
        if body is None:
            raise Trouble(f"Copper has no record {id} among its {address.type}, or this key may not see it.")
        adopted = Adopted(address, id, str(body.get("name") or ""))
        if not ask(adopted):
            return None
        store.append(before.position, _events(before, address, id))
    return adopted


def _refuse_bound(state: State, address: Address, id: int) -> None:
    bound, owner = state.bindings.get(address), state.address_of.get((address.type, id))
    if bound is not None:
        text = f"{address} is bound to record {bound.record_id} already. Forget that first: crmsync state forget {address}"
        raise RefusedTrouble(text)
    if owner is not None:
        raise RefusedTrouble(f"Record {id} is bound to {owner} already. One record has one address.")
    pending = [each for each in state.open_intents.values() if each.address == address]
    if any(each.action is not WriteAction.CREATE for each in pending):
        raise RefusedTrouble(f"A request about {address} has no known outcome yet. Let `crmsync apply` settle it first.")


def _events(state: State, address: Address, id: int) -> list[Event]:
    """Return what the state learns; whoever says which record it is has settled a create without an answer."""
    settled = [Absent(each.id) for each in state.open_intents.values() if each.address == address]
    return [*settled, Bound(address, id, Origin.ADOPTED)]
