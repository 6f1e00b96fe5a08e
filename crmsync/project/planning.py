"""Making a plan: files, state and account come together."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import crmsync
from crmsync import resolve
from crmsync.catalogue import CATALOGUE
from crmsync.catalogue.account import account_document, label_tables, read_account_document, with_account
from crmsync.copper import read
from crmsync.copper.client import Client
from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, Locale
from crmsync.model.digest import document_digest
from crmsync.model.packed import fields_named
from crmsync.model.plan import Plan
from crmsync.model.records import Declared, Observed
from crmsync.model.source import Diagnostic, in_file_order
from crmsync.model.state import State
from crmsync.model.values import Members
from crmsync.plan.build import build
from crmsync.plan.world import Wishes, World
from crmsync.project.account import Account, identify, zone
from crmsync.project.collector import without_collector
from crmsync.project.connect import copper_trouble
from crmsync.project.deciding import Decisions, load_decisions
from crmsync.project.files import Sources, with_others
from crmsync.project.gather import Gathered, gather
from crmsync.project.looking import Looking
from crmsync.project.mirror import Mirror
from crmsync.project.reading import Ahead, Reading, SheetRecords
from crmsync.project.recordfiles import parse_all
from crmsync.project.saving import write_json
from crmsync.project.session import (
    Project,
    load_project_sources,
    make_private,
    read_declarations,
    refuse_errors,
    refuse_other_key,
    shelf_of,
)
from crmsync.project.shelf import Shelf
from crmsync.project.stamping import with_stamp_rung, with_stamps
from crmsync.project.stopwatch import Phase, Stopwatch
from crmsync.project.trouble import UsageTrouble
from crmsync.project.validating import cached_catalogue
from crmsync.render.document import Meta

#: Files larger than this together are not parsed before the account is known: they would have to be parsed again.
PARSED_AHEAD_BYTES = 2 * 2**20

#: How long a saved plan may be applied, in seconds, unless `--expires` says otherwise.
PLAN_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Planned:
    """
    A plan with all it was made of; *planned_at* is Copper's clock, *skew_seconds* Copper's clock minus ours.

    *is_asking*: it took questions to Copper about records that are not bound. A plan that was remembered comes with the
    head of its state only.
    """

    plan: Plan
    account: Account
    state: State
    sources: Sources
    warnings: tuple[Diagnostic, ...]
    observed: Mapping[tuple[str, int], Observed]
    planned_at: float
    skew_seconds: float
    meta: Meta
    looking: Looking
    is_asking: bool
    decisions: Decisions
    phases: tuple[Phase, ...] = ()


@dataclass(frozen=True)
class Begun:
    """What a plan has asked Copper before it turned out that it must be made."""

    account: Account
    looking: Looking


@dataclass(frozen=True)
class Made:
    """A plan of everything, with the world and the files that it was made of."""

    planned: Planned
    world: World
    reading: Reading


@without_collector()
def make_plan(
    project: Project,
    client: Client,
    state: State,
    wishes: Wishes,
    *,
    expires_seconds: float = PLAN_SECONDS,
    clock: Callable[[], float] = time.time,
    mirror: Mirror | None = None,
) -> Planned:
    """
    Return the plan for *project*. Raises InputTrouble with everything that is wrong, RefusedTrouble, LoginTrouble.

    With a *mirror* fewer records are read from Copper.
    """
    return make_whole(project, client, state, wishes, expires_seconds, clock, mirror).planned


def make_whole(
    project: Project,
    client: Client,
    state: State,
    wishes: Wishes,
    expires_seconds: float,
    clock: Callable[[], float],
    mirror: Mirror | None,
    begun: Begun | None = None,
) -> Made:
    """Return what `make_plan` does, with what it was made of. *begun* is what was asked already."""
    refuse_other_key(project, state)
    watch = Stopwatch(lambda: client.requests.total)
    state = replace(state, bindings=dict(state.bindings))  # each is asked for many times
    decisions = load_decisions(project)
    sources = with_others(load_project_sources(project), decisions.document)
    shelf = shelf_of(project) if mirror is not None else None
    ahead = None if wishes.is_destroy else refuse_unreadable(project, sources, shelf)
    watch.lap("files")
    with copper_trouble():
        begun = begun or begin(project, client, state, mirror)
        account, looking = begun.account, begun.looking
        watch.lap("account")
        declarations = read_declarations(project, sources, account.catalogue, shelf, ahead)
        looking.notices += shelf.notices if shelf is not None else []
        if ahead is None and not wishes.is_destroy and not declarations.is_sound:
            refuse_errors(declarations.diagnostics, sources)
        declared = _declared(project, account, declarations, wishes)
        _refuse_misnamed(wishes, declared, state)
        planned_at = clock() + client.seconds_ahead
        watch.lap("records")
        gathered, holders = _gathered(begun, declared, declarations, state, wishes.is_destroy)
    watch.lap("Copper")
    policies = project.settings.policies
    resolved = resolve.resolve(declared, account.catalogue, policies, gathered.found, holders=holders)
    chosen = {} if wishes.is_destroy else decisions.chosen
    world = World(resolved.records, gathered.observed, state, declarations.moved, gathered.related, chosen)
    plan, problems = build(world, account.catalogue, wishes)
    watch.lap("differences")
    told = () if wishes.is_destroy else (*declarations.diagnostics, *resolved.diagnostics)
    everything = in_file_order([*decisions.diagnostics, *told, *problems])
    refuse_errors(everything, sources)
    planned = Planned(
        plan=plan,
        account=account,
        state=state,
        sources=sources,
        warnings=everything,
        observed=gathered.observed,
        planned_at=planned_at,
        skew_seconds=client.seconds_ahead,
        meta=meta_of(project, account, state, plan, gathered.observed, clock(), expires_seconds),
        looking=looking,
        is_asking=bool(gathered.found or gathered.related),
        decisions=decisions,
        phases=watch.phases,
    )
    return Made(planned, world, declarations)


def _gathered(
    begun: Begun, declared: Mapping[Address, Declared], reading: Reading, state: State, is_destroy: bool
) -> tuple[Gathered, resolve.Holders | None]:
    """Return what the plan must see of Copper, and who is found by what, where the sheets tell it for all at once."""
    is_packed = isinstance(declared, SheetRecords)
    holders = reading.holding if is_packed else None
    asking = {address: declared[address] for address in reading.asking()} if is_packed else None
    catalogue = begun.account.catalogue
    return gather(begun.looking, catalogue, declared, state, reading.moved, is_destroy, holders, asking), holders


def begin(project: Project, client: Client, state: State, mirror: Mirror | None) -> Begun:
    """Ask Copper for the account; records are looked at later."""
    account = read_account(project, client, state.account_id)
    return Begun(account, Looking(client, account.id, account.catalogue, mirror))


def _declared(project: Project, account: Account, declarations: Reading, wishes: Wishes) -> Mapping[Address, Declared]:
    """Return the records that shall exist: none when all is to go, each with its stamp where there are stamps."""
    declared = {} if wishes.is_destroy else declarations.records
    if not project.settings.has_stamp:
        return declared
    return with_stamps(declared, account.catalogue, project.settings.project)


def mirror_of(project: Project) -> Mirror:
    """Return the mirror of the project's profile."""
    return Mirror(project.cache / "mirror.db")


