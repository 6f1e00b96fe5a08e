"""Differences inside a value that is itself a mapping or a list: which parts of it change."""

from __future__ import annotations

from typing import Any


def differences(before: Any, after: Any) -> list[tuple[str, Any, Any]]:
    """
    Return what differs between two nested values: the path (``category``, ``lines[0].city``), what was, what will be.

    None stands for a part that is on one side only. The order is that of the paths.
    """
    # deepdiff takes a third of a second to import, and few plans change nested values
    from deepdiff import DeepDiff

    found = DeepDiff(before, after, view="tree", ignore_numeric_type_changes=True)
    levels = [level for kind in found for level in found[kind]]
    return sorted(((_path(level.path(output_format="list")), _part(level.t1), _part(level.t2)) for level in levels), key=str)


def _part(value: Any) -> Any:
    """Return *value*, or None for deepdiff's mark of a part that is missing."""
    return None if type(value).__name__ == "NotPresent" else value


def _path(keys: list[Any]) -> str:
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.removeprefix(".") or "value"
