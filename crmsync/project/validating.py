"""Checking the files offline."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime

from msgspec import Struct

from crmsync.catalogue import CATALOGUE
from crmsync.catalogue.account import catalogue_from_document
from crmsync.model.catalogue import Catalogue
from crmsync.model.codes import CODES
from crmsync.model.source import Diagnostic, Severity, in_file_order
from crmsync.project.collector import without_collector
from crmsync.project.decisionfile import decisions_path, load_decisions
from crmsync.project.files import each_plain_file, with_others
from crmsync.project.hashing import Hashes
from crmsync.project.inputs import files_of, labels_of
from crmsync.project.recordfiles import read_declarations
from crmsync.project.saving import read_private, read_remembered, write_remembered
from crmsync.project.session import Project, load_project_sources
from crmsync.project.shelf import shelf_of
from crmsync.project.trouble import LineOf

_FILE = "valid.json"


class Checked(Struct, frozen=True):
    """What `validate` found; *labels* is a sentence on what labels were checked against, *notices* are about the cache."""

    diagnostics: tuple[Diagnostic, ...]
    line_of: LineOf
    records: int
    files: int
    labels: str
    notices: tuple[str, ...] = ()


@without_collector()
def validate(project: Project) -> Checked:
    """
    Return everything that is wrong with the files of *project*, as far as can be said without a network.

    Files in which nothing was wrong are not looked at again while nothing changed.
    """
    catalogue, labels = cached_catalogue(project)
    is_remembered = catalogue.has_account and not decisions_path(project).exists()
    begun = each_plain_file(project.root, project.settings) if is_remembered else ()
    with closing(Hashes(project.cache, begun)) as hashes:
        inputs = files_of(project, [labels_of(catalogue, catalogue.by_name)], hashes) if is_remembered else None
        memo = read_remembered(project.cache / _FILE) if inputs is not None else None
        if memo is not None and memo["inputs"] == inputs:
            return Checked((), lambda file, line: None, memo["records"], memo["files"], labels)
        checked = _checked(project, catalogue, labels, hashes)
    if inputs is not None and not checked.diagnostics:
        write_remembered(project.cache / _FILE, {"inputs": inputs, "records": checked.records, "files": checked.files})
    return checked


def _checked(project: Project, catalogue: Catalogue, labels: str, hashes: Hashes) -> Checked:
    decisions = load_decisions(project)
    sources = with_others(load_project_sources(project), decisions.document)
    shelf = shelf_of(project)
    reading = read_declarations(project, sources, catalogue, shelf, hashes=hashes)
    diagnostics = [*reading.diagnostics, *decisions.diagnostics]
    if not catalogue.has_account:
        row = CODES["CRM039"]
        diagnostics.append(Diagnostic(row, row.explanation, severity=Severity.WARNING))
    return Checked(
        in_file_order(diagnostics),
        sources.line_of,
        len(reading.records),
        reading.file_count,
        labels,
        tuple(shelf.notices),
    )


def cached_catalogue(project: Project) -> tuple[Catalogue, str]:
    """Return the catalogue with the labels that the last plan cached, where there are any, and what to say of them."""
    path = project.cache / "account.json"
    try:
        catalogue = catalogue_from_document(CATALOGUE, json.loads(read_private(path)))
        seen = datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return CATALOGUE, "Labels were not checked: `crmsync plan` does that."
    return catalogue, f"Labels are those that the account had at {seen}."
