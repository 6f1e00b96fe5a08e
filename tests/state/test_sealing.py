"""What is sealed under CRMSYNC_STATE_KEY: readable with the key, for its purpose, unchanged, and not otherwise."""

from __future__ import annotations

import subprocess
import sys

import pytest

from crmsync.state.sealing import WrongKey, decrypt, encrypt, is_sealed

SECRET = b'{"name": "Wile E. Coyote"}'


@pytest.mark.parametrize("content", [b"", SECRET, bytes(range(256)) * 300])
def test_what_was_sealed_comes_back(content: bytes) -> None:
    """Whatever its bytes, a content comes back as it was."""
    sealed = encrypt(content, "a key", "copy")

    assert is_sealed(sealed)
    assert content == decrypt(sealed, "a key", "copy")


def test_another_process_reads_it() -> None:
    """The salt travels with the content: nothing else is needed than the key."""
    program = "import sys; from crmsync.state.sealing import encrypt; sys.stdout.buffer.write(encrypt(b'mine', 'k', 'plan'))"
    sealed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout

    assert decrypt(sealed, "k", "plan") == b"mine"


def test_nothing_shows() -> None:
    """Neither content nor key can be seen, and the same content never looks the same."""
    first, second = encrypt(SECRET, "a key", "copy"), encrypt(SECRET, "a key", "copy")

    assert not any(word in first for word in (b"Coyote", b"a key"))
    assert first != second


@pytest.mark.parametrize(("key", "purpose"), [("another key", "copy"), ("a key", "plan"), ("", "copy")])
def test_key_and_purpose_must_be_right(key: str, purpose: str) -> None:
    """Another key opens nothing, and a copy cannot be passed off as a plan."""
    with pytest.raises(WrongKey):
        decrypt(encrypt(SECRET, "a key", "copy"), key, purpose)


def test_any_change_is_noticed() -> None:
    """One bit flipped anywhere, or an end cut off, and nothing is given out."""
    sealed = encrypt(SECRET, "a key", "copy")
    changed = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(0, len(sealed), 7)]
    cut = [sealed[:length] for length in range(0, len(sealed), 9)]

    for each in changed + cut:
        with pytest.raises(WrongKey):
            decrypt(each, "a key", "copy")


def test_plain_content_is_not_sealed() -> None:
    """A plain file is told apart without a key."""
    assert not is_sealed(SECRET)
