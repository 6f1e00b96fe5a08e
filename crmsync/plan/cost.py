"""What a plan costs: requests, and minutes at the account's pace."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from crmsync.model.catalogue import Catalogue
from crmsync.model.events import WriteAction
from crmsync.model.plan import Price, Step
from crmsync.model.settings import Pace

#: Copper takes 10 records in a bulk call and shows 200 in a search (developer.copper.com, bulk and search pages).
BULK_SIZE = 10
GUARD_SIZE = 200

_BULK_NAME = {WriteAction.CREATE: "create", WriteAction.UPDATE: "update"}


def price(steps: Iterable[Step], catalogue: Catalogue, pace: Pace) -> Price:
    """
    Return the price of carrying out *steps*, guards included.

    A delete takes two requests: a full copy, the delete itself.
    """
    batches: Counter[tuple[str, WriteAction]] = Counter(
        (step.address.type, step.action) for step in steps if step.fields or step.action is WriteAction.DELETE
    )
    bulk = single = guards = 0
    for (type_name, action), count in batches.items():
        if _BULK_NAME.get(action) in catalogue[type_name].bulk:
            bulk += math.ceil(count / BULK_SIZE)
        else:
            single += count
        if action is WriteAction.DELETE:
            guards += count
        elif action is not WriteAction.CREATE:
            guards += math.ceil(count / GUARD_SIZE)
        else:
            guards += 1
    requests = bulk + single + guards
    minutes = max(requests / pace.requests, bulk / (pace.bulk * 60))
    return Price(requests, bulk, minutes if requests else 0.0)
