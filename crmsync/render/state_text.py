"""What the state remembers, as tables: `crmsync state list` and `state show`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue
from crmsync.model.events import Applied
from crmsync.model.state import Binding, State
from crmsync.render.sanitise import clean
from crmsync.render.width import cells, pad


def bindings_text(state: State, addresses: Iterable[Address] | None = None) -> str:
    """Return a table of the bindings (of *addresses*, or all), with a newline at its end."""
    chosen = _chosen(state, addresses)
    if not chosen:
        return "The state binds no records.\n"
    waiting = {intent.address for intent in state.open_intents.values()}
    rows = [
        (
            str(address),
            f"#{binding.record_id}",
            binding.origin.value,
            str(len(binding.applied)),
            _marks(binding, address in waiting),
        )
        for address, binding in chosen
    ]
    return table(("ADDRESS", "RECORD", "ORIGIN", "FIELDS", ""), rows)


def _chosen(state: State, addresses: Iterable[Address] | None) -> list[tuple[Address, Binding]]:
    wanted = state.bindings if addresses is None else [each for each in addresses if each in state.bindings]
    return [(address, state.bindings[address]) for address in sorted(wanted)]


def _marks(binding: Binding, is_waiting: bool) -> str:
    marks = ("protected" if binding.is_protected else "", "waiting for an earlier request" if is_waiting else "")
    return ", ".join(filter(None, marks))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return *rows* below *head* in aligned columns, two spaces apart, safe to show."""
    cleaned = [tuple(map(clean, row)) for row in (head, *rows)]
    widths = [max(map(cells, column)) for column in zip(*cleaned, strict=True)]
    lines = ["  ".join(pad(text, width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cleaned]
    return "\n".join(lines) + "\n"


def binding_text(state: State, address: Address, catalogue: Catalogue | None = None) -> str:
    """
    Return all that the state knows of the bound *address*: no values, it has none.

    With a *catalogue* custom fields go by their names instead of their ids.
    """
    binding = state.bindings[address]
    lines = [
        f"address    {clean(str(address))}",
        f"record     #{binding.record_id}",
        f"origin     {binding.origin.value}",
        f"protected  {'yes' if binding.is_protected else 'no'}",
    ]
    if binding.on_delete is not None:
        lines.append(f"on_delete  {clean(binding.on_delete)}")
    waiting = [clean(each.action.value) for each in state.open_intents.values() if each.address == address]
    if waiting:
        lines.append(f"waiting    {', '.join(waiting)}")
    lines.append("fields")
    fields = sorted((_field_name(address, id, catalogue), applied) for id, applied in binding.applied.items())
    lines += [f"  {clean(name)}{_field_mark(applied)}" for name, applied in fields]
    return "\n".join(lines) + "\n"


def _field_mark(applied: Applied) -> str:
    if applied.is_handed_over:
        return " (handed over, not managed)"
    return " (kept as Copper has it)" if applied.is_kept else ""


def _field_name(address: Address, id: str, catalogue: Catalogue | None) -> str:
    entity = None if catalogue is None else catalogue.by_name.get(address.type)
    row = None if entity is None else entity.by_id.get(id)
    return id if row is None else row.name


def bindings_document(state: State, addresses: Iterable[Address] | None = None) -> list[dict[str, Any]]:
    """Return the bindings (of *addresses*, or all) as data."""
    return [
        {
            "address": str(address),
            "record_id": binding.record_id,
            "origin": binding.origin.value,
            "is_protected": binding.is_protected,
            "on_delete": binding.on_delete,
            "fields": sorted(binding.applied),
            "kept": sorted(id for id, applied in binding.applied.items() if applied.is_kept),
            "handed_over": sorted(id for id, applied in binding.applied.items() if applied.is_handed_over),
        }
        for address, binding in _chosen(state, addresses)
    ]
