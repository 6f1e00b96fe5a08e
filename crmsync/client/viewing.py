"""What a command names to look at: all of a type, one record, what it is related to, its activities."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from crmsync.client.book import type_named
from crmsync.client.columns import Column, all_columns, chosen_columns, local_columns, usual_columns
from crmsync.client.copper import Copper
from crmsync.client.criteria import parse_where
from crmsync.client.record import Record
from crmsync.client.trouble import bad


@dataclass(frozen=True)
class View:
    """The records to show, of one type, or of several (*type* is then ``records``)."""

    copper: Copper
    type: str
    records: Callable[[], Iterable[Record]]
    notices: tuple[str, ...] = ()
    is_one: bool = False

    def columns(self, names: Sequence[str] | None, *, is_wide: bool, is_local: bool = False) -> tuple[Column, ...]:
        """
        Return the columns that are named, else all when *is_wide*, else those that fit on a screen. Raises BadInput.

        With *is_local* times are those of the account's zone, as people read them.
        """
        columns = self._columns(names, is_wide)
        return local_columns(columns, self.copper.zone) if is_local else columns

    def _columns(self, names: Sequence[str] | None, is_wide: bool) -> tuple[Column, ...]:
        if self.type == "records":
            return _MIXED
        if names:
            return chosen_columns(self.copper, self.type, names)
        return all_columns(self.copper, self.type) if is_wide else usual_columns(self.copper, self.type)


_MIXED = (
    Column("type", lambda record: record.type),
    Column("id", lambda record: record.id),
    Column("name", lambda record: record.get("name")),
)


def check_words(parts: Sequence[str], where: Sequence[str]) -> None:
    """Look at what a command names without asking Copper. Raises BadInput."""
    for name in parts[:1]:
        type_named(name)
    for number, text in enumerate(where, 1):
        parse_where(text, number)


def find(
    copper: Copper,
    parts: Sequence[str],
    where: Sequence[str],
    sort: str | None,
    is_descending: bool,
    limit: int | None,
) -> View:
    """Return what ``people``, ``people 123``, ``people/123/related`` or ``people/123/activities`` names. Raises BadInput."""
    type_name = type_named(parts[0] if parts else "").name
    records = copper[type_name]
    if len(parts) < 2:
        search = records.search(*where, sort=sort, descending=is_descending, limit=limit)
        return View(copper, type_name, lambda: search, search.notices)
    id = record_id(type_name, parts[1])
    if len(parts) == 2:
        record = records.get(id)
        return View(copper, type_name, lambda: (record,), is_one=True)
    if parts[2] == "activities":
        activities = records.activities(id, *where, sort=sort, descending=is_descending, limit=limit)
        return View(copper, "activities", lambda: activities, activities.notices)
    if parts[2] != "related" or len(parts) > 4:
        raise bad("CRM049", f'A record has "related" and "activities", not "{parts[2]}".')
    only = parts[3] if len(parts) == 4 else None
    return View(copper, "records", lambda: records.related(id, only, full=True))


def record_id(type_name: str, text: str) -> int:
    digits = text.removeprefix("#")
    if not (digits.isascii() and digits.isdigit()):
        raise bad("CRM049", f'"{text}" is not the id of one of {type_name}. To search by name: --where name="{text}"')
    return int(digits)
