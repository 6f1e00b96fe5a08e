"""`crmsync login`: a key goes from the terminal into the keyring, and is seen nowhere on its way."""

from __future__ import annotations

import io
import sys
import types
from collections.abc import Callable
from unittest import mock

import click
import pytest

from crmsync.sandbox import Fault
from tests.desk import Desk, Ran

TYPED = "sandbox-canary-typed-77"


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


class KeyringError(Exception):
    """What the keyring raises."""


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], str]:
    """A keyring, empty."""
    kept: dict[tuple[str, str], str] = {}
    module = types.ModuleType("keyring")
    module.set_password = lambda service, name, text: kept.__setitem__((service, name), text)
    module.get_password = lambda service, name: kept.get((service, name))
    module.errors = types.SimpleNamespace(KeyringError=KeyringError)
    monkeypatch.setitem(sys.modules, "keyring", module)
    return kept


@pytest.fixture
def login(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """A function that runs `login` at a terminal where TYPED is typed."""
    hidden: list[bool] = []

    def typed(text: str, **settings: object) -> str:
        hidden.append(bool(settings.get("hide_input")))
        return TYPED

    def run(*words: str) -> Ran:
        monkeypatch.setattr(click, "prompt", typed)
        with mock.patch("tests.desk.io", types.SimpleNamespace(StringIO=Terminal)):
            ran = desk.run("login", *words, COPPER_API_KEY="")
        assert all(hidden)
        return ran

    return run


def test_a_key_is_kept_and_used(desk: Desk, login: Callable[..., Ran], kept: dict[tuple[str, str], str]) -> None:
    """The key is kept under the e-mail, never shown, and used where the environment has none; the environment goes first."""
    ran = login("--check")
    used: list[str] = []
    desk.stage.hook = lambda sandbox, request: (used.append(_key_of(request)), sandbox.handle(request))[1]
    found = desk.run("doctor", COPPER_API_KEY="")
    first = len(used)
    desk.run("doctor")

    assert (ran.code, TYPED in ran.out + ran.err + found.out + found.err) == (0, False), ran
    assert ran.out.startswith("The key opens Sandbox (1).\n")
    assert kept == {("crmsync", "dana@ourfirm.com"): TYPED}
    assert {*used[:first]} == {TYPED}
    assert TYPED not in used[first:]


def _key_of(request: object) -> str:
    headers = {name.lower(): text for name, text in request.headers.items()}
    return str(headers["x-pw-accesstoken"])


def test_a_key_that_opens_nothing_is_not_kept(
    desk: Desk, login: Callable[..., Ran], kept: dict[tuple[str, str], str]
) -> None:
    """With --check a key that Copper does not accept is refused (3)."""
    desk.sandbox.faults = [Fault("status_before", status=401)]

    assert login("--check").code == 3
    assert kept == {}


def test_without_a_keyring(login: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the package is missing, login says what to install."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    ran = login()

    assert (ran.code, "pip install 'crmsync[keyring]'" in ran.err, TYPED in ran.err) == (1, True, False)


def test_a_keyring_that_refuses(
    login: Callable[..., Ran], kept: dict[tuple[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a keyring says is not repeated: it could hold the key."""

    def refuse(service: str, name: str, text: str) -> None:
        raise KeyringError(f"no room for {text}")

    monkeypatch.setattr(sys.modules["keyring"], "set_password", refuse)
    ran = login()

    assert (ran.code, TYPED in ran.out + ran.err) == (1, False)
    assert "The keyring did not take the key: KeyringError. Export COPPER_API_KEY instead." in ran.err


def test_no_terminal(desk: Desk, kept: dict[tuple[str, str], str]) -> None:
    """Without a terminal nothing is asked (64)."""
    assert desk.run("login").code == 64
    assert kept == {}
