"""
``decisions.yaml``: what an apply left for the user to decide, and the choices that the next one obeys.

Read by each plan, written by apply (and by `plan --decisions`). A choice that was obeyed, or did not count any more, goes
to the archive below `.crmsync/runs`; what is still open stays, with its choice where it has one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from crmsync.model.catalogue import Field
from crmsync.model.changes import TO_EXISTING, with_action
from crmsync.model.digest import Digester
from crmsync.model.effects import Outcome
from crmsync.model.events import Applied
from crmsync.model.packed import fields_caused
from crmsync.model.plan import Cause, Decided, FieldChange, Held, Plan
from crmsync.model.state import State
from crmsync.model.values import Value
from crmsync.plan.deciding import seen
from crmsync.plan.world import Wishes
from crmsync.project.decisionfile import About, Decisions
from crmsync.project.keeping import Place
from crmsync.project.saving import write_private
from crmsync.project.session import Project
from crmsync.render.decisions import Question, decisions_text, held_comment, question_line, written_line
from crmsync.render.shown import Showing

#: What is held, and the field of it that a person's value and the file's both claim.
Contested = tuple[Held, FieldChange]


class Asking(Struct, frozen=True):
    """What a plan leaves to decide, by address and field, and what it holds that is decided elsewhere."""

    questions: Mapping[About, Contested] = field(default_factory=dict)
    comments: tuple[str, ...] = ()


def asking(plan: Plan, contested: Mapping[About, Contested] | None = None) -> Asking:
    """Return what *plan* leaves to decide: what it holds, and what else is *contested*."""
    found = {(each.address, each.field.field): (each, each.field) for each in plan.held if each.is_question and each.field}
    found |= contested or {}
    decided = {each.about for each in plan.decided}
    comments = tuple(held_comment(each) for each in plan.held if not each.is_question)
    return Asking({about: each for about, each in found.items() if about not in decided}, comments)


def contested(plan: Plan) -> dict[About, Contested]:
    """Return what *plan* would put back or overwrite of a person's, and conflicts that it would leave so."""
    return {(held.address, change.field): (held, change) for held, change in _contested(plan)}


def set_aside(plan: Plan, outcomes: Iterable[Outcome]) -> dict[About, Contested]:
    """Return what of *plan* is contested and was left alone, because a saved plan or the run itself met it otherwise."""
    left = {(outcome.address, name) for outcome in outcomes for name in outcome.fields}
    whole = {outcome.address for outcome in outcomes if not outcome.fields}
    return {about: each for about, each in contested(plan).items() if about in left or about[0] in whole}


def _contested(plan: Plan) -> Iterator[Contested]:
    for change in with_action(plan.changes, *TO_EXISTING):
        for each in fields_caused(change.fields, (Cause.DRIFTED, Cause.CONFLICT)):
            yield Held(change.address, "", "", each, each.position, change.record_id, change.name), each
    for kept in plan.kept:
        if kept.change.cause is Cause.CONFLICT and not kept.is_observed:
            yield Held(kept.address, "", "", kept.change, kept.change.position, kept.record_id, kept.name), kept.change


class Ending(Struct, frozen=True):
    """
    How a plan ended: which of the decided fields were brought about, the state after it, what a saved plan knew.

    *last_written* returns of fields (type, id, field id) what was last put there, as far as copies tell it.
    For a plan that is only looked at nothing is done.
    """

    state: State
    showing: Showing
    wishes: Wishes
    is_done: Callable[[Decided], bool] = lambda _: False
    reviewed: Mapping[str, Any] | None = None
    last_written: Callable[[Collection[Place]], Mapping[Place, Value]] = lambda places: {}


def write_decisions(loaded: Decisions, plan: Plan, asked: Asking, ending: Ending) -> int:
    """Write what is open and return how many lines wait for a choice; a file with nothing open is removed."""
    if ending.wishes.is_destroy:
        return 0
    waiting = [each.decision for each in plan.decided if not ending.is_done(each)]
    waiting += [each for each in loaded.decisions if not ending.wishes.selects(each.address)]
    open_lines = [question_line(each, ending.showing) for each in _questions(asked, ending)]
    lines = [*open_lines, *map(written_line, waiting)]
    if lines or (asked.comments and loaded.document is not None):
        write_private(loaded.path, decisions_text(lines, asked.comments))
    elif loaded.document is not None:
        loaded.path.unlink(missing_ok=True)
    return len(open_lines)


def _questions(asked: Asking, ending: Ending) -> Iterator[Question]:
    rows = {about: ending.showing.catalogue[about[0].type].by_name[about[1]] for about in asked.questions}
    bound = {about: binding for about in rows if (binding := ending.state.bindings.get(about[0])) is not None}
    places = {about: (about[0].type, binding.record_id, rows[about].id) for about, binding in bound.items()}
    written = ending.last_written(places.values())
    for about, (held, change) in sorted(asked.questions.items()):
        applied = bound[about].applied.get(rows[about].id) if about in bound else None
        was = _reviewed_value(about, ending.reviewed)
        if not was and about in places and places[about] in written:
            value = written[places[about]]
            if _is_base(rows[about], value, applied, ending.state):
                was = (ending.showing.value(*about, value),)
        yield Question(held, change, seen(change, applied), was)


def _reviewed_value(about: About, reviewed: Mapping[str, Any] | None) -> tuple[Any, ...]:
    """Return what a saved plan knew of the value before, in a tuple of one; nothing where it knew nothing of it."""
    address, name = about
    return tuple(
        each["before"]
        for old in (reviewed or {}).get("resource_changes", ())
        for each in old["crmsync"]["fields"]
        if old["address"] == str(address) and each["field"] == name
    )


def _is_base(row: Field, value: Value, applied: Applied | None, state: State) -> bool:
    """Say whether *value* is what the state remembers as confirmed: a copy may be older than that."""
    digest = Digester(state.head.digest_key).value(row, value)
    return applied is not None and digest in (applied.asked, applied.answered)


def archive(project: Project, loaded: Decisions, plan: Plan, is_done: Callable[[Decided], bool], now: float) -> Path | None:
    """Keep what became of the choices that this run obeyed or could not obey; None when there were none."""
    obeyed = {each.about: "obeyed" for each in plan.decided if is_done(each)}
    results = {**dict.fromkeys(_left(loaded, plan), "did not count any more"), **obeyed}
    if not results:
        return None
    lines = [written_line(each, results[about]) for about, each in loaded.chosen.items() if about in results]
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    path = project.private / "runs" / f"decisions-{stamp}.yaml"
    earlier = path.read_text(encoding="utf-8") if path.exists() else "decisions:\n"
    write_private(path, earlier + "".join(f"  - {line}\n" for line in lines))
    return path


def _left(loaded: Decisions, plan: Plan) -> Iterable[About]:
    return [(each.address, each.field) for each in plan.stale if (each.address, each.field) in loaded.chosen]
