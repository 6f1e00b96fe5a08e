"""The brakes: limits on what one plan may do, and deletes that are not safe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from crmsync.model.catalogue import Catalogue
from crmsync.model.plan import Action, Breach, Cause, Change
from crmsync.model.records import Observed
from crmsync.model.settings import Limit, Limits
from crmsync.model.values import is_empty

#: Below `apply_from` records a share says little; so many deletes pass all the same.
FEW_DELETES = 3

_ACTIONS = {"updates": Action.UPDATE, "deletes": Action.DELETE, "adopts": Action.ADOPT}


def breaches(changes: Iterable[Change], totals: Mapping[str, int], limits: Limits) -> tuple[Breach, ...]:
    """Return the limits that *changes* exceed; *totals* are the records of each type bound or adopted in the plan."""
    counted: Counter[tuple[str, str]] = Counter()
    for change in changes:
        for kind, action in _ACTIONS.items():
            if change.action is action and (kind != "adopts" or overwrites(change)):
                counted[kind, change.address.type] += 1
    found = []
    for (kind, type_name), count in sorted(counted.items()):
        limit: Limit = getattr(limits, kind)
        total = totals.get(type_name, 0)
        if count > _allowed(kind, limit, total, limits.apply_from):
            found.append(Breach(kind, type_name, count, total, str(limit), f"--allow-{kind} {count}"))
    return tuple(found)


def _allowed(kind: str, limit: Limit, total: int, apply_from: int) -> int:
    if not limit.is_percent:
        return limit.amount
    share = total * limit.amount // 100
    if kind == "deletes":
        return max(share, FEW_DELETES) if total > apply_from else FEW_DELETES
    return share if total > apply_from else total


def overwrites(change: Change) -> bool:
    """Say whether adopting writes over values that Copper has."""
    return any(each.cause is Cause.ADOPTED and not is_empty(each.before) and each.delta is None for each in change.fields)


def dependants(
    record: Observed,
    related: Iterable[tuple[str, int]],
    observed: Mapping[tuple[str, int], Observed],
    catalogue: Catalogue,
    relinked: Collection[tuple[str, int, str]] = (),
) -> tuple[tuple[str, int], ...]:
    """
    Return the records (type, id) that name *record* as their company or contact.

    *related* holds what Copper relates to it, as (singular type, id); one that is not in *observed* counts as naming it.
    *relinked* are links, as (type, id, field), that the plan sets anyhow.
    """
    types = {entity.singular: entity for entity in catalogue.types}
    found = []
    for singular, id in related:
        entity = types.get(singular)
        links = [] if entity is None else [row.name for row in entity.links if row.target == record.type]
        if entity is None or not links:
            continue
        other = observed.get((entity.name, id))
        naming = [name for name in links if (entity.name, id, name) not in relinked]
        if other is None or any(other.fields.get(name) == record.id for name in naming):
            found.append((entity.name, id))
    return tuple(sorted(found))
