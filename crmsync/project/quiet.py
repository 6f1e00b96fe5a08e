"""
A plan that found nothing to do is remembered with everything it was made of; as long as all of that is the same, there is
nothing to do, and nothing is parsed, resolved or compared.

What it was made of: this version, the settings and the profile, every record file, the state, the account's labels, and
what Copper showed of every bound record. Only wholly empty plans are remembered, without a warning, a question to Copper
about records that are not bound, or options that narrow a plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from crmsync.model.catalogue import Catalogue
from crmsync.model.state import Head
from crmsync.plan.world import Wishes
from crmsync.project.decisionfile import decisions_path
from crmsync.project.hashing import Hashes
from crmsync.project.inputs import files_of, labels_of
from crmsync.project.looking import Looking, content_of
from crmsync.project.saving import read_remembered, write_remembered
from crmsync.project.session import Project

_FILE = "quiet.json"


class Memo(Struct, frozen=True):
    """
    What the last plan, an empty one, was made of.

    *inputs* is the digest of what is on this machine, *labels* that of the account's tables; *types* says by type how
    its records were seen: the mark of the mirror, or ids and the digest of their bodies.
    """

    inputs: str
    account: int
    labels: str
    types: Mapping[str, Mapping[str, Any]]


def inputs_of(project: Project, head: Head, place: tuple[int, str | None], wishes: Wishes, hashes: Hashes) -> str | None:
    """
    Return the digest of everything on this machine that a plan depends on; None when a plan is not to be remembered.

    *place* is the position of the state and its mark: a copy that was restored and went on is another log of that length.
    """
    position, mark = place
    if wishes != Wishes(limits=wishes.limits, pace=wishes.pace, policies=wishes.policies) or not position or mark is None:
        return None
    if decisions_path(project).exists():
        return None  # what waits there for a choice must be looked at
    key = blake2b(head.digest_key, digest_size=16).hexdigest()
    return files_of(project, (head.lineage, position, mark, key), hashes)


def load(project: Project) -> Memo | None:
    """Return what is remembered; None when nothing is, or nothing that makes sense."""
    data = read_remembered(project.cache / _FILE)
    try:
        return Memo(**data)
    except TypeError:
        return None


def save(project: Project, memo: Memo) -> None:
    """Remember *memo*."""
    write_remembered(project.cache / _FILE, asdict(memo))


def marks(looking: Looking, types: Mapping[str, Any]) -> dict[str, Mapping[str, Any]] | None:
    """Return how the records of *types* were seen; None when that cannot be asked again cheaply."""
    found: dict[str, Mapping[str, Any]] = {}
    for name in types:
        head = looking.fresh.get(name)
        if head is not None:
            found[name] = {"read_at": head.read_at, "changes": head.changes}
        elif name in looking.small:
            found[name] = {"ids": sorted(looking.small[name]), "content": content_of(looking.small[name])}
        else:
            return None
    return found


def is_as_before(looking: Looking, catalogue: Catalogue, memo: Memo) -> bool:
    """Ask Copper whether every bound record is as it was; stop at the first that is not."""
    if memo.account != looking.account or memo.labels != labels_of(catalogue, memo.types):
        return False
    for name, mark in memo.types.items():
        if "ids" in mark:
            looking.bodies(catalogue[name], mark["ids"])
            if content_of(looking.small.get(name, {})) != mark["content"]:
                return False
        else:
            head = looking.head(catalogue[name])
            if head is None or {"read_at": head.read_at, "changes": head.changes} != mark:
                return False
    return True
