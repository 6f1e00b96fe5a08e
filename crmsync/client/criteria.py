"""
Conditions to what Copper is asked and to what is checked here.

Copper narrows, we decide: whether its filters are exact is not documented, so every condition on a field is checked again
on what comes back. A condition that Copper cannot be asked is only checked here, and a notice says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from crmsync.catalogue.filters import CUSTOM_FORMS, SEARCHES, Criterion, Form
from crmsync.client import asking
from crmsync.client.book import Book
from crmsync.client.record import Record
from crmsync.client.trouble import BadInput, bad
from crmsync.client.values import alternatives, canonical
from crmsync.copper import read
from crmsync.model.catalogue import EntityType, Field
from crmsync.model.source import Diagnostic, Position, in_file_order
from crmsync.model.values import Members, Value, is_empty

Check = Callable[[Record], bool]

OPERATORS = ("=", "!=", ">=", "<=", "~")
_WHERE = re.compile(r"\s*(?P<name>[^=!<>~]+?)\s*(?P<operator>[=!<>~]+)\s*(?P<value>.*?)\s*", re.DOTALL)
#: Kinds whose values have an order.
_ORDERED = frozenset({"number", "money", "percentage", "whole", "date", "close_date", "timestamp", "moment"})
_INSTANTS = frozenset({"timestamp", "moment"})
_ID, _IDS = "id", frozenset({"id", "ids"})


@dataclass(frozen=True, slots=True)
class Condition:
    """
    One condition: a field's name, an operator, the values of which any will do; None is empty.

    *place* is where the name stands, *value_place* where the value does.
    """

    name: str
    operator: str
    values: tuple[Any, ...]
    place: Position
    value_place: Position


@dataclass(frozen=True)
class Criteria:
    """What Copper is asked, what is checked here, and what the caller should know about it."""

    filters: Mapping[str, Any]
    unsure: Mapping[str, Any]
    checks: tuple[Check, ...]
    notices: tuple[str, ...]

    def fits(self, record: Record) -> bool:
        """Say whether a record meets every condition."""
        return all(check(record) for check in self.checks)


def parse_where(text: str, number: int = 1) -> Condition:
    """Return the condition written as ``name=value``, the *number*-th of its command. Raises BadInput."""
    found = _WHERE.fullmatch(text)
    place = Position("--where", number, 1, max(1, len(text)))
    if found is None:
        raise bad("CRM048", f'"{text}" is no condition. Write a field, one of {" ".join(OPERATORS)}, and a value.', place)
    if found["operator"] not in OPERATORS:
        start = Position("--where", number, found.start("operator") + 1, len(found["operator"]))
        near = next((each for each in (f"{found['operator'][0]}=", found["operator"][0]) if each in OPERATORS), None)
        hint = f' Did you mean "{near}"?' if near else ""
        detail = f'There is no operator "{found["operator"]}".{hint} There are: {" ".join(OPERATORS)}.'
        raise bad("CRM048", detail, start)
    mark = Position("--where", number, found.start("name") + 1, len(found["name"]))
    value_mark = Position("--where", number, found.start("value") + 1, max(1, len(found["value"])))
    return Condition(found["name"], found["operator"], (found["value"] or None,), mark, value_mark)


def conditions(type_name: str, where: Iterable[str], given: Mapping[str, Any]) -> list[Condition]:
    """Return the conditions of a search: texts such as ``monetary_value>=100``, and values by field. Raises BadInput."""
    found = [parse_where(text, number) for number, text in enumerate(where, 1)]
    for name, value in given.items():
        found += _given(type_name, name, value)
    return found


def _given(type_name: str, name: str, value: Any) -> Iterator[Condition]:
    place = Position(f"{type_name}.search", 1, 1)
    if isinstance(value, Mapping) and name in ("custom_fields", "address"):
        for part, each in value.items():
            yield from _given(type_name, f"{name}.{part}", each)
        return
    operator = "="
    for prefix, bound in (("minimum_", ">="), ("maximum_", "<=")):
        if name.startswith(prefix):
            name, operator = _dated(name.removeprefix(prefix)), bound
    values = tuple(value) if isinstance(value, list | tuple | set | frozenset) else (value,)
    if not values:
        raise bad("CRM020", f'"{name}" is given no value to look for. None means those that have none.', place)
    yield Condition(name, operator, values, place, place)


def _dated(name: str) -> str:
    """Return the field that Copper's own ``minimum_created_date`` speaks of."""
    return {"created_date": "date_created", "modified_date": "date_modified", "stage_change_date": "date_stage_changed"}.get(
        name, name
    )


