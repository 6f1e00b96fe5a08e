"""
The shelf: the sheets of files that were read before, so that only files that changed are read again.

A folder of one file a sheet in `.crmsync/cache/`, private to its owner. A sheet is called after everything that it was
made of: the content of its file, its name, and what else reading depends on (`basis_of`). So what is found under its name
is right, whoever put it there; nothing is ever changed in place, two commands at once write the same bytes under the same
name, and what is of another version is never found. What is damaged is taken away, with a notice, and made anew. Files
with errors are not put here: they are read, and told, again.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from msgspec import Struct, field, to_builtins

import crmsync
from crmsync.config import packing
from crmsync.model.catalogue import Catalogue, EntityType
from crmsync.model.settings import Settings
from crmsync.project.session import Project
from crmsync.project.sheets import PREFIX_BYTES, Damaged, Sheet, from_head, head_bytes, to_bytes

#: To be raised when reading gives something else for the same files without a new version of crmsync.
FORMAT = 6
#: A sheet that nothing asked for in so many seconds is thrown away; a mirror is not trusted for longer either.
KEPT_SECONDS = 7 * 24 * 3600.0
#: So many generations of one file's sheets are kept: as it is, and as it was when the last plans were made.
KEPT_PER_FILE = 3
_TOUCHED_SECONDS = 3600.0
_SUFFIX = ".sheet"


def basis_of(catalogue: Catalogue, settings: Settings) -> str:
    """
    Return the digest of everything but files that reading depends on.

    That is this version and those of what reads texts for it, the rows of the catalogue with the account's own, the label
    tables, the locale, and the settings that say how records are read: profiles and policies.
    """
    libraries = (sys.byteorder, unicodedata.unidata_version, _library("phonenumbers"), _library("yaml"))
    types = [_type_data(entity) for entity in catalogue.types]
    tables = {name: [to_builtins(entry) for entry in entries] for name, entries in sorted(catalogue.labels.items())}
    locale = (catalogue.locale.zone.key, catalogue.locale.close_date_order, catalogue.locale.phone_region)
    policies = {name: to_builtins(rule) for name, rule in sorted(settings.policies.items())}
    told = (settings.profile, settings.profiles, policies)
    data = [FORMAT, packing.FORMAT, crmsync.__version__, libraries, types, tables, locale, catalogue.has_account, told]
    return blake2b(json.dumps(data, default=str).encode(), digest_size=16).hexdigest()


def _type_data(entity: EntityType) -> list[Any]:
    rows = [[row.kind.name, row.kind.version, *(getattr(row, name) for name in _ROW)] for row in entity.fields]
    return [entity.name, entity.singular, rows, [to_builtins(match) for match in entity.match_on]]


_ROW = (
    *("name", "target", "within", "write", "required", "unique", "definition_id", "choices", "max_length", "filter"),
    *("key", "part"),
)


def _library(name: str) -> str:
    """Return which version of a library this is, without importing it."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        return ""
    try:
        seen = Path(spec.origin).stat()
    except OSError:
        return ""
    return f"{spec.origin} {seen.st_size} {seen.st_mtime_ns}"


def sheet_id(basis: str, file: str, digest: bytes) -> str:
    """Return the name of the sheet of a piece of *file* whose content has this *digest*."""
    own = blake2b(file.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    whole = digest + f"{basis} {file}".encode("utf-8", "surrogatepass")
    return f"{own}-{blake2b(whole, digest_size=16).hexdigest()}"


class Shelf(Struct):
    """The sheets in one folder; *notices* fills up with what the user should know of them."""

    folder: Path
    notices: list[str] = field(default_factory=list)

    def find(self, id: str, line: int = 1) -> Sheet | None:
        """Return the sheet called *id*, of a piece that begins on *line*, or None where there is none that can be used."""
        path = self._path(id)
        try:
            with path.open("rb") as file:
                prefix = file.read(PREFIX_BYTES)
                size, whole = head_bytes(prefix), os.fstat(file.fileno()).st_size
                head = file.read(min(size, whole))
            sheet = from_head(id, prefix, head, _on_disk(path, PREFIX_BYTES + size)).from_line(line)
            if whole != PREFIX_BYTES + size + (sheet.ends[-1] if sheet.ends else 0):
                raise Damaged("it was cut short")
        except FileNotFoundError:
            return None
        except (OSError, Damaged) as error:
            self.drop(id, error)
            return None
        except (KeyError, ValueError, TypeError, StopIteration):  # whole, and not as this version writes it
            self.drop(id, Damaged("another version of crmsync wrote it"))
            return None
        return sheet

    def keep(self, sheet: Sheet) -> bool:
        """Put *sheet* into the folder, and say whether that went well; where it does not, nothing is lost but time."""
        path = self._path(sheet.id)
        beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(to_bytes(sheet))
            beside.replace(path)  # not synced: what a power cut tears is noticed, and made anew
        except OSError:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            return False
        return True

    def drop(self, id: str, reason: Exception) -> None:
        """Take a sheet away that cannot be used, and say so once for all of them."""
        notice = "The cache of files that were read before is damaged in places, which are made anew"
        if not any(each.startswith(notice) for each in self.notices):
            self.notices.append(f"{notice}: {reason}.")
        with contextlib.suppress(OSError):
            self._path(id).unlink(missing_ok=True)

    def collect(self, used: Iterable[str], now: float | None = None) -> None:
        """Throw away what was not used for long, but never what is in *used*."""
        now = time.time() if now is None else now
        kept = set(used)
        by_file: dict[str, list[tuple[float, Path]]] = {}
        with contextlib.suppress(OSError):
            for path, touched in list(_files_of(self.folder)):
                if path.name.removesuffix(_SUFFIX) in kept:
                    if now - touched > _TOUCHED_SECONDS:
                        os.utime(path, (now, now))
                else:
                    by_file.setdefault(path.name.partition("-")[0], []).append((touched, path))
        pieces = Counter(id.partition("-")[0] for id in kept)
        for file, others in by_file.items():
            for place, (touched, path) in enumerate(sorted(others, reverse=True), start=1):
                if place > (KEPT_PER_FILE - 1) * max(pieces[file], 1) or now - touched > KEPT_SECONDS:
                    with contextlib.suppress(OSError):
                        path.unlink(missing_ok=True)

    def _path(self, id: str) -> Path:
        return self.folder / f"{id}{_SUFFIX}"


def shelf_of(project: Project) -> Shelf:
    """Return the shelf of the project's profile, for files that were read."""
    return Shelf(project.cache / "sheets")


def _files_of(folder: Path) -> Iterator[tuple[Path, float]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            yield Path(entry.path), entry.stat(follow_symlinks=False).st_mtime


def _on_disk(path: Path, offset: int) -> Any:
    def read(start: int, end: int) -> bytes:
        with path.open("rb", buffering=0) as file:
            file.seek(offset + start)
            return file.read(end - start)

    return read
