"""
A local Copper to practise on, for tests and for rehearsals.

`Sandbox.handle` answers requests as Copper's Developer API v1 does, as far as anybody could prove; where
nobody could, `Quirks` has a knob. It is a second witness: it imports nothing of the other rooms of crmsync and
has tables of its own.

    tables, account     what there is: record types, fields, lookups, custom fields
    values, custom      how values come in           show      how they go out
    write, related      what writes do               search    filters, sorts, pages
    routes              the operations, as rows      sandbox   faults, limits, log, other people's edits
    accountfile         YAML to account              server    the same over HTTP
"""

from __future__ import annotations

from collections.abc import Callable

from crmsync.sandbox.account import Account
from crmsync.sandbox.accountfile import (
    DEFAULT_ACCOUNT,
    DEFAULT_TEXT,
    AccountFile,
    AccountFileError,
    load_account,
)
from crmsync.sandbox.faults import Fault
from crmsync.sandbox.headers import looks_real, make_key
from crmsync.sandbox.journal import JournalError
from crmsync.sandbox.outside import LabelError
from crmsync.sandbox.quirks import Quirks
from crmsync.sandbox.rate import Rate
from crmsync.sandbox.replies import Reply
from crmsync.sandbox.sandbox import Logged, Sandbox


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
    "JournalError",
    "LabelError",
    "Logged",
    "Quirks",
    "Rate",
    "Reply",
    "Sandbox",
    "load_account",
    "looks_real",
    "make_key",
    "serve",
]
