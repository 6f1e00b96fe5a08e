"""The room itself: a second witness, and documented."""

from __future__ import annotations

import ast
from pathlib import Path

import crmsync.sandbox
from crmsync.sandbox import Quirks
from crmsync.sandbox.faults import KINDS
from crmsync.sandbox.routes import ROUTES
from crmsync.sandbox.tables import ENTITIES

ROOM = Path(crmsync.sandbox.__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "sandbox.md"


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_the_sandbox_imports_no_other_room():
    """It is a second witness only as long as it shares no table with crmsync (design.md section 4)."""
    foreign = {
        (path.name, name)
        for path in ROOM.glob("*.py")
        for name in _imports(path)
        if name.split(".")[0] == "crmsync" and name.split(".")[:2] != ["crmsync", "sandbox"]
    }

    assert foreign == set()


def test_only_the_server_needs_starlette():
    """Tests and rehearsals do not pay for the web framework."""
    users = {
        path.name for path in ROOM.glob("*.py") for name in _imports(path) if name.split(".")[0] in ("starlette", "uvicorn")
    }

    assert users == {"server.py"}


def test_the_page_names_every_knob_and_fault():
    """docs/sandbox.md is complete."""
    page = PAGE.read_text()
    rows = [f"| `{name}` | {', '.join(f'`{value}`' for value in values)} | {doc} |" for name, values, doc in Quirks.table()]

    assert [row for row in rows if row not in page] == []
    assert [kind for kind, doc in KINDS.items() if f"| `{kind}` | {doc} |" not in page] == []


def _documented():
    """Return each operation of the table with its state and what is missing, placeholders of types filled in."""
    section = PAGE.read_text().split("## Operations")[1].split("## Knobs")[0]
    fileable = [plural for plural, row in ENTITIES.items() if row.has_files]
    for line in section.splitlines():
        if not line.startswith("| `"):
            continue
        operation, state, missing = (cell.strip() for cell in line.strip("|").split("|"))
        operation = operation.strip("`").split("?")[0]
        kinds = fileable if "{fileable}" in operation else ENTITIES
        for kind in kinds:
            yield operation.replace("{entity}", kind).replace("{fileable}", kind), state, missing


def test_the_table_of_operations_is_the_table_of_routes():
    """Every operation of section 2 is in the table, what is partly done says what is missing, and all have routes."""
    rows = set(_documented())

    assert {f"{route.method} {route.pattern}" for route in ROUTES} == {operation for operation, _, _ in rows}
    assert {state for _, state, _ in rows} <= {"done", "partly", "not imitated"}
    assert [row for row in rows if (row[1] == "done") != (row[2] == "")] == []
    assert PAGE.read_text().count("| done |") + PAGE.read_text().count("| partly |") == 89
