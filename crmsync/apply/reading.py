"""Guard reads: what the records look like right before they are written."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence, Set
from typing import Any

from msgspec import Struct, field

from crmsync.apply import requests
from crmsync.apply.work import GUARD_SECONDS, Work
from crmsync.model.address import Address
from crmsync.model.bodies import decode_body
from crmsync.model.catalogue import EntityType
from crmsync.model.effects import Answer, Effect, Failed, Read
from crmsync.model.http import Unparseable, header, parse_json
from crmsync.model.plan import Step
from crmsync.model.records import Observed


class Guard(Struct, frozen=True):
    """What Copper showed of some records at *at* (our clock): None if one is gone; *trouble* when nobody answered."""

    at: float
    observed: Mapping[Address, Observed | None] = field(default_factory=dict)
    trouble: str = ""


Reading = Generator[Effect, Answer, Any]


def read_guard(work: Work, entity: EntityType, steps: Sequence[Step], now: float) -> Generator[Effect, Answer, Guard]:
    """
    Return what Copper shows of the records of *steps*.

    One search by ids; a record missing from it is asked for by itself, for "not seen" is never "gone".
    A record that this run wrote is not searched for, because the search index may lag: its own answer counts while it
    is young, then a GET.
    """
    found: dict[Address, Observed | None] = {}
    alone: list[Step] = []
    searched: list[Step] = []
    oldest = math.inf
    for step in steps:
        known = work.fresh.get(step.address)
        if known is not None and now - known[1] <= GUARD_SECONDS / 2:
            found[step.address] = known[0]
            oldest = min(oldest, known[1])
        elif step.address in work.written:
            alone.append(step)
        else:
            searched.append(step)
    if searched:
        seen, left = yield from _search(work, entity, searched)
        if isinstance(seen, str):
            return Guard(now, trouble=seen)
        oldest = min(oldest, now if left is None else left)
        found |= {step.address: seen[work.record_id(step)] for step in searched if work.record_id(step) in seen}
        alone += [step for step in searched if work.record_id(step) not in seen]
    for step in alone:
        record, left = yield from _read_one(work, entity, work.record_id(step))
        if isinstance(record, str):
            return Guard(now, trouble=record)
        found[step.address] = record
        oldest = min(oldest, now if left is None else left)
    return Guard(oldest, found)


def _search(
    work: Work, entity: EntityType, steps: Sequence[Step]
) -> Generator[Effect, Answer, tuple[dict[int, Observed] | str, float | None]]:
    answer = yield Read(requests.by_ids(entity, [work.record_id(step) for step in steps]))
    data = data_of(answer)
    if not isinstance(data, list):
        return _trouble(answer), answer.left
    try:
        records = [decode_body(entity, body, work.catalogue.locale) for body in data]
    except (ValueError, TypeError, AttributeError) as error:
        return f"Copper showed a record that makes no sense: {error}", answer.left
    return {record.id: record for record in records}, answer.left


def read_one(work: Work, entity: EntityType, id: int) -> Generator[Effect, Answer, Observed | str | None]:
    """Return the record with *id*, None when Copper says that there is none, or a text when nobody could say."""
    return (yield from _read_one(work, entity, id))[0]


def _read_one(
    work: Work, entity: EntityType, id: int
) -> Generator[Effect, Answer, tuple[Observed | str | None, float | None]]:
    """Return what `read_one` does, and when the request left."""
    answer = yield Read(requests.get(entity, id))
    if not isinstance(answer.value, Failed) and answer.value.status == 404:
        return None, answer.left
    data = data_of(answer)
    if not isinstance(data, Mapping) or data.get("id") != id:
        return _trouble(answer), answer.left
    try:
        return decode_body(entity, data, work.catalogue.locale), answer.left
    except (ValueError, TypeError, AttributeError) as error:
        return f"Copper showed a record that makes no sense: {error}", answer.left


def newest(
    work: Work, entity: EntityType, since: int, bound: Set[tuple[str, int]], readings: int = 1
) -> Generator[Effect, Answer, list[Observed] | str]:
    """
    Return the records created since *since* (unix seconds, Copper's clock), or a text when nobody could say.

    Those that are *bound*, by type and id, are somebody's and left out: a large run has made most of what is new.

    A page may leave out rows. While fewer were seen than X-PW-TOTAL speaks of, which may be too many, it is read again,
    up to *readings* times: for who concludes that there is none.
    """
    found: dict[int, Observed | None] = {}
    for _ in range(readings):
        is_complete = yield from _newest_once(work, entity, since, bound, found)
        if isinstance(is_complete, str):
            return is_complete
        if is_complete:
            break
    return [record for record in found.values() if record is not None]


def _newest_once(
    work: Work, entity: EntityType, since: int, bound: Set[tuple[str, int]], found: dict[int, Observed | None]
) -> Generator[Effect, Answer, bool | str]:
    """
    Add the records created since *since* to *found*, as nothing those that are *bound*, and say whether those were all, or
    a text when nobody could say.

    A page with fewer rows than asked is no end; an empty one is, and the last of which X-PW-TOTAL speaks once as many
    rows as that were seen (copper-api.md section 6).
    """
    page = 0
    while True:
        page += 1
        answer = yield Read(requests.newest(entity, since, page))
        data = data_of(answer)
        if not isinstance(data, list):
            return "Copper could not be searched for it."
        try:
            records = [decode_body(entity, body, work.catalogue.locale) for body in data]
        except (ValueError, TypeError, AttributeError) as error:
            return f"Copper showed a record that makes no sense: {error}"
        found.update((each.id, None if (entity.name, each.id) in bound else each) for each in records)
        text = header(answer.value, "X-PW-TOTAL") or ""
        is_complete = text.isdecimal() and len(found) >= int(text)
        if not data or (is_complete and page * requests.SEARCH_SIZE >= int(text)):
            return is_complete


def find_naming(work: Work, entity: EntityType, step: Step) -> Generator[Effect, Answer, Observed | str | None]:
    """
    Return a record that names the one of *step* as its company or contact and does not leave in this plan, or None.

    A text when nobody could say. What Copper merely relates to it does not count, nor does what the plan was allowed to
    leave behind.
    """
    id = work.record_id(step)
    answer = yield Read(requests.related(entity, id))
    data = data_of(answer)
    if not isinstance(data, list):
        return _trouble(answer)
    orphans = set(work.change(step.address).orphans)
    for other, other_id in _namers(work, entity, data):
        if (other.name, other_id) in work.leaving or (other.name, other_id) in orphans:
            continue
        record = yield from read_one(work, other, other_id)
        if isinstance(record, str):
            return record
        if record is not None and any(record.fields.get(row.name) == id for row in other.links if row.target == entity.name):
            return record
    return None


def _namers(work: Work, entity: EntityType, data: Sequence[Any]) -> list[tuple[EntityType, int]]:
    """Return those of the related records in *data* that have a link to *entity*."""
    types = {each.singular: each for each in work.catalogue.types if any(row.target == entity.name for row in each.links)}
    pairs = [(types.get(str(each.get("type"))), each.get("id")) for each in data if isinstance(each, Mapping)]
    return [(other, id) for other, id in pairs if other is not None and isinstance(id, int)]


def data_of(answer: Answer) -> Any:
    """Return the data of a successful answer, or None."""
    if isinstance(answer.value, Failed) or answer.value.status != 200:
        return None
    try:
        return parse_json(answer.value.body)
    except Unparseable:
        return None


def _trouble(answer: Answer) -> str:
    if isinstance(answer.value, Failed):
        return f"It could not be re-read: {answer.value.reason}."
    return f"It could not be re-read: Copper answered {answer.value.status}."
