"""Expressions that are compiled late are those that are written, and all of them are sound."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

import crmsync
from crmsync.model.late import _Late, late

FOUND = {
    f"{module.name}.{name}": value
    for module in pkgutil.walk_packages(crmsync.__path__, "crmsync.")
    if not module.name.startswith("crmsync.sandbox") and not module.name.endswith("__main__")
    for name, value in vars(importlib.import_module(module.name)).items()
    if isinstance(value, _Late)
}


def test_they_are_found() -> None:
    """Those of the rooms that every command imports, at least."""
    assert {"crmsync.config.lines._LINE", "crmsync.render.sanitise._UNSAFE"} <= FOUND.keys()


@pytest.mark.parametrize("name", FOUND)
def test_every_expression_is_sound(name: str) -> None:
    """A slip in one would otherwise show when it is first used."""
    assert isinstance(re.compile(FOUND[name].pattern, FOUND[name].flags), re.Pattern)


def test_one_does_what_a_compiled_one_does() -> None:
    """With its flags, and from the second time on as well."""
    expression, compiled = late(r"a(b*)", re.IGNORECASE), re.compile(r"a(b*)", re.IGNORECASE)

    for _ in range(2):
        assert compiled.sub(r"<\1>", "xABb") == expression.sub(r"<\1>", "xABb")
        assert compiled.findall("ab aBB") == expression.findall("ab aBB")
        assert (compiled.pattern, compiled.flags) == (expression.pattern, expression.flags)


def test_nothing_is_compiled_before() -> None:
    """What is wrong with one is told when it is used."""
    expression = late("(")

    with pytest.raises(re.error):
        expression.search("x")
