"""
Journeys: desired worlds to walk through, one after the other, in one account.

Each YAML file beside this one holds journeys by name; a journey is a list of steps. A step may have people do something
in Copper first (`people`), then plans and applies `files` and compares what it names: `plan` (the summary line), `shows`
(lines of the plan's text), `error` (the code of a diagnostic), `outcomes` (whatever is not simply applied), `names` in
Copper, `records` (fields as Copper shows them), and `then`, the summary of the plan after the apply ("No changes."
unless it says otherwise). `wishes` are options of the command, `settings` lines of crmsync.yaml.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from crmsync.model.address import Address
from crmsync.project.trouble import InputTrouble
from tests.world import World

JOURNEYS = {
    f"{path.stem}: {name}": steps
    for path in sorted(Path(__file__).parent.glob("*.yaml"))
    for name, steps in yaml.safe_load(path.read_text(encoding="utf-8")).items()
}
STEP = {"files", "people", "plan", "shows", "error", "outcomes", "names", "records", "then", "wishes", "settings", "auto"}


@pytest.mark.parametrize("steps", JOURNEYS.values(), ids=JOURNEYS)
def test_journey(steps: list[dict[str, Any]], tmp_path: Path) -> None:
    """Each step of the journey plans and does what its file says."""
    world = World(tmp_path)
    for number, step in enumerate(steps, 1):
        assert step.keys() <= STEP, f"step {number}"
        for act in step.get("people", ()):
            _act(world, **act)
        assert (number, _walked(world, step)) == (number, _expected(step))


def _walked(world: World, step: dict[str, Any]) -> dict[str, Any]:
    """Return what the step comes to, in the words of what it names."""
    world.settings_text = step.get("settings", world.settings_text)
    wishes = _wishes(step.get("wishes", {}))
    try:
        text = world.text(step["files"], **wishes)
    except InputTrouble as trouble:
        return {"error": sorted({each.code.number for each in trouble.diagnostics if each.is_error})}
    found: dict[str, Any] = {"plan": _summary(text)}
    found["shows"] = [line for line in step.get("shows", ()) if _flat(line) in _flat(text)]
    if len(found["shows"]) < len(step.get("shows", ())):
        found["shows"] = text
    applied = world.apply(step["files"], auto_approve=step.get("auto", False), **wishes)
    found["outcomes"] = applied.statuses()
    found["names"] = {name: world.names(name) for name in step.get("names", ())}
    found["records"] = {
        address: {field: _shown(world.record(address), field) for field in fields}
        for address, fields in step.get("records", {}).items()
    }
    found["then"] = _summary(world.text(step["files"]))
    return found


def _expected(step: dict[str, Any]) -> dict[str, Any]:
    if "error" in step:
        return {"error": [step["error"]]}
    return {
        "plan": step.get("plan", "No changes."),
        "shows": step.get("shows", []),
        "outcomes": step.get("outcomes", {}),
        "names": step.get("names", {}),
        "records": step.get("records", {}),
        "then": step.get("then", "No changes."),
    }


def _summary(text: str) -> str:
    return next(line.partition(".")[0] + "." for line in text.splitlines() if line.startswith(("Plan:", "No changes")))


def _flat(text: str) -> str:
    return " ".join(text.split())


def _shown(body: dict[str, Any], field: str) -> Any:
    value = body[field]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [each.get("email") or each.get("number") or each.get("url") for each in value]
    return value


def _wishes(said: dict[str, Any]) -> dict[str, Any]:
    wishes = {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}
    if "recreate" in wishes:
        wishes["recreate"] = frozenset(Address(*text.split(".", 1)) for text in wishes["recreate"])
    return wishes


def _act(world: World, **act: Any) -> None:
    """Do what one line of `people` says: create, edit or delete a record."""
    world.clock.sleep(60)
    if "create" in act:
        world.sandbox.create(act["create"], act["values"])
    elif "edit" in act:
        type_name = act["edit"].partition(".")[0]
        world.sandbox.edit(type_name, world.id(act["edit"]), act["values"])
    else:
        world.sandbox.delete(act["delete"].partition(".")[0], world.id(act["delete"]))
