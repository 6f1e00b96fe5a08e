"""The history of a schedule as text, one line for each thing that happened; times are seconds from the start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from crmsync.model.events import FieldsApplied, Intent
from crmsync.project.applying import Applied
from tests.simulation.copper import Act, Executed
from tests.simulation.schedule import START, Report


def story(report: Report) -> Iterator[str]:
    """Yield the lines of the history of *report*, its script first."""
    wish = report.script
    yield f"seed {report.seed}"
    yield f"  account   {_quirks(wish.quirks)}"
    yield f"  network   reads {dict(wish.network.reads)}, writes {dict(wish.network.writes)}, {wish.network.latency} s"
    yield f"  policies  {dict(wish.policies)}, {wish.pace} requests a minute"
    for type_name, values in wish.before:
        yield f"  before    {type_name} {dict(values)}"
    for at, kind, *what in report.history:
        for line in TELLERS.get(kind, _plain)(*what):
            yield f"{at - START:10.2f}  {kind:9} {line}"
    yield f"{len(report.breaches)} breaches"
    for breach in report.breaches:
        yield f"  {breach.invariant} at {breach.at - START:.2f}: {breach.text}"


def _quirks(quirks: Any) -> str:
    usual = type(quirks)()
    other = {name: getattr(quirks, name) for name in quirks.__dataclass_fields__}
    return ", ".join(f"{name}={value}" for name, value in other.items() if value != getattr(usual, name)) or "as usual"


def _plain(*what: Any) -> Iterator[str]:
    yield " ".join(each.name if hasattr(each, "wish") else str(each) for each in what)


def _round(number: int, each: Any) -> Iterator[str]:
    yield f"{number}"
    for address, written in each.files.records.items():
        yield f"    {address}: {dict(written)}"
    for origin, destination in each.files.moved:
        yield f"    moved {origin} to {destination}"


def _start(run: Any, wish: Any) -> Iterator[str]:
    usual = type(wish)()
    other = {name: getattr(wish, name) for name in wish.__dataclass_fields__}
    said = ", ".join(f"{name}={value}" for name, value in other.items() if value != getattr(usual, name))
    yield f"{run.name} {said}"


def _request(sent: Any, fault: str, told: Any) -> Iterator[str]:
    body = sent.body.decode()[:300]
    name = sent.sender.run.name if hasattr(sent.sender, "run") else sent.sender
    yield f"{name}: {sent.method} {sent.path} {body} -> {told}{f' ({fault})' if fault else ''}"


def _write(executed: Executed) -> Iterator[str]:
    for item in executed.items:
        yield f"{executed.sender.run.name}: {executed.action} {executed.type} {item.id} {dict(item.body)}"


def _act(act: Act) -> Iterator[str]:
    before, after = act.before or {}, act.after or {}
    changed = {
        name: (before.get(name), after.get(name)) for name in {**before, **after} if before.get(name) != after.get(name)
    }
    yield f"{act.kind} {act.type} {act.id}: {changed}"


def _append(run: Any, position: int, events: tuple[Any, ...]) -> Iterator[str]:
    for event in events:
        yield f"{run.name} @{position}: {_event(event)}"


def _event(event: Any) -> str:
    if isinstance(event, Intent):
        fields = ", ".join(event.fields)
        return (
            f"Intent {event.id} {event.action} {event.address} {event.record_id} [{fields}] by {event.send_by - START:.2f}"
        )
    if isinstance(event, FieldsApplied):
        return f"FieldsApplied {event.address} {dict(event.fields)}"
    return str(event)


def _agreed(run: Any, plan: Any) -> Iterator[str]:
    if plan.is_empty:
        yield f"{run.name}: no changes"
    for change in plan.changes:
        fields = ", ".join(f"{each.field}: {each.before!r} -> {each.after!r} ({each.cause})" for each in change.fields)
        yield f"{run.name}: {change.action} {change.address} #{change.record_id} {fields}"
    for held in plan.held:
        yield f"{run.name}: held {held.address} {held.field.field if held.field else ''}: {held.reason} {held.cure}"
    for kept in plan.kept:
        yield f"{run.name}: kept {kept.address} {kept.change.field}"
    for address, id in plan.gone:
        yield f"{run.name}: gone {address} #{id}"
    for address in plan.unsettled:
        yield f"{run.name}: unsettled {address}"


def _outcome(run: Any, outcome: Any) -> Iterator[str]:
    yield f"{run.name}: {outcome.address} {outcome.action} {outcome.status} {outcome.fields} {outcome.detail}"


def _end(run: Any, result: Any) -> Iterator[str]:
    if isinstance(result, Applied):
        yield f"{run.name}: {dict(result.ledger)}"
        return
    yield f"{run.name}: {result!r}"
    for each in getattr(result, "diagnostics", ()):
        yield f"    {each.code.number} {each.address} {each.detail}"


TELLERS: Mapping[str, Callable[..., Iterator[str]]] = {
    "round": _round,
    "start": _start,
    "request": _request,
    "write": _write,
    "act": _act,
    "append": _append,
    "agreed": _agreed,
    "outcome": _outcome,
    "end": _end,
}
