"""
From a seed to a script: the account, the files and how they change, the runs and what befalls them, the people.

Worlds are small on purpose: two to eight records, values from small pools. What goes wrong goes wrong there too, and
thousands fit into a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from crmsync.model.address import Address
from crmsync.model.records import OnDrift, PolicyRule
from crmsync.sandbox import Quirks
from tests.simulation.files import MOVED, Files, first_key
from tests.simulation.runs import Network, RunWish

#: Stands in every value that is written, and must never stand in the state.
MARK = "zq"

DETAILS = (f"{MARK} one", f"{MARK} two", f"{MARK} three", f"{MARK} four")
TAGS = (f"{MARK}a", f"{MARK}b", f"{MARK}c", f"{MARK}d")
TYPES = ("companies", "people", "opportunities")
KEYS = {"companies": "abc", "people": "pqrs", "opportunities": "xyz"}


@dataclass(frozen=True)
class Deed:
    """
    Something a person does.

    *when* says whether *at* counts requests, and it happens right before that one is executed; or plans with changes, and
    it happens while that one is looked at; or rounds, and it happens before that one begins.
    """

    at: int
    kind: str
    number: int
    when: str = "request"


@dataclass(frozen=True)
class Round:
    """The runs that are under way together, the files of that time, and what happens once they have ended."""

    files: Files
    runs: tuple[RunWish, ...]
    rest: float = 60.0
    goes_back: bool = False


@dataclass(frozen=True)
class Script:
    """Everything that is decided beforehand."""

    seed: int
    quirks: Quirks
    network: Network
    policies: Mapping[str, PolicyRule]
    before: tuple[tuple[str, Mapping[str, Any]], ...]
    rounds: tuple[Round, ...]
    deeds: tuple[Deed, ...]
    real_reads: bool = False
    pace: int = 180
    has_other_host: bool = False
    tags: frozenset[str] = field(default_factory=frozenset)


def script(seed: int) -> Script:
    """Return the script of a seed."""
    rng = Random(f"crmsync/{seed}")
    before = _before(rng)
    files = _first(rng)
    rounds = []
    count = rng.choice((1, 2, 2, 3, 3))
    for number in range(count):
        rounds.append(Round(files, _runs(rng), rest=rng.choice((1.0, 30.0, 200.0, 4000.0)), goes_back=False))
        if number < count - 1:
            files = changed(rng, files)
    if rng.random() < 0.06 and len(rounds) > 1:
        # Without an e-mail or the like nothing tells that a record is ours, once the state has forgotten it; and what
        # was created right before is found only when the search index has it.
        rounds = [replace(each, files=_keyed(each.files), rest=max(each.rest, 200.0)) for each in rounds]
        rounds[-2] = replace(rounds[-2], goes_back=True)
    return Script(
        seed=seed,
        quirks=_quirks(rng),
        network=_network(rng),
        policies=_policies(rng),
        before=before,
        rounds=tuple(rounds),
        deeds=_deeds(rng),
        real_reads=rng.random() < 0.05,
        pace=rng.choice((180, 180, 180, 24)),
    )


# ---- the account


def _quirks(rng: Random) -> Quirks:
    return Quirks(
        search_lag=rng.choice((0.0, 0.0, 0.0, 5.0, 30.0, 55.0)),
        short_pages=rng.choice(("off", "off", "on")),
        total=rng.choice(("exact", "surplus")),
        delete_links=rng.choice(("null", "null", "dangle")),
        bulk_company_links=rng.choice(("apply", "ignore")),
        array_update="replace",
        custom_fields_update=rng.choice(("merge", "merge", "merge", "replace")),
        stage_resets_probability=rng.choice(("unless_sent", "unless_sent", "always")),
        person_company_put=rng.choice(("apply", "ignore")),
        relate_again=rng.choice(("refuse", "accept")),
        unrelated=rng.choice(("400", "404", "422")),
        name_filter=rng.choice(("exact", "substring")),
        bulk_item_message=rng.choice(("object", "string")),
        empty_address=rng.choice(("null", "parts", "strings")),
        bulk_limit=rng.choice(("10", "10", "5")),
        noop_put=rng.choice(("keep", "bump")),
        bulk_unknown_id=rng.choice(("item", "call")),
        multiselect_order=rng.choice(("sorted", "as_sent")),
        tags_order=rng.choice(("as_sent", "sorted")),
    )


READS = ("status_before:503", "status_before:429", "reset_before", "reset_after", "timeout_after", "truncated", "html")
WRITES = (
    "status_before:503",
    "status_after:500",
    "status_after:502",
    "status_before:429",
    "refused",
    "reset_before",
    "reset_after",
    "timeout_before",
    "timeout_after",
    "late",
    "truncated",
    "html",
    "redirect",
)


def _network(rng: Random) -> Network:
    share = rng.choice((0.0, 0.1, 0.3, 0.6))
    reads = dict.fromkeys(rng.sample(READS, 3), share / 40) if rng.random() < 0.5 else {}
    reads |= {"short_page": 0.15, "stale_search": 0.05} if rng.random() < 0.3 else {}
    writes = dict.fromkeys(rng.sample(WRITES, 4), share / 4)
    appends = rng.choice((0.0, 0.0, 0.0, 0.1, 1.5))
    return Network(reads, writes, latency=rng.choice((0.05, 0.2, 1.0)), append_seconds=appends)


def _policies(rng: Random) -> Mapping[str, PolicyRule]:
    drift = rng.choice((None, None, None, OnDrift.KEEP, OnDrift.HOLD))
    return {} if drift is None else {"*": PolicyRule(on_drift=drift)}


def _before(rng: Random) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """Return the records that Copper has before anything is applied: some of them are those that the files mean."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    if rng.random() < 0.3:
        found.append(("companies", {"name": f"{MARK} Company a", "details": rng.choice(DETAILS)}))
    if rng.random() < 0.3:
        found.append(("people", {"name": f"{MARK} Old", "emails": [f"{MARK}-p@a.example"], "title": rng.choice(DETAILS)}))
    if rng.random() < 0.2:
        found.append(("people", {"name": f"{MARK} Somebody", "tags": [rng.choice(TAGS)]}))
    return tuple(found)


