"""
The state in a bucket: S3, and what speaks like it, through obstore.

Under the prefix there are ``head``, ``log/000000000012``, ``lease`` and ``copies/...``. An entry is created only if there is
none of its name (If-None-Match), which the store has to hold for; the self-test of `crmsync.state.proving` finds those that
do not. One who slept through a compaction could create an entry that the compaction has removed: so after each creation
follows a look at what lies beyond, and whoever finds a compaction there has lost.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from crmsync.model.store import Lost, Unusable
from crmsync.state.entry import is_snapshot_entry
from crmsync.state.medium import Unclear

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore.store import ObjectStore

#: Reads go together; a snapshot leaves few entries, a busy day some hundreds.
_PARALLEL = 8
#: A load that is overtaken by a compaction begins again.
_TRIES = 5
_DIGITS = 12
_TIMEOUTS: Any = {"timeout": "30s", "connect_timeout": "10s"}
_RETRIES: Any = {"max_retries": 3}


class Bucket:
    """The medium of `crmsync.state.medium` below one prefix."""

    def __init__(self, url: str) -> None:
        self.place = url
        self._url = url
        self._opened: ObjectStore | None = None

    # The log.

    def head(self) -> bytes | None:
        """Return the head of the log, None where there is no log."""
        return self._get("head")

    def create_head(self, content: bytes) -> None:
        """Begin a log, unless somebody else has."""
        self._create("head", content)

    def load(self, after: int) -> Sequence[tuple[int, bytes]]:
        """Return the entries after position *after* in order."""
        for _ in range(_TRIES):
            keys = self._list("log/", offset=_key(after))
            with ThreadPoolExecutor(_PARALLEL) as pool:
                contents = list(pool.map(self._get, keys))
            found = [(_position(key), content) for key, content in zip(keys, contents, strict=True) if content is not None]
            if len(found) == len(keys):
                return found
        raise Unusable("It is compacted over and over while it is read. Run again.")

    def entry(self, position: int) -> bytes | None:
        """Return the entry at *position*."""
        return self._get(_key(position))

    def create(self, position: int, content: bytes, copies: Mapping[str, bytes]) -> None:
        """Create the entry at *position*, its copies first: those without an entry are no harm. Raises Lost, Unclear."""
        self.keep(copies)
        self._create_entry(position, content)

    def create_snapshot(self, position: int, content: bytes) -> None:
        """Create the entry at *position* and remove those before it. Raises Lost, Unclear."""
        self._create_entry(position, content)
        with suppress(Unusable, Unclear):  # what stays is skipped by whoever reads, and removed by the next
            self._delete([key for key in self._list("log/") if key < _key(position)])

    def _create_entry(self, position: int, content: bytes) -> None:
        # A retry below us may have met what its first try wrote.
        if not self._create(_key(position), content) and self._get(_key(position)) != content:
            raise Lost
        beyond = self.load(position) if self._list("log/", offset=_key(position)) else ()
        if any(is_snapshot_entry(content) for _, content in beyond):
            raise Lost  # a compaction passed us: nobody reads what was created
        # Anything else was read from ours on, while we slept between creating and looking; the next append will lose.

    # The lease.

    def lease(self) -> tuple[bytes, Any]:
        """Return what the lease says, and the version of the object."""
        with self._asking():
            try:
                answer = self._store.get("lease")
                meta = answer.meta
                token = {name: meta[name] for name in ("e_tag", "version") if meta.get(name) is not None}
                return bytes(answer.bytes()), token
            except FileNotFoundError:
                return b"", None

    def swap_lease(self, token: Any, content: bytes) -> bool:
        """Replace the lease if it is still that version."""
        if token is None:
            return self._create("lease", content)
        return self._put("lease", content, token)

    # Copies.

    def keep(self, copies: Mapping[str, bytes]) -> None:
        """Keep copies by name, each created once; the same content again is no harm."""
        for name, content in copies.items():
            if not self._create(f"copies/{name}", content) and self._get(f"copies/{name}") != content:
                raise Unusable(f"There is a copy {name} already.")

    def kept(self) -> Mapping[str, int]:
        """Return names and sizes of the copies."""
        with self._asking():
            found = [each for part in self._store.list("copies/") for each in part]
        return {each["path"].removeprefix("copies/"): each["size"] for each in found}

    def copy(self, name: str) -> bytes | None:
        """Return one copy."""
        return self._get(f"copies/{name}")

    def drop(self, names: Iterable[str]) -> None:
        """Remove copies."""
        self._delete([f"copies/{name}" for name in names])

    # The whole.

    def destroy(self) -> None:
        """Remove every object below the prefix."""
        self._delete(self._list(""))

    def close(self) -> None:
        """Close the connections."""
        self._opened = None

    # What the store is asked.

    @property
    def _store(self) -> ObjectStore:
        if self._opened is None:
            self._opened = _opened(self._url)
        return self._opened

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Turn what obstore raises into Unusable. FileNotFoundError is an answer and goes through."""
        exceptions = _exceptions()
        try:
            yield
        except FileNotFoundError:
            raise
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            raise Unusable(f"No access: {_short(error)} Check the credentials and their rights.") from error
        except exceptions.BaseError as error:
            raise Unusable(f"The store says: {_short(error)} Check address, bucket and network.") from error

    def _get(self, key: str) -> bytes | None:
        with self._asking():
            try:
                return bytes(self._store.get(key).bytes())
            except FileNotFoundError:
                return None

    def _list(self, prefix: str, offset: str | None = None) -> list[str]:
        with self._asking():
            found = [each["path"] for part in self._store.list(prefix, offset=offset) for each in part]
        return sorted(found)

    def _create(self, key: str, content: bytes) -> bool:
        return self._put(key, content, "create")

    def _put(self, key: str, content: bytes, mode: Any) -> bool:
        """Write an object; False when there was one, or another one than *mode* names. Raises Unusable, Unclear."""
        exceptions = _exceptions()
        try:
            self._store.put(key, content, mode=mode)
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError, FileNotFoundError):
            return False
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, exceptions.NotSupportedError) as error:
            raise Unusable(f"The store refused to write: {_short(error)} Check the credentials and their rights.") from error
        except exceptions.BaseError as error:
            raise Unclear(f"the store says: {_short(error)} Check address, bucket and network.") from error
        return True

    def _delete(self, keys: Sequence[str]) -> None:
        if keys:
            with self._asking(), suppress(FileNotFoundError):
                self._store.delete(list(keys))


