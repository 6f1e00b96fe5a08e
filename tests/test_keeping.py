"""Copies of deleted records: sealed beside the state, found by another machine, dropped in time."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from crmsync.model.store import Unusable
from crmsync.project import keeping
from crmsync.project.keeping import drop_old_copies
from crmsync.project.session import open_project, opened_state
from crmsync.project.together import Together
from crmsync.state import MemoryStore
from tests.desk import Desk

NOW = datetime(2026, 11, 26, tzinfo=UTC).timestamp()
FILES = "companies:\n  acme: {name: Acme, details: Their canary}\n  beta: {name: Beta}\n"
KEY = {"CRMSYNC_STATE_KEY": "one long random text"}


def _deleted(desk: Desk, **environ: str) -> None:
    desk.write("crm/a.yaml", FILES)
    desk.done("apply", "-y", **KEY)
    desk.write("crm/a.yaml", "companies:\n  beta: {name: Beta}\n")
    desk.done("apply", "-y", **environ)


def test_a_copy_lies_sealed_beside_the_state(desk: Desk) -> None:
    """With the key it can be read anywhere, also in CI; in the files of the project nothing of it shows."""
    _deleted(desk, **KEY, CI="true")

    found = [json.loads(line) for line in desk.done("state", "copies", **KEY).splitlines()]
    assert [(each["address"], each["body"]["details"]) for each in found] == [("companies.acme", "Their canary")]
    state = (desk.root / ".crmsync" / "state.db").read_bytes()
    assert b"canary" not in state
    assert not (desk.root / ".crmsync" / "runs").exists()


@pytest.mark.parametrize("environ", [{}, {"CRMSYNC_STATE_KEY": "another"}])
def test_a_copy_does_not_open_without_its_key(desk: Desk, environ: dict[str, str]) -> None:
    """The message names the variable, and nothing of the copy."""
    _deleted(desk, **KEY)

    ran = desk.run("state", "copies", **environ)

    assert (ran.code, ran.out, "CRMSYNC_STATE_KEY" in ran.err, "canary" in ran.err) == (1, "", True, False)


def test_without_the_key_a_copy_stays_here(desk: Desk) -> None:
    """In a file that its owner alone can read."""
    desk.write("crm/a.yaml", FILES)
    desk.done("apply", "-y")
    desk.write("crm/a.yaml", "companies:\n  beta: {name: Beta}\n")
    desk.done("apply", "-y")

    files = [path for path in (desk.root / ".crmsync" / "runs").glob("*.jsonl") if '"body"' in path.read_text()]
    (path,) = files
    assert (path.stat().st_mode & 0o777, json.loads(path.read_text())["address"]) == (0o600, "companies.acme")
    assert desk.done("state", "copies") == ""


def _store(sizes: dict[str, int]) -> MemoryStore:
    store = MemoryStore()
    store.keep({name: bytes(size) for name, size in sizes.items()})
    return store


def _dropped(desk: Desk, store: MemoryStore) -> list[str]:
    drop_old_copies(open_project(start=desk.root, environ={}), store, lambda: NOW)
    return list(store.kept())


def test_copies_are_dropped_when_their_time_has_passed(desk: Desk) -> None:
    """The age is in the name; a name that tells none is not ours to drop."""
    store = _store({"20260801T000000Z-a/1": 1, "20261001T000000Z-b/1": 1, "notes/1": 1})

    assert _dropped(desk, store) == ["20261001T000000Z-b/1", "notes/1"]


def test_the_oldest_are_dropped_when_they_are_too_much(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """All together stay below the cap."""
    monkeypatch.setattr(keeping, "MOST_BYTES", 10)
    store = _store({"20261101T000000Z-a/1": 4, "20261102T000000Z-b/1": 4, "20261103T000000Z-c/1": 5})

    assert _dropped(desk, store) == ["20261102T000000Z-b/1", "20261103T000000Z-c/1"]


def test_files_of_this_machine_are_dropped_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was kept without the key, and the archive of decisions, by the same two rules; what is not ours stays."""
    monkeypatch.setattr(keeping, "MOST_BYTES", 10)
    names = {
        "20260801T000000Z-a1.jsonl": 1,
        "decisions-20260801-000000.yaml": 1,
        "20261101T000000Z-a2.jsonl": 6,
        "decisions-20261102-000000.yaml": 1,
        "20261103T000000Z-a3.jsonl": 6,
        "20200101T000000Z-mine.txt": 1,
    }
    for name, size in names.items():
        desk.write(f".crmsync/runs/{name}", "x" * size)

    _dropped(desk, MemoryStore())

    left = sorted(path.name for path in (desk.root / ".crmsync" / "runs").iterdir())
    assert left == ["20200101T000000Z-mine.txt", "20261103T000000Z-a3.jsonl", "decisions-20261102-000000.yaml"]


# What writes replace.


