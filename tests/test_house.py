"""The house keeps its arrows: which room may import which, and what the pure rooms never touch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "crmsync"

#: What each room may import of the others (design.md section 4). A file in no room fails.
ARROWS = {
    "model": set(),
    "catalogue": {"model"},
    "config": {"model"},
    "resolve": {"model"},
    "plan": {"model"},
    "render": {"model"},
    "apply": {"model", "plan.sent"},
    "copper": {"model"},
    "state": {"model"},
    "sandbox": set(),
    "project": {"model", "catalogue", "config", "resolve", "plan", "render", "apply", "copper", "state"},
    "client": {"model", "catalogue", "config", "resolve", "plan", "render", "apply", "copper", "state"},
    "cli": {"project", "client", "render", "model", "plan.world", "sandbox"},
}
PURE = {"model", "catalogue", "config", "resolve", "plan", "render", "apply"}
FORBIDDEN = {"os", "io", "time", "random", "socket", "logging", "requests", "click"}

FILES = sorted(
    path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE
)


def _imports(path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    for node in ast.walk(ast.parse((PACKAGE / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or "", tuple(alias.name for alias in node.names)


def _room(path: Path) -> str:
    return path.parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=str)
def test_arrows(path: Path) -> None:
    """A file imports only the rooms that its own room may see, and a pure room touches nothing of the world."""
    room = _room(path)
    assert room in ARROWS, f"{path} is in no room of the house"
    is_generator = str(path) == "catalogue/schema.py"  # also a script that writes the committed schemas
    for module, names in _imports(path):
        top, _, rest = module.partition(".")
        if room in PURE and not is_generator:
            is_buffer = module == "io" and set(names) <= {"StringIO", "BytesIO"}
            assert top not in FORBIDDEN or is_buffer, f"{path} imports {module}"
        if top != "crmsync" or (not rest and not set(names) & set(ARROWS)):
            continue
        for target in [rest] if rest else [name for name in names if name in ARROWS]:
            other = target.partition(".")[0]
            allowed = (
                other == room
                or other in ARROWS[room]
                or any(target == each or target.startswith(f"{each}.") for each in ARROWS[room])
            )
            assert allowed, f"{path} imports crmsync.{target}"


def test_no_prints_outside_commands() -> None:
    """Only commands print, and they do it with click."""
    found = [
        str(path)
        for path in FILES
        if _room(path) != "cli" and str(path) != "catalogue/schema.py"
        for node in ast.walk(ast.parse((PACKAGE / path).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]

    assert found == []
