"""Where a state is kept: what ``state:`` of the settings says, read, shown and opened."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from crmsync.model.store import Store, Unusable
from crmsync.state.gitref import GitRef
from crmsync.state.medium import Medium
from crmsync.state.objects import SCHEMES as OBJECT_SCHEMES
from crmsync.state.objects import Bucket
from crmsync.state.postgresql import SCHEMES as POSTGRESQL_SCHEMES
from crmsync.state.postgresql import PostgresTables
from crmsync.state.redact import without_password
from crmsync.state.shared import open_shared
from crmsync.state.sqlite import open_sqlite

# Two letters at least: `C:\crm\state.db` is a path.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+):")

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
        return open_sqlite(root / url, lineage, create=create, digest_key=digest_key, seed=seed)
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
    rest = url.partition(":")[2]
    remote, _, ref = rest.rpartition("#")
    if remote.startswith("-") or ref.startswith("-"):
        raise Unusable("A remote or a ref begins with no -. Write state: git:refs/crmsync/main")
    return GitRef(root, remote or "origin", ref)


_MEDIA: dict[str, Callable[[str, Path, str], Medium]] = {
    "git": _git,
    **dict.fromkeys(POSTGRESQL_SCHEMES, lambda url, root, lineage: PostgresTables(url, lineage)),
    **dict.fromkeys(OBJECT_SCHEMES, lambda url, root, lineage: Bucket(url)),
}
