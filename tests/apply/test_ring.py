"""A ring of domains: each record is told once, also when the ring does not close."""

from __future__ import annotations

from typing import Any

from crmsync.sandbox import Fault, Sandbox
from tests.desk import Desk

BEFORE = "companies:\n  a: {name: A, email_domain: a.com}\n  b: {name: B, email_domain: b.com}\n"
AFTER = "companies:\n  a: {name: A, email_domain: b.com}\n  b: {name: B, email_domain: a.com}\n"


def _told(out: str) -> list[str]:
    return [line.partition(" #")[0] for line in out.splitlines() if line.startswith(("applied ", "failed ", "skipped "))]


def test_a_ring_tells_each_record_once(desk: Desk) -> None:
    """The one that gives its domain up first is told when it has its own."""
    desk.write("crm/a.yaml", BEFORE)
    desk.done("apply", "-y")
    desk.write("crm/a.yaml", AFTER)

    assert sorted(_told(desk.done("apply", "-y"))) == [
        'applied   companies.a "A"  updated',
        'applied   companies.b "B"  updated',
    ]
    assert "No changes." in desk.done("plan")


def test_what_was_given_up_for_nothing_is_told(desk: Desk) -> None:
    """When the record that was to take the domain is refused, it is said that the other has none any more."""
    desk.write("crm/a.yaml", BEFORE)
    desk.done("apply", "-y")
    desk.write("crm/a.yaml", AFTER)

    def hook(sandbox: Sandbox, request: Any) -> Any:
        reply = sandbox.handle(request)
        if request.method == "PUT" or request.path.endswith("bulk_update"):
            paths = {"POST": "companies/bulk_update$", "PUT": "companies/[0-9]+$"}
            sandbox.faults = [Fault("status_before", method=each, path=path, status=422) for each, path in paths.items()]
        return reply

    desk.stage.hook = hook

    ran = desk.run("apply", "-y")

    told = _told(ran.out)
    assert ran.code == 6, ran
    expected = [
        'failed    companies.a "A"  update',
        'applied   companies.b "B"  updated',
        'skipped   companies.b "B"  update',
    ]
    assert expected == told
