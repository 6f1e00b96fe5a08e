"""Errors: the tree of `copper.errors`, each with Copper's own words and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import crmsync
from crmsync import (
    AuthenticationFailed,
    Copper,
    CopperError,
    NotFound,
    PaymentRequired,
    PermissionDenied,
    ReadOnlyClient,
    Rejected,
    ServerTrouble,
    TooManyRequests,
    Unreachable,
)
from crmsync.sandbox import Fault
from tests.client.conftest import Answer, Clock, Shop


def answering(status: int, body: Any, **headers: str) -> Copper:
    """Return a client that always gets this answer."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    clock = Clock()
    return Copper(lambda request: Answer(status, raw, headers), clock=clock, sleep=clock.sleep)


COMMON = {"success": False, "status": 422, "message": "Invalid input: Validation errors: Name: can't be blank\nBase: bad"}
TABLE: list[tuple[int, Any, type[CopperError], str]] = [
    (400, {"success": False, "status": 400, "message": "Bad Request: x"}, Rejected, "Bad Request: x"),
    (401, {"success": False, "status": 401, "message": "Unauthorized"}, AuthenticationFailed, "COPPER_API_KEY"),
    (402, {"message": "Upgrade"}, PaymentRequired, "Upgrade"),
    (403, {"success": False, "message": "Feature not enabled"}, PermissionDenied, "Feature not enabled"),
    (404, {"success": False, "status": 404, "message": "Resource not found"}, NotFound, "Resource not found"),
    (404, {"error": "not_found"}, NotFound, "not_found"),
    (422, COMMON, Rejected, "Name: can't be blank; Base: bad"),
    (422, {"error": "Request size too large, limit is 10"}, Rejected, "limit is 10"),
    (422, {"success": False, "message": {"emails": [{"error": "taken"}]}}, Rejected, "emails: taken"),
    (429, {"message": "Too many requests"}, TooManyRequests, "Too many requests"),
    (500, {"message": "Internal Server Error"}, ServerTrouble, "Internal Server Error"),
    (502, b"<html>proxy</html>", ServerTrouble, "status 502"),
    (302, b"", ServerTrouble, "never followed"),
]


@pytest.mark.parametrize(("status", "body", "kind", "text"), TABLE, ids=[f"{each[0]}-{each[3][:20]}" for each in TABLE])
@pytest.mark.parametrize("act", ["read", "write"])
def test_each_status_has_its_error(status: int, body: Any, kind: type[CopperError], text: str, act: str) -> None:
    """Every status is an error of its own class, reading and writing, with Copper's words and an advice."""
    copper = answering(status, body)
    acts: dict[str, Callable[[], object]] = {
        "read": lambda: list(copper.people.search()),
        "write": lambda: copper.people.delete(5),
    }
    with pytest.raises(CopperError) as raised:
        acts[act]()

    assert (kind, status, True) == (type(raised.value), raised.value.status, bool(raised.value.advice))
    assert text in str(raised.value)


def test_an_answer_that_is_no_json() -> None:
    """A success that is no JSON is trouble, and after a write nobody knows what was done."""
    with pytest.raises(ServerTrouble, match="Whether Copper carried it out is not known"):
        answering(200, b"<html>").people.delete(5)


@pytest.mark.parametrize(("kind", "text"), [("refused", "Nothing was changed"), ("timeout_after", "is not known")])
def test_a_write_without_an_answer(shop: Shop, kind: str, text: str) -> None:
    """Without an answer the caller learns whether anything can have happened; a write is sent once."""
    shop.copper.companies.get(40_000_001).to_row()
    shop.fault(Fault(kind, method="POST", path="/companies$"))

    with pytest.raises(Unreachable, match=text):
        shop.copper.companies.create(name="New")
    assert len([each for each in shop.sandbox.log if each.method == "POST" and each.path == "/companies"]) == 1


def test_a_write_refused_for_its_pace_is_sent_again(shop: Shop) -> None:
    """A 429 was not executed: it is sent again after the pause that Copper asks for, and there is one record."""
    before = shop.clock.now
    shop.fault(Fault("status_before", status=429, retry_after=7, method="POST", path="/companies$", nth=1))
    shop.copper.companies.create(name="New")

    assert (
        sum(each["name"] == "New" for each in shop.sandbox.records("companies")),
        shop.clock.now - before >= 7,
    ) == (1, True)


def test_a_bulk_call_without_an_answer_goes_on(shop: Shop) -> None:
    """Ten rows whose answer was lost are unknown, each; the others are written."""
    shop.fault(Fault("timeout_after", path="bulk_create", nth=1))
    written = shop.copper.companies.create_many([{"name": f"C{number:02}"} for number in range(15)])

    assert (list(range(10)), 5) == ([place for place, _ in written.errors], len(written.records))
    assert {Unreachable} == {type(error) for _, error in written.errors}


def test_nothing_is_sent_after_a_refused_key(shop: Shop) -> None:
    """A key that is refused fails all rows after one call."""
    shop.copper.companies.get(40_000_001).to_row()
    shop.fault(Fault("status_before", status=401, path="bulk_create"))
    written = shop.copper.companies.create_many([{"name": f"C{number:02}"} for number in range(35)])

    assert (len(written.errors), len(shop.sent("/bulk_create"))) == (35, 1)


def test_a_client_that_only_looks() -> None:
    """A client made to look refuses to write."""
    shop = Shop()
    looking = shop.open(may_write=False)

    with pytest.raises(ReadOnlyClient, match=r"opened with may_write=False\. Open it without that to write\."):
        looking.companies.create(name="x")
    assert shop.sandbox.records("companies") == []


def test_the_key_of_the_environment() -> None:
    """Without key or e-mail the caller is told which variable to set; no key is in any error."""
    with pytest.raises(AuthenticationFailed, match="COPPER_USER_EMAIL is not set"):
        Copper.from_env({})
    with pytest.raises(crmsync.Misconfigured, match="unencrypted"):
        Copper.from_env({"COPPER_BASE_URL": "http://x.com", "COPPER_API_KEY": "k", "COPPER_USER_EMAIL": "a@b.cc"})
    with pytest.raises(TypeError, match=r"Copper\.from_env"):
        Copper()
    with Copper.from_env({"COPPER_API_KEY": "hidden", "COPPER_USER_EMAIL": "a@b.cc"}) as copper:
        assert "hidden" not in repr(vars(copper))
