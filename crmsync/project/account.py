"""The account: checked to be the right one, then its labels and custom fields, which complete the catalogue."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from crmsync.catalogue import CATALOGUE
from crmsync.catalogue.account import account_document, label_tables, read_account_document, with_account, zone_of
from crmsync.copper import read
from crmsync.copper.client import Client
from crmsync.model.catalogue import Catalogue, Locale
from crmsync.model.settings import Settings
from crmsync.project.saving import read_private, write_json
from crmsync.project.session import Project, make_private
from crmsync.project.stamping import with_stamp_rung
from crmsync.project.trouble import RefusedTrouble, Trouble


@dataclass(frozen=True)
class Account:
    """The Copper account of this run: who it is and the catalogue with its custom fields and labels."""

    id: int
    name: str
    catalogue: Catalogue


def identify(client: Client, settings: Settings, pinned: int | None) -> tuple[int, str, str]:
    """
    Return id, name and time zone of the account behind the key, the first thing that is read.

    Raises RefusedTrouble when the settings or the state say another one.
    """
    body = read.account(client)
    id, name = int(body["id"]), str(body.get("name") or "")
    expected = {"crmsync.yaml names": settings.account, "the state belongs to": pinned}
    for source, other in expected.items():
        if other is not None and other != id:
            raise RefusedTrouble(
                f"The key belongs to account {id} ({name}), but {source} account {other}. Nothing else was read. "
                "Use the key of that account, or another profile."
            )
    return id, name, str(body.get("primary_timezone") or "UTC")


def zone(name: str) -> ZoneInfo:
    """Return the account's time zone. Raises Trouble for one that this machine does not know."""
    try:
        return zone_of(name)
    except ValueError as error:
        raise Trouble(f"The account's time zone {name} is not known here; dates would be wrong without it.") from error


def read_account(project: Project, client: Client, pinned: int | None, types: frozenset[str] | None = None) -> Account:
    """
    Return the account with its labels, checked to be the right one, and remember the labels for `validate`.

    With *types* only the tables that these use are read anew; the others are as they were remembered, where they were.
    """
    settings = project.settings
    id, name, zone_name = identify(client, settings, pinned)
    path = project.cache / "account.json"
    known = _remembered(path) if types is not None else None
    used = None if types is None or known is None else tables_of(types)
    definitions = read.definitions(client)
    listed = {table: ask(client) for table, ask in _TABLES.items() if used is None or table in used}
    locale = Locale(zone(zone_name), settings.close_date_order, settings.phone_region)
    try:
        tables = {**(known["tables"] if known is not None else {}), **label_tables(**listed)}
        catalogue = with_account(CATALOGUE, definitions, tables, locale)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Trouble(_NO_LABELS.format(problem=f"{type(error).__name__}: {error}")) from error
    if settings.has_stamp:
        catalogue = with_stamp_rung(catalogue)
    document = account_document(definitions, tables, locale)
    with suppress(OSError):  # the cache only saves work
        if known is None or known["document"] != json.dumps(document, sort_keys=True, default=str):
            make_private(project)
            write_json(path, document)
        else:
            path.touch()  # `validate` says from when the labels are
    return Account(id, name, catalogue)


_NO_LABELS = (
    "Copper shows custom fields, pipelines or other labels that make no sense ({problem}). Look at them in Copper's "
    "settings; if they are right there, please report this."
)
_TABLES: Mapping[str, Callable[[Client], list[dict[str, Any]]]] = {
    "users": read.users,
    "pipelines": read.pipelines,
    "contact_types": read.contact_types,
    "customer_sources": read.customer_sources,
    "loss_reasons": read.loss_reasons,
}


def tables_of(types: Iterable[str]) -> frozenset[str]:
    """Return the label tables that the fields of *types* use."""
    rows = (row for name in types for row in CATALOGUE[name].fields)
    targets = {row.target for row in rows if row.target is not None and row.kind.is_label}
    return frozenset("pipelines" if target == "stages" else target for target in targets)


def _remembered(path: Path) -> dict[str, Any] | None:
    """Return the account document at *path* and its tables; None where there is none that makes sense."""
    try:
        document = json.loads(read_private(path))
        return {"tables": read_account_document(document)[1], "document": json.dumps(document, sort_keys=True)}
    except (OSError, ValueError, RecursionError):
        return None
