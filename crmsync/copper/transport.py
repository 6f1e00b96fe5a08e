"""
The real `send`: one HTTPS connection pool, no second tries, no redirects, nothing taken from the environment.

`requests` is imported here and only when the first transport is made: it costs more than the whole start of a command.

The three exceptions of the seam are chosen carefully: "refused" promises that not a byte of the request left, so a failure
is "refused" only when the connection or its TLS handshake never came about; everything else is "unknown".
"""

from __future__ import annotations

import base64
import importlib
import ipaddress
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

from msgspec import Struct

import crmsync
from crmsync.copper.errors import AuthenticationFailed, Misconfigured
from crmsync.model.http import Request, Response

BASE_URL = "https://api.copper.com/developer_api/v1"
CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
TOTAL_SECONDS = 60.0
LARGEST_BODY = 64 * 1024 * 1024
# More than a runner has in flight; the pool throws away what is beyond.
POOL_SIZE = 16
_CHUNK = 64 * 1024
_SERVICE = "crmsync"

# What OpenSSL calls failures that come only before the first byte of a request. Others may come later.
_HANDSHAKE = frozenset(
    {
        "CERTIFICATE_VERIFY_FAILED",
        "NO_PROTOCOLS_AVAILABLE",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "TLSV1_UNRECOGNIZED_NAME",
        "UNSUPPORTED_PROTOCOL",
    }
)
_NEVER_CONNECTED = frozenset({"ConnectTimeoutError", "NameResolutionError", "NewConnectionError"})


class Secret:
    """A text that is never shown: printed, logged, formatted or pickled it is ``***``, or nothing."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a secret is not written down")


class Credentials(Struct, frozen=True):
    """A key and the e-mail address of its owner. Raises AuthenticationFailed for what cannot be either."""

    key: Secret
    email: str

    def __post_init__(self) -> None:
        # A header with a line break would show the key in the error about it.
        if not re.fullmatch(r"[!-~]+", self.key.reveal()):
            raise AuthenticationFailed("The key of the Copper API has characters that no key has.", _HOW_TO_LOG_IN)
        if not re.fullmatch(r"[!-~]+", self.email):
            raise AuthenticationFailed("The e-mail of the key's owner has characters that no address has.", _HOW_TO_LOG_IN)


class HttpResponse(Struct, frozen=True):
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Timeouts(Struct, frozen=True):
    """How long to wait, in seconds: for a connection, for the next byte, for the whole answer."""

    connect: float = CONNECT_SECONDS
    read: float = READ_SECONDS
    total: float = TOTAL_SECONDS


USUAL_TIMEOUTS = Timeouts()


_HOW_TO_LOG_IN = "Export COPPER_API_KEY (Copper: Settings, Integrations, API keys) and COPPER_USER_EMAIL."


def base_url_from_env(environ: Mapping[str, str]) -> str:
    """Return the address of the API: COPPER_BASE_URL, or Copper's own. Raises Misconfigured."""
    url = environ.get("COPPER_BASE_URL", "").strip() or BASE_URL
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise Misconfigured("COPPER_BASE_URL is not an address.", f"It looks like {BASE_URL}") from error
    if not host or parts.scheme not in ("https", "http"):
        raise Misconfigured("COPPER_BASE_URL is not an address.", f"It looks like {BASE_URL}")
    if parts.username is not None or parts.query or parts.fragment:
        raise Misconfigured("COPPER_BASE_URL has more than a host and a path.", f"It looks like {BASE_URL}")
    if parts.scheme == "http" and not is_loopback(host):
        raise Misconfigured("COPPER_BASE_URL would send the key unencrypted.", "Use https; http is for this machine only.")
    return url.rstrip("/")


def credentials_from_env(environ: Mapping[str, str]) -> Credentials:
    """Return the key and e-mail of the environment, the key from the keyring if need be. Raises AuthenticationFailed."""
    email = environ.get("COPPER_USER_EMAIL", "").strip()
    if not email:
        raise AuthenticationFailed("COPPER_USER_EMAIL is not set.", _HOW_TO_LOG_IN)
    key = environ.get("COPPER_API_KEY", "").strip() or key_from_keyring(email)
    if not key:
        raise AuthenticationFailed("There is no key for the Copper API.", _HOW_TO_LOG_IN)
    return Credentials(Secret(key), email)


def key_from_keyring(email: str) -> str | None:
    """Return the key that the system's keyring has for *email*, or None, also where there is no keyring."""
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        return None
    try:
        found: str | None = keyring.get_password(_SERVICE, email)
    except keyring.errors.KeyringError:
        return None
    return found


def key_to_keyring(credentials: Credentials) -> None:
    """Keep the key in the system's keyring. Raises ImportError where the package is missing, OSError where it fails."""
    keyring = importlib.import_module("keyring")
    try:
        keyring.set_password(_SERVICE, credentials.email, credentials.key.reveal())
    except keyring.errors.KeyringError as error:
        # Only the kind of error: its text may hold what was to be kept.
        raise OSError(f"{type(error).__name__}.") from None


