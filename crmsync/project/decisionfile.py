"""``decisions.yaml`` as it is read by each plan; see `crmsync.project.deciding`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from crmsync.model.address import Address
from crmsync.model.decisions import Decision
from crmsync.model.source import Diagnostic
from crmsync.project.session import Project
from crmsync.project.trouble import Trouble

if TYPE_CHECKING:
    from crmsync.config.document import Document

About = tuple[Address, str]


class Decisions(Struct, frozen=True):
    """The file of a project as it was read; *document* is None when there is none."""

    path: Path
    document: Document | None = None
    decisions: tuple[Decision, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def chosen(self) -> Mapping[About, Decision]:
        """Those of which the user has chosen."""
        return {(each.address, each.field): each for each in self.decisions if each.choice is not None}


def decisions_path(project: Project) -> Path:
    """Return where the decisions are. Those of a profile have a file of their own, for it has records of its own."""
    profile = project.settings.profile
    return project.root / (f"decisions.{profile}.yaml" if profile else "decisions.yaml")


def load_decisions(project: Project) -> Decisions:
    """Return the decisions of *project*. Raises Trouble."""
    path = decisions_path(project)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Decisions(path)
    except OSError as error:
        raise Trouble(f"{path.name} could not be read: {error.strerror}.") from error
    from crmsync.config.decisions import parse_decisions, read_decisions  # for its cost: mostly there is none

    document = parse_decisions(content, path.name)
    decisions, diagnostics = read_decisions(document)
    return Decisions(path, document, decisions, diagnostics)
