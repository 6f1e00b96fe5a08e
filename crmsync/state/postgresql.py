"""
The state in PostgreSQL, also behind a pooler.

Four tables, shared by all projects, one row or more per lineage. An append inserts the entry at n + 1 and moves the head row
from n, in one transaction. A pooler in transaction mode may give every transaction another session, so nothing here lives
longer than one: no prepared statements, no advisory locks, no SET but SET LOCAL. Each transaction is one message to the
server and one answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import RLock
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from crmsync.model.store import Lost, Unusable
from crmsync.state.medium import Unclear
from crmsync.state.redact import scrubbed, without_password

if TYPE_CHECKING:
    import psycopg

_CONNECTING: dict[str, Any] = {"connect_timeout": 10, "tcp_user_timeout": 30_000, "application_name": "crmsync"}
_TABLES = """
CREATE TABLE IF NOT EXISTS {0}crmsync_head (lineage text PRIMARY KEY, position bigint NOT NULL, content bytea NOT NULL);
CREATE TABLE IF NOT EXISTS {0}crmsync_entry (lineage text NOT NULL, position bigint NOT NULL, content bytea NOT NULL,
    PRIMARY KEY (lineage, position));
CREATE TABLE IF NOT EXISTS {0}crmsync_lease (lineage text PRIMARY KEY, content bytea NOT NULL);
CREATE TABLE IF NOT EXISTS {0}crmsync_copy (lineage text NOT NULL, name text NOT NULL, content bytea NOT NULL,
    PRIMARY KEY (lineage, name));
