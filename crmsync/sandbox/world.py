"""What every handler works with: the account, its records, the quirks and the time of the request."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from crmsync.sandbox.account import Account
from crmsync.sandbox.quirks import Quirks
from crmsync.sandbox.replies import Json
from crmsync.sandbox.store import Record, Store
from crmsync.sandbox.tables import BY_SINGULAR
from crmsync.sandbox.uploads import Uploads


@dataclass(frozen=True)
class Ghost:
    """A deleted record that search still shows for a while."""

    plural: str
    record: Record
    deleted_at: float


@dataclass
class Lag:
    """What search does not know yet: when records were created and deleted."""

    born: dict[tuple[str, int], float] = field(default_factory=dict)
    ghosts: list[Ghost] = field(default_factory=list)


@dataclass(frozen=True)
class World:
    """The sandbox at the moment of one request; *now* is in unix seconds."""

    account: Account
    store: Store
    quirks: Quirks
    rng: Random
    now: float
    seed: int = 0
    lag: Lag = field(default_factory=Lag)
    uploads: Uploads = field(default_factory=Uploads)
    sees_hidden: bool = False

    @property
    def stamp(self) -> int:
        """The time as Copper writes it."""
        return int(self.now)

    def has(self, target: str, id: int) -> bool:
        """Return whether *id* exists in a lookup table or among the records of a type."""
        table = self.account.ids.get(target)
        return id in table if table is not None else self.store.get(target, id) is not None

    def visible(self, plural: str, id: int) -> Record | None:
        """Return the record if it exists and may be seen; a converted lead is gone (7.12)."""
        is_hidden = id in self.store.hidden[plural] and not self.sees_hidden
        record = None if is_hidden else self.store.get(plural, id)
        return None if record is None or record.get("converted_at") else record

    def is_unseen(self, plural: str, id: int) -> bool:
        """Return whether the record was created so lately that GET does not show it (6.5; quirk get_lag)."""
        horizon = self.now - self.quirks.get_lag
        return self.lag.born.get((plural, id), horizon) > horizon

    def late(self, plural: str, id: int) -> Record | None:
        """Return a record that was deleted so lately that GET still shows it (6.5; quirk get_lag)."""
        horizon = self.now - self.quirks.get_lag
        ghosts = self.lag.ghosts if self.quirks.get_lag else ()
        return next(
            (g.record for g in ghosts if g.plural == plural and g.record["id"] == id and g.deleted_at > horizon), None
        )

    def ref(self, resource: Json) -> tuple[str, int]:
        """Return the (type, id) that a related_resource `{"id", "type"}` names."""
        return BY_SINGULAR[resource["type"]].plural, resource["id"]
