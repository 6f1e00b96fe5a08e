"""Where a state is kept: what ``state:`` of the settings says, read, shown and opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from crmsync.model.late import late
from crmsync.model.store import Store, Unusable
from crmsync.state.medium import Medium
from crmsync.state.redact import without_password

# Two letters at least: `C:\crm\state.db` is a path.
_SCHEME = late(r"([A-Za-z][A-Za-z0-9+.\-]+):")

KNOWN = ".crmsync/state.db, git:refs/crmsync/main, postgresql://HOST/DATABASE or s3://BUCKET/PREFIX"


def open_store(
    url: str, *, root: Path, lineage: str, create: bool, digest_key: bytes | None = None, seed: bytes | None = None
) -> Store:
    """
    Return the store that ``state:`` of the settings names; a path is relative to *root*.

    With *create* false nothing is written: a state that does not exist yet reads as empty.
    *seed* is the secret of a new one. Raises Unusable.
    """
    if is_local(url):
        from crmsync.state.sqlite import open_sqlite  # here and below for its cost: of the engines a run needs one

        return open_sqlite(root / url, lineage, create=create, digest_key=digest_key, seed=seed)
    from crmsync.state.shared import open_shared

    return open_shared(medium_of(url, root, lineage), lineage, create=create, digest_key=digest_key, seed=seed)


def is_local(url: str) -> bool:
    """Say whether the state is a file of this machine."""
    return _SCHEME.match(url) is None


def shown_place(url: str) -> str:
    """Return the address of a state as it may be shown: without password."""
    return url if is_local(url) else without_password(url)


def medium_of(url: str, root: Path, lineage: str) -> Medium:
    """Return the medium that *url* names. Raises Unusable."""
    found = _SCHEME.match(url)
    make = _MEDIA.get(found[1].lower()) if found else None
    if make is None:
        scheme = found[1] if found else url
        raise Unusable(f"The state cannot be kept in {scheme}. Write one of: {KNOWN}")
    return make(url, root, lineage)


def _git(url: str, root: Path, lineage: str) -> Medium:
    """``git:REF`` is a ref of origin, ``git:REMOTE#REF`` one of another remote, by name or URL."""
    from crmsync.state.gitref import GitRef

    rest = url.partition(":")[2]
    remote, _, ref = rest.rpartition("#")
    if remote.startswith("-") or ref.startswith("-"):
        raise Unusable("A remote or a ref begins with no -. Write state: git:refs/crmsync/main")
    return GitRef(root, remote or "origin", ref)


def _postgresql(url: str, root: Path, lineage: str) -> Medium:
    from crmsync.state.postgresql import PostgresTables

    return PostgresTables(url, lineage)


def _objects(url: str, root: Path, lineage: str) -> Medium:
    from crmsync.state.objects import Bucket

    return Bucket(url)


_MEDIA: dict[str, Callable[[str, Path, str], Medium]] = {
    "git": _git,
    **dict.fromkeys(("postgresql", "postgres"), _postgresql),
    **dict.fromkeys(("s3", "gs", "az"), _objects),
}
