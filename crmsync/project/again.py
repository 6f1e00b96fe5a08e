"""One plan made again: what all the ways to make it have in common."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from msgspec import Struct

from crmsync.copper.client import Client
from crmsync.model.address import Address
from crmsync.model.state import State
from crmsync.model.store import Store
from crmsync.plan.world import Wishes
from crmsync.project import quiet
from crmsync.project.account import read_account, read_other_labels
from crmsync.project.hashing import Hashes
from crmsync.project.looking import Looking
from crmsync.project.planned import Begun, mirror_of
from crmsync.project.session import Project, peek
from crmsync.project.stopwatch import Stopwatch


class Again(Struct):
    """
    One plan made again, of files as *hashes* has them.

    *state* is the one to plan on, where who calls holds the lease and has read it; *also* are records that must be judged,
    whether or not they moved. *begun* is what was asked of Copper so far, with the labels that *types* use, *unsieved* why
    not only a part is judged.
    """

    project: Project
    client: Client
    store: Store
    wishes: Wishes
    expires_seconds: float
    clock: Callable[[], float]
    watch: Stopwatch
    hashes: Hashes
    state: State | None = None
    also: frozenset[Address] = frozenset()
    begun: Begun | None = None
    types: frozenset[str] = frozenset()
    quiet_inputs: str | None = None
    unsieved: str = ""
    notice: str = ""

    def inputs(self) -> str | None:
        """Return the digest of all on this machine that an empty plan depends on, as it was when it was first asked for."""
        self.quiet_inputs = self.quiet_inputs or self._inputs(self.hashes)
        return self.quiet_inputs

    def inputs_now(self) -> str | None:
        """Return the same as it is now."""
        with closing(self.hashes.now()) as hashes:
            return self._inputs(hashes)

    def _inputs(self, hashes: Hashes) -> str | None:
        known = peek(self.project, self.store)
        if known is None:
            return None
        head, position = known
        return quiet.inputs_of(self.project, head, (position, self.store.mark(position)), self.wishes, hashes)

    def begin(self, account: int, types: frozenset[str]) -> Begun:
        """Ask for the account and the labels of *types*, unless that was done."""
        if self.begun is None:
            found, self.types = read_account(self.project, self.client, account, types=types), types
            self.begun = Begun(found, Looking(self.client, found.id, found.catalogue, mirror_of(self.project)))
        return self.begun

    def read_all_labels(self) -> None:
        """Ask for the labels of all types, where only those of some were: a file may have begun to use others."""
        if self.begun is not None:
            account = read_other_labels(self.project, self.client, self.begun.account, self.types)
            self.begun.looking.relabel(account.catalogue)
            self.begun = Begun(account, self.begun.looking)
