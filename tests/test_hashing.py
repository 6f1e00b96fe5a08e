"""Digests of files are remembered by how a file looks, and whatever is done to a file, its digest is that of its content."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsync.project import hashing
from crmsync.project.hashing import Hashed, Hashes
from crmsync.project.saving import read_remembered, write_remembered

MEMORY = "digests.json"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that was written long enough ago to be remembered."""
    path = tmp_path / "people.yaml"
    path.write_bytes(b"ann")
    time.sleep(2 * hashing.SETTLED_SECONDS)
    return path


def digest(path: Path) -> bytes:
    """Return the digest of a file as a command finds it that has the folder above as its cache."""
    with closing(Hashes(path.parent)) as hashes:
        return hashes.of(path).digest


def remembered(path: Path) -> Any:
    """Return what is remembered of a file."""
    return (read_remembered(path.parent / MEMORY) or {}).get(str(path))


def test_a_file_that_looks_as_it_did_is_not_read(file: Path) -> None:
    """What is remembered of it counts, whatever that is."""
    digest(file)
    *look, _ = remembered(file)
    write_remembered(file.parent / MEMORY, {str(file): [*look, "00ff"]})

    with closing(Hashes(file.parent, [file])) as hashes:
        assert Hashed(b"\x00\xff", 3) == hashes.of(file)


def _edited(path: Path) -> None:
    path.write_bytes(b"bob")


def _edited_and_dated_back(path: Path) -> None:
    seen = path.stat()
    path.write_bytes(b"bob")
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def _replaced(path: Path) -> None:
    seen, other = path.stat(), path.with_name("other")
    other.write_bytes(b"bob")
    os.utime(other, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    other.replace(path)


def _linked(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"bob")
    path.unlink()
    path.symlink_to(other)


@pytest.mark.parametrize("edit", [_edited, _edited_and_dated_back, _replaced, _linked])
def test_no_edit_is_missed(edit: Callable[[Path], None], file: Path) -> None:
    """Not even one that keeps size and date."""
    before = digest(file)
    edit(file)

    assert (sha256(b"ann").digest(), sha256(b"bob").digest()) == (before, digest(file))


def test_a_file_that_was_written_just_now_is_read_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be written once more within the same tick of the clock."""
    monkeypatch.setattr(hashing, "SETTLED_SECONDS", 3.0)
    digest(file)

    assert remembered(file) is None


def test_a_file_of_the_future_is_read_again(file: Path) -> None:
    """The clock that dated it will pass that date once more."""
    os.utime(file, (time.time() + 3600,) * 2)
    digest(file)

    assert remembered(file) is None


@pytest.mark.parametrize("seconds", [-5, 5])
def test_nothing_is_remembered_where_files_are_dated_by_another_clock(
    seconds: float, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a file system of another machine: nobody could say which file was written just now."""
    ours = time.time
    monkeypatch.setattr(hashing.time, "time", lambda: ours() + seconds)
    digest(file)

    assert not (file.parent / MEMORY).exists()


def test_a_file_that_changes_while_it_is_read_is_read_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows of which moment its digest is."""

    class Writing:
        """Lets somebody write to the file while it is being hashed."""

        def update(self, block: bytes) -> None:
            file.write_bytes(bytes(block)[::-1])

        def digest(self) -> bytes:
            return b""

    with monkeypatch.context() as patch:
        patch.setattr(hashing, "sha256", Writing)
        digest(file)

    assert remembered(file) is None


@pytest.mark.parametrize(
    "data", [[], {"x": 5}, {"x": []}, {"x": [1, 2]}, {"x": [1, 2, 3, 4, 5, "zz"]}, {"x": [1, 2, 3, 4, 5, 6]}, 7], ids=repr
)
def test_what_another_version_remembered_does_not_count(data: Any, file: Path) -> None:
    """The file is read."""
    write_remembered(file.parent / MEMORY, data)

    assert sha256(b"ann").digest() == digest(file)


def test_no_folder_is_made_for_it(file: Path) -> None:
    """Where there is no cache yet, nothing is remembered."""
    with closing(Hashes(file.parent / "cache")) as hashes:
        hashes.of(file)

    assert not (file.parent / "cache").exists()


STEPS: dict[str, Callable[[Path], object]] = {
    "edit": _edited,
    "date back": _edited_and_dated_back,
    "replace": _replaced,
    "undo": lambda path: path.write_bytes(b"ann"),
    "wait": lambda path: time.sleep(2 * hashing.SETTLED_SECONDS),
    "grow": lambda path: path.write_bytes(path.read_bytes() + b"x"),
}


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=8))
def test_a_digest_is_always_that_of_the_content(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    """Whatever is done to a file, at any pace, one command after the other."""
    path = tmp_path_factory.mktemp("history") / "people.yaml"
    path.write_bytes(b"ann")
    for step in steps:
        STEPS[step](path)

        assert sha256(path.read_bytes()).digest() == digest(path)
