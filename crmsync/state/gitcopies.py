"""
Copies in a git ref: one tree of all of them, in a commit without parents, so that what is dropped is really gone.

A copy ``20261126T101112Z-RUN/000042`` lies at ``20261126/20261126T101112Z-RUN/000/042``: each write makes anew only the
folders on its way, which stay small, and an index that is kept between writes knows the others.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from crmsync.model.store import Unusable
from crmsync.state.gitcommand import Git

_NAME = re.compile(r"((\d{8})T[^/]*)/(\d{3})(\d{3})")
_PATH = re.compile(r"\d{8}/([^/]*)/(\d{3})/(\d{3})")


class Copies:
    """The tree of copies as this process knows it; *fetched* returns the commit that the remote has."""

    def __init__(self, git: Git, fetched: Callable[[], str | None]) -> None:
        self._git = git
        self._fetched = fetched
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._commit: str | None = None
        self._names: dict[str, tuple[str, int]] = {}

    def listed(self, commit: str | None) -> dict[str, tuple[str, int]]:
        """Return the copies of *commit* by name: blob and size."""
        lines = [] if commit is None else self._git.text("ls-tree", "-r", "-l", commit).splitlines()
        rows = {path: about.split() for about, _, path in (line.partition("\t") for line in lines)}
        return {_name(path): (blob, int(size)) for path, (_, _, blob, size) in rows.items()}

    def grown(self, copies: Mapping[str, bytes]) -> tuple[str | None, str]:
        """Return the commit before and one with *copies* added; the same one where they are there. Raises Unusable."""
        index = self._index()
        blobs = {name: self._git.text("hash-object", "-w", "--stdin", given=content) for name, content in copies.items()}
        for name, blob in blobs.items():
            if self._names.get(name, (blob,))[0] != blob:
                raise Unusable(f"There is a copy {name} already.")
        if self._commit is not None and blobs.keys() <= self._names.keys():
            return self._commit, self._commit
        self._names |= {name: (blob, len(copies[name])) for name, blob in blobs.items()}
        return self._written(index, [f"100644 {blob}\t{_path(name)}" for name, blob in blobs.items()])

    def shrunk(self, gone: frozenset[str]) -> tuple[str | None, str]:
        """Return the commit before and one without *gone*; the same one where none of them is there."""
        index = self._index()
        there = gone & self._names.keys()
        if not there:
            return self._commit, self._commit or ""
        for name in there:
            del self._names[name]
        nothing = "0" * 40
        return self._written(index, [f"0 {nothing}\t{path}" for name in there for path in {_path(name), name}])

    def take(self, commit: str) -> None:
        """Go on from *commit*, the last that was made here, now that the remote has it."""
        self._commit = commit

    def forget(self) -> None:
        """Know nothing of the remote's copies any more."""
        if self._folder is not None:
            self._folder.cleanup()
        self._folder = None

    def _index(self) -> Mapping[str, str]:
        """Return the environment that names an index with everything the remote has, which is read once."""
        if self._folder is None:
            self._commit = self._fetched()
            self._names = self.listed(self._commit)
            self._folder = tempfile.TemporaryDirectory(prefix="crmsync-")
            if self._commit is not None:
                self._git.run("read-tree", self._commit, environment=self._environment(self._folder.name))
        return self._environment(self._folder.name)

    def _environment(self, folder: str) -> Mapping[str, str]:
        return {"GIT_INDEX_FILE": str(Path(folder) / "index")}

    def _written(self, index: Mapping[str, str], lines: list[str]) -> tuple[str | None, str]:
        given = "".join(f"{line}\n" for line in lines).encode()
        self._git.run("update-index", "--add", "--index-info", given=given, environment=index)
        tree = self._git.text("write-tree", environment=index)
        return self._commit, self._git.text("commit-tree", "-m", "crmsync: copies", tree)


def _path(name: str) -> str:
    found = _NAME.fullmatch(name)
    return f"{found[2]}/{found[1]}/{found[3]}/{found[4]}" if found else name


def _name(path: str) -> str:
    found = _PATH.fullmatch(path)
    return f"{found[1]}/{found[2]}{found[3]}" if found else path
