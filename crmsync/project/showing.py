"""A plan to look at, and to save."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crmsync.model.source import Diagnostic
from crmsync.plan.world import Wishes
from crmsync.project.connect import connect
from crmsync.project.planfile import write_plan
from crmsync.project.planning import make_plan
from crmsync.project.reviewing import sealed
from crmsync.project.session import Project, opened_state
from crmsync.project.trouble import LineOf, RefusedTrouble
from crmsync.render.document import dump, plan_document


@dataclass(frozen=True)
class Shown:
    """A plan as a document, the warnings on the files, and what it cost to make."""

    document: Mapping[str, Any]
    warnings: tuple[Diagnostic, ...]
    line_of: LineOf
    requests: int


def plan_to_show(project: Project, wishes: Wishes, *, out: Path | None, expires_seconds: float) -> Shown:
    """Return the plan for *project*, saved to *out* if that is given. Appends nothing to the state. Raises Trouble."""
    with opened_state(project, create=False) as (_, state):
        if out is not None and state.open_intents:
            raise RefusedTrouble(
                f"{len(state.open_intents)} requests of an earlier run have no known outcome yet, so a plan saved now could "
                "be wrong. Let `crmsync apply` settle them first."
            )
        client = connect(project, may_write=False)
        planned = make_plan(project, client, state, wishes, expires_seconds=expires_seconds)
    document = sealed(plan_document(planned.plan, planned.account.catalogue, planned.meta), wishes)
    if out is not None:
        write_plan(out, dump(document), project.environ)
    return Shown(document, planned.warnings, planned.sources.line_of, client.requests.total)
