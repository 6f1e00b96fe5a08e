"""Every shape of an error becomes one class, in words that are safe to show."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsync.copper import errors
from crmsync.copper.errors import CopperError, error_from, plain_text, retry_after
from tests.copper.conftest import Answer, json_answer

DATE = "Tue, 24 Nov 2026 03:00:00 GMT"
INVALID = "Invalid input: Validation errors: "


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (json_answer({"success": False, "status": 401, "message": "no"}, 401), errors.AuthenticationFailed, "the key: no"),
        (Answer(401, b""), errors.AuthenticationFailed, "Copper did not accept the key (status 401)."),
        (Answer(402), errors.PaymentRequired, "plan does not include this (status 402)."),
        (json_answer({"message": "Feature not enabled"}, 403), errors.PermissionDenied, "permit this: Feature not enabled"),
        (json_answer({"error": "not_found"}, 404), errors.NotFound, "no such record: not_found"),
        (json_answer({"success": False, "message": "Resource not found"}, 404), errors.NotFound, ": Resource not found"),
        (Answer(400, b""), errors.Rejected, "Copper refused the request (status 400)."),
        (Answer(405, b""), errors.Rejected, "(status 405)"),
        (
            json_answer({"success": False, "status": 422, "message": f"{INVALID}Name: can't be blank"}, 422),
            errors.Rejected,
            f"Copper refused the request: {INVALID}Name: can't be blank",
        ),
        (
            json_answer({"message": f"{INVALID}Base: Unrecognized attributes specified: url\nType: can't be blank"}, 422),
            errors.Rejected,
            "Unrecognized attributes specified: url; Type: can't be blank",
        ),
        (json_answer({"error": "Request size too large, limit is 10"}, 422), errors.Rejected, ": Request size too large"),
        (
            json_answer({"success": False, "message": {"name": [{"error": "blank"}], "emails": [{"error": "taken"}]}}, 422),
            errors.Rejected,
            "Copper refused the request: name: blank; emails: taken",
        ),
        (json_answer({"message": ["one", {"two": "three"}]}, 422), errors.Rejected, ": one; two: three"),
        (json_answer({"message": {"a": {"b": {"c": {"d": {"e": "deep"}}}}}}, 422), errors.Rejected, "(status 422)"),
        (json_answer({"message": 5}, 422), errors.Rejected, "(status 422)"),
        (json_answer({"message": None, "error": {"error": "odd"}}, 422), errors.Rejected, ": odd"),
        (json_answer(["message"], 422), errors.Rejected, "(status 422)"),
        (Answer(429, b"slow down"), errors.TooManyRequests, "limit of requests is used up (status 429)."),
        (Answer(408, b""), errors.ServerTrouble, "Copper is in trouble (status 408)."),
        (Answer(500, b'{"message":"Internal Server Error"}'), errors.ServerTrouble, ": Internal Server Error"),
        (Answer(502, b"<html><h1>Bad gateway</h1>secret</html>"), errors.ServerTrouble, "in trouble (status 502)."),
        (Answer(302, b"", {"Location": "https://evil.test"}), errors.ServerTrouble, "redirects elsewhere (status 302)"),
        (
            json_answer({"message": "\x1b[31mred\x1b[0m\u202e gone\r\nnext\x00"}, 422),
            errors.Rejected,
            ": [31mred [0m gone; next",
        ),
    ],
)
def test_each_answer_has_its_error(answer, kind, message):
    """The status gives the class; Copper's own words, whatever their shape, are in the message."""
    error = error_from(answer)

    assert type(error) is kind
    assert error.message.endswith(message) or message in error.message
    assert error.status == answer.status
    assert error.advice
    assert str(error) == f"{error.message} {error.advice}"


@pytest.mark.parametrize(
    ("answer", "is_record"),
    [
        (json_answer({"success": False, "status": 404, "message": "Resource not found"}, 404), True),
        (json_answer({"error": "not_found"}, 404), False),
        (Answer(404, b"<html>not here</html>"), False),
        (json_answer([], 404), False),
    ],
)
def test_only_coppers_own_404_is_about_a_record(answer, is_record):
    """A proxy's page or an unknown route does not prove that a record is gone."""
    assert is_record == error_from(answer).is_record


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"Retry-After": "Tue, 24 Nov 2026 03:00:30 GMT", "Date": DATE}, 30.0),
        ({"Retry-After": "Tue, 24 Nov 2026 02:00:00 GMT", "Date": DATE}, 0.0),
        ({"Retry-After": "Tue, 24 Nov 2026 03:00:30 GMT"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "9" * 400}, None),
        ({"Retry-After": "\u00b2"}, None),
        ({"Retry-After": "soon", "Date": DATE}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_read(headers, seconds):
    """Seconds or a date on the server's clock; nonsense is no answer."""
    assert seconds == retry_after(Answer(429, b"", headers))


def test_the_tree_is_drawn_in_full():
    """The drawing at the head of the module names every class."""
    drawn = {line.split()[1] for line in errors.__doc__.splitlines() if line.strip().startswith("+--")}

    assert {kind.__name__ for kind in CopperError.__subclasses__()} == drawn


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@settings(max_examples=60, deadline=None)
@given(status=st.integers(300, 599), value=values)
def test_no_body_breaks_the_errors(status, value):
    """Whatever an error carries, its text is one line of bounded length without control characters."""
    error = error_from(Answer(status, json.dumps({"message": value}).encode()))

    assert error.message.isprintable()
    assert len(error.message) < 600


@settings(max_examples=100, deadline=None)
@given(status=st.integers(300, 599), body=st.binary(max_size=50))
def test_no_bytes_break_the_errors(status, body):
    """Bodies that are no JSON are never shown."""
    assert isinstance(error_from(Answer(status, body)), CopperError)


def test_long_texts_are_cut():
    """A text beyond the limit ends in dots."""
    assert plain_text("a" * 900, 10) == "aaaaaaa..."
