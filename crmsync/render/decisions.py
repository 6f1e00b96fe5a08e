"""``decisions.yaml`` as text, and the lines that a decision asks the user to write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from crmsync.model.decisions import Decision, Seen
from crmsync.model.plan import FieldChange, Held
from crmsync.render.sanitise import clean
from crmsync.render.shown import Showing
from crmsync.render.yamltext import bare, flow, node_flow, quoted

HEAD = """\
# What crmsync left for you to decide, one line a field: `file` is what your files lead to, `live` what Copper shows.
# Write one of these behind `choice:` and run `crmsync apply`:
#   keep_human  leave Copper's value, until the file says something else
#   take_file   write the file's value over Copper's
#   hand_over   stop managing this field of this record
#   accept      Copper's value is right: leave it, and say which line of which file to change
# A choice counts once, and only while `file` and `live` are as they stand here. Without a choice the policy decides.
"""


class Question(Struct, frozen=True):
    """
    One field to decide.

    *was* is the value that both started from, as plain data in a tuple of one, where it is known.
    """

    held: Held
    change: FieldChange
    seen: Seen
    was: tuple[Any, ...] = ()


def decisions_text(lines: Iterable[str], comments: Iterable[str] = ()) -> str:
    """Return the whole file: its head, *lines*, and *comments* on what is decided elsewhere."""
    listed = "".join(f"  - {line}\n" for line in lines)
    told = [f"# {clean(text)}\n" for text in comments]
    heading = ["\n# Also held, and decided elsewhere:\n"] if told else []
    return "".join([HEAD, "decisions:", f"\n{listed}" if listed else " []\n", *heading, *told])


def waiting_text(name: str, count: int) -> str:
    """Return how many lines of the file *name* wait for a choice, and how to make it; no text for none."""
    lines = f"{count} line{'s' if count != 1 else ''} of {clean(name)} wait{'s' if count == 1 else ''} for a choice"
    return f"{lines}: keep_human, take_file, hand_over or accept. Then run crmsync apply." if count else ""


def question_line(question: Question, showing: Showing) -> str:
    """Return the line of a field that nobody has decided yet."""
    held, change, seen = question.held, question.change, question.seen
    values = {"file": change.after, "live": change.before}
    parts = [f"address: {bare(str(held.address))}", f"field: {bare(change.field)}", "choice: "]
    parts += [f"{name}: {flow(showing.value(held.address, change.field, value))}" for name, value in values.items()]
    parts += [f"was: {flow(value)}" for value in question.was]
    parts += [f"base: {quoted(seen.base) if seen.base is not None else 'null'}", f'seen: "{seen.file}.{seen.live}"']
    if change.position is not None:
        parts.append(f"at: {quoted(f'{change.position.file}:{change.position.line}')}")
    return "{" + ", ".join(parts) + "}"


def written_line(decision: Decision, result: str | None = None) -> str:
    """Return the line of *decision* as it was written, for the archive with its *result*."""
    line = node_flow(decision.written)
    return line if result is None else f"{line[:-1]}, result: {quoted(result)}}}"


def held_comment(held: Held) -> str:
    """Return why a whole record is held and how that is decided, as one line."""
    name = f' "{held.name}"' if held.name else ""
    cure = held.cure.replace("\n", " ")
    return f"{held.address}{name}: {held.reason} {cure}"


def advice(choice: str, field: Mapping[str, Any]) -> str:
    """Return what is left to do by the user after *choice*; *field* is a row of the plan document."""
    if choice == "accept":
        place = field["file"]
        where = f"{place['name']}:{place['line']}" if place else "the file"
        return f"Write into {where}:  {_line(field)}"
    if choice == "hand_over":
        name = field["field"]
        return f"Remove its line from the file; where `defaults` has it, write `crmsync: {{without: [{name}]}}`."
    return ""


def _line(field: Mapping[str, Any]) -> str:
    """Return the line that says what Copper shows; of a set without what others added."""
    outer, _, inner = field["field"].partition(".")
    value = field["before"]
    if field["members"] is not None and isinstance(value, list):
        value = [each for each in value if each not in field["members"]["foreign"]]
    return f"{bare(inner or outer)}: {flow(value)}"
