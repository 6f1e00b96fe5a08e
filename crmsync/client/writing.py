"""One write, sent once, and what its answer means. Only a 429 is sent again: Copper executed nothing then."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from crmsync.client.book import Book
from crmsync.copper.client import TRIES, Client
from crmsync.copper.errors import CopperError, ReadOnlyClient, TooManyRequests, Unreachable, error_from, odd_answer
from crmsync.model.http import Unparseable, json_request, parse_json

_USUAL_PAUSE_SECONDS = 5.0
_NOT_DONE = "Nothing was changed. Check the network and run again."
_UNKNOWN = "Whether Copper carried it out is not known: look before you send it again."


def write(
    book: Book,
    method: str,
    path: str,
    payload: Any = None,
    *,
    is_bulk: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Any:
    """Return the data in the answer to a write. Raises CopperError."""
    request = json_request(method, path, payload)
    book.found.clear()
    for _ in range(TRIES - 1):
        try:
            return _once(book.client, request, is_bulk)
        except TooManyRequests as error:
            sleep(error.retry_after or _USUAL_PAUSE_SECONDS)
    return _once(book.client, request, is_bulk)


def _once(client: Client, request: Any, is_bulk: bool) -> Any:
    try:
        response = client.write(request, is_bulk)
    except ReadOnlyClient as error:
        raise ReadOnlyClient("This account was opened with may_write=False.", "Open it without that to write.") from error
    except ConnectionRefusedError as error:
        raise Unreachable("There is no connection to Copper.", _NOT_DONE) from error
    except (ConnectionError, TimeoutError) as error:
        raise Unreachable("Copper gave no complete answer.", _UNKNOWN) from error
    if not 200 <= response.status < 300:
        raise with_advice(error_from(response))
    try:
        return parse_json(response.body)
    except Unparseable as error:
        raise with_advice(odd_answer(response, "JSON")) from error


def with_advice(error: CopperError) -> CopperError:
    """Return an error with advice for callers of the client, who have no files; after a 5xx nobody knows what was done."""
    if error.status is not None and (error.status >= 500 or error.status < 400):
        error.advice = _UNKNOWN
    elif error.status in (400, 422):
        error.advice = "Correct the value and try again."
    error.args = (f"{error.message} {error.advice}".strip(),)
    return error
