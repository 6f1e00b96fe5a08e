"""Trouble on order, the request log, and threads."""

from __future__ import annotations

import json
import threading

import pytest

from crmsync.sandbox import Fault, Logged

from .conftest import email

NEW = ("POST", "/companies", {"name": "Acme"})


@pytest.mark.parametrize(
    ("fault", "outcome", "executed"),
    [
        (Fault("status_before"), 503, False),
        (Fault("status_before", status=429, retry_after=7), 429, False),
        (Fault("status_after"), 500, True),
        (Fault("status_after", status=502), 502, True),
        (Fault("refused"), ConnectionRefusedError, False),
        (Fault("reset_before"), ConnectionResetError, False),
        (Fault("reset_after"), ConnectionResetError, True),
        (Fault("timeout_before"), TimeoutError, False),
        (Fault("timeout_after"), TimeoutError, True),
        (Fault("late", delay=60), TimeoutError, False),
        (Fault("truncated"), 200, True),
        (Fault("html"), 200, False),
        (Fault("html", executed=True), 200, True),
        (Fault("redirect"), 302, False),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
def test_what_a_fault_does(api, fault, outcome, executed):
    """Each kind gives its status or raises, and executes the request or not."""
    api.sandbox.faults = [fault]
    if isinstance(outcome, int):
        assert api.status(*NEW) == outcome
    else:
        with pytest.raises(outcome):
            api.send(*NEW)

    assert len(api.sandbox.records("companies")) == executed
    status = outcome if isinstance(outcome, int) else None
    assert api.sandbox.log == [Logged(1_700_000_000.0, *NEW, status, executed)]


@pytest.mark.parametrize("fault", [Fault("truncated"), Fault("html", executed=True)])
def test_a_reply_that_is_not_json(api, fault):
    """A cut or foreign reply has status 200 and cannot be read."""
    api.sandbox.faults = [fault]

    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads(api.send(*NEW).body)


def test_headers_of_faults(api):
    """Retry-After and Location are there where they belong."""
    api.sandbox.faults = [Fault("status_before", nth=1, status=429, retry_after=7), Fault("redirect", nth=2)]

    assert api.send(*NEW).headers["Retry-After"] == "7"
    assert api.send(*NEW).headers["Location"].startswith("https://elsewhere.invalid/")


def test_a_late_request_is_executed_in_its_time(api):
    """A request that timed out may still be executed, at its own time; the log then says so."""
    api.sandbox.faults = [Fault("late", nth=1, delay=30)]
    with pytest.raises(TimeoutError):
        api.send(*NEW)
    api.clock.now += 29
    assert api.found("companies") == []
    api.clock.now += 11

    assert [record["date_created"] for record in api.sandbox.records("companies")] == [1_700_000_030]
    assert [entry.executed for entry in api.sandbox.log] == [True, False]


@pytest.mark.parametrize(
    ("fault", "struck"),
    [
        (Fault("status_before", nth=2), [False, True, False, False]),
        (Fault("status_before", nth=(1, 4)), [True, False, False, True]),
        (Fault("status_before", method="GET", nth=1), [False, False, True, False]),
        (Fault("status_before", path="^/people$"), [False, True, False, False]),
        (Fault("status_before", path="compan", nth={2}), [False, False, True, False]),
        (Fault("status_before", probability=0), [False, False, False, False]),
        (Fault("status_before", probability=1), [True, True, True, True]),
    ],
)
def test_whom_a_fault_strikes(api, fault, struck):
    """Faults strike by method, path, count and chance."""
    requests = [
        ("POST", "/companies", {"name": "x"}),
        ("POST", "/people", {"name": "x"}),
        ("GET", "/companies/40000001", None),
        ("GET", "/account", None),
    ]
    api.sandbox.faults = [fault]

    assert [api.status(*request) == 503 for request in requests] == struck


def test_a_fault_that_is_none():
    """An unknown kind is refused, naming those known."""
    with pytest.raises(ValueError, match="There is no fault called 'flood'"):
        Fault("flood")


def test_the_log_tells_writes_from_the_rest(api):
    """Every request is logged; only confirmed writes count as executed."""
    id = api.new("companies")
    api.send("PUT", f"/companies/{id}", {"name": ""})
    api.send("POST", "/companies/search")
    api.send("DELETE", f"/companies/{id}")

    assert [(e.method, e.status, e.executed) for e in api.sandbox.log] == [
        ("POST", 200, True),
        ("PUT", 422, False),
        ("POST", 200, False),
        ("DELETE", 200, True),
    ]


def test_threads_do_not_tread_on_each_other(api):
    """Of many requests for one e-mail at the same time exactly one is carried out."""
    statuses = []

    def create(n):
        statuses.append(api.status("POST", "/people", {"name": f"{n}", "emails": [email("a@b.com")]}))

    threads = [threading.Thread(target=create, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [200] + [422] * 19
    assert len(api.sandbox.log) == 20


def test_the_same_seed_gives_the_same_bytes(make):
    """Everything random comes from the seed."""
    first, second = make(), make()

    assert [first.send(*NEW) for _ in range(3)] == [second.send(*NEW) for _ in range(3)]
