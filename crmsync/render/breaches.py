"""Limits that a plan exceeds, in words: the same in the plan and in apply's refusal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from crmsync.render.sanitise import clean

_VERBS = {"updates": "updates", "deletes": "deletes", "adopts": "adopts and overwrites"}

#: So many missing records are named; the plan lists them all.
_NAMED = 8


def breach_lines(breach: Mapping[str, Any]) -> list[str]:
    """Return what *breach* (a row of the plan document) means and which flag lets it pass, for the plan."""
    return [f"{_what(breach)} Apply refuses it without: {clean(breach['flag'])}", *_advice(breach)]


def refusal_text(breaches: Iterable[Mapping[str, Any]]) -> str:
    """Return why apply refuses a plan with *breaches*, and the flags that would let it pass."""
    found = list(breaches)
    lines = ["The plan is over the limits:"]
    for each in found:
        lines += [f"  {line}" for line in (_what(each), *_advice(each))]
    counts: dict[str, int] = {}
    for each in found:
        counts[each["kind"]] = max(each["count"], counts.get(each["kind"], 0))
    flags = " ".join(f"--allow-{kind} {count}" for kind, count in sorted(counts.items()))
    return "\n".join([*lines, f"If that is meant, apply with: {flags}"])


def _what(breach: Mapping[str, Any]) -> str:
    count, of, type_name = breach["count"], breach["of"], clean(breach["type"])
    if breach["kind"] == "missing":
        return f"Of {of} managed {type_name} {count} are missing from Copper; the limit is {clean(breach['limit'])}."
    verb = _VERBS.get(breach["kind"], clean(breach["kind"]))
    return f"This plan {verb} {count} of {of} {type_name}; the limit is {clean(breach['limit'])}."


def _advice(breach: Mapping[str, Any]) -> list[str]:
    if breach["kind"] != "missing":
        return []
    names = [clean(name) for name in breach["addresses"]]
    listed = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    return [
        f"  Missing: {listed}.",
        "  So many at once mean another account more often than deleted records, or a key that lost a permission.",
        "  If they are gone for good, stop managing them with: crmsync state forget ADDRESS...",
    ]
