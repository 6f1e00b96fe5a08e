"""Finding out what is wrong: `crmsync doctor`. It looks, and leaves nothing behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from msgspec import Struct

from crmsync.catalogue import CATALOGUE
from crmsync.copper import read
from crmsync.copper.client import Client
from crmsync.copper.errors import CopperError
from crmsync.copper.transport import base_url_from_env, credentials_from_env
from crmsync.model.state import State
from crmsync.model.store import Unusable
from crmsync.project.account import identify, zone
from crmsync.project.connect import connect
from crmsync.project.session import Project, opened_state
from crmsync.project.trouble import LoginTrouble, Trouble, counted
from crmsync.project.validating import validate
from crmsync.state import is_local, shown_place
from crmsync.state.proving import prove

#: More than this and expiry times and intents are not what they seem.
SKEW_SECONDS = 30
#: Copper tells its time in whole seconds.
EQUAL_SECONDS = 2


class Finding(Struct, frozen=True):
    """One thing that was looked at: ``ok``, ``note`` or ``wrong``, and what about it."""

    status: str
    topic: str
    text: str
    is_login: bool = False


def examine(project: Project) -> Iterator[Finding]:
    """Yield what there is to say about *project*, one topic after the other; a topic that fails does not end the rest."""
    yield from _told("files", lambda: _files(project))
    state: list[State] = []
    yield from _told("state", lambda: _state(project, state))
    try:
        yield Finding("ok", "address", base_url_from_env(project.environ))
        yield Finding("ok", "key", f"a key for {credentials_from_env(project.environ).email}")
        client = connect(project, may_write=False)
    except (CopperError, Trouble) as error:
        yield Finding("wrong", "key", str(error), is_login=True)
        return
    pinned = state[0].account_id if state else None
    yield from _told("account", lambda: _account(project, client, pinned))
    yield from _told("user", lambda: _user(client))
    yield from _told("clock", lambda: _clock(client))
    yield from _told("permissions", lambda: _permissions(client))


def _told(topic: str, look: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return look()
    except (CopperError, Trouble, Unusable) as error:
        status = getattr(error, "status", None)
        is_login = isinstance(error, LoginTrouble) or status in (401, 402, 403)
        return [Finding("wrong", topic, str(error), is_login)]


def _files(project: Project) -> list[Finding]:
    checked = validate(project)
    errors = sum(each.is_error for each in checked.diagnostics)
    if errors:
        return [Finding("wrong", "files", f"{counted(errors, 'error')}; `crmsync validate` shows them.")]
    return [
        Finding("ok", "files", f"{counted(checked.records, 'record')} in {counted(checked.files, 'file')}. {checked.labels}")
    ]


def _state(project: Project, found: list[State]) -> list[Finding]:
    with opened_state(project, create=False) as (store, state):
        found.append(state)
        holder = store.holder()
    prove(project.settings.state, project.root)
    place = shown_place(project.settings.state)
    findings = [
        Finding("ok", "state", f"{place}: {counted(len(state.bindings), 'record')}, position {state.position}"),
        Finding("ok", "state", "a second create and a stale append are refused there, as they have to be"),
    ]
    if state.open_intents:
        text = f"{counted(len(state.open_intents), 'request')} without a known outcome; the next apply settles them."
        findings.append(Finding("note", "state", text))
    if holder is not None:
        age = int(time.time() - holder.renewed)
        text = f"held by {holder.who} on {holder.host}, process {holder.pid}, last heard of {age} s ago"
        findings.append(Finding("note", "lease", text))
    path = project.root / project.settings.state
    if is_local(project.settings.state) and path.exists() and path.stat().st_mode & 0o077 and os.name == "posix":
        findings.append(Finding("note", "state", f"Others on this machine can read it: chmod 600 {project.settings.state}"))
    return findings


def _account(project: Project, client: Client, pinned: int | None) -> list[Finding]:
    id, name, zone_name = identify(client, project.settings, pinned)
    zone(zone_name)
    return [Finding("ok", "account", f"{name} ({id}), time zone {zone_name}")]


def _user(client: Client) -> list[Finding]:
    body = read.me(client)
    return [Finding("ok", "user", f"{body.get('name')} <{body.get('email')}>")]


def _clock(client: Client) -> list[Finding]:
    server = client.server_clock
    if server is None:
        return [Finding("note", "clock", "Copper sent no Date header; its clock is not known.")]
    skew = server - time.time()
    if abs(skew) < EQUAL_SECONDS:
        return [Finding("ok", "clock", "Copper's clock and ours agree")]
    status = "ok" if abs(skew) <= SKEW_SECONDS else "note"
    return [Finding(status, "clock", f"Copper's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} ours")]


def _permissions(client: Client) -> list[Finding]:
    counts = {entity.name: read.count(client, entity.path) for entity in CATALOGUE.types}
    text = ", ".join(f"{count} {name}" for name, count in counts.items())
    return [Finding("ok", "permissions", f"the key sees {text}; a key sees only what its owner's teams may see")]
