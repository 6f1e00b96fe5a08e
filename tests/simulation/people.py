"""The hands of other people: what they do in the web application while crmsync works."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

from crmsync.model.address import Address
from crmsync.model.plan import Action, Plan
from crmsync.model.state import Binding
from crmsync.sandbox.outside import LabelError
from tests.simulation.copper import HEADERS, Sent, Watched
from tests.simulation.dice import DETAILS, MARK, TAGS, TYPES, Deed
from tests.simulation.files import Files
from tests.simulation.machine import Machine

Act = Callable[[Watched, Random], None]

EDITS: Mapping[str, Mapping[str, tuple[object, ...]]] = {
    "companies": {
        "details": DETAILS,
        "assignee": ("Dana", "Lee"),
        "address": ({"city": DETAILS[0]}, {"city": f"{MARK} five"}),
        "custom_fields.Tier": ("Gold", "Silver", "Bronze"),
        "custom_fields.Code": DETAILS,
    },
    "people": {
        "title": DETAILS,
        "details": DETAILS,
        "assignee": ("Dana", "Lee"),
        "custom_fields.Tier": ("Gold", "Silver", "Bronze"),
        "custom_fields.Score": (1, 2.5),
    },
    "opportunities": {
        "details": DETAILS,
        "monetary_value": (100, 300),
        "status": ("Open", "Won", "Lost"),
        "win_probability": (20, 80),
        "pipeline_stage_id": (980_001, 980_002, 980_003),
    },
}


def do(deed: Deed, sandbox: Watched, seed: int, machine: Machine, **context: Any) -> None:
    """Let somebody do *deed*; where there is nothing to do it with, nothing happens."""
    rng = Random(f"people/{seed}/{deed.number}")
    with suppress(LabelError):
        if deed.kind == "meddle":
            _meddle(sandbox, rng, context["run"].plan, machine.log.read().bindings)
        elif deed.kind == "contest":
            _contest(sandbox, rng, machine, context["before"], context["files"])
        else:
            ACTS[deed.kind](sandbox, rng)


def _meddle(sandbox: Watched, rng: Random, plan: Plan, bindings: Mapping[Address, Binding]) -> None:
    """Touch what the plan that somebody looks at is about."""
    deletes = [each for each in plan.changes if each.action is Action.DELETE]
    change = rng.choice(deletes or plan.changes) if rng.random() < 0.7 else rng.choice(plan.changes)
    type_name = change.address.type
    if change.action is Action.CREATE:
        sandbox.act("create", type_name, 0, lambda: sandbox.create(type_name, {"name": change.name}))
        return
    if change.record_id is None or sandbox.raw(type_name, change.record_id) is None:
        return
    if change.action is Action.DELETE and rng.random() < 0.6:
        _name_it(sandbox, rng, type_name, change.record_id)
        return
    binding = bindings.get(change.address)
    known = {name.partition("/")[0]: name for name in (binding.applied if binding is not None else ())}
    planned = [each.field for each in change.fields if each.field in EDITS[type_name]]
    planned = planned or sorted(set(known) & set(EDITS[type_name]))
    name = rng.choice(planned or sorted(EDITS[type_name]))
    _set(sandbox, rng, type_name, change.record_id, name)


_LINKS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "companies": (("opportunities", "company_id"), ("people", "company_id")),
    "people": (("opportunities", "primary_contact_id"),),
}


def _name_it(sandbox: Watched, rng: Random, type_name: str, id: int) -> None:
    """Let another record name this one as its company or contact."""
    for other_type, key in _LINKS.get(type_name, ()):
        others = sorted(sandbox.everything(other_type))
        if others:
            other = rng.choice(others)
            sandbox.act("edit", other_type, other, partial(sandbox.edit, other_type, other, {key: id}))
            return


def _set(sandbox: Watched, rng: Random, type_name: str, id: int, name: str) -> None:
    value = rng.choice(EDITS[type_name][name])
    sandbox.act("edit", type_name, id, lambda: sandbox.edit(type_name, id, {name: value}))


def _contest(sandbox: Watched, rng: Random, machine: Machine, before: Files, files: Files) -> None:
    """Change in Copper what the files have changed as well."""
    bindings = machine.log.read().bindings
    contested = [
        (address, name)
        for address in files.records
        for name in EDITS[address.type]
        if address in bindings and _written(before, address, name) != _written(files, address, name)
    ]
    if contested:
        address, name = rng.choice(contested)
        _set(sandbox, rng, address.type, bindings[address].record_id, name)


def _any(sandbox: Watched, rng: Random, types: tuple[str, ...] = TYPES) -> tuple[str, int] | None:
    found = [(type_name, id) for type_name in types for id in sorted(sandbox.everything(type_name))]
    return rng.choice(found) if found else None


def _edit(sandbox: Watched, rng: Random) -> None:
    found = _any(sandbox, rng)
    if found is not None:
        name = rng.choice(sorted(EDITS[found[0]]))
        value = rng.choice(EDITS[found[0]][name])
        sandbox.act("edit", *found, lambda: sandbox.edit(*found, {name: value}))


def _edit_set(sandbox: Watched, rng: Random) -> None:
    """Add a tag or take one away; or write other options."""
    found = _any(sandbox, rng)
    if found is None:
        return
    has = list((sandbox.raw(*found) or {}).get("tags", []))
    tag = rng.choice(has) if has and rng.random() < 0.4 else rng.choice((*TAGS, f"{MARK}theirs"))
    tags = [each for each in has if each != tag] if tag in has else [*has, tag]
    sandbox.act("edit", *found, lambda: sandbox.edit(*found, {"tags": tags}))


def _relink(sandbox: Watched, rng: Random) -> None:
    """Let an opportunity, or a company, name another person; or nobody."""
    found = _any(sandbox, rng, ("companies", "opportunities"))
    people = sorted(sandbox.everything("people"))
    if found is not None:
        contact = rng.choice([None, *people])
        sandbox.act("edit", *found, lambda: sandbox.edit(*found, {"primary_contact_id": contact}))


def _create_twin(sandbox: Watched, rng: Random) -> None:
    """Create what a file may be about to create."""
    type_name = rng.choice(TYPES)
    key = rng.choice({"companies": "abc", "people": "pqr", "opportunities": "xy"}[type_name])
    word = {"companies": "Company", "people": "People", "opportunities": "Opportunities"}[type_name]
    values: dict[str, object] = {"name": f"{MARK} {word} {key}"}
    if type_name == "people" and rng.random() < 0.6:
        values["emails"] = [f"{MARK}-{key}@a.example"]
    if type_name == "companies" and rng.random() < 0.4:
        values["email_domain"] = f"{MARK}-{key}.example"
    sandbox.act("create", type_name, 0, lambda: sandbox.create(type_name, values))


def _create_other(sandbox: Watched, rng: Random) -> None:
    type_name = rng.choice(TYPES)
    sandbox.act("create", type_name, 0, lambda: sandbox.create(type_name, {"name": f"{MARK} Stranger"}))


def _delete(sandbox: Watched, rng: Random) -> None:
    found = _any(sandbox, rng)
    if found is not None:
        sandbox.act("delete", *found, lambda: sandbox.delete(*found))


def _clone(sandbox: Watched, rng: Random) -> None:
    found = _any(sandbox, rng)
    if found is not None:
        sandbox.act("clone", *found, lambda: sandbox.clone(*found))


def _merge(sandbox: Watched, rng: Random) -> None:
    type_name = rng.choice(("companies", "people"))
    ids = sorted(sandbox.everything(type_name))
    if len(ids) > 1:
        winner, loser = rng.sample(ids, 2)
        sandbox.act("merge", type_name, loser, lambda: sandbox.merge(type_name, winner, loser))


def _hide(sandbox: Watched, rng: Random) -> None:
    """Hide a record that crmsync knows: of one that it is still looking for, nobody could tell."""
    found = _any(sandbox, rng)
    if found is not None and found in sandbox.known():
        sandbox.act("hide", *found, lambda: sandbox.hide(*found))
        sandbox.touched.add(found)


def _show(sandbox: Watched, rng: Random) -> None:
    for type_name in TYPES:
        for id in sorted(sandbox.everything(type_name)):
            if sandbox.is_hidden(type_name, id):
                sandbox.hide(type_name, id, False)


def _rename_label(sandbox: Watched, rng: Random) -> None:
    account = sandbox.account
    old = account.lookups["contact_types"]
    renamed = tuple(replace(each, name=f"{each.name} (new)") if each.name == "Other" else each for each in old)
    sandbox.rename(replace(account, lookups={**account.lookups, "contact_types": renamed}))
    sandbox.has_other_labels = True


def _remove_option(sandbox: Watched, rng: Random) -> None:
    account = sandbox.account
    definitions = tuple(
        replace(each, options=tuple(option for option in each.options if option.name != "Bronze"))
        if each.name == "Tier"
        else each
        for each in account.definitions
    )
    sandbox.rename(replace(account, definitions=definitions))
    sandbox.has_other_labels = True


def _convert_lead(sandbox: Watched, rng: Random) -> None:
    """A lead with the e-mail of a declared person becomes a person."""
    key = rng.choice("pqrs")
    lead = sandbox.create("leads", {"name": f"{MARK} Lead {key}", "email": f"{MARK}-{key}@a.example"})
    body = json.dumps({"details": {"person": {"name": f"{MARK} Lead {key}"}}}).encode()
    request = Sent("POST", f"/leads/{lead}/convert", body, HEADERS, "somebody")
    faults, sandbox.faults = sandbox.faults, []
    sandbox.act("convert", "people", 0, lambda: sandbox.handle(request))
    sandbox.faults = faults


def _written(files: Files, address: Address, name: str) -> object:
    group, _, label = name.partition(".")
    value = files.records.get(address, {}).get(group)
    return value.get(label) if label and value is not None else value


ACTS: Mapping[str, Act] = {
    "edit": _edit,
    "edit_set": _edit_set,
    "relink": _relink,
    "create_twin": _create_twin,
    "create_other": _create_other,
    "delete": _delete,
    "clone": _clone,
    "merge": _merge,
    "hide": _hide,
    "show": _show,
    "rename_label": _rename_label,
    "remove_option": _remove_option,
    "convert_lead": _convert_lead,
}
