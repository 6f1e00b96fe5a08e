"""``crmsync.yaml`` as a value, with the active profile merged in."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from crmsync.model.records import PolicyRule


class Pace(Struct, frozen=True):
    """What the account allows: requests in any 60 seconds, bulk calls in any second."""

    requests: int = 180
    bulk: int = 3

    def records_in(self, seconds: float, call_size: int) -> int:
        """Return how many records calls of *call_size* can write in *seconds*; at least one call's, at most 200."""
        calls_a_second = self.bulk if call_size > 1 else self.requests / 60
        return min(200, max(call_size, int(calls_a_second * seconds * call_size)))


class Limit(Struct, frozen=True):
    """A brake: a number of records, or a share of them in percent."""

    amount: int
    is_percent: bool = False

    def __str__(self) -> str:
        return f"{self.amount}%" if self.is_percent else str(self.amount)


class Limits(Struct, frozen=True):
    """How much one plan may do; percentages count above *apply_from* records, below it at most 3 deletes."""

    updates: Limit = Limit(30, True)
    deletes: Limit = Limit(5, True)
    adopts: Limit = Limit(100)
    apply_from: int = 20


class Settings(Struct, frozen=True):
    """
    The settings of a project. Paths are as written, relative to the file.

    *keep_days* is how long copies of deleted records are kept, *has_stamp* whether records carry their address in Copper.
    *policies* are the ``policy`` entries by type, ``*`` for all. *profile* is the active one of *profiles*, or None.
    """

    project: str
    records: tuple[str, ...] = ("crm/",)
    account: int | None = None
    state: str = ".crmsync/state.db"
    phone_region: str = "US"
    close_date_order: str = "mdy"
    pace: Pace = Pace()
    limits: Limits = Limits()
    keep_days: int = 90
    has_stamp: bool = False
    policies: Mapping[str, PolicyRule] = field(default_factory=dict)
    profile: str | None = None
    profiles: tuple[str, ...] = ()
