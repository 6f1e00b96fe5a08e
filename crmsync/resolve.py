"""
From what the files say to what should be: labels become ids, references become addresses or ids, policies are merged.

Everything that is wrong is told, and the field it is about left out, so that one run tells everything.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache

from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, Entry, Field, Write
from crmsync.model.codes import CODES
from crmsync.model.records import Declared, DeclaredField, Desired, DesiredField, Mode, Observed, Policy, PolicyRule
from crmsync.model.source import Diagnostic, Listing, Position, Problem, Scalar, in_file_order
from crmsync.model.suggest import did_you_mean
from crmsync.model.values import Label, Labels, Lookup, Member, Members, Value, Written, is_empty

#: What a lookup asks: the type, the field, the text in canonical form.
Question = tuple[str, str, str]

#: Returns the declared records that a lookup finds, in their order.
Holders = Callable[[Question], Sequence[Address]]

_ANY_TYPE = "*"
_LABEL_BY_ID = re.compile(r"#([0-9]{1,18})")
_SET_MODES = (Mode.OWN, Mode.ADD)
_TO_LOOK_UP = (Label, Labels, Lookup)
_KNOWN = frozenset({str, bool, int, Decimal, date, Members})
_SAYS_NOTHING = PolicyRule()

_NOUNS = {
    "users": "user",
    "contact_types": "contact type",
    "pipelines": "pipeline",
    "stages": "stage",
    "customer_sources": "customer source",
    "loss_reasons": "loss reason",
}


@dataclass(frozen=True)
class Resolved:
    """The records as they should be, without the fields that *diagnostics* are about."""

    records: Mapping[Address, Desired]
    diagnostics: tuple[Diagnostic, ...]


def lookups(
    declared: Mapping[Address, Declared], catalogue: Catalogue, *, holders: Holders | None = None
) -> tuple[Question, ...]:
    """Return the lookups that no declared record answers, so that Copper must be asked: type, field, canonical text."""
    resolving = _Resolving(declared, catalogue, {}, None, holders)
    return tuple(sorted(set(resolving.open_questions())))


def resolve(
    declared: Mapping[Address, Declared],
    catalogue: Catalogue,
    policies: Mapping[str, PolicyRule],
    found: Mapping[Question, tuple[Observed, ...]] | None,
    *,
    only: Mapping[Address, Declared] | None = None,
    holders: Holders | None = None,
) -> Resolved:
    """
    Return the records as they should be, all that are *declared* or *only* some of them.

    *found* are Copper's answers to `lookups`; with None nobody asked, and what only Copper can answer is left out without
    a complaint. So are labels while the catalogue knows no account. *holders* says which declared records a lookup finds,
    where that is known without looking at each.
    """
    resolving = _Resolving(declared, catalogue, policies, found, holders)
    wanted = declared if only is None else only
    records = {address: resolving.record(record) for address, record in wanted.items()}
    return Resolved(records, in_file_order(resolving.diagnostics))


@dataclass(frozen=True, slots=True)
class Pointer:
    """The record *source* names another: the first of *targets* that is declared, or what answers *question*."""

    source: Address
    targets: tuple[Address, ...] = ()
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class Alone:
    """What there is to say of some records whatever else is declared, and which others they name."""

    diagnostics: tuple[Diagnostic, ...]
    pointers: tuple[Pointer, ...]


def resolve_alone(declared: Mapping[Address, Declared], catalogue: Catalogue, policies: Mapping[str, PolicyRule]) -> Alone:
    """
    Return what `resolve` says of *declared* when every record they name exists, and what they name.

    Not for policies that do not fit (`has_misfit`): of these it is told once for all files.
    """
    resolving = _ResolvingAlone(catalogue, policies)
    for record in declared.values():
        resolving.look_at(record)
    return Alone(in_file_order(resolving.diagnostics), tuple(resolving.pointers))


def has_misfit(catalogue: Catalogue, policies: Mapping[str, PolicyRule]) -> bool:
    """Say whether a policy of the settings names a mode that a field cannot have."""
    resolving = _Resolving({}, catalogue, policies, None)
    pairs = ((entity.name, field.name) for entity in catalogue.types for field in entity.fields)
    return any(resolving.policy_of_all(*pair) is None for pair in pairs)


@dataclass(frozen=True, slots=True)
class _Place:
    """A field of a record, where a complaint about it belongs."""

    record: Declared
    field: Field
    position: Position

    def diagnostic(self, code: str, detail: str, position: Position | None = None) -> Diagnostic:
        """Return a complaint about this place, or about *position* within it."""
        return Diagnostic(CODES[code], detail, position or self.position, self.record.address)


class _Resolving:
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

    def record(self, record: Declared, fields: Mapping[str, DeclaredField] | None = None) -> Desired:
        """Return one record as it should be, or only some of its *fields*."""
        by_name = self._catalogue[record.address.type].by_name
        shared = self._shared(record.address.type)
        own = record.options.policy
        is_silent = own == _SAYS_NOTHING
        desired: dict[str, DesiredField] = {}
        for name, declared in (record.fields if fields is None else fields).items():
            field = by_name.get(name)
            if field is None:
                continue  # a custom field of an account that is not known yet
            value, position = declared.value, declared.position
            is_known = True
            if value is None or isinstance(value, _TO_LOOK_UP):
                value, is_known = self._value(value, _Place(record, field, position))
            policy = self._shared_policy(record.address.type, name) if is_silent else None
            if policy is None:
                self._check_modes(_Place(record, field, position), shared)
                policy = merged_policy(field, (*shared, own))
            if is_known:
                if field.required and is_empty(value) and policy.mode is not Mode.OBSERVE:
                    singular = self._catalogue[record.address.type].singular
                    detail = f"A {singular} cannot be without {name}. Write a value, or remove the line."
                    self._tell(_Place(record, field, position), "CRM041", detail)
                desired[name] = DesiredField(value, policy, position)
        return Desired(record.address, desired, record.position, record.options)

    def _shared(self, type_name: str) -> list[PolicyRule]:
        layers = (self._policies.get(_ANY_TYPE), self._policies.get(type_name))
        return [rule for rule in layers if rule is not None]

    def policy_of_all(self, type_name: str, name: str) -> Policy | None:
        """Return the policy of a field where the record itself says nothing; None when there is something to tell of it."""
        field, shared = self._catalogue[type_name].by_name[name], self._shared(type_name)
        is_misfit = not field.kind.is_set and any(_named_mode(field, rule) in _SET_MODES for rule in shared)
        return None if is_misfit else merged_policy(field, shared)

    def open_questions(self) -> Iterator[Question]:
        """Yield the lookups that no declared record answers."""
        for record in self._declared.values():
            entity = self._catalogue[record.address.type]
            for name, declared in record.fields.items():
                if isinstance(declared.value, Lookup) and name in entity.by_name:
                    question = self._question(declared.value, _Place(record, entity.by_name[name], declared.position))
                    if question is not None and not self._holders(question):
                        yield question

    # Values

    def _value(self, written: Written, place: _Place) -> tuple[Value, bool]:
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

    def _tell(self, place: _Place, code: str, detail: str, position: Position | None = None) -> None:
        self.diagnostics.append(place.diagnostic(code, detail, position))

    # Labels

    def _labels(self, labels: Labels, place: _Place) -> tuple[Members, bool]:
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

    def _label(self, label: Label, place: _Place) -> int | None:
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

    def _entry(self, label: Label, place: _Place, within: int | None) -> int | None:
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

    def _tell_unknown(self, label: Label, place: _Place, within: int | None, suggestion: str) -> None:
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

    def _reference(self, lookup: Lookup, place: _Place) -> Address | int | None:
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

    def _by_key(self, lookup: Lookup, place: _Place) -> Address | None:
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

    def _in_copper(self, question: Question, lookup: Lookup, place: _Place) -> int | None:
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

    def _question(self, lookup: Lookup, place: _Place, is_told: bool = False) -> Question | None:
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

    def _check_modes(self, place: _Place, shared: Sequence[PolicyRule]) -> None:
        """Tell a rule that names a single-valued field and speaks of members; one for a whole type is told once."""
        field, address = place.field, place.record.address
        if field.kind.is_set:
            return
        own = _named_mode(field, place.record.options.policy)
        common = next((mode for rule in reversed(shared) if (mode := _named_mode(field, rule)) in _SET_MODES), None)
        if own in _SET_MODES or (common is not None and (address.type, field.name) not in self._misfits):
            self._misfits.add((address.type, field.name))
            detail = f'"{own if own in _SET_MODES else common}" is for lists such as tags, and "{field.name}" is one value.'
            self._tell(place, "CRM029", f"{detail} Use enforce, seed, fill or observe.")


class _ResolvingAlone(_Resolving):
    """Resolves records of which it is not known what else is declared."""

    def __init__(self, catalogue: Catalogue, policies: Mapping[str, PolicyRule]) -> None:
        super().__init__({}, catalogue, policies, None)
        self.pointers: list[Pointer] = []
        self._sure: set[tuple[str, str, tuple[str, ...]]] = set()

    def look_at(self, record: Declared) -> None:
        """Note all that there is to say of *record*: of a value that is known and not empty there is nothing."""
        fields, type_name = record.fields, record.address.type
        if record.options.policy == _SAYS_NOTHING:
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

    def _reference(self, lookup: Lookup, place: _Place) -> Address | int | None:
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


def possible_targets(type_name: str, text: str) -> tuple[Address, ...]:
    """Return what a reference to a record of this type may mean: its key, written with or without its type."""
    bare = text.removeprefix(f"{type_name}.")
    return (Address(type_name, text),) if bare == text else (Address(type_name, text), Address(type_name, bare))


def merged_policy(field: Field, rules: Sequence[PolicyRule]) -> Policy:
    """
    Return the policy of *field* under *rules*, weakest first.

    Within a rule the entry for the field wins over the one for its group (`address`, `custom_fields`), and that over the
    rule's own words. Without any word members are owned and single values enforced; a field that cannot be written is only
    observed.
    """
    policy = Policy(mode=Mode.OWN if field.kind.is_set else Mode.ENFORCE)
    mode, on_drift, on_adopt = policy.mode, policy.on_drift, policy.on_adopt
    for rule in (each for whole in rules for each in _layers(field, whole)):
        if rule.mode is not None and (field.kind.is_set or rule.mode not in _SET_MODES):
            mode = rule.mode
        on_drift = rule.on_drift or on_drift
        on_adopt = rule.on_adopt or on_adopt
    return Policy(Mode.OBSERVE if field.write is Write.NEVER else mode, on_drift, on_adopt)


def _layers(field: Field, rule: PolicyRule) -> Iterator[PolicyRule]:
    yield rule
    for name in (field.name.partition(".")[0], field.name):
        if name in rule.fields:
            yield rule.fields[name]


def _named_mode(field: Field, rule: PolicyRule) -> Mode | None:
    named = rule.fields.get(field.name)
    return named.mode if named is not None else None


def keys_of(value: Written) -> frozenset[str]:
    """Return the texts under which a value is found: those of its members, or its own."""
    if isinstance(value, Members):
        return frozenset(str(member.key) for member in value)
    return frozenset({value}) if isinstance(value, str) else frozenset()


def _said(lookup: Lookup) -> str:
    return f'{lookup.by} "{lookup.text}"'


# Labels


@dataclass(frozen=True, slots=True)
class Found:
    """Exactly one entry has the label."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class NotFound:
    """No entry has the label; *suggestion* is a sentence naming a near one, or no text."""

    suggestion: str


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Several entries have the label, which only their ids tell apart."""

    candidates: tuple[Entry, ...]


def find_label(entries: Iterable[Entry], text: str, within: int | None = None) -> Found | NotFound | Ambiguous:
    """
    Return the entry called *text*, among those *within* one parent when that is given.

    As written first, then without regard to case, where further names (a user's e-mail) count as well.
    ``#123`` names an entry by its id, for labels that several entries have.
    """
    table = [entry for entry in entries if within is None or entry.within == within]
    written, folded = _composed(text), _composed(text).casefold()
    rungs: Sequence[Callable[[Entry], bool]] = (
        lambda entry: _composed(entry.name) == written,
        lambda entry: folded in {_composed(name).casefold() for name in (entry.name, *entry.also)},
        lambda entry: _is_id(written, entry),
    )
    for is_meant in rungs:
        matches = tuple(entry for entry in table if is_meant(entry))
        if matches:
            return Found(matches[0]) if len(matches) == 1 else Ambiguous(matches)
    return NotFound(did_you_mean(text, (name for entry in table for name in (entry.name, *entry.also))))


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _is_id(text: str, entry: Entry) -> bool:
    named = _LABEL_BY_ID.fullmatch(text)
    return named is not None and int(named.group(1)) == entry.id
