"""The state in a file: what a disk, another process or a curious user may do to it."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import zlib
from hashlib import sha256
from pathlib import Path

import pytest
from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.model.events import Applied, Bound, FieldsApplied, Intent, Origin, WriteAction
from crmsync.model.state import State
from crmsync.model.store import Holder, Lost, Unusable
from crmsync.state import SqliteStore, open_sqlite, open_store
from crmsync.state.compressing import expanded
from crmsync.state.lease import process_is_alive
from crmsync.state.ondisk import BindingsOnDisk
from crmsync.state.sqlitefile import LAYOUT, checksum, checksum_of_snapshot
from crmsync.state.transactions import Transactions, Unclear

ACME = Address("companies", "acme")
INTENT = Intent("i1", "r1", ACME, WriteAction.UPDATE, 7, {"name": "d"}, {}, 115.0, 100.0)


@pytest.fixture
def path(tmp_path):
    """Where the state is."""
    return tmp_path / ".crmsync" / "state.db"


def filled(path: Path) -> SqliteStore:
    """Return a store with a snapshot and a few segments after it."""
    store = open_sqlite(path, "lineage", create=True)
    position = store.read().position
    for number in range(30):
        address = Address("companies", f"acme-{number}")
        events = [
            Bound(address, 100 + number, Origin.CREATED),
            FieldsApplied(address, {"name": Applied("a" * 16, "b" * 16)}),
        ]
        position = store.append(position, events)
        if number == 20:
            position = store.compact(position)
    store.append(position, [Bound(ACME, 7, Origin.ADOPTED), INTENT])
    return store


# Files.


def test_files_are_private(path):
    """The folder is for the user alone, and so is the file."""
    open_sqlite(path, "lineage", create=True).close()

    assert (stat.S_IMODE(path.parent.stat().st_mode), stat.S_IMODE(path.stat().st_mode)) == (0o700, 0o600)
    assert [path] == list(path.parent.iterdir())


def test_a_snapshot_is_compressed_and_what_it_frees_goes_back(path):
    """The file shrinks by a compaction: what came before is neither kept nor left as a hole."""
    store = open_sqlite(path, "lineage", create=True)
    names = [f"field_{number}" for number in range(14)]
    position = 0
    for number in range(300):
        address = Address("people", f"person-{number:06}")
        digests = (sha256(f"{number}.{name}".encode()).hexdigest()[:32] for name in names)
        fields = {name: Applied(digest, digest) for name, digest in zip(names, digests, strict=True)}
        position = store.append(
            position, [Bound(address, 70_000_000 + number, Origin.CREATED), FieldsApplied(address, fields)]
        )
    before, state = path.stat().st_size, store.read()
    store.compact(position)

    assert replace(state, position=position + 1) == store.read()
    assert path.stat().st_size / 300 < 450 < before / 300


def test_a_log_is_compacted_where_no_other_file_can_be_written(path, monkeypatch):
    """What is otherwise in a temporary file of SQLite is in memory then: the log must not grow for ever."""

    def no_room(self):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(BindingsOnDisk, "_write", no_room)
    store = filled(path)
    before = store.read()

    assert store.compact_overgrown(lambda state: True) == before.position + 1
    assert dict(store.read().bindings) == dict(before.bindings)
    assert len(store.events()) == 0


EARLIER = "CREATE TABLE snapshot (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL, digest BLOB NOT NULL)"


@pytest.mark.parametrize("layout", [1, 2, 3, 4])
def test_a_file_of_an_earlier_layout_is_read_and_moves_on(path, layout):
    """The first wrote plain text, later ones deflated it; what the next compaction writes none of them must try to read."""
    store = filled(path)
    state = store.read()
    store.close()
    with sqlite3.connect(path) as connection:
        content = connection.execute("SELECT state FROM snapshot").fetchone()[0]
        text = expanded(content)
        content = text.decode() if layout == 1 else zlib.compress(text)
        digest = checksum_of_snapshot("lineage", [content]) if layout > 2 else checksum("lineage", content)
        if layout < 4:
            connection.execute("DROP TABLE snapshot")
            connection.execute(EARLIER)
        connection.execute("INSERT OR REPLACE INTO snapshot (id, state, digest) VALUES (1, ?, ?)", (content, digest))
        connection.execute(f"PRAGMA user_version = {layout}")
    store = open_sqlite(path, "lineage", create=False)

    assert state == store.read()
    store.compact(state.position)
    assert replace(state, position=state.position + 1) == store.read()
    store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (LAYOUT,)


def test_looking_creates_nothing(path):
    """Without *create* a missing state reads as empty, and neither reading nor failing writes leave a trace."""
    store = open_sqlite(path, "lineage", create=False)

    state = store.read()
    assert State(state.head) == state
    assert (state.head.lineage, list(store.events()), store.holder()) == ("lineage", [], None)
    for write in (
        lambda: store.append(0, [INTENT]),
        lambda: store.compact(0),
        lambda: store.acquire(Holder("n", "dana", "here", 1, 0.0, 0.0), 0.0),
        lambda: store.break_lease(),
    ):
        with pytest.raises(Unusable, match="does not exist"):
            write()
    assert not path.parent.exists()


def test_a_state_made_later_is_seen(path):
    """A store that was empty because its file was missing is not empty for ever."""
    looking = open_sqlite(path, "lineage", create=False)
    filled(path)

    assert looking.read().position == 32


def test_looking_leaves_the_file_as_it_is(path):
    """Reading an existing state changes no byte of it."""
    filled(path).close()
    before = path.read_bytes()

    store = open_sqlite(path, "lineage", create=False)
    store.read(), store.events(), store.holder()
    store.close()

    assert before == path.read_bytes()


def test_a_read_only_state_can_be_looked_at(path):
    """Who may not write the file can still read it, and is told why writing fails."""
    filled(path).close()
    path.chmod(0o400)
    store = open_sqlite(path, "lineage", create=False)

    assert store.read().position == 32
    if os.geteuid() != 0:
        with pytest.raises(Unusable, match="permissions"):
            store.append(32, [INTENT])


def test_the_key_of_the_environment_is_not_stored(path):
    """A digest key that is handed in replaces the file's own, which stays what it was."""
    own = open_sqlite(path, "lineage", create=True).read().head.digest_key

    assert open_sqlite(path, "lineage", create=True, digest_key=b"mine").read().head.digest_key == b"mine"
    assert open_sqlite(path, "lineage", create=True).read().head.digest_key == own
    assert b"mine" not in path.read_bytes()


