"""Files that crmsync writes: whole or not at all, and readable by their owner alone."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

#: How names begin that say when something was kept.
TIME = "%Y%m%dT%H%M%SZ"


def write_private(path: Path, content: str | bytes | Iterable[str]) -> None:
    """Write *content*, at once or in pieces, to *path* (mode 0600): a new file beside it, synced, then renamed over it."""
    _write(path, content, 0o600)


def write_shared(path: Path, content: str) -> None:
    """Write *content* to *path*, a file to be committed, in the same way, for whoever the umask lets."""
    _write(path, content, 0o666)


def _write(path: Path, content: str | bytes | Iterable[str], mode: int) -> None:
    if path.exists() and not path.is_file():  # renaming over /dev/null would take it from everybody
        raise FileExistsError(errno.EEXIST, "There is something that is not a file", str(path))
    _make_folder(path.parent)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for piece in (content,) if isinstance(content, str | bytes) else content:
                file.write(piece if isinstance(piece, bytes) else piece.encode("utf-8", "backslashreplace"))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _sync_folder(path.parent)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Let the new name outlive a loss of power."""
    if os.name == "nt":
        return  # Windows cannot open a folder, and needs no telling
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_folder(folder: Path) -> None:
    """Make *folder* and what is missing above it, for their owner alone."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def append_private(path: Path, text: str) -> None:
    """Append *text* to *path* (mode 0600), synced before this returns."""
    _make_folder(path.parent)
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        _sync_folder(path.parent)


def write_json(path: Path, document: Any) -> None:
    """Write *document* to *path* as JSON."""
    write_private(path, json.dumps(document, ensure_ascii=False, indent=1, default=str) + "\n")


def read_private(path: Path) -> str:
    """Return what a file of ours holds. Raises OSError, ValueError; also for a link and a pipe, which may have no end."""
    if path.is_symlink() or not path.is_file():
        raise FileNotFoundError(errno.ENOENT, "There is no such file", str(path))
    return path.read_text(encoding="utf-8")


def write_remembered(path: Path, data: Any) -> None:
    """Write what only saves work, with its checksum; where that cannot be done, it is not done."""
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
    with contextlib.suppress(OSError):
        write_private(path, json.dumps({"digest": digest, "data": data}))


def read_remembered(path: Path) -> Any:
    """Return what `write_remembered` wrote, or None where that is not what is there."""
    try:
        content = json.loads(read_private(path))
        text = json.dumps(content["data"], sort_keys=True)
        return content["data"] if content["digest"] == hashlib.sha256(text.encode()).hexdigest() else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
