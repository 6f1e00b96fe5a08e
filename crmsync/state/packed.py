"""
Bindings as a snapshot has them, decoded when they are asked for.

Those of a hundred thousand records fill a gigabyte once they are values, and a plan in which little moved asks for few.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping

from crmsync.model.address import Address
from crmsync.model.state import Binding

_BEFORE = re.compile(r'\{"format":[0-9]+,"state":\{"position":[0-9]+,"account_id":(?:[0-9]+|null),"bindings":\{')
_RECORD_ID = re.compile(r'"record_id":([0-9]+)')
_read = json.JSONDecoder().raw_decode


#: So many bindings that were put in stay values; what is put in once is mostly put in again with the next event.
RECENT = 500


class PackedBindings(MutableMapping[Address, Binding]):
    """Bindings by address, each as text until it is asked for, and not kept as a value but for the last that were put in."""

    def __init__(
        self,
        texts: dict[Address, str | Binding],
        decode: Callable[[str], Binding],
        encode: Callable[[Binding], str],
    ) -> None:
        self._bindings = texts
        self._decode = decode
        self._encode = encode
        self._recent: dict[Address, None] = {}

    def __getitem__(self, address: Address) -> Binding:
        binding = self._bindings[address]
        return self._decode(binding) if isinstance(binding, str) else binding

    def __setitem__(self, address: Address, binding: Binding) -> None:
        self._bindings[address] = binding
        self._recent[address] = None
        if len(self._recent) > RECENT:
            self._pack()

    def _pack(self) -> None:
        for address in self._recent:
            binding = self._bindings.get(address)
            if isinstance(binding, Binding):
                self._bindings[address] = self._encode(binding)
        self._recent.clear()

    def __delitem__(self, address: Address) -> None:
        del self._bindings[address]

    def __iter__(self) -> Iterator[Address]:
        return iter(self._bindings)

    def __len__(self) -> int:
        return len(self._bindings)

    def __contains__(self, address: object) -> bool:
        return address in self._bindings

    def __copy__(self) -> PackedBindings:
        other = PackedBindings(dict(self._bindings), self._decode, self._encode)
        other._recent = dict(self._recent)
        return other

    def text(self, address: Address) -> str | None:
        """Return a binding as a snapshot has it; None where it was put in of late."""
        binding = self._bindings[address]
        return binding if isinstance(binding, str) else None

    def record_id(self, address: Address) -> int:
        """Return the record of *address*, without decoding all of its binding."""
        binding = self._bindings[address]
        found = _RECORD_ID.search(binding) if isinstance(binding, str) else None
        return int(found[1]) if found is not None else self[address].record_id


def record_ids(bindings: Mapping[Address, Binding]) -> Iterator[tuple[Address, int]]:
    """Yield the record of each address, decoding as little as can be."""
    if isinstance(bindings, PackedBindings):
        yield from ((address, bindings.record_id(address)) for address in bindings)
    else:
        yield from ((address, binding.record_id) for address, binding in bindings.items())


def texts_of(bindings: Mapping[Address, Binding], encode: Callable[[Binding], str]) -> Iterator[tuple[Address, str]]:
    """Yield each binding as text, as it stands there where it does."""
    for address in bindings:
        text = bindings.text(address) if isinstance(bindings, PackedBindings) else None
        yield address, encode(bindings[address]) if text is None else text


def packed_bindings(text: str) -> tuple[dict[Address, str | Binding], str] | None:
    """Return the bindings in a snapshot, each as text, and the snapshot without them; None where it is set out otherwise."""
    before = _BEFORE.match(text)
    if before is None:
        return None
    try:
        found, at = _split(text, before.end())
    except ValueError:
        return None
    return found, text[: before.end()] + text[at:]


def _split(text: str, at: int) -> tuple[dict[Address, str | Binding], int]:
    """Return the bindings in an object that begins at *at*, and where it ends. Raises ValueError."""
    found: dict[Address, str | Binding] = {}
    while text[at : at + 1] != "}":
        name, colon = _read(text, at)
        _, end = _read(text, colon + 1)
        address = Address.parse(name) if isinstance(name, str) else None
        if address is None or text[colon] != ":" or text[end : end + 1] not in (",", "}"):
            raise ValueError("this is no binding")
        found[address] = text[colon + 1 : end]
        at = end + (text[end] == ",")
    return found, at
