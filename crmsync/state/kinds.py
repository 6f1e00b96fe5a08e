"""What each kind of event is called where it is written down. The names are frozen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crmsync.model.events import (
    Absent,
    Bound,
    Done,
    FieldsApplied,
    FieldsReleased,
    Forgotten,
    Found,
    Intent,
    Missed,
    Protected,
    Refused,
    Renamed,
    Ruled,
    RunEnded,
    RunStarted,
    Unknown,
)

KINDS: Mapping[str, Any] = {
    "bound": Bound,
    "applied": FieldsApplied,
    "fields_released": FieldsReleased,
    "intent": Intent,
    "done": Done,
    "refused": Refused,
    "unknown": Unknown,
    "found": Found,
    "absent": Absent,
    "protected": Protected,
    "ruled": Ruled,
    "moved": Renamed,
    "forgotten": Forgotten,
    "missed": Missed,
    "run_started": RunStarted,
    "run_ended": RunEnded,
}
