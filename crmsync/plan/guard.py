"""The brakes: limits on what one plan may do, and deletes that are not safe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue
from crmsync.model.changes import with_action
from crmsync.model.plan import Action, Breach, Cause, Change
from crmsync.model.records import Observed
from crmsync.model.settings import Limit, Limits
from crmsync.model.values import is_empty

#: Below `apply_from` records a share says little; so many deletes pass all the same.
FEW_DELETES = 3

#: So many managed records missing from Copper at once, and more than such a share of them, are no accident.
FEW_MISSING = 3
MISSING_PERCENT = 10

_ACTIONS = {"updates": Action.UPDATE, "deletes": Action.DELETE, "adopts": Action.ADOPT}


def breaches(changes: Iterable[Change], totals: Mapping[str, int], limits: Limits) -> tuple[Breach, ...]:
    """Return the limits that *changes* exceed; *totals* are the records of each type bound or adopted in the plan."""
    counted: Counter[tuple[str, str]] = Counter()
    for change in with_action(changes, *_ACTIONS.values()):
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


def missing(totals: Mapping[str, int], absent: Collection[Address]) -> tuple[Breach, ...]:
    """
    Return the types of which too many are *absent* from Copper; else all types together, if those are.

    *totals* are the bound records of each type.

    Another account, or a key that lost a permission, looks just like this.
    """
    by_type = {name: [each for each in absent if each.type == name] for name in sorted(totals)}
    found = [breach for name, gone in by_type.items() for breach in _missing(name, gone, totals[name])]
    return tuple(found or _missing("records", absent, sum(totals.values())))


def _missing(name: str, absent: Collection[Address], total: int) -> Sequence[Breach]:
    count = len(absent)
    if count < FEW_MISSING or count * 100 <= total * MISSING_PERCENT:
        return ()
    names = tuple(map(str, sorted(absent)))
    return (Breach("missing", name, count, total, f"{MISSING_PERCENT}%", f"--allow-missing {count}", names),)


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


#: Which records (type, id) name a record (type, id).
NamedBy = Mapping[tuple[str, int], Collection[tuple[str, int]]]


def named_by(
    observed: Mapping[tuple[str, int], Observed], catalogue: Catalogue, relinked: Collection[tuple[str, int, str]]
) -> NamedBy:
    """
    Return which of the *observed* records name which, but for the links that are *relinked*.

    Not every link is among a record's related items: who has a person for primary contact is not.
    """
    found: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for (type_name, id), record in observed.items():
        for row in catalogue[type_name].links:
            target = record.fields.get(row.name)
            if isinstance(target, int) and (type_name, id, row.name) not in relinked:
                found.setdefault((str(row.target), target), []).append((type_name, id))
    return found
