"""The lookup tables as rows, for a command to print."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crmsync.client.book import type_named
from crmsync.client.copper import Copper
from crmsync.client.labels import Labels, Table
from crmsync.client.trouble import bad
from crmsync.copper.errors import NotFound, PaymentRequired, PermissionDenied
from crmsync.model.suggest import did_you_mean


@dataclass(frozen=True)
class LabelRows:
    """One lookup table, with a title for its columns."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def label_rows(copper: Copper, table: str | None, name: str | None) -> LabelRows:
    """Return the table that a command names; without one, how many entries each has. Raises BadInput."""
    if table is None:
        counts = [(each, _count(copper, make)) for each, make in _TABLES.items() if each != "options"]
        return LabelRows("labels", ("table", "entries"), counts)
    wanted = table.replace("_", "-").casefold()
    make = _TABLES.get(wanted)
    if make is None:
        raise bad("CRM049", f'There is no table "{table}".{did_you_mean(wanted, _TABLES)} There are: {", ".join(_TABLES)}.')
    if name is not None and wanted not in _WITH_NAME:
        raise bad("CRM049", f"{wanted} takes no further word. Those that do are: {', '.join(_WITH_NAME)}.")
    return make(copper, name)


def _count(copper: Copper, make: Callable[[Copper, str | None], LabelRows]) -> int | None:
    """Return how many entries a table has; None where the account does not show it (no leads, for instance)."""
    try:
        return len(make(copper, None).rows)
    except (NotFound, PaymentRequired, PermissionDenied):
        return None


def _plain(attribute: str) -> Callable[[Copper, str | None], LabelRows]:
    def make(copper: Copper, name: str | None) -> LabelRows:
        table: Table = getattr(copper.labels, attribute)
        return LabelRows(attribute, ("id", "name"), [(entry.id, entry.name) for entry in table])

    return make


def _users(copper: Copper, name: str | None) -> LabelRows:
    rows = [(entry.id, entry.name, "".join(entry.also)) for entry in copper.labels.users]
    return LabelRows("users", ("id", "name", "email"), rows)


def _stages(copper: Copper, name: str | None) -> LabelRows:
    labels: Labels = copper.labels
    rows = [(entry.id, entry.name, labels.pipelines.name(entry.within or 0)) for entry in labels.stages(_named(name))]
    return LabelRows("stages", ("id", "name", "pipeline"), rows)


def _custom_fields(copper: Copper, name: str | None) -> LabelRows:
    on = None if name is None else type_named(name).singular
    found = [copper.labels.custom_field(int(each["id"])) for each in copper.labels.definitions()]
    rows = [
        (each.id, each.name, each.data_type, ", ".join(each.available_on), len(each.options) or None)
        for each in found
        if on is None or on in each.available_on
    ]
    return LabelRows("custom_fields", ("id", "name", "data_type", "available_on", "options"), rows)


def _options(copper: Copper, name: str | None) -> LabelRows:
    if name is None:
        raise bad("CRM049", "Name the custom field whose options you want, such as: crmsync labels options Tier")
    return LabelRows(
        "options", ("id", "name"), [(entry.id, entry.name) for entry in copper.labels.options(_named(name) or 0)]
    )


def _named(name: str | None) -> str | int | None:
    """Return a name, or the id that it is written as."""
    return int(name) if name is not None and name.isascii() and name.isdigit() else name


_TABLES: Mapping[str, Callable[[Copper, str | None], LabelRows]] = {
    "users": _users,
    "pipelines": _plain("pipelines"),
    "stages": _stages,
    "contact-types": _plain("contact_types"),
    "customer-sources": _plain("customer_sources"),
    "loss-reasons": _plain("loss_reasons"),
    "lead-statuses": _plain("lead_statuses"),
    "activity-types": _plain("activity_types"),
    "custom-fields": _custom_fields,
    "options": _options,
}
_WITH_NAME = ("stages", "custom-fields", "options")
