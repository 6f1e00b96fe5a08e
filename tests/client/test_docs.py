"""docs/client.md is true: every example of it runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from crmsync import Copper
from tests.client.conftest import Shop
from tests.desk import Desk
from tests.test_copperr import stock

TEXT = (Path(__file__).parents[2] / "docs" / "client.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"^crmsync .*$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("code", PYTHON, ids=[code.strip().splitlines()[0][:50] for code in PYTHON])
def test_the_examples_in_python(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example runs against the sandbox, searches to their end."""
    monkeypatch.setenv("COPPER_API_KEY", "sandbox-1")
    monkeypatch.setenv("COPPER_USER_EMAIL", "dana@ourfirm.com")
    shop = Shop()
    stock(shop.sandbox)
    names = {"copper": shop.copper, "Copper": Copper}
    exec(code, names)
    for line in code.splitlines():
        if line.startswith("copper.") and ".search(" in line and "raw=True" in line:
            assert list(eval(line.partition("#")[0], names))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_on_the_command_line(command: str, desk: Desk) -> None:
    """Each command ends well and shows something."""
    stock(desk.sandbox)
    ran = desk.run(*shlex.split(command)[1:])

    assert (ran.code, bool(ran.out)) == (0, True), ran.err


def test_every_public_error_is_explained() -> None:
    """The table of errors has all of them but those that the client never raises."""
    import crmsync

    errors = {name for name in crmsync.__all__ if isinstance(getattr(crmsync, name), type)}
    told = set(re.findall(r"^\| `(\w+)`", TEXT, re.MULTILINE))

    assert errors - told == {"Copper", "CopperError", "Record", "Misconfigured"}
