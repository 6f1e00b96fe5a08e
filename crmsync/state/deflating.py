"""Long texts, deflated: a snapshot of many records, mostly digests in hex, shrinks to less than half."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

#: What is longer than this is worth it.
PLAIN_BYTES = 4096
#: A state of a million records is smaller than this when it is inflated.
_MOST_BYTES = 2**31 - 1
_PIECE_BYTES = 2**20
_LEVEL = 6  # 9 takes twice as long for another half percent


def deflated(body: bytes) -> bytes:
    """Return *body* deflated."""
    return zlib.compress(body, _LEVEL)


def deflated_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the bytes of all *pieces* deflated, piece by piece: they are not in memory at once."""
    writer = zlib.compressobj(_LEVEL)
    yield from map(writer.compress, pieces)
    yield writer.flush()


def inflated(body: bytes) -> bytearray:
    """Return what `deflated` made *body* from. Raises ValueError."""
    reader, found = zlib.decompressobj(), bytearray()
    # In pieces, or all of it would be in memory twice for a moment.
    try:
        for start in range(0, len(body), _PIECE_BYTES):
            found += reader.decompress(body[start : start + _PIECE_BYTES], _MOST_BYTES + 1 - len(found))
            if len(found) > _MOST_BYTES:
                break
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not reader.eof or len(found) > _MOST_BYTES:
        raise ValueError("it is cut, or too long")
    return found
