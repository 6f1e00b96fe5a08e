"""What is seen of an apply: the plan, the question, outcomes as they come, the ledger."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from types import FrameType, TracebackType
from typing import Any

import click

from crmsync.cli.asking import has_terminal, is_agreed
from crmsync.cli.common import color, show_diagnostics
from crmsync.cli.streams import portions, unguarded
from crmsync.model.effects import Outcome, Progress
from crmsync.model.source import Diagnostic
from crmsync.project.applying import Applied, Watch
from crmsync.project.trouble import LineOf, UsageTrouble
from crmsync.render.decisions import waiting_text
from crmsync.render.document import dump_line
from crmsync.render.outcomes import ledger_document, ledger_text, outcome_document, outcome_text
from crmsync.render.sanitise import clean
from crmsync.render.text import plan_pieces

DECLINED, INCOMPLETE, INTERRUPTED = 1, 6, 130


class Watching:
    """
    Shows one apply.

    While it works, the first Ctrl-C lets the calls in flight end and a second one leaves at once; before that there is
    nothing to tear apart, and the first one ends the command. Output that nobody takes any more does not stop the work.
    """

    def __init__(self, *, as_json: bool, is_agreed: bool, verbose: int) -> None:
        self._as_json = as_json
        self._is_agreed = is_agreed
        self._verbose = verbose
        self._stopping = threading.Event()
        self._is_working = False
        self._lost_output: OSError | None = None
        self._progress: Any = None
        self.watch = Watch(self._tell, self._warn, self._approve, self._working, self._stopping)

    def __enter__(self) -> Watching:
        self._earlier = {each: signal.signal(each, self._stop) for each in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for each, handler in self._earlier.items():
            signal.signal(each, handler)
        self._end_progress()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self._stopping.is_set():
            os._exit(INTERRUPTED)
        self._stopping.set()
        if not self._is_working:
            raise KeyboardInterrupt
        text = "Stopping after the calls in flight; once more to leave at once. Both are safe to run again.\n"
        with contextlib.suppress(OSError):  # not click: the stream may be in the middle of a line
            os.write(2, text.encode())

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        self._is_working = True
        try:
            yield
        finally:
            self._is_working = False
            self._end_progress()

    def _print(self, text: str, *, is_line: bool = True) -> None:
        """Print to stdout; a reader who has gone, or a full disk, must not end a run half way."""
        if self._lost_output is None:
            try:
                # Whether this is a terminal need only be known of what has colours: to ask is most of a line's cost.
                click.echo(text, nl=is_line and not text.endswith("\n"), color=None if "\x1b" in text else True)
            except OSError as error:
                self._lost_output = error

    def _warn(self, warnings: Sequence[Diagnostic], line_of: LineOf) -> None:
        show_diagnostics(warnings, line_of)

    def _approve(self, document: Mapping[str, Any]) -> bool:
        if self._as_json:
            self._print(dump_line({"type": "planned", "counts": document["crmsync"]["counts"]}))
        else:
            pieces = plan_pieces(document, color=color(sys.stdout), verbose=self._verbose)
            for text in portions(chain(pieces, ["\n"] if document["resource_changes"] else ())):
                self._print(text, is_line=False)
        if self._is_agreed or not document["resource_changes"]:
            return True
        if not has_terminal():
            raise UsageTrouble("There is no terminal to ask on. Review a plan and apply it, or say --auto-approve.")
        account = document["crmsync"]["account"]
        return is_agreed(f'Apply this to "{clean(account["name"])}" ({account["id"]})?')

    def _tell(self, seen: Outcome | Progress) -> None:
        if isinstance(seen, Progress):
            self._show_progress(seen)
        elif self._as_json:
            self._print(dump_line(outcome_document(seen)))
        elif seen.status == "skipped" and self._stopping.is_set():
            pass  # the ledger counts them; a line for each would bury what was done
        elif self._progress is not None and sys.stdout is not None and sys.stdout.isatty():
            self._progress.console.print(outcome_text(seen), markup=False, highlight=False, soft_wrap=True)
        else:
            self._print(outcome_text(seen))

    def _show_progress(self, progress: Progress) -> None:
        if progress.waiting_for:
            text = f"{clean(progress.waiting_for)}."
            if self._progress is not None:
                self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)
            else:
                click.echo(text, err=True)
        if self._as_json or sys.stderr is None or not sys.stderr.isatty() or not progress.of:
            return
        if self._progress is None:
            from rich.console import Console  # only a terminal needs it
            from rich.progress import Progress as Bar

            self._progress = Bar(console=Console(file=unguarded(sys.stderr), no_color=not color(sys.stderr)), transient=True)
            self._task = self._progress.add_task("Applying", total=progress.of)
            self._progress.start()
        self._progress.update(self._task, completed=progress.done, total=progress.of)

    def _end_progress(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def end(self, applied: Applied | None) -> int:
        """Print the ledger and return the exit code. Raises the OSError of an output that could not be written."""
        if applied is None:
            click.echo("Nothing was applied.", err=True)
            return DECLINED
        if self._as_json:
            self._print(dump_line({**ledger_document(applied.ledger), "requests": applied.requests}))
        elif any(applied.ledger.values()):
            self._print(ledger_text(applied.ledger))
        if applied.left and not self._as_json:
            click.echo(f"Not done: {applied.left}, as the plan says above.", err=True)
        if applied.unwritten:
            click.echo(applied.unwritten, err=True)
        if waiting := waiting_text(*applied.questions):
            click.echo(waiting, err=True)
        if applied.not_reviewed:
            names = ", ".join(str(address) for address in applied.not_reviewed)
            click.echo(f"Changed since the plan was made, so not part of it and not done: {names}", err=True)
        code = INTERRUPTED if applied.is_interrupted else 0 if applied.is_complete else INCOMPLETE
        if self._lost_output is not None and not isinstance(self._lost_output, BrokenPipeError) and code == 0:
            raise self._lost_output
        return code
