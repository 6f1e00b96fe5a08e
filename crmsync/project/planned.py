"""A plan with all it was made of, and what is said of it where it is shown or saved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from msgspec import Struct

import crmsync
from crmsync.copper.client import Client
from crmsync.model.address import Address
from crmsync.model.catalogue import Catalogue
from crmsync.model.changes import TO_EXISTING, with_action
from crmsync.model.digest import document_digest
from crmsync.model.packed import fields_named
from crmsync.model.plan import Plan
from crmsync.model.records import Observed
from crmsync.model.source import Diagnostic
from crmsync.model.state import State
from crmsync.model.values import Members
from crmsync.project.account import Account, read_account
from crmsync.project.decisionfile import Decisions
from crmsync.project.files import Sources
from crmsync.project.looking import Looking
from crmsync.project.mirror import Mirror
from crmsync.project.session import Project
from crmsync.project.stopwatch import Phase
from crmsync.render.shown import Meta

#: How long a saved plan may be applied, in seconds, unless `--expires` says otherwise.
PLAN_SECONDS = 24 * 3600


class Planned(Struct, frozen=True):
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


class Begun(Struct, frozen=True):
    """What a plan has asked Copper before it turned out that it must be made."""

    account: Account
    looking: Looking


def mirror_of(project: Project) -> Mirror:
    """Return the mirror of the project's profile."""
    return Mirror(project.cache / "mirror.db")


def begin(project: Project, client: Client, state: State, mirror: Mirror | None) -> Begun:
    """Ask Copper for the account; records are looked at later."""
    account = read_account(project, client, state.account_id)
    return Begun(account, Looking(client, account.id, account.catalogue, mirror))


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
        address_of=_Addresses(state, plan),
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


class _Addresses(Mapping[tuple[str, int], Address]):
    """Which address each record has, by type and id: found out when it is asked for, and few plans show a link."""

    def __init__(self, state: State, plan: Plan) -> None:
        self._state, self._plan = state, plan

    @cached_property
    def _all(self) -> dict[tuple[str, int], Address]:
        changes = with_action(self._plan.changes, *TO_EXISTING)
        adopted = {(each.address.type, each.record_id): each.address for each in changes if each.record_id is not None}
        return {**self._state.address_of, **adopted}

    def __getitem__(self, pair: tuple[str, int]) -> Address:
        return self._all[pair]

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


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
