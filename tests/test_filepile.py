"""What is put aside in a file is found again, whatever becomes of the file system, and leaves nothing behind."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmsync.project import filepile
from crmsync.project.filepile import FilePile


def _filled(folder: Path, parts: list[bytes]) -> FilePile:
    pile = FilePile(folder)
    assert [pile.put(part) for part in parts] == list(range(len(parts)))
    return pile


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=40), max_size=60))
def test_each_part_is_found(tmp_path: Path, parts: list[bytes]) -> None:
    """Whether it is in the file by now or still in memory; nobody else sees the file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filepile, "_AT_ONCE_BYTES", 100)
        pile = _filled(tmp_path, parts)

    assert [pile.get(number) for number in range(len(parts))] == parts
    assert list(tmp_path.iterdir()) == []


def _may_not(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    def forbidden(**options: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    patch.setattr(filepile, "TemporaryFile", forbidden)
    return folder


def _full(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Let the third write fail, after a part of it was written."""
    written: list[int] = []
    real = os.pwrite

    def pwrite(descriptor: int, data: Any, offset: int) -> int:
        written.append(offset)
        if len(written) > 3:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:50], offset)

    patch.setattr(os, "pwrite", pwrite)
    return folder


@pytest.mark.parametrize("spoil", [_may_not, _full])
def test_where_nothing_can_be_written_it_stays_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path, pytest.MonkeyPatch], Path]
) -> None:
    """A plan needs no disk: what is in the file by then is read from there."""
    monkeypatch.setattr(filepile, "_AT_ONCE_BYTES", 100)
    parts = [bytes([number]) * 30 for number in range(40)]

    pile = _filled(spoil(tmp_path, monkeypatch), parts)

    assert [pile.get(number) for number in range(40)] == parts


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a project that has no cache yet the file is above it."""
    monkeypatch.setattr(filepile, "_AT_ONCE_BYTES", 10)
    pile = _filled(tmp_path / "missing" / "too", [bytes(20)])

    assert (pile.get(0), list(tmp_path.iterdir()), pile.__dict__["_may_write"]) == (bytes(20), [], True)


def test_the_file_is_private_and_closed_with_its_pile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else may read it, and it holds no descriptor longer than it is used."""
    monkeypatch.setattr(filepile, "_AT_ONCE_BYTES", 10)
    opened: list[int] = []
    real = filepile.TemporaryFile

    def opening(**options: Any) -> Any:
        file = real(**options)
        opened.append(file.fileno())
        return file

    monkeypatch.setattr(filepile, "TemporaryFile", opening)
    pile = _filled(tmp_path, [bytes(20)])
    found = os.fstat(opened[0])
    assert (stat.S_IMODE(found.st_mode), found.st_nlink, found.st_size) == (0o600, 0, 20)

    del pile
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])