# ---- the files


def _first(rng: Random) -> Files:
    records: dict[Address, dict[str, Any]] = {}
    for type_name, most in (("companies", 3), ("people", 4), ("opportunities", 2)):
        for key in KEYS[type_name][: rng.randint(0, most)]:
            records[Address(type_name, key)] = {}
    if not records:
        records[Address("people", "p")] = {}
    for address in records:
        records[address] = _record(rng, address, records)
    return Files(records)


def _record(rng: Random, address: Address, records: Mapping[Address, Any]) -> dict[str, Any]:
    record = {"name": _name(address)}
    for name in FIELDS[address.type]:
        if rng.random() < (0.5 if name in ("company", "primary_contact") else 0.35):
            value = value_of(rng, address, name, records)
            if value is not _NOTHING:
                record[name] = value
    return _staged(rng, record)


#: The stages of the sandbox's pipelines.
STAGES = {"Sales": ("Qualifying", "Proposal", "Negotiation"), "Renewals": ("Upcoming", "Negotiation")}


def _staged(rng: Random, record: dict[str, Any]) -> dict[str, Any]:
    """Return *record* with a stage of its pipeline, if it has one."""
    if "pipeline" not in record:
        return {name: value for name, value in record.items() if name != "stage"}
    stages = STAGES[record["pipeline"]]
    return {**record, "stage": record["stage"] if record.get("stage") in stages else rng.choice(stages)}


def _name(address: Address) -> str:
    return f"{MARK} {address.type.title()} {address.key}".replace("Companies", "Company")


_NOTHING = object()
Maker = Callable[[Random, Address, Mapping[Address, Any]], Any]


def _link(type_name: str) -> Maker:
    def make(rng: Random, address: Address, records: Mapping[Address, Any]) -> Any:
        keys = [each.key for each in records if each.type == type_name]
        return rng.choice(keys) if keys else _NOTHING

    return make


def _one_of(*values: Any) -> Maker:
    return lambda rng, address, records: rng.choice(values)


def _some_of(values: tuple[Any, ...]) -> Maker:
    return lambda rng, address, records: sorted(rng.sample(values, rng.randint(1, 2)))


def _custom(rng: Random, address: Address, records: Mapping[Address, Any]) -> Any:
    return {
        name: value
        for name, value in (
            ("Tier", rng.choice(("Gold", "Silver", "Bronze"))),
            ("Regions", sorted(rng.sample(("EMEA", "APAC", "LATAM"), 2))),
            ("Code", rng.choice(DETAILS)),
            ("Score", rng.choice(("1", "2.5"))),
        )
        if rng.random() < 0.5
    } or {"Tier": "Gold"}


def _emails(rng: Random, address: Address, records: Mapping[Address, Any]) -> Any:
    return [f"{MARK}-{address.key}@a.example", *([f"{MARK}-{address.key}2@a.example"] if rng.random() < 0.3 else [])]


