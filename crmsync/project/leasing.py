"""Holding the state's lease while a command writes: who holds it, renewed beside the work."""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator

from crmsync.model.store import Holder, Locked, Lost, Store
from crmsync.project.trouble import LockedTrouble

RENEW_SECONDS = 15.0


@contextlib.contextmanager
def leased(store: Store, clock: Callable[[], float] = time.time) -> Iterator[None]:
    """Hold the state's lease, renewing it, for as long as the block runs. Raises LockedTrouble."""
    now = clock()
    holder = Holder(secrets.token_hex(8), who(), socket.gethostname(), os.getpid(), now, now)
    try:
        store.acquire(holder, now)
    except Locked as error:
        raise LockedTrouble(f"The state is {error}. Wait for that run to end; if it is gone: crmsync unlock") from error
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(RENEW_SECONDS):
            with contextlib.suppress(Exception):  # the append is the fence; the lease is courtesy
                store.renew(holder.nonce, clock())

    thread = threading.Thread(target=renew, name="crmsync-lease", daemon=True)
    thread.start()
    try:
        yield
    except Lost as error:
        raise LockedTrouble(
            "Another run appended to the state while this one worked. Nothing more was sent. Run again."
        ) from error
    finally:
        ended.set()
        thread.join()
        store.release(holder.nonce)


def who() -> str:
    """Return who runs this, for others to see."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