"""

_INSERT = (
    "WITH moved AS "
    "(UPDATE {{0}}crmsync_head SET position = %s WHERE lineage = %s AND position = %s RETURNING lineage){0} "
    "INSERT INTO {{0}}crmsync_entry SELECT lineage, %s, %s FROM moved"
)
_DELETE = (
    "DELETE FROM {0}crmsync_entry WHERE lineage = %s AND position < %s AND EXISTS "
    "(SELECT FROM {0}crmsync_entry WHERE lineage = %s AND position = %s AND content = %s)"
)


class PostgresTables:
    """The medium of `crmsync.state.medium` in one database: the rows of *lineage*."""

    def __init__(self, url: str, lineage: str) -> None:
        self._url, schema = _parted(url)
        self.place = without_password(url)
        self._lineage = lineage
        self._prefix = f'"{schema}".' if schema else ""
        self._lock = RLock()
        self._connection: psycopg.Connection[Any] | None = None
        self._is_made = False

    # The log.

    def head(self) -> bytes | None:
        """Return the head of the log, None where there is no log."""
        if not self._has_tables():
            return None
        rows = self._rows("SELECT content FROM {0}crmsync_head WHERE lineage = %s", self._lineage)
        return bytes(rows[0][0]) if rows else None

    def create_head(self, content: bytes) -> None:
        """Make the tables where there are none, and begin a log, unless somebody else has."""
        if not self._has_tables():
            self._make_tables()
        sql = "INSERT INTO {0}crmsync_head VALUES (%s, 0, %s) ON CONFLICT DO NOTHING"
        self._write(sql, self._lineage, content)

    def load(self, after: int) -> Sequence[tuple[int, bytes]]:
        """Return the entries after position *after* in order."""
        sql = "SELECT position, content FROM {0}crmsync_entry WHERE lineage = %s AND position > %s ORDER BY position"
        return [(position, bytes(content)) for position, content in self._rows(sql, self._lineage, after)]

    def entry(self, position: int) -> bytes | None:
        """Return the entry at *position*."""
        sql = "SELECT content FROM {0}crmsync_entry WHERE lineage = %s AND position = %s"
        rows = self._rows(sql, self._lineage, position)
        return bytes(rows[0][0]) if rows else None

    def create(self, position: int, content: bytes, copies: Mapping[str, bytes]) -> None:
        """Insert the entry at *position* with its copies, and move the head there. Raises Lost, Unclear."""
        rows = ", ".join(["(%s, %s::bytea)"] * len(copies))
        kept = (
            f"INSERT INTO {{0}}crmsync_copy SELECT lineage, name, content FROM moved, (VALUES {rows}) AS new (name, content)"
        )
        sql = _INSERT.format(f", kept AS ({kept})" if copies else "")
        values = [value for pair in copies.items() for value in pair]
        if self._write(sql, position, self._lineage, position - 1, *values, position, content) == 0:
            raise Lost

    def create_snapshot(self, position: int, content: bytes) -> None:
        """Insert the entry at *position*, move the head there, and delete the entries before. Raises Lost, Unclear."""
        # Two statements: both see the rows as they were before, and it is harmless to keep them.
        values = [position, self._lineage, position - 1, position, content]
        values += [self._lineage, position, self._lineage, position, content]
        if self._write(f"{_INSERT.format('')}; {_DELETE}", *values) == 0:
            raise Lost

    # The lease.

    def lease(self) -> tuple[bytes, bytes | None]:
        """Return what the lease says, twice: the content is its own token."""
        if not self._has_tables():
            return b"", None
        rows = self._rows("SELECT content FROM {0}crmsync_lease WHERE lineage = %s", self._lineage)
        return (bytes(rows[0][0]), bytes(rows[0][0])) if rows else (b"", None)

    def swap_lease(self, token: bytes | None, content: bytes) -> bool:
        """Replace the lease if it still says the same."""
        if token is None:
            sql = "INSERT INTO {0}crmsync_lease VALUES (%s, %s) ON CONFLICT DO NOTHING"
            return self._write(sql, self._lineage, content) == 1
        sql = "UPDATE {0}crmsync_lease SET content = %s WHERE lineage = %s AND content = %s"
        return self._write(sql, content, self._lineage, token) == 1

    # Copies.

    def keep(self, copies: Mapping[str, bytes]) -> None:
        """Keep copies by name, each created once; the same content again is no harm."""
        rows = ", ".join(["(%s, %s, %s)"] * len(copies))
        values = [value for name, content in copies.items() for value in (self._lineage, name, content)]
        sql = f"INSERT INTO {{0}}crmsync_copy VALUES {rows} ON CONFLICT (lineage, name) DO UPDATE SET name = excluded.name"
        sql += " WHERE crmsync_copy.content = excluded.content"
        if copies and self._write(sql, *values) != len(copies):
            raise Unusable(f"There is a copy {next(iter(copies))} already.")

    def kept(self) -> Mapping[str, int]:
        """Return names and sizes of the copies."""
        if not self._has_tables():
            return {}
        return dict(self._rows("SELECT name, length(content) FROM {0}crmsync_copy WHERE lineage = %s", self._lineage))

    def copy(self, name: str) -> bytes | None:
        """Return one copy."""
        rows = self._rows("SELECT content FROM {0}crmsync_copy WHERE lineage = %s AND name = %s", self._lineage, name)
        return bytes(rows[0][0]) if rows else None

    def drop(self, names: Iterable[str]) -> None:
        """Remove copies."""
        self._write("DELETE FROM {0}crmsync_copy WHERE lineage = %s AND name = ANY(%s)", self._lineage, list(names))

    # The whole.

    def destroy(self) -> None:
        """Remove the rows of this lineage."""
        for table in ("entry", "head", "lease", "copy"):
            self._write(f"DELETE FROM {{0}}crmsync_{table} WHERE lineage = %s", self._lineage)

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    # What the server is asked.

    def _has_tables(self) -> bool:
        if not self._is_made:
            self._is_made = self._rows("SELECT to_regclass('{0}crmsync_copy') IS NOT NULL")[0][0]
        return self._is_made

    def _make_tables(self) -> None:
        try:
            self._write(_TABLES.strip().removesuffix(";"))
        except (Unusable, Unclear):
            # Somebody else may have made them at the same moment.
            if not self._has_tables():
                raise

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        """Return the rows of one question; asked again once when the connection was gone. Raises Unusable."""
        psycopg = _driver()
        with self._lock:
            for is_last in (False, True):
                with self._connected() as connection:
                    try:
                        return connection.execute(self._put_in(sql), values or None).fetchall()
                    except psycopg.OperationalError as error:
                        if is_last:
                            raise Unusable(self._told(error)) from error
                    except psycopg.Error as error:
                        raise Unusable(self._told(error)) from error
                self.close()
        raise AssertionError

    def _write(self, sql: str, *values: Any) -> int:
        """Return how many rows a change came to, in a transaction of its own. Raises Unusable, Unclear."""
        psycopg = _driver()
        whole = f"BEGIN; SET LOCAL synchronous_commit = on; {self._put_in(sql)}; COMMIT"
        with self._lock, self._connected() as connection:
            try:
                cursor = connection.execute(whole, values or None)
                for _ in range(2):
                    cursor.nextset()
                return cursor.rowcount
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                self.close()
                raise Unclear(self._told(error)) from error
            except psycopg.Error as error:
                with suppress(psycopg.Error):
                    connection.rollback()
                raise Unusable(self._told(error)) from error

    def _put_in(self, sql: str) -> str:
        return sql.replace("{0}", self._prefix)

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        yield self._connection

    def _connect(self) -> psycopg.Connection[Any]:
        driver = _driver()
        ours: dict[str, Any] = {"autocommit": True, "prepare_threshold": None, "cursor_factory": driver.ClientCursor}
        try:
            given: dict[str, Any] = driver.conninfo.conninfo_to_dict(self._url)
            connection: psycopg.Connection[Any] = driver.connect(**{**_CONNECTING, **given}, **ours)
            return connection
        except driver.ProgrammingError as error:
            # libpq repeats what it cannot read, and that may be a password.
            text = "It is no address that PostgreSQL reads. Write postgresql://USER@HOST/DATABASE, % and @ as %25 and %40."
            raise Unusable(text) from error
        except driver.Error as error:
            raise Unusable(f"{self._told(error)} Check address, password (PGPASSWORD) and network.") from error

    def _told(self, error: Exception) -> str:
        text = " ".join(str(error).split())
        return f"PostgreSQL says: {scrubbed(text, self._url)}"


def _driver() -> Any:
    try:
        import psycopg  # only those who keep their state there need it
    except ImportError as error:
        text = 'PostgreSQL needs a package that is not installed. Run: pip install "crmsync[postgresql]"'
        raise Unusable(text) from error
    return psycopg


def _parted(url: str) -> tuple[str, str]:
    """Return *url* for libpq, and the schema that it names for us."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    schema = dict(query).get("schema", "")
    if not schema.replace("_", "").isalnum() and schema:
        raise Unusable(f"{schema} is no name for a schema: letters, digits and _ only.")
    rest = urlencode([(name, value) for name, value in query if name != "schema"])
    return urlunsplit(parts._replace(query=rest)), schema
