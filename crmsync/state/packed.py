"""
Bindings as a snapshot has them, decoded when they are asked for.

Those of a hundred thousand records fill a gigabyte once they are values, and a plan in which little moved asks for few.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping

import msgspec
from msgspec import UNSET, Raw, UnsetType

from crmsync.model.address import Address
from crmsync.model.state import Binding, BindingTable


class _Parts(msgspec.Struct, forbid_unknown_fields=True):
    """The parts of a state, not looked into."""

    bindings: dict[str, Raw]
    position: Raw
    account_id: Raw
    open_intents: Raw
    started_plans: Raw
    has_open_run: Raw
    missed: Raw | UnsetType = UNSET
    key: Raw | UnsetType = UNSET
    deleted: Raw | UnsetType = UNSET


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    """A snapshot."""

    format: int
    state: _Parts


_document = msgspec.json.Decoder(_Document).decode
#: How the text of a binding begins, whoever wrote it.
_record_id = re.compile(rb'\{"record_id":(\d+)[,}]').match

#: A binding: a part of the snapshot's text, a text of its own, one that was pressed, or a value.
Packed = Raw | str | bytes | Binding

#: So many bindings that were put in stay values; what is put in once is mostly put in again with the next event.
RECENT = 500


class PackedBindings(BindingTable):
    """
    Bindings by address, each as text until it is asked for.

    Only the last that were put in are kept as values, and the one that was asked for last: often it is asked for again.
    What was put in before is pressed: of a run that makes many records that is most of what it holds at its end.
    """

    def __init__(
        self,
        texts: dict[Address, Packed],
        decode: Callable[[str], Binding],
        encode: Callable[[Binding], str],
    ) -> None:
        self._bindings = texts
        self._decode = decode
        self._encode = encode
        self._recent: dict[Address, None] = {}
        self._press: _Press | None = None
        self._last: tuple[Packed, Binding] | None = None

    def __getitem__(self, address: Address) -> Binding:
        packed = self._bindings[address]
        if isinstance(packed, Binding):
            return packed
        last = self._last  # of other threads perhaps
        if last is None or last[0] is not packed:
            self._last = last = packed, self._decode(self._text(packed))
        return last[1]

    def __setitem__(self, address: Address, binding: Binding) -> None:
        self._bindings[address] = binding
        self._recent[address] = None
        if len(self._recent) > RECENT:
            self._pack()

    def _pack(self) -> None:
        for address in self._recent:
            binding = self._bindings.get(address)
            if isinstance(binding, Binding):
                text = self._encode(binding).encode()
                self._press = self._press or _Press(text)
                self._bindings[address] = self._press.pressed(text)
        self._recent.clear()

    def _text(self, packed: Raw | str | bytes) -> str:
        return packed if isinstance(packed, str) else self._data(packed).decode()

    def _data(self, packed: Raw | str | bytes) -> bytes:
        if isinstance(packed, bytes):
            assert self._press is not None, "it was pressed here"
            return self._press.text(packed)
        return packed.encode() if isinstance(packed, str) else bytes(packed)

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
        other._recent, other._press = dict(self._recent), self._press
        return other

    def take(self, texts: Mapping[Address, str]) -> None:
        """Put in bindings as their texts."""
        self._bindings.update(texts)

    def text(self, address: Address) -> str | None:
        """Return a binding as a snapshot has it; None where it was put in of late."""
        binding = self._bindings[address]
        return None if isinstance(binding, Binding) else self._text(binding)

    def written(self, address: Address) -> bytes | None:
        """Return the same in UTF-8."""
        binding = self._bindings[address]
        return None if isinstance(binding, Binding) else self._data(binding)

    def record_id(self, address: Address) -> int:
        """Return the record of *address*, without decoding all of its binding. Raises KeyError."""
        binding = self._bindings[address]
        if isinstance(binding, Binding):
            return binding.record_id
        found = _record_id(binding if isinstance(binding, Raw) else self._data(binding))
        return self[address].record_id if found is None else int(found[1])

    def record_ids(self) -> Iterator[tuple[Address, int]]:
        """Yield the record of each address; nearly all bindings of many are parts of a snapshot."""
        for address, binding in self._bindings.items():
            found = _record_id(binding) if isinstance(binding, Raw) else None
            yield address, self.record_id(address) if found is None else int(found[1])


def texts_of(bindings: Mapping[Address, Binding], encode: Callable[[Binding], str]) -> Iterator[tuple[Address, str]]:
    """Yield each binding as text, as it stands there where it does."""
    return ((address, text_of(bindings, address, encode)) for address in bindings)


def text_of(bindings: Mapping[Address, Binding], address: Address, encode: Callable[[Binding], str]) -> str:
    """Return a binding as text, as it stands there where it does."""
    text = bindings.text(address) if isinstance(bindings, PackedBindings) else None
    return encode(bindings[address]) if text is None else text


def packed_bindings(text: str | bytes | bytearray) -> tuple[dict[Address, Packed], bytes] | None:
    """Return the bindings in a snapshot, each as its text, and the snapshot without them; None where none are to be had."""
    try:
        document = _document(text)
    except (ValueError, RecursionError):
        return None
    texts, document.state.bindings = document.state.bindings, {}
    found: dict[Address, Packed] = {}
    for name, binding in texts.items():
        address = Address.parse(name)
        if address is None:
            return None
        found[address] = binding
    return found, msgspec.json.encode(document)


class _Press:
    """Presses texts that have most in common with *model*: a binding is names of fields and digests, a third of it news."""

    def __init__(self, model: bytes) -> None:
        self._model = model

    def pressed(self, text: bytes) -> bytes:
        press = zlib.compressobj(1, zlib.DEFLATED, -12, 5, zlib.Z_DEFAULT_STRATEGY, self._model)
        return press.compress(text) + press.flush()

    def text(self, pressed: bytes) -> bytes:
        return zlib.decompressobj(-12, self._model).decompress(pressed)
