"""A client that speaks to a sandbox without sockets, with a clock the test moves."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from crmsync.sandbox import Quirks, Reply, Sandbox

HEADERS = {
    "X-PW-AccessToken": "sandbox-1",
    "X-PW-Application": "developer_api",
    "X-PW-UserEmail": "dana@ourfirm.com",
    "Content-Type": "application/json",
}


@dataclass(frozen=True)
class Request:
    """What `handle` takes."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Clock:
    """A clock that stands still until it is moved; 2023-11-14 22:13:20 UTC to begin with."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Client:
    """Sends requests to a sandbox and reads JSON."""

    sandbox: Sandbox
    clock: Clock = field(default_factory=Clock)

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = HEADERS) -> Reply:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return self.sandbox.handle(Request(method, path, headers, raw))

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        return json.loads(self.send(method, path, body).body)

    def status(self, method: str, path: str, body: Any = None) -> int:
        return self.send(method, path, body).status

    def problem(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Return status and message without the lead-in of a 422."""
        reply = self.send(method, path, body)
        message = json.loads(reply.body).get("message", "")
        return reply.status, message.removeprefix("Invalid input: Validation errors: ")

    def new(self, plural: str, **values: Any) -> int:
        """Create a record through the API and return its id."""
        reply = self.send("POST", f"/{plural}", {"name": "x", **values})
        assert reply.status == 200, reply.body
        return int(json.loads(reply.body)["id"])

    def found(self, plural: str, **criteria: Any) -> list[int]:
        """Return the ids a search finds, in its order."""
        reply = self.send("POST", f"/{plural}/search", criteria)
        assert reply.status == 200, reply.body
        return [record["id"] for record in json.loads(reply.body)]

    def definition(self, name: str) -> dict[str, Any]:
        return next(d for d in self("GET", "/custom_field_definitions") if d["name"] == name)

    def option(self, name: str, label: str) -> int:
        return next(o["id"] for o in self.definition(name)["options"] if o["name"] == label)

    def custom(self, name: str, value: Any) -> dict[str, Any]:
        return {"custom_field_definition_id": self.definition(name)["id"], "value": value}

    def value(self, plural: str, id: int, name: str) -> Any:
        """Return the value of a custom field as GET shows it."""
        wanted = self.definition(name)["id"]
        shown = self("GET", f"/{plural}/{id}")["custom_fields"]
        return next(item["value"] for item in shown if item["custom_field_definition_id"] == wanted)


@pytest.fixture
def make() -> Callable[..., Client]:
    """Return a function from quirks such as `tags="keep"` to a client of a fresh sandbox."""

    def make(**quirks: Any) -> Client:
        clock = Clock()
        return Client(Sandbox(clock=clock, quirks=Quirks(**quirks)), clock)

    return make


@pytest.fixture
def api(make: Callable[..., Client]) -> Client:
    """A client of a sandbox with every quirk at its default."""
    return make()


def email(address: str, category: str = "work") -> dict[str, str]:
    """Return an e-mail as the wire has it."""
    return {"email": address, "category": category}