def criteria(book: Book, entity: EntityType, wanted: Iterable[Condition]) -> Criteria:
    """Return what to ask and to check. Raises BadInput with everything that is wrong with the conditions."""
    search = SEARCHES[entity.name]
    filters: dict[str, Any] = {}
    unsure: dict[str, Any] = {}
    checks: list[Check] = []
    local: list[Condition] = []
    problems: list[Diagnostic] = []
    for condition in wanted:
        aside = search.criteria.get(_ID if condition.name in _IDS else condition.name)
        try:
            if aside is not None and aside.aside:
                target = filters if aside.is_sure else unsure
                target[aside.key] = found = _aside(aside, condition)
                checks += _id_checks(aside, found)
                continue
            row = book.field(entity.name, condition.name, condition.place)
            test = _Test.of(book, row, condition)
        except BadInput as error:
            problems += error.diagnostics
            continue
        checks.append(test.check)
        criterion = search.criteria.get(row.name)
        asked = _asked(book, row, criterion, test)
        target = filters if criterion is None or criterion.is_sure else unsure
        if asked is None:
            local.append(condition)
        else:
            asking.add(target, asked)
    if problems:
        raise BadInput(in_file_order(problems))
    return Criteria(filters, unsure, tuple(checks), tuple(_notices(book, entity, local)))


def _aside(criterion: Criterion, condition: Condition) -> Any:
    """Return the value of a filter that no field answers. Raises BadInput for what cannot be asked with it."""
    if len(condition.values) > read.PAGE_SIZE:
        raise bad("CRM020", f"A search takes at most {read.PAGE_SIZE} ids; get_many takes any number.", condition.place)
    if condition.operator != "=":
        raise bad("CRM020", f'"{condition.name}" is {criterion.aside}: ask for it with =.', condition.place)
    return asking.aside(criterion, condition.values, condition.value_place)


def _id_checks(criterion: Criterion, found: Any) -> Iterator[Check]:
    if criterion.name == _ID:
        wanted = frozenset(found)
        yield lambda record: record.id in wanted


def _notices(book: Book, entity: EntityType, wanted: list[Condition]) -> Iterator[str]:
    rest = "crmsync reads all that match the rest, and looks itself."
    for name, operator in dict.fromkeys((each.name, each.operator) for each in wanted):
        yield f'Copper cannot search {entity.name} by "{name}"{_why(book, entity, name, operator)}: {rest}'


def _why(book: Book, entity: EntityType, name: str, operator: str) -> str:
    """Return what it is about a condition that Copper's search cannot do."""
    row = book.field(entity.name, name)
    if row.definition_id is not None:
        definition = book.data_type(row)
        if row.kind.name not in CUSTOM_FORMS:
            return f", which is a custom field of type {definition['data_type']}"
        if not definition.get("is_filterable"):
            return ", which is a custom field that is not set to be filterable"
    elif row.name not in SEARCHES[entity.name].criteria:
        return ""
    return f" with {operator}" if operator in ("!=", "~") else " in this way"


