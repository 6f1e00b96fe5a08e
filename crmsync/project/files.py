"""The user's files: found, read, parsed."""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from stat import S_ISREG
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

import crmsync
from crmsync.config.document import Document, parse, shown_lines
from crmsync.config.rows import is_rows, shown_line
from crmsync.config.settings import read_settings
from crmsync.model.codes import CODES
from crmsync.model.settings import Settings
from crmsync.model.source import Diagnostic, Position, Severity
from crmsync.project.saving import write_private
from crmsync.project.trouble import InputTrouble, LineOf, UsageTrouble

SETTINGS_FILE = "crmsync.yaml"
#: Of a line of a file of rows at most so much is shown.
SHOWN_BYTES = 4096
_RECORD_SUFFIXES = {".yaml", ".yml", ".json", ".jsonl"}
_PROSE_SUFFIXES = {".md", ".bak", ".orig"}
_TABLE_SUFFIXES = {".csv", ".tsv", ".xlsx", ".xls", ".ods"}


class Source(Struct, frozen=True):
    """One file that holds records: where it is, and what it is called."""

    path: Path
    name: str


class Sources(Struct, frozen=True, dict=True):
    """The record files of a project; *diagnostics* are about files that are not read. *others* hold no records."""

    files: tuple[Source, ...]
    diagnostics: tuple[Diagnostic, ...]
    others: tuple[Document, ...] = ()

    def line_of(self, file: str, line: int) -> str | None:
        """Return a source line, for the caret of a diagnostic."""
        known = self._lines.get(file)
        if known is None:
            known = self._lines.setdefault(file, self._lines_of(file))
        return known[line - 1] if 0 < line <= len(known) else None

    def size(self) -> int:
        """Return how many bytes the files have, those that can be seen."""
        total = 0
        for source in self.files:
            with suppress(OSError):
                total += source.path.stat().st_size
        return total

    @cached_property
    def _lines(self) -> dict[str, Sequence[str]]:
        return {document.file: document.lines for document in self.others}

    def _lines_of(self, file: str) -> Sequence[str]:
        """Read *file* again: few are ever shown, and the texts of all would fill the memory."""
        for source in self.files:
            if source.name == file:
                with suppress(OSError):
                    return _Rows(source.path) if is_rows(file) else shown_lines(source.path.read_bytes())
        return ()


