"""A plan to look at, and to save."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crmsync.model.source import Diagnostic
from crmsync.model.state import State
from crmsync.plan.world import Wishes
from crmsync.project.connect import connect
from crmsync.project.planfile import write_plan
from crmsync.project.planning import make_plan, replan
from crmsync.project.reviewing import sealed
from crmsync.project.session import Project, opened_store, read_state
from crmsync.project.trouble import LineOf, RefusedTrouble
from crmsync.render.document import dump, plan_document


@dataclass(frozen=True)
class Shown:
    """A plan as a document, the warnings on the files, what it cost to make, how records were read, what is amiss there."""

    document: Mapping[str, Any]
    warnings: tuple[Diagnostic, ...]
    line_of: LineOf
    requests: int
    ways: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def plan_to_show(
    project: Project, wishes: Wishes, *, out: Path | None, expires_seconds: float, uses_cache: bool = True
) -> Shown:
    """Return the plan for *project*, saved to *out* if that is given. Appends nothing to the state. Raises Trouble."""

    def check(state: State) -> None:
        if out is not None and state.open_intents:
            raise RefusedTrouble(
                f"{len(state.open_intents)} requests of an earlier run have no known outcome yet, so a plan saved now could "
                "be wrong. Let `crmsync apply` settle them first."
            )

    with opened_store(project, create=False) as store:
        client = connect(project, may_write=False)
        if uses_cache:
            planned = replan(project, client, store, wishes, expires_seconds=expires_seconds, check=check)
        else:
            state = read_state(project, store)
            check(state)
            planned = make_plan(project, client, state, wishes, expires_seconds=expires_seconds)
    document = sealed(plan_document(planned.plan, planned.account.catalogue, planned.meta), wishes)
    if out is not None:
        write_plan(out, dump(document), project.environ)
    ways = tuple(f"{each.type}: {each.way}" for each in planned.looking.told)
    return Shown(
        document, planned.warnings, planned.sources.line_of, client.requests.total, ways, tuple(planned.looking.notices)
    )
