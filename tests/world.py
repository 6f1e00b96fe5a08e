"""
A world to test in: a sandbox, a clock, a state, and files given as text.

Nothing is mocked: the code under test is the project's own planning and engine; Copper is the sandbox, time is virtual,
the state is in memory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from crmsync.apply import engine
from crmsync.apply.work import Job
from crmsync.copper.client import Client
from crmsync.copper.pace import Pacer
from crmsync.model.address import Address
from crmsync.model.effects import Outcome
from crmsync.model.plan import Plan
from crmsync.plan.world import Wishes
from crmsync.project.applying import ApplyOptions, agreed
from crmsync.project.planned import Planned
from crmsync.project.planning import make_plan
from crmsync.project.reviewing import review_id
from crmsync.project.session import Project, open_project
from crmsync.render.document import plan_document
from crmsync.render.text import plan_text
from crmsync.sandbox import DEFAULT_ACCOUNT, Fault, Quirks, Sandbox
from crmsync.state import MemoryStore
from tests.simulator import Scheduler, VirtualClock

LINEAGE = "5f0c0000-0000-4000-8000-000000000001"
HEADERS = {
    "X-PW-AccessToken": "sandbox-key",
    "X-PW-Application": "developer_api",
    "X-PW-UserEmail": "dana@ourfirm.com",
    "Content-Type": "application/json",
}


@dataclass
class Applied:
    """What an apply in the world came to."""

    ledger: Mapping[str, int]
    outcomes: list[Outcome]
    plan: Plan

    def statuses(self) -> dict[str, str]:
        """Return the last status of each address that is not simply applied."""
        return {str(each.address): each.status for each in self.outcomes if each.status != "applied"}


class World:
    """One account, one project."""

    def __init__(self, root: Path, *, account: Any = DEFAULT_ACCOUNT, quirks: Quirks | None = None, seed: int = 0) -> None:
        self.clock = VirtualClock()
        self.sandbox = Sandbox(account=account, clock=self.clock, quirks=quirks, seed=seed)
        self.store = MemoryStore(LINEAGE)
        self.root = root
        self.seed = seed
        self.settings_text = ""
        self.last: Planned | None = None

    # --- the user's side

    def write(self, records: str | Mapping[str, str]) -> Project:
        """Write record files (one text, or texts by file name) and return the project."""
        files = {"crm/records.yaml": records} if isinstance(records, str) else records
        head = f"crmsync: 1\nproject: {LINEAGE}\nrecords: [crm/]\n"
        (self.root / "crmsync.yaml").write_text(head + self.settings_text, encoding="utf-8")
        folder = self.root / "crm"
        folder.mkdir(exist_ok=True)
        for old in folder.rglob("*.yaml"):
            old.unlink()
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return open_project(start=self.root, environ={})

    def client(self, *, may_write: bool = False) -> Client:
        """Return a client whose `send` is the sandbox."""
        pacer = Pacer(100_000, 10_000, clock=self.clock, sleep=self.clock.sleep)
        return Client(self.send, pacer, clock=self.clock, sleep=self.clock.sleep, may_write=may_write)

    def send(self, request: Any) -> Any:
        """Send a request to the sandbox as a logged-in user."""
        return self.sandbox.handle(replace(request, headers=HEADERS))

    def planned(self, records: str | Mapping[str, str], **wishes: Any) -> Planned:
        """Return the plan for *records* with all it was made of."""
        project = self.write(records)
        chosen = Wishes(limits=project.settings.limits, policies=project.settings.policies, **wishes)
        self.last = make_plan(project, self.client(), self.store.read(), chosen, clock=self.clock)
        return self.last

    def plan(self, records: str | Mapping[str, str], **wishes: Any) -> Plan:
        """Return the plan for *records*."""
        return self.planned(records, **wishes).plan

    def document(self, records: str | Mapping[str, str], **wishes: Any) -> dict[str, Any]:
        """Return the plan for *records* as its JSON document."""
        planned = self.planned(records, **wishes)
        return plan_document(planned.plan, planned.account.catalogue, planned.meta)

    def text(self, records: str | Mapping[str, str], **wishes: Any) -> str:
        """Return the plan for *records* as it is printed."""
        return plan_text(self.document(records, **wishes))

    def apply(
        self,
        records: str | Mapping[str, str],
        *,
        auto_approve: bool = False,
        reviewed: Mapping[str, Any] | None = None,
        scheduler: Mapping[str, Any] | None = None,
        settle: float = 120.0,
        **wishes: Any,
    ) -> Applied:
        """Apply *records*, settling first what is open, as the command does."""
        told: list[Outcome] = []
        self._settle(records, told, settle, scheduler or {})
        planned = self.planned(records, **wishes)
        options = ApplyOptions(reviewed=reviewed, is_auto_approved=auto_approve)
        plan, set_aside = agreed(planned, options)
        told += set_aside
        if not (plan.changes or plan.notes):
            return Applied({}, told, plan)
        job = self._job(planned, plan, settle)
        if reviewed is not None:
            job = replace(job, plan_digest=review_id(reviewed))
        running = self._scheduler(scheduler or {})
        ledger = running.run(engine.run(job))
        return Applied(ledger, told + running.outcomes, plan)

    def _settle(
        self, records: str | Mapping[str, str], told: list[Outcome], settle: float, scheduler: Mapping[str, Any]
    ) -> None:
        if not self.store.read().open_intents:
            return
        planned = self.planned(records)
        running = self._scheduler(scheduler)
        running.run(engine.settle_open(self._job(planned, Plan(), settle)))
        told += running.outcomes

    def _job(self, planned: Planned, plan: Plan, settle: float) -> Job:
        name = f"run{self.store.read().position:04}"
        return Job(
            plan=plan,
            catalogue=planned.account.catalogue,
            state=self.store.read(),
            run=name,
            planned_at=planned.planned_at,
            settle_seconds=settle,
            account_id=planned.account.id,
        )

    def _scheduler(self, settings: Mapping[str, Any]) -> Scheduler:
        position = self.store.read().position
        return Scheduler(self.send, self.store, self.clock, position, seed=self.seed, **settings)

    # --- Copper's side

    def id(self, address: str) -> int:
        """Return the id of a bound record."""
        parsed = Address.parse(address)
        assert parsed is not None
        return self.store.read().bindings[parsed].record_id

    def edit(self, address: str, **values: Any) -> None:
        """Change a record as a person in the web application would."""
        self.clock.sleep(60)
        self.sandbox.edit(address.partition(".")[0], self.id(address), values)

    def record(self, address: str) -> dict[str, Any]:
        """Return a bound record's body as the sandbox holds it."""
        body = self.sandbox.record(address.partition(".")[0], self.id(address))
        assert body is not None
        return dict(body)

    def names(self, type_name: str) -> list[str]:
        """Return the names of all records of a type, sorted."""
        return sorted(body["name"] for body in self.sandbox.records(type_name))

    def writes(self) -> list[Any]:
        """Return the requests that wrote something, oldest first."""
        return [each for each in self.sandbox.log if each.executed and _writes(each)]

    def bodies(self) -> Sequence[Any]:
        """Return the bodies of all executed writes, bulk ones taken apart."""
        found = []
        for each in self.writes():
            body = each.body if isinstance(each.body, dict) else {}
            lists = [value for value in body.values() if isinstance(value, list)]
            is_bulk = each.path.endswith(("bulk_create", "bulk_update"))
            found += lists[0] if is_bulk and lists else [body]
        return found

    def fault(self, *faults: Fault) -> None:
        """Let these faults happen from now on."""
        self.sandbox.faults = list(faults)


def _writes(logged: Any) -> bool:
    is_look = logged.method == "GET" or logged.path.partition("?")[0].rstrip("/").endswith(("/search", "/fetch_by_email"))
    return not is_look


def as_json(value: Any) -> str:
    """Return *value* as JSON for comparison."""
    return json.dumps(value, sort_keys=True, default=str)
