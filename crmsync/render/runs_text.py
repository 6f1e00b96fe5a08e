"""What is known of runs: who applied when, what came of it, and of which of them it is kept what they replaced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from crmsync.model.events import Event, RunEnded, RunStarted
from crmsync.render.outcomes import ledger_text
from crmsync.render.sanitise import clean
from crmsync.render.shown import moment
from crmsync.render.state_text import table


def runs_document(events: Iterable[Event], kept: Mapping[str, str]) -> list[dict[str, Any]]:
    """
    Return the runs in *events* as data, the newest first; *kept* tells the runs of which something is kept.

    Those may be older than the log, which is folded when it grows long. Their names begin with their time.
    """
    runs: dict[str, dict[str, Any]] = {}
    for event in events:
        if isinstance(event, RunStarted):
            about = {"by": event.by, "is_saved_plan": event.plan is not None, "is_in_log": True}
            runs[event.run] = {**_run(event.run, moment(event.at)), **about}
        elif isinstance(event, RunEnded) and event.run in runs:
            runs[event.run] |= {"ended_at": moment(event.at), "counts": dict(event.counts)}
    older = {run: _run(run, _moment(name)) for run, name in kept.items() if run not in runs}
    return [{**each, "can_be_undone": each["run"] in kept} for each in reversed([*older.values(), *runs.values()])]


def _run(run: str, started_at: str | None) -> dict[str, Any]:
    empty = {"ended_at": None, "by": "", "is_saved_plan": False, "counts": None, "is_in_log": False}
    return {"run": run, "started_at": started_at, **empty}


def _moment(name: str) -> str:
    return datetime.strptime(name.partition("-")[0], "%Y%m%dT%H%M%SZ").strftime("%Y-%m-%dT%H:%M:%SZ")


def runs_text(events: Iterable[Event], kept: Mapping[str, str]) -> str:
    """Return the runs in *events* as a table, the newest first."""
    rows = [
        (
            str(each["started_at"]),
            each["run"],
            each["by"],
            "saved plan" if each["is_saved_plan"] else "",
            "yes" if each["can_be_undone"] else "",
            _came_to(each),
        )
        for each in runs_document(events, kept)
    ]
    return table(("STARTED", "RUN", "BY", "PLAN", "UNDO", "CAME TO"), rows) if rows else "Nothing was applied yet.\n"


def _came_to(run: Mapping[str, Any]) -> str:
    if run["counts"] is not None:
        return clean(ledger_text(run["counts"]).split("\n")[0])
    return "did not end" if run["is_in_log"] else "no longer in the log"
