"""What a sheet says of records beside their values, found out once for each value however many records have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from crmsync.config.facts import Fact
from crmsync.config.twins import claims
from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, EntityType, Field
from crmsync.model.records import Declared, DeclaredField, PolicyRule
from crmsync.model.source import Position
from crmsync.model.values import Label, Labels, Lookup, Member, Written, is_empty
from crmsync.project.sheets import NOTHING, About, hash_of_claim, hash_of_question, pointing, searched
from crmsync.resolve import keys_of
from crmsync.resolve.alone import ResolvingAlone

_NOWHERE = Position("", 0, 0)
_TO_LOOK_UP = frozenset({Label, Labels, Lookup})


class Judge:
    """Judges what `crmsync.config.straight` reads: None where something is to be told."""

    def __init__(self, catalogue: Catalogue, policies: Mapping[str, PolicyRule]) -> None:
        self._alone = ResolvingAlone(catalogue, policies)
        self._rows = {entity.name: _Rows(entity) for entity in catalogue.types}
        self._pairs: dict[tuple[str, str, Written, Written], bool] = {}

    def value(self, entity: EntityType, field: Field, declared: DeclaredField) -> About | None:
        """Return what columns have of a record with this value."""
        value = declared.value
        about = NOTHING
        is_unclear = value.__class__ in _TO_LOOK_UP or (not value and is_empty(value))  # type: ignore[arg-type] # written, not resolved
        if is_unclear and field.within is None:
            looked = self._looked_at(entity, {field.name: declared})
            if looked is None:
                return None
            about = looked
        if field.name not in self._rows[entity.name].searched:
            return about
        keys = tuple([hash_of_question((entity.name, field.name, key)) for key in keys_of(value)])
        return About(keys if field.unique else (), keys, *about[2:])

    def texts(self, entity: EntityType, field: Field) -> Callable[[str], About]:
        """Return what does the same for texts that are not empty, of a field that keeps them."""
        if field.name not in self._rows[entity.name].searched:
            return lambda text: NOTHING
        about, is_unique = (entity.name, field.name), field.unique

        def judge(text: str) -> About:
            keys = (hash_of_question((*about, text)),)
            return About(keys if is_unique else (), keys)

        return judge

    def members(self, entity: EntityType, field: Field) -> Callable[[Sequence[Member]], About]:
        """Return what does the same for the members of sets that are not empty."""
        if field.name not in self._rows[entity.name].searched:
            return lambda members: NOTHING
        about, is_unique = (entity.name, field.name), field.unique

        def judge(members: Sequence[Member]) -> About:
            keys = tuple([hash_of_question((*about, str(each.key))) for each in members])
            return About(keys if is_unique else (), keys)

        return judge

    def record(self, entity: EntityType, key: str, facts: Mapping[str, Fact]) -> About | None:
        """Return what columns have of a record with these values."""
        rows = self._rows[entity.name]
        if rows.within and not all(self._fits(entity, field, facts) for field in rows.within if field.name in facts):
            return None
        found = [facts[name].verdict for name in rows.telling if name in facts]
        about = _together(found) if len(found) != 1 else found[0]
        if not rows.claims_alone:
            about = about._replace(claims=_claims(entity, key, facts))
        return about

    def _fits(self, entity: EntityType, field: Field, facts: Mapping[str, Fact]) -> bool:
        """Say whether there is nothing to tell of a label that is looked up within another."""
        parent = facts.get(field.within or "")
        value, outer = facts[field.name].value, None if parent is None else parent.value
        about = (entity.name, field.name, value, outer)
        if about not in self._pairs:
            pair = {
                each.name: DeclaredField(each.value, _NOWHERE) for each in (facts[field.name], parent) if each is not None
            }
            self._pairs[about] = self._looked_at(entity, pair) is not None
        return self._pairs[about]

    def _looked_at(self, entity: EntityType, fields: Mapping[str, DeclaredField]) -> About | None:
        """Return which records a record with these fields names; None where something is to be told of it."""
        alone = self._alone
        alone.look_at(Declared(Address(entity.name, ""), fields, _NOWHERE))
        about = None if alone.diagnostics else pointing(alone.pointers)
        alone.diagnostics.clear()
        alone.pointers.clear()
        return about


class _Rows:
    """What is to be looked at in the records of a type: fields *telling* something for columns, labels *within* others."""

    def __init__(self, entity: EntityType) -> None:
        self.searched = searched(entity)
        self.telling = (*self.searched, *(row.name for row in entity.links if row.name not in self.searched))
        self.within = tuple(row for row in entity.fields if row.within is not None)
        self.claims_alone = all(entity.by_name[match.by].unique for match in entity.match_on)


def _together(found: Sequence[About]) -> About:
    """Return what columns have of a record, of whose values they have this."""
    claimed, keys, targets, others, questions = NOTHING
    for each in found:
        claimed += each.claims
        keys += each.keys
        targets += each.targets
        others += each.others
        questions += each.questions
    return About(claimed, keys, targets, others, questions)


def _claims(entity: EntityType, key: str, facts: Mapping[str, Fact]) -> tuple[int, ...]:
    """Return the hashes of what a record claims, where that depends on several fields."""
    fields = {name: DeclaredField(fact.value, _NOWHERE) for name, fact in facts.items()}
    record = Declared(Address(entity.name, key), fields, _NOWHERE)
    return tuple(hash_of_claim(entity, claim) for claim in claims(record, entity))
