"""The sandbox over a real socket."""

from __future__ import annotations

import logging
import socket
import threading
import time
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import pytest
import requests

from crmsync.sandbox import Fault, Sandbox, make_key
from crmsync.sandbox.server import build_server

HEADERS = {
    "X-PW-AccessToken": make_key(),
    "X-PW-Application": "developer_api",
    "X-PW-UserEmail": "dana@ourfirm.com",
}


@pytest.fixture(scope="module")
def served():
    """A sandbox, and the base URL it is served under."""
    sandbox, ready, urls = Sandbox(), threading.Event(), []

    def on_ready(url):
        urls.append(url)
        ready.set()

    server, listening = build_server(sandbox, on_ready=on_ready)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    assert ready.wait(5)
    yield sandbox, urls[0]
    server.should_exit = True
    thread.join(5)
    listening.close()


@pytest.fixture
def call(served):
    """Send a request to the API with a fresh connection."""

    def call(method, path, body=None, headers=HEADERS):
        return requests.request(method, served[1] + path, json=body, headers=headers, timeout=5)

    served[0].faults = []
    return call


@pytest.fixture
def outside(served):
    """Send a request to the admin surface."""

    def outside(method, path, body=None):
        url = served[1].replace("/developer_api/v1", "/sandbox") + path
        return requests.request(method, url, json=body, timeout=5)

    return outside


def test_the_api_is_served(call):
    """Requests below the base path reach `handle`, query strings and bodies of DELETE included."""
    made = call("POST", "/companies", {"name": "Acme", "email_domain": "acme.com"})
    assert (made.status_code, made.json()["name"]) == (200, "Acme")
    id = made.json()["id"]
    person = call("POST", "/people", {"name": "Ann", "company_id": id}).json()["id"]
    tie = {"resource": {"id": id, "type": "company"}}

    assert call("DELETE", f"/people/{person}/related", tie).json() == {"removed": True, **tie}
    assert call("POST", "/companies/search?page_size=1").headers["x-pw-total"] == "1"
    assert call("PATCH", "/companies/1").json() == {"error": "not_found"}
    assert abs(parsedate_to_datetime(made.headers["Date"]).timestamp() - time.time()) < 60


def test_a_file_is_uploaded_beside_the_api(served, call):
    """The signed address is the sandbox's own, and needs no key of the API (section 11)."""
    path = f"/people/{call('POST', '/people', {'name': 'Ann'}).json()['id']}/files"
    place = call("GET", f"{path}/s3_signed_url").json()
    sent = requests.put(place["url"], data=b"hello", headers={"Content-Type": "text/plain"}, timeout=5)
    file = call("POST", path, {"file_name": "a.txt", "key": place["key"]}).json()

    assert place["url"].startswith(served[1].replace("/developer_api/v1", "/uploads/"))
    assert (sent.status_code, file["file_size"], file["content_type"]) == (200, 5, "text/plain")
    assert requests.put(place["url"] + "x", data=b"", timeout=5).status_code == 403


def test_real_keys_are_not_wanted(call):
    """A key that looks real is refused, saying how to make one up."""
    reply = call("GET", "/account", headers=HEADERS | {"X-PW-AccessToken": "a" * 32})

    assert reply.status_code == 401
    assert "Any made-up key will do" in reply.json()["message"]


@pytest.mark.parametrize("kind", ["reset_after", "reset_before", "refused"])
def test_a_reset_is_a_reset(served, call, kind):
    """The connection ends without a reply."""
    served[0].faults = [Fault(kind, nth=1)]

    with pytest.raises(requests.ConnectionError):
        call("GET", "/account")
    assert call("GET", "/account").status_code == 200


@pytest.mark.parametrize("path", ["/developer_api/v1/companies", "/sandbox/create", "/uploads/a/b"])
def test_a_client_that_leaves_in_the_middle_is_no_error(served, call, path, caplog, monkeypatch):
    """A command that is killed while it sends leaves no trace: nothing is executed, and nothing is printed."""
    monkeypatch.setattr(logging.getLogger("uvicorn.error"), "handlers", [caplog.handler])
    host, port = urlsplit(served[1]).netloc.split(":")
    method = "PUT" if "uploads" in path else "POST"
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 10\r\n\r\n{{".encode())
        time.sleep(0.1)
    assert call("GET", "/account").status_code == 200
    time.sleep(0.1)

    assert caplog.messages == []


def test_a_timeout_is_silence(served, call):
    """The connection is held without an answer, then dropped."""
    served[0].faults = [Fault("timeout_before", nth=1, seconds=0.3)]
    begun = time.monotonic()

    with pytest.raises(requests.ConnectionError):
        call("GET", "/account")
    assert time.monotonic() - begun >= 0.3


def test_other_people_over_http(call, outside):
    """The admin surface edits, hides and shows, and reports problems."""
    id = outside("POST", "/create", {"type": "people", "values": {"name": "Bob"}}).json()["id"]
    edit = {"type": "person", "id": id, "values": {"assignee": "Lee"}}

    assert outside("POST", "/edit", edit).json()["assignee_id"] == 50_002
    assert id in [record["id"] for record in outside("GET", "/records/people").json()]
    outside("POST", "/hide", {"type": "people", "id": id})
    assert call("GET", f"/people/{id}").status_code == 404
    copy = outside("POST", "/clone", {"type": "people", "id": id}).json()["id"]
    assert outside("POST", "/merge", {"type": "people", "winner": copy, "loser": id}).json() == {"id": copy}
    assert outside("POST", "/delete", {"type": "people", "id": copy}).json()["is_deleted"] is True
    assert outside("POST", "/edit", edit | {"id": 5}).json() == {"error": "There is no person with the id 5."}
    assert outside("POST", "/edit", {"id": 5}).json() == {"error": "The key type is missing."}
    assert outside("POST", "/explode", {}).status_code == 404
    assert outside("GET", "/log").json()[-1]["path"] == f"/people/{id}"


@pytest.mark.parametrize("wrap", [lambda faults: faults, lambda faults: {"faults": faults}])
def test_faults_over_http(call, outside, wrap):
    """Faults are set and taken back by the admin surface."""
    assert outside("POST", "/faults", wrap([{"kind": "status_before", "status": 502}])).json() == {"faults": 1}
    assert call("GET", "/account").status_code == 502
    assert outside("POST", "/faults", wrap([])).json() == {"faults": 0}
    assert call("GET", "/account").status_code == 200
    assert outside("POST", "/faults", [{"kind": "flood"}]).status_code == 422
    assert outside("POST", "/faults", [{"sort": "flood"}]).status_code == 422


def test_only_this_computer(served):
    """Other hosts are refused, and so are requests under a foreign name."""
    with pytest.raises(ValueError, match="listens on this computer only"):
        build_server(Sandbox(), "0.0.0.0")
    assert requests.get(served[1] + "/account", headers={"Host": "evil.example"}, timeout=5).status_code == 400


def test_a_port_in_use_is_an_error():
    """A taken port is reported by the operating system's error."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        build_server(Sandbox(), port=taken.getsockname()[1])
