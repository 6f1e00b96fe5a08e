"""
What Copper shows, as plain bodies: one function per question.

A body that has another shape than Copper's raises `ServerTrouble`: what cannot be understood is never taken for "there
is none". Searches show at most 200 rows a page and the first 100,000 of all matches, may show a page with fewer rows
although more follow, and count in X-PW-TOTAL an upper bound (copper-api.md section 6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from functools import partial
from itertools import chain, islice
from math import ceil
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct, field

from crmsync.copper.client import Client
from crmsync.copper.errors import NotFound, ServerTrouble, odd_answer
from crmsync.model.http import Request, Response, header, json_request

if TYPE_CHECKING:
    from crmsync.copper.rowtext import RawRow

PAGE_SIZE = 200
LAST_PAGE = 500
# Not documented; e-mails are long, and a person has few.
TEXTS_PER_CALL = 100
#: How often a search that speaks of more rows than it shows is read before it is believed that there are none.
READINGS = 3

Body = dict[str, Any]
Row = TypeVar("Row")


def account(client: Client) -> Body:
    """Return the account: id, name, time zone, settings."""
    return _one(*client.read_data(Request("GET", "/account")))


def me(client: Client) -> Body:
    """Return the user whose key is used."""
    return _one(*client.read_data(Request("GET", "/users/me")))


def users(client: Client) -> list[Body]:
    """Return all users."""
    return _all(client, "/users", {})


def definitions(client: Client) -> list[Body]:
    """Return the custom field definitions."""
    return _listing(client, "/custom_field_definitions")


def pipelines(client: Client) -> list[Body]:
    """Return the pipelines with their stages."""
    return _listing(client, "/pipelines")


def contact_types(client: Client) -> list[Body]:
    """Return the contact types."""
    return _listing(client, "/contact_types")


def customer_sources(client: Client) -> list[Body]:
    """Return the customer sources."""
    return _listing(client, "/customer_sources")


def loss_reasons(client: Client) -> list[Body]:
    """Return the loss reasons."""
    return _listing(client, "/loss_reasons")


def get(client: Client, path: str, id: int) -> Body | None:
    """
    Return one record, or None when Copper says that it is gone.

    A 404 in any other form than Copper's for records (a proxy's page, an unknown route) proves nothing and raises.
    """
    try:
        response, data = client.read_data(Request("GET", f"{path}/{id}"))
    except NotFound as error:
        if not error.is_record:
            raise ServerTrouble(f"The answer about {path}/{id} is a 404 that is not Copper's.", status=404) from error
        return None
    body = _one(response, data)
    if body["id"] != id:
        raise odd_answer(response, f"the record {path}/{id}")
    return None if body.get("is_deleted") is True else body


def by_ids(client: Client, path: str, ids: Iterable[int]) -> dict[int, Body]:
    """Return the records with *ids* that a search shows, by id; not seen is not gone."""
    wanted = sorted(set(ids))
    found = client.in_parallel(lambda chunk: _all(client, path, {"ids": chunk}), _chunks(wanted, PAGE_SIZE))
    return {body["id"]: body for bodies in found for body in bodies}


def raw_by_ids(client: Client, path: str, ids: Iterable[int]) -> dict[int, RawRow]:
    """Return the same as `by_ids`, of each record only id, dates and text."""

    def ask(chunk: list[int]) -> dict[int, RawRow]:
        found: dict[int, RawRow] = {}

        def take(rows: list[RawRow]) -> Iterable[int]:
            found.update((row.id, row) for row in rows)
            return (row.id for row in rows)

        _read_pages(partial(raw_page, client, path, {"ids": chunk}), take, set())
        return found

    return dict(chain.from_iterable(each.items() for each in client.in_parallel(ask, _chunks(sorted(set(ids)), PAGE_SIZE))))


def search_all(client: Client, path: str, filters: Mapping[str, Any] | None = None, *, readings: int = 1) -> list[Body]:
    """
    Return every record that *filters* let through, oldest first, each once, also beyond the first 100,000.

    For who concludes that there is none *readings* says how often to look while rows seem to be left out.
    """
    found: dict[int, Body] = {}
    _each(client, path, filters or {}, lambda body: found.update({body["id"]: body}), readings)
    return list(found.values())


def each_of_all(client: Client, path: str, keep: Callable[[Body], None], *, readings: int = 1) -> None:
    """Let *keep* have every record, page by page, as `search_all` finds them; one may come twice, as it is then."""
    _each(client, path, {}, keep, readings)


def _each(client: Client, path: str, filters: Mapping[str, Any], keep: Callable[[Body], None], readings: int) -> None:
    filters = {**filters, "sort_by": "date_created", "sort_direction": "asc"}
    found = _Seen(keep)
    while True:
        before = len(found.ids)
        if not _collect(client, path, filters, found, readings):
            return
        if len(found.ids) == before:
            raise ServerTrouble(f"More than {LAST_PAGE * PAGE_SIZE} records of {path} were created in the same second.")
        filters = {**filters, "minimum_created_date": found.newest()}


class _Seen(Struct):
    """The rows of a search as they come: *keep* has each, *ids* are those of all; the last is kept for its date."""

    keep: Callable[[Body], None]
    ids: set[int] = field(default_factory=set)
    undated: int | None = None
    created: int = 0

    def take(self, rows: list[Body]) -> Iterable[int]:
        """Have these rows as well, and return their ids."""
        for row in rows:
            self.keep(row)
            self.ids.add(row["id"])
            created = row.get("date_created")
            if isinstance(created, int):
                self.created = max(self.created, created)
            else:
                self.undated = row["id"]
        return (row["id"] for row in rows)

    def newest(self) -> int:
        """Return when the newest of them was created. Raises ServerTrouble."""
        if self.undated is not None:
            raise ServerTrouble(f"The record {self.undated} has no date_created.")
        return self.created


def by_texts(client: Client, path: str, filter: str, texts: Iterable[str], takes_many: bool) -> list[Body]:
    """
    Return records that a search for *texts* shows.

    Whether a filter is exact, or finds beginnings and parts as well, is not documented: the caller compares.
    """
    wanted = sorted(set(texts))
    asked: Iterable[Any] = _chunks(wanted, TEXTS_PER_CALL) if takes_many else wanted
    found = (search_all(client, path, {filter: ask}, readings=READINGS) for ask in asked)
    return list({body["id"]: body for bodies in found for body in bodies}.values())


def page(client: Client, path: str, filters: Mapping[str, Any], number: int) -> tuple[list[Body], int | None]:
    """Return one page of a search, counted from 1, and X-PW-TOTAL, an upper bound of all its rows."""
    response, data = client.read_data(_page_request(path, filters, number))
    return _rows(response, data), _total(response)


def raw_page(client: Client, path: str, filters: Mapping[str, Any], number: int) -> tuple[list[RawRow], int | None]:
    """Return one page as `page` does, of each row only id, dates and text."""
    from crmsync.copper.rowtext import rows_of  # for its cost: where little is read, nobody needs it

    response, data = client.read_data(_page_request(path, filters, number), parse=rows_of)
    if data is None or any(row.id < 0 for row in data):
        raise odd_answer(response, "a list of objects with ids")
    return data, _total(response)


def _page_request(path: str, filters: Mapping[str, Any], number: int) -> Request:
    return json_request("POST", f"{path}/search", {**filters, "page_number": number, "page_size": PAGE_SIZE})


def newest_created(client: Client, path: str, since: float) -> list[Body]:
    """Return the records created at *since* (Copper's clock, unix seconds) or later, newest first."""
    return _all(client, path, {"minimum_created_date": int(since), "sort_by": "date_created", "sort_direction": "desc"})


def related(client: Client, path: str, id: int) -> list[Body]:
    """Return what a record is related to: ``{"id", "type"}`` each, the type in the singular."""
    return _listing(client, f"{path}/{id}/related")


def count(client: Client, path: str, filters: Mapping[str, Any] | None = None) -> int:
    """Return how many records there are at most: X-PW-TOTAL is an upper bound."""
    payload = {**(filters or {}), "page_number": 1, "page_size": 1}
    response, _ = client.read_data(json_request("POST", f"{path}/search", payload))
    total = _total(response)
    if total is None:
        raise odd_answer(response, "a search with X-PW-TOTAL")
    return total


def _listing(client: Client, path: str) -> list[Body]:
    return _rows(*client.read_data(Request("GET", path)))


def _all(client: Client, path: str, filters: Mapping[str, Any]) -> list[Body]:
    found: dict[int, Body] = {}
    _collect(client, path, filters, _Seen(lambda body: found.update({body["id"]: body})))
    return list(found.values())


def _collect(client: Client, path: str, filters: Mapping[str, Any], found: _Seen, readings: int = 1) -> bool:
    """Take the rows of every page, and say whether Copper's cap cut the search off."""
    seen: set[int] = set()
    for _ in range(readings):
        end = _read_pages(partial(page, client, path, filters), found.take, seen)
        if end is not _End.SHORT:
            break
    return end is _End.CUT


class _End(Enum):
    """How a search ended: with all rows, with fewer than X-PW-TOTAL speaks of, or at Copper's cap."""

    ALL = auto()
    SHORT = auto()
    CUT = auto()


def _read_pages(
    ask: Callable[[int], tuple[list[Row], int | None]], take: Callable[[list[Row]], Iterable[int]], seen: set[int]
) -> _End:
    """
    Let *take* have the rows of every page that *ask* gives, and add their ids, which it returns, to *seen*.

    A page with fewer rows than asked is no end. An empty page is, and the last page the total speaks of once as many
    rows as that were seen; the rows that a short page left out come later.
    """
    for number in range(1, LAST_PAGE + 1):
        rows, total = ask(number)
        seen.update(take(rows))
        is_all = total is None or len(seen) >= total
        if not rows:
            return _End.ALL if is_all else _End.SHORT
        if total is not None and number >= ceil(total / PAGE_SIZE) and is_all:
            return _End.ALL
    return _End.CUT


def _total(response: Response) -> int | None:
    text = (header(response, "X-PW-TOTAL") or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _one(response: Response, data: Any) -> Body:
    if not _is_row(data):
        raise odd_answer(response, "an object with an id")
    body: Body = data
    return body


def _rows(response: Response, data: Any) -> list[Body]:
    if not isinstance(data, list) or not all(_is_row(row) for row in data):
        raise odd_answer(response, "a list of objects with ids")
    return data


def _is_row(data: Any) -> bool:
    # Copper's own activity types count from 0.
    return isinstance(data, dict) and type(data.get("id")) is int and data["id"] >= 0


def _chunks(values: Sequence[Any], size: int) -> Iterator[list[Any]]:
    remaining = iter(values)
    while chunk := list(islice(remaining, size)):
        yield chunk
