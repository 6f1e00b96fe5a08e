"""Carrying a state as a whole: out into a file, back in, and one address to another name."""

from __future__ import annotations

from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.model.digest import key_mark
from crmsync.model.events import Renamed
from crmsync.model.state import State
from crmsync.model.store import Unusable
from crmsync.project.leasing import leased
from crmsync.project.session import Project, make_private, opened_state
from crmsync.project.trouble import RefusedTrouble, Trouble, UsageTrouble


def pull_state(project: Project) -> str:
    """Return the whole state as a JSON document, its secret included. Raises Trouble."""
    from crmsync.state.codec import encode_whole

    with opened_state(project, create=False) as (store, _):
        return encode_whole(store.read())


def push_state(project: Project, text: str, *, is_forced: bool) -> State:
    """
    Put the state that `pull_state` gave in the place of the present one, and return it.

    Refused unless *is_forced*: what is older than the present state, or stands on another one. Raises Trouble.
    """
    from crmsync.state import open_store
    from crmsync.state.codec import decode_whole

    try:
        pushed = decode_whole(text)
    except Unusable as error:
        raise UsageTrouble(str(error)) from error
    if pushed.head.lineage != project.settings.project:
        raise RefusedTrouble(
            f"The file is the state of the project {pushed.head.lineage}, and this one is {project.settings.project}. "
            "Check `project` in crmsync.yaml."
        )
    make_private(project)
    try:
        store = open_store(
            project.settings.state,
            root=project.root,
            lineage=project.settings.project,
            create=True,
            seed=pushed.head.digest_key,
        )
        try:
            with leased(store):
                present = store.read()
                pushed = _fitting(present, pushed, is_forced)
                store.replace(present.position, pushed)
        finally:
            store.close()
    except Unusable as error:
        raise Trouble(str(error)) from error
    return pushed


def _fitting(present: State, pushed: State, is_forced: bool) -> State:
    """Return *pushed* as it can follow *present*. Raises RefusedTrouble."""
    is_same = present.head.digest_key == pushed.head.digest_key
    if not is_forced and not present.is_empty and (not is_same or pushed.position < present.position):
        why = f"is at position {present.position}, the file at {pushed.position}" if is_same else "is another one"
        raise RefusedTrouble(f"The present state {why}: what it has noted since would be lost. If that is meant: --force")
    if is_same:
        return pushed
    return replace(_without_applied(pushed), key=None)


def rekey(project: Project) -> State:
    """
    Let the state be one under the present CRMSYNC_STATE_KEY, or under none, and return it. Raises Trouble.

    Who is bound to which record stays; what was last confirmed is forgotten, for it was noted under the old one.
    """
    with opened_state(project, create=False) as (store, state), leased(store):
        if state.open_intents:
            text = "Requests of an earlier run have no known outcome yet. Let `crmsync apply` settle them under the old key."
            raise RefusedTrouble(text)
        key = key_mark(state.head.digest_key, state.head.lineage)
        fresh = replace(_without_applied(state), head=store.read().head, key=key)
        store.replace(state.position, fresh)
    return fresh


def _without_applied(state: State) -> State:
    """Return *state* without digests: under another secret they compare with nothing, and make every field a conflict."""
    return replace(state, bindings={address: replace(each, applied={}) for address, each in state.bindings.items()})


def move_address(project: Project, origin: Address, destination: Address) -> None:
    """Let the record of *origin* be called *destination* from now on. Raises Trouble."""
    if origin.type != destination.type:
        raise UsageTrouble(f"{origin} cannot become {destination}: a record keeps its type.")
    with opened_state(project, create=False) as (store, state), leased(store):
        if origin not in state.bindings:
            raise Trouble(f"{origin} is not bound to a record. `crmsync state list` shows what is.")
        if destination in state.bindings:
            raise Trouble(f"{destination} is bound already. Forget it first: crmsync state forget {destination}")
        if any(intent.address in (origin, destination) for intent in state.open_intents.values()):
            raise RefusedTrouble("A request about it has no known outcome yet. Let `crmsync apply` settle it first.")
        store.append(state.position, [Renamed(origin, destination)])
