"""
The file of an SQLite state: its tables, how it is made, opened and checked.

A file is built under another name and linked into place, so that nobody ever sees half of one. It is never trusted:
SQLite's own quick_check finds broken pages, and a checksum in each row finds changed bytes inside them.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile

from crmsync.model.store import Unusable
from crmsync.state.codec import DAMAGED
from crmsync.state.compressing import expanded

APPLICATION_ID = 0x63726D73  # "crms"
#: 2: a snapshot may be deflated. 3: its checksum is that of its bytes. 4: it stands last in its row, for only so SQLite need
#: not have it in memory. 5: it is compressed by Zstandard. A file of an earlier layout is read, and becomes one of the last
#: when it is compacted.
LAYOUT = 5
BUSY_SECONDS = 10.0
_PIECE_BYTES = 2**20

_SNAPSHOT = "CREATE TABLE snapshot (id INTEGER PRIMARY KEY CHECK (id = 1), digest BLOB NOT NULL, state TEXT NOT NULL)"
_SCHEMA = f"""
CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), lineage TEXT NOT NULL, digest_key BLOB NOT NULL,
    position INTEGER NOT NULL, digest BLOB NOT NULL);
CREATE TABLE segment (position INTEGER PRIMARY KEY, at REAL NOT NULL, events TEXT NOT NULL, writer TEXT NOT NULL,
    digest BLOB NOT NULL);
{_SNAPSHOT};
CREATE TABLE lease (id INTEGER PRIMARY KEY CHECK (id = 1), nonce TEXT NOT NULL, who TEXT NOT NULL, host TEXT NOT NULL,
    pid INTEGER NOT NULL, since REAL NOT NULL, renewed REAL NOT NULL);
"""

COPIES = "CREATE TABLE IF NOT EXISTS copy (name TEXT PRIMARY KEY, content BLOB NOT NULL)"


@contextmanager
def naming(path: Path, busy_seconds: float) -> Iterator[None]:
    """Turn what SQLite raises into Unusable, and name the file in every one."""
    try:
        yield
    except sqlite3.Error as error:
        raise Unusable(f"Cannot use the state file {path}. {explained(error, busy_seconds)}") from error
    except UnicodeDecodeError as error:
        # The sqlite3 module's own, when SQLite's message quotes a damaged schema.
        raise Unusable(f"Cannot use the state file {path}. {DAMAGED}") from error
    except Unusable as error:
        raise type(error)(f"Cannot use the state file {path}. {error}") from error


def is_there(path: Path) -> bool:
    """Say whether there is a file at *path* that may be opened. Raises Unusable for what crmsync never makes."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Unusable(f"It cannot be reached: {error.strerror}. Check the permissions of its folder.") from error
    if stat.S_ISLNK(found.st_mode):
        raise Unusable("It is a symbolic link. Put the real path into `state` in crmsync.yaml.")
    if not stat.S_ISREG(found.st_mode):
        raise Unusable("It is not a file. Put another path into `state` in crmsync.yaml.")
    if found.st_size == 0:
        raise Unusable(f"It is empty, and no state is. {DAMAGED}")
    return True


