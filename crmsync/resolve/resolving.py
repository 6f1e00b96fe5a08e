"""One record after another: labels become ids, references become addresses or ids, policies are merged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

from msgspec import Struct

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, Field
from crmsync.model.codes import CODES
from crmsync.model.records import Declared, DeclaredField, Desired, DesiredField, Mode, Observed, Policy, PolicyRule
from crmsync.model.source import Diagnostic, Listing, Position, Problem, Scalar
from crmsync.model.suggest import did_you_mean
from crmsync.model.values import Label, Labels, Lookup, Member, Members, Value, Written, is_empty
from crmsync.resolve.labels import Ambiguous, Found, NotFound, find_label
from crmsync.resolve.policies import SAYS_NOTHING, SET_MODES, merged_policy, named_mode

#: What a lookup asks: the type, the field, the text in canonical form.
Question = tuple[str, str, str]

#: Returns the declared records that a lookup finds, in their order.
Holders = Callable[[Question], Sequence[Address]]

_ANY_TYPE = "*"
_TO_LOOK_UP = (Label, Labels, Lookup)
_NOUNS = {
    "users": "user",
    "contact_types": "contact type",
    "pipelines": "pipeline",
    "stages": "stage",
    "customer_sources": "customer source",
    "loss_reasons": "loss reason",
}


class Place(Struct, frozen=True):
    """A field of a record, where a complaint about it belongs."""

    record: Declared
    field: Field
    position: Position

    def diagnostic(self, code: str, detail: str, position: Position | None = None) -> Diagnostic:
        """Return a complaint about this place, or about *position* within it."""
        return Diagnostic(CODES[code], detail, position or self.position, self.record.address)


class Resolving:
    """One call of `resolve`: what it was given, what it has complained about, what it has looked up already."""

    def __init__(
        self,
        declared: Mapping[Address, Declared],
        catalogue: Catalogue,
        policies: Mapping[str, PolicyRule],
        found: Mapping[Question, tuple[Observed, ...]] | None,
        holders: Holders | None = None,
    ) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._declared = declared
        self._catalogue = catalogue
        self._policies = policies
        self._found = found
        self._misfits: set[tuple[str, str]] = set()
        self._find_label = cache(lambda table, text, within: find_label(catalogue.labels.get(table, ()), text, within))
        self._declared_by = cache(self._index)
        self._holders = holders or self._held
        self._shared_policy = cache(self.policy_of_all)
        self._keys_of_type = cache(lambda type_name: [each.key for each in declared if each.type == type_name])
        self._near_key = cache(lambda address: did_you_mean(address.key, self._keys_of_type(address.type)))

    def let_go(self) -> None:
        """Let go of all: what was looked up refers to this and this to it, which a collector that is paused does not see."""
        vars(self).clear()

    def record(self, record: Declared, fields: Mapping[str, DeclaredField] | None = None) -> Desired:
        """Return one record as it should be, or only some of its *fields*."""
        by_name = self._catalogue[record.address.type].by_name
        shared = self._shared(record.address.type)
        own = record.options.policy
        is_silent = own == SAYS_NOTHING
        desired: dict[str, DesiredField] = {}
        for name, declared in (record.fields if fields is None else fields).items():
            field = by_name.get(name)
            if field is None:
                continue  # a custom field of an account that is not known yet
            value, position = declared.value, declared.position
            is_known = True
            if value is None or isinstance(value, _TO_LOOK_UP):
                value, is_known = self._value(value, Place(record, field, position))
            policy = self._shared_policy(record.address.type, name) if is_silent else None
            if policy is None:
                self._check_modes(Place(record, field, position), shared)
                policy = merged_policy(field, (*shared, own))
            if is_known:
                if field.required and is_empty(value) and policy.mode is not Mode.OBSERVE:
                    singular = self._catalogue[record.address.type].singular
                    detail = f"A {singular} cannot be without {name}. Write a value, or remove the line."
                    self._tell(Place(record, field, position), "CRM041", detail)
                desired[name] = DesiredField(value, policy, position)
        return Desired(record.address, desired, record.position, record.options)

    def _shared(self, type_name: str) -> list[PolicyRule]:
        layers = (self._policies.get(_ANY_TYPE), self._policies.get(type_name))
        return [rule for rule in layers if rule is not None]

    def policy_of_all(self, type_name: str, name: str) -> Policy | None:
        """Return the policy of a field where the record itself says nothing; None when there is something to tell of it."""
        field, shared = self._catalogue[type_name].by_name[name], self._shared(type_name)
        is_misfit = not field.kind.is_set and any(named_mode(field, rule) in SET_MODES for rule in shared)
        return None if is_misfit else merged_policy(field, shared)

    def open_questions(self) -> Iterator[Question]:
        """Yield the lookups that no declared record answers."""
        for record in self._declared.values():
            entity = self._catalogue[record.address.type]
            for name, declared in record.fields.items():
                if isinstance(declared.value, Lookup) and name in entity.by_name:
                    question = self._question(declared.value, Place(record, entity.by_name[name], declared.position))
                    if question is not None and not self._holders(question):
                        yield question

    # Values

    def _value(self, written: Written, place: Place) -> tuple[Value, bool]:
        """Return a value, and whether it is known; if not, all that can be said has been said."""
        match written:
            case None:  # null clears a set of everybody's members, [] of ours: the two must not look alike
                return (None if place.field.kind.is_set else place.field.kind.decode(None, self._catalogue.locale)), True
            case Label():
                id = self._label(written, place)
                return id, id is not None
            case Labels():
                return self._labels(written, place)
            case Lookup():
                target = self._reference(written, place)
                return target, target is not None
            case _:
                return written, True

    def _tell(self, place: Place, code: str, detail: str, position: Position | None = None) -> None:
        self.diagnostics.append(place.diagnostic(code, detail, position))

    # Labels

    def _labels(self, labels: Labels, place: Place) -> tuple[Members, bool]:
        ids: dict[int, Label] = {}
        is_known = True
        for label in labels.items:
            id = self._label(label, place)
            if id is None:
                is_known = False
            elif id in ids:
                is_known = False
                detail = f'"{label.text}" and "{ids[id].text}" are the same option. Keep one of the two.'
                self._tell(place, "CRM027", detail, label.position)
            else:
                ids[id] = label
        return Members(tuple(Member(id, id) for id in ids)), is_known

    def _label(self, label: Label, place: Place) -> int | None:
        """Return the id of the entry that *label* names, or None when there is none to be had."""
        field = place.field
        parent = place.record.fields.get(field.within) if field.within is not None else None
        if field.within is not None and (parent is None or parent.value is None):
            detail = f'"{label.text}" is looked up inside its {field.within}. Declare the {field.within} as well.'
            self._tell(place, "CRM032", detail)
            return None
        if not self._catalogue.has_account:
            return None
        if field.within is None or parent is None:
            return self._entry(label, place, None)
        row = self._catalogue[place.record.address.type].by_name[field.within]
        outer = self._find_label(row.target, parent.value.text, None) if isinstance(parent.value, Label) else None
        return self._entry(label, place, outer.entry.id) if isinstance(outer, Found) else None

    def _entry(self, label: Label, place: Place, within: int | None) -> int | None:
        table = place.field.target or ""
        match self._find_label(table, label.text, within):
            case Found(entry):
                return entry.id
            case Ambiguous(candidates):
                listed = ", ".join(f"{each.name} (#{each.id})" for each in candidates)
                detail = (
                    f'"{label.text}" could be {listed}. Write the one you mean by its id, such as "#{candidates[0].id}".'
                )
                self._tell(place, "CRM031", detail, label.position)
            case NotFound(suggestion):
                self._tell_unknown(label, place, within, suggestion)
        return None

    def _tell_unknown(self, label: Label, place: Place, within: int | None, suggestion: str) -> None:
        field = place.field
        table = field.target or ""
        elsewhere = self._find_label(table, label.text, None) if within is not None else None
        if within is None or not isinstance(elsewhere, Found | Ambiguous):
            noun = _NOUNS.get(table, f"option of {field.name.partition('.')[2] or field.name}")
            detail = f'There is no {noun} called "{label.text}" in this Copper account.{suggestion}'
            return self._tell(place, "CRM030", detail, label.position)
        others = (elsewhere.entry,) if isinstance(elsewhere, Found) else elsewhere.candidates
        outer = self._catalogue[place.record.address.type].by_name[str(field.within)].target or ""
        here = self._catalogue.label(outer, within)
        there = ", ".join(sorted(f'"{self._catalogue.label(outer, each.within or 0)}"' for each in others))
        detail = f'The {field.within} "{here}" has no {field.name} "{label.text}", but {there} has.{suggestion}'
        return self._tell(place, "CRM033", detail, label.position)

    # References

    def _reference(self, lookup: Lookup, place: Place) -> Address | int | None:
        """Return the record that *lookup* names: its address where the files declare it, else its id."""
        if lookup.by == "id":
            return int(lookup.text)
        if lookup.by == "key":
            return self._by_key(lookup, place)
        question = self._question(lookup, place, is_told=True)
        if question is None:
            return None
        addresses = self._holders(question)
        if len(addresses) == 1:
            return addresses[0]
        if addresses:
            listed = ", ".join(str(each) for each in addresses)
            self._tell(place, "CRM038", f"{_said(lookup)} fits {listed}. Write the key of the one you mean.")
            return None
        return self._in_copper(question, lookup, place)

    def _by_key(self, lookup: Lookup, place: Place) -> Address | None:
        """Return the declared record with this key, written with or without its type."""
        type_name = place.field.target or ""
        prefix = f"{type_name}."
        for address in possible_targets(type_name, lookup.text):
            if address in self._declared:
                return address
        other = Address.parse(lookup.text)
        if other is not None and other in self._declared:
            noun = self._catalogue[type_name].singular
            self._tell(place, "CRM036", f'{other} is no {noun}, which "{place.field.name}" needs.')
            return None
        address = Address(type_name, lookup.text.removeprefix(prefix))
        detail = f"No file declares {address}.{self._near_key(address)}"
        self._tell(place, "CRM036", f"{detail} A record that is only in Copper is named by a lookup, such as {{name: ...}}.")
        return None

    def _in_copper(self, question: Question, lookup: Lookup, place: Place) -> int | None:
        if self._found is None or not self._catalogue.has_account:
            return None
        type_name, by, text = question
        records = {each.id: each for each in self._found.get(question, ()) if text in keys_of(each.fields.get(by))}
        if len(records) == 1:
            return next(iter(records))
        if not records:
            self._tell(place, "CRM037", f"{_said(lookup)} fits no record of {type_name}, neither declared nor in Copper.")
            return None
        listed = ", ".join(f'"{each.name}" (#{id})' for id, each in sorted(records.items()))
        detail = f"{_said(lookup)} fits {listed} in Copper. Write the one you mean as {{id: {min(records)}}}."
        self._tell(place, "CRM038", detail)
        return None

    def _question(self, lookup: Lookup, place: Place, is_told: bool = False) -> Question | None:
        """Return what *lookup* asks, or None when nothing is asked, or nothing that makes sense; *is_told* says why."""
        if lookup.by in ("key", "id"):
            return None
        target = self._catalogue[place.field.target or ""]
        row = target.by_name.get(lookup.by)
        if row is None or row.filter is None:
            if is_told:
                words = ", ".join([*(field.name for field in target.fields if field.filter is not None), "id"])
                detail = f"{target.name} are not looked up by {lookup.by}. There are: {words}."
                self._tell(place, "CRM011", detail, lookup.position)
            return None
        value, problems = self._canonical(lookup, row)
        if is_told:
            self.diagnostics += [place.diagnostic(each.code.number, each.detail, each.position) for each in problems]
        return None if problems else (target.name, row.name, next(iter(keys_of(value))))

    def _canonical(self, lookup: Lookup, row: Field) -> tuple[Written, tuple[Problem, ...]]:
        """Return the text of *lookup* as the field looked at would read it."""
        text = Scalar(lookup.text, lookup.position)
        node = Listing((text,), lookup.position) if row.kind.is_set else text
        return row.kind.read(node, row, self._catalogue.locale)

    def _held(self, question: Question) -> Sequence[Address]:
        type_name, name, key = question
        return self._declared_by(type_name, name).get(key, ())

    def _index(self, type_name: str, name: str) -> Mapping[str, list[Address]]:
        """Return the declared records of a type by the keys of one field."""
        index: dict[str, list[Address]] = {}
        for address, record in self._declared.items():
            if address.type == type_name and name in record.fields:
                for key in keys_of(record.fields[name].value):
                    index.setdefault(key, []).append(address)
        return index

    # Policies

    def _check_modes(self, place: Place, shared: Sequence[PolicyRule]) -> None:
        """Tell a rule that names a single-valued field and speaks of members; one for a whole type is told once."""
        field, address = place.field, place.record.address
        if field.kind.is_set:
            return
        own = named_mode(field, place.record.options.policy)
        common = next((mode for rule in reversed(shared) if (mode := named_mode(field, rule)) in SET_MODES), None)
        if own in SET_MODES or (common is not None and (address.type, field.name) not in self._misfits):
            self._misfits.add((address.type, field.name))
            detail = f'"{own if own in SET_MODES else common}" is for lists such as tags, and "{field.name}" is one value.'
            self._tell(place, "CRM029", f"{detail} Use enforce, seed, fill or observe.")


def possible_targets(type_name: str, text: str) -> tuple[Address, ...]:
    """Return what a reference to a record of this type may mean: its key, written with or without its type."""
    bare = text.removeprefix(f"{type_name}.")
    return (Address(type_name, text),) if bare == text else (Address(type_name, text), Address(type_name, bare))


def keys_of(value: Written) -> frozenset[str]:
    """Return the texts under which a value is found: those of its members, or its own."""
    if isinstance(value, Members):
        return frozenset(str(member.key) for member in value)
    return frozenset({value}) if isinstance(value, str) else frozenset()


def _said(lookup: Lookup) -> str:
    return f'{lookup.by} "{lookup.text}"'
