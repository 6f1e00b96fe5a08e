"""What happened, and the ledger."""

from __future__ import annotations

import pytest

from crmsync.model.effects import Outcome, Progress
from crmsync.model.events import WriteAction
from crmsync.render.outcomes import (
    ledger_document,
    ledger_text,
    outcome_document,
    outcome_text,
    progress_document,
    progress_text,
)

from .sample import ACME

LINES = [
    (Outcome(ACME, WriteAction.CREATE, "applied", record_id=123), "applied   companies.acme  created #123"),
    (
        Outcome(ACME, WriteAction.CREATE, "applied", name="Acme", record_id=123, fields=("name", "tags")),
        'applied   companies.acme "Acme"  created #123',
    ),
    (
        Outcome(ACME, WriteAction.UPDATE, "applied", record_id=123, fields=("name", "tags")),
        "applied   companies.acme  updated #123 (name, tags)",
    ),
    (
        Outcome(ACME, WriteAction.RELATE, "applied", record_id=123, fields=("company",)),
        "applied   companies.acme  linked #123 (company)",
    ),
    (Outcome(ACME, WriteAction.DELETE, "applied", record_id=123), "applied   companies.acme  deleted #123"),
    (Outcome(ACME, "adopt", "adopted", record_id=123), "adopted   companies.acme  adopted #123"),
    (Outcome(ACME, "forget", "forgotten"), "forgotten companies.acme  forgotten"),
    (
        Outcome(ACME, WriteAction.UPDATE, "conflict", "changed in Copper since the plan", record_id=1, fields=("name",)),
        "conflict  companies.acme  update #1 (name): changed in Copper since the plan",
    ),
    (
        Outcome(ACME, WriteAction.CREATE, "failed", "Copper refused:\nname is too long", fields=("name",)),
        "failed    companies.acme  create: Copper refused:↵name is too long",
    ),
    (Outcome(ACME, "check", "skipped", "people.wile failed"), "skipped   companies.acme  check: people.wile failed"),
]


@pytest.mark.parametrize(("outcome", "expected"), LINES)
def test_one_line_an_outcome(outcome: Outcome, expected: str) -> None:
    """Done is told in the past, not done as what was to be done and why not."""
    assert expected == outcome_text(outcome)


def test_an_outcome_as_data() -> None:
    """One object a line, with everything that is known."""
    expected = {
        "type": "outcome",
        "address": "companies.acme",
        "action": "update",
        "status": "failed",
        "detail": "too long",
        "display_name": "Acme",
        "record_id": 123,
        "fields": ["name"],
    }
    assert expected == outcome_document(Outcome(ACME, WriteAction.UPDATE, "failed", "too long", "Acme", 123, ("name",)))


LEDGERS = [
    ({}, ["Applied 0."]),
    ({"applied": 12}, ["Applied 12."]),
    ({"applied": 12, "adopted": 1, "forgotten": 2}, ["Applied 12, adopted 1, forgotten 2."]),
    (
        {"applied": 12, "adopted": 1, "forgotten": 0, "conflict": 1, "failed": 0, "skipped": 0, "unknown": 0},
        [
            "Applied 12, adopted 1, conflicts 1.",
            "Run crmsync plan to see what is left, then crmsync apply again.",
        ],
    ),
    (
        {"failed": 2, "skipped": 3, "unknown": 1},
        [
            "Applied 0, failed 2, skipped 3, unknown 1.",
            "Run crmsync apply again: it first settles the requests whose result is unknown, then does what is left.",
        ],
    ),
]


@pytest.mark.parametrize(("counts", "expected"), LEDGERS)
def test_the_ledger(counts: dict[str, int], expected: list[str]) -> None:
    """Zeros are left out but for what was applied; what is not done has a next step."""
    assert expected == ledger_text(counts).splitlines()


def test_the_ledger_as_data() -> None:
    """Machines get every status."""
    counts = {"applied": 1, "adopted": 0, "forgotten": 0, "conflict": 2, "failed": 0, "skipped": 0, "unknown": 0}

    assert {"type": "summary", "counts": counts} == ledger_document({"applied": 1, "conflict": 2})


def test_progress() -> None:
    """How far it is, and what it waits for."""
    assert progress_text(Progress(12, 240)) == "12 of 240 done"
    assert progress_text(Progress(12, 240, "Copper's pace")) == "12 of 240 done, waiting for Copper's pace"
    assert progress_document(Progress(1, 2)) == {"type": "progress", "done": 1, "of": 2, "waiting_for": ""}
