"""``FIELD=VALUE``, as a command line says what to write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crmsync.catalogue import CATALOGUE
from crmsync.client.book import type_named
from crmsync.client.copper import Copper
from crmsync.client.trouble import BadInput, a, bad
from crmsync.client.viewing import record_id
from crmsync.model.source import Diagnostic, Position

#: What stands in the place of a file name where an argument is wrong.
ARGUMENT = "FIELD=VALUE"


def first_of_each(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the text that first assigns each field, in the order in which `values_of` gives them."""
    first: dict[str, str] = {}
    for text in texts:
        first.setdefault(text.partition("=")[0].strip(), text)
    return tuple(first.values())


def check_target(text: str, texts: Sequence[str], *, is_new: bool) -> tuple[str, int | None]:
    """
    Return the type, and the id of a record, that ``leads`` or ``leads/123`` names. Raises BadInput.

    Types that files declare are refused: a record of theirs that is written past the state looks like somebody else's edit.
    """
    name, _, id = text.partition("/")
    entity = type_named(name)
    if any(entity.name == each.name for each in CATALOGUE.types):
        detail = f"Files say which {entity.name} there are. Write it into one, and run: crmsync apply"
        raise bad("CRM049", detail)
    if is_new and id:
        raise bad("CRM049", f'A new {entity.singular} has no id yet, so "{text}" is no place for one: write {entity.name}')
    if not is_new and not id:
        raise bad("CRM049", f"Which of {entity.name}? Write {entity.name}/ID, such as {entity.name}/123")
    problems = [_odd(each, number) for number, each in enumerate(texts, 1) if not each.partition("=")[1]]
    if problems:
        raise BadInput(problems)
    return entity.name, record_id(entity.name, id) if id else None


def values_of(copper: Copper, type_name: str, texts: Sequence[str]) -> Mapping[str, Any]:
    """
    Return the values that *texts* assign, by field name: nothing after ``=`` clears, a list is the field said again.

    Raises BadInput with everything that is wrong.
    """
    values: dict[str, Any] = {}
    problems: list[Diagnostic] = []
    for number, text in enumerate(texts, 1):
        name, _, value = text.partition("=")
        try:
            row = copper.field(type_name, name.strip())
        except BadInput as error:
            problems += [_placed(each, number, text) for each in error.diagnostics]
            continue
        if row.kind.is_set and value:
            values[row.name] = [*(values.get(row.name) or ()), value]
        elif row.name in values:
            problems.append(_said(f'"{row.name}" of {a(copper.entity(type_name).singular)} is one value.', number, text))
        else:
            values[row.name] = value or None
    if problems:
        raise BadInput(problems)
    return values


def _odd(text: str, number: int) -> Diagnostic:
    return _said(f'"{text}" assigns nothing. Write FIELD=VALUE, and FIELD= to clear it.', number, text, "CRM049")


def _said(detail: str, number: int, text: str, code: str = "CRM020") -> Diagnostic:
    return bad(code, detail, Position(ARGUMENT, number, 1, len(text))).diagnostics[0]


def _placed(found: Diagnostic, number: int, text: str) -> Diagnostic:
    return _said(found.detail, number, text, found.code.number)
