"""
Pieces: what is read by itself. Mostly that is a file; a file of rows is cut between lines, wherever its content says so.

A cut follows a line whose checksum ends in zeros. So an edit moves no cut but those around it, and of a million rows only
the few hundred around an edit are read again; and no more than a piece is in memory at a time.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from hashlib import sha256

from msgspec import Struct

from crmsync.config.document import Document, parse
from crmsync.config.rows import MOST_BYTES, is_rows, parse_rows
from crmsync.project.files import Source
from crmsync.project.hashing import Hashes, hashed

_CUT_EVERY = 512  # lines, on average
_LEAST_BYTES, _MOST_BYTES = 2**16, 2**20


class Piece(Struct, frozen=True):
    """Some lines of a file: how many bytes from which place on, beginning with which line; *digest* is of the content."""

    source: Source
    digest: bytes
    start: int
    size: int
    line: int

    def content(self) -> bytes:
        """Read the piece. Raises OSError."""
        with self.source.path.open("rb") as file:
            file.seek(self.start)
            return file.read(self.size)


def digest_of(content: bytes) -> bytes:
    """Return the digest by which the content of a piece is known."""
    return sha256(content).digest()


def pieces_of(source: Source, hashes: Hashes | None = None) -> list[Piece]:
    """Return the pieces of a file, which *hashes* may know already. Raises OSError."""
    if is_rows(source.name):
        return list(_cut(source))
    whole = hashed(source.path) if hashes is None else hashes.of(source.path)
    return [Piece(source, whole.digest, 0, whole.size, 1)]


def _cut(source: Source) -> Iterator[Piece]:
    start = end = 0
    line = first = 1
    digest = sha256()
    with source.path.open("rb") as file:
        while text := file.readline(MOST_BYTES + 1):
            is_long = len(text) > MOST_BYTES
            if is_long and end > start:
                yield Piece(source, digest.digest(), start, end - start, first)
                start, first, digest = end, line, sha256()
            digest.update(text)
            end += len(text)
            line += 1
            size = end - start
            is_cut = size >= _LEAST_BYTES and (zlib.crc32(text) % _CUT_EVERY == 0 or size >= _MOST_BYTES)
            if is_cut or is_long:
                yield Piece(source, digest.digest(), start, size, first)
                while is_long and (text := file.readline(MOST_BYTES)):  # the rest of a line that is not read
                    end += len(text)
                    is_long = not text.endswith(b"\n")
                start, first, digest = end, line, sha256()
        if end > start or not start:
            yield Piece(source, digest.digest(), start, end - start, first)


def parse_piece(piece: Piece, content: bytes) -> Document:
    """Return the nodes of a piece with this *content*."""
    if is_rows(piece.source.name):
        return parse_rows(content, piece.source.name, piece.line)
    return parse(content, piece.source.name)