#: The fields that may be declared: how a value of each is drawn.
FIELDS: Mapping[str, Mapping[str, Maker]] = {
    "companies": {
        "email_domain": lambda rng, address, records: f"{MARK}-{address.key}.example",
        "details": _one_of(*DETAILS),
        "tags": _some_of(TAGS),
        "assignee": _one_of("Dana", "Lee"),
        "contact_type": _one_of("Current Customer", "Other"),
        "address": lambda rng, address, records: {"city": rng.choice(DETAILS)},
        "primary_contact": _link("people"),
        "custom_fields": _custom,
    },
    "people": {
        "emails": _emails,
        "title": _one_of(*DETAILS),
        "details": _one_of(*DETAILS),
        "company": _link("companies"),
        "tags": _some_of(TAGS),
        "assignee": _one_of("Dana", "Lee"),
        "phone_numbers": _one_of(["+1 415 555 0123"], ["+1 415 555 0123", "+1 415 555 0199"]),
        "custom_fields": _custom,
    },
    "opportunities": {
        "company": _link("companies"),
        "primary_contact": _link("people"),
        "details": _one_of(*DETAILS),
        "monetary_value": _one_of("100", "250.5"),
        "status": _one_of("Open", "Won"),
        "pipeline": _one_of("Sales", "Sales", "Renewals"),
        "win_probability": _one_of("10", "55"),
        "tags": _some_of(TAGS),
        "custom_fields": _custom,
    },
}


def value_of(rng: Random, address: Address, name: str, records: Mapping[Address, Any]) -> Any:
    """Return a value for a field, or nothing when there is none to be had."""
    return FIELDS[address.type][name](rng, address, records)


def changed(rng: Random, files: Files) -> Files:
    """Return files as they are after somebody worked on them."""
    records = {address: dict(written) for address, written in files.records.items()}
    moved: tuple[tuple[Address, Address], ...] = ()
    for _ in range(rng.randint(2, 5)):
        change = rng.choice((_edit, _edit, _edit, _edit, _drop_field, _add, _remove, _remove, _clear))
        change(rng, records)
    if rng.random() < 0.12 and records:
        moved = _move(rng, records)
    if rng.random() < 0.1:
        _swap_emails(rng, records)
    return Files(_distinct(records) or dict(files.records), moved)


def _distinct(records: Mapping[Address, dict[str, Any]]) -> dict[Address, dict[str, Any]]:
    """Return *records* in which no two people have one e-mail address."""
    seen: set[str] = set()
    found: dict[Address, dict[str, Any]] = {}
    for address, written in records.items():
        emails = set(written.get("emails") or ())
        found[address] = {name: value for name, value in written.items() if name != "emails" or not emails & seen}
        seen |= emails
    return found


def _edit(rng: Random, records: dict[Address, dict[str, Any]]) -> None:
    address = rng.choice(sorted(records)) if records else None
    if address is None:
        return
    name = rng.choice(sorted(FIELDS[address.type]))
    value = value_of(rng, address, name, records)
    if value is not _NOTHING:
        records[address] = _staged(rng, {**records[address], name: value})
        if "stage" in records[address] and rng.random() < 0.3:
            records[address]["stage"] = rng.choice(STAGES[records[address]["pipeline"]])


def _drop_field(rng: Random, records: dict[Address, dict[str, Any]]) -> None:
    address = rng.choice(sorted(records)) if records else None
    names = sorted(set(records[address]) - {"name"}) if address is not None else []
    if address is not None and names:
        gone = rng.choice(names)
        records[address] = _staged(rng, {name: value for name, value in records[address].items() if name != gone})


def _clear(rng: Random, records: dict[Address, dict[str, Any]]) -> None:
    address = rng.choice(sorted(records)) if records else None
    if address is not None:
        names = sorted({"details", "title", "company", "tags", "assignee"} & set(records[address]))
        if names:
            name = rng.choice(names)
            records[address] = {**records[address], name: [] if name == "tags" else None}


def _add(rng: Random, records: dict[Address, dict[str, Any]]) -> None:
    type_name = rng.choice(TYPES)
    taken = {first_key(address.key) for address in records if address.type == type_name}
    free = [key for key in KEYS[type_name] if key not in taken]
    if free:
        address = Address(type_name, rng.choice(free))
        records[address] = _record(rng, address, {**records, address: {}})


def _remove(rng: Random, records: dict[Address, dict[str, Any]]) -> None:
    if len(records) < 2:
        return
    gone = rng.choice(sorted(records))
    del records[gone]
    links = {"companies": ("company",), "people": ("primary_contact",)}.get(gone.type, ())
    for address, record in records.items():
        for name in links:
            if record.get(name) == gone.key:
                records[address] = {key: value for key, value in record.items() if key != name}


