"""The file of a saved plan: JSON for its owner alone, encrypted where CRMSYNC_STATE_KEY is set."""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from crmsync.plan.world import Wishes
from crmsync.project.saving import write_private
from crmsync.project.trouble import RefusedTrouble, UsageTrouble
from crmsync.render.jsontext import dump_pieces

_PURPOSE = "plan"


def sealed(document: Mapping[str, Any], wishes: Wishes) -> dict[str, Any]:
    """Return a plan *document* as it is saved: with what it was made for, and a seal over all of it."""
    asked = {
        "only": list(wishes.only),
        "except": list(wishes.excepted),
        "destroy": wishes.is_destroy,
        "recreate": sorted(map(str, wishes.recreate)),
        "allow_orphans": wishes.may_orphan,
    }
    own = {**document["crmsync"], "wishes": asked}
    return {**document, "crmsync": {**own, "seal": seal_of({**document, "crmsync": own})}}


def seal_of(document: Mapping[str, Any]) -> str:
    """Return the seal that a plan *document* has when nobody changed it."""
    own = {name: value for name, value in document["crmsync"].items() if name != "seal"}
    seal = sha256()
    for piece in dump_pieces({**document, "crmsync": own}):
        seal.update(piece.encode())
    return seal.hexdigest()


def check_place(path: Path) -> None:
    """Raise UsageTrouble where a plan could not be saved to *path*: a slip of the pen makes no folders."""
    if not path.parent.is_dir():
        raise UsageTrouble(f"There is no folder {path.parent} to save the plan in. Make it, or name another place.")


def write_plan(path: Path, document: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Write a plan *document* to *path*. Raises UsageTrouble."""
    from crmsync.state.sealing import encrypt  # for its cost: most plans are only looked at

    key = environ.get("CRMSYNC_STATE_KEY")
    try:
        pieces = dump_pieces(document)
        write_private(path, encrypt("".join(pieces).encode(), key, _PURPOSE) if key else pieces)
    except FileExistsError as error:
        raise UsageTrouble(f"The plan cannot be saved to {path}: {error.strerror}.") from error


def read_plan(path: Path, environ: Mapping[str, str] | None = None) -> str:
    """Return the text of the plan in *path*. Raises UsageTrouble, RefusedTrouble."""
    from crmsync.state.sealing import WrongKey, decrypt, is_sealed

    key = (os.environ if environ is None else environ).get("CRMSYNC_STATE_KEY")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageTrouble(f"The plan {path} could not be read: {error.strerror}.") from error
    try:
        if not is_sealed(content):
            return content.decode()
        if not key:
            raise RefusedTrouble(f"{path} is encrypted. Set CRMSYNC_STATE_KEY to what it was when the plan was saved.")
        return decrypt(content, key, _PURPOSE).decode()
    except WrongKey as error:
        raise RefusedTrouble(
            f"{path} was encrypted under another CRMSYNC_STATE_KEY, or was changed since. Set the key that it was saved "
            "with, or make a new plan."
        ) from error
    except UnicodeDecodeError as error:
        raise RefusedTrouble(
            f"{path} is not a plan of crmsync, or was cut. Save one with: crmsync plan --out FILE"
        ) from error
