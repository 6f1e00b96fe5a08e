"""What all kinds share: reading one scalar of a file, naming what is wrong with it, refusing odd data of the wire."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from crmsync.model.catalogue import Field, Locale
from crmsync.model.codes import CODES
from crmsync.model.source import Node, Position, Problem, Scalar
from crmsync.model.values import Written

#: What reading a node gives: a value, or what is wrong.
Read = tuple[Written, tuple[Problem, ...]]
Reader = Callable[[Node, Field, Locale], Read]

#: The schema of anything written as one word; what it means is for the kind to say.
ANY_SCALAR = ("string", "number", "boolean")


class Fault(Struct, frozen=True):
    """What is wrong with one text: the number of a code, and the detail."""

    code: str
    detail: str

    def at(self, position: Position) -> Problem:
        """Return the problem at its place."""
        return Problem(CODES[self.code], self.detail, position)


def refuse(fault: Fault, position: Position) -> Read:
    """Return no value and one problem."""
    return None, (fault.at(position),)


def not_a_list(field: Field) -> Fault:
    """Return what is wrong with anything but a list where *field* holds several values."""
    return Fault("CRM014", f'"{field.name}" is a list. Write [ and ] around it, or one - a line.')


def one_text(parse: Callable[[str, Field, Locale], Written | Fault], noun: str) -> Reader:
    """Return the reader of a value that is written as one scalar, *noun* saying what that is."""

    def read(node: Node, field: Field, locale: Locale) -> Read:
        if not isinstance(node, Scalar):
            return refuse(Fault("CRM014", f'"{field.name}" is {noun}, not a list or a mapping.'), node.position)
        value = parse(node.text, field, locale)
        return refuse(value, node.position) if isinstance(value, Fault) else (value, ())

    return read


def quoted(text: str) -> str:
    """Return *text* in quotes, on one line and short enough for a sentence."""
    line = " ".join(text.split())
    return f'"{line}"' if len(line) <= 60 else f'"{line[:57]}..."'


def odd(data: Any, expected: str) -> ValueError:
    """Return the error about *data* of Copper that is not what a field of this kind holds."""
    return ValueError(f"{json.dumps(data, default=str, sort_keys=True)[:80]} is not {expected}")