def refuse_unreadable(project: Project, sources: Sources, shelf: Shelf | None) -> Ahead | None:
    """
    Stop before anything is read from Copper when a file cannot be parsed: what it declared would seem to be gone.

    Return what was read ahead. Where nothing is known of the account yet, large files are not parsed twice: the account
    is asked first then, and the records never before the files.
    """
    remembered, _ = cached_catalogue(project)
    if remembered.has_account:
        catalogue = with_stamp_rung(remembered) if project.settings.has_stamp else remembered
        reading = read_declarations(project, sources, catalogue, shelf)
        is_sound, ahead = reading.is_sound, Ahead(reading=reading)
    elif sources.size() > PARSED_AHEAD_BYTES:
        return None
    else:
        parsed, found = parse_all(sources)
        is_sound, ahead = bool(parsed) and not any(each.is_error for each in found), Ahead(parsed=parsed)
    if not is_sound:
        refuse_errors(read_declarations(project, sources, CATALOGUE).diagnostics, sources)
    return ahead


def _refuse_misnamed(wishes: Wishes, declared: Collection[Address], state: State) -> None:
    """Refuse options that name nothing: whoever wrote them meant something. Raises UsageTrouble."""
    unknown = sorted(each for each in wishes.recreate if each not in declared and each not in state.bindings)
    if unknown:
        raise UsageTrouble(f"--recreate {unknown[0]}: no file declares it.")
    if (declared or state.bindings) and not any(map(wishes.selects, chain(declared, state.bindings))):
        raise UsageTrouble("No address is selected by --only and --except. An address has a type and a key: 'companies.*'")


