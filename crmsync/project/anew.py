"""
The plan where something moved since an empty one, or where none is remembered.

Where little moved, only that is judged (`sieving`). Else the whole plan is made, and what it found is noted for the next.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from msgspec.structs import replace

from crmsync.model.address import Address
from crmsync.model.plan import Plan
from crmsync.model.source import in_file_order
from crmsync.model.state import State
from crmsync.model.store import Tail
from crmsync.plan.build import build
from crmsync.plan.restriction import said_of
from crmsync.plan.world import Wishes
from crmsync.project import noting, quiet, sieving
from crmsync.project.again import Again
from crmsync.project.connect import copper_trouble
from crmsync.project.crew import kept, processes_for
from crmsync.project.decisionfile import load_decisions
from crmsync.project.files import with_others
from crmsync.project.inputs import labels_of
from crmsync.project.ledger import Ledger
from crmsync.project.ledgerfile import LedgerHead, Worn
from crmsync.project.planned import Begun, Planned, begin, meta_of, mirror_of
from crmsync.project.planning import Made, make_whole, refuse_misnamed, refuse_unreadable
from crmsync.project.reading import Reading
from crmsync.project.recordfiles import read_declarations
from crmsync.project.session import load_project_sources, read_state, refuse_other_key, tail_of
from crmsync.project.shelf import shelf_of
from crmsync.project.sieving import Part, Unsieved
from crmsync.project.stamping import with_stamps
from crmsync.project.upkeep import Told

#: From so many bound records on they are not all held at once.
SIFTED = 1000


def plan_anew(again: Again, check: Callable[[State], None]) -> Planned:
    """Return the plan of the part that moved, or of the whole."""
    return _sieved(again) or _whole(again, check)


def _ledger(again: Again) -> Ledger:
    return Ledger(again.project.cache / "ledger.db")


# A part moved


def _sieved(again: Again) -> Planned | None:
    """Return the plan of the part that moved; None where the whole must be planned."""
    inputs, ledger = noting.inputs_of(again.project, again.wishes), _ledger(again)
    if inputs is None or not ledger.is_there:
        return None
    try:
        with ledger.opened():
            return _of_part(again, ledger, inputs)
    except Unsieved as reason:
        again.unsieved = str(reason)
    except Worn as worn:
        again.unsieved = "what the last plan found cannot be used"
        if not worn.is_busy:
            again.notice = f"The cache of what the last plan found is not used, and made anew: {worn}."
            ledger.drop()
    return None


def _of_part(again: Again, ledger: Ledger, inputs: str) -> Planned:
    project, known = again.project, ledger.head()
    if known.inputs != inputs:
        raise Unsieved("settings, options or the version are others")
    tail = tail_of(project, again.store, known.position, known.state_mark)
    if tail is None or noting.log_of(tail.head) != known.lineage:
        raise Unsieved("the state is another one, or was compacted")
    again.inputs()
    again.watch.lap("state")
    with copper_trouble():
        begun = again.begin(known.account, frozenset(known.marks))
        planned_at = again.clock() + again.client.seconds_ahead
        again.watch.lap("account")
        shelf, catalogue = shelf_of(project), begun.account.catalogue
        sources = load_project_sources(project)
        # What a ledger was made of was without an error.
        read = read_declarations(project, sources, catalogue, shelf, hashes=again.hashes, fitting=known.files)
        reading = with_stamps(read, project.settings, catalogue)
        begun.looking.notices += shelf.notices
        again.watch.lap("files")
        return _planned(again, ledger, known, tail, begun, reading, planned_at)


def _planned(
    again: Again, ledger: Ledger, known: LedgerHead, tail: Tail, begun: Begun, reading: Reading, planned_at: float
) -> Planned:
    """Return the plan of what moved since *known*. Raises Unsieved, Worn, and what looking at Copper raises."""
    project, catalogue, looking = again.project, begun.account.catalogue, begun.looking
    decisions = load_decisions(project)
    part = sieving.part_of(ledger, known, tail, looking, catalogue, reading, project.settings.policies, again.also)
    again.watch.lap("what moved")
    plan, problems = build(replace(part.world, decisions=decisions.chosen), catalogue, again.wishes)
    warnings = in_file_order([*decisions.diagnostics, *part.warnings, *problems])
    if any(each.is_error for each in warnings):
        raise Unsieved("something is wrong with the files")
    count, total = len(part.judged), sum(part.after.bound.values())
    looking.told.append(Told("records", f"{count} of {total} judged closely"))
    now, state = again.clock(), part.world.state
    meta = meta_of(project, begun.account, state, plan, part.gathered.observed, now, again.expires_seconds)
    planned = Planned(
        plan=plan,
        account=begun.account,
        state=state,
        sources=with_others(reading.sources, decisions.document),
        warnings=warnings,
        observed=part.gathered.observed,
        planned_at=planned_at,
        skew_seconds=again.client.seconds_ahead,
        meta=replace(meta, state_was_empty=False),
        looking=looking,
        is_asking=bool(part.gathered.found or part.gathered.related),
        decisions=decisions,
    )
    again.watch.lap("differences")
    refuse_misnamed(again.wishes, reading.records, state)
    _note_part(ledger, part, planned, noting.asking_of(reading), again.wishes)
    _remember(again, planned, [name for name, bound in part.after.bound.items() if bound], again.quiet_inputs)
    again.watch.lap("notes for the next plan")
    return planned


def _note_part(ledger: Ledger, part: Part, planned: Planned, asking: frozenset[Address], wishes: Wishes) -> None:
    """Note what a plan found; of what is not selected it found nothing, so that stays to be judged."""
    unselected = (address for address in part.judged if not wishes.selects(address))
    said = {*said_of(planned.plan, planned.warnings), *unselected}
    catalogue = planned.account.catalogue
    entries = list(noting.entries_of(part.judged, part.world, said, asking, planned.looking, catalogue))
    ledger.update(part.before, part.after, entries, part.judged)


# The whole


def _whole(again: Again, check: Callable[[State], None]) -> Planned:
    again.inputs()
    with copper_trouble():
        again.read_all_labels()
    inputs = noting.inputs_of(again.project, again.wishes)
    # Others who read files start while the state is read.
    with kept(processes_for(load_project_sources(again.project).size())):
        state = again.state or read_state(again.project, again.store)
        check(state)
        refuse_other_key(again.project, state)
        again.watch.lap("state")
        planned = _sifted(again, state, inputs) if inputs is not None else None
        if planned is None:
            planned = _judged(again, state, inputs)
    if again.unsieved:
        planned.looking.told.append(Told("records", f"all looked at, for {again.unsieved}"))
    if again.notice:
        planned.looking.notices.append(again.notice)
    return planned


def _sifted(again: Again, state: State, inputs: str) -> Planned | None:
    """Return the plan of a large project, a few records at a time; None where it must be made of all at once."""
    project, mark, ledger = again.project, again.store.mark(state.position), _ledger(again)
    if mark is None or len(state.bindings) < SIFTED or state.open_intents or state.missed:
        return None
    shelf, sources = shelf_of(project), load_project_sources(project)
    ahead = refuse_unreadable(project, sources, shelf)
    again.watch.lap("files")
    try:
        with copper_trouble():
            begun = again.begun or begin(again.project, again.client, state, mirror_of(again.project))
            again.begun = begun
            # One that could not be used was dropped: it is made anew at once, or all bodies would be held.
            begun.looking.mirror = begun.looking.mirror or mirror_of(project)
            again.watch.lap("account")
            read = read_declarations(project, sources, begun.account.catalogue, shelf, ahead)
            reading = with_stamps(read, project.settings, begun.account.catalogue)
            again.watch.lap("records")
            if reading.moved or not reading.sheets or any(each.is_error for each in reading.diagnostics):
                return None
            planned_at = again.clock() + again.client.seconds_ahead
            _sift(again, begun, reading, state, inputs, mark)
            begun.looking.notices += shelf.notices
            with ledger.opened():
                tail = Tail(state.head, state.position, mark, ())
                return _planned(again, ledger, ledger.head(), tail, begun, reading, planned_at)
    except (Unsieved, Worn) as reason:
        again.unsieved = str(reason)
        return None


def _sift(again: Again, begun: Begun, reading: Reading, state: State, inputs: str, mark: str) -> None:
    """Look at every record, and make a ledger of what is found. Raises Unsieved, Worn."""
    from crmsync.project.sifting import sifting  # for its cost: most plans need no look at everything

    account, looking = begun.account, begun.looking
    catalogue = account.catalogue
    policies = again.project.settings.policies
    with (
        _ledger(again).renewed(len(state.bindings)) as ledger,
        sifting(looking, catalogue, state, reading, policies, ledger) as every,
    ):
        every.present()
        again.watch.lap("Copper")
        head = noting.head_of(inputs, state, mark, account.id, catalogue, reading, looking)
        every.rest(head)
        ledger.finish(head)
    again.watch.lap("all records, at a glance")


def _judged(again: Again, state: State, inputs: str | None) -> Planned:
    """Return the plan that is made of everything at once."""
    mirror, begun = mirror_of(again.project), again.begun
    if begun is not None:
        begun.looking.has_all = False
    made = make_whole(again.project, again.client, state, again.wishes, again.expires_seconds, again.clock, mirror, begun)
    again.watch.take(made.planned.phases)
    if inputs is not None and not made.planned.plan.is_partial:
        _note_whole(again, made, inputs)
    types = list({address.type: None for address in state.bindings})
    _remember(again, made.planned, types, again.quiet_inputs)
    again.watch.lap("notes for the next plan")
    return made.planned


def _note_whole(again: Again, made: Made, inputs: str) -> None:
    """Note what a plan of the whole found, where the next one can make use of it."""
    planned, reading, state = made.planned, made.reading, made.planned.state
    mark, account = again.store.mark(state.position), made.planned.account
    if mark is None or not state.bindings or reading.moved or not reading.sheets or state.open_intents or state.missed:
        return
    head = noting.head_of(inputs, state, mark, account.id, account.catalogue, reading, planned.looking)
    addresses = dict.fromkeys((*state.bindings, *made.world.desired))
    said, asking = said_of(planned.plan, planned.warnings), noting.asking_of(reading)
    entries = noting.entries_of(addresses, made.world, said, asking, planned.looking, account.catalogue)
    with suppress(Worn):  # it only saves work
        _ledger(again).replace(head, entries)


def _remember(again: Again, planned: Planned, types: list[str], before: str | None) -> None:
    """Remember an empty plan, if everything that it was made of is as it was *before*."""
    nothing = Plan(price=planned.plan.price, policies=planned.plan.policies)
    is_open = planned.warnings or planned.is_asking or planned.state.open_intents
    if before is None or is_open or planned.plan != nothing or before != again.inputs_now():
        return
    marks = quiet.marks(planned.looking, dict.fromkeys(types))
    if marks is not None:
        labels = labels_of(planned.account.catalogue, dict.fromkeys(types))
        quiet.save(again.project, quiet.Memo(before, planned.account.id, labels, marks))
