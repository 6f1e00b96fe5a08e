"""
A local Copper to practise on, for tests and for rehearsals.

`Sandbox.handle` answers requests as Copper's Developer API v1 does, as far as anybody could prove; where
nobody could, `Quirks` has a knob. It is a second witness: it imports nothing of the other rooms of crmsync and
has tables of its own.

    tables, account          what there is: record types, fields, lookups, custom fields
    values, custom, codec    how values come in          show      how they go out
    write, related, bulk     what writes do              leads     upsert and convert
    search, finding, orders  filters, sorts, pages       store     records, things, indexes
    activities, definitions, activity_types, links, files, hooks, layouts
                             what is no record, each with its operations
    routes, calls            the operations, as rows     sandbox   limits, log, other people's edits
    faults, trouble          trouble on order            notices   what webhooks tell
    accountfile, faultfile   YAML to account and faults  crowd     records by the thousand
    server                   the same over HTTP
"""

from __future__ import annotations

from collections.abc import Callable

from crmsync.sandbox.account import Account
from crmsync.sandbox.accountfile import (
    DEFAULT_ACCOUNT,
    AccountFile,
    AccountFileError,
    load_account,
)
from crmsync.sandbox.crowd import parse_counts
from crmsync.sandbox.default import DEFAULT_TEXT
from crmsync.sandbox.faultfile import FaultError, load_faults, parse_faults
from crmsync.sandbox.faults import Fault
from crmsync.sandbox.headers import looks_real, make_key
from crmsync.sandbox.journal import JournalError
from crmsync.sandbox.notices import Notice
from crmsync.sandbox.outside import LabelError
from crmsync.sandbox.quirks import Quirks
from crmsync.sandbox.rate import Rate
from crmsync.sandbox.replies import Reply
from crmsync.sandbox.sandbox import Logged, Sandbox
from crmsync.sandbox.uploads import UploadError


def serve(
    sandbox: Sandbox,
    host: str = "127.0.0.1",
    port: int = 0,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve *sandbox* over HTTP until interrupted; *on_ready* is given the base URL."""
    # Here and not above: starlette and uvicorn take time to import, and most users never serve.
    from crmsync.sandbox.server import serve as serve_http

    serve_http(sandbox, host, port, on_ready)


__all__ = [
    "DEFAULT_ACCOUNT",
    "DEFAULT_TEXT",
    "Account",
    "AccountFile",
    "AccountFileError",
    "Fault",
    "FaultError",
    "JournalError",
    "LabelError",
    "Logged",
    "Notice",
    "Quirks",
    "Rate",
    "Reply",
    "Sandbox",
    "UploadError",
    "load_account",
    "load_faults",
    "looks_real",
    "make_key",
    "parse_counts",
    "parse_faults",
    "serve",
]
