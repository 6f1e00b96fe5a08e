"""A session: one project opened for one command, with its files, state and account."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from crmsync.model.digest import key_mark
from crmsync.model.settings import Settings
from crmsync.model.source import Diagnostic
from crmsync.model.state import Head, State
from crmsync.model.store import Store, Tail, Unusable
from crmsync.project.files import Sources, find_root, find_sources, load_settings
from crmsync.project.saving import write_private
from crmsync.project.trouble import InputTrouble, RefusedTrouble, Trouble

PRIVATE_FOLDER = ".crmsync"


class Project(Struct, frozen=True):
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
    settings = load_settings(root, profile or environ.get("CRMSYNC_PROFILE") or None, root / PRIVATE_FOLDER)
    project = Project(root, settings, environ)
    _refuse_links(project)
    return project


def _refuse_links(project: Project) -> None:
    """Refuse private folders that are links, as a project that was cloned may have: we write and tidy up in them."""
    for folder in (project.private, project.cache.parent, project.cache, project.cache / "sheets", project.private / "runs"):
        if folder.is_symlink():
            text = f"The folder {folder} is a link, and crmsync writes only inside the project. Make it a folder."
            raise Trouble(text)


def is_ci(project: Project) -> bool:
    """Say whether this runs on a machine of continuous integration, which may be thrown away afterwards."""
    return project.environ.get("CI", "").strip().lower() not in ("", "0", "false", "no")


def make_private(project: Project) -> None:
    """Make the private folder, which keeps itself out of git. Raises Trouble."""
    try:
        project.private.mkdir(mode=0o700, exist_ok=True)
        ignore = project.private / ".gitignore"
        if not ignore.exists():
            write_private(ignore, "# Everything here is private to this machine.\n*\n")
    except OSError as error:
        text = f"The folder {project.private} cannot be used: {error.strerror}. crmsync keeps its state and caches there."
        raise Trouble(text) from error


def refuse_errors(diagnostics: tuple[Diagnostic, ...], sources: Sources) -> None:
    """Raise InputTrouble when there is an error among *diagnostics*."""
    if any(each.is_error for each in diagnostics):
        raise InputTrouble(diagnostics, sources.line_of)


def load_project_sources(project: Project) -> Sources:
    """Return the record files of *project*; none is opened yet."""
    return find_sources(project.root, project.settings)


@contextmanager
def opened_store(project: Project, *, create: bool) -> Iterator[Store]:
    """Open the state without reading it; without *create* nothing is written. Raises Trouble."""
    from crmsync.state.places import open_store  # the database driver is not for every command

    if create:
        make_private(project)
    try:
        store = open_store(project.settings.state, root=project.root, lineage=project.settings.project, create=create)
        try:
            yield store
        finally:
            store.close()
    except Unusable as error:
        raise Trouble(str(error)) from error


@contextmanager
def opened_state(project: Project, *, create: bool) -> Iterator[tuple[Store, State]]:
    """Open the state and read it; without *create* a missing one reads as empty. Raises Trouble."""
    with opened_store(project, create=create) as store:
        yield store, read_state(project, store)


def read_state(project: Project, store: Store) -> State:
    """Return the state, with the digest key of CRMSYNC_STATE_KEY where that is set. Raises Unusable."""
    state = store.read()
    return replace(state, head=_with_key(state.head, project.environ))


def refuse_other_key(project: Project, state: State) -> None:
    """
    Raise RefusedTrouble when the digests of *state* were made under another secret: they would compare with nothing.

    Every field would look changed by somebody, and what an unclear create has made would not be known again.
    """
    if state.key in (None, key_mark(state.head.digest_key, state.head.lineage)):
        return
    is_set = bool(project.environ.get("CRMSYNC_STATE_KEY"))
    now = "another CRMSYNC_STATE_KEY than the one that is set, or without one" if is_set else "a CRMSYNC_STATE_KEY"
    cure = "Use the one that the others use" if is_set else "Export it"
    raise RefusedTrouble(
        f"The state was written under {now}, so nothing of it can be compared. {cure}. "
        "If the key shall be another from now on: crmsync state rekey"
    )


def peek(project: Project, store: Store) -> tuple[Head, int] | None:
    """Return head and position of the state where the store tells them without reading it all. Raises Unusable."""
    look: Callable[[], tuple[Head, int]] | None = getattr(store, "peek", None)
    if look is None:
        return None
    head, position = look()
    return _with_key(head, project.environ), position


def tail_of(project: Project, store: Store, position: int, mark: str) -> Tail | None:
    """Return what came after *position* in the log that *mark* is of; None where that is not told. Raises Unusable."""
    tail = store.since(position, mark)
    return None if tail is None else replace(tail, head=_with_key(tail.head, project.environ))


def _with_key(head: Head, environ: Mapping[str, str]) -> Head:
    text = environ.get("CRMSYNC_STATE_KEY")
    if not text:
        return head
    key = hashlib.blake2b(text.encode(), person=b"crmsync-digests", digest_size=32).digest()
    return replace(head, digest_key=key)
