"""
CRM-as-code for Copper: YAML files say which records should exist, by label; plan shows the difference, apply makes it so.

The house, room by room; each imports only from those named (tests/test_house.py holds the arrows):

    model       the nouns, as frozen values                                       from nothing
    catalogue   what Copper has, as rows: kinds, types, filters, labels           from model
    config      text in, records out, with positions and diagnostics              from model
    resolve     labels to ids, references to addresses                            from model
    plan        arithmetic: difference, order, limits, cost                       from model
    apply       the engine: a generator of effects, and the rules of settling     from model, plan.sent
    render      values to text, JSON, tables                                      from model
    copper      [edge] the only room that knows HTTP                              from model
    state       [edge] the log of what was done                                   from model
    project     [edge] opens files, state and account, and runs the engine        from all above
    client      [edge] the labelled API for Python users                          from all above but project
    cli         [edge] one short file per command                                 from project, client, render
    sandbox     [edge] a Copper to practise on, a second witness                  from nothing

One record's way through it: a file is read by `config`, its labels become ids in `resolve`, `copper` reads what Copper
shows, `plan` compares the two with what `state` remembers, `render` prints the plan, and `apply` sends what it says.

For Python users:

    from crmsync import Copper

    copper = Copper.from_env()
    rows = copper.people.search(company="Acme", tags=["vip"], sort="name").to_rows()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crmsync.client.copper import Copper as Copper
    from crmsync.client.record import Record as Record
    from crmsync.client.trouble import BadInput as BadInput
    from crmsync.copper.errors import AuthenticationFailed as AuthenticationFailed
    from crmsync.copper.errors import CopperError as CopperError
    from crmsync.copper.errors import Misconfigured as Misconfigured
    from crmsync.copper.errors import NotFound as NotFound
    from crmsync.copper.errors import PaymentRequired as PaymentRequired
    from crmsync.copper.errors import PermissionDenied as PermissionDenied
    from crmsync.copper.errors import ReadOnlyClient as ReadOnlyClient
    from crmsync.copper.errors import Rejected as Rejected
    from crmsync.copper.errors import ServerTrouble as ServerTrouble
    from crmsync.copper.errors import TooManyRequests as TooManyRequests
    from crmsync.copper.errors import Unreachable as Unreachable

__version__ = "0.1.0"

_ERRORS = (
    "AuthenticationFailed",
    "CopperError",
    "Misconfigured",
    "NotFound",
    "PaymentRequired",
    "PermissionDenied",
    "ReadOnlyClient",
    "Rejected",
    "ServerTrouble",
    "TooManyRequests",
    "Unreachable",
)
# Imported when they are first asked for: `crmsync --help` needs none of them.
_PUBLIC = {
    "Copper": "crmsync.client.copper",
    "Record": "crmsync.client.record",
    "BadInput": "crmsync.client.trouble",
    **dict.fromkeys(_ERRORS, "crmsync.copper.errors"),
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
