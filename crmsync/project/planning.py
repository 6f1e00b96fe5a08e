"""Making a plan: files, state and account come together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import crmsync
from crmsync import resolve
from crmsync.catalogue import CATALOGUE
from crmsync.catalogue.account import account_document, label_tables, with_account
from crmsync.copper import read
from crmsync.copper.client import Client
from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue, Locale
from crmsync.model.digest import document_digest
from crmsync.model.plan import Plan
from crmsync.model.records import Observed
from crmsync.model.source import Diagnostic, in_file_order
from crmsync.model.state import State
from crmsync.model.values import Members
from crmsync.plan.build import build
from crmsync.plan.world import Wishes, World
from crmsync.project.account import Account, identify, zone
from crmsync.project.connect import copper_trouble
from crmsync.project.files import Sources
from crmsync.project.gather import gather
from crmsync.project.saving import write_json
from crmsync.project.session import Project, load_project_sources, make_private, read_declarations, refuse_errors
from crmsync.project.trouble import UsageTrouble
from crmsync.render.document import Meta

#: How long a saved plan may be applied, in seconds, unless `--expires` says otherwise.
PLAN_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Planned:
    """A plan with all it was made of; *planned_at* is Copper's clock, *skew_seconds* Copper's clock minus ours."""

    plan: Plan
    account: Account
    state: State
    sources: Sources
    warnings: tuple[Diagnostic, ...]
    observed: Mapping[tuple[str, int], Observed]
    planned_at: float
    skew_seconds: float
    meta: Meta


def make_plan(
    project: Project,
    client: Client,
    state: State,
    wishes: Wishes,
    *,
    expires_seconds: float = PLAN_SECONDS,
    clock: Callable[[], float] = time.time,
) -> Planned:
    """Return the plan for *project*. Raises InputTrouble with everything that is wrong, RefusedTrouble, LoginTrouble."""
    sources = load_project_sources(project)
    if not wishes.is_destroy:
        _refuse_unreadable(project, sources)
    with copper_trouble():
        account = read_account(project, client, state)
        declarations = read_declarations(project, sources, account.catalogue)
        declared = {} if wishes.is_destroy else declarations.records
        _refuse_misnamed(wishes, {*declared, *state.bindings})
        planned_at = client.server_clock or clock()
        gathered = gather(client, account.catalogue, declared, state, declarations.moved, wishes.is_destroy)
    resolved = resolve.resolve(declared, account.catalogue, project.settings.policies, gathered.found)
    diagnostics = () if wishes.is_destroy else (*declarations.diagnostics, *resolved.diagnostics)
    world = World(resolved.records, gathered.observed, state, declarations.moved, gathered.related)
    plan, problems = build(world, account.catalogue, wishes)
    everything = in_file_order([*diagnostics, *problems])
    refuse_errors(everything, sources)
    meta = _meta(project, account, state, plan, gathered.observed, clock(), expires_seconds)
    skew = (client.server_clock or clock()) - clock()
    return Planned(plan, account, state, sources, everything, gathered.observed, planned_at, skew, meta)


def _refuse_unreadable(project: Project, sources: Sources) -> None:
    """Stop before anything is read from Copper when a file cannot be parsed: what it declared would seem to be gone."""
    found = [*sources.diagnostics, *(each for document in sources.documents for each in document.diagnostics)]
    if any(each.is_error for each in found) or not sources.documents:
        refuse_errors(read_declarations(project, sources, CATALOGUE).diagnostics, sources)


def _refuse_misnamed(wishes: Wishes, addresses: set[Address]) -> None:
    """Refuse options that name nothing: whoever wrote them meant something. Raises UsageTrouble."""
    unknown = sorted(wishes.recreate - addresses)
    if unknown:
        raise UsageTrouble(f"--recreate {unknown[0]}: no file declares it.")
    if addresses and not any(wishes.selects(address) for address in addresses):
        raise UsageTrouble("No address is selected by --only and --except. An address has a type and a key: 'companies.*'")


def read_account(project: Project, client: Client, state: State) -> Account:
    """Return the account with its labels, checked to be the right one, and remember the labels for `validate`."""
    settings = project.settings
    id, name, zone_name = identify(client, settings, state.account_id)
    definitions = read.definitions(client)
    tables = label_tables(
        read.users(client),
        read.pipelines(client),
        read.contact_types(client),
        read.customer_sources(client),
        read.loss_reasons(client),
    )
    locale = Locale(zone(zone_name), settings.close_date_order, settings.phone_region)
    catalogue = with_account(CATALOGUE, definitions, tables, locale)
    make_private(project)
    write_json(project.cache / "account.json", account_document(definitions, tables, locale))
    return Account(id, name, catalogue)


def _meta(
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
        names={pair: record.name for pair, record in observed.items()},
    )


def _addresses(state: State, plan: Plan) -> Mapping[tuple[str, int], Address]:
    adopted = {
        (change.address.type, change.record_id): change.address for change in plan.changes if change.record_id is not None
    }
    return {**state.address_of, **adopted}


#: A label that a plan relies on: its table, its id, its name.
LabelInUse = tuple[str, int, str]


def labels_in_use(plan: Plan, catalogue: Catalogue) -> Iterator[LabelInUse]:
    """Yield the labels that the values of *plan* stand for, as the account has them."""
    for change in plan.changes:
        entity = catalogue[change.address.type]
        for each in change.fields:
            row = entity.by_name[each.field]
            if row.target is None or not row.kind.is_label:
                continue
            ids = [member.key for member in each.after] if isinstance(each.after, Members) else [each.after]
            yield from ((row.target, id, catalogue.label(row.target, id)) for id in ids if isinstance(id, int))


def digest_of_labels(labels: Iterable[LabelInUse]) -> str:
    """Return the digest by which a saved plan notices that a label it relies on was renamed, replaced or removed."""
    return document_digest({"labels": [list(entry) for entry in sorted(set(labels))]})
