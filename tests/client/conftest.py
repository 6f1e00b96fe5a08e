"""A shop: a sandbox and the client that works in it, with a clock that only waiting moves and no sockets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from crmsync import Copper
from crmsync.copper.pace import Pacer
from crmsync.model.http import json_request
from crmsync.sandbox import AccountFile, Fault, Quirks, Sandbox

HEADERS = {
    "X-PW-AccessToken": "sandbox-1",
    "X-PW-Application": "developer_api",
    "X-PW-UserEmail": "dana@ourfirm.com",
    "Content-Type": "application/json",
}


@dataclass
class Answer:
    """What comes back, for tests without the sandbox."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Clock:
    """A clock that only sleeping moves; 2026-01-15 20:00 UTC to begin with."""

    now: float = 1_768_507_200.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Shop:
    """A sandbox, and `copper` that works in it."""

    quirks: Quirks | None = None
    account: AccountFile | None = None
    clock: Clock = field(default_factory=Clock)
    crowd: dict[str, int] | None = None

    def __post_init__(self) -> None:
        settings = {} if self.account is None else {"account": self.account}
        self.sandbox = Sandbox(clock=self.clock, quirks=self.quirks, populate=self.crowd, **settings)
        self.copper = self.open()

    def open(self, **options: Any) -> Copper:
        """Return one more client of the account, which knows nothing yet."""
        pacer = Pacer(100_000, 10_000, clock=self.clock, sleep=self.clock.sleep)
        return Copper(self.send, pacer=pacer, clock=self.clock, sleep=self.clock.sleep, **options)

    def send(self, request: Any) -> Any:
        """Carry a request to the sandbox."""
        return self.sandbox.handle(replace(request, headers=HEADERS))

    def fault(self, *faults: Fault) -> None:
        """Let these faults happen from now on."""
        self.sandbox.faults = list(faults)

    def sent(self, ending: str = "") -> list[Any]:
        """Return the bodies of the requests whose path ends so."""
        return [each.body for each in self.sandbox.log if each.path.endswith(ending)]

    def forget(self) -> None:
        """Begin a new log."""
        self.sandbox.log.clear()

    def people(self, count: int, **values: Any) -> list[int]:
        """Make so many people, a second apart."""
        ids = []
        for number in range(count):
            self.clock.sleep(1)
            ids.append(self.sandbox.create("people", {"name": f"Person {number:04}", **values}))
        return ids


def note(sandbox: Sandbox, person: int, details: str) -> None:
    """Make a note about a person, as another program would."""
    body = {"parent": {"type": "person", "id": person}, "type": {"category": "user", "id": 0}, "details": details}
    request = json_request("POST", "/activities", body)
    assert sandbox.handle(replace(request, headers=HEADERS)).status == 200


@pytest.fixture
def shop() -> Shop:
    """A shop with Acme, two of its people and a deal in it."""
    shop = Shop()
    acme = {"name": "Acme", "email_domain": "acme.com", "assignee": "Dana", "custom_fields.Tier": "Gold"}
    shop.sandbox.create("companies", {**acme, "custom_fields.Regions": ["EMEA", "APAC"], "address": {"city": "Reno"}})
    shop.sandbox.create("companies", {"name": "Bolt", "email_domain": "bolt.io", "assignee": "Lee"})
    shop.clock.sleep(86_400)
    ann = {"name": "Ann Lee", "emails": ["ann@acme.com"], "company": "acme.com", "tags": ["vip", "press"], "title": "CEO"}
    shop.sandbox.create("people", {**ann, "custom_fields.Renewal date": "2026-12-31", "custom_fields.Code": "A-1"})
    shop.sandbox.create("people", {"name": "Bob", "emails": ["bob@acme.com"], "company": "acme.com", "tags": ["vip"]})
    shop.sandbox.create("people", {"name": "Cy", "emails": ["cy@bolt.io"], "company": "bolt.io"})
    deal = {"name": "Acme renewal", "company": "acme.com", "primary_contact": "ann@acme.com", "pipeline": "Sales"}
    shop.sandbox.create("opportunities", {**deal, "stage": "Proposal", "monetary_value": 5000, "close_date": "2026-12-31"})
    shop.forget()
    return shop


def names(records: Any) -> list[str]:
    """Return the names of records, in their order."""
    return [record["name"] for record in records]
