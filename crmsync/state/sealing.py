"""
Content encrypted under CRMSYNC_STATE_KEY: copies of records, and saved plans.

A sealed content is ``crmsync-sealed 1``, a newline, 16 bytes of salt, 12 of nonce, and what ChaCha20-Poly1305 makes of the
content. The key comes from the text of CRMSYNC_STATE_KEY by scrypt (2**15 rounds, 32 MB, a tenth of a second), so that
guessing a short one is dear. A process uses one salt for all that it seals, and pays that once.

The *purpose* is sealed in: what was sealed as a copy cannot be passed off as a plan.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache, lru_cache

_MARK = b"crmsync-sealed 1\n"
_SALT_BYTES = 16
_NONCE_BYTES = 12
_COST = {"n": 2**15, "r": 8, "p": 1, "dklen": 32, "maxmem": 2**26}


class WrongKey(Exception):
    """The content was sealed under another key or for another purpose, or was changed since."""


def is_sealed(content: bytes) -> bool:
    """Say whether *content* is something that `encrypt` made."""
    return content.startswith(_MARK)


def encrypt(content: bytes, key: str, purpose: str) -> bytes:
    """Return *content* sealed under *key*, the text of CRMSYNC_STATE_KEY."""
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # slow to load, and seldom needed

    salt, nonce = _own_salt(), os.urandom(_NONCE_BYTES)
    body = ChaCha20Poly1305(_derived(key, salt)).encrypt(nonce, content, purpose.encode())
    return _MARK + salt + nonce + body


def decrypt(sealed: bytes, key: str, purpose: str) -> bytes:
    """Return the content that `encrypt` sealed under *key* for *purpose*. Raises WrongKey."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    salt = sealed[len(_MARK) :][:_SALT_BYTES]
    nonce = sealed[len(_MARK) + _SALT_BYTES :][:_NONCE_BYTES]
    body = sealed[len(_MARK) + _SALT_BYTES + _NONCE_BYTES :]
    if not is_sealed(sealed) or not body:
        raise WrongKey
    try:
        return ChaCha20Poly1305(_derived(key, salt)).decrypt(nonce, body, purpose.encode())
    except InvalidTag as error:
        raise WrongKey from error


@cache
def _own_salt() -> bytes:
    return os.urandom(_SALT_BYTES)


@lru_cache(maxsize=64)
def _derived(key: str, salt: bytes) -> bytes:
    return hashlib.scrypt(key.encode("utf-8", "surrogateescape"), salt=salt, **_COST)
