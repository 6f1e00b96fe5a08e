"""
What can go wrong between crmsync and Copper, one class per thing a caller would do differently.

    CopperError
     +-- Misconfigured          the environment names no usable address, key or e-mail
     +-- AuthenticationFailed   401  the key and the e-mail are not accepted
     +-- PaymentRequired        402  the plan of the account does not include it
     +-- PermissionDenied       403  the key's owner may not, or the feature is off
     +-- NotFound               404  no such record, or no such route
     +-- Rejected               400, 422 and other 4xx: Copper refuses the request, and says why
     +-- TooManyRequests        429  slower; `retry_after` when Copper says how long
     +-- ServerTrouble          5xx, redirects, answers that are not Copper's
     +-- Unreachable            no answer at all
     +-- ReadOnlyClient         our own refusal: this client was made to look, not to write

Every error has a *message* (what happened) and an *advice* (what to do). Text that came over the network is untrusted: it is
cut, kept on one line and stripped of control characters; bodies are never shown whole.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

from crmsync.model.http import Response, Unparseable, header, parse_json, server_time

TEXT_LIMIT = 500


class CopperError(Exception):
    """Something between crmsync and Copper went wrong: what, and what to do."""

    usual_advice: ClassVar[str] = ""

    def __init__(self, message: str, advice: str | None = None, *, status: int | None = None) -> None:
        self.message = message
        self.advice = self.usual_advice if advice is None else advice
        self.status = status
        super().__init__(f"{self.message} {self.advice}".strip())


class Misconfigured(CopperError):
    """The environment names no usable address, key or e-mail."""


class AuthenticationFailed(CopperError):
    """Copper does not accept the key and the e-mail."""

    usual_advice = "Check COPPER_API_KEY and COPPER_USER_EMAIL: the e-mail must be that of the key's owner."


class PaymentRequired(CopperError):
    """The plan of the account does not include what was asked."""

    usual_advice = "Leave these records out, or ask the account's owner about the plan."


class PermissionDenied(CopperError):
    """The owner of the key may not do this, or the feature is switched off in the account."""

    usual_advice = "Use the key of an administrator, or switch the feature on in Copper's settings."


class NotFound(CopperError):
    """
    There is no such record, or no such route.

    *is_record*: the answer has the form that Copper uses for a record that is gone. Only then does it prove anything.
    """

    usual_advice = "It may have been deleted or merged in Copper."

    def __init__(
        self, message: str, advice: str | None = None, *, status: int | None = None, is_record: bool = False
    ) -> None:
        super().__init__(message, advice, status=status)
        self.is_record = is_record


class Rejected(CopperError):
    """Copper refuses the request; the message has its own words."""

    usual_advice = "Correct the value and run again."


class TooManyRequests(CopperError):
    """The account's requests for this minute are used up; *retry_after* is in seconds, or None."""

    usual_advice = "Wait a minute and run again. If other programs use the account, lower the pace: `pace` in crmsync.yaml."

    def __init__(
        self, message: str, advice: str | None = None, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, advice, status=status)
        self.retry_after = retry_after


class ServerTrouble(CopperError):
    """Copper failed, or what answered is not Copper."""

    usual_advice = "Run again later. If it stays, check COPPER_BASE_URL and any proxy in between."


class Unreachable(CopperError):
    """No answer came."""

    usual_advice = "Check the network and run again."


class ReadOnlyClient(CopperError):
    """This client was made to look, not to write."""

    usual_advice = "This is a fault in crmsync; please report it."


_CLASS_OF: Mapping[int, type[CopperError]] = {
    401: AuthenticationFailed,
    402: PaymentRequired,
    403: PermissionDenied,
    404: NotFound,
    408: ServerTrouble,
    429: TooManyRequests,
}

_SUMMARY: Mapping[type[CopperError], str] = {
    AuthenticationFailed: "Copper did not accept the key",
    PaymentRequired: "The Copper account's plan does not include this",
    PermissionDenied: "Copper does not permit this",
    NotFound: "Copper has no such record",
    Rejected: "Copper refused the request",
    TooManyRequests: "Copper's limit of requests is used up",
    ServerTrouble: "Copper is in trouble",
}


def error_from(response: Response) -> CopperError:
    """Return the error that an answer without success stands for."""
    status = response.status
    data = _data(response.body)
    kind = _CLASS_OF.get(status, Rejected if 400 <= status < 500 else ServerTrouble)
    message = _message(_SUMMARY[kind], status, problem_text(data))
    if kind is NotFound:
        return NotFound(message, status=status, is_record=isinstance(data, dict) and data.get("success") is False)
    if kind is TooManyRequests:
        return TooManyRequests(message, status=status, retry_after=retry_after(response))
    if 300 <= status < 400:
        return ServerTrouble(f"The answer redirects elsewhere (status {status}), and that is never followed.", status=status)
    return kind(message, status=status)


def odd_answer(response: Response, wanted: str) -> ServerTrouble:
    """Return the error for an answer that says success but is not *wanted*."""
    text = f"The answer is not {wanted} (status {response.status}, {len(response.body)} bytes)."
    return ServerTrouble(text, status=response.status)


def problem_text(data: Any) -> str:
    """
    Return Copper's words about what is wrong, safe to show, or "" when *data* holds none.

    Reads every shape seen (copper-api.md section 9): ``message`` or ``error``, as text, or as an object of fields with
    lists of ``{"error": code}``, as in the items of bulk calls.
    """
    if not isinstance(data, dict):
        return ""
    return plain_text("; ".join(_texts(data.get("message") or data.get("error"))))


def retry_after(response: Response) -> float | None:
    """Return the seconds of the Retry-After header, given as a number or as a date; None without a usable one."""
    text = (header(response, "Retry-After") or "").strip()
    if text.isascii() and text.isdigit() and len(text) <= 5:
        return float(text)
    now = server_time(response)
    if not text or now is None:
        return None
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def plain_text(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return *text* on one line, without control, direction and other invisible characters, cut at *limit*."""
    shown = "".join(" " if unicodedata.category(each)[0] in "CZ" else each for each in text[: limit * 4])
    line = " ".join(shown.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def _data(body: bytes) -> Any:
    try:
        return parse_json(body)
    except Unparseable:
        return None


def _message(summary: str, status: int, text: str) -> str:
    if not text:
        return f"{summary} (status {status})."
    return f"{summary}: {text}" if text.endswith((".", "!", "?")) else f"{summary}: {text}."


def _texts(value: Any, depth: int = 4) -> list[str]:
    """Return the texts in *value*, each with the field it is about."""
    if isinstance(value, str):
        return [line for line in value.splitlines() if line.strip()]
    if depth == 0:
        return []
    if isinstance(value, list):
        return [text for each in value for text in _texts(each, depth - 1)]
    if not isinstance(value, dict):
        return []
    if isinstance(value.get("error"), str):
        return [value["error"]]
    return [f"{field}: {text}" for field, each in value.items() for text in _texts(each, depth - 1)]
