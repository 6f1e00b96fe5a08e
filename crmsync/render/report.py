"""
The plan for others to read: Markdown for a pull request, a page of HTML, and either without the values.

Both are the text of the plan, whole, where nothing in it can be a link, a mention, a heading or an element.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crmsync.render.sanitise import fenced, html
from crmsync.render.text import plan_text

#: GitHub takes comments of 65,536 characters.
LONGEST = 60_000

#: What stands for a value that is not shown.
HIDDEN = "..."

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>body {{ margin: 2em }} pre {{ font: 14px/1.4 monospace; white-space: pre-wrap }}</style>
<h1>{title}</h1>
<pre>{body}</pre>
</html>
"""


def plan_markdown(document: Mapping[str, Any], *, verbose: int = 0) -> str:
    """Return the plan as Markdown: a heading and a block of text, cut where it is too long for a comment."""
    text = plan_text(document, verbose=verbose).rstrip("\n")
    if len(text) > LONGEST:
        cut = text[:LONGEST].rpartition("\n")[0]
        left = text.count("\n") - cut.count("\n")
        text = f"{cut}\n... and {left} lines more. The whole plan: crmsync plan"
    return f"### {_title(document)}\n\n{fenced(text, 'text')}"


def plan_page(document: Mapping[str, Any], *, verbose: int = 0) -> str:
    """Return the plan as a page of HTML that loads nothing from anywhere."""
    lines = plan_text(document, verbose=verbose).splitlines()
    return _PAGE.format(title=_title(document), body="\n".join(map(html, lines)))


def _title(document: Mapping[str, Any]) -> str:
    """Return ``crmsync: 3 to add, 1 to change, 0 to destroy``: numbers and words of our own, nothing else."""
    counts = document["crmsync"]["counts"]
    return f"crmsync: {int(counts['add'])} to add, {int(counts['change'])} to change, {int(counts['destroy'])} to destroy"


def without_values(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return *document* with neither values nor names of records: addresses, fields, reasons, places and numbers stay."""
    own = document["crmsync"]
    blocks = {name: [_hidden(each) for each in own.get(name, ())] for name in ("kept", "held", "decided", "gone")}
    return {
        **document,
        "resource_changes": [_hidden_change(each) for each in document["resource_changes"]],
        "resource_drift": [_hidden_change(each) for each in document["resource_drift"]],
        "crmsync": {**own, **blocks},
    }


def _hidden_change(entry: Mapping[str, Any]) -> dict[str, Any]:
    change, own = entry["change"], entry["crmsync"]
    fields = [_hidden(each) for each in own["fields"]]
    before = None if change["before"] is None else {each["field"]: each["before"] for each in fields}
    after = None if change["after"] is None else {each["field"]: each["after"] for each in fields}
    return {
        **entry,
        "change": {**change, "before": before, "after": after},
        "crmsync": {**own, "display_name": "", "fields": fields, **_without_names(own)},
    }


def _without_names(own: Mapping[str, Any]) -> dict[str, Any]:
    """Return what replaces the reason of a delete that names whom it leaves behind."""
    count = len(own.get("orphans", ()))
    return {"reason": f"leaves {count} record{'s' if count != 1 else ''} without it"} if count else {}


def _hidden(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a field, or a record with one, without values; what is empty stays empty, so that the sign is the same."""
    hidden = {name: _hidden_value(entry[name]) for name in ("before", "after") if name in entry}
    hidden |= {"members": None} if "members" in entry else {}
    hidden |= {"display_name": ""} if "display_name" in entry else {}
    hidden |= _without_words(entry)
    return {**entry, **hidden}


def _without_words(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what replaces sentences that may hold values, names of other records, and labels."""
    if "advice" in entry:
        return {"advice": ""}
    return {"reason": "It needs a decision: crmsync plan", "cure": ""} if "cure" in entry else {}


def _hidden_value(value: Any) -> Any:
    return value if value in (None, [], "") else HIDDEN
