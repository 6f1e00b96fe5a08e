"""
Plans that were approved by their digest: `apply --approved DIGEST`.

A plan prints one digest over all its changes, which fits into the comment of a pull request. Each plan also leaves, below
`.crmsync/runs/plans`, the digests of its single changes, without a value: so that an apply can do what is left of an
approved plan when some of it changed since. Where that note is not at hand, only the very same plan runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crmsync.project.saving import write_json
from crmsync.project.session import Project, make_private
from crmsync.project.trouble import UsageTrouble

#: So many plans are remembered; whoever approves an older one reviews again.
REMEMBERED = 50

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Approved:
    """A digest, and the digests of the single changes by address; None where they are not known here."""

    digest: str
    changes: Mapping[str, str] | None


def remember_plan(project: Project, document: Mapping[str, Any]) -> None:
    """Note what the plan *document* would do, so that its digest can be approved."""
    if not document["resource_changes"]:
        return
    make_private(project)
    folder = _folder(project)
    changes = {each["address"]: each["crmsync"]["digest"] for each in document["resource_changes"]}
    write_json(folder / f"{document['crmsync']['digest']}.json", {"changes": changes})
    notes = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
    for old in notes[:-REMEMBERED]:
        old.unlink(missing_ok=True)


def load_approved(project: Project, digest: str) -> Approved:
    """Return what *digest* approves. Raises UsageTrouble for what is no digest."""
    digest = digest.strip().lower()
    if not _DIGEST.fullmatch(digest):
        raise UsageTrouble("--approved takes the 64 digits that `crmsync plan` prints as the plan digest.")
    try:
        note = json.loads((_folder(project) / f"{digest}.json").read_text(encoding="utf-8"))
        return Approved(digest, {str(address): str(each) for address, each in note["changes"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Approved(digest, None)


def _folder(project: Project) -> Path:
    return project.private / "runs" / "plans"
