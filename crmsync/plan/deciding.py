"""
Obeying decisions: what the user chose for one field counts instead of its policy.

A choice counts once, and only while everything it was made on is as it was: what crmsync had confirmed, what the file
says, what Copper shows. One that is out of date is told and left; the field is then asked about again.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from crmsync.model.catalogue import Field
from crmsync.model.codes import CODES
from crmsync.model.decisions import Choice, Decision, Seen
from crmsync.model.digest import DIGEST_SIZE, canonical, document_digest
from crmsync.model.events import Applied
from crmsync.model.plan import Cause, Decided, FieldChange
from crmsync.model.records import Desired, DesiredField, Observed, OnAdopt, OnDrift
from crmsync.model.source import Diagnostic, Severity
from crmsync.model.values import Value
from crmsync.plan.diff import Judgement, judge
from crmsync.plan.world import Work

#: The causes that set a person's value against the file's.
CONTESTED = (Cause.DRIFTED, Cause.CONFLICT, Cause.ADOPTED)

_MOVED = {
    "base": "another apply has written this field since",
    "file": "the file says something else now",
    "live": "it was changed in Copper again",
}
_NOTHING = "there is nothing left to decide"

_KEEP = {"on_drift": OnDrift.KEEP, "on_adopt": OnAdopt.FILL}
_TAKE = {"on_drift": OnDrift.OVERWRITE, "on_adopt": OnAdopt.OVERWRITE}
_RULES: dict[Choice, dict[str, Any]] = {Choice.KEEP_HUMAN: _KEEP, Choice.ACCEPT: _KEEP, Choice.TAKE_FILE: _TAKE}


def seen(change: FieldChange, applied: Applied | None) -> Seen:
    """Return what a decision on *change* is made on. Of a set it is what we would do to it, for the rest is not ours."""
    delta = change.delta
    wish = canonical(change.after)
    if delta is not None:
        wish = [canonical(delta.added), canonical(delta.removed), canonical(delta.changed)]
    return Seen(_base(applied), _digest(wish), _digest(canonical(change.before)))


def _base(applied: Applied | None) -> str | None:
    """Return what was confirmed; of a set our members, for the whole is noted anew by each apply."""
    if applied is None:
        return None
    if not applied.members:
        return applied.answered
    return _digest(sorted([key, *pair] for key, pair in applied.members.items()))


def _digest(data: Any) -> str:
    return document_digest([data])[: 2 * DIGEST_SIZE]


def obey(
    work: Work, desired: Desired, record: Observed, row: Field, applied: Applied | None, judgement: Judgement
) -> Judgement:
    """Return *judgement*, or what the user's decision makes of it."""
    decision = work.world.decisions.get((desired.address, row.name))
    if decision is None:
        return judgement
    question = _question(judgement)
    reason = _NOTHING if question is None else _staleness(decision.seen, seen(question, applied))
    if question is None or reason is not None:
        tell_stale(work, decision, reason or _NOTHING)
        return judgement
    assert decision.choice is not None
    work.decided.append(Decided(decision, record.id, record.name, question))
    field, observed = desired.fields[row.name], record.fields.get(row.name)
    if decision.choice is Choice.HAND_OVER:
        return _handed_over(work, row, field.value, observed)
    policy = replace(field.policy, is_decided=True, **_RULES[decision.choice])
    known = replace(applied, is_kept=False) if applied is not None else None
    return judge(row, DesiredField(field.value, policy, field.position), observed, known, work.digester)


def _question(judgement: Judgement) -> FieldChange | None:
    change = judgement.held or judgement.change or judgement.kept
    return change if change is not None and change.cause in CONTESTED else None


def _staleness(then: Seen, now: Seen) -> str | None:
    return next((text for name, text in _MOVED.items() if getattr(then, name) != getattr(now, name)), None)


def _handed_over(work: Work, row: Field, value: Value, observed: Value) -> Judgement:
    asked, answered = work.digester.value(row, value), work.digester.value(row, observed)
    return Judgement(applied=Applied(asked, answered, is_handed_over=True))


def tell_stale(work: Work, decision: Decision, reason: str) -> None:
    """Say that *decision* does not count, and why."""
    work.stale.append(decision)
    detail = f"The choice {decision.choice} for {decision.field} does not count: {reason}."
    work.problems.append(Diagnostic(CODES["CRM061"], detail, decision.position, decision.address, severity=Severity.WARNING))


def tell_unasked(work: Work) -> None:
    """Say which decisions are about nothing that this plan looked at."""
    done = {(each.address, each.field) for each in (*(one.decision for one in work.decided), *work.stale)}
    for about, decision in sorted(work.world.decisions.items()):
        if about not in done and work.wishes.selects(decision.address) and decision.address not in work.unsettled:
            tell_stale(work, decision, _NOTHING)


def is_handed_over(work: Work, desired: Desired, name: str, applied: Applied | None) -> bool:
    """Say whether a field was given to the people in Copper for good; its line in the file does nothing, which is told."""
    if applied is None or not applied.is_handed_over:
        return False
    position = desired.fields[name].position
    detail = (
        f"{name} was handed over to Copper and is not managed. Remove this line; where `defaults` has it, write "
        f"`crmsync: {{without: [{name}]}}`."
    )
    diagnostic = Diagnostic(CODES["CRM062"], detail, position, desired.address, severity=Severity.WARNING)
    work.problems.append(diagnostic)
    return True
