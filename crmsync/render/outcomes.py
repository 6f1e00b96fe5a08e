"""What happened, line by line, and the ledger at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crmsync.model.effects import Outcome, Progress
from crmsync.render.sanitise import clean
from crmsync.render.written import written

#: The statuses of the ledger in its order, and how it calls them.
_LEDGER = {
    "applied": "applied",
    "adopted": "adopted",
    "forgotten": "forgotten",
    "conflict": "conflicts",
    "failed": "failed",
    "skipped": "skipped",
    "unknown": "unknown",
}

_NOT_DONE = ("conflict", "failed", "skipped", "unknown")

_DONE = {
    "create": "created",
    "update": "updated",
    "relate": "linked",
    "unrelate": "unlinked",
    "delete": "deleted",
    "adopt": "adopted",
    "forget": "forgotten",
}


def outcome_text(outcome: Outcome) -> str:
    """Return one plain line: ``applied   companies.acme  created #123``."""
    name = f" {written(outcome.name)}" if outcome.name else ""
    return f"{clean(outcome.status):<9} {clean(str(outcome.address))}{name}  {_what(outcome)}"


def _what(outcome: Outcome) -> str:
    action = str(outcome.action)
    verb = clean(action if outcome.status in _NOT_DONE else _DONE.get(action, action))
    text = verb if outcome.record_id is None else f"{verb} #{outcome.record_id}"
    if outcome.fields and action != "create":
        text += f" ({', '.join(map(clean, outcome.fields))})"
    return f"{text}: {clean(outcome.detail)}" if outcome.detail else text


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """Return *outcome* as data, for one object a line."""
    return {
        "type": "outcome",
        "address": str(outcome.address),
        "action": str(outcome.action),
        "status": outcome.status,
        "detail": outcome.detail,
        "display_name": outcome.name,
        "record_id": outcome.record_id,
        "fields": list(outcome.fields),
    }


def progress_text(progress: Progress) -> str:
    """Return ``12 of 240 done, waiting for ...``."""
    waiting = f", waiting for {clean(progress.waiting_for)}" if progress.waiting_for else ""
    return f"{progress.done} of {progress.of} done{waiting}"


def progress_document(progress: Progress) -> dict[str, Any]:
    """Return *progress* as data, for one object a line."""
    return {"type": "progress", "done": progress.done, "of": progress.of, "waiting_for": progress.waiting_for}


def ledger_text(counts: Mapping[str, int]) -> str:
    """
    Return ``Applied 12, adopted 1, conflicts 1.``, and on a second line what to do next when something was not done.

    *counts* go by the status of the outcomes; those that are zero are left out, but for what was applied.
    """
    parts = [f"{name} {counts.get(status, 0)}" for status, name in _LEDGER.items() if counts.get(status, 0)]
    if not any(counts.get(status, 0) for status in ("applied", "adopted", "forgotten")):
        parts.insert(0, "applied 0")
    line = f"{', '.join(parts)}.".capitalize()
    advice = _next_step(counts)
    return f"{line}\n{advice}" if advice else line


def _next_step(counts: Mapping[str, int]) -> str:
    if counts.get("unknown", 0):
        return "Run crmsync apply again: it first settles the requests whose result is unknown, then does what is left."
    if any(counts.get(status, 0) for status in _NOT_DONE):
        return "Run crmsync plan to see what is left, then crmsync apply again."
    return ""


def ledger_document(counts: Mapping[str, int]) -> dict[str, Any]:
    """Return the ledger as data, for the last object of a run: every status, zeros as well."""
    return {"type": "summary", "counts": {status: counts.get(status, 0) for status in _LEDGER}}