def test_what_a_write_replaces_is_kept_without_the_key(desk: Desk) -> None:
    """In one private file of the run: of each changed field what was there and what was put there, and nothing else."""
    desk.write("crm/a.yaml", "companies:\n  acme: {name: Acme, details: Old, tags: [a]}\n")
    desk.done("apply", "-y")
    desk.write("crm/a.yaml", "companies:\n  acme: {name: Acme, details: New, tags: [b]}\n")
    desk.done("apply", "-y")

    first, second = sorted((desk.root / ".crmsync" / "runs").glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    (line,) = map(json.loads, second.read_text(encoding="utf-8").splitlines())
    assert second.stat().st_mode & 0o777 == 0o600
    assert (line["action"], line["address"], line["id"]) == ("update", "companies.acme", desk.id("companies.acme"))
    assert line["fields"]["details"] == ["Old", "New"]
    assert line["fields"]["tags"] == [{"members": [["a", "a", None]]}, {"members": [["b", "b", None]]}]
    assert set(line["fields"]) == {"details", "tags"}
    assert [json.loads(line)["action"] for line in first.read_text(encoding="utf-8").splitlines()] == ["create"]


def test_what_a_write_replaces_lies_sealed_beside_the_state(desk: Desk) -> None:
    """With the key nothing of it shows anywhere, and it opens with the key alone."""
    desk.write("crm/a.yaml", FILES)
    desk.done("apply", "-y", **KEY)
    desk.write("crm/a.yaml", FILES.replace("Their canary", "Another canary"))
    desk.done("apply", "-y", **KEY)

    project = open_project(start=desk.root, environ=KEY)
    with opened_state(project, create=False) as (store, _):
        runs = [keeping.kept_run(project, store, run) for run in keeping.kept_runs(project, store)]
    replaced = [before.fields for run in runs for before in run.before if before.fields]
    assert replaced == [{"details": ("Their canary", "Another canary")}]
    assert b"canary" not in (desk.root / ".crmsync" / "state.db").read_bytes()
    assert not (desk.root / ".crmsync" / "runs").exists()
    assert desk.done("state", "copies", **KEY) == ""


def test_nothing_is_written_over_that_could_not_be_kept(desk: Desk) -> None:
    """Where the private file cannot be written, the run ends before it changes anything in Copper."""
    desk.write("crm/a.yaml", FILES)
    desk.done("apply", "-y")
    shutil.rmtree(desk.root / ".crmsync" / "runs")
    desk.write(".crmsync/runs", "a file where the folder should be")
    desk.write("crm/a.yaml", FILES.replace("Their canary", "New"))

    ran = desk.run("apply", "-y")

    assert (ran.code, "could not be kept" in ran.err) == (1, True)
    assert [body["details"] for body in desk.sandbox.records("companies") if body["name"] == "Acme"] == ["Their canary"]


def test_the_setting_says_how_long(desk: Desk) -> None:
    """`runs: {keep: 0d}` drops copies with the next run."""
    _deleted(desk, **KEY)
    text = (desk.root / "crmsync.yaml").read_text(encoding="utf-8")
    desk.write("crmsync.yaml", f"{text}runs: {{keep: 0d}}\n")

    desk.done("apply", "-y", **KEY)

    assert desk.done("state", "copies", **KEY) == ""


# Writing together.


def test_what_waits_goes_together() -> None:
    """While one write is under way, the others gather into one."""
    begun, go_on = threading.Event(), threading.Event()
    written: list[list[int]] = []

    def commit(items: Sequence[int]) -> None:
        written.append(list(items))
        begun.set()
        assert go_on.wait(10)

    together: Together[int] = Together(commit)
    threads = [threading.Thread(target=together.write, args=([number],)) for number in range(5)]
    threads[0].start()
    assert begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(together._waiting) < 4:
        pass
    go_on.set()
    for thread in threads:
        thread.join(10)

    assert [written[0], sorted(written[1])] == [[0], [1, 2, 3, 4]]


def test_an_error_is_everybody_s() -> None:
    """Whoever waited for a write that failed is told so."""

    def commit(items: Sequence[int]) -> None:
        raise Unusable("full")

    together: Together[int] = Together(commit)
    for _ in range(2):
        with pytest.raises(Unusable, match="full"):
            together.write([1])


# What a plan leaves for its approval.


def test_a_note_for_approval_shows_no_value_and_is_no_run(desk: Desk) -> None:
    """It lies beside the state with keyed digests, once; `runs` does not list it, and it goes when its time has passed."""
    desk.write("crm/a.yaml", FILES)
    desk.done("apply", "-y")
    desk.write("crm/a.yaml", FILES.replace("Their canary", "Another canary"))
    document = json.loads(desk.done("plan", "--json", "--for-approval"))
    desk.done("plan", "--for-approval")

    project = open_project(start=desk.root, environ={})
    with opened_state(project, create=False) as (store, _):
        (name,) = store.kept()
        note = json.loads(store.copy(name))
        runs = keeping.kept_runs(project, store)
    (change,) = document["resource_changes"]
    assert f"-approval-{document['crmsync']['digest']}/" in name
    assert list(note["changes"]) == ["companies.acme"]
    assert note["changes"]["companies.acme"] not in change["crmsync"]["digest"]
    assert len(runs) == len(json.loads(desk.done("runs", "--json"))) == 1
    assert desk.done("state", "copies") == ""