def _key(position: int) -> str:
    return f"log/{position:0{_DIGITS}}"


def _position(key: str) -> int:
    digits = key.rpartition("/")[2]
    if not digits.isdecimal() or len(digits) != _DIGITS:
        raise Unusable(f"There is a foreign object {key} in its log. Give the state a prefix of its own.")
    return int(digits)


def _exceptions() -> Any:
    try:
        from obstore import exceptions  # here and below: only those who keep their state there need it
    except ImportError as error:
        text = 'Object storage needs a package that is not installed. Run: pip install "crmsync[objects]"'
        raise Unusable(text) from error
    return exceptions


def _opened(url: str) -> ObjectStore:
    from obstore.store import from_url

    options: Any = {**_TIMEOUTS, "allow_http": _may_be_plain()}
    try:
        return from_url(url, config=None, client_options=options, retry_config=_RETRIES)
    except Exception as error:  # obstore raises many kinds for a bad URL or setting
        raise Unusable(f"It cannot be opened: {_short(error)}") from error


def _may_be_plain() -> bool:
    # Options of ours would hide what obstore itself reads from the environment.
    return any(os.environ.get(name, "").lower() in ("true", "1") for name in ("AWS_ALLOW_HTTP", "AZURE_ALLOW_HTTP"))


def _short(error: BaseException) -> str:
    """Return the first sentence of what obstore says: after that come its own debug output and XML."""
    text = str(error).partition("\n")[0].partition(": <")[0]
    text = re.sub(r"\s+", " ", text)[:300]
    return text if text.endswith(".") else f"{text}."
