"""A session: one project opened for one command, with its files, state and account."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event as Signal

from crmsync.config.records import Declarations, read_records
from crmsync.model.catalogue import Catalogue
from crmsync.model.settings import Settings
from crmsync.model.source import Diagnostic, in_file_order
from crmsync.model.state import State
from crmsync.model.store import Store, Unusable
from crmsync.project.files import Sources, find_root, load_settings, load_sources, schema
from crmsync.project.trouble import InputTrouble, Trouble

PRIVATE_FOLDER = ".crmsync"


@dataclass(frozen=True)
class Project:
    """A project on disk: where it is, its settings, the environment that a command runs in."""

    root: Path
    settings: Settings
    environ: Mapping[str, str]

    @property
    def private(self) -> Path:
        """The folder for everything that is not committed."""
        return self.root / PRIVATE_FOLDER

    @property
    def cache(self) -> Path:
        """The folder for what only saves work."""
        return self.private / "cache" / (self.settings.profile or "default")


def open_project(
    profile: str | None = None, *, start: Path | None = None, environ: Mapping[str, str] | None = None
) -> Project:
    """Return the project around *start* (the working folder). Raises Trouble."""
    environ = os.environ if environ is None else environ
    root = find_root((start or Path.cwd()).resolve())
    settings = load_settings(root, profile or environ.get("CRMSYNC_PROFILE") or None)
    return Project(root, settings, environ)


def make_private(project: Project) -> None:
    """Make the private folder, which keeps itself out of git."""
    project.private.mkdir(mode=0o700, exist_ok=True)
    ignore = project.private / ".gitignore"
    if not ignore.exists():
        ignore.write_text("# Everything here is private to this machine.\n*\n", encoding="utf-8")


def read_declarations(project: Project, sources: Sources, catalogue: Catalogue) -> Declarations:
    """Return the records that the files declare, with everything that is wrong in them."""
    declarations = read_records(sources.documents, catalogue, project.settings.profile, schema("records"))
    found = [*sources.diagnostics, *declarations.diagnostics]
    found += [each for document in sources.documents for each in document.diagnostics]
    return replace(declarations, diagnostics=in_file_order(found))


def refuse_errors(diagnostics: tuple[Diagnostic, ...], sources: Sources) -> None:
    """Raise InputTrouble when there is an error among *diagnostics*."""
    if any(each.is_error for each in diagnostics):
        raise InputTrouble(diagnostics, sources.line_of)


def load_project_sources(project: Project) -> Sources:
    """Return the record files of *project*."""
    return load_sources(project.root, project.settings)


@contextmanager
def opened_state(project: Project, *, create: bool) -> Iterator[tuple[Store, State]]:
    """Open the state; without *create* a missing one reads as empty and nothing is written. Raises Trouble."""
    from crmsync.state import open_store  # the database driver is not for every command

    if create:
        make_private(project)
    try:
        store = open_store(project.settings.state, root=project.root, lineage=project.settings.project, create=create)
        try:
            yield store, _with_key(store.read(), project.environ)
        finally:
            store.close()
    except Unusable as error:
        raise Trouble(str(error)) from error


def _with_key(state: State, environ: Mapping[str, str]) -> State:
    """Return *state* with the digest key of CRMSYNC_STATE_KEY, where that is set."""
    text = environ.get("CRMSYNC_STATE_KEY")
    if not text:
        return state
    key = hashlib.blake2b(text.encode(), person=b"crmsync-digests", digest_size=32).digest()
    return replace(state, head=replace(state.head, digest_key=key))


@dataclass(frozen=True)
class Clock:
    """The world's time, handed in so that tests can have their own."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


def new_signal() -> Signal:
    """Return the flag by which a run is asked to stop."""
    return Signal()
