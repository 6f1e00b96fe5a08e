"""The engines that many machines share: lost answers, writers that come too late, places that lie."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crmsync.model.address import Address
from crmsync.model.events import Bound, Intent, Origin, WriteAction
from crmsync.model.store import Holder, Lost, Unusable
from crmsync.state import open_store
from crmsync.state.medium import Unclear
from crmsync.state.proving import prove
from tests.state import conftest, servers

ACME = Address("companies", "acme")
#: The beginning of the names of copies.
COPY = "20261126T080000Z-run/00000"
BOUND = [Bound(ACME, 7, Origin.CREATED)]
INTENT = [Intent("i1", "r1", ACME, WriteAction.UPDATE, 7, {"name": "d"}, {}, 115.0, 100.0)]


class Losing:
    """A medium that loses answers: of the next *count* entries, before or after they were created."""

    def __init__(self, medium: Any, count: int, *, is_after: bool, then: Callable[[], None] = lambda: None) -> None:
        self._medium = medium
        self._count = count
        self._is_after = is_after
        self._then = then
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._medium, name)

    def create(self, position: int, content: bytes, copies: Any) -> None:
        """Create an entry, or not, and tell nobody."""
        self.calls.append((position, content, copies))
        self._lose(lambda: self._medium.create(position, content, copies))

    def create_snapshot(self, position: int, content: bytes) -> None:
        """Create a snapshot likewise."""
        self._lose(lambda: self._medium.create_snapshot(position, content))

    def _lose(self, create: Callable[[], None]) -> None:
        if self._count <= 0:
            create()
            return
        self._count -= 1
        if self._is_after:
            create()
        self._then()
        raise Unclear("the line went dead.")


# A lost answer.


def test_an_append_whose_answer_was_lost_stands(open_wrapped):
    """The entry is read back, known by its content, and not written a second time."""
    store = open_wrapped(lambda medium: Losing(medium, 1, is_after=True))

    assert store.append(0, BOUND) == 1
    assert store.append(1, INTENT) == 2
    assert [(1, 1000.0, BOUND[0]), (2, 1000.0, INTENT[0])] == list(open_wrapped().events())


def test_an_append_that_never_arrived_is_sent_once_more(open_wrapped):
    """Nothing is there when it is read back, so the same entry is sent again."""
    store = open_wrapped(lambda medium: Losing(medium, 1, is_after=False))

    assert store.append(0, BOUND) == 1
    assert open_wrapped().read().position == 1


@pytest.mark.parametrize("is_after", [True, False])
def test_an_append_whose_answer_was_lost_has_its_copies(open_wrapped, is_after):
    """Whether it arrived or had to be sent again: what it keeps is there once."""
    store = open_wrapped(lambda medium: Losing(medium, 1, is_after=is_after))

    assert store.append(0, BOUND, {f"{COPY}0": b"one"}) == 1
    assert store.append(1, INTENT, {f"{COPY}1": b"two"}) == 2
    assert (open_wrapped().kept(), store.copy(f"{COPY}0")) == ({f"{COPY}0": 3, f"{COPY}1": 3}, b"one")


def test_an_append_that_never_arrives_is_not_noted(open_wrapped):
    """After the second loss the store says that nothing was noted, which is so; and goes on when the line is back."""
    store = open_wrapped(lambda medium: Losing(medium, 2, is_after=False))

    with pytest.raises(Unusable, match=r"Nothing was noted: the line went dead\."):
        store.append(0, BOUND)
    assert open_wrapped().read().position == 0
    assert store.append(0, BOUND) == 1


def test_somebody_else_came_while_the_answer_was_lost(open_wrapped):
    """The position is another writer's when it is read back: this one has lost, and says nothing else."""
    other = open_wrapped()
    other.read()
    store = open_wrapped(lambda medium: Losing(medium, 1, is_after=False, then=lambda: other.append(0, INTENT)))

    with pytest.raises(Lost):
        store.append(0, BOUND)
    assert list(other.events()) == [(1, 1000.0, INTENT[0])]