class _Rows(Sequence[str]):
    """The lines of a file that may be too large for the memory: only where they begin is in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._starts = array("Q", [0])
        with path.open("rb") as file:
            for line in file:
                self._starts.append(self._starts[-1] + len(line))

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, number: Any) -> Any:
        with self._path.open("rb") as file:
            file.seek(self._starts[number])
            return shown_line(file.readline(SHOWN_BYTES))


def with_others(sources: Sources, document: Document | None) -> Sources:
    """Return *sources* with a file whose lines are shown though it holds no records."""
    return sources if document is None else replace(sources, others=(*sources.others, document))


def line_finder(documents: Sequence[Document]) -> LineOf:
    """Return the function that finds source lines in *documents*."""
    lines = {document.file: document.lines for document in documents}

    def line_of(file: str, line: int) -> str | None:
        known = lines.get(file, ())
        return known[line - 1] if 0 < line <= len(known) else None

    return line_of


def schema(name: str) -> Mapping[str, Any]:
    """Return a committed schema: shipped inside the package, or at the top of a checkout."""
    inside = Path(crmsync.__file__).parent
    shipped = inside / "schemas" / f"{name}.schema.json"
    path = shipped if shipped.is_file() else inside.parent / "schemas" / shipped.name
    document: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def find_root(start: Path) -> Path:
    """Return the nearest folder, upwards from *start*, with a settings file. Raises UsageTrouble."""
    for folder in (start, *start.parents):
        if (folder / SETTINGS_FILE).is_file():
            return folder
    raise UsageTrouble(f"There is no {SETTINGS_FILE} in {start} or above it. Start a project with: crmsync init")


def load_settings(root: Path, profile: str | None, private: Path) -> Settings:
    """
    Return the settings of the project at *root* with a profile merged in. Raises InputTrouble, UsageTrouble.

    A mark in *private*, where that is there, says that a file of just this content was sound: jsonschema takes longer to
    import than many a plan takes.
    """
    path = root / SETTINGS_FILE
    if not path.resolve().is_relative_to(root.resolve()):
        # Its lines are quoted when they are wrong: a link would show a file of somebody else, or the environment.
        raise UsageTrouble(f"{SETTINGS_FILE} is a link that leads outside the project. Put the file itself there.")
    content, shape = path.read_bytes(), schema("settings")
    document = parse(content, SETTINGS_FILE)
    mark = private / "cache" / f"sound-{blake2b(repr((content, shape)).encode(), digest_size=16).hexdigest()}"
    settings, diagnostics = read_settings(document, profile, shape, is_sound=mark.is_file())
    problems = (*document.diagnostics, *diagnostics)
    missing_profile = [each for each in problems if each.code.number == "CRM045"]
    if missing_profile:
        raise UsageTrouble(missing_profile[0].detail)
    if settings is None or any(each.is_error for each in problems):
        raise InputTrouble(tuple(dict.fromkeys(problems)), line_finder([document]))
    if not problems:
        _leave(mark, private)
    return settings


def _leave(mark: Path, private: Path) -> None:
    """Leave *mark* in the place of earlier ones; a folder that is not ours, or cannot be written, is left alone."""
    if mark.is_file() or private.is_symlink() or not mark.parent.is_dir() or mark.parent.is_symlink():
        return
    with suppress(OSError):
        for earlier in mark.parent.glob("sound-*"):
            earlier.unlink()
        write_private(mark, "")


def find_sources(root: Path, settings: Settings) -> Sources:
    """Return the record files that *settings* name, in the order of their names; none of them is opened."""
    found: list[Source] = []
    diagnostics: list[Diagnostic] = []
    real = root.resolve()
    for entry in settings.records:
        folder = (root / entry).resolve()
        if not folder.is_relative_to(real):
            diagnostics.append(_unreadable(entry, "It lies outside the project."))
            continue
        if not folder.exists():
            diagnostics.append(_unreadable(entry, f"It does not exist, but `records` in {SETTINGS_FILE} names it."))
            continue
        for path in _below(folder, diagnostics):
            _look_at(real, path, found, diagnostics)
    return Sources(tuple(found), tuple(diagnostics))


def each_file(root: Path, settings: Settings) -> Iterator[Path]:
    """Yield every file below `records` inside the project, whatever it holds, and whatever sort of file it is."""
    real = root.resolve()
    for entry in settings.records:
        folder = (root / entry).resolve()
        yield from _below(folder, []) if folder.is_relative_to(real) and folder.exists() else ()


def is_plain(path: Path) -> bool:
    """Say whether *path* is a file, and no link to one: what may be read before anybody has looked where it leads."""
    try:
        return S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def each_plain_file(root: Path, settings: Settings) -> Iterator[Path]:
    """Yield those of the files that may be read at once."""
    return filter(is_plain, each_file(root, settings))


def _below(path: Path, diagnostics: list[Diagnostic]) -> Iterator[Path]:
    """
    Yield the files below *path* by name, without dotfiles and the lock files of office programs.

    A folder that cannot be seen into is an error: what it declares would seem to be gone, and would be deleted.
    """
    if path.is_file():
        yield path
        return

    def tell(error: OSError) -> None:
        diagnostics.append(_unreadable(str(error.filename), f"The folder could not be read: {error.strerror}."))

    for folder, names, found in os.walk(path, onerror=tell):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in names:
            if (Path(folder) / name).is_symlink():
                diagnostics.append(_unreadable(name, "It is a link to a folder, and those are not followed."))
        for name in sorted(found):
            if not name.startswith((".", "~$")):
                yield Path(folder) / name


def _look_at(root: Path, path: Path, found: list[Source], diagnostics: list[Diagnostic]) -> None:
    """Look what sort of file *path* is, whose folder is known to lie below *root*."""
    name = path.relative_to(root).as_posix()
    if path.is_symlink() and not path.resolve().is_relative_to(root):
        diagnostics.append(_unreadable(name, "It is a link that leads outside the project."))
        return
    if not path.is_file() and path.exists():
        diagnostics.append(_unreadable(name, "It is neither a file nor a folder."))
        return
    suffix = path.suffix.casefold()
    if suffix in _TABLE_SUFFIXES:
        detail = f"{name} is a table, and this version reads YAML, JSON and JSONL. Convert it, or move it out of `records`."
        diagnostics.append(Diagnostic(CODES["CRM009"], detail, Position(name, 1, 1)))
    elif suffix in _RECORD_SUFFIXES:
        found.append(Source(path, name))
    elif suffix not in _PROSE_SUFFIXES:
        detail = f"{name} is not read. Name it .yaml if it holds records, or move it out of `records`."
        diagnostics.append(Diagnostic(CODES["CRM060"], detail, Position(name, 1, 1), severity=Severity.WARNING))


def unreadable(name: str, error: OSError) -> Diagnostic:
    """Return the complaint about a file that cannot be opened."""
    return _unreadable(name, f"It could not be read: {error.strerror}.")


def _unreadable(name: str, detail: str) -> Diagnostic:
    return Diagnostic(CODES["CRM001"], detail, Position(name, 1, 1))
