"""A plan to look at, and to save."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import Struct

from crmsync.model.source import Diagnostic
from crmsync.model.state import State
from crmsync.plan.world import Wishes
from crmsync.project.approving import remember_plan, share_plan
from crmsync.project.connect import connect
from crmsync.project.files import each_plain_file
from crmsync.project.hashing import Hashes
from crmsync.project.planfile import check_place, sealed, write_plan
from crmsync.project.planned import Planned
from crmsync.project.replanning import replan
from crmsync.project.session import Project, opened_store, read_state
from crmsync.project.stopwatch import Phase
from crmsync.project.trouble import LineOf, RefusedTrouble, counted
from crmsync.render.document import plan_document, with_digest
from crmsync.render.shown import Showing


class Shown(Struct, frozen=True):
    """
    A plan as a document, the warnings on the files, how records were read, what is amiss there.

    It cost so many *requests*, and so much time in which nothing was done but wait for them.
    *questions*: so many lines wait in this file for a choice.
    """

    document: Mapping[str, Any]
    warnings: tuple[Diagnostic, ...]
    line_of: LineOf
    requests: int
    waited_seconds: float
    ways: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    phases: tuple[Phase, ...] = ()
    questions: tuple[str, int] = ("", 0)


def plan_to_show(
    project: Project,
    wishes: Wishes,
    *,
    out: Path | None,
    expires_seconds: float,
    uses_cache: bool = True,
    is_asking: bool = False,
    is_for_approval: bool = False,
    is_sealed: bool = False,
) -> Shown:
    """
    Return the plan for *project*, saved to *out* if that is given. Appends nothing to the state. Raises Trouble.

    With *is_asking* everything in it that a person's value stands against is written down to be decided. With
    *is_for_approval* digests of its changes are kept beside the state. The document has its seal where it is saved, and with
    *is_sealed*: that takes all of it as one text.
    """

    def check(state: State) -> None:
        if out is not None and state.open_intents:
            raise RefusedTrouble(
                f"The outcome of {counted(len(state.open_intents), 'request')} of an earlier run is not known yet, so a "
                "plan saved now could be wrong. Let `crmsync apply` settle that first."
            )

    if out is not None:
        check_place(out)
    begun = each_plain_file(project.root, project.settings) if uses_cache else ()
    with closing(Hashes(project.cache, begun)) as hashes, opened_store(project, create=False) as store:
        client = connect(project, may_write=False)
        if uses_cache:
            planned = replan(project, client, store, wishes, expires_seconds=expires_seconds, check=check, hashes=hashes)
        else:
            from crmsync.project.planning import make_plan  # for its cost: where nothing moved nobody needs it

            state = read_state(project, store)
            check(state)
            planned = make_plan(project, client, state, wishes, expires_seconds=expires_seconds)
    catalogue = planned.account.catalogue
    document = with_digest(plan_document(planned.plan, catalogue, planned.meta, at_once=False))
    if is_sealed or out is not None:
        document = sealed(document, wishes)
    remember_plan(project, document)
    if is_for_approval:
        with opened_store(project, create=False) as store:
            share_plan(store, planned.state.head, document, planned.meta.created_at)
    questions = _write_questions(project, planned, wishes) if is_asking else ("", 0)
    if out is not None:
        write_plan(out, document, project.environ)
    ways = tuple(f"{each.type}: {each.way}" for each in planned.looking.told)
    notices = tuple(planned.looking.notices)
    line_of, requests, waited = planned.sources.line_of, client.requests.total, client.waited_seconds
    return Shown(document, planned.warnings, line_of, requests, waited, ways, notices, planned.phases, questions)


def _write_questions(project: Project, planned: Planned, wishes: Wishes) -> tuple[str, int]:
    from crmsync.project import deciding  # for its cost: most plans are only looked at
    from crmsync.project.keeping import last_written

    asked = deciding.asking(planned.plan, deciding.contested(planned.plan))
    with opened_store(project, create=False) as store:
        ending = deciding.Ending(
            planned.state,
            Showing(planned.account.catalogue, planned.meta),
            wishes,
            last_written=lambda places: last_written(project, store, places),
        )
        return planned.decisions.path.name, deciding.write_decisions(planned.decisions, planned.plan, asked, ending)
