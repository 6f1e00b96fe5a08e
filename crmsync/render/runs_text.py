"""What the log of the state tells about runs: who applied when, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from crmsync.model.events import Event, RunEnded, RunStarted
from crmsync.render.outcomes import ledger_text
from crmsync.render.sanitise import clean
from crmsync.render.shown import moment
from crmsync.render.state_text import table


def runs_document(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Return the runs in *events* as data, the newest first."""
    runs: dict[str, dict[str, Any]] = {}
    for event in events:
        if isinstance(event, RunStarted):
            runs[event.run] = {
                "run": event.run,
                "started_at": moment(event.at),
                "ended_at": None,
                "by": event.by,
                "is_saved_plan": event.plan is not None,
                "counts": None,
            }
        elif isinstance(event, RunEnded) and event.run in runs:
            runs[event.run] |= {"ended_at": moment(event.at), "counts": dict(event.counts)}
    return list(reversed(runs.values()))


def runs_text(events: Iterable[Event]) -> str:
    """Return the runs in *events* as a table, the newest first."""
    rows = [
        (
            str(each["started_at"]),
            each["run"],
            each["by"],
            "saved plan" if each["is_saved_plan"] else "",
            "did not end" if each["counts"] is None else clean(ledger_text(each["counts"]).split("\n")[0]),
        )
        for each in runs_document(events)
    ]
    return table(("STARTED", "RUN", "BY", "PLAN", "CAME TO"), rows) if rows else "Nothing was applied yet.\n"
