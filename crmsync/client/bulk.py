"""
Many writes, as many in a call as Copper takes.

Each record succeeds or fails alone (copper-api.md section 8). Two that share an e-mail or a domain never go in one call:
what Copper does then is not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from crmsync.client.book import Book
from crmsync.client.record import Record
from crmsync.client.writing import write
from crmsync.copper.errors import (
    AuthenticationFailed,
    CopperError,
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
#: After these nothing else will do better.
_HOPELESS = (AuthenticationFailed, PaymentRequired, PermissionDenied)


@dataclass(frozen=True)
class Written(Sequence[Record | CopperError]):
    """What became of many writes, in the order they were given: a record each, or the error that says why not."""

    results: tuple[Record | CopperError, ...]

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, at: Any) -> Any:
        return self.results[at]

    @property
    def records(self) -> tuple[Record, ...]:
        """What was written."""
        return tuple(each for each in self.results if isinstance(each, Record))

    @property
    def errors(self) -> tuple[tuple[int, CopperError], ...]:
        """What was not, by its place in what was given, from 0."""
        return tuple((place, each) for place, each in enumerate(self.results) if isinstance(each, CopperError))

    def check(self) -> tuple[Record, ...]:
        """Return the records when all were written. Raises the first error otherwise."""
        for _, error in self.errors:
            raise error
        return self.records


@dataclass(frozen=True)
class Part:
    """One record of a bulk call: its body, and the unique values in it."""

    body: dict[str, Any]
    uniques: frozenset[str]


def part(entity: EntityType, values: dict[str, Value], body: dict[str, Any]) -> Part:
    """Return one record of a bulk call."""
    found = [values[row.name] for row in entity.uniques if row.name in values]
    keys = [member.key for value in found if isinstance(value, Members) for member in value]
    keys += [value for value in found if isinstance(value, str)]
    return Part(body, frozenset(map(str, keys)))


def send_many(
    book: Book, entity: EntityType, verb: str, parts: Sequence[Part], *, sleep: Callable[[float], None]
) -> Written:
    """Return what became of *parts*, sent ten in a call, or one by one where Copper has no bulk call."""
    results: list[Record | CopperError] = []
    size = SIZE if verb in entity.bulk else 1
    waiting = list(parts)
    hopeless: CopperError | None = None
    while waiting:
        batch = next(_batches(waiting, size))
        if hopeless is not None:
            results += [hopeless] * len(waiting)
            break
        try:
            found = _send(book, entity, verb, batch, size, sleep)
        except Rejected as error:
            smaller = _smaller(error, len(batch))
            if smaller is not None:
                size = smaller
                continue
            found = [error] * len(batch)
        except CopperError as error:
            found = [error] * len(batch)
            hopeless = error if isinstance(error, _HOPELESS) else None
        results += found
        waiting = waiting[len(batch) :]
    return Written(tuple(results))


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


def _send(
    book: Book, entity: EntityType, verb: str, batch: list[Part], size: int, sleep: Callable[[float], None]
) -> list[Record | CopperError]:
    if verb not in entity.bulk:
        return [_single(book, entity, each.body, sleep) for each in batch]
    bodies = [each.body for each in batch]
    data = write(book, "POST", f"{entity.path}/bulk_{verb}", {entity.name: bodies}, is_bulk=True, sleep=sleep)
    if not isinstance(data, list) or len(data) != len(batch):
        raise ServerTrouble("Copper's answer to a bulk call has another length.", "Look which records there are.")
    return [_result(book, entity, item) for item in data]


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


def _smaller(error: Rejected, sent: int) -> int | None:
    """Return the size of a bulk call that Copper says it takes, where it is less than what was sent."""
    found = _LIMIT.search(error.message)
    size = int(found[1]) if found else 0
    return size if 0 < size < sent else None
