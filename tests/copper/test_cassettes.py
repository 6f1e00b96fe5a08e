"""
The client with its real transport, against conversations on record.

The cassettes were recorded over a loopback socket against `crmsync.sandbox`, not against Copper. With CRMSYNC_RECORD=1
in the environment they are recorded anew; otherwise nothing leaves this process.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import vcr

from crmsync.copper import read
from crmsync.copper.client import Client, Requests
from crmsync.copper.errors import AuthenticationFailed, TooManyRequests
from crmsync.copper.pace import Pacer
from crmsync.copper.transport import Credentials, Secret, Transport
from crmsync.model.http import Request, json_request, parse_json
from crmsync.sandbox import Fault, Sandbox
from crmsync.sandbox.server import build_server
from tests.copper.conftest import Time

CASSETTES = Path(__file__).parent / "cassettes"
IS_RECORDING = os.environ.get("CRMSYNC_RECORD") == "1"
OFFLINE = "http://127.0.0.1:1/developer_api/v1"
KEY, EMAIL = "sandbox-cassette", "dana@ourfirm.com"
SCRUBBED_EMAIL = "owner@sample.com"  # as long, so that lengths stay true
NOTE = "# Recorded against crmsync.sandbox over a loopback socket, not against Copper. Key and e-mail are scrubbed.\n"


@contextmanager
def served(sandbox: Sandbox) -> Iterator[str]:
    """Give the base URL under which *sandbox* answers."""
    ready, urls = threading.Event(), []
    server, listening = build_server(sandbox, on_ready=lambda url: (urls.append(url), ready.set()))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    assert ready.wait(5)
    yield urls[0]
    server.should_exit = True
    thread.join(5)
    listening.close()


def scrub_request(request: Any) -> Any:
    """Take the port, which differs each time, from a recorded request."""
    request.uri = OFFLINE + request.uri.partition("/developer_api/v1")[2]
    return request


def scrub_response(response: dict[str, Any]) -> dict[str, Any]:
    """Take the e-mail of the key's owner from a recorded answer."""
    body = response["body"]["string"]
    response["body"]["string"] = body.replace(EMAIL.encode(), SCRUBBED_EMAIL.encode())
    return response


@contextmanager
def conversation(name: str, faults: list[Fault], email: str) -> Iterator[Client]:
    """Give a client whose requests are answered from the cassette *name*, or by a sandbox while recording."""
    path = CASSETTES / f"sandbox-{name}.yaml"
    if IS_RECORDING:
        path.unlink(missing_ok=True)
    recorder = vcr.VCR(
        record_mode="once" if IS_RECORDING else "none",
        match_on=["method", "path", "query", "body"],
        filter_headers=[("X-PW-AccessToken", "***"), ("X-PW-UserEmail", "***"), ("User-Agent", "crmsync")],
        before_record_request=scrub_request,
        before_record_response=scrub_response,
    )
    sandbox = Sandbox(clock=lambda: 1_800_000_000.0, faults=faults)
    with served(sandbox) if IS_RECORDING else nothing() as url, recorder.use_cassette(str(path)) as cassette:
        time = Time()
        transport = Transport(url, Credentials(Secret(KEY), email))
        yield Client(transport, Pacer(clock=time.clock, sleep=time.sleep), time.clock, time.sleep, may_write=True)
        transport.close()
    if IS_RECORDING:
        path.write_text(NOTE + path.read_text())
    else:
        assert cassette.all_played


@contextmanager
def nothing() -> Iterator[str]:
    """Give an address where nobody listens."""
    yield OFFLINE


@pytest.fixture
def talk(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A function that opens the cassette of this test."""
    name = request.node.name.removeprefix("test_").replace("_", "-")
    return lambda faults=(), email=EMAIL: conversation(name, list(faults), email)


def test_first_look(talk):
    """The reads before a plan: account, user, labels, records, a missing one."""
    with talk() as client:
        account = read.account(client)
        assert account["primary_timezone"]
        assert read.me(client)["email"] == (EMAIL if IS_RECORDING else SCRUBBED_EMAIL)
        assert {pipeline["name"] for pipeline in read.pipelines(client)}
        assert read.definitions(client)
        assert SCRUBBED_EMAIL in {user["email"].replace(EMAIL, SCRUBBED_EMAIL) for user in read.users(client)}
        assert read.count(client, "/companies") == len(read.search_all(client, "/companies"))
        assert read.get(client, "/companies", 99_999_999) is None

    assert client.requests == Requests(total=8, reads=8)
    assert client.server_clock == 1_800_000_000.0


def test_one_record_from_birth_to_death(talk):
    """Create, read, update, refuse and delete, each sent once."""
    with talk() as client:
        created = client.write(json_request("POST", "/companies", {"name": "Acme", "email_domain": "acme.test"}))
        id = parse_json(created.body)["id"]
        assert read.by_ids(client, "/companies", [id])[id]["name"] == "Acme"
        updated = client.write(json_request("PUT", f"/companies/{id}", {"details": "Zoë's"}))
        assert parse_json(updated.body)["details"] == "Zoë's"
        refused = client.write(json_request("POST", "/companies", {"name": "Twin", "email_domain": "acme.test"}))
        bulk = client.write(json_request("POST", "/companies/bulk_create", {"companies": [{"name": "A"}, {}]}), is_bulk=True)
        deleted = client.write(Request("DELETE", f"/companies/{id}"))
        assert read.get(client, "/companies", id) is None

    assert [each.status for each in (created, updated, refused, bulk, deleted)] == [200, 200, 422, 200, 200]
    assert [each.get("success", True) for each in parse_json(bulk.body)] == [True, False]
    assert client.requests == Requests(total=7, reads=2, writes=5, bulk=1)


def test_passing_trouble(talk):
    """A read survives what passes: errors of the server, an odd page, half an answer."""
    faults = [
        Fault("status_before", path="/account", nth=1, status=502),
        Fault("html", path="/account", nth=2),
        Fault("truncated", path="/account", nth=3),
    ]
    with talk(faults) as client:
        assert read.account(client)["id"]

    assert client.requests == Requests(total=4, reads=4)


def test_too_many_requests(talk):
    """A read that is refused four times says so, and for how long."""
    with talk([Fault("status_before", status=429, retry_after=3)]) as client, pytest.raises(TooManyRequests) as raised:
        read.me(client)

    assert (raised.value.retry_after, client.requests.total) == (3.0, 4)


def test_wrong_owner(talk):
    """An e-mail that is not the key owner's is an error at once, and neither is in it."""
    with talk(email="eve@ourfirm.com") as client, pytest.raises(AuthenticationFailed) as raised:
        read.account(client)

    assert client.requests.total == 1
    assert not [each for each in (KEY, "eve@ourfirm.com") if each in str(raised.value)]


@pytest.mark.parametrize("path", sorted(CASSETTES.glob("*.yaml")), ids=lambda path: path.stem)
def test_cassettes_are_clean(path):
    """Each says where it comes from, and holds neither key nor e-mail."""
    text = path.read_text()

    assert path.name.startswith("sandbox-")
    assert text.startswith(NOTE)
    assert not [each for each in (KEY, EMAIL, "eve@ourfirm.com") if each in text]
