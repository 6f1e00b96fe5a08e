"""
Who may take the lease: a courtesy that keeps two runs apart; the append is the fence.

A holder renews every `RENEW_SECONDS`. One that was silent for `SILENCE_SECONDS` has lost it, and one whose process on this
host is dead has lost it at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from crmsync.model.store import Holder

RENEW_SECONDS = 15.0
SILENCE_SECONDS = 60.0


def may_take(current: Holder | None, holder: Holder, now: float, is_alive: Callable[[int], bool]) -> bool:
    """Say whether *holder* may have the lease that *current* has, at *now* (unix seconds)."""
    if current is None or current.nonce == holder.nonce:
        return True
    if now - current.renewed >= SILENCE_SECONDS:
        return True
    return current.host == holder.host and not is_alive(current.pid)


def process_is_alive(pid: int) -> bool:
    """Say whether a process of this host still runs; where that cannot be asked, that it does."""
    # On Windows os.kill(pid, 0) is not a question: it sends Ctrl-C.
    if os.name == "nt" or pid <= 0:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
