"""What faults do: before a request is executed, to the records, and instead of its reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from random import Random

from crmsync.sandbox import outside
from crmsync.sandbox.codec import as_int
from crmsync.sandbox.faults import Fault, SilentTimeout
from crmsync.sandbox.replies import Reply, common, dump, parse
from crmsync.sandbox.tables import ENTITIES, EntityRow
from crmsync.sandbox.world import World

MakeReply = Callable[..., Reply]
"""Takes a status, a JSON value and headers."""


def _status(fault: Fault, make: MakeReply, reply: Reply | None = None) -> Reply:
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    text = "Too many requests" if fault.status_code == 429 else "Internal Server Error"
    return make(fault.status_code, common(fault.status_code, text), headers)


def _html(fault: Fault, make: MakeReply, reply: Reply | None = None) -> Reply:
    page = b"<!DOCTYPE html><html><body><h1>We'll be right back</h1></body></html>"
    headers = dict(make(fault.status_code, None).headers)
    headers |= {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(page))}
    return Reply(fault.status_code, headers, page)


def _redirect(fault: Fault, make: MakeReply, reply: Reply | None = None) -> Reply:
    return make(fault.status_code, {}, {"Location": "https://elsewhere.invalid/developer_api/v1/"})


def _truncated(fault: Fault, make: MakeReply, reply: Reply) -> Reply:
    return _with_body(reply, reply.body[: len(reply.body) // 2])


def _short_page(fault: Fault, make: MakeReply, reply: Reply) -> Reply:
    rows = parse(reply.body)
    return _with_body(reply, dump(rows[: -max(1, len(rows) // 10)])) if isinstance(rows, list) and rows else reply


def _with_body(reply: Reply, body: bytes) -> Reply:
    return Reply(reply.status, {**reply.headers, "Content-Length": str(len(body))}, body)


def _refused(fault: Fault, make: MakeReply, reply: Reply | None = None) -> Reply:
    raise ConnectionRefusedError("the sandbox refused the connection")


def _reset(fault: Fault, make: MakeReply, reply: Reply | None = None) -> Reply:
    raise ConnectionResetError("the sandbox dropped the connection")


def _timeout(fault: Fault, make: MakeReply, reply: Reply | None = None) -> Reply:
    raise SilentTimeout(fault.seconds)


TELLING = ("status_before", "status_after", "html", "redirect")
PASSING = ("truncated", "short_page")
BEFORE: Mapping[str, Callable[[Fault, MakeReply], Reply]] = {
    "status_before": _status,
    "refused": _refused,
    "reset_before": _reset,
    "timeout_before": _timeout,
    "html": _html,
    "redirect": _redirect,
}
AFTER: Mapping[str, Callable[[Fault, MakeReply, Reply], Reply]] = {
    "status_after": _status,
    "reset_after": _reset,
    "timeout_after": _timeout,
    "truncated": _truncated,
    "short_page": _short_page,
    "html": _html,
}


# ---- other people, at the worst moment


def meddle(world: World, fault: Fault, path: str, rng: Random) -> None:
    """Let somebody change a record just before the request; nothing happens where there is none."""
    row, id = _victim(world, fault.record or path, rng)
    if row is not None and id is not None:
        with suppress(outside.LabelError):
            MEDDLING[fault.kind](world, row, id, fault, rng)


def _victim(world: World, place: str, rng: Random) -> tuple[EntityRow | None, int | None]:
    """Return the record that `people/123` names, or any of the type where it names none."""
    words = place.strip("/").split("/")
    row = ENTITIES.get(words[0])
    id = as_int(words[1]) if len(words) > 1 else None
    if row is not None and id is None:
        id = _any(world, row, rng)
    return row, id


def _any(world: World, row: EntityRow, rng: Random, but: int = 0) -> int | None:
    ids = [id for id in world.store.records[row.plural] if id != but]
    return rng.choice(ids) if ids else None


def _clone(world: World, row: EntityRow, id: int, fault: Fault, rng: Random) -> None:
    outside.clone(world, row, id)


def _merge(world: World, row: EntityRow, id: int, fault: Fault, rng: Random) -> None:
    winner = as_int(fault.into) or _any(world, row, rng, but=id)
    if winner is not None and winner != id:
        outside.merge(world, row, winner, id)


def _hide(world: World, row: EntityRow, id: int, fault: Fault, rng: Random) -> None:
    world.store.hide(row.plural, id, True)


def _delete(world: World, row: EntityRow, id: int, fault: Fault, rng: Random) -> None:
    outside.delete_outside(world, row, id)


MEDDLING: Mapping[str, Callable[[World, EntityRow, int, Fault, Random], None]] = {
    "clone": _clone,
    "merge": _merge,
    "hide": _hide,
    "delete": _delete,
}