def _move(rng: Random, records: dict[Address, dict[str, Any]]) -> tuple[tuple[Address, Address], ...]:
    origin = rng.choice(sorted(records))
    destination = Address(origin.type, origin.key + MOVED)
    if destination in records:
        return ()
    links = {"companies": ("company",), "people": ("primary_contact",)}.get(origin.type, ())
    records[destination] = records.pop(origin)
    for address, record in records.items():
        for name in links:
            if record.get(name) == origin.key:
                records[address] = {**record, name: destination.key}
    return ((origin, destination),)


def _swap_emails(rng: Random, records: dict[Address, dict[str, Any]]) -> None:
    people = [address for address in sorted(records) if address.type == "people" and records[address].get("emails")]
    if len(people) > 1:
        one, other = rng.sample(people, 2)
        mine, theirs = records[one]["emails"], records[other]["emails"]
        records[one] = {**records[one], "emails": theirs}
        records[other] = {**records[other], "emails": mine}


def _keyed(files: Files) -> Files:
    """Return *files* in which every record has a natural key, always the same."""
    records: dict[Address, Mapping[str, Any]] = {}
    for address, written in files.records.items():
        if address.type == "people":
            written = {**written, "emails": [f"{MARK}-{address.key}@a.example"]}
        elif address.type == "opportunities":
            written = {name: value for name, value in written.items() if name not in ("company", "primary_contact")}
        records[address] = {name: value for name, value in written.items() if name != "email_domain"}
    return Files(records)


# ---- the runs and the people


def _runs(rng: Random) -> tuple[RunWish, ...]:
    first = _run(rng)
    if rng.random() < 0.22:
        host = rng.choice(("one", "two"))
        second = _run(rng, after=rng.choice((0.0, 1.0, 3.0, 65.0, 90.0)), host=host)
        if rng.random() < 0.5:
            # The first is stopped for longer than a lease lasts, and wakes up while the second works, or after it.
            pauses = ((rng.randint(8, 60), rng.choice((64.0, 75.0, 95.0, 130.0))),)
            first = replace(first, pauses=pauses, kill_at=None, after=0.0)
            second = replace(second, after=rng.choice((61.0, 63.0, 66.0, 70.0)), host="two")
        return first, second
    return (first,)


def _run(rng: Random, after: float = 0.0, host: str = "one") -> RunWish:
    kill_at = rng.randint(1, 120) if rng.random() < 0.4 else None
    stop_at = rng.randint(1, 80) if kill_at is None and rng.random() < 0.1 else None
    pauses: tuple[tuple[int, float], ...] = ()
    if rng.random() < 0.25:
        pauses = ((rng.randint(1, 100), rng.choice((2.0, 4.5, 7.0, 20.0, 80.0, 200.0, 4000.0))),)
    mode = rng.choices(("auto", "asked", "saved"), (6, 3, 1))[0]
    return RunWish(
        after=after,
        mode=mode,
        host=host,
        kill_at=kill_at,
        stop_at=stop_at,
        pauses=pauses,
        gap_pause=(rng.randint(1, 4), rng.choice((2.0, 15.0))) if rng.random() < 0.03 else None,
        loses_reply=rng.randint(1, 8) if rng.random() < 0.06 else None,
        lead=rng.choice((1.0, 600.0)),
        allows=rng.random() < 0.9,
    )


#: What people do, and how often it is among what they do.
DEEDS = {
    "edit": 10,
    "edit_set": 4,
    "relink": 2,
    "create_twin": 2,
    "create_other": 1,
    "delete": 1,
    "clone": 1,
    "merge": 1,
    "hide": 1,
    "show": 2,
    "rename_label": 0.5,
    "remove_option": 0.5,
    "convert_lead": 0.5,
}


def _deeds(rng: Random) -> tuple[Deed, ...]:
    if rng.random() < 0.25:
        return ()
    kinds = rng.choices(list(DEEDS), list(DEEDS.values()), k=rng.randint(1, 5))
    deeds = [Deed(rng.randint(5, 120), kind, number) for number, kind in enumerate(kinds)]
    deeds += [Deed(rng.randint(1, 3), "meddle", 10 + n, "plan") for n in range(rng.choice((0, 1, 2, 3, 4)))]
    deeds += [Deed(rng.randint(2, 3), "contest", 20 + n, "round") for n in range(rng.choice((0, 1, 2, 3)))]
    return tuple(sorted(deeds, key=lambda deed: deed.at))
