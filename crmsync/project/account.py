"""The account: checked to be the right one, then its labels and custom fields, which complete the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from crmsync.catalogue.account import zone_of
from crmsync.copper import read
from crmsync.copper.client import Client
from crmsync.model.catalogue import Catalogue
from crmsync.model.settings import Settings
from crmsync.project.trouble import RefusedTrouble, Trouble


@dataclass(frozen=True)
class Account:
    """The Copper account of this run: who it is and the catalogue with its custom fields and labels."""

    id: int
    name: str
    catalogue: Catalogue


def identify(client: Client, settings: Settings, pinned: int | None) -> tuple[int, str, str]:
    """
    Return id, name and time zone of the account behind the key, the first thing that is read.

    Raises RefusedTrouble when the settings or the state say another one.
    """
    body = read.account(client)
    id, name = int(body["id"]), str(body.get("name") or "")
    expected = {"crmsync.yaml names": settings.account, "the state belongs to": pinned}
    for source, other in expected.items():
        if other is not None and other != id:
            raise RefusedTrouble(
                f"The key belongs to account {id} ({name}), but {source} account {other}. Nothing else was read. "
                "Use the key of that account, or another profile."
            )
    return id, name, str(body.get("primary_timezone") or "UTC")


def zone(name: str) -> ZoneInfo:
    """Return the account's time zone. Raises Trouble for one that this machine does not know."""
    try:
        return zone_of(name)
    except ValueError as error:
        raise Trouble(f"The account's time zone {name} is not known here; dates would be wrong without it.") from error
