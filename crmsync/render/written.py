"""Plain values as one reads them in a plan: quoted text, bare numbers, sets by what is added, removed and kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from crmsync.model.late import late
from crmsync.render.jsontext import dump_line, number_text
from crmsync.render.nested import differences
from crmsync.render.sanitise import clean
from crmsync.render.width import cells

#: Members of this shape need no quotes: nothing in them reads like a part of the line.
_BARE = late(r"[^\W_][\w.@&/:'+-]*")

#: A change of texts wider than this is written over two lines.
_LONG = 100


def written(value: Any) -> str:
    """Return *value* as safe text on one line."""
    if isinstance(value, str):
        return '"' + clean(value).replace('"', '\\"') + '"'
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(member, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return number_text(value) if isinstance(value, (int, float, Decimal)) else written(str(value))


def _mapping(value: Mapping[str, Any]) -> str:
    if "id" in value and value.keys() <= {"id", "name"}:
        number = f"#{clean(str(value['id']))}"
        return f"{written(value['name'])} ({number})" if "name" in value else number
    return "{" + ", ".join(f"{clean(key)}: {written(part)}" for key, part in value.items()) + "}"


def member(value: Any) -> str:
    """Return one member of a set: ``strategic``, ``"two words"``, ``ann@acme.com (work)``."""
    if isinstance(value, str):
        return value if _BARE.fullmatch(value) and clean(value) == value else written(value)
    named = _attributed(value)
    if named is None:
        return written(value)
    name, category = named
    return member(name) if category is None else f"{member(name)} ({member(category)})"


def _attributed(value: Any) -> tuple[Any, Any] | None:
    """Return what a member with a category names, and the category; None for anything else."""
    if not isinstance(value, Mapping):
        return None
    names = [key for key in value if key != "category"]
    return (value[names[0]], value.get("category")) if len(names) == 1 else None


def set_change(before: Sequence[Any], after: Sequence[Any], members: Mapping[str, Sequence[Any]] | None) -> str:
    """
    Return what happens to a set: ``+strategic, -old, keeps vip, not ours``.

    *members* is the plan's own account of it; without one the whole set is ours, and what differs is told.
    """
    if members is None:
        members = _compared(before, after)
    earlier = {_identity(each): each for each in before}
    parts = [f"+{member(each)}" for each in members["added"]]
    parts += [f"~{_altered(earlier.get(_identity(each)), each)}" for each in members["changed"]]
    parts += [f"-{member(each)}" for each in members["removed"]]
    if members["foreign"]:
        parts.append(f"keeps {', '.join(map(member, members['foreign']))}, not ours")
    return ", ".join(parts)


def _compared(before: Sequence[Any], after: Sequence[Any]) -> dict[str, list[Any]]:
    old, new = ({_identity(each): each for each in each_side} for each_side in (before, after))
    return {
        "added": [each for key, each in new.items() if key not in old],
        "removed": [each for key, each in old.items() if key not in new],
        "changed": [each for key, each in new.items() if key in old and old[key] != each],
        "foreign": [],
    }


def _identity(value: Any) -> str:
    named = _attributed(value)
    return dump_line(value if named is None else named[0])


def _altered(before: Any, after: Any) -> str:
    """Return a member whose attributes change; one with the usual category may be nothing but its text."""
    if before is None:
        return member(after)
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return f"{member(before)} -> {member(after)}"
    named = _attributed(after)
    parts = [f"{clean(path)}: {written(old)} -> {written(new)}" for path, old, new in differences(before, after)]
    return f"{member(after if named is None else named[0])} ({', '.join(parts)})"


def nested_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the parts of a nested value that change, one a line."""
    return [f"~ {clean(path)}: {written(old)} -> {written(new)}" for path, old, new in differences(before, after)]


def text_change(before: str, after: str) -> tuple[str, Sequence[str]]:
    """Return how a text becomes another one: on one line, or where that is too long on the lines below."""
    if "\n" in before or "\n" in after:
        return "", _line_diff(before, after)
    old, new = written(before), written(after)
    return ("", [f"- {old}", f"+ {new}"]) if cells(old) + cells(new) > _LONG else (f"{old} -> {new}", ())


def long_change(before: Any, after: Any) -> Sequence[str] | None:
    """Return the lines of a change that is too long for one line, or None when it is not."""
    if not all(each is None or isinstance(each, str) for each in (before, after)):
        return None
    if before is not None and after is not None:
        line, below = text_change(before, after)
        return None if line else below
    return _line_diff(before or "", after or "") if "\n" in (before or after or "") else None


def _line_diff(before: str, after: str) -> list[str]:
    from difflib import unified_diff  # for its cost: few values have lines

    old, new = (text.split("\n") if text else [] for text in (before, after))
    diff = list(unified_diff(old, new, n=1, lineterm=""))[2:]
    hunks = ["..." if line.startswith("@@") else f"{line[0]} {_ending(line[1:])}" for line in diff]
    return [line.rstrip() for line in (hunks[1:] if _starts_at_top(diff) else hunks)]


def _starts_at_top(diff: Sequence[str]) -> bool:
    return bool(diff) and bool(re.match(r"@@ -[01](,\d+)? \+[01](,\d+)? @@", diff[0]))


def _ending(line: str) -> str:
    """Return a line of a text with blanks at its end made visible: they may be all that changes."""
    text = clean(line)
    bare = text.rstrip(" ")
    return bare + "·" * (len(text) - len(bare))