def connect(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """Return a connection to the state file at *path*, once it was checked. Raises Unusable and sqlite3.Error."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False
    )
    try:
        _check(connection)
        _set_up(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_up(connection: sqlite3.Connection) -> None:
    mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
    if mode != "delete":
        raise Unusable(f"It has the journal mode {mode}, and crmsync never sets that. {DAMAGED}")
    connection.execute("PRAGMA synchronous = EXTRA")


def _check(connection: sqlite3.Connection) -> None:
    """Raise unless this is a whole state file of a layout this version knows."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise Unusable("It is an SQLite file, but not one of crmsync. Put another path into `state` in crmsync.yaml.")
    layout = connection.execute("PRAGMA user_version").fetchone()[0]
    if layout > LAYOUT:
        raise Unusable(f"A newer crmsync wrote it: layout {layout}, this version reads {LAYOUT}. Install a newer crmsync.")
    if layout < 1 or connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("quick_check failed")


def build(path: Path, lineage: str, seed: bytes | None = None) -> None:
    """Make a new, empty state file of *lineage* at *path*, unless somebody else is faster."""
    if is_there(path):
        return
    building = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(building, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        try:
            _fill(building, lineage, seed or secrets.token_bytes(32))
            with suppress(FileExistsError):
                os.link(building, path)
        finally:
            building.unlink()
        _sync_folder(path.parent)
    except (OSError, sqlite3.Error) as error:
        raise Unusable(f"It cannot be created: {error}. Check the folder and the disk.") from error


def _fill(path: Path, lineage: str, key: bytes) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = FULL")  # what a compaction frees goes back to the disk
        _set_up(connection)
        connection.executescript(
            f"BEGIN; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {LAYOUT}; {_SCHEMA} COMMIT;"
        )
        connection.execute("INSERT INTO head VALUES (1, ?, ?, 0, ?)", (lineage, key, checksum(lineage, key, 0)))


def _sync_folder(folder: Path) -> None:
    # Windows cannot open a folder, and needs no telling.
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def explained(error: sqlite3.Error, busy_seconds: float) -> str:
    """Return what *error* means to the user, and what to do."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_BUSY"):
        return f"Another program held it for more than {busy_seconds:g} seconds. Wait for it to end and run again."
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
        return "It cannot be opened for writing. Check its permissions and those of its folder."
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return f"Nothing was written: {error}. Check that the disk is neither full nor failing."
    if name.startswith("SQLITE_NOTADB"):
        return f"It is not an SQLite file. {DAMAGED}"
    return f"SQLite says: {error}. {DAMAGED}"


def checksum(*content: object) -> bytes:
    """Return what tells whether the bytes of a row are those that were written."""
    return hashlib.blake2b(repr(content).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def checksum_of_snapshot(lineage: str, pieces: Iterable[bytes]) -> bytes:
    """Return the same of the *pieces* of a compressed snapshot, which is long: of 100,000 records in a tenth of the time."""
    found = hashlib.blake2b(f"{lineage}\0".encode("utf-8", "surrogatepass"), digest_size=16, person=b"crmsync snapshot")
    for piece in pieces:
        found.update(piece)
    return found.digest()


def write_snapshot(connection: sqlite3.Connection, path: Path, lineage: str, pieces: Iterable[bytes]) -> None:
    """
    Put a compressed snapshot into the file at *path*. Raises Unusable.

    It is written down beside it first, where nobody sees it: SQLite must know how long it is, and it need not be in memory.
    """
    try:
        with TemporaryFile(dir=path.parent) as file:
            file.writelines(pieces)
            size = file.tell()
            file.seek(0)
            digest = checksum_of_snapshot(lineage, iter(partial(file.read, _PIECE_BYTES), b""))
            connection.execute("DROP TABLE snapshot")  # of an earlier layout perhaps
            connection.execute(_SNAPSHOT)
            connection.execute("INSERT INTO snapshot (id, digest, state) VALUES (1, ?, zeroblob(?))", (digest, size))
            file.seek(0)
            with connection.blobopen("snapshot", "state", 1) as blob:
                for piece in iter(partial(file.read, _PIECE_BYTES), b""):
                    blob.write(piece)
    except OSError as error:
        raise Unusable(f"A snapshot could not be written down beside it: {error.strerror}.") from error


def text_of_snapshot(lineage: str, content: str | bytes, digest: bytes) -> str | bytearray:
    """Return the text of a snapshot, under whichever layout it was written. Raises Unusable, ValueError."""
    if isinstance(content, bytes) and digest == checksum_of_snapshot(lineage, [content]):
        return expanded(content)
    if digest != checksum(lineage, content):
        raise Unusable(f"Its snapshot is damaged. {DAMAGED}")
    return expanded(content) if isinstance(content, bytes) else content
