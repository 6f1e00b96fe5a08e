"""
Parts of a ledger: records that one look found settled, in columns, with their bindings behind each other.

A row for each of them would take longer than finding that they are settled. Of a part one entry is read without the others;
what it says is believed when the checksum of the columns is right, and that of its binding, which they have.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate, compress
from typing import NamedTuple, TypeVar

import msgspec
from xxhash import xxh3_64_intdigest

from crmsync.model.address import Address
from crmsync.project.ledgerfile import Entry, Worn

T = TypeVar("T")


class Settled(NamedTuple):
    """
    Records of one type, in columns: keys, ids, the digests of their bodies as `Entry` has them, their bindings as the state
    writes them down; and the hashes under which each is found, as an array, empty for one that is not settled after all.
    """

    type: str
    keys: Sequence[str]
    ids: Sequence[int]
    contents: Sequence[bytes]
    bindings: Sequence[bytes]
    touches: Sequence[bytes]

    def sifted(self, also: Collection[int] = ()) -> Settled:
        """Return those that are settled, found under the hashes *also* as well."""
        touches = [each for each in self.touches if each]
        if also:
            touches = [array("I", sorted({*array("I", each), *also})).tobytes() for each in touches]

        def some(column: Sequence[T]) -> list[T]:
            return list(compress(column, self.touches))

        return Settled(self.type, some(self.keys), some(self.ids), some(self.contents), some(self.bindings), touches)


class Part(msgspec.Struct, array_like=True):
    """
    The columns of a part as they are written down; each of bytes is an array of the machine's own numbers.

    *ends* are where what has no fixed length ends, of one record after the other: content, touches, binding.
    """

    type: str
    keys: str
    ids: bytes
    checks: bytes
    ends: tuple[bytes, bytes, bytes]
    contents: bytes
    touches: bytes

    @classmethod
    def of(cls, settled: Settled) -> Part:
        """Return the columns of records that all are settled; one after the other, their bindings are no part of it."""
        type_name, keys, ids, contents, bindings, touches = settled
        return cls(
            type_name,
            "\n".join(keys),
            array("q", ids).tobytes(),
            array("Q", map(xxh3_64_intdigest, bindings)).tobytes(),
            (_ends(contents), _ends(touches), _ends(bindings)),
            b"".join(contents),
            b"".join(touches),
        )

    def written(self) -> bytes:
        """Return the columns as bytes."""
        return _encode(self)

    def address(self, at: int) -> Address:
        """Return the address of a record. Raises IndexError."""
        return Address(self.type, self.keys.split("\n")[at])

    def hashes(self, at: int) -> array[int]:
        """Return the hashes under which a record is found. Raises IndexError."""
        start, end = self._span(1, at)
        return array("I", self.touches[start:end])

    def place(self, at: int) -> tuple[int, int]:
        """Return where among the bindings that of a record begins and ends. Raises IndexError."""
        return self._span(2, at)

    def entry(self, at: int, binding: bytes) -> Entry:
        """Return the entry of a record that has this *binding*. Raises Worn, IndexError."""
        if memoryview(self.checks).cast("Q")[at] != xxh3_64_intdigest(binding):
            raise Worn("a binding is damaged")
        start, end = self._span(0, at)
        id = memoryview(self.ids).cast("q")[at]
        return Entry(self.address(at), id, self.contents[start:end], binding.decode(), is_settled=True, is_there=True)

    def _span(self, column: int, at: int) -> tuple[int, int]:
        ends = memoryview(self.ends[column]).cast("I")
        return (ends[at - 1] if at else 0), ends[at]


def part_of(columns: bytes) -> Part:
    """Return the part that was written so. Raises ValueError."""
    return _decode(columns)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Part).decode


def _ends(texts: Iterable[bytes]) -> bytes:
    return array("I", accumulate(map(len, texts))).tobytes()
