"""What a route is, and a request taken apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crmsync.sandbox.codec import Bad, as_int, read_text
from crmsync.sandbox.replies import (
    Answer,
    Invalid,
    Json,
    Problem,
    bad_request,
    blank,
    not_found,
    server_error,
    unrecognized,
    wrong,
)
from crmsync.sandbox.world import World


@dataclass(frozen=True)
class Call:
    """A request taken apart: path parameters, query, parsed body, and the user it speaks for."""

    parts: Mapping[str, str]
    query: Mapping[str, Json]
    body: Json
    user_email: str

    @property
    def computed(self) -> bool:
        """Whether custom fields shall carry computed_value (copper-api.md 5.4)."""
        return str(self.query.get("custom_field_computed_values", "")).lower() == "true"

    @property
    def criteria(self) -> Json:
        """The body of a search with the parameters of the query string below it (section 13)."""
        if not isinstance(self.body, dict):
            return self.body
        query = {key: value for key, value in self.query.items() if key != "custom_field_computed_values"}
        return query | self.body


Handler = Callable[[World, Call], Answer]


@dataclass(frozen=True)
class Route:
    """One operation of the API."""

    method: str
    pattern: str
    handler: Handler
    writes: bool = False
    is_bulk: bool = False


def path_id(world: World, text: str) -> int:
    """Return the id in a path; text is not found, and -1 made Copper stumble (section 13)."""
    id = as_int(text)
    if id is not None and id <= 0 and world.quirks.impossible_id == "error":
        raise server_error()
    if id is None or id <= 0:
        raise not_found()
    return id


def thing(world: World, shelf: str, id: int) -> dict[str, Json]:
    """Return a thing that is kept on a shelf, or raise the 404."""
    found: dict[str, Json] | None = world.store.things[shelf].get(id)
    if found is None:
        raise not_found()
    return found


class Form:
    """Reads the keys of a body that is no record, and gathers what is wrong with them."""

    def __init__(self, world: World, body: Json, known: Iterable[str], read_only: Iterable[str] = ()) -> None:
        if not isinstance(body, dict):
            raise bad_request("the body must be an object")
        self.body = body
        self.problems: list[Problem] = []
        own = set(read_only) if world.quirks.own_read_only_keys == "ignore" else set()
        unknown = [key for key in body if key not in set(known) | own]
        if unknown and (world.quirks.unknown_keys == "refuse" or set(unknown) & set(read_only)):
            self.problems.append(unrecognized(unknown))

    def wrong(self, name: str, why: str) -> None:
        """Note that a value cannot be taken."""
        self.problems.append(wrong(name, why))

    def text(self, name: str, default: Any = None, *, longest: int = 255, required: bool = False) -> Any:
        """Return a text, or *default* where the key is left out."""
        if name not in self.body and not required:
            return default
        try:
            text = read_text(self.body.get(name), longest)
        except Bad as bad:
            self.wrong(name, bad.why)
            return default
        if not (text or "").strip() and (required or default is not None):
            self.problems.append(blank(name))
        return text

    def word(self, name: str, words: Sequence[str], default: Any = None, *, required: bool = False) -> Any:
        """Return one of *words*, or *default* where the key is left out."""
        text = self.text(name, default, required=required)
        if text and text not in words:
            self.wrong(name, f"must be one of {', '.join(words)}: {text}")
        return text

    def flag(self, name: str, default: bool) -> bool:
        """Return true or false, or *default* where the key is left out."""
        value = self.body.get(name, default)
        if not isinstance(value, bool):
            self.wrong(name, f"must be true or false: {value}")
        return value is True

    def mapping(self, name: str, default: Any = None) -> Any:
        """Return an object of texts, or *default* where the key is left out."""
        value = self.body.get(name, default)
        if value is not None and not (isinstance(value, dict) and all(isinstance(v, str) for v in value.values())):
            self.wrong(name, "must be an object of strings")
            return default
        return value

    def settle(self) -> None:
        """Raise what was gathered, if anything."""
        if self.problems:
            raise Invalid(self.problems)