class Transport:
    """Sends requests to one address with one key; several threads may share it."""

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        timeouts: Timeouts = USUAL_TIMEOUTS,
        largest_body: int = LARGEST_BODY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base_url = base_url
        self._credentials = credentials
        self._timeouts = timeouts
        self._largest_body = largest_body
        self._clock = clock
        self._adapter, self._new = _adapter(urlsplit(base_url).scheme)
        self._url = lru_cache(maxsize=32)(self._prepared_url)
        self._forms = _forms(credentials.key.reveal())

    def __call__(self, request: Request) -> Response:
        """
        Return the answer to *request*, sent once.

        Raises ConnectionRefusedError when nothing was sent, ConnectionResetError or TimeoutError when nobody knows.
        """
        try:
            return self._exchange(request)
        except (ConnectionError, TimeoutError):
            raise
        except OSError as error:
            raise _translated(error) from None
        except Exception as error:
            # urllib3 raises its own, which are no OSErrors; anything else is a fault of ours.
            if type(error).__module__.partition(".")[0] not in ("urllib3", "http"):
                raise
            raise _translated(error) from None

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()

    def _exchange(self, request: Request) -> Response:
        """
        Send *request* and read the answer.

        Not by a session, which takes as long as all the rest: it looks for proxies and .netrc, through which the key would
        pass or be replaced, for cookies, redirects and hooks, and there shall be none. An adapter knows of none of them.
        """
        deadline = self._clock() + self._timeouts.total
        ready = self._new()
        ready.method, ready.url = request.method, self._url(request.path)
        ready.headers = {**request.headers, **self._headers()}
        ready.prepare_body(request.body or None, None)
        timeout = self._timeouts.connect, self._timeouts.read
        with self._adapter.send(ready, stream=True, timeout=timeout, verify=True, cert=None, proxies=None) as answer:
            body = self._body(answer, deadline)
            return HttpResponse(answer.status_code, self._without_key(answer.headers), self._redacted(body))

    def _prepared_url(self, path: str) -> str:
        """Return the address of *path*, quoted where it must be."""
        ready = self._new()
        ready.prepare_url(self._base_url + path, None)
        url: str = ready.url
        return url

    def _headers(self) -> dict[str, str]:
        return {
            "X-PW-AccessToken": self._credentials.key.reveal(),
            "X-PW-Application": "developer_api",
            "X-PW-UserEmail": self._credentials.email,
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "Connection": "keep-alive",
            "User-Agent": f"crmsync/{crmsync.__version__}",
        }

    def _body(self, answer: Any, deadline: float) -> bytes:
        """Return the body, whole; read in pieces so that a slow or endless one is noticed."""
        pieces, size = [], 0
        read = getattr(answer.raw, "read1", answer.raw.read)  # urllib3 before 2 has no read1
        answer.raw.decode_content = True
        while piece := read(_CHUNK):
            pieces.append(piece)
            size += len(piece)
            if size > self._largest_body:
                raise ConnectionResetError(f"the answer is larger than {self._largest_body} bytes")
            if self._clock() > deadline:
                raise TimeoutError("the answer took too long")
        return b"".join(pieces)

    def _redacted(self, body: bytes) -> bytes:
        for form in self._forms:
            body = body.replace(form.encode(), b"***")
        return body

    def _without_key(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {name: self._redacted(value.encode()).decode() for name, value in headers.items()}


def _forms(key: str) -> list[str]:
    """Return how an answer could repeat *key*, the longest first: as it is, in JSON, an address, hexadecimal, base64."""
    content = key.encode()
    forms = {key, json.dumps(key)[1:-1], quote(key), quote(key, safe=""), content.hex(), content.hex().upper()}
    forms |= {encode(content).decode().rstrip("=") for encode in (base64.b64encode, base64.urlsafe_b64encode)}
    return sorted(forms, key=len, reverse=True)


def _adapter(scheme: str) -> tuple[Any, Callable[[], Any]]:
    """Return what sends, with nothing of the environment and never twice, and what makes a request that it can send."""
    from requests import PreparedRequest  # for its cost: only commands that talk to Copper need it
    from requests.adapters import HTTPAdapter
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    class Adapter(HTTPAdapter):
        """Speaks TLS as `tls_context` says, whatever the environment wants."""

        def init_poolmanager(self, *arguments: Any, **settings: Any) -> None:
            if scheme == "https":  # it takes 20 ms to make
                settings["ssl_context"] = tls_context(DEFAULT_CA_BUNDLE_PATH)
            super().init_poolmanager(*arguments, **settings)

    return Adapter(pool_connections=1, pool_maxsize=POOL_SIZE, max_retries=0), PreparedRequest


def tls_context(authorities: str) -> ssl.SSLContext:
    """
    Return how TLS is spoken: version 1.2 or later, with servers that one of the *authorities* (a file) vouches for.

    Made by hand, for `ssl.create_default_context` writes the keys of the session to the file SSLKEYLOGFILE names, and
    asks SSL_CERT_FILE whom to trust.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(authorities)
    return context


def _translated(error: Exception) -> ConnectionError | TimeoutError:
    """Return the exception of the seam for one of requests, urllib3 or ssl, in words of our own."""
    causes = list(_causes(error))
    if any(type(each).__name__ in _NEVER_CONNECTED or _is_handshake(each) for each in causes):
        return ConnectionRefusedError("no connection")
    if any(isinstance(each, TimeoutError) or "Timeout" in type(each).__name__ for each in causes):
        return TimeoutError("no answer in time")
    return ConnectionResetError("the connection broke")


def _is_handshake(error: BaseException) -> bool:
    return isinstance(error, ssl.SSLCertVerificationError) or (
        isinstance(error, ssl.SSLError) and error.reason in _HANDSHAKE
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield *error* and every exception it stems from or carries: urllib3 wraps them in several ways."""
    # Not __context__: it may be an earlier failure that our caller is just handling, and say "refused" for this one.
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        carried = (each.__cause__, getattr(each, "reason", None), *each.args)
        waiting += [other for other in carried if isinstance(other, BaseException)]


def is_loopback(host: str) -> bool:
    """Say whether *host* is this machine, by its name or number alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
