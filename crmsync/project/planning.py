"""Making a plan: files, state and account come together."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from itertools import chain

from msgspec import Struct

from crmsync import resolve
from crmsync.catalogue import CATALOGUE
from crmsync.copper.client import Client
from crmsync.model.address import Address
from crmsync.model.records import Declared
from crmsync.model.rows import Pile
from crmsync.model.source import in_file_order
from crmsync.model.state import State
from crmsync.plan.build import build
from crmsync.plan.world import Wishes, World
from crmsync.project.collector import without_collector
from crmsync.project.connect import copper_trouble
from crmsync.project.decisionfile import load_decisions
from crmsync.project.filepile import FilePile
from crmsync.project.files import Sources, with_others
from crmsync.project.gather import Gathered, gather
from crmsync.project.mirror import Mirror
from crmsync.project.planned import PLAN_SECONDS, Begun, Planned, begin, meta_of
from crmsync.project.reading import Ahead, Reading, SheetRecords
from crmsync.project.recordfiles import parse_all, read_declarations
from crmsync.project.session import Project, load_project_sources, refuse_errors, refuse_other_key
from crmsync.project.shelf import Shelf, shelf_of
from crmsync.project.stamping import with_stamp_rung, with_stamps
from crmsync.project.stopwatch import Stopwatch
from crmsync.project.trouble import UsageTrouble
from crmsync.project.validating import cached_catalogue

#: Files larger than this together are not parsed before the account is known: they would have to be parsed again.
PARSED_AHEAD_BYTES = 2 * 2**20


class Made(Struct, frozen=True):
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
    decisions = load_decisions(project)
    sources = with_others(load_project_sources(project), decisions.document)
    shelf = shelf_of(project) if mirror is not None else None
    ahead = None if wishes.is_destroy else refuse_unreadable(project, sources, shelf)
    watch.lap("files")
    with copper_trouble():
        begun = begun or begin(project, client, state, mirror)
        account, looking = begun.account, begun.looking
        watch.lap("account")
        read = read_declarations(project, sources, account.catalogue, shelf, ahead)
        declarations = with_stamps(read, project.settings, account.catalogue)
        looking.notices += shelf.notices if shelf is not None else []
        if ahead is None and not wishes.is_destroy and not declarations.is_sound:
            refuse_errors(declarations.diagnostics, sources)
        declared: Mapping[Address, Declared] = {} if wishes.is_destroy else declarations.records
        refuse_misnamed(wishes, declared, state)
        planned_at = clock() + client.seconds_ahead
        watch.lap("records")
        pile = FilePile(project.cache)
        gathered, holders = _gathered(begun, declared, declarations, state, wishes.is_destroy, pile)
    watch.lap("Copper")
    policies = project.settings.policies
    resolved = resolve.resolve(declared, account.catalogue, policies, gathered.found, holders=holders, pile=pile)
    chosen = {} if wishes.is_destroy else decisions.chosen
    world = World(resolved.records, gathered.observed, state, declarations.moved, gathered.related, chosen, pile=pile)
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
    begun: Begun, declared: Mapping[Address, Declared], reading: Reading, state: State, is_destroy: bool, pile: Pile
) -> tuple[Gathered, resolve.Holders | None]:
    """Return what the plan must see of Copper, and who is found by what, where the sheets tell it for all at once."""
    is_packed = isinstance(declared, SheetRecords)
    holders = reading.holding if is_packed else None
    asking = {address: declared[address] for address in reading.asking()} if is_packed else None
    catalogue = begun.account.catalogue
    return gather(begun.looking, catalogue, declared, state, reading.moved, is_destroy, holders, asking, pile), holders


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


def refuse_misnamed(wishes: Wishes, declared: Collection[Address], state: State) -> None:
    """Refuse options that name nothing: whoever wrote them meant something. Raises UsageTrouble."""
    unknown = sorted(each for each in wishes.recreate if each not in declared and each not in state.bindings)
    if unknown:
        raise UsageTrouble(f"--recreate {unknown[0]}: no file declares it.")
    if (declared or state.bindings) and not any(map(wishes.selects, chain(declared, state.bindings))):
        raise UsageTrouble("No address is selected by --only and --except. An address has a type and a key: 'companies.*'")