def test_somebody_else_went_on_while_the_answer_was_lost(open_wrapped):
    """The entry is there, and another after it: what was noted stays, and the writer learns that it is behind."""
    other = open_wrapped()
    store = open_wrapped(
        lambda medium: Losing(medium, 1, is_after=True, then=lambda: other.append(other.read().position, INTENT))
    )

    with pytest.raises(Lost):
        store.append(0, BOUND)
    assert [(1, 1000.0, BOUND[0]), (2, 1000.0, INTENT[0])] == list(open_wrapped().events())


def test_a_compaction_whose_answer_was_lost_stands(open_wrapped):
    """The same holds for a snapshot."""
    store = open_wrapped()
    store.append(0, BOUND)
    store = open_wrapped(lambda medium: Losing(medium, 1, is_after=True))

    assert store.compact(1) == 2
    assert list(open_wrapped().read().bindings) == [ACME]


def test_an_entry_that_arrives_late_is_refused(open_wrapped):
    """A request that was thought lost and arrives after others have gone on changes nothing."""
    late = open_wrapped(lambda medium: Losing(medium, 2, is_after=False))
    with pytest.raises(Unusable):
        late.append(0, BOUND)
    other = open_wrapped()
    other.compact(other.append(0, INTENT))
    before = other.read()

    with pytest.raises(Lost):
        late.medium.create(*late.medium.calls[0])
    assert before == open_wrapped().read()


def test_a_writer_that_sleeps_before_it_looks_leaves_its_entry(s3):
    """Somebody has gone on from the entry meanwhile: it is a part of the log, and its writer loses at the next."""
    url = f"s3://bucket/{secrets.token_hex(6)}"
    slow, other = (open_store(url, root=Path(), lineage="ours", create=True) for _ in range(2))
    slow.read()
    look = slow.medium._list

    def late_look(prefix, offset=None):
        slow.medium._list = look
        assert other.append(other.read().position, INTENT) == 2
        return look(prefix, offset)

    slow.medium._list = late_look
    assert slow.append(0, BOUND) == 1
    with pytest.raises(Lost):
        slow.append(1, BOUND)
    assert [position for position, _, _ in open_store(url, root=Path(), lineage="ours", create=False).events()] == [1, 2]


# Copies that go with an append, in git.


@pytest.fixture
def git_stores(request, tmp_path):
    """Open one state of a git ref several times, from one clone; the folder of the remote is in *bare*."""
    url, root = conftest.PLACES["git"](request, tmp_path)
    stores = []

    def opened():
        stores.append(open_store(url, root=root, lineage="ours", create=True))
        return stores[-1]

    opened.bare = tmp_path / "remote.git"
    yield opened
    for store in stores:
        store.close()


def test_others_keep_copies_meanwhile(git_stores):
    """The log has not moved, only the copies have: the push is made again on what is there."""
    one, other = git_stores(), git_stores()
    one.append(0, BOUND, {f"{COPY}0": b"one"})
    other.keep({f"{COPY}1": b"two"})

    assert one.append(1, INTENT, {f"{COPY}2": b"three"}) == 2
    assert {f"{COPY}0": 3, f"{COPY}1": 3, f"{COPY}2": 5} == other.kept()


def test_a_server_that_knows_no_atomic_push_takes_the_copies_first(git_stores):
    """Then a copy may be there whose entry is not: nobody asks for it, and it goes when its time has come."""
    store, config = git_stores(), ["git", "-C", str(git_stores.bare), "config", "receive.advertiseAtomic", "false"]
    subprocess.run(config, check=True)

    assert store.append(0, BOUND, {f"{COPY}0": b"one"}) == 1
    assert (store.kept(), [event for _, _, event in store.events()]) == ({f"{COPY}0": 3}, BOUND)


def test_what_an_append_with_copies_pushes_does_not_grow(git_stores):
    """After a thousand copies one more makes only the folders on its way anew."""
    store = git_stores()
    store.append(0, BOUND)
    store.keep({f"20261126T080000Z-{run}/{number:06}": b"x" for run in "abcdefgh" for number in range(0, 3000, 24)})
    store.append(1, [], {"20261126T090000Z-z/000000": b"first of a run"})
    count = ["git", "-C", str(git_stores.bare), "rev-list", "--objects", "--all", "--count"]

    before = int(subprocess.check_output(count))
    store.append(2, [], {"20261126T090000Z-z/000001": b"one more"})
    look = ["cat-file", "--batch-check=%(objecttype) %(objectsize)", "--batch-all-objects"]
    sizes = subprocess.check_output([*count[:3], *look])
    trees = [int(line.split()[1]) for line in sizes.decode().splitlines() if line.startswith("tree")]

    assert int(subprocess.check_output(count)) - before <= 4
    assert max(trees) < 6000


