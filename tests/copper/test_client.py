"""Reads are tried again, writes never; what looks may not write."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from crmsync.copper.client import Requests
from crmsync.copper.errors import (
    AuthenticationFailed,
    NotFound,
    ReadOnlyClient,
    Rejected,
    ServerTrouble,
    TooManyRequests,
    Unreachable,
)
from crmsync.model.http import Request, json_request
from tests.copper.conftest import Answer, Script, json_answer

LOOK = Request("GET", "/account")
SEARCH = json_request("POST", "/people/search", {"ids": [1]})
WRITE = json_request("PUT", "/people/1", {"title": "Genius"})
FINE = json_answer({"id": 1})
GONE = json_answer({"success": False, "status": 404, "message": "Resource not found"}, 404)


@pytest.mark.parametrize(
    "request_", [LOOK, SEARCH, Request("POST", "/people/fetch_by_email"), Request("GET", "/people/1/related")]
)
@pytest.mark.parametrize(
    "trouble",
    [
        Answer(429),
        Answer(500),
        Answer(502, b"<html>"),
        Answer(503),
        Answer(408),
        Answer(200, b"<html>hotel wifi</html>"),
        Answer(200, b'{"id": 1'),
        ConnectionRefusedError(),
        ConnectionResetError(),
        TimeoutError(),
    ],
    ids=str,
)
def test_a_read_is_tried_again(time, client_of, request_, trouble):
    """What passes by itself is waited for, three times at most, longer each time."""
    send = Script(time, [trouble, trouble, trouble, FINE])
    client = client_of(send)

    assert client.read(request_) == FINE
    assert send.asked == [request_] * 4
    assert Requests(total=4, reads=4) == client.requests
    assert time.now - 1000 == pytest.approx(7.0)


@pytest.mark.parametrize(
    ("trouble", "error", "tries"),
    [
        (Answer(429), TooManyRequests, 4),
        (Answer(503), ServerTrouble, 4),
        (Answer(200, b"<html>"), ServerTrouble, 4),
        (ConnectionRefusedError(), Unreachable, 4),
        (ConnectionResetError(), Unreachable, 4),
        (TimeoutError(), Unreachable, 4),
        (Answer(401), AuthenticationFailed, 1),
        (Answer(422), Rejected, 1),
        (GONE, NotFound, 1),
        (Answer(302), ServerTrouble, 1),
    ],
    ids=str,
)
def test_a_read_gives_up(time, client_of, trouble, error, tries):
    """After four tries, or at once where trying again cannot help, the error says what it was."""
    client = client_of(Script(time, [trouble]))

    with pytest.raises(error):
        client.read(LOOK)
    assert Requests(total=tries, reads=tries) == client.requests


def test_a_read_has_sixty_seconds(time, client_of):
    """A server that takes half a minute for each failure is asked twice."""
    send = Script(time, [TimeoutError()], seconds=30.0)

    with pytest.raises(Unreachable):
        client_of(send).read(LOOK)
    assert len(send.asked) == 2


def test_the_pace_costs_no_patience(time, client_of):
    """Waiting for a free slot is not the server's fault: all four tries are made."""
    client = client_of(Script(time, [FINE]))
    for _ in range(179):
        client.read(LOOK)
    client._send = Script(time, [Answer(503), Answer(503), Answer(503), FINE])

    assert client.read(LOOK) == FINE
    assert time.now > 1060


def test_what_copper_asks_for_is_waited_for(time, client_of):
    """Retry-After is honoured when it fits into the patience."""
    client_of(Script(time, [Answer(429, b"", {"Retry-After": "20"}), FINE])).read(LOOK)

    assert time.now - 1000 == pytest.approx(20.0, abs=0.1)


def test_a_long_wait_is_left_to_the_caller(time, client_of):
    """When Copper asks for more than the patience the error says how long."""
    client = client_of(Script(time, [Answer(429, b"", {"Retry-After": "600"})]))

    with pytest.raises(TooManyRequests) as raised:
        client.read(LOOK)
    assert (raised.value.retry_after, client.requests.total) == (600.0, 1)


