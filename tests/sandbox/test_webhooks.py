"""Webhooks: subscriptions, and what is told to whom (copper-api.md section 10)."""

from __future__ import annotations

import http.server
import json
import threading

import pytest

from crmsync.sandbox import Sandbox

from .conftest import Client, Clock

TARGET = "https://hooks.example/copper"


@pytest.fixture
def told():
    """A client, and the bodies of the notices that were delivered."""
    bodies = []
    clock = Clock()
    sandbox = Sandbox(clock=clock, deliver=lambda notice: bodies.append(dict(notice.body)))
    return Client(sandbox, clock), bodies


def _subscribe(api, kind, event, **more):
    return api("POST", "/webhooks", {"target": TARGET, "type": kind, "event": event, **more})["id"]


def test_a_subscription_is_made_changed_and_ended(api):
    """The shape of section 10; DELETE answers the id alone."""
    made = api("POST", "/webhooks", {"target": TARGET, "type": "person", "event": "new", "secret": {"k": "v"}})
    path = f"/webhooks/{made['id']}"

    assert set(made) == {"id", "target", "type", "event", "secret", "headers", "custom_field_computed_values", "created_at"}
    assert api("PUT", path, {"event": "delete"}) == made | {"event": "delete"} == api("GET", path)
    assert api("GET", "/webhooks") == [made | {"event": "delete"}]
    assert api("DELETE", path) == {"id": made["id"]}
    assert (api.status("GET", path), api("GET", "/webhooks")) == (404, [])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"url": TARGET, "target": TARGET, "event": "new"},
            "Base: Unrecognized attributes specified: url\nType: can't be blank",
        ),
        (
            {"target": "http://hooks.example", "type": "person", "event": "new"},
            "Invalid input: Invalid URI For External Request",
        ),
        ({"target": "nonsense", "type": "person", "event": "new"}, "Invalid input: Invalid URI For External Request"),
        ({"target": TARGET, "type": "user", "event": "new"}, None),
        ({"target": TARGET, "type": "person", "event": "merge"}, None),
        ({"target": TARGET, "type": "person", "event": "new", "secret": 5}, None),
    ],
)
def test_subscriptions_refused(api, body, message):
    """The recorded texts, and the lists of types and events."""
    status, text = api.problem("POST", "/webhooks", body)

    assert status == 422
    assert message in (None, text)


def test_an_account_has_a_hundred_subscriptions(api):
    """The hundred and first is refused."""
    statuses = [api.status("POST", "/webhooks", {"target": TARGET, "type": "task", "event": "new"}) for _ in range(101)]

    assert statuses == [200] * 100 + [422]


def test_creations_updates_and_deletions_are_told(told):
    """A notice names ids, what changed, and echoes the secret."""
    api, bodies = told
    for event in ("new", "update", "delete"):
        _subscribe(api, "company", event, secret={"token": "s"})
    id = api.new("companies", name="Acme")
    api("PUT", f"/companies/{id}", {"name": "Globex", "custom_fields": [api.custom("Score", 2)]})
    api("PUT", f"/companies/{id}", {"name": "Globex"})
    api("DELETE", f"/companies/{id}")

    assert bodies[0] == {
        "token": "s",
        "ids": [id],
        "type": "company",
        "event": "new",
        "subscription_id": 800_001,
        "timestamp": "2023-11-14T22:13:20.000Z",
    }
    changes = {key: value for key, value in bodies[1]["updated_attributes"].items() if key != "custom_fields"}
    assert changes == {"name": ["Acme", "Globex"]}
    assert [float(v or 0) for v in bodies[1]["updated_attributes"]["custom_fields"]["100005"]] == [0.0, 2.0]
    assert [body["event"] for body in bodies] == ["new", "update", "delete"]


def test_a_bulk_call_is_told_at_once(told):
    """Creations of one request go together, up to thirty ids."""
    api, bodies = told
    _subscribe(api, "person", "new")
    api("POST", "/people/bulk_create", {"people": [{"name": "a"}, {"name": ""}, {"name": "b"}]})

    assert [body["ids"] for body in bodies] == [[70_000_001, 70_000_002]]


def test_relations_are_not_told(told):
    """Update events do not fire for relations or activities, activity_log does."""
    api, bodies = told
    company, person = api.new("companies"), api.new("people")
    _subscribe(api, "person", "update")
    _subscribe(api, "activity_log", "new")
    api("POST", f"/people/{person}/related", {"resource": {"id": company, "type": "company"}})
    parent = {"id": person, "type": "person"}
    api("POST", "/activities", {"parent": parent, "type": {"id": 190_001, "category": "user"}, "details": "x"})
    api("DELETE", f"/companies/{company}")

    assert [body["type"] for body in bodies] == ["activity_log"]


def test_other_people_and_converts_are_told(told):
    """Edits in the web app are events as well, a converted lead is a deleted one."""
    api, bodies = told
    for kind, event in (("person", "update"), ("lead", "delete"), ("company", "new")):
        _subscribe(api, kind, event)
    person = api.new("people")
    api.sandbox.edit("people", person, {"title": "CEO"})
    api("POST", f"/leads/{api.new('leads', company_name='Acme')}/convert", {})

    assert [(body["type"], body["event"]) for body in bodies] == [
        ("person", "update"),
        ("lead", "delete"),
        ("company", "new"),
    ]


def test_too_many_notices_are_dropped(told):
    """At most 600 in a minute and 1,800 in ten; what is beyond is lost."""
    api, bodies = told
    for _ in range(61):
        _subscribe(api, "task", "new")
    for _ in range(10):
        api.new("tasks")
    assert len(bodies) == 600
    for _ in range(3):
        api.clock.now += 61
        for _ in range(11):
            api.new("tasks")

    assert len(bodies) == 1800


def test_targets_here_are_reached():
    """A target on this computer is POSTed to, with the headers of the subscription."""
    got, seen = [], threading.Event()

    class Target(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["Content-Length"])
            got.append((self.path, self.headers["X-Who"], json.loads(self.rfile.read(length))["ids"]))
            self.send_response(200)
            self.end_headers()
            seen.set()

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Target)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    api = Client(Sandbox(clock=Clock()))
    url = f"http://127.0.0.1:{server.server_port}/hook?a=1"
    api("POST", "/webhooks", {"target": TARGET, "type": "person", "event": "new"})
    api("POST", "/webhooks", {"target": url, "type": "person", "event": "new", "headers": {"X-Who": "me"}})
    id = api.new("people")
    assert seen.wait(5)
    server.shutdown()
    server.server_close()

    assert got == [("/hook?a=1", "me", [id])]
    assert [notice.target for notice in api.sandbox.notices] == [TARGET, url]
