"""The plan as text, in Terraform's manner, from the document alone: `plan` and `show FILE` print the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

from msgspec import Struct

from crmsync.render.breaches import breach_lines
from crmsync.render.document import Entries
from crmsync.render.jsontext import number_text
from crmsync.render.paint import Paint, paint_for
from crmsync.render.sanitise import clean
from crmsync.render.width import cells, pad
from crmsync.render.written import long_change, nested_change, set_change, text_change, written


class _Look(Struct, frozen=True):
    """How an action looks: its symbol, its colour, what will be done to the record."""

    symbol: str
    style: str
    participle: str


#: In the order in which records are listed.
_LOOKS = {
    "create": _Look("+", "green", "created"),
    "update": _Look("~", "yellow", "updated"),
    "delete": _Look("-", "red", "deleted"),
    "adopt": _Look("<=", "cyan", "adopted"),
    "forget": _Look("x", "magenta", "forgotten"),
}

_FIELD_STYLES = {"+": "green", "~": "yellow", "-": "red"}

_REASONS = {
    "created": "new",
    "edited": "file changed",
    "drifted": "put back: changed in Copper",
    "conflict": "changed on both sides",
    "adopted": "adopted",
    "released": "given up for another record",
    "undone": "as before that run",
}

#: Causes that go without saying beside the record's own reason.
_PLAIN_CAUSES = ("created", "edited")

#: Comments beside fields stand in one column as far as this.
_COMMENT_COLUMN = 60


def plan_text(document: Mapping[str, Any], *, color: bool = False, verbose: int = 0) -> str:
    """
    Return the plan *document* as text, with a newline at its end.

    *verbose* 1 adds the place of every field, 2 the digest of every change.
    """
    return "".join(plan_pieces(document, color=color, verbose=verbose))


def plan_pieces(document: Mapping[str, Any], *, color: bool = False, verbose: int = 0) -> Iterator[str]:
    """Yield what `plan_text` returns, piece by piece: a plan of everything is long."""
    blank = ""
    for block in _blocks(document, paint_for(color), verbose):
        if block:
            yield blank + "\n".join(block)
            blank = "\n\n"
    yield "\n"


def _blocks(document: Mapping[str, Any], paint: Paint, verbose: int) -> Iterator[list[str]]:
    changes, own = document["resource_changes"], document["crmsync"]
    actions = _actions(changes)
    yield [paint("bold", _account(own))]
    yield _legend(set(actions), paint)
    for action in _LOOKS:
        yield from (_record(changes[place], paint, verbose) for place, each in enumerate(actions) if each == action)
    yield from (
        _renamed(own, paint),
        _notes(own, paint),
        _kept(own, paint),
        _observed(own, paint),
        _decided(own, paint),
        _held(own, paint),
        _gone(own, paint),
        _unsettled(own, paint),
        _breaches(own, paint),
        _summary(document, paint, verbose),
    )


def _actions(changes: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    return changes.actions if isinstance(changes, Entries) else [each["crmsync"]["action"] for each in changes]


def _account(own: Mapping[str, Any]) -> str:
    account = own["account"]
    name = f"{clean(account['name'])} ({account['id']})" if account["name"] else str(account["id"])
    return f"Account {name}, profile {clean(own['profile'])}" if own["profile"] else f"Account {name}"


def _legend(actions: Set[str], paint: Paint) -> list[str]:
    used = [f"{paint(look.style, look.symbol)} {action}" for action, look in _LOOKS.items() if action in actions]
    return [f"Symbols: {', '.join(used)}"] if used else []


def _record(entry: Mapping[str, Any], paint: Paint, verbose: int) -> list[str]:
    own = entry["crmsync"]
    look = _LOOKS[own["action"]]
    address, reason = clean(entry["address"]), clean(own["reason"])
    lines = [paint("bold", f"  # {_heading(address, own)}")]
    if own["link"]:
        lines.append(paint("dim", f"  #   {clean(own['link'])}"))
    if "previous_address" in entry:
        lines.append(paint("dim", f"  #   was {clean(entry['previous_address'])}"))
    if verbose > 1:
        lines.append(paint("dim", f"  #   digest {clean(own['digest'])}"))
    suffix = f" ({reason})" if reason and reason != look.participle else ""
    lines.append(f"  {paint(look.style, look.symbol)} {address} will be {look.participle}{suffix}")
    # A field that nothing is known of on a record that was managed before is new in the file, not adopted.
    causes = {} if own["action"] == "adopt" else {"adopted": "newly declared"}
    return lines + _fields(own["fields"], own["reason"], paint, verbose, {**_REASONS, **causes})


def _heading(address: str, own: Mapping[str, Any]) -> str:
    """Return ``companies.acme "Acme Corporation"  crm/companies.yaml:3`` for an *address* that is clean."""
    name = f" {written(own['display_name'])}" if own["display_name"] else ""
    file = f"  {_place(own['file'])}" if own.get("file") else ""
    return f"{address}{name}{file}"


def _place(file: Mapping[str, Any]) -> str:
    return f"{clean(file['name'])}:{file['line']}"


class _Row(NamedTuple):
    """One field in a block: symbol, name, what happens on one line, why, and the lines below it."""

    symbol: str
    name: str
    text: str
    comment: str
    below: Sequence[str] = ()


def _fields(
    fields: Sequence[Mapping[str, Any]], reason: str, paint: Paint, verbose: int, reasons: Mapping[str, str]
) -> list[str]:
    rows = [_row(each, reason, verbose, reasons) for each in fields]
    width = max([_title_width(row.name) for row in rows if row.text], default=0)
    column = max([cells(row.text) for row in rows if row.comment and cells(row.text) <= _COMMENT_COLUMN], default=0)
    lines: list[str] = []
    for symbol, name, text, comment, below in rows:
        line = f"{_padded(name, width)} {text}" if text else name
        beside = f"{' ' * max(0, column - cells(text))}  {paint('dim', f'# {comment}')}" if comment else ""
        lines.append(f"      {paint(_FIELD_STYLES[symbol], symbol)} {line}{beside}")
        lines.extend([_below(each, paint) for each in below] if below else ())
    return lines


# Of many records the titles are the same few.
_title_width = lru_cache(maxsize=1000)(cells)
_padded = lru_cache(maxsize=1000)(pad)


def _below(line: str, paint: Paint) -> str:
    style = _FIELD_STYLES.get(line[:1])
    return f"          {paint(style, line[0]) + line[1:] if style else line}".rstrip()


def _row(field: Mapping[str, Any], reason: str, verbose: int, reasons: Mapping[str, str]) -> _Row:
    symbol = _symbol(field)
    if symbol == "+" and field["cause"] == "created" and not verbose and _is_on_one_line(field["after"]):
        return _Row(symbol, _titled(field["field"]), written(field["after"]), "")  # as `_difference` has it, and no comment
    text, below = _difference(field, symbol)
    return _Row(symbol, _titled(field["field"]), text, _comment(field, reason, verbose, reasons), below)


@lru_cache(maxsize=1000)
def _titled(name: str) -> str:
    return f"{clean(name)}:"


def _symbol(field: Mapping[str, Any]) -> str:
    if field["before"] in (None, []):
        return "+"
    return "-" if field["after"] is None else "~"


def _comment(field: Mapping[str, Any], reason: str, verbose: int, reasons: Mapping[str, str]) -> str:
    cause = field["cause"]
    said = "" if cause in _PLAIN_CAUSES else reasons.get(cause, "")
    if said == reason:
        said = ""
    if not verbose:
        return said
    file = _place(field["file"]) if field["file"] else ""
    return ", ".join(part for part in (said, file) if part)


def _difference(field: Mapping[str, Any], symbol: str) -> tuple[str, Sequence[str]]:
    """Return how a field changes: on one line, or on the lines below."""
    before, after = field["before"], field["after"]
    if isinstance(before, str) and isinstance(after, str):  # most are
        return text_change(before, after)
    if symbol == "+" and _is_on_one_line(after):
        return written(after), ()
    if isinstance(before, list) and before and isinstance(after, list):
        return set_change(before, after, field["members"]), ()
    if isinstance(before, Mapping) and isinstance(after, Mapping) and "id" not in {*before, *after}:
        return "", nested_change(before, after)
    long = long_change(before, after)
    if long is not None:
        return "", long
    return (written(after) if symbol == "+" else f"{written(before)} -> {written(after)}"), ()


def _is_on_one_line(value: Any) -> bool:
    return not (isinstance(value, str) and "\n" in value)


def _renamed(own: Mapping[str, Any], paint: Paint) -> list[str]:
    if not own["renamed"]:
        return []
    lines = [f"  {clean(each['from'])} is now {clean(each['to'])}" for each in own["renamed"]]
    return [paint("bold", "Renamed:"), *lines]


def _notes(own: Mapping[str, Any], paint: Paint) -> list[str]:
    """Return what the state will remember, without the names: those have a block of their own."""
    names = {(each["to"], f"renamed from {each['from']}") for each in own["renamed"]}
    notes = [each for each in own.get("notes", ()) if (each["address"], each["text"]) not in names]
    lines = [f"  {clean(each['address'])} {clean(each['text'])}" for each in notes]
    return [paint("bold", "To be remembered:"), *lines] if lines else []


def _kept(own: Mapping[str, Any], paint: Paint) -> list[str]:
    return _left(own["kept"], False, "Changed in Copper, kept:", paint)


def _observed(own: Mapping[str, Any], paint: Paint) -> list[str]:
    return _left(own["kept"], True, "Observed, never written:", paint)


def _left(kept: Sequence[Mapping[str, Any]], is_observed: bool, title: str, paint: Paint) -> list[str]:
    """Return a block of the values that stay although the file says otherwise."""
    chosen = [each for each in kept if each["is_observed"] is is_observed]
    lines = [paint("bold", title)] if chosen else []
    for address, group in _by_address(chosen):
        entries = list(group)
        lines.append(f"  {_heading(clean(address), entries[0])}")
        width = max(cells(clean(each["field"])) for each in entries) + 1
        for each in entries:
            text, below = _stays(each)
            lines.append(f"      {pad(clean(each['field']) + ':', width)} {text}")
            lines.extend(_below(line, paint) for line in below)
    return lines


def _stays(kept: Mapping[str, Any]) -> tuple[str, Sequence[str]]:
    """Return what stays in Copper beside what the file says: on one line, or on the lines below."""
    before, after = kept["before"], kept["after"]
    if isinstance(before, list) and before and isinstance(after, list):
        members = {**kept["members"], "foreign": []} if kept["members"] else None
        return f"{written(before)} stays; the file asks for {set_change(before, after, members)}", ()
    long = long_change(before, after)
    if long is not None:
        return "stays; the file (+) differs from Copper (-)", long
    return f"{written(before)} stays; the file says {written(after)}", ()


def _held(own: Mapping[str, Any], paint: Paint) -> list[str]:
    if not own["held"]:
        return []
    lines = [paint("bold", "Held, not done by this plan:")]
    for address, group in _by_address(own["held"]):
        entries = list(group)
        lines.append(f"  {_heading(clean(address), entries[0])}")
        for each in entries:
            if each["field"] is not None:
                lines.extend(_fields([each], "", lambda _, text: text, 0, {}))
            lines.extend(f"      {clean(line)}" for line in (each["reason"], *each["cure"].split("\n")) if line)
    return lines


_CHOICES = {
    "keep_human": "Copper's value stays",
    "take_file": "the file's value is written",
    "hand_over": "not managed any more",
    "accept": "Copper's value is right",
}


def _decided(own: Mapping[str, Any], paint: Paint) -> list[str]:
    lines = [paint("bold", "Decided in decisions.yaml:")] if own.get("decided") else []
    for address, group in _by_address(own.get("decided", ())):
        entries = list(group)
        lines.append(f"  {_heading(clean(address), entries[0])}")
        for each in entries:
            lines.append(f"      {clean(each['field'])}: {clean(each['choice'])}, {_CHOICES[each['choice']]}")
            lines.extend([f"          {clean(each['advice'])}"] if each["advice"] else [])
    return lines


def _by_address(entries: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, Iterable[Mapping[str, Any]]]]:
    return groupby(entries, key=lambda each: str(each["address"]))


def _gone(own: Mapping[str, Any], paint: Paint) -> list[str]:
    if not own["gone"]:
        return []
    lines = [paint("bold", "Gone from Copper (deleted or merged into another record):")]
    for each in own["gone"]:
        address = clean(each["address"])
        lines.append(f"  {_heading(address, each)}, was #{each['record_id']}")
        lines.append(f"      Create it again with: --recreate {address}")
        lines.append(f"      Or stop managing it:  crmsync state forget {address}")
    return lines


def _unsettled(own: Mapping[str, Any], paint: Paint) -> list[str]:
    if not own["unsettled"]:
        return []
    return [
        paint("bold", "Waiting for an earlier request:"),
        *(f"  {clean(address)}" for address in own["unsettled"]),
        "      Nobody knows yet whether it was executed. Nothing is planned for these; the next apply settles them first.",
    ]


def _breaches(own: Mapping[str, Any], paint: Paint) -> list[str]:
    if not own["breaches"]:
        return []
    lines = [paint("red", "Over the limits:")]
    return lines + [f"  {line}" for each in own["breaches"] for line in breach_lines(each)]


def _summary(document: Mapping[str, Any], paint: Paint, verbose: int) -> list[str]:
    own = document["crmsync"]
    counts, price = own["counts"], own["price"]
    lines = [paint("bold", _plan_line(counts) if document["resource_changes"] else _no_changes(own))]
    values = [f"{counts[key]} {key}" for key in ("filled", "overwritten", "kept", "held") if counts[key]]
    if values:
        lines.append(f"Values: {', '.join(values)}.")
    if own["is_partial"]:
        lines.append("This plan is partial: records outside --only and --except were not looked at.")
    if document["resource_changes"] or verbose:
        lines.append(f"Plan digest: {clean(own['digest'])}")
    if document["resource_changes"]:
        lines.append(price_sentence(price["requests"], price["bulk"], price["minutes"]))
    return lines


def _plan_line(counts: Mapping[str, int]) -> str:
    line = f"Plan: {counts['add']} to add, {counts['change']} to change, {counts['destroy']} to destroy"
    for key in ("adopt", "forget"):
        line += f", {counts[key]} to {key}" if counts[key] else ""
    return f"{line}."


def _no_changes(own: Mapping[str, Any]) -> str:
    if any(own[block] for block in ("held", "gone", "unsettled")):
        return "No changes. There is nothing to apply, but see above what needs a decision."
    if own.get("notes") or own.get("decided"):
        return "No changes. Applying changes nothing in Copper; it remembers what is listed above."
    if own["kept"]:
        return "No changes. Copper matches the files, apart from the values kept."
    return "No changes. Copper matches the files."


def price_sentence(requests: int, bulk: int, minutes: float) -> str:
    """Return ``Applying takes about 12 requests (3 bulk), less than a minute.``"""
    if not requests:
        return "Applying takes no requests."
    amount = f"{number_text(requests)} request{'' if requests == 1 else 's'}"
    return f"Applying takes about {amount}{f' ({bulk} bulk)' if bulk else ''}, {_duration(minutes)}."


def _duration(minutes: float) -> str:
    if minutes < 1:
        return "less than a minute"
    whole = round(minutes)
    if whole < 120:
        return f"about {whole} minute{'' if whole == 1 else 's'}"
    return f"about {whole // 60} h {whole % 60} min"
