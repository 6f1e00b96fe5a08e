"""What is seen of an apply: the plan, the question, outcomes as they come, the ledger."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Mapping
from types import FrameType, TracebackType
from typing import Any

import click

from crmsync.cli.common import color
from crmsync.model.effects import Outcome, Progress
from crmsync.project.applying import Applied, Watch
from crmsync.project.trouble import UsageTrouble
from crmsync.render.document import dump_line
from crmsync.render.outcomes import ledger_text, outcome_document, outcome_text
from crmsync.render.text import plan_text

INTERRUPTED, INCOMPLETE = 130, 6


class Watching:
    """Shows one apply; the first Ctrl-C lets the calls in flight end, a second one leaves at once."""

    def __init__(self, *, as_json: bool, is_agreed: bool, verbose: int) -> None:
        self._as_json = as_json
        self._is_agreed = is_agreed
        self._verbose = verbose
        self._stopping = threading.Event()
        self._progress: Any = None
        self.watch = Watch(self._tell, self._approve, self._stopping)

    def __enter__(self) -> Watching:
        self._earlier = {each: signal.signal(each, self._stop) for each in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for each, handler in self._earlier.items():
            signal.signal(each, handler)
        if self._progress is not None:
            self._progress.stop()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self._stopping.is_set():
            os._exit(INTERRUPTED)
        self._stopping.set()
        click.echo("Stopping after the calls in flight; once more to leave at once. Both are safe to run again.", err=True)

    def _approve(self, document: Mapping[str, Any]) -> bool:
        if self._as_json:
            click.echo(dump_line({"type": "planned", "counts": document["crmsync"]["counts"]}))
        else:
            click.echo(plan_text(document, color=color(sys.stdout), verbose=self._verbose))
        if self._is_agreed:
            return True
        if not sys.stdin.isatty():
            raise UsageTrouble("There is no terminal to ask on. Review a plan and apply it, or say --auto-approve.")
        account = document["crmsync"]["account"]
        click.echo(f'Apply this to "{account["name"]}" ({account["id"]})? Only "yes" is accepted.', err=True)
        return click.prompt("Answer", prompt_suffix=": ", default="no", show_default=False, err=True).strip() == "yes"

    def _tell(self, seen: Outcome | Progress) -> None:
        if isinstance(seen, Progress):
            self._show_progress(seen)
        elif self._as_json:
            click.echo(dump_line(outcome_document(seen)))
        elif self._progress is not None:
            self._progress.console.print(outcome_text(seen), markup=False, highlight=False)
        else:
            click.echo(outcome_text(seen))

    def _show_progress(self, progress: Progress) -> None:
        if progress.waiting_for:
            click.echo(f"Waiting: {progress.waiting_for}.", err=True)
        if self._as_json or not sys.stderr.isatty() or not progress.of:
            return
        if self._progress is None:
            from rich.console import Console  # only a terminal needs it
            from rich.progress import Progress as Bar

            self._progress = Bar(console=Console(stderr=True), transient=True)
            self._task = self._progress.add_task("Applying", total=progress.of)
            self._progress.start()
        self._progress.update(self._task, completed=progress.done)

    def end(self, applied: Applied | None) -> int:
        """Print the ledger and return the exit code."""
        if applied is None:
            click.echo("Nothing was applied.", err=True)
            return 1
        if self._as_json:
            click.echo(dump_line({"type": "summary", "ledger": dict(applied.ledger), "requests": applied.requests}))
        else:
            self._say_end(applied)
        if applied.is_interrupted:
            return INTERRUPTED
        return 0 if applied.is_complete else INCOMPLETE

    def _say_end(self, applied: Applied) -> None:
        if not applied.document["resource_changes"] and not self._is_shown(applied):
            click.echo(plan_text(applied.document, color=color(sys.stdout), verbose=self._verbose))
        if applied.ledger:
            counts = dict(applied.ledger)
            counts["conflict"] = counts.get("conflict", 0) + len({each.address for each in applied.set_aside})
            click.echo(ledger_text(counts))

    def _is_shown(self, applied: Applied) -> bool:
        return bool(applied.document["resource_changes"])
