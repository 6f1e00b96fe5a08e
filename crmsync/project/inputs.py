"""Digests of what a result depends on: as long as they are the same, so is the result."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

from msgspec.structs import asdict

import crmsync
from crmsync.model.catalogue import Catalogue
from crmsync.project.files import SETTINGS_FILE, each_file, is_plain
from crmsync.project.hashing import Hashes
from crmsync.project.session import Project

FORMAT = 1


def files_of(project: Project, others: Iterable[object], hashes: Hashes) -> str | None:
    """Return the digest of this version, the settings, the profile, every record file, and *others*; None if one is odd."""
    digest = blake2b(digest_size=16)
    for part in (FORMAT, crmsync.__version__, project.settings.profile, *others):
        digest.update(f"{part}\n".encode())
    for path in (project.root / SETTINGS_FILE, *each_file(project.root, project.settings)):
        if not is_plain(path):
            return None
        try:
            content = hashes.of(path).digest
        except OSError:
            return None
        digest.update(f"{path}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def labels_of(catalogue: Catalogue, types: Mapping[str, Any]) -> str:
    """Return the digest of what the account adds to *types*: fields, options, label tables, locale."""
    fields = [field for name in sorted(types) for field in catalogue[name].fields]
    tables = sorted({field.target for field in fields if field.target is not None and field.kind.is_label})
    own = [(field.name, field.kind.name, field.kind.version, field.definition_id, str(field.write)) for field in fields]
    data = [own, [[table, [asdict(entry) for entry in catalogue.labels.get(table, ())]] for table in tables]]
    locale = (catalogue.locale.zone.key, catalogue.locale.close_date_order, catalogue.locale.phone_region)
    return blake2b(json.dumps([data, locale], default=str).encode(), digest_size=16).hexdigest()