def test_a_file_replaced_while_in_use_is_refused(path):
    """What is appended to a deleted file would be lost however often it was acknowledged."""
    store = filled(path)
    path.unlink()

    with pytest.raises(Unusable, match="moved away or replaced"):
        store.append(32, [INTENT])


# Refusals.


def make_link(path: Path) -> None:
    filled(path.with_name("real.db")).close()
    path.symlink_to(path.with_name("real.db"))


def make_foreign(path: Path) -> None:
    path.parent.mkdir()
    open_sqlite(path, "somebody else", create=True).close()


def make_newer(path: Path) -> None:
    filled(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {LAYOUT + 1}")


def make_newer_event(path: Path) -> None:
    filled(path).close()
    with sqlite3.connect(path) as connection:
        at, writer = connection.execute("SELECT at, writer FROM segment WHERE position = 32").fetchone()
        text = '{"format":3,"events":[]}'
        digest = checksum("lineage", 32, at, text, writer)
        connection.execute("UPDATE segment SET events = ?, digest = ? WHERE position = 32", (text, digest))


def make_other_database(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE cookies (id)")


def make_gap(path: Path) -> None:
    filled(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM segment WHERE position = 25")


def make_edited(path: Path) -> None:
    filled(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE segment SET events = replace(events, '107', '108')")
        connection.execute("UPDATE segment SET events = replace(events, '125', '126')")


def make_empty(path: Path) -> None:
    path.parent.mkdir()
    path.touch()


def make_text(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("companies:\n  acme:\n    name: Acme\n" * 50)


def make_folder(path: Path) -> None:
    path.mkdir(parents=True)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (make_link, "It is a symbolic link. Put the real path"),
        (make_folder, "It is not a file. Put another path"),
        (make_empty, "It is empty, and no state is. The state is damaged. Restore a copy"),
        (make_text, "It is not an SQLite file. The state is damaged. Restore a copy"),
        (make_other_database, "not one of crmsync. Put another path"),
        (make_newer, "A newer crmsync wrote it: layout 6, this version reads 5. Install a newer"),
        (make_newer_event, "event format 3, this version reads up to 2. Install a newer"),
        (make_foreign, "It belongs to the project somebody else, and this one is lineage. Check `project`"),
        (make_gap, "The log has a gap before position 32. The state is damaged"),
        (make_edited, "is damaged"),
    ],
)
@pytest.mark.parametrize("create", [True, False])
def test_what_is_no_state_of_ours_is_refused(path, make, told, create):
    """Each refusal names the file and the way out, and leaves the file alone."""
    make(path)
    before = path.read_bytes() if path.is_file() else b""

    with pytest.raises(Unusable) as refused:
        open_sqlite(path, "lineage", create=create).read()

    assert told in str(refused.value)
    assert f"Cannot use the state file {path}. " in str(refused.value)
    assert before == (path.read_bytes() if path.is_file() else b"")


def test_a_busy_file_is_not_waited_for_without_end(path):
    """When another program keeps the file locked, the wait is bounded and the message says so."""
    filled(path).close()
    store = open_sqlite(path, "lineage", create=True, busy_seconds=0.05)
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")

        with pytest.raises(Unusable, match=r"held it for more than 0\.05 seconds"):
            store.append(32, [INTENT])
        other.execute("ROLLBACK")

    assert store.append(32, [INTENT]) == 33


def test_a_reader_that_stays_is_told_apart_from_a_full_disk(path):
    """A commit that waits in vain for somebody's long read wrote nothing, and the message speaks of the other program."""
    filled(path).close()
    store = open_sqlite(path, "lineage", create=True, busy_seconds=0.05)
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM head").fetchone()

        with pytest.raises(Unusable, match="Another program held it"):
            store.append(32, [INTENT])
        other.execute("ROLLBACK")

    assert store.append(32, [INTENT]) == 33


@pytest.mark.parametrize("url", ["sqlite:///a.db", "https://example.com/state", "consul:crm"])
def test_other_engines_are_refused(tmp_path, url):
    """What crmsync cannot keep a state in is refused with what it can."""
    with pytest.raises(Unusable, match=r"Write one of: \.crmsync/state\.db, git:"):
        open_store(url, root=tmp_path, lineage="lineage", create=True)


def test_a_path_is_below_the_root(tmp_path):
    """The state of the settings is relative to the project, wherever the command runs."""
    open_store(".crmsync/state.db", root=tmp_path, lineage="lineage", create=True).close()

    assert (tmp_path / ".crmsync" / "state.db").is_file()


# Damage.


def flip(content: bytes, offset: int) -> bytes:
    return content[:offset] + bytes([content[offset] ^ 0x5A]) + content[offset + 1 :]


def truncate(content: bytes, offset: int) -> bytes:
    return content[:offset]


def zero(content: bytes, offset: int) -> bytes:
    return content[:offset] + bytes(len(content[offset : offset + 64])) + content[offset + 64 :]


def test_a_damaged_schema_is_refused(path):
    """SQLite quotes the damaged statement in its message, which need not be text."""
    filled(path).close()
    content = path.read_bytes()
    path.write_bytes(content.replace(b"pid INTEGER NOT NULL", b"pid INTEGER N\xff\xffNULL"))

    with pytest.raises(Unusable, match="damaged"):
        open_sqlite(path, "lineage", create=True)


@pytest.mark.parametrize("damage", [flip, truncate, zero])
def test_damage_is_refused_or_harmless(tmp_path, path, damage):
    """A state with bytes changed, cut off or zeroed anywhere is refused, or reads exactly as before."""
    assert _refused(tmp_path, path, damage, 170) > 30


@pytest.mark.soak
@pytest.mark.parametrize("damage", [flip, truncate, zero])
def test_damage_at_two_thousand_offsets(tmp_path, path, damage):
    """The same at 2,000 offsets each."""
    refused = _refused(tmp_path, path, damage, 2000)

    print(f"\n{damage.__name__}: refused at {refused} of 2,000 offsets, identical at the others")
    assert refused > 300


def _refused(tmp_path, path, damage, count):
    """Return how many of *count* damaged files are refused; the others must read as before."""
    store = filled(path)
    whole, state, events = path.read_bytes(), store.read(), list(store.events())
    store.close()
    broken = tmp_path / "broken.db"
    header = range(0, 100, 3)
    refused = 0
    step = (len(whole) - 100) / (count - len(header))
    for offset in [*header, *(100 + int(number * step) for number in range(count - len(header)))]:
        broken.write_bytes(damage(whole, offset))
        try:
            opened = open_sqlite(broken, "lineage", create=True)
            assert (state, events) == (opened.read(), list(opened.events())), offset
            opened.close()
        except Unusable:
            refused += 1
        for leftover in tmp_path.glob("broken.db*"):
            leftover.unlink()
    return refused


def test_a_commit_that_failed_is_settled_by_reading_back(path, monkeypatch):
    """When the end of a commit is unclear the log is asked: what is there was written, what is not was not."""
    store = filled(path)
    commit = Transactions._commit

    def lose_the_answer(self, connection):
        commit(self, connection)
        raise Unclear("disk on fire")

    monkeypatch.setattr(Transactions, "_commit", lose_the_answer)
    assert store.append(32, [INTENT]) == 33

    monkeypatch.setattr(Transactions, "_commit", lambda self, connection: (_ for _ in ()).throw(Unclear("disk on fire")))
    with pytest.raises(Unusable, match="disk on fire"):
        store.append(33, [INTENT])
    assert store.read().position == 33


def test_a_full_disk_is_told(path):
    """When SQLite cannot grow the file nothing is written and the message speaks of the disk."""
    store = filled(path)
    pages = store._file._opened().execute("PRAGMA page_count").fetchone()[0]
    store._file._opened().execute(f"PRAGMA max_page_count = {pages}")
    big = Intent("i" * 100_000, "r1", ACME, WriteAction.UPDATE, 7, {}, {}, 1.0, 1.0)

    with pytest.raises(Unusable, match=r"Nothing was written: .* disk is neither full"):
        store.append(32, [big])
    assert store.read().position == 32


# Processes.

WRITER = """
import sys
from pathlib import Path
from crmsync.model.events import Refused
from crmsync.model.store import Lost
from crmsync.state import open_sqlite

path, name, until = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = open_sqlite(path, "lineage", create=True)
while (position := store.read().position) < until:
    try:
        print(store.append(position, [Refused(name, str(position))]))
    except Lost:
        pass
"""


def start_writer(path: Path, name: str, until: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), name, str(until)]
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
    )


def test_two_processes_race_for_each_position(path):
    """Two processes create one state and append to it at once: each position has exactly one winner, on record."""
    writers = {name: start_writer(path, name, 120) for name in ("a", "b")}
    looking = open_sqlite(path, "lineage", create=False)
    seen = [looking.read().position]
    while any(writer.poll() is None for writer in writers.values()):
        seen.append(looking.read().position)
    wins = {name: [int(line) for line in writer.communicate()[0].split()] for name, writer in writers.items()}

    assert sorted(seen) == seen
    assert set() == set(wins["a"]) & set(wins["b"])
    final = open_sqlite(path, "lineage", create=False)
    assert list(range(1, final.read().position + 1)) == sorted(wins["a"] + wins["b"])
    assert [(position, name) for position, _, event in final.events() for name in [event.intent]] == sorted(
        (position, name) for name, positions in wins.items() for position in positions
    )


def test_a_killed_writer_leaves_a_whole_log(path):
    """A process killed while it appends leaves old or new, never half."""
    filled(path).close()
    for _ in range(3):
        writer = start_writer(path, "a", 10**9)
        last = 0
        for _ in range(5):
            last = int(writer.stdout.readline())
        writer.kill()
        acknowledged = [last, *(int(line) for line in writer.communicate()[0].splitlines() if line)]

        assert open_sqlite(path, "lineage", create=False).read().position >= max(acknowledged)


def test_a_loser_may_go_on_after_reading(path):
    """Lost leaves the connection fit for use."""
    first, second = filled(path), open_sqlite(path, "lineage", create=True)
    first.append(32, [INTENT])
    with pytest.raises(Lost):
        second.append(32, [INTENT])

    assert second.append(second.read().position, [INTENT]) == 34


def test_living_processes_are_told_from_dead_ones():
    """This process lives; one that has ended does not; what cannot be asked counts as alive."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    assert (process_is_alive(os.getpid()), process_is_alive(ended.pid), process_is_alive(0)) == (True, False, True)