# Looking, and places that are not there.


def test_looking_creates_nothing(place):
    """Without *create* a missing state reads as empty, and nothing can be written."""
    url, root = place
    store = open_store(url, root=root, lineage="looking", create=False)

    assert (store.read().position, list(store.events()), store.holder(), store.kept()) == (0, [], None, {})
    for write in (
        lambda: store.append(0, BOUND),
        lambda: store.compact(0),
        lambda: store.acquire(Holder("n", "dana", "here", 1, 0.0, 0.0), 0.0),
        lambda: store.break_lease(),
        lambda: store.keep({"a/1": b"x"}),
    ):
        with pytest.raises(Unusable, match="Run: crmsync apply"):
            write()
    store.close()
    again = open_store(url, root=root, lineage="looking", create=False)
    assert again.read().position == 0
    again.close()


def test_a_foreign_state_is_refused(request, tmp_path):
    """A ref or a prefix that holds the state of another project is refused by name, not mixed with ours."""
    bare = servers.bare_repository(tmp_path / "remote.git")
    root = servers.clone_of(str(bare), tmp_path / "clone")
    open_store("git:refs/crmsync/main", root=root, lineage="theirs", create=True)

    with pytest.raises(Unusable, match="belongs to the project theirs, and this one is ours"):
        open_store("git:refs/crmsync/main", root=root, lineage="ours", create=True)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://dana:hunter2@127.0.0.1:9/crm", "127.0.0.1:9/crm"),
        ("postgresql://dana:hun@ter2@127.0.0.1:9/crm", "127.0.0.1:9/crm"),
        ("postgresql://dana:hunter2@127.0.0.1:port/crm", "PostgreSQL says"),
        ("postgresql://127.0.0.1:9/crm?password=hunter2", "password=..."),
        ("git:http://dana:hunter2@127.0.0.1:9/crm.git#refs/crmsync/main", "127.0.0.1:9/crm.git"),
    ],
)
def test_passwords_are_never_told(tmp_path, url, told):
    """Whatever goes wrong, the message has the address without who logs in."""
    servers.clone_of("nowhere", tmp_path / "clone")

    with pytest.raises(Unusable) as refused:
        open_store(url, root=tmp_path / "clone", lineage="ours", create=True)
    chain, error = [], refused.value
    while error is not None:
        chain.append(str(error))
        error = error.__cause__ if isinstance(error.__cause__, Unusable) else None
    assert told in chain[0]
    assert not any("hunter2" in text or "ter2" in text for text in chain)


@pytest.mark.parametrize(
    ("module", "url", "extra"), [("psycopg", "postgresql://h/d", "postgresql"), ("obstore", "s3://b/p", "objects")]
)
def test_a_missing_package_is_named(tmp_path, monkeypatch, module, url, extra):
    """A driver is only needed by those who keep their state there; the others install nothing."""
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, f"{module}.store", None)

    with pytest.raises(Unusable, match=rf'pip install "crmsync\[{extra}\]"'):
        open_store(url, root=tmp_path, lineage="ours", create=False)


# The self-test.


def test_a_place_proves_itself(place):
    """Every engine passes, and nothing is left behind."""
    url, root = place

    prove(url, root)

    store = open_store(url, root=root, lineage="lineage", create=False)
    assert store.read().position == 0
    store.close()


def test_a_file_proves_itself(tmp_path):
    """So does a file, also where its folder is still missing."""
    prove(".crmsync/state.db", tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_store_that_ignores_conditions_is_refused(s3, monkeypatch):
    """A clone of S3 that overwrites what was to be created only if absent is found out."""
    with servers.forgetful_s3(s3) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)

        with pytest.raises(Unusable, match="s3://bucket/liar is no place for a state: it took a second entry"):
            prove("s3://bucket/liar", Path())


def test_a_remote_that_takes_no_such_refs_is_refused(tmp_path):
    """A server whose rules forbid the ref is found out, with what it said."""
    bare = servers.bare_repository(tmp_path / "remote.git")
    hook = bare / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho branches only >&2\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    root = servers.clone_of(str(bare), tmp_path / "clone")

    with pytest.raises(Unusable, match=r"pre-receive hook declined"):
        prove("git:refs/crmsync/main", root)


