"""
Many writes, as many in a call as Copper takes.

Each record succeeds or fails alone (copper-api.md section 8). Two that share an e-mail or a domain never go in one call:
what Copper does then is not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from crmsync.client.book import Book
from crmsync.client.record import Record
from crmsync.client.writing import write
from crmsync.copper.errors import (
    AuthenticationFailed,
    CopperError,
    NotFound,
    PaymentRequired,
    PermissionDenied,
    Rejected,
    ServerTrouble,
    problem_text,
)
from crmsync.model.catalogue import EntityType
from crmsync.model.values import Members, Value

SIZE = 10
_LIMIT = re.compile(r"limit is ([0-9]{1,3})")
#: After these nothing else will do better. One record may be forbidden and another not, but not a whole call.
_HOPELESS = (AuthenticationFailed, PaymentRequired)
_HOPELESS_IN_BULK = (*_HOPELESS, PermissionDenied)
#: Answers after which nothing of a call was executed.
_REFUSALS = (Rejected, NotFound)

Done = TypeVar("Done")


@dataclass(frozen=True)
class Many(Sequence[Done | CopperError], Generic[Done]):
    """What became of many writes, in the order they were given: each one's result, or the error that says why not."""

    results: tuple[Done | CopperError, ...]

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, at: Any) -> Any:
        return self.results[at]

    @property
    def done(self) -> tuple[Done, ...]:
        """The results of those that were done."""
        return tuple(each for each in self.results if not isinstance(each, CopperError))

    @property
    def errors(self) -> tuple[tuple[int, CopperError], ...]:
        """What was not done, by its place in what was given, from 0."""
        return tuple((place, each) for place, each in enumerate(self.results) if isinstance(each, CopperError))

    def check(self) -> tuple[Done, ...]:
        """Return the results when all were done. Raises the first error otherwise."""
        for _, error in self.errors:
            raise error
        return self.done


class Written(Many[Record]):
    """What became of many records to write."""

    @property
    def records(self) -> tuple[Record, ...]:
        """What was written."""
        return self.done


class Deleted(Many[int]):
    """What became of many records to delete; one that was gone already is a NotFound."""

    @property
    def ids(self) -> tuple[int, ...]:
        """What was deleted."""
        return self.done


@dataclass(frozen=True)
class Part:
    """One record of a bulk call: its body, and the unique values in it."""

    body: dict[str, Any]
    uniques: frozenset[str]


def part(entity: EntityType, values: Mapping[str, Value], body: dict[str, Any]) -> Part:
    """Return one record of a bulk call."""
    found = [values[row.name] for row in entity.uniques if row.name in values]
    keys = [member.key for value in found if isinstance(value, Members) for member in value]
    keys += [value for value in found if isinstance(value, str)]
    return Part(body, frozenset(map(str, keys)))


Result = Record | CopperError


def send_many(
    book: Book, entity: EntityType, verb: str, parts: Sequence[Part], *, sleep: Callable[[float], None]
) -> list[Result]:
    """Return what became of *parts*, sent ten in a call, or one by one where Copper has no bulk call."""
    results: list[Result] = []
    size = SIZE if verb in entity.bulk else 0
    waiting = list(parts)
    while waiting:
        batch = next(_batches(waiting, max(1, size)))
        try:
            found = _in_bulk(book, entity, verb, batch, sleep) if size else _alone(book, entity, batch, sleep)
        except CopperError as error:
            smaller = _smaller(error, len(batch))
            if smaller is not None:
                size = smaller
                continue
            if isinstance(error, _HOPELESS_IN_BULK if size else _HOPELESS):
                return results + [error] * len(waiting)
            # Refused as a whole, because of one of them perhaps: alone each gets its own answer.
            found = _each(book, entity, batch, sleep) if size and isinstance(error, _REFUSALS) else [error] * len(batch)
        results += found
        waiting = waiting[len(batch) :]
    return results


def delete_many(book: Book, path: str, ids: Iterable[int], *, sleep: Callable[[float], None]) -> Deleted:
    """Return what became of *ids*, deleted one by one, for Copper has no bulk call."""
    results: list[int | CopperError] = []
    hopeless: CopperError | None = None
    for id in ids:
        try:
            if hopeless is None:
                write(book, "DELETE", f"{path}/{id}", sleep=sleep)
            results.append(hopeless or id)
        except CopperError as error:
            results.append(error)
            hopeless = error if isinstance(error, _HOPELESS) else None
    return Deleted(tuple(results))


def _batches(parts: Iterable[Part], size: int) -> Iterator[list[Part]]:
    """Yield parts in batches without two that share a unique value."""
    batch: list[Part] = []
    taken: set[str] = set()
    for each in parts:
        if len(batch) == size or taken & each.uniques:
            yield batch
            batch, taken = [], set()
        batch.append(each)
        taken |= each.uniques
    yield batch


def _in_bulk(
    book: Book, entity: EntityType, verb: str, batch: Sequence[Part], sleep: Callable[[float], None]
) -> list[Result]:
    bodies = [each.body for each in batch]
    data = write(book, "POST", f"{entity.path}/bulk_{verb}", {entity.name: bodies}, is_bulk=True, sleep=sleep)
    if not isinstance(data, list) or len(data) != len(batch):
        raise ServerTrouble("Copper's answer to a bulk call has another length.", "Look which records there are.")
    return [_result(book, entity, item) for item in data]


def _alone(book: Book, entity: EntityType, batch: Sequence[Part], sleep: Callable[[float], None]) -> list[Result]:
    return [_single(book, entity, each.body, sleep) for each in batch]


def _each(book: Book, entity: EntityType, batch: Sequence[Part], sleep: Callable[[float], None]) -> list[Result]:
    results: list[Result] = []
    for each in batch:
        try:
            results += _alone(book, entity, [each], sleep)
        except CopperError as error:
            results.append(error)
    return results


def _single(book: Book, entity: EntityType, body: dict[str, Any], sleep: Callable[[float], None]) -> Record:
    id = body.get("id")
    rest = {key: value for key, value in body.items() if key != "id"}
    method, path = ("POST", entity.path) if id is None else ("PUT", f"{entity.path}/{id}")
    return Record(entity.name, write(book, method, path, rest, sleep=sleep), book)


def _result(book: Book, entity: EntityType, item: Any) -> Record | CopperError:
    # A failed update carries an id as well: only `success` tells (copper-api.md section 8).
    if isinstance(item, dict) and item.get("success") is not False and isinstance(item.get("id"), int):
        return Record(entity.name, item, book)
    text = problem_text(item) or "no reason given"
    return Rejected(f"Copper refused the record: {text}", "Correct the value and try again.", status=422)


def _smaller(error: CopperError, sent: int) -> int | None:
    """Return the size that Copper says a bulk call may have, where it is less than *sent*; 0 where there is no such call."""
    if (isinstance(error, NotFound) and not error.is_record) or error.status == 405:
        return 0 if sent > 1 else None
    found = _LIMIT.search(error.message)
    size = int(found[1]) if found else 0
    return size if 0 < size < sent else None
