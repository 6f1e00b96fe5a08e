"""What there is to say of records when nobody knows yet which others are declared."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from msgspec import Struct

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue
from crmsync.model.records import Declared, PolicyRule
from crmsync.model.source import Diagnostic, in_file_order
from crmsync.model.values import Label, Labels, Lookup, Members, Written
from crmsync.resolve.policies import SAYS_NOTHING
from crmsync.resolve.resolving import Place, Question, Resolving, possible_targets

_KNOWN = frozenset({str, bool, int, Decimal, date, Members})


class Pointer(Struct, frozen=True):
    """The record *source* names another: the first of *targets* that is declared, or what answers *question*."""

    source: Address
    targets: tuple[Address, ...] = ()
    question: Question | None = None


class Alone(Struct, frozen=True):
    """What there is to say of some records whatever else is declared, and which others they name."""

    diagnostics: tuple[Diagnostic, ...]
    pointers: tuple[Pointer, ...]


def resolve_alone(declared: Mapping[Address, Declared], catalogue: Catalogue, policies: Mapping[str, PolicyRule]) -> Alone:
    """
    Return what `resolve` says of *declared* when every record they name exists, and what they name.

    Not for policies that do not fit (`has_misfit`): of these it is told once for all files.
    """
    resolving = ResolvingAlone(catalogue, policies)
    for record in declared.values():
        resolving.look_at(record)
    return Alone(in_file_order(resolving.diagnostics), tuple(resolving.pointers))


def has_misfit(catalogue: Catalogue, policies: Mapping[str, PolicyRule]) -> bool:
    """Say whether a policy of the settings names a mode that a field cannot have."""
    resolving = Resolving({}, catalogue, policies, None)
    pairs = ((entity.name, field.name) for entity in catalogue.types for field in entity.fields)
    return any(resolving.policy_of_all(*pair) is None for pair in pairs)


class ResolvingAlone(Resolving):
    """Resolves records of which it is not known what else is declared."""

    def __init__(self, catalogue: Catalogue, policies: Mapping[str, PolicyRule]) -> None:
        super().__init__({}, catalogue, policies, None)
        self.pointers: list[Pointer] = []
        self._sure: set[tuple[str, str, tuple[str, ...]]] = set()

    def look_at(self, record: Declared) -> None:
        """Note all that there is to say of *record*: of a value that is known and not empty there is nothing."""
        fields, type_name = record.fields, record.address.type
        if record.options.policy == SAYS_NOTHING:
            fields = {name: each for name, each in fields.items() if not self._is_sure(type_name, name, each.value)}
        if not fields:
            return
        before = len(self.diagnostics)
        self.record(record, fields)
        if len(self.diagnostics) == before:
            rows = self._catalogue[type_name].by_name
            labels = ((name, _texts(each.value)) for name, each in fields.items())
            self._sure.update(
                (type_name, name, texts) for name, texts in labels if texts and name in rows and rows[name].within is None
            )

    def _is_sure(self, type_name: str, name: str, value: Written) -> bool:
        """Say whether there is nothing to say of *value*: it is known and not empty, or a label that was found before."""
        if value.__class__ in _KNOWN:
            return bool(value)
        return (type_name, name, _texts(value)) in self._sure

    def _reference(self, lookup: Lookup, place: Place) -> Address | int | None:
        if lookup.by == "id":
            return int(lookup.text)
        if lookup.by == "key":
            targets = possible_targets(place.field.target or "", lookup.text)
            self.pointers.append(Pointer(place.record.address, targets))
            return targets[0]
        question = self._question(lookup, place, is_told=True)
        if question is not None:
            self.pointers.append(Pointer(place.record.address, question=question))
        return None


def _texts(value: Written) -> tuple[str, ...]:
    """Return the texts of labels; none of anything else."""
    if isinstance(value, Label):
        return (value.text,)
    return tuple(each.text for each in value.items) if isinstance(value, Labels) else ()
