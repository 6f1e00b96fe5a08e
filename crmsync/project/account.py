"""The account: checked to be the right one, then its labels and custom fields, which complete the catalogue."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from crmsync.catalogue import CATALOGUE
from crmsync.catalogue.account import (
    account_document,
    label_tables,
    read_account_document,
    with_account,
    zone_of,
)
from crmsync.copper import read
from crmsync.copper.client import Client
from crmsync.model.catalogue import Catalogue, LabelTables, Locale
from crmsync.model.settings import Settings
from crmsync.project.saving import read_private, write_json
from crmsync.project.session import Project, make_private
from crmsync.project.stamping import with_stamp_rung
from crmsync.project.trouble import RefusedTrouble, Trouble


class Account(Struct, frozen=True):
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
    known = _remembered(project) if types is not None else None
    used = _TABLES.keys() if types is None or known is None else tables_of(types)
    listed = _listed(client, used, ("definitions",))
    definitions = listed.pop("definitions")
    locale = Locale(zone(zone_name), settings.close_date_order, settings.phone_region)
    return _account(
        project, id, name, _Labels(definitions, known.tables if known is not None else {}, locale), listed, known
    )


def read_other_labels(project: Project, client: Client, account: Account, types: frozenset[str]) -> Account:
    """Return *account* with the labels, too, for which `read_account` did not ask, because *types* do not use them."""
    known = _remembered(project)
    if known is None:
        return read_account(project, client, account.id)
    used = tables_of(types)
    listed = _listed(client, _TABLES.keys() - used)
    return _account(project, account.id, account.name, known, listed, known)


def _listed(client: Client, tables: Collection[str], also: Iterable[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """Return what Copper lists in *tables*, and *also* what is no label, all asked for together."""
    names = [*also, *(table for table in _TABLES if table in tables)]
    return dict(zip(names, client.in_parallel(lambda name: _LISTS[name](client), names), strict=True))


class _Labels(Struct, frozen=True):
    """Custom fields and labels of an account."""

    definitions: list[dict[str, Any]]
    tables: LabelTables
    locale: Locale

    @property
    def document(self) -> dict[str, Any]:
        return account_document(self.definitions, self.tables, self.locale)


def _account(
    project: Project, id: int, name: str, labels: _Labels, listed: Mapping[str, list[dict[str, Any]]], known: _Labels | None
) -> Account:
    """Return the account with *labels*, of which *listed* was read anew, and remember them where they are not as *known*."""
    try:
        labels = replace(labels, tables={**labels.tables, **label_tables(**listed)})
        catalogue = with_account(CATALOGUE, labels.definitions, labels.tables, labels.locale)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Trouble(_NO_LABELS.format(problem=f"{type(error).__name__}: {error}")) from error
    if project.settings.has_stamp:
        catalogue = with_stamp_rung(catalogue)
    path = project.cache / "account.json"
    with suppress(OSError):  # the cache only saves work
        if known is None or known.document != labels.document:
            make_private(project)
            write_json(path, labels.document)
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
_LISTS: Mapping[str, Callable[[Client], list[dict[str, Any]]]] = {"definitions": read.definitions, **_TABLES}


def tables_of(types: Iterable[str]) -> frozenset[str]:
    """Return the label tables that the fields of *types* use."""
    rows = (row for name in types for row in CATALOGUE[name].fields)
    targets = {row.target for row in rows if row.target is not None and row.kind.is_label}
    return frozenset("pipelines" if target == "stages" else target for target in targets)


def _remembered(project: Project) -> _Labels | None:
    """Return the labels that were read last; None where there are none that make sense."""
    try:
        return _Labels(*read_account_document(json.loads(read_private(project.cache / "account.json"))))
    except (OSError, ValueError, RecursionError):
        return None
