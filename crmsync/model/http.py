"""A request and a response of the Copper API: the seam is one function, ``send(Request) -> Response``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import msgspec
from msgspec import field

from crmsync.model.structs import Discreet


class Request(Discreet, frozen=True):
    """One call: *path* is relative to the base URL (``/people/search``), *body* is JSON text or empty."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    shown = ("method", "path", "body")


class Response(Protocol):
    """What comes back."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


class Send(Protocol):
    """
    Send a request and return its response.

    Raises ConnectionRefusedError when nothing was executed, ConnectionResetError or TimeoutError when that is unknown.
    """

    def __call__(self, request: Request, /) -> Response: ...


def json_request(method: str, path: str, payload: Any = None) -> Request:
    """Return a request that carries *payload* as JSON; None sends no body."""
    body = b"" if payload is None else json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    return Request(method, path, body)


#: What `msgspec` raises of a text that it does not take.
REFUSED = (ValueError, OverflowError, RecursionError)
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class Unparseable(ValueError):
    """The body is not the JSON that Copper sends."""


def parse_json(body: bytes) -> Any:
    """
    Return the data in *body*, numbers with a fraction as Decimal.

    Raises Unparseable for anything but plain JSON: text that is cut, NaN, numbers of thousands of digits,
    nesting beyond reason. What `msgspec` takes is what `json` gives, in a third of the time
    (`tests/copper/test_rowtext.py`); of the rest, such as half a surrogate pair, `json` says whether it is wrong.
    """
    try:
        return _decode(body)
    except REFUSED:
        return parse_json_carefully(body)


def parse_json_carefully(body: bytes) -> Any:
    """Return what `parse_json` does, slowly. Raises Unparseable."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Unparseable(f"not JSON ({len(body)} bytes)") from error


def _refuse(name: str) -> Any:
    raise ValueError(name)


def header(response: Response, name: str) -> str | None:
    """Return a header whatever its case."""
    wanted = name.lower()
    return next((value for key, value in response.headers.items() if key.lower() == wanted), None)


def server_time(response: Response) -> float | None:
    """Return the server's clock in unix seconds from the Date header, or None."""
    text = header(response, "Date")
    if text is None:
        return None
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError):
        return None
