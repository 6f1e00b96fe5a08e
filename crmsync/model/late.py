"""Regular expressions that are compiled when they are first used: a command uses few of those that it imports."""

from __future__ import annotations

import re
from typing import Any, cast


def late(source: str, flags: int = 0) -> re.Pattern[str]:
    """Return the expression of *source*, as good as a compiled one to whoever searches or matches with it."""
    return cast(re.Pattern[str], _Late(source, flags))


class _Late:
    def __init__(self, source: str, flags: int) -> None:
        self._source, self._flags = source, flags

    def __getattr__(self, name: str) -> Any:
        # It stays as an attribute, and is found as fast as that of a compiled one from then on.
        found = self.__dict__[name] = getattr(re.compile(self._source, self._flags), name)
        return found