def read_account(project: Project, client: Client, pinned: int | None, types: frozenset[str] | None = None) -> Account:
    """
    Return the account with its labels, checked to be the right one, and remember the labels for `validate`.

    With *types* only the tables that these use are read anew; the others are as they were remembered, where they were.
    """
    settings = project.settings
    id, name, zone_name = identify(client, settings, pinned)
    path = project.cache / "account.json"
    known = _remembered(path) if types is not None else None
    used = None if types is None or known is None else tables_of(types)
    definitions = read.definitions(client)
    listed = {table: ask(client) for table, ask in _TABLES.items() if used is None or table in used}
    tables = {**(known["tables"] if known is not None else {}), **label_tables(**listed)}
    locale = Locale(zone(zone_name), settings.close_date_order, settings.phone_region)
    catalogue = with_account(CATALOGUE, definitions, tables, locale)
    if settings.has_stamp:
        catalogue = with_stamp_rung(catalogue)
    document = account_document(definitions, tables, locale)
    if known is None or known["document"] != json.dumps(document, sort_keys=True):
        make_private(project)
        write_json(path, document)
    else:
        path.touch()  # `validate` says from when the labels are
    return Account(id, name, catalogue)


_TABLES: Mapping[str, Callable[[Client], list[dict[str, Any]]]] = {
    "users": read.users,
    "pipelines": read.pipelines,
    "contact_types": read.contact_types,
    "customer_sources": read.customer_sources,
    "loss_reasons": read.loss_reasons,
}


def tables_of(types: Iterable[str]) -> frozenset[str]:
    """Return the label tables that the fields of *types* use."""
    rows = (row for name in types for row in CATALOGUE[name].fields)
    targets = {row.target for row in rows if row.target is not None and row.kind.is_label}
    return frozenset("pipelines" if target == "stages" else target for target in targets)


def _remembered(path: Path) -> dict[str, Any] | None:
    """Return the account document at *path* and its tables; None where there is none that makes sense."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {"tables": read_account_document(document)[1], "document": json.dumps(document, sort_keys=True)}
    except (OSError, ValueError):
        return None


def meta_of(
    project: Project,
    account: Account,
    state: State,
    plan: Plan,
    observed: Mapping[tuple[str, int], Observed],
    now: float,
    expires_seconds: float,
) -> Meta:
    return Meta(
        account_id=account.id,
        account_name=account.name,
        profile=project.settings.profile,
        lineage=state.head.lineage,
        state_position=state.position,
        state_was_empty=state.is_empty,
        labels_digest=digest_of_labels(labels_in_use(plan, account.catalogue)),
        created_at=now,
        expires_at=now + expires_seconds,
        crmsync_version=crmsync.__version__,
        address_of=_addresses(state, plan),
        names=_Names(observed),
    )


class _Names(Mapping[tuple[str, int], str]):
    """The names of records, by type and id, each looked up when it is asked for: few are shown."""

    def __init__(self, observed: Mapping[tuple[str, int], Observed]) -> None:
        self._observed = observed

    def __getitem__(self, pair: tuple[str, int]) -> str:
        return self._observed[pair].name

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self._observed)

    def __len__(self) -> int:
        return len(self._observed)

    def __contains__(self, pair: object) -> bool:
        return pair in self._observed


def _addresses(state: State, plan: Plan) -> Mapping[tuple[str, int], Address]:
    adopted = {
        (change.address.type, change.record_id): change.address for change in plan.changes if change.record_id is not None
    }
    return {**state.address_of, **adopted}


#: A label that a plan relies on: its table, its id, its name.
LabelInUse = tuple[str, int, str]


def labels_in_use(plan: Plan, catalogue: Catalogue) -> Iterator[LabelInUse]:
    """Yield the labels that the values of *plan* stand for, as the account has them."""
    labelled = {
        entity.name: {row.name for row in entity.fields if row.target is not None and row.kind.is_label}
        for entity in catalogue.types
    }
    for change in plan.changes:
        entity = catalogue[change.address.type]
        for each in fields_named(change.fields, labelled[entity.name]):
            row = entity.by_name[each.field]
            assert row.target is not None
            ids = [member.key for member in each.after] if isinstance(each.after, Members) else [each.after]
            yield from ((row.target, id, catalogue.label(row.target, id)) for id in ids if isinstance(id, int))


def digest_of_labels(labels: Iterable[LabelInUse]) -> str:
    """Return the digest by which a saved plan notices that a label it relies on was renamed, replaced or removed."""
    return document_digest({"labels": [list(entry) for entry in sorted(set(labels))]})
