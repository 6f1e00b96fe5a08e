"""crmsync.yaml: the settings of a project, the active profile laid over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from crmsync.config.document import Document
from crmsync.config.policy import read_policy
from crmsync.config.structure import check_structure, whole_number
from crmsync.model.codes import CODES
from crmsync.model.records import PolicyRule
from crmsync.model.settings import Limit, Limits, Pace, Settings
from crmsync.model.source import Diagnostic, Listing, Node, Position, Scalar, Table, in_file_order, is_null
from crmsync.model.suggest import did_you_mean

_NOT_IN_A_PROFILE = ("crmsync", "default_profile", "profiles")


def read_settings(
    document: Document, profile: str | None, schema: Mapping[str, Any], *, is_sound: bool = False
) -> tuple[Settings | None, tuple[Diagnostic, ...]]:
    """
    Return the settings under *profile* (None: the file's default) and everything that is wrong with them.

    *is_sound*: this very file was found to have the shape that *schema* asks for.
    There are no settings when there is any error. CRM045 alone is a matter of how crmsync was called.
    """
    diagnostics = [*document.diagnostics, *(() if is_sound else check_structure(document, schema))]
    if not isinstance(document.root, Table):
        return None, in_file_order(diagnostics)
    active, complaint = _active_profile(document.root, profile, document.file)
    if complaint is not None:
        diagnostics.append(complaint)
    if any(diagnostic.is_error for diagnostic in diagnostics):
        return None, in_file_order(diagnostics)
    settings = _settings(_under_profile(document.root, active), active, schema)
    return replace(settings, profiles=_profiles(document.root)), in_file_order(diagnostics)


def _profiles(root: Table) -> tuple[str, ...]:
    profiles = root.get("profiles")
    return tuple(key.text for key, _ in profiles.entries) if isinstance(profiles, Table) else ()


def _active_profile(root: Table, wanted: str | None, file: str) -> tuple[str | None, Diagnostic | None]:
    """Return the name of the profile to use, or why there is none to use."""
    profiles = root.get("profiles")
    names = _profiles(root)
    default = root.get("default_profile")
    position = Position(file, 1, 1)
    if isinstance(profiles, Table):
        position = next(key.position for key, node in root.entries if node is profiles)
    if wanted is None and isinstance(default, Scalar) and not is_null(default):
        wanted, position = default.text, default.position
    if wanted is None and not names:
        return None, None
    if wanted is None:
        detail = f"Name one of the profiles with --profile, CRMSYNC_PROFILE or default_profile: {', '.join(names)}."
        return None, Diagnostic(CODES["CRM045"], detail, position)
    if wanted not in names:
        known = f"There are: {', '.join(names)}." if names else "The settings have no profiles."
        detail = f'There is no profile called "{wanted}". {known}{did_you_mean(wanted, names)}'
        return None, Diagnostic(CODES["CRM045"], detail, position)
    return wanted, None


def _under_profile(root: Table, profile: str | None) -> Table:
    """Return the settings of *root* with those of *profile* laid over them."""
    base = Table(tuple(entry for entry in root.entries if entry[0].text not in _NOT_IN_A_PROFILE), root.position)
    profiles = root.get("profiles")
    if profile is None or not isinstance(profiles, Table):
        return base
    over = profiles.get(profile)
    return _laid_over(base, over) if isinstance(over, Table) else base


def _laid_over(base: Table, over: Table) -> Table:
    """Return *base* with the entries of *over*: mappings merge, all else is replaced."""
    entries = {key.text: (key, node) for key, node in base.entries}
    for key, node in over.entries:
        earlier = entries.get(key.text, (key, None))[1]
        if isinstance(earlier, Table) and isinstance(node, Table):
            entries[key.text] = (key, _laid_over(earlier, node))
        else:
            entries[key.text] = (key, node)
    return Table(tuple(entries.values()), base.position)


def _settings(table: Table, profile: str | None, schema: Mapping[str, Any]) -> Settings:
    usual = Settings("")
    return Settings(
        project=_text(table, "project", ""),
        records=_texts(table.get("records")) or usual.records,
        account=_number(table, "account", None),
        state=_text(table, "state", usual.state),
        phone_region=_text(table, "phone_region", usual.phone_region),
        close_date_order=_text(table, "close_date_order", usual.close_date_order),
        pace=_pace(_table(table, "pace")),
        limits=_limits(_table(table, "limits")),
        keep_days=int(_text(_table(table, "runs"), "keep", f"{usual.keep_days}d").removesuffix("d")),
        has_stamp=_text(table, "stamp", "false").lower() == "true",
        policies=_policies(_table(table, "policy"), schema),
        profile=profile,
    )


def _pace(table: Table) -> Pace:
    usual = Pace()
    return Pace(_number(table, "requests", usual.requests), _number(table, "bulk", usual.bulk))


def _limits(table: Table) -> Limits:
    usual = Limits()
    return Limits(
        updates=_limit(table, "updates", usual.updates),
        deletes=_limit(table, "deletes", usual.deletes),
        adopts=_limit(table, "adopts", usual.adopts),
        apply_from=_number(table, "from", usual.apply_from),
    )


def _policies(table: Table, schema: Mapping[str, Any]) -> dict[str, PolicyRule]:
    return {key.text: _policy(key.text, node, schema) for key, node in table.entries}


def _policy(type_name: str, node: Node, schema: Mapping[str, Any]) -> PolicyRule:
    return read_policy(node, lambda name: _parts(name.text, type_name, schema))


def _parts(name: str, type_name: str, schema: Mapping[str, Any]) -> list[str]:
    """Return the fields that *name* stands for: `address` for all its parts, as the schema lists them."""
    rule = schema["properties"]["policy"]["properties"][type_name]
    definition = schema["definitions"][rule["$ref"].rpartition("/")[2]]
    fields = definition["properties"]["fields"]["properties"]
    return [field for field in fields if field.startswith(f"{name}.")] or [name]


def _table(table: Table, name: str) -> Table:
    node = table.get(name)
    return node if isinstance(node, Table) else Table((), table.position)


def _scalar(table: Table, name: str) -> str | None:
    """Return the text under *name*; null is like nothing."""
    node = table.get(name)
    return node.text if isinstance(node, Scalar) and not is_null(node) else None


def _text(table: Table, name: str, usual: str) -> str:
    text = _scalar(table, name)
    return usual if text is None else text


def _number(table: Table, name: str, usual: Any) -> Any:
    node = table.get(name)
    return usual if not isinstance(node, Scalar) or is_null(node) else whole_number(node)


def _limit(table: Table, name: str, usual: Limit) -> Limit:
    text = _scalar(table, name)
    if text is None:
        return usual
    share = text.removesuffix("%")
    return Limit(int(share), True) if share != text else Limit(int(float(text)))


def _texts(node: Node | None) -> tuple[str, ...]:
    if isinstance(node, Listing):
        return tuple(item.text for item in node.items if isinstance(item, Scalar))
    return (node.text,) if isinstance(node, Scalar) and not is_null(node) else ()
