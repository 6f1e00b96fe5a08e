"""What became of a request: refused, done, or nobody knows. One table, no guessing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from crmsync.model.effects import Failed, NotSent
from crmsync.model.http import Response, Unparseable, header, parse_json

#: Statuses by which Copper says that it did nothing (copper-api.md section 9; 429 is counted among them).
_NOT_EXECUTED = frozenset({400, 401, 402, 403, 404, 405, 415, 422, 429})


class NotExecuted(Struct, frozen=True):
    """Nothing happened in Copper. *is_late*: it was never sent and may be sent again."""

    status: int
    reason: str
    retry_after: float | None = None
    is_late: bool = False

    @property
    def may_retry(self) -> bool:
        """Say whether the same request may simply be sent later."""
        return self.status == 429 or self.is_late

    @property
    def is_fatal(self) -> bool:
        """Say whether no other request of this run would fare better."""
        return self.status in (401, 402, 403) or (self.status == 0 and not self.is_late)


class Executed(Struct, frozen=True):
    """It happened; *data* is the parsed body."""

    data: Any


class Unclear(Struct, frozen=True):
    """Nobody can say whether it happened."""

    reason: str


Result = NotExecuted | Executed | Unclear


def classify(answer: Response | NotSent | Failed) -> Result:
    """Return what became of a write, from the world's answer to it."""
    if isinstance(answer, NotSent):
        return NotExecuted(0, answer.reason, is_late=answer.is_late)
    if isinstance(answer, Failed):
        return Unclear(answer.reason)
    if answer.status in _NOT_EXECUTED:
        return NotExecuted(answer.status, message_of(answer), _retry_after(answer))
    if not 200 <= answer.status < 300:
        return Unclear(f"Copper answered {answer.status}")
    try:
        return Executed(parse_json(answer.body))
    except Unparseable:
        return Unclear("the answer was cut or not JSON")


def _retry_after(response: Response) -> float | None:
    text = header(response, "Retry-After") or ""
    return float(text) if re.fullmatch(r"\d{1,5}", text) else None


def message_of(response: Response) -> str:
    """Return Copper's own words for a refusal, whichever of its three shapes they come in (copper-api.md section 9)."""
    try:
        data = parse_json(response.body)
    except Unparseable:
        return f"status {response.status}"
    if not isinstance(data, Mapping):
        return f"status {response.status}"
    return item_message(data) or f"status {response.status}"


def item_message(item: Mapping[str, Any]) -> str:
    """Return the message of an error body or of a failed item of a bulk call."""
    message = item.get("message", item.get("error", ""))
    if isinstance(message, Mapping):
        parts = [f"{name}: {_codes(errors)}" for name, errors in message.items()]
        return "; ".join(parts)
    return str(message)


def _codes(errors: Any) -> str:
    if not isinstance(errors, list):
        return str(errors)
    return ", ".join(str(each.get("error", each)) if isinstance(each, Mapping) else str(each) for each in errors)


def item_id(item: Any) -> int | None:
    """Return the id of a record in an answer, or None when there is no usable one."""
    id = item.get("id") if isinstance(item, Mapping) else None
    return id if isinstance(id, int) and not isinstance(id, bool) and id > 0 else None


def bulk_limit(reason: str) -> int | None:
    """Return the size that Copper names when a bulk call was too large (422, copper-api.md section 8), or None."""
    found = re.search(r"too large, limit is (\d+)", reason)
    return int(found.group(1)) if found else None
