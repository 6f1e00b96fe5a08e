"""The JSON schemas for editors: of record files with the account's own fields, where those are known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crmsync.catalogue.schema import records_schema
from crmsync.project.files import SETTINGS_FILE, schema
from crmsync.project.saving import write_json, write_shared
from crmsync.project.session import Project, make_private
from crmsync.project.trouble import Trouble
from crmsync.project.validating import cached_catalogue

#: The schemas of files that people write.
FOR_FILES = ("records", "settings")


def schema_of(name: str, project: Project | None) -> Mapping[str, Any]:
    """Return the schema called *name*; that of record files knows the custom fields that the last plan of *project* saw."""
    if name != "records" or project is None:
        return schema(name)
    catalogue, _ = cached_catalogue(project)
    return records_schema(catalogue) if catalogue.has_account else schema(name)


def set_up_editor(project: Project) -> tuple[Path, ...]:
    """Write the schemas and the settings by which VS Code finds them; return what was written. Raises Trouble."""
    path = project.root / ".vscode" / "settings.json"
    wanted = {
        ".crmsync/schemas/records.schema.json": [_glob(entry) for entry in project.settings.records],
        ".crmsync/schemas/settings.schema.json": SETTINGS_FILE,
    }
    settings = _settings(path, wanted)
    make_private(project)
    schemas = {project.private / "schemas" / f"{name}.schema.json": schema_of(name, project) for name in FOR_FILES}
    for file, document in schemas.items():
        write_json(file, document)
    settings["yaml.schemas"] = {**settings.get("yaml.schemas", {}), **wanted}
    write_shared(path, json.dumps(settings, indent=2, ensure_ascii=False) + "\n")
    return (*schemas, path)


def _glob(entry: str) -> str:
    return entry if entry.endswith((".yaml", ".yml")) else f"{entry.rstrip('/')}/**/*.yaml"


def _settings(path: Path, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the editor's settings as they are. Raises Trouble for what cannot be added to without losing comments."""
    if not path.exists():
        return {}
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        settings = None
    if not isinstance(settings, dict) or not isinstance(settings.get("yaml.schemas", {}), dict):
        lines = json.dumps({"yaml.schemas": wanted}, indent=2)
        raise Trouble(f"{path} is not plain JSON, perhaps because of comments; nothing was changed there. Add:\n{lines}")
    return settings
