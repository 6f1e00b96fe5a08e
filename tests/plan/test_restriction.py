"""The plan of a part: over random worlds and random changes it is the plan of the whole, and far fewer are judged."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from crmsync.catalogue import CATALOGUE
from crmsync.model.address import Address
from crmsync.model.digest import Digester
from crmsync.model.events import Applied, Origin
from crmsync.model.plan import Plan
from crmsync.model.records import (
    Desired,
    DesiredField,
    Mode,
    Observed,
    OnAdopt,
    OnDelete,
    OnDrift,
    PolicyRule,
    RecordOptions,
)
from crmsync.model.source import Diagnostic, Position
from crmsync.model.state import Binding, Head, State
from crmsync.model.values import Member, Members, Value
from crmsync.plan.build import build
from crmsync.plan.identity import keys_of
from crmsync.plan.restriction import Replaced, Touch, met, naming, said_of, touches_of
from crmsync.plan.settled import is_settled
from crmsync.plan.world import Rest, Wishes, World
from crmsync.resolve import merged_policy

HERE = Position("crm/all.yaml", 1, 1)
HEAD = Head("lineage", b"k" * 32)
DIGESTER = Digester(HEAD.digest_key)
TYPES = ("companies", "people", "opportunities")
MAILS = tuple(f"m{n}@x.test" for n in range(12))
Pair = tuple[str, int]


@dataclass
class Draft:
    """A world that can be changed."""

    desired: dict[Address, Desired] = field(default_factory=dict)
    observed: dict[Pair, Observed] = field(default_factory=dict)
    bindings: dict[Address, Binding] = field(default_factory=dict)
    policies: dict[str, PolicyRule] = field(default_factory=dict)

    def world(self) -> World:
        """Return it as a plan takes it; who of those that vanished is related to what, Copper is asked."""
        state = State(HEAD, 7, 1, dict(self.bindings))
        return World(dict(self.desired), dict(self.observed), state, related=self.related())

    def related(self) -> dict[Pair, tuple[Pair, ...]]:
        found: dict[Pair, list[Pair]] = {}
        for record in self.observed.values():
            for row in CATALOGUE[record.type].links:
                target = record.fields.get(row.name)
                if isinstance(target, int) and row.name == "company":
                    found.setdefault((str(row.target), target), []).append((CATALOGUE[record.type].singular, record.id))
        return {pair: tuple(others) for pair, others in found.items()}

    def copy(self) -> Draft:
        return Draft(dict(self.desired), dict(self.observed), dict(self.bindings), dict(self.policies))


class Ledger:
    """The settled records of a plan, as a cache would remember them."""

    def __init__(self, draft: Draft, plan: Plan, problems: Iterable[Diagnostic]) -> None:
        spoken = said_of(plan, problems)
        self.settled = {
            address
            for address, binding in draft.bindings.items()
            if address in draft.desired and address not in spoken and (address.type, binding.record_id) in draft.observed
        }
        self._at = {(each.type, draft.bindings[each].record_id): each for each in self.settled}
        self._touching: dict[Touch, set[Address]] = {}
        for address in self.settled:
            record = draft.observed[address.type, draft.bindings[address].record_id]
            values = {name: each.value for name, each in draft.desired[address].fields.items()}
            for touch in touches_of(CATALOGUE[address.type], values, record.fields):
                self._touching.setdefault(touch, set()).add(address)

    def at(self, type_name: str, id: int) -> Address | None:
        return self._at.get((type_name, id))

    def touching(self, touches: Collection[Touch]) -> set[Address]:
        return {address for touch in touches for address in self._touching.get(touch, ())}


# --- a random world ---------------------------------------------------------------------------------


def draft(chance: random.Random, size: int) -> Draft:
    """Return companies, people and opportunities, most of them bound and as their files say."""
    made = Draft(policies={"*": PolicyRule(on_drift=chance.choice([None, *OnDrift]))})
    for number in range(size):
        declare(made, chance, Address(chance.choice(TYPES), f"k{number}"))
    for address in list(made.desired):
        if chance.random() < 0.9:
            bind(made, chance, address)
    for pair in list(made.observed):
        link(made, pair)
    for _ in range(chance.randrange(4)):
        stray(made, chance)
    for _ in range(chance.randrange(4)):
        chance.choice(MOVES)(made, chance)
    return made


def declare(made: Draft, chance: random.Random, address: Address) -> None:
    entity = CATALOGUE[address.type]
    values: dict[str, Value] = {"name": f"N {chance.randrange(9)}"}
    if chance.random() < 0.5:
        values["tags"] = Members(tuple(Member(tag, tag) for tag in chance.sample("abc", chance.randrange(3))))
    if address.type == "people" and chance.random() < 0.8:
        values["emails"] = Members(
            tuple(Member(mail, mail, "work") for mail in chance.sample(MAILS, chance.randrange(1, 3)))
        )
    if address.type == "companies" and chance.random() < 0.6:
        values["email_domain"] = f"d{chance.randrange(8)}.test"
    for row in entity.links:
        others = [each for each in made.desired if each.type == row.target]
        if others and chance.random() < 0.6:
            values[row.name] = chance.choice(others)
    rule = PolicyRule(chance.choice([None] * 6 + [Mode.SEED, Mode.FILL, Mode.OBSERVE]), *_drift(chance))
    fields = {name: _desired(made, entity.name, name, value, rule) for name, value in values.items()}
    options = RecordOptions(is_new=chance.random() < 0.1, is_protected=chance.random() < 0.05)
    made.desired[address] = Desired(address, fields, HERE, options)


def _drift(chance: random.Random) -> tuple[OnDrift | None, OnAdopt | None]:
    return chance.choice([None, None, *OnDrift]), chance.choice([None, None, *OnAdopt])


def _desired(made: Draft, type_name: str, name: str, value: Value, *rules: PolicyRule) -> DesiredField:
    row = CATALOGUE[type_name].by_name[name]
    return DesiredField(value, merged_policy(row, [*made.policies.values(), *rules]), HERE)


def bind(made: Draft, chance: random.Random, address: Address) -> None:
    """Let an address have a record that looks as its file says, and was confirmed."""
    entity, id = CATALOGUE[address.type], 100 + len(made.observed)
    values = {name: each.value for name, each in made.desired[address].fields.items()}
    blank = {row.name: Members() if row.kind.is_set else None for row in entity.fields}
    made.observed[entity.name, id] = Observed(entity.name, id, {**blank, **values})
    origin = chance.choice([Origin.CREATED, Origin.CREATED, Origin.ADOPTED])
    made.bindings[address] = Binding(id, origin, {}, made.desired[address].options.is_protected)


def link(made: Draft, pair: Pair) -> None:
    """Put ids in the place of addresses, and let the state know of all fields."""
    record = made.observed[pair]
    address = next(each for each, binding in made.bindings.items() if (each.type, binding.record_id) == pair)
    fields = {name: _as_id(made, value) for name, value in record.fields.items()}
    made.observed[pair] = replace(record, fields=fields)
    known = {}
    for name, each in made.desired[address].fields.items():
        row, value = CATALOGUE[address.type].by_name[name], fields[name]
        if each.policy.mode is not Mode.SEED:
            members = {}
            if isinstance(value, Members):
                members = {DIGESTER.member_key(row, one): (DIGESTER.member(row, one),) * 2 for one in value}
            known[row.id] = Applied(DIGESTER.value(row, value), DIGESTER.value(row, value), members)
    made.bindings[address] = replace(made.bindings[address], applied=known)


def _as_id(made: Draft, value: Value) -> Value:
    if not isinstance(value, Address):
        return value
    return made.bindings[value].record_id if value in made.bindings else None


# --- what may happen ----------------------------------------------------------------------------------


def stray(made: Draft, chance: random.Random) -> None:
    """Somebody makes a record in Copper that looks like a declared one."""
    if made.desired:
        twin = made.desired[chance.choice(list(made.desired))]
        entity, id = CATALOGUE[twin.address.type], 5000 + len(made.observed)
        blank = {row.name: Members() if row.kind.is_set else None for row in entity.fields}
        values = {name: each.value for name, each in twin.fields.items() if not isinstance(each.value, Address)}
        made.observed[entity.name, id] = Observed(entity.name, id, {**blank, **values})


def edit_file(made: Draft, chance: random.Random) -> None:
    address = chance.choice(list(made.desired))
    other = Draft({**made.desired}, made.observed, made.bindings, made.policies)
    declare(other, chance, address)
    made.desired[address] = other.desired[address]


def edit_copper(made: Draft, chance: random.Random) -> None:
    if made.observed:
        pair = chance.choice(list(made.observed))
        other = Draft({**made.desired}, made.observed, made.bindings, made.policies)
        address = Address(pair[0], "other")
        declare(other, chance, address)
        values = {name: _as_id(made, each.value) for name, each in other.desired[address].fields.items()}
        names = chance.sample(list(values), chance.randrange(1, len(values) + 1))
        record = made.observed[pair]
        made.observed[pair] = replace(record, fields={**record.fields, **{name: values[name] for name in names}})


def delete_in_copper(made: Draft, chance: random.Random) -> None:
    if made.observed:
        pair = chance.choice(list(made.observed))
        del made.observed[pair]
        for other, record in made.observed.items():
            links = [row.name for row in CATALOGUE[other[0]].links if row.target == pair[0]]
            cleared = {name: None for name in links if record.fields.get(name) == pair[1]}
            made.observed[other] = replace(record, fields={**record.fields, **cleared}) if cleared else record


def leave_files(made: Draft, chance: random.Random) -> None:
    """A record vanishes from the files, and nobody names it there any more."""
    address = chance.choice(list(made.desired))
    if len(made.desired) > 1:
        del made.desired[address]
        for other, each in list(made.desired.items()):
            kept = {name: value for name, value in each.fields.items() if value.value != address}
            if len(kept) < len(each.fields):
                made.desired[other] = replace(each, fields=kept)


def name_by_id(made: Draft, chance: random.Random) -> None:
    """A file names a record of Copper by its id."""
    address = chance.choice(list(made.desired))
    rows = [row for row in CATALOGUE[address.type].links if any(pair[0] == row.target for pair in made.observed)]
    if rows:
        row = chance.choice(rows)
        id = chance.choice([pair[1] for pair in made.observed if pair[0] == row.target])
        fields = {**made.desired[address].fields, row.name: _desired(made, address.type, row.name, id)}
        made.desired[address] = replace(made.desired[address], fields=fields)


def say_id(made: Draft, chance: random.Random) -> None:
    address = chance.choice(list(made.desired))
    ids = [pair[1] for pair in made.observed if pair[0] == address.type]
    if ids:
        options = replace(made.desired[address].options, id=chance.choice(ids), id_position=HERE)
        made.desired[address] = replace(made.desired[address], options=options)


def add_to_files(made: Draft, chance: random.Random) -> None:
    declare(made, chance, Address(chance.choice(TYPES), f"new{chance.randrange(99)}"))


def rule(made: Draft, chance: random.Random) -> None:
    address = chance.choice(list(made.desired))
    policy = PolicyRule(on_delete=chance.choice(list(OnDelete)))
    made.desired[address] = replace(made.desired[address], options=RecordOptions(policy=policy))


def forget(made: Draft, chance: random.Random) -> None:
    if made.bindings:
        del made.bindings[chance.choice(list(made.bindings))]


def rebind(made: Draft, chance: random.Random) -> None:
    """Two records change their places in the state."""
    if len(made.bindings) > 1:
        one, two = chance.sample(list(made.bindings), 2)
        if one.type == two.type:
            made.bindings[one], made.bindings[two] = made.bindings[two], made.bindings[one]


def unlearn(made: Draft, chance: random.Random) -> None:
    if made.bindings:
        address = chance.choice(list(made.bindings))
        made.bindings[address] = replace(made.bindings[address], applied={})


MOVES = (
    stray,
    edit_file,
    edit_file,
    edit_copper,
    edit_copper,
    delete_in_copper,
    leave_files,
    name_by_id,
    say_id,
    add_to_files,
    rule,
    forget,
    rebind,
    unlearn,
)


# --- the part ---------------------------------------------------------------------------------------------


def part(before: Draft, now: Draft, ledger: Ledger) -> World:
    """Return the part of *now* that must be planned when *ledger* knows what was settled *before*."""
    judged = {each for each in {*now.desired, *now.bindings, *before.desired} if _has_moved(each, before, now, ledger)}
    replaced = [Replaced(each, _ids(each, before, now)) for each in judged if _is_replaced(each, before, now, ledger)]
    judged |= naming(replaced, ledger)
    desired = {address: each for address, each in now.desired.items() if address in judged}
    bindings = {address: each for address, each in now.bindings.items() if address in judged}
    strays = {pair for pair in now.observed if pair not in now.world().state.address_of}
    pairs = strays | {(address.type, each.record_id) for address, each in bindings.items()}
    pairs |= {pair for each in desired.values() if each.address not in bindings for pair in _alike(each, now)}
    whole = now.world()
    related = {pair: whole.related.get(pair, ()) for pair in pairs}
    singular = {each.singular: each.name for each in CATALOGUE.types}
    pairs |= {(singular[name], id) for others in related.values() for name, id in others}
    seen = [now.observed[pair] for pair in pairs if pair in now.observed]
    context = met(desired.values(), seen, CATALOGUE, ledger) - judged
    bindings |= {address: now.bindings[address] for address in context}
    pairs |= {(address.type, now.bindings[address].record_id) for address in context}
    observed = {pair: now.observed[pair] for pair in sorted(pairs) if pair in now.observed}
    rest = Counter(address.type for address in now.bindings if address not in bindings)
    state = replace(whole.state, bindings=bindings)
    return World(desired, observed, state, related=related, rest=Rest(context, rest))


def _alike(desired: Desired, now: Draft) -> set[Pair]:
    """Return the records that Copper shows when it is asked who *desired* may be, bound ones too."""
    found = set()
    for match in CATALOGUE[desired.address.type].match_on:
        wanted = keys_of(desired.fields[match.by].value) if match.by in desired.fields else ()
        for pair, record in now.observed.items():
            if pair[0] == desired.address.type and set(wanted) & set(keys_of(record.fields.get(match.by))):
                found.add(pair)
    return found


def _has_moved(address: Address, before: Draft, now: Draft, ledger: Ledger) -> bool:
    is_same = address in now.desired and now.desired[address] == before.desired.get(address)
    binding = now.bindings.get(address)
    if address not in ledger.settled or not is_same or binding is None or binding != before.bindings.get(address):
        return True
    pair = (address.type, binding.record_id)
    return now.observed.get(pair) != before.observed.get(pair)


def _is_replaced(address: Address, before: Draft, now: Draft, ledger: Ledger) -> bool:
    binding, earlier = now.bindings.get(address), before.bindings.get(address)
    is_there = binding is not None and (address.type, binding.record_id) in now.observed and address in now.desired
    is_same = binding is not None and earlier is not None and binding.record_id == earlier.record_id
    return address not in ledger.settled or not (is_there and is_same)


def _ids(address: Address, before: Draft, now: Draft) -> tuple[int, ...]:
    return tuple(each[address].record_id for each in (before.bindings, now.bindings) if address in each)


def planned(world: World, now: Draft) -> tuple[Plan, tuple[Diagnostic, ...]]:
    return build(world, CATALOGUE, Wishes(policies=now.policies))


@pytest.mark.parametrize("seed", range(400))
def test_the_plan_of_the_part_is_that_of_the_whole(seed: int) -> None:
    """Where nothing is wrong with the part, the whole says exactly the same; a part that is wrong is never used."""
    chance = random.Random(seed)
    before = draft(chance, chance.choice([3, 8, 20, 40]))
    ledger = Ledger(before, *planned(before.world(), before))
    now = before.copy()
    for _ in range(chance.randrange(5)):
        if now.desired:
            chance.choice(MOVES)(now, chance)

    found = planned(part(before, now, ledger), now)

    if not any(each.is_error for each in found[1]):
        assert planned(now.world(), now) == found


@pytest.mark.parametrize("seed", range(100))
def test_what_seems_settled_is(seed: int) -> None:
    """Of a record that is settled at a glance the plan says nothing; most that are settled are so at a glance."""
    chance = random.Random(seed)
    made = draft(chance, 30)
    ledger = Ledger(made, *planned(made.world(), made))
    ids = {
        each: binding.record_id for each, binding in made.bindings.items() if (each.type, binding.record_id) in made.observed
    }
    at_a_glance = {
        address
        for address, id in ids.items()
        if address in made.desired
        and is_settled(
            made.desired[address],
            made.bindings[address],
            made.observed[address.type, id],
            CATALOGUE[address.type],
            ids,
            DIGESTER,
        )
    }

    assert at_a_glance - ledger.settled == set()
    assert len(at_a_glance) > 0.5 * len(ledger.settled)


def test_most_parts_are_sound_and_small() -> None:
    """The law above is not empty: most random changes leave nothing wrong, and judge less than half of the world."""
    sizes: Mapping[str, list[float]] = {"wrong": [], "share": [], "changes": []}
    for seed in range(100):
        chance = random.Random(seed)
        before = draft(chance, 40)
        ledger = Ledger(before, *planned(before.world(), before))
        now = before.copy()
        for _ in range(2):
            chance.choice(MOVES)(now, chance)
        small = part(before, now, ledger)
        plan, problems = planned(small, now)
        sizes["wrong"].append(any(each.is_error for each in problems))
        sizes["share"].append(len(small.desired) / len(now.desired))
        sizes["changes"].append(len(plan.changes))

    assert sum(sizes["wrong"]) < 50
    assert sum(sizes["share"]) / 100 < 0.5
    assert sum(sizes["changes"]) > 200