@pytest.mark.parametrize(
    "answer",
    [FINE, Answer(429), Answer(500), Answer(302), Answer(200, b"<html>"), GONE],
    ids=lambda answer: str(answer.status),
)
def test_a_write_is_sent_once(time, client_of, answer):
    """Whatever the status, the answer is given back and nothing is sent again."""
    send = Script(time, [answer])
    client = client_of(send, may_write=True)

    assert client.write(WRITE) == answer
    assert Requests(total=1, writes=1) == client.requests


@pytest.mark.parametrize("error", [ConnectionRefusedError, ConnectionResetError, TimeoutError])
def test_a_failed_write_is_the_callers(time, client_of, error):
    """The three exceptions of the seam come through untouched, after one attempt."""
    failure = error("as sent")
    client = client_of(Script(time, [failure]), may_write=True)

    with pytest.raises(error) as raised:
        client.write(WRITE, is_bulk=True)
    assert raised.value is failure
    assert Requests(total=1, writes=1, bulk=1) == client.requests


def test_a_reserved_write_does_not_wait_again(time, client_of):
    """A permit that was reserved before the intent is the one that is used."""
    client = client_of(Script(time, [FINE]), may_write=True)
    permit = client.reserve(is_bulk=True)

    client.write(WRITE, permit=permit)

    assert (Requests(total=1, writes=1, bulk=1), []) == (client.requests, time.slept)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_a_client_made_to_look_does_not_write(time, client_of, method):
    """No request leaves, whichever way it is asked."""
    send = Script(time, [FINE])
    client = client_of(send)
    request = json_request(method, "/people/1", {})

    for act in (lambda: client.write(request), lambda: client.read(request), lambda: client.reserve(False)):
        with pytest.raises(ReadOnlyClient):
            act()
    assert send.asked == []


@pytest.mark.parametrize("path", ["/people", "/people/bulk_create", "/leads/1/convert", "/people/search/1", "/webhooks"])
def test_a_post_that_writes_is_no_read(time, client_of, path):
    """Only searches may be posted as reads, also by a client that may write: reads are sent more than once."""
    send = Script(time, [FINE])

    with pytest.raises(ReadOnlyClient):
        client_of(send, may_write=True).read(json_request("POST", path, {}))
    assert send.asked == []


def test_the_servers_clock_is_kept(time, client_of):
    """The Date header tells how far Copper's clock is from ours."""
    client = client_of(Script(time, [Answer(200, b"{}", {"date": "Thu, 01 Jan 1970 01:00:00 GMT"}), FINE]))
    before = client.server_clock
    client.read(LOOK)
    time.now += 5

    assert (before, client.server_clock) == (None, 3605.0)


@pytest.mark.parametrize(
    ("seconds", "ahead", "expected"),
    [
        ((0.2, 4000), 10_000, 10_000),
        ((4000, 0.2), 10_000, 10_000),
        ((4000, 0.2), -10_000, -10_000),
        ((4000,), 10_000, 6_000),
        ((4000,), 0, 0),
        ((4000,), -10_000, -10_000),
    ],
)
def test_an_answer_that_took_long_says_little_of_the_servers_clock(time, client_of, seconds, ahead, expected):
    """A computer that slept while an answer was on its way would think that Copper's clock stood still meanwhile."""
    time.now = started = 100_000.0
    left = list(seconds)

    def send(request):
        """Answer with the time at which Copper had the request."""
        told = formatdate(time.now + ahead, usegmt=True)
        time.now += left.pop(0)
        return Answer(200, b"{}", {"date": told})

    client = client_of(send)
    for _ in seconds:
        client.read(LOOK)

    assert round(client.server_clock - time.now, -2) == expected
    assert time.now == started + sum(seconds)


def test_a_clock_that_was_set_is_learned_anew(time, client_of):
    """Answers that contradict what is known are the later ones: our clock was set back by an hour."""
    now = 100_000.0
    client = client_of(lambda request: Answer(200, b"{}", {"date": formatdate(now, usegmt=True)}))
    time.now = now
    client.read(LOOK)
    time.now -= 3600
    client.read(LOOK)

    assert client.server_clock == now