@dataclass(frozen=True)
class _Test:
    """One condition on one field, with canonical values; *spans* are (low, high) where values have an order."""

    row: Field
    operator: str
    values: tuple[Value, ...]
    spans: tuple[tuple[Any, Any], ...] = ()
    text: str = ""

    @classmethod
    def of(cls, book: Book, row: Field, condition: Condition) -> _Test:
        """Return the test of a condition. Raises BadInput."""
        is_ordered, place = row.kind.name in _ORDERED, condition.value_place
        if condition.operator in (">=", "<=") and not is_ordered:
            detail = f'"{condition.name}" has no order. Use =, != or ~.'
            raise bad("CRM020", detail, condition.place)
        if condition.operator == "~":
            return cls(row, "~", (), text=str(condition.values[0] or "").casefold())
        if is_ordered:
            spans = tuple(_span(book, row, value, place) for value in condition.values)
            return cls(row, condition.operator, (), spans)
        values = [each for value in condition.values for each in alternatives(book, row, value, place)]
        return cls(row, condition.operator, tuple(values))

    def check(self, record: Record) -> bool:
        """Say whether a record passes."""
        value = record.value(self.row)
        if self.operator == "~":
            return any(self.text in text.casefold() for text in _texts(record.shown(self.row)))
        if self.spans:
            return _is_in_spans(value, self.operator, self.spans)
        return any(_same(self.row, value, wanted) for wanted in self.values) is (self.operator == "=")


def _span(book: Book, row: Field, value: Any, place: Position) -> tuple[Any, Any]:
    """Return the least and the greatest value that *value* means: a day is many instants."""
    if value is None:
        return None, None
    if row.kind.name not in _INSTANTS:
        exact = canonical(book, row, value, place)
        return exact, exact
    return asking.instants(book, row, value, place)


def _is_in_spans(value: Any, operator: str, spans: tuple[tuple[Any, Any], ...]) -> bool:
    if operator in ("=", "!="):
        fits = any(value is None if low is None else value is not None and low <= value <= high for low, high in spans)
        return fits is (operator == "=")
    low, high = spans[0]
    if value is None or low is None:
        return False
    return bool(value >= low if operator == ">=" else value <= high)


def _same(row: Field, value: Value, wanted: Value) -> bool:
    """Say whether a value is what was wanted, without regard to case; of a set any member will do."""
    if is_empty(wanted):
        return is_empty(value)
    if isinstance(wanted, Members):
        have = value.items if isinstance(value, Members) else ()
        matches = _MEMBER_MATCHES.get(row.kind.name, str.__eq__)
        return any(matches(str(mine.key), str(other.key)) for mine in have for other in wanted)
    if isinstance(value, Members):
        return isinstance(wanted, str | int) and value.get(wanted) is not None
    if isinstance(value, str) and isinstance(wanted, str):
        return value.casefold() == wanted.casefold()
    return value == wanted


def _number_matches(mine: str, theirs: str) -> bool:
    """Say whether a number ends with the digits wanted, as Copper's own filter does (copper-api.md 6.1)."""
    digits = re.sub(r"\D", "", theirs)
    return bool(digits) and re.sub(r"\D", "", mine).endswith(digits)


_MEMBER_MATCHES = {"phone_numbers": _number_matches}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        yield from (str(text) for key, text in value.items() if key != "category")
    elif isinstance(value, datetime | date):
        yield value.isoformat()
    elif value is not None:
        yield str(value)


def _asked(book: Book, row: Field, criterion: Criterion | None, test: _Test) -> Mapping[str, Any] | None:
    """Return the filter for a test, or None when Copper cannot be asked."""
    if test.operator in ("!=", "~"):
        return None
    if row.definition_id is None:
        return None if criterion is None else asking.filter_of(book, row, criterion, test.operator, test.values, test.spans)
    form = CUSTOM_FORMS.get(row.kind.name)
    if form is None or not book.data_type(row).get("is_filterable"):
        return None
    return asking.custom(book, row, Form(form), test.operator, test.values, test.spans)
