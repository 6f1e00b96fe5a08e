"""What became of a request: the whole table."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from crmsync.apply.classify import Executed, NotExecuted, Unclear, bulk_limit, classify, item_id, item_message
from crmsync.model.effects import Failed, NotSent


@dataclass
class Reply:
    status: int
    body: bytes = b'{"id": 1}'
    headers: dict[str, str] = field(default_factory=dict)


def _refusal(status: int) -> Reply:
    return Reply(status, b'{"success": false, "status": %d, "message": "Why"}' % status)


#: Statuses that say nothing about execution.
ODD = (301, 302, 303, 307, 408, 409, 418, 500, 502, 503, 504)

TABLE = {
    "not sent": (NotSent("no route"), NotExecuted(0, "no route")),
    "late": (NotSent("late", is_late=True), NotExecuted(0, "late", is_late=True)),
    "timeout": (Failed("TimeoutError"), Unclear("TimeoutError")),
    **{f"{each}": (_refusal(each), NotExecuted(each, "Why")) for each in (400, 401, 402, 403, 404, 405, 415, 422, 429)},
    "429, Retry-After": (Reply(429, b"", {"retry-after": "7"}), NotExecuted(429, "status 429", 7.0)),
    "429, odd Retry-After": (Reply(429, b"", {"Retry-After": "soon"}), NotExecuted(429, "status 429")),
    **{f"{each}": (Reply(each), Unclear(f"Copper answered {each}")) for each in ODD},
    "done": (Reply(200), Executed({"id": 1})),
    "created": (Reply(201), Executed({"id": 1})),
    "no content": (Reply(204, b""), Unclear("the answer was cut or not JSON")),
    "cut": (Reply(200, b'{"id": 1, "na'), Unclear("the answer was cut or not JSON")),
    "page": (Reply(200, b"<html></html>"), Unclear("the answer was cut or not JSON")),
    "not a number": (Reply(200, b'{"id": NaN}'), Unclear("the answer was cut or not JSON")),
    "deep": (Reply(200, b"[" * 100_000), Unclear("the answer was cut or not JSON")),
    "huge number": (Reply(200, b"1" * 5_001), Unclear("the answer was cut or not JSON")),
    "page as refusal": (Reply(404, b"<html></html>"), NotExecuted(404, "status 404")),
    "list as refusal": (Reply(422, b"[]"), NotExecuted(422, "status 422")),
    "bulk shape": (
        Reply(422, b'{"error": "Request size too large, limit is 10"}'),
        NotExecuted(422, "Request size too large, limit is 10"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "expected"), TABLE.values(), ids=TABLE)
def test_classify(answer: object, expected: object) -> None:
    """An answer means not executed, executed or unclear, and nothing in between."""
    assert classify(answer) == expected


@pytest.mark.parametrize(
    ("refusal", "may_retry", "is_fatal"),
    [
        (NotExecuted(0, ""), False, True),
        (NotExecuted(0, "", is_late=True), True, False),
        (NotExecuted(400, ""), False, False),
        (NotExecuted(401, ""), False, True),
        (NotExecuted(402, ""), False, True),
        (NotExecuted(403, ""), False, True),
        (NotExecuted(404, ""), False, False),
        (NotExecuted(422, ""), False, False),
        (NotExecuted(429, ""), True, False),
    ],
)
def test_what_a_refusal_means(refusal: NotExecuted, may_retry: bool, is_fatal: bool) -> None:
    """Only what passes is tried again; only what is about the key or the connection stops the run."""
    assert (refusal.may_retry, refusal.is_fatal) == (may_retry, is_fatal)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"message": "Invalid input: x"}, "Invalid input: x"),
        ({"message": {"name": [{"error": "blank"}], "emails": [{"error": "taken"}]}}, "name: blank; emails: taken"),
        ({"message": {"base": ["odd", {"error": "not_found"}]}}, "base: odd, not_found"),
        ({"message": {"name": "odd"}}, "name: odd"),
        ({"error": "not_found"}, "not_found"),
        ({}, ""),
    ],
)
def test_item_message(item: dict[str, object], expected: str) -> None:
    """Copper's words are found in each of their shapes."""
    assert item_message(item) == expected


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"id": 7}, 7),
        ({"id": 0}, None),
        ({"id": -1}, None),
        ({"id": True}, None),
        ({"id": "7"}, None),
        ({}, None),
        (7, None),
    ],
)
def test_item_id(item: object, expected: int | None) -> None:
    """Only a positive whole number is an id."""
    assert item_id(item) == expected


@pytest.mark.parametrize(
    ("reason", "expected"), [("Request size too large, limit is 5", 5), ("too large", None), ("Invalid input", None)]
)
def test_bulk_limit(reason: str, expected: int | None) -> None:
    """The limit that Copper names is read from its refusal."""
    assert bulk_limit(reason) == expected