# git, in the repository of the user.


def test_the_user_s_repository_is_not_touched(tmp_path):
    """No branch, no index, no file, no hook: objects and one hidden name are all that is left."""
    bare = servers.bare_repository(tmp_path / "remote.git")
    root = servers.clone_of(str(bare), tmp_path / "clone")
    (root / "crm.yaml").write_text("companies: {}\n", encoding="utf-8")
    hook = root / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    before = _listed(root, "status", "--porcelain", "--branch")

    store = open_store("git:refs/crmsync/main", root=root, lineage="ours", create=True)
    store.append(0, BOUND)
    store.acquire(Holder("n", "dana", "here", 1, 0.0, 0.0), 0.0)
    store.keep({"a/1": b"x"})

    assert before == _listed(root, "status", "--porcelain", "--branch")
    assert not (root / ".git" / "index").exists()
    assert all(line.split()[1].startswith("refs/crmsync-seen/") for line in _listed(root, "show-ref").splitlines())
    expected = ["refs/crmsync/main", "refs/crmsync/main-copies", "refs/crmsync/main-lease"]
    assert expected == [line.split()[1] for line in _listed(bare, "show-ref").splitlines()]


def test_a_shallow_clone_is_enough(tmp_path):
    """What CI checks out, one commit deep, can read and append."""
    bare = servers.bare_repository(tmp_path / "remote.git")
    root = servers.clone_of(str(bare), tmp_path / "clone")
    for number in range(3):
        subprocess.run(
            ["git", "-c", "user.name=d", "-c", "user.email=d@d", "commit", "-q", "--allow-empty", "-m", str(number)],
            cwd=root,
            check=True,
        )
    subprocess.run(["git", "push", "-q", "origin", "main"], cwd=root, check=True)
    open_store("git:refs/crmsync/main", root=root, lineage="ours", create=True).append(0, BOUND)
    subprocess.run(["git", "clone", "-q", "--depth=1", "-b", "main", f"file://{bare}", str(tmp_path / "ci")], check=True)

    store = open_store("git:refs/crmsync/main", root=tmp_path / "ci", lineage="ours", create=True)
    assert store.append(1, INTENT) == 2
    assert _listed(tmp_path / "ci", "rev-parse", "--is-shallow-repository") == "true"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("git:refs/heads/main", "would show among branches"),
        ("git:main", "is no name for a ref"),
        ("git:", "is no name for a ref"),
        ("git:--upload-pack=evil#refs/crmsync/main", "begins with no -"),
        ("git:nowhere#refs/crmsync/main", "git fetch says"),
    ],
)
def test_a_bad_ref_is_refused(tmp_path, url, told):
    """A ref that people use themselves, or none at all, or an option in its place, is refused with the right form."""
    root = servers.clone_of("nowhere", tmp_path / "clone")

    with pytest.raises(Unusable, match=told):
        open_store(url, root=root, lineage="ours", create=True)


def test_no_repository_is_told(tmp_path):
    """Outside of a repository there is no remote to keep a ref."""
    with pytest.raises(Unusable, match="There is no git repository around"):
        open_store("git:refs/crmsync/main", root=tmp_path, lineage="ours", create=True)


# PostgreSQL.


def test_a_schema_of_its_own(postgresql):
    """Tables can be in a schema, which the URL names; it has to exist."""
    import psycopg

    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS crm")
    store = open_store(f"{postgresql}?schema=crm", root=Path(), lineage="schema", create=True)
    store.append(0, BOUND)
    store.close()

    with psycopg.connect(postgresql) as connection:
        rows = connection.execute("SELECT position FROM crm.crmsync_head WHERE lineage = 'schema'").fetchall()
    assert rows == [(1,)]


def test_a_connection_that_was_cut_is_opened_again(postgresql):
    """A server that threw all sessions out, or a pooler that did, costs one more try."""
    import psycopg

    store = open_store(postgresql, root=Path(), lineage="cut", create=True)
    store.append(0, BOUND)
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'crmsync'")

    assert store.append(1, INTENT) == 2
    store.close()


def _listed(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()
