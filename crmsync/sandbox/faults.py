"""Trouble on order: what a request may run into before, during and after its execution."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random

KINDS: dict[str, str] = {
    "status_before": "an error status (default 503), nothing executed",
    "status_after": "an error status (default 500) although the request was executed",
    "refused": "ConnectionRefusedError, nothing executed",
    "reset_before": "ConnectionResetError, nothing executed",
    "reset_after": "ConnectionResetError, executed",
    "timeout_before": "TimeoutError, nothing executed",
    "timeout_after": "TimeoutError, executed",
    "late": "TimeoutError now, executed `delay` seconds later by the clock",
    "truncated": "200 with half of the JSON, executed",
    "html": "200 with a page instead of JSON; executed only with executed=True",
    "redirect": "302 to another host, nothing executed",
    "stale_search": "a search that knows nothing of the last `delay` seconds",
    "short_page": "a page of a search without its last tenth, at least a row; the total stays",
    "clone": "somebody clones `record`, or the one in the path, or any of its type; then executed",
    "merge": "somebody merges it into the id `into`, or into any other; then executed",
    "hide": "it is put out of sight; then executed",
    "delete": "somebody deletes it; then executed",
}


RANDOM_TROUBLE = ((429, 0.03), (500, 0.02), (502, 0.02))
LOST_REPLIES = 0.02


class SilentTimeout(TimeoutError):
    """No answer came; a server holds the connection for *seconds* before it drops it."""

    def __init__(self, seconds: float) -> None:
        super().__init__("the sandbox gave no answer")
        self.seconds = seconds


@dataclass(frozen=True)
class Fault:
    """
    One kind of trouble and the requests it strikes.

    *path* is a regular expression searched in the path; *nth* counts matching requests from 1 and may be
    several numbers; *probability* is drawn for each matching request. Without nth and probability every
    matching request is struck. *seconds* is how long a server holds a connection that times out. *record*
    (`people/123`) and *into* say whom the hands of other people are laid on.
    """

    kind: str
    method: str | None = None
    path: str | None = None
    nth: int | Collection[int] | None = None
    probability: float | None = None
    status: int | None = None
    retry_after: int | None = None
    delay: float = 30.0
    executed: bool = False
    seconds: float = 30.0
    record: str | None = None
    into: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"There is no fault called {self.kind!r}. Known faults: {', '.join(KINDS)}.")
        try:
            re.compile(self.path or "")
        except re.error as error:
            raise ValueError(f'The path "{self.path}" is not a regular expression: {error}.') from error

    def concerns(self, method: str, path: str) -> bool:
        """Return whether a request of this method and path counts for the fault."""
        if self.method is not None and self.method.upper() != method:
            return False
        return self.path is None or re.search(self.path, path) is not None

    def strikes(self, count: int, rng: Random) -> bool:
        """Return whether the *count*-th matching request is struck."""
        if self.nth is not None and count not in ({self.nth} if isinstance(self.nth, int) else self.nth):
            return False
        return self.probability is None or rng.random() < self.probability

    @property
    def status_code(self) -> int:
        """The status of the reply, for the kinds that give one."""
        return self.status or {"status_before": 503, "status_after": 500, "redirect": 302}.get(self.kind, 200)


def ambient(trouble: str) -> list[Fault]:
    """Return the faults of a Copper that has bad days: errors at random, and replies lost after the execution."""
    if trouble == "none":
        return []
    errors = [Fault("status_before", status=status, probability=chance) for status, chance in RANDOM_TROUBLE]
    return [*errors, Fault("timeout_after", probability=LOST_REPLIES)]


class Troubles:
    """The faults in force, with the number of matching requests each has seen."""

    def __init__(self, faults: Sequence[Fault], rng: Random) -> None:
        self.faults = list(faults)
        self._seen: dict[int, int] = {}
        self._rng = rng

    def strike(self, method: str, path: str) -> Fault | None:
        """Return the first fault that strikes this request; every matching fault counts it."""
        struck: Fault | None = None
        for fault in self.faults:
            if not fault.concerns(method, path):
                continue
            # Counted by identity: the same fault listed twice is two faults.
            count = self._seen[id(fault)] = self._seen.get(id(fault), 0) + 1
            if fault.strikes(count, self._rng) and struck is None:
                struck = fault
        return struck
