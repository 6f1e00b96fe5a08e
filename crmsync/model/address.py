"""Addresses: what the user calls a record."""

from __future__ import annotations

import re
from sys import intern

from msgspec import Struct

KEY_PATTERN = re.compile(r"[A-Za-z0-9_.@+\-]{1,100}")


class Address(Struct, frozen=True, order=True, gc=False):
    """The name of a record in the files: its type and its key, written ``companies.acme``."""

    type: str
    key: str

    def __str__(self) -> str:
        return f"{self.type}.{self.key}"

    @classmethod
    def parse(cls, text: str) -> Address | None:
        """Return the address written as *text*, or None when it is not of the form ``type.key``."""
        type_name, dot, key = text.partition(".")
        if not dot or not type_name or not KEY_PATTERN.fullmatch(key):
            return None
        return cls(intern(type_name), key)
