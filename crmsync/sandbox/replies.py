"""What the sandbox answers: replies, and the refusals that become replies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import simplejson

Json = Any
"""A parsed JSON value; numbers with a point are Decimal, so that money stays exact."""


class Request(Protocol):
    """What `Sandbox.handle` takes: any value with these four attributes."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes: ...


@dataclass(frozen=True)
class Reply:
    """One HTTP answer of the sandbox."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What a handler gives back: a JSON value, a status and the headers of its own."""

    value: Json
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one field: its text in a single call, its code in a bulk call."""

    field: str
    text: str
    code: str = "invalid"


class Refusal(Exception):
    """The request is answered with an error status."""

    def __init__(self, status: int, value: Json) -> None:
        super().__init__(f"{status}: {value}")
        self.status = status
        self.value = value


class Unrecorded(Refusal):
    """A refusal whose body nobody has seen: the common shape, or the quirk error_shape."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, common(status, message))
        self.message = message


class Invalid(Refusal):
    """The request breaks rules of validation; carries every broken rule."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(422, common(422, describe(self.problems)))


def common(status: int, message: str) -> Json:
    """Return the common error shape (copper-api.md section 9, recorded)."""
    return {"success": False, "status": status, "message": message}


def human(field: str) -> str:
    """Return *field* as error messages name it: `company_id` is `Company Id` (section 9, recorded)."""
    return field.replace("_", " ").title()


def describe(problems: Sequence[Problem]) -> str:
    """Return the message of a 422: one `Field: text` a line (section 9, recorded)."""
    lines = "\n".join(f"{human(p.field)}: {p.text}" for p in problems)
    return f"Invalid input: Validation errors: {lines}"


def not_found() -> Refusal:
    """Return the refusal for an id that does not exist (section 9, recorded)."""
    return Refusal(404, common(404, "Resource not found"))


def no_route() -> Refusal:
    """Return the refusal for a route Copper does not have (section 9, recorded)."""
    return Refusal(404, {"error": "not_found"})


def bad_request(why: str) -> Refusal:
    """Return the refusal of a request that cannot be read (the body of a 400 is not recorded)."""
    return Unrecorded(400, f"Bad Request: {why}")


def server_error() -> Refusal:
    """Return the answer to what made Copper stumble in 2018 (section 13; the body is not recorded)."""
    return Unrecorded(500, "Internal Server Error")


def unauthorized(why: str = "Unauthorized") -> Refusal:
    """Return the refusal of a key that does not fit (the body of a 401 is not recorded)."""
    return Unrecorded(401, why)


def unrecognized(names: Sequence[str]) -> Problem:
    """Return the problem of attributes an entity does not have (section 9, recorded)."""
    return Problem("base", f"Unrecognized attributes specified: {', '.join(names)}", "unrecognized")


def blank(field: str) -> Problem:
    """Return the problem of a required value that is missing (section 9, recorded)."""
    return Problem(field, "can't be blank", "blank")


def wrong(field: str, why: str) -> Problem:
    """Return the problem of a value that cannot be taken (the lead-in is recorded, the reason is ours)."""
    return Problem(field, f"Invalid value for {human(field)}: {why}")


def dump(value: Json) -> bytes:
    """Return *value* as the bytes of a JSON body, Decimal as a number."""
    return dump_text(value).encode()


def dump_text(value: Json) -> str:
    """Return *value* as JSON text."""
    return str(value) if value.__class__ is int else _encode(value)


# One encoder for all: setting out takes longer than a value does. Looking out for named tuples would take half of the time.
_encode = simplejson.JSONEncoder(
    use_decimal=True, separators=(",", ":"), ensure_ascii=False, namedtuple_as_object=False
).encode


def raw(text: str) -> Json:
    """Return JSON text that `dump` takes over as it is."""
    return simplejson.RawJSON(text)


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


def parse(body: bytes) -> Json:
    """Return the JSON value in *body*; an empty body and an empty list are an empty object (section 13)."""
    if not body.strip():
        return {}
    try:
        value = simplejson.loads(body.decode("utf-8"), use_decimal=True, parse_constant=_no_constant)
        if b"\\u" in body:
            # Half a surrogate pair is JSON, but no text: it could never be sent back.
            dump(value)
    except ValueError as error:
        raise bad_request("the body is not JSON") from error
    return {} if value == [] else value
